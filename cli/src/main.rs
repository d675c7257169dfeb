//! The command `sigtree`: recordings at a terminal.
//!
//! A recording is what a [`Recording`](sigtree::middleware::Recording) writes: one CloudEvents JSON object a line, in
//! `flight.jsonl` and, once that became full, in `flight.part-000001.jsonl` and so on. The name of the first stands for all.
//!
//! | to | command |
//! |---|---|
//! | look at the end of a recording, and at what comes | `sigtree tail flight.jsonl 'radar.**'` |
//! | keep some lines of it | `sigtree filter flight.jsonl --pattern 'radar.**' > radar.jsonl` |
//! | give it once more, with its pauses | `sigtree replay flight.jsonl --speed real --to tcp:127.0.0.1:7000` |
//! | know what is in it | `sigtree stats flight.jsonl` |
//! | know where two of them part | `sigtree diff monday.jsonl tuesday.jsonl` |
//! | know whether a pattern is one, and what others call it | `sigtree topics check 'radar.**'` |
//! | know what an emit costs here | `sigtree bench` |
//! | have the shell complete all this | `sigtree completions bash` |
//!
//! # What all of them have in common
//!
//! - What is asked for goes to standard output; what is wrong, and progress on a terminal, to standard error.
//! - `--json` is for programs: one JSON object, or one a line.
//! - `-` is standard input. A reader that goes away ends the command, quietly.
//! - A line that cannot be read is told with its number, counted, and passed over. `--strict` makes it count in the end.
//! - Memory is bounded, whatever the size of a recording; `tail -n` and `diff --tree` keep what they are asked to.
//! - A terminal sees no control characters that stand in topics, payloads or names.
//!
//! # Where things are
//!
//! Each command is a file in `commands/`, with its `Args`, which are its help, and its `run`. They read through `input.rs`
//! and write through `output.rs`; `trouble.rs` says how it can end.
#![forbid(unsafe_code)]

mod args;
mod attributes;
mod bars;
mod commands;
mod complaints;
mod condition;
mod decimal;
mod escape;
mod input;
mod output;
mod progress;
mod times;
mod topic_counts;
mod trouble;

use std::process::ExitCode;

use args::Args;
use complaints::Complaints;
use output::Output;
use trouble::{Trouble, Verdict};

fn main() -> ExitCode {
    let args = Args::from_command_line();
    args.color.write_global();
    let complaints = Complaints::default();
    let ended = run(&args, &complaints);
    complaints.sum_up();
    match ended {
        Ok(verdict) => verdict.code(),
        Err(trouble) => {
            trouble.tell();
            trouble.code()
        }
    }
}

fn run(args: &Args, complaints: &Complaints) -> Result<Verdict, Trouble> {
    let mut output = Output::new(args.json, args.color);
    let ended = args.command.run(&mut output, complaints);
    // What was found before the trouble is worth having.
    let written = output.flush();
    let verdict = ended?;
    written?;
    Ok(if args.strict && complaints.any() { Verdict::Found } else { verdict })
}
