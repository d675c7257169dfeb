//! Hours of everyday life in a few seconds: does the memory of a busy bus stay where it is?
//!
//! Four threads emit on signals and by name, on a bus with a history and two children; a hundred handlers listen, one call
//! in a hundred panics, and a thousand connections a second come and go. A fifth thread receives in every other way: from queues, on a pool,
//! at least once, in batches, by requests and over a link.
//!
//! ```text
//! SOAK_SECONDS=300 cargo bench --bench soak
//! ```
//!
//! Prints the memory each second, then how fast it grew after the warm-up, which is the first fifth. Fails if that is more than
//! 1 MiB a minute. In a short run a few pages of noise look like more than that, so what grows in all must also pass 2 MiB.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use sigtree::middleware::{Backoff, DeadLetter};
use sigtree::{Bus, ConnectionSet, Event, History, Link, Mode, Overflow, Queue, Received, Reliable, WorkerPool};

const EMITTERS: usize = 4;
const HANDLERS: usize = 100;
const CHURN_PER_SECOND: u32 = 1_000;
/// One call in this many panics.
const PANICS: u64 = 100;
const MOST_PER_MINUTE: f64 = 1.0;
const NOISE: f64 = 2.0;

const TOPICS: [&str; 8] = [
    "track.new",
    "track.updated",
    "track.lost",
    "plot.primary",
    "plot.secondary",
    "threat.raised",
    "state.up",
    "state",
];

fn main() -> Result<(), String> {
    let seconds = std::env::var("SOAK_SECONDS").map_or(10, |text| text.parse().expect("a number of seconds"));
    // A thousand panics a second would be all there is to read.
    std::panic::set_hook(Box::new(|_| {}));

    let bus = Bus::new();
    let history = History::builder().count(1_000).build();
    bus.layer(history.clone());
    let children = ["radar", "sonar"].map(|name| bus.child(name).expect("a good name"));
    let calls = Arc::new(AtomicU64::new(0));
    let handlers = connect_handlers(&bus, &children, &calls);

    let (over, emitted) = (AtomicBool::new(false), AtomicU64::new(0));
    let samples = thread::scope(|scope| {
        for emitter in 0..EMITTERS {
            let (over, emitted, children) = (&over, &emitted, &children);
            scope.spawn(move || emit(&children[emitter % children.len()], emitter, over, emitted));
        }
        scope.spawn(|| churn(&bus, &over));
        scope.spawn(|| receive(&bus, &over).expect("all that is asked for is good"));
        let samples = watch(seconds, &emitted, &calls);
        over.store(true, Relaxed);
        samples
    });
    println!("{} handlers, {} failures, history of {}", handlers.len(), bus.failures(), history.len());
    judge(&samples)
}

fn connect_handlers(bus: &Bus, children: &[Bus], calls: &Arc<AtomicU64>) -> ConnectionSet {
    let patterns = ["track.*", "**", "*.track.updated", "radar.**", "plot.primary", "sonar.threat.*", "state.**"];
    let connect = |n: usize| {
        let calls = calls.clone();
        let bus = if n.is_multiple_of(2) { bus } else { &children[n / 2 % children.len()] };
        bus.connect(patterns[n % patterns.len()], move |_: &u64| {
            assert!(!calls.fetch_add(1, Relaxed).is_multiple_of(PANICS), "one in a hundred");
        })
    };
    (0..HANDLERS).map(|n| connect(n).expect("a good pattern")).collect()
}

fn emit(bus: &Bus, emitter: usize, over: &AtomicBool, emitted: &AtomicU64) {
    let signals = TOPICS.map(|topic| bus.signal::<u64>(topic).expect("a good topic"));
    for n in emitter.. {
        if over.load(Relaxed) {
            return;
        }
        let payload = n as u64;
        match n % 4 {
            0 => drop(bus.emit(TOPICS[n / 4 % TOPICS.len()], payload)),
            1 => drop(bus.emit(format!("track.{n}"), payload)),
            2 => drop(bus.event(TOPICS[n / 4 % TOPICS.len()]).source("soak").emit(payload)),
            _ => drop(signals[n / 4 % TOPICS.len()].emit(payload)),
        }
        emitted.fetch_add(1, Relaxed);
    }
}

/// Connections of each kind come and go, at a steady pace.
fn churn(bus: &Bus, over: &AtomicBool) {
    let begun = Instant::now();
    let mut kept = ConnectionSet::new();
    for n in 0_u32.. {
        if over.load(Relaxed) {
            return;
        }
        let connection = match n % 4 {
            0 => bus.connect("radar.track.new", |_: &u64| {}),
            1 => bus.connect(format!("radar.*.{n}"), |_: &u64| {}),
            2 => bus.on("sonar.**").once().connect(|_: &Event<'_>| {}),
            _ => bus.connect("**.lost", |kept: Arc<u64>| drop(kept)),
        };
        kept.add(connection.expect("a good pattern"));
        if kept.len() == 50 {
            kept.clear();
        }
        thread::sleep((Duration::from_secs(1) * n / CHURN_PER_SECOND).saturating_sub(begun.elapsed()));
    }
}

/// Every other way to receive, in turns: what is lost, fails or is late among it.
fn receive(bus: &Bus, over: &AtomicBool) -> Result<(), Box<dyn std::error::Error>> {
    let _pooled = bus.on("job.pool").on(WorkerPool::builder().max_workers(2).start()?).connect(|_: &u64| {})?;
    let newest = bus.on("job.**").queue(Queue::bounded(64).overflow(Overflow::DropOldest)).subscribe::<u64>()?;
    let latest = bus.on("job.**").mode(Mode::LatestOnly).subscribe::<u64>()?;
    let dead = DeadLetter::new().count(100);
    let rules = Reliable::new().retries(1).backoff(Backoff::every(Duration::from_millis(1))).dead_letters(&dead);
    let orders = bus.on("job.order").mode(Mode::Reliable(rules)).subscribe::<u64>()?;
    let batch = bus.on("job.row").batch(16, Duration::from_millis(10));
    let _rows = batch.connect(|rows: &[Received<u64>]| assert!(rows.len() <= 16))?;
    let _answers = bus.reply("job.ask", |n: &u64| n + 1)?;
    let (left, right) = Link::<u64, u64>::named("left", "right").ends();
    for n in 0_u64.. {
        if over.load(Relaxed) {
            break;
        }
        for topic in ["job.pool", "job.order", "job.row"] {
            bus.emit(topic, n);
        }
        let answer: u64 = bus.request("job.ask", n).wait()?;
        let _ = left.send(answer);
        // Now and then nobody looks for a while, and queues are full.
        if n % 1_000 > 200 {
            newest.drain().for_each(drop);
            latest.drain().for_each(drop);
            let _ = right.try_recv();
            orders.drain().for_each(|order| done(order, n));
        }
    }
    let done = orders.reliable_stats().unwrap_or_default();
    println!("{}; {}; {done}; {} letters kept", newest.stats(), left.stats(), dead.len());
    Ok(())
}

/// One order in ten fails, one is dropped in the middle.
fn done(order: Received<u64>, n: u64) {
    match n % 10 {
        0 => drop(order.fail("as it goes")),
        1 => drop(order),
        _ => drop(order.ack()),
    }
}

/// Looks at the memory once a second: minutes since the beginning, and MiB.
fn watch(seconds: u64, emitted: &AtomicU64, calls: &AtomicU64) -> Vec<(f64, f64)> {
    let begun = Instant::now();
    let mut samples = Vec::new();
    for second in 1..=seconds {
        thread::sleep(Duration::from_secs(second).saturating_sub(begun.elapsed()));
        let memory = resident();
        println!(
            "{second:>5} s  {memory:>8.2} MiB  {:>12} events  {:>14} calls",
            emitted.load(Relaxed),
            calls.load(Relaxed)
        );
        samples.push((begun.elapsed().as_secs_f64() / 60.0, memory));
    }
    samples
}

/// The memory of this process that is in use, in MiB.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u32>().ok()).expect("a number of pages");
    f64::from(pages) / 256.0
}

fn judge(samples: &[(f64, f64)]) -> Result<(), String> {
    let steady = &samples[samples.len() / 5..];
    let (Some(first), Some(last)) = (steady.first(), steady.last()) else { return Ok(()) };
    let slope = slope(steady);
    let grown = slope * (last.0 - first.0);
    println!("after the warm-up: {slope:+.3} MiB a minute, {grown:+.3} MiB in all");
    if slope > MOST_PER_MINUTE && grown > NOISE {
        return Err(format!("memory grows by {slope:.3} MiB a minute"));
    }
    Ok(())
}

/// The slope of the line that fits the samples best.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let n = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let (mut above, mut below) = (0.0, f64::MIN_POSITIVE);
    for sample in samples {
        above += (sample.0 - x) * (sample.1 - y);
        below += (sample.0 - x).powi(2);
    }
    above / below
}
