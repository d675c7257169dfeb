//! `sigtree bench`: what an emit costs on this machine.

mod clock;

use std::cell::Cell;
use std::hint::black_box;

use anstyle::Style;
use serde::Serialize;
use serde_json::json;
use sigtree::middleware::Counted;
use sigtree::{Bus, ConnectionSet, Event, Next, Signal};

use crate::output::Output;
use crate::progress::Progress;
use crate::trouble::{Trouble, Verdict};
use clock::{Clock, each};

/// Measure on this machine what an emit costs, against a bare loop over the same handlers
///
/// What is compared is measured in turns, and medians are shown. Times are those of this build of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take so many samples of each, of 100 microseconds
    #[arg(long, value_name = "N", default_value_t = 301, value_parser = clap::value_parser!(u16).range(1..))]
    samples: u16,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<Verdict, Trouble> {
    let clock = Clock { samples: usize::from(args.samples) };
    let measures: [fn(&Clock) -> Row; 7] = [
        nobody,
        |clock| handlers(clock, 1),
        |clock| handlers(clock, 10),
        |clock| handlers(clock, 100),
        pinned,
        by_name,
        one_layer,
    ];
    let progress = Progress::of_steps(measures.len() as u64);
    let mut done = 0;
    let rows = measures.map(|measure| {
        // Nothing is drawn while a row is measured.
        progress.set(done);
        done += 1;
        measure(&clock)
    });
    drop(progress);
    match output.is_json() {
        true => output.object(&json!({ "debug": cfg!(debug_assertions), "samples": args.samples, "rows": rows }))?,
        false => tell(&rows, output)?,
    }
    Ok(Verdict::Fine)
}

/// Something, and what it is compared with, in nanoseconds.
#[derive(Debug, Serialize)]
struct Row {
    workload: String,
    sigtree: f64,
    against: &'static str,
    limit: f64,
    ratio: f64,
}

impl Row {
    fn new(workload: impl Into<String>, sigtree: f64, against: &'static str, limit: f64) -> Self {
        Self { workload: workload.into(), sigtree, against, limit, ratio: sigtree / limit }
    }
}

fn tell(rows: &[Row], output: &mut Output) -> Result<(), Trouble> {
    let bold = output.style(Style::new().bold());
    if cfg!(debug_assertions) {
        output.line("a build without optimisation: these are not the times of a release")?;
    }
    output
        .line(format_args!("{bold}{:<28} {:>10} {:>10} {:>7}  against{bold:#}", "emit", "sigtree", "limit", "ratio"))?;
    for Row { workload, sigtree, against, limit, ratio } in rows {
        output.line(format_args!("{workload:<28} {sigtree:>7.1} ns {limit:>7.1} ns {ratio:>7.2}  {against}"))?;
    }
    Ok(())
}

const ONE: &str = "a signal with 1 handler";

/// 64 bytes by reference.
#[derive(Clone)]
struct Track {
    id: u64,
    _rest: [u64; 7],
}

const TRACK: Track = Track { id: 1, _rest: [0; 7] };

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// Every handler.
fn see(track: &Track) {
    SEEN.set(SEEN.get().wrapping_add(track.id));
}

type Bare = Vec<Box<dyn Fn(&Track) + Send + Sync>>;

fn bare(n: usize) -> Bare {
    (0..n).map(|_| Box::new(see) as _).collect()
}

/// The list is looked up anew each time, as an emitter must.
fn emit_bare(bare: &Bare, track: &Track) {
    for call in black_box(bare) {
        call(track);
    }
}

fn signal(bus: &Bus, handlers: usize) -> (Signal<Track>, ConnectionSet) {
    let signal = bus.signal::<Track>("radar.track.updated").expect("a good topic");
    let connections = (0..handlers).map(|_| signal.connect(see).expect("a handler of its type")).collect();
    (signal, connections)
}

/// What emits to so many handlers, against a loop over as many.
fn against_loop<R>(clock: &Clock, workload: String, handlers: usize, emit: impl FnMut() -> R) -> Row {
    let bare = bare(handlers);
    let [ours, limit] = clock.compare([each(emit), each(|| emit_bare(&bare, black_box(&TRACK)))]);
    Row::new(workload, ours, "a loop over the same handlers", limit)
}

fn nobody(clock: &Clock) -> Row {
    let (signal, _) = signal(&Bus::new(), 0);
    against_loop(clock, "to nobody".into(), 0, || signal.emit(black_box(&TRACK)))
}

fn handlers(clock: &Clock, n: usize) -> Row {
    let (signal, _connections) = signal(&Bus::new(), n);
    let workload = format!("to {}", Counted(n, "handler"));
    against_loop(clock, workload, n, || signal.emit(black_box(&TRACK)))
}

fn pinned(clock: &Clock) -> Row {
    let (signal, _connections) = signal(&Bus::new(), 10);
    let mut pinned = signal.pin();
    against_loop(clock, "to 10 handlers, pinned".into(), 10, || pinned.emit(black_box(&TRACK)))
}

fn by_name(clock: &Clock) -> Row {
    let bus = Bus::new();
    let (signal, _connections) = signal(&bus, 1);
    let [ours, limit] = clock.compare([
        each(|| bus.emit_ref(black_box("radar.track.updated"), black_box(&TRACK))),
        each(|| signal.emit(black_box(&TRACK))),
    ]);
    Row::new("to 1 handler, by name", ours, ONE, limit)
}

fn one_layer(clock: &Clock) -> Row {
    let (with, without) = (Bus::new(), Bus::new());
    with.layer(|event: &Event<'_>, next: Next<'_>| next.run(event));
    let ((with, _one), (without, _other)) = (signal(&with, 1), signal(&without, 1));
    let [ours, limit] =
        clock.compare([each(|| with.emit(black_box(&TRACK))), each(|| without.emit(black_box(&TRACK)))]);
    Row::new("to 1 handler, with 1 layer", ours, ONE, limit)
}
