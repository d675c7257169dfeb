//! Queues, links and async handlers beside what users would pick instead: bounded channels, raw queues, tasks spawned by hand.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use concurrent_queue::ConcurrentQueue;
use crossbeam_queue::ArrayQueue;
use sigtree::{Bus, Link, Queue, Signal, Subscription};

use crate::allocations;
use crate::clock::median;
use crate::table::Table;
use crate::tracks::{TRACK, Track};

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("delivery") {
        return;
    }
    throughput(table, 1);
    throughput(table, 2);
    rings(table);
    full(table);
    link(table);
    fan_out(table);
    tasks(table);
}

const PLACES: usize = 1_024;

/// A bounded queue of 1,024 places between threads: events a second with so many producers.
struct Way {
    name: &'static str,
    /// Each event in an `Arc` of its own, as the bus keeps it for all who take it.
    shared: fn(usize) -> f64,
    /// Each event by value, which only one can take.
    by_value: fn(usize) -> f64,
}

macro_rules! way {
    ($name:literal, $run:ident) => {
        Way {
            name: $name,
            shared: |producers| $run(producers, shared),
            by_value: |producers| $run(producers, by_value),
        }
    };
}

const RIVALS: [Way; 5] = [
    way!("crossbeam-channel", crossbeam),
    way!("flume", through_flume),
    way!("kanal", through_kanal),
    way!("tokio mpsc", tokio_mpsc),
    way!("std sync_channel", sync_channel),
];

fn shared() -> Arc<Track> {
    Arc::new(black_box(TRACK))
}

fn by_value() -> Track {
    black_box(TRACK)
}

fn crossbeam<P: Send>(producers: usize, event: fn() -> P) -> f64 {
    let (sender, receiver) = crossbeam_channel::bounded(PLACES);
    per_second(producers, move || sender.try_send(event()).is_ok(), || receiver.recv().is_ok())
}

fn through_flume<P: Send>(producers: usize, event: fn() -> P) -> f64 {
    let (sender, receiver) = flume::bounded(PLACES);
    per_second(producers, move || sender.try_send(event()).is_ok(), || receiver.recv().is_ok())
}

fn through_kanal<P: Send>(producers: usize, event: fn() -> P) -> f64 {
    let (sender, receiver) = kanal::bounded(PLACES);
    per_second(producers, move || matches!(sender.try_send(event()), Ok(true)), || receiver.recv().is_ok())
}

fn tokio_mpsc<P: Send>(producers: usize, event: fn() -> P) -> f64 {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(PLACES);
    per_second(producers, move || sender.try_send(event()).is_ok(), || receiver.blocking_recv().is_some())
}

fn sync_channel<P: Send>(producers: usize, event: fn() -> P) -> f64 {
    let (sender, receiver) = std::sync::mpsc::sync_channel(PLACES);
    per_second(producers, move || sender.try_send(event()).is_ok(), || receiver.recv().is_ok())
}

fn through_the_bus(producers: usize) -> f64 {
    let (signal, queue) = subscribed();
    per_second(producers, move || signal.emit(by_value()).called() == 1, || queue.recv_blocking().is_ok())
}

fn subscribed() -> (Signal<Track>, Subscription<Track>) {
    let signal = Bus::new().signal::<Track>("radar.track").expect("a good topic");
    let queue = signal.on().queue(Queue::bounded(PLACES)).subscribe().expect("a queue of its type");
    (signal, queue)
}

fn throughput(table: &mut Table, producers: usize) {
    const ROUNDS: usize = 11;
    let mut samples = vec![Vec::new(); 2 * RIVALS.len() + 1];
    for _ in 0..ROUNDS {
        samples[0].push(through_the_bus(producers));
        for (at, rival) in RIVALS.iter().enumerate() {
            samples[2 * at + 1].push((rival.shared)(producers));
            samples[2 * at + 2].push((rival.by_value)(producers));
        }
    }
    let millions: Vec<f64> = samples.into_iter().map(|samples| median(samples) / 1e6).collect();
    for (at, rival) in RIVALS.iter().enumerate() {
        let what = format!("{producers} to 1 through the bus, against {}", rival.name);
        table.note(&what, millions[0], millions[2 * at + 1], "M/s");
        table.note("  and by value", millions[0], millions[2 * at + 2], "M/s");
    }
    let fastest = millions[1..].iter().step_by(2).copied().fold(0.0, f64::max);
    let what = format!("{producers} to 1 through the bus, against the fastest of them");
    table.least(&what, millions[0], fastest, "M/s", round(0.8 * fastest));
}

/// The ring that queues are made of beside another one, without anybody who sleeps.
fn rings(table: &mut Table) {
    const ROUNDS: usize = 31;
    for producers in [1, 2] {
        let (mut ours, mut other) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let ring = ArrayQueue::new(PLACES);
            ours.push(between(producers, || ring.push(shared()).is_ok(), || ring.pop().is_some()));
            let ring = ConcurrentQueue::bounded(PLACES);
            other.push(between(producers, || ring.push(shared()).is_ok(), || ring.pop().is_ok()));
        }
        let what = format!("{producers} to 1 through the bare ring, against concurrent-queue");
        table.note(&what, median(ours) / 1e6, median(other) / 1e6, "M/s");
    }
}

fn between(producers: usize, put: impl Fn() -> bool + Clone + Send, take: impl Fn() -> bool) -> f64 {
    let take_one = || {
        while !take() {
            thread::yield_now();
        }
        true
    };
    per_second(producers, put, take_one)
}

fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// Tries until each is in, in so many threads, and takes all of them in this one.
fn per_second(producers: usize, put: impl Fn() -> bool + Clone + Send, mut take: impl FnMut() -> bool) -> f64 {
    const EVENTS: usize = 40_000;
    let each = EVENTS / producers;
    thread::scope(|scope| {
        let start = Instant::now();
        for _ in 0..producers {
            let put = put.clone();
            scope.spawn(move || {
                for _ in 0..each {
                    while !put() {
                        thread::yield_now();
                    }
                }
            });
        }
        for _ in 0..each * producers {
            assert!(take(), "all come");
        }
        (each * producers) as f64 / start.elapsed().as_secs_f64()
    })
}

/// The median nanoseconds of each of 1,000 turns; what `after` does is not timed.
fn batches(turn: impl FnMut(), after: impl FnMut()) -> f64 {
    let [only] = compare_batches([(&mut { turn }, &mut { after })]);
    only
}

/// What is done 1,000 times, and what is done then.
type Batch<'b> = (&'b mut dyn FnMut(), &'b mut dyn FnMut());

/// The same for several, in turns: so what else the machine does is the same for all.
fn compare_batches<const N: usize>(mut all: [Batch<'_>; N]) -> [f64; N] {
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..101 {
        for ((turn, after), samples) in all.iter_mut().zip(&mut samples) {
            let start = Instant::now();
            (0..1_000).for_each(|_| turn());
            samples.push(start.elapsed().as_secs_f64() * 1e9 / 1_000.0);
            after();
        }
    }
    samples.map(median)
}

fn full(table: &mut Table) {
    let (signal, queue) = subscribed();
    let (to_full, _full) = subscribed();
    while to_full.emit(TRACK).called() == 1 {}
    let drained = || assert_eq!(queue.drain().count(), 1_000);
    let [succeeds, is_accepted, finds_none, is_told] = compare_batches([
        (&mut || drop(signal.emit(black_box(TRACK))), &mut || drained()),
        (&mut || drop(signal.try_emit(black_box(TRACK))), &mut || drained()),
        (&mut || drop(to_full.emit(black_box(TRACK))), &mut || {}),
        (&mut || drop(to_full.try_emit(black_box(TRACK))), &mut || {}),
    ]);
    table.ratio("`emit` to a full queue, against one that succeeds", finds_none, succeeds, 2.0);
    table.ratio("`try_emit` to a full queue, against one that succeeds", is_told, is_accepted, 2.0);
}

fn link(table: &mut Table) {
    let (radar, ew) = Link::<Track, Track>::named("radar", "ew").ends();
    let thousand = batches(|| drop(radar.send(black_box(TRACK))), || while ew.try_recv().is_ok() {});
    let raw = ArrayQueue::new(100);
    let bare =
        batches(|| assert!(raw.len() == 100 || raw.push(black_box(TRACK)).is_ok()), || while raw.pop().is_some() {});
    // Nanoseconds for one are microseconds for a thousand.
    table.most("1,000 publishes on a link of 100 places, in all", thousand, bare, "us", 1_000.0);

    let once = |work: &dyn Fn()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e6
    };
    let late = |work: &dyn Fn()| {
        let mut all: Vec<f64> = (0..100_000).map(|_| once(work)).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() - all.len() / 1_000]
    };
    let (to_nobody, nothing) = (late(&|| drop(radar.send(black_box(TRACK)))), late(&|| {}));
    table.most("publish to a stopped consumer, P99.9", to_nobody, nothing, "us", 10.0);
}

fn fan_out(table: &mut Table) {
    const QUEUES: usize = 100;
    let signal = Bus::new().signal::<Track>("radar.track").expect("a good topic");
    let all: Vec<Subscription<Track>> = (0..QUEUES).map(|_| signal.subscribe().expect("good")).collect();
    let raw: Vec<ArrayQueue<Arc<Track>>> = (0..QUEUES).map(|_| ArrayQueue::new(PLACES)).collect();
    let [ours, bare] = compare_batches([
        (&mut || drop(signal.emit(black_box(TRACK))), &mut || {
            all.iter().for_each(|queue| assert_eq!(queue.drain().count(), 1_000));
        }),
        (
            &mut || {
                let track = shared();
                raw.iter().for_each(|queue| assert!(queue.push(track.clone()).is_ok()));
            },
            &mut || raw.iter().for_each(|queue| assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 1_000)),
        ),
    ]);
    table.ratio("fan-out to 100 subscriptions, against 100 raw pushes", ours, bare, 1.3);
    let allocations = allocations::of(|| drop(signal.emit(TRACK))) as f64;
    table.most("  allocations for an event", allocations, 1.0, "x", 1.0);
}

#[cfg(not(feature = "tokio"))]
fn tasks(table: &mut Table) {
    table.missing("10 async handlers", "tokio");
}

#[cfg(feature = "tokio")]
fn tasks(table: &mut Table) {
    use crate::clock::{Run, compare};
    use sigtree::Received;

    const HANDLERS: usize = 10;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let bus = Bus::builder().spawner(runtime.handle().clone()).build();
    let signal = bus.signal::<Track>("radar.track").expect("a good topic");
    let handler = |track: Received<Track>| async move { crate::tracks::see(&track) };
    let _connections: Vec<_> =
        (0..HANDLERS).map(|_| bus.connect_async("radar.track", handler).expect("good")).collect();
    let by_hand: Run<'_> = Box::new(|times| {
        runtime.block_on(async {
            for _ in 0..times {
                let track = Arc::new(black_box(TRACK));
                let see = |track: Arc<Track>| async move { crate::tracks::see(&track) };
                let tasks: Vec<_> = (0..HANDLERS).map(|_| tokio::spawn(see(track.clone()))).collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            }
        });
    });
    let emits: Run<'_> = Box::new(|times| {
        runtime.block_on(async {
            for _ in 0..times {
                drop(signal.emit(black_box(TRACK)));
                while bus.running() > 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    });
    let waits: Run<'_> = Box::new(|times| {
        runtime.block_on(async {
            for _ in 0..times {
                drop(bus.emit_and_wait("radar.track", black_box(TRACK)).await);
            }
        });
    });
    let [by_hand, emits, waits] = compare([by_hand, emits, waits]);
    table.ratio("emit to 10 async handlers, against spawn and join by hand", emits, by_hand, 1.5);
    table.ratio("emit_and_wait with 10 async handlers, against the same", waits, by_hand, 1.5);
}
