//! What is said at the end.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use crate::chain::Chain;
use crate::report::{self, Latency, Rejects, Thousands};
use crate::scene::SITE;
use crate::source::Again;
use crate::station::Station;

/// More tracks than this are not printed.
const MOST_TRACKS: usize = 20;

/// Events, tracks and rejected lines.
pub fn picture(out: &mut impl Write, station: &Station, rejects: &Rejects) -> io::Result<()> {
    writeln!(out)?;
    report::counts(out, "Events", station.counts.rows().filter(|(_, count)| *count > 0))?;
    writeln!(out, "\n{} threats are being answered.\n", station.defence.engaged())?;
    report::tracks(out, &station.picture.tracker().sorted(), station.defence.place().unwrap_or(SITE), MOST_TRACKS)?;
    writeln!(out)?;
    rejects.print(out)
}

/// The picture made anew from a checkpoint and the history, beside the one of now.
pub fn replay(out: &mut impl Write, station: &Station) -> Result<(), Box<dyn Error>> {
    let rebuilt = station.checkpoints.rebuild()?;
    let (now, then) = (station.picture.tracker(), rebuilt.picture.tracker());
    let same = now.sorted() == then.sorted();
    writeln!(out, "\nReplay")?;
    writeln!(
        out,
        "  The history holds the last {} of {} messages.",
        Thousands(station.history.len() as u64),
        Thousands(station.history.last_sequence())
    )?;
    writeln!(
        out,
        "  The picture of {} events ago ({} tracks) and these events, replayed on a fresh bus, give {} tracks:",
        rebuilt.report.replayed,
        rebuilt.began_with,
        then.len()
    )?;
    let verdict = if same { "the same picture, track for track" } else { "ANOTHER picture" };
    writeln!(out, "  {verdict}.")?;
    if same { Ok(()) } else { Err("the replay gave another picture".into()) }
}

/// Lines and events per second, and how long a line took.
pub fn speed(
    out: &mut impl Write,
    station: &Station,
    lines: u64,
    took: Duration,
    latency: Option<Latency>,
) -> io::Result<()> {
    let events = station.counts.total();
    writeln!(out, "\nSpeed")?;
    writeln!(
        out,
        "  {} lines and {} events in {:.3} s: {} lines and {} events a second",
        Thousands(lines),
        Thousands(events),
        took.as_secs_f64(),
        Thousands(report::per_second(lines, took)),
        Thousands(report::per_second(events, took)),
    )?;
    match latency {
        Some(latency) => writeln!(out, "  a line, from parsing to the end of delivery: {latency}"),
        None => Ok(()),
    }
}

/// The same lines through the bare chain. Medians are compared: other programs on the machine do not touch them.
pub fn share(out: &mut impl Write, station: &Station, with_bus: Latency, again: &Again) -> Result<(), Box<dyn Error>> {
    let mut chain = Chain::new(station.defence.place());
    let Some(bare) = chain.play(&mut again()?)?.latency() else { return Ok(()) };
    writeln!(out, "  parser, tracker and threats alone, without a bus: {bare}")?;
    writeln!(
        out,
        "  so the bus, its layers and its history are {} % of the median line",
        with_bus.p50.saturating_sub(bare.p50) * 100 / with_bus.p50.max(1)
    )?;
    Ok(())
}
