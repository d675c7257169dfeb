//! `sigtree diff`: where two recordings part.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde_json::{Value, json};
use sigtree::middleware::{Counted, EventTree, Record};
use similar::{Algorithm, ChangeTag, capture_diff_slices};

use crate::complaints::Complaints;
use crate::input::{self, Input, is_stdin};
use crate::output::Output;
use crate::topic_counts::TopicCounts;
use crate::trouble::{Trouble, Verdict};
use crate::{escape, times};

/// Compare two recordings: show where they first differ, and how many events of which topic each has
///
/// Topics and payloads are compared, event by event; ids and times always differ from one run to the next.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is expected, shown with `-`
    #[arg(value_parser = input::path())]
    expected: PathBuf,

    /// What is found, shown with `+`; one of the two may be `-`, standard input
    #[arg(value_parser = input::path())]
    found: PathBuf,

    /// Compare this too
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    also: Vec<Facet>,

    /// Compare by what led to what, whatever the order; keeps both recordings in memory
    #[arg(long, conflicts_with = "also")]
    tree: bool,
}

/// What else may be compared.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Facet {
    Id,
    Time,
    Source,
    Correlation,
    Causation,
}

/// So many events before the first difference are shown, and of each side so many from there on.
const BEFORE: usize = 3;
const AFTER: usize = 10;

pub(crate) fn run(args: &Args, output: &mut Output, complaints: &Complaints) -> Result<Verdict, Trouble> {
    if is_stdin(&args.expected) && is_stdin(&args.found) {
        return Err(Trouble::Usage(String::from("both are standard input: give a file for one of them")));
    }
    let expected = Input::open_with_progress(&args.expected, complaints)?;
    // One bar is enough for what is read side by side; trees are read one after the other.
    match args.tree {
        true => compare_trees(expected, Input::open_with_progress(&args.found, complaints)?, output),
        false => compare_events(Side::of(expected), Side::of(Input::open(&args.found, complaints)?), args, output),
    }
}

fn compare_trees(expected: Input, found: Input, output: &mut Output) -> Result<Verdict, Trouble> {
    let [expected, found] = [EventTree::try_of_records(expected)?, EventTree::try_of_records(found)?];
    let difference = expected.compare(&found).err();
    match (&difference, output.is_json()) {
        (None, true) => output.object(&json!({ "same": true, "events": expected.len() }))?,
        (None, false) => output.line(format_args!("the same {}", Counted(expected.len(), "event")))?,
        (Some(difference), true) => output.object(&json!({
            "same": false,
            "event": difference.event(),
            "expected": difference.expected(),
            "found": difference.found(),
        }))?,
        (Some(difference), false) => {
            for line in difference.to_string().lines() {
                output.line(escape::text(line))?;
            }
        }
    }
    Ok(Verdict::found(difference.is_some()))
}

fn compare_events(mut expected: Side, mut found: Side, args: &Args, output: &mut Output) -> Result<Verdict, Trouble> {
    let mut comparison = Comparison::default();
    loop {
        let pair = [expected.next()?, found.next()?];
        if pair.iter().all(Option::is_none) {
            break;
        }
        comparison.add(pair, &args.also);
    }
    match output.is_json() {
        true => output.object(&comparison.to_json(&expected, &found))?,
        false => comparison.tell(&expected, &found, output)?,
    }
    Ok(Verdict::found(comparison.differ))
}

/// One of the recordings.
struct Side {
    input: Input,
    events: u64,
    topics: TopicCounts,
}

impl Side {
    fn of(input: Input) -> Self {
        Self { input, events: 0, topics: TopicCounts::default() }
    }

    fn next(&mut self) -> Result<Option<Record>, Trouble> {
        let record = self.input.next().transpose()?;
        if let Some(record) = &record {
            self.events += 1;
            self.topics.add(record.topic(), record.data().len());
        }
        Ok(record)
    }
}

/// How far they are the same, and what stands around the first difference.
#[derive(Default)]
struct Comparison {
    same: u64,
    differ: bool,
    before: VecDeque<String>,
    expected: Vec<String>,
    found: Vec<String>,
}

impl Comparison {
    fn add(&mut self, [expected, found]: [Option<Record>; 2], also: &[Facet]) {
        if self.differ && self.expected.len().max(self.found.len()) >= AFTER {
            return;
        }
        self.differ = self.differ || !are_same(expected.as_ref(), found.as_ref(), also);
        if self.differ {
            self.expected.extend(expected.map(|record| show(&record, also)));
            self.found.extend(found.map(|record| show(&record, also)));
            return;
        }
        self.same += 1;
        self.before.extend(expected.map(|record| show(&record, also)));
        if self.before.len() > BEFORE {
            self.before.pop_front();
        }
    }

    fn tell(&self, expected: &Side, found: &Side, output: &mut Output) -> Result<(), Trouble> {
        if !self.differ {
            return output.line(format_args!("the same {}", Counted(self.same, "event")));
        }
        let names = [expected, found].map(|side| escape::text(side.input.name()).into_owned());
        let [red, green, cyan] = [AnsiColor::Red, AnsiColor::Green, AnsiColor::Cyan].map(|color| output.color(color));
        output.line(format_args!("{red}--- {}{red:#}\n{green}+++ {}{green:#}", names[0], names[1]))?;
        output.line(format_args!("{cyan}@@ event {} @@{cyan:#}", self.same + 1))?;
        self.before.iter().try_for_each(|line| output.line(format_args!("  {line}")))?;
        for (sign, line) in self.changes() {
            let style = match sign {
                '-' => red,
                '+' => green,
                _ => Style::new(),
            };
            output.line(format_args!("{style}{sign} {line}{style:#}"))?;
        }
        output.line(format_args!(
            "\n{}: {}, {}: {}; the first {} {} the same",
            names[0],
            Counted(expected.events, "event"),
            names[1],
            Counted(found.events, "event"),
            self.same,
            if self.same == 1 { "is" } else { "are" }
        ))?;
        tell_topics(expected, found, output)
    }

    /// What is on one side and what on the other, from the first difference on.
    fn changes(&self) -> Vec<(char, String)> {
        let changes = capture_diff_slices(Algorithm::Myers, &self.expected, &self.found);
        let changes = changes.iter().flat_map(|change| change.iter_changes(&self.expected, &self.found));
        changes.map(|change| (sign(change.tag()), change.value())).collect()
    }

    fn to_json(&self, expected: &Side, found: &Side) -> Value {
        let topics = differing(expected, found);
        let topics = topics.iter().map(|(topic, [a, b])| json!({ "topic": topic, "expected": a, "found": b }));
        json!({
            "same": !self.differ,
            "same_events": self.same,
            "events": { "expected": expected.events, "found": found.events },
            "expected": self.expected.first(),
            "found": self.found.first(),
            "topics": topics.collect::<Vec<_>>(),
        })
    }
}

fn sign(tag: ChangeTag) -> char {
    match tag {
        ChangeTag::Equal => ' ',
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
    }
}

/// The topics of which there are more on one side, by name.
fn differing(expected: &Side, found: &Side) -> Vec<(String, [u64; 2])> {
    let topics: BTreeSet<_> = expected.topics.topics().chain(found.topics.topics()).collect();
    let rows = topics.into_iter().map(|topic| {
        let counts = [expected, found].map(|side| side.topics.get(topic).events);
        (topic.to_string(), counts)
    });
    rows.filter(|(_, [a, b])| a != b).collect()
}

/// So many topics are listed.
const TOPICS: usize = 20;

fn tell_topics(expected: &Side, found: &Side, output: &mut Output) -> Result<(), Trouble> {
    let topics = differing(expected, found);
    if topics.is_empty() {
        return output.line("each topic has as many events on either side");
    }
    output.line(format_args!("{:>12} {:>12}  topic", "-", "+"))?;
    for (topic, [expected, found]) in topics.iter().take(TOPICS) {
        output.line(format_args!("{expected:>12} {found:>12}  {}", escape::text(topic)))?;
    }
    match topics.len().saturating_sub(TOPICS) {
        0 => Ok(()),
        more => output.line(format_args!("{:>25}  ({more} more)", "")),
    }
}

fn are_same(expected: Option<&Record>, found: Option<&Record>, also: &[Facet]) -> bool {
    match (expected, found) {
        (Some(expected), Some(found)) => {
            expected.topic() == found.topic()
                && are_same_data(expected, found)
                && also.iter().all(|facet| facet.of(expected) == facet.of(found))
        }
        _ => false,
    }
}

/// The same text, or the same JSON written in another way.
fn are_same_data(expected: &Record, found: &Record) -> bool {
    expected.data() == found.data()
        || matches!((expected.decode::<Value>(), found.decode::<Value>()), (Ok(one), Ok(other)) if one == other)
}

/// What is compared, in one line.
fn show(record: &Record, also: &[Facet]) -> String {
    let mut line = format!("{} {}", escape::text(record.topic().as_str()), escape::text(record.data()));
    for facet in also {
        if let Some(text) = facet.of(record) {
            line += &format!(" {}={}", facet.name(), escape::text(&text));
        }
    }
    line
}

impl Facet {
    fn of(self, record: &Record) -> Option<String> {
        match self {
            Self::Id => Some(record.id().to_string()),
            Self::Time => Some(times::show_exactly(record.time())),
            Self::Source => record.source().map(ToString::to_string),
            Self::Correlation => record.envelope()?.correlation.as_deref().map(str::to_owned),
            Self::Causation => record.causation().map(|id| id.to_string()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Time => "time",
            Self::Source => "source",
            Self::Correlation => "correlation",
            Self::Causation => "causation",
        }
    }
}
