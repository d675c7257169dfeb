//! `sigtree stats`: what is in recordings.

mod gaps;
mod timeline;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anstyle::Style;
use serde_json::{Value, json};
use sigtree::middleware::{Moments, Record};

use crate::args::count;
use crate::complaints::Complaints;
use crate::input::{self, Input};
use crate::output::Output;
use crate::topic_counts::TopicCounts;
use crate::trouble::{Trouble, Verdict};
use crate::{attributes, bars, escape, times};
use gaps::Gaps;
use timeline::Timeline;

/// Count what is in recordings: events, bytes, topics, rates, and the time between events
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recordings, counted together; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_parser = input::path())]
    files: Vec<PathBuf>,

    /// Show so many topics; the others are counted together
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count, allow_negative_numbers = true)]
    top: usize,
}

pub(crate) fn run(args: &Args, output: &mut Output, complaints: &Complaints) -> Result<Verdict, Trouble> {
    let mut sum = Sum::default();
    for file in &args.files {
        let mut input = Input::open_with_progress(file, complaints)?;
        let mut moments = Moments::new();
        sum.latest = None;
        while let Some(record) = input.next().transpose()? {
            sum.add(&record, input.line(), moments.of(record.stamp()));
        }
        sum.bytes += input.bytes();
    }
    match output.is_json() {
        true => output.object(&sum.to_json(args.top, complaints.count()))?,
        false => sum.tell(args.top, output)?,
    }
    Ok(Verdict::Fine)
}

/// What was counted.
#[derive(Default)]
struct Sum {
    events: u64,
    bytes: u64,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
    /// The time that passed in all recordings together.
    passed: Duration,
    /// The latest moment of the recording at hand.
    latest: Option<Duration>,
    topics: TopicCounts,
    gaps: Gaps,
    timeline: Timeline,
}

impl Sum {
    fn add(&mut self, record: &Record, line: &[u8], moment: Duration) {
        self.events += 1;
        self.topics.add(record.topic(), line.len() + 1);
        if let Some(time) = attributes::time(record, line) {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
        if let Some(latest) = self.latest {
            let gap = moment.saturating_sub(latest);
            self.passed += gap;
            self.gaps.add(gap);
        }
        self.latest = self.latest.max(Some(moment));
        self.timeline.add(self.passed);
    }

    /// Events a second; none if no time passed.
    fn rate(&self) -> Option<f64> {
        (!self.passed.is_zero()).then(|| self.events as f64 / self.passed.as_secs_f64())
    }

    fn tell(&self, top: usize, output: &mut Output) -> Result<(), Trouble> {
        let bold = output.style(Style::new().bold());
        output.line(format_args!("{bold}events{bold:#}  {}", self.events))?;
        output.line(format_args!("{bold}bytes{bold:#}   {}", self.bytes))?;
        let (Some(first), Some(last)) = (self.first, self.last) else {
            // Nobody knows when anything happened.
            return self.tell_topics(top, output);
        };
        output.line(format_args!("{bold}from{bold:#}    {}", times::show(first)))?;
        output.line(format_args!("{bold}to{bold:#}      {}", times::show(last)))?;
        output.line(format_args!("{bold}time{bold:#}    {}", times::show_duration(self.passed)))?;
        if let Some(rate) = self.rate() {
            output.line(format_args!("{bold}rate{bold:#}    {rate:.1} events a second"))?;
        }
        self.tell_topics(top, output)?;
        self.gaps.tell(output)?;
        self.timeline.tell(output)
    }

    fn tell_topics(&self, top: usize, output: &mut Output) -> Result<(), Trouble> {
        let (topics, others) = self.topics.top(top);
        let most = topics.first().map_or(0, |(_, count)| count.events);
        let bold = output.style(Style::new().bold());
        output.line(format_args!("\n{bold}{:>12} {:>14}  topic{bold:#}", "events", "bytes"))?;
        for (topic, count) in &topics {
            let topic = escape::text(topic.as_str());
            let bar = bars::bar(count.events, most, 24);
            output.line(format_args!("{:>12} {:>14}  {topic:<32} {bar}", count.events, count.bytes))?;
        }
        if others.events > 0 {
            let more = self.how_many_more(topics.len());
            output.line(format_args!("{:>12} {:>14}  ({more} other topics)", others.events, others.bytes))?;
        }
        Ok(())
    }

    fn how_many_more(&self, shown: usize) -> String {
        let (known, uncounted) = self.topics.len();
        format!("{}{}", if uncounted { "more than " } else { "" }, known - shown)
    }

    fn to_json(&self, top: usize, skipped: u64) -> Value {
        let (topics, others) = self.topics.top(top);
        let (known, uncounted) = self.topics.len();
        let shown = topics.len();
        let topics = topics
            .into_iter()
            .map(|(topic, count)| json!({ "topic": topic.as_str(), "events": count.events, "bytes": count.bytes }));
        let others = json!({
            "topics": known - shown,
            "more_than_that": uncounted,
            "events": others.events,
            "bytes": others.bytes,
        });
        json!({
            "events": self.events,
            "bytes": self.bytes,
            "skipped": skipped,
            "from": self.first.map(times::show),
            "to": self.last.map(times::show),
            "seconds": self.last.map(|_| self.passed.as_secs_f64()),
            "rate": self.rate(),
            "topics": topics.collect::<Vec<_>>(),
            "others": others,
            "gaps": self.last.map(|_| self.gaps.to_json()),
            "timeline": self.last.map(|_| self.timeline.to_json()),
        })
    }
}
