//! A radar picture that goes through a bus: lines of an SBS-1 feed become typed events, tracks, threats and answers.
//!
//! `cargo run --release --example radar` plays a simulated scene; `-- --help` says what else there is. `station.rs`
//! shows what is connected to what.
#![allow(unreachable_pub, reason = "an example's modules are read one by one, as if each were a library's")]

mod args;
mod chain;
mod checkpoint;
mod counts;
mod ew;
mod feed;
mod lines;
mod picture;
mod plot;
mod report;
mod sbs;
mod scene;
mod screen;
mod source;
mod station;
mod summary;
mod threat;
mod tidy;
mod tracker;

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use args::{Command, EXIT_USAGE, Source};
use counts::Timings;
use report::{Progress, Rejects};
use screen::Screen;
use source::Input;
use station::Station;

fn main() -> ExitCode {
    let source = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Play(source)) => source,
        Ok(Command::Help) => {
            // Help that cannot be shown was not wanted.
            let _ = io::stdout().write_all(args::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("radar: {error}");
            return EXIT_USAGE.into();
        }
    };
    match play(&source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("radar: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(source: &Source) -> Result<(), Box<dyn Error>> {
    let mut input = source::open(source)?;
    let mut out = io::stdout();
    writeln!(out, "{}\n", input.title)?;

    let station = Station::new(input.site)?;
    writeln!(out, "Layers of `{}`\n{}", station.adsb.name(), station.adsb.stack())?;
    let _screen = Screen::on(&station, source)?;

    let mut rejects = Rejects::new();
    let began = Instant::now();
    let (timings, end) = listen(&mut input, &station, &mut rejects);
    let (took, lines) = (began.elapsed(), timings.count());
    if lines == 0 {
        end?;
        writeln!(out, "There was nothing to hear.")?;
        return Ok(());
    }

    let latency = timings.latency();
    summary::picture(&mut out, &station, &rejects)?;
    summary::speed(&mut out, &station, lines, took, latency)?;
    // Fewer lines would not measure anything, and what broke off cannot be read again.
    if let (Some(again), Some(latency), 10_000.., Ok(())) = (&input.again, latency, lines, &end) {
        summary::share(&mut out, &station, latency, again)?;
    }
    summary::replay(&mut out, &station)?;
    end
}

/// Handles each line as it comes, to the end of the input; what was heard until an error is still worth a summary.
fn listen(input: &mut Input, station: &Station, rejects: &mut Rejects) -> (Timings, Result<(), Box<dyn Error>>) {
    let mut progress = Progress::new(input.total_bytes);
    let mut timings = Timings::default();
    loop {
        let line = match input.lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return (timings, Ok(())),
            Err(error) => return (timings, Err(error.into())),
        };
        let began = Instant::now();
        let news = station.hear(line, rejects);
        timings.add(began.elapsed());
        if let Some(why) = news {
            progress.finish();
            screen::show_rejected(&why, line.bytes());
        }
        progress.update(input.lines.consumed(), timings.count());
    }
}

/// Somebody has read enough, as `head` does.
fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe)
}
