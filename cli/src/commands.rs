//! [`Command`]: what can be asked for, one file each.

mod bench;
mod completions;
mod diff;
mod filter;
mod replay;
mod stats;
mod tail;
mod topics;

use clap::Subcommand;

use crate::complaints::Complaints;
use crate::output::Output;
use crate::trouble::{Trouble, Verdict};

/// A command with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Tail(tail::Args),
    Filter(filter::Args),
    Replay(replay::Args),
    Stats(stats::Args),
    Diff(diff::Args),
    Topics(topics::Args),
    Bench(bench::Args),
    Completions(completions::Args),
}

impl Command {
    pub(crate) fn run(&self, output: &mut Output, complaints: &Complaints) -> Result<Verdict, Trouble> {
        match self {
            Self::Tail(args) => tail::run(args, output, complaints),
            Self::Filter(args) => filter::run(args, output, complaints),
            Self::Replay(args) => replay::run(args, output, complaints),
            Self::Stats(args) => stats::run(args, output, complaints),
            Self::Diff(args) => diff::run(args, output, complaints),
            Self::Topics(args) => topics::run(args, output),
            Self::Bench(args) => bench::run(args, output),
            Self::Completions(args) => completions::run(args, output),
        }
    }
}
