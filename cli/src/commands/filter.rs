//! `sigtree filter`: some lines of recordings.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sigtree::Pattern;
use sigtree::middleware::Record;

use crate::complaints::Complaints;
use crate::condition::Condition;
use crate::input::Input;
use crate::output::Output;
use crate::times;
use crate::trouble::{Trouble, Verdict};

/// Write the lines of recordings that are asked for, as they are
///
/// The output is a recording again. An event is kept if it matches one of the patterns, lies within the times, and has
/// everything that --where asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recordings, one after the other; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Topics that match; may be given more than once
    #[arg(short, long = "pattern", value_name = "PATTERN")]
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

    /// What an event must have: source=tower, priority=high, meta.unit=kg, data.id=7; may be given more than once
    #[arg(long = "where", value_name = "KEY=VALUE")]
    conditions: Vec<Condition>,

    /// Write for people
    #[arg(long, conflicts_with = "json")]
    pretty: bool,
}

pub(crate) fn run(args: &Args, output: &mut Output, complaints: &Complaints) -> Result<Verdict, Trouble> {
    for file in &args.files {
        // A bar among lines would be in their way.
        let mut input = match output.is_terminal() {
            true => Input::open(file, complaints)?,
            false => Input::open_with_progress(file, complaints)?,
        };
        while let Some(record) = input.next().transpose()? {
            if args.want(&record) {
                args.write(&record, input.line(), output)?;
            }
        }
    }
    Ok(Verdict::Fine)
}

impl Args {
    fn want(&self, record: &Record) -> bool {
        let (time, offset) = (record.time(), record.offset());
        (self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(record.topic())))
            && self.from.is_none_or(|from| time >= from)
            && self.to.is_none_or(|to| time < to)
            && self.since.is_none_or(|since| offset >= since)
            && self.until.is_none_or(|until| offset < until)
            && self.conditions.iter().all(|condition| condition.holds(record))
    }

    fn write(&self, record: &Record, line: &[u8], output: &mut Output) -> Result<(), Trouble> {
        match self.pretty {
            true => output.event(record),
            false => output.as_it_is(line),
        }
    }
}
