//! `sigtree filter`: some lines of recordings.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sigtree::Pattern;
use sigtree::middleware::Record;

use crate::args::of_library;
use crate::attributes::{self, attribute};
use crate::complaints::Complaints;
use crate::condition::{Condition, KEYS};
use crate::input::{self, Input};
use crate::output::Output;
use crate::times;
use crate::trouble::{Trouble, Verdict};

/// Write the lines of recordings that are asked for, as they are
///
/// The output is a recording again. An event is kept if it matches one of the patterns, lies within the times, and has
/// everything that --where asks for. An event without a time lies within no times.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recordings, one after the other; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_parser = input::path())]
    files: Vec<PathBuf>,

    /// Topics that match; may be given more than once
    #[arg(short, long = "pattern", value_name = "PATTERN", value_parser = of_library::<Pattern>)]
    patterns: Vec<Pattern>,

    /// From this time on: 2026-11-21T07:10:16Z; without an offset it is UTC
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    from: Option<SystemTime>,

    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    to: Option<SystemTime>,

    /// From this time on the bus's clock on: 90s, 1m30s
    #[arg(long, value_name = "DURATION", value_parser = times::parse_duration)]
    since: Option<Duration>,

    /// Before this time on the bus's clock
    #[arg(long, value_name = "DURATION", value_parser = times::parse_duration)]
    until: Option<Duration>,

    /// What an event must have: source=tower, priority=high, meta.unit=kg, data.id=7, 'data.speed>=250'; may be given
    /// more than once
    ///
    /// A key is data.FIELD for a part of the payload (data.list.0, data.a.b), meta.NAME, or an attribute as it stands in
    /// the file: type (or topic), source, id, time, sequence, offset, correlationid, causationid, priority.
    ///
    /// There are =, !=, <, <=, > and >=; a shell wants quotes around them. Two numbers are compared as numbers, exactly,
    /// whatever their size: 1 and 1.0 are the same, so = holds for them and != does not. A string is compared as text:
    /// "10" comes before "9", and "1" is not "1.0". != is the opposite of =, so it also holds for an event that has no such
    /// part; the other four do not, nor for a number and a text that is none.
    #[arg(long = "where", value_name = "KEY=VALUE")]
    conditions: Vec<Condition>,

    /// Write for people
    #[arg(long, conflicts_with = "json")]
    pretty: bool,
}

pub(crate) fn run(args: &Args, output: &mut Output, complaints: &Complaints) -> Result<Verdict, Trouble> {
    let mut unseen: Vec<_> = args.conditions.iter().filter_map(Condition::foreign_attribute).collect();
    for file in &args.files {
        // A bar among lines would be in their way.
        let mut input = match output.is_terminal() {
            true => Input::open(file, complaints)?,
            false => Input::open_with_progress(file, complaints)?,
        };
        while let Some(record) = input.next().transpose()? {
            unseen.retain(|name| attribute(input.line(), name).is_none());
            if args.want(&record, input.line()) {
                args.write(&record, input.line(), output)?;
            }
        }
    }
    unseen.iter().for_each(|name| complaints.note(&format!("no event has an attribute `{name}`: use {KEYS}")));
    Ok(Verdict::Fine)
}

impl Args {
    fn want(&self, record: &Record, line: &[u8]) -> bool {
        let offset = record.offset();
        (self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(record.topic())))
            && self.lies_within(record, line)
            && self.since.is_none_or(|since| offset >= since)
            && self.until.is_none_or(|until| offset < until)
            && self.conditions.iter().all(|condition| condition.holds(record, line))
    }

    fn lies_within(&self, record: &Record, line: &[u8]) -> bool {
        let within = |time| self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to);
        (self.from.is_none() && self.to.is_none()) || attributes::time(record, line).is_some_and(within)
    }

    fn write(&self, record: &Record, line: &[u8], output: &mut Output) -> Result<(), Trouble> {
        match self.pretty {
            true => output.event(record, line),
            false => output.as_it_is(line),
        }
    }
}
