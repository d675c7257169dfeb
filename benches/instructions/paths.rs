//! The hot paths: so many turns of each.

#[allow(dead_code, reason = "the limits use the rest")]
#[path = "../limits/tracks.rs"]
mod tracks;

use std::error::Error;
use std::hint::black_box;

use sigtree::{Bus, ConnectionSet, Filter, Queue, Signal, Subscription};
use tracks::{TRACK, Track, see};

/// Takes so many turns.
type Path = fn(u32);

const TOPIC: &str = "radar.track.updated";

pub(crate) const PATHS: [(&str, Path); 13] = [
    ("Signal::emit, no handler", |turns| by_handle(turns, 0)),
    ("Signal::emit, 1 handler", |turns| by_handle(turns, 1)),
    ("Signal::emit, 10 handlers", |turns| by_handle(turns, 10)),
    ("Pinned::emit, 1 handler", pinned),
    ("Bus::emit_ref by name, 1 handler", by_name),
    ("Signal::emit through a filter", through_a_filter),
    ("Signal::emit that bubbles a level", bubbling),
    ("Signal::emit that bubbles to nobody", bubbling_to_nobody),
    ("Signal::emit to 1 queue", to_a_queue),
    ("Signal::emit to 1 queue, and taken", |turns| by_queues(turns, 1)),
    ("Signal::emit to 10 queues, and taken", |turns| by_queues(turns, 10)),
    ("Signal::emit to a full queue", to_a_full_queue),
    ("Signal::try_emit to a full queue", told_of_a_full_queue),
];

/// Takes so many turns on the path of this name.
pub(crate) fn run(name: &str, turns: u32) -> Result<(), Box<dyn Error>> {
    let (_, path) = PATHS.iter().find(|(known, _)| *known == name).ok_or("no such path")?;
    path(turns);
    Ok(())
}

fn repeat<R>(turns: u32, mut once: impl FnMut() -> R) {
    for _ in 0..turns {
        black_box(once());
    }
}

/// A signal of a bus with `n` handlers.
fn signal(bus: &Bus, n: usize) -> (Signal<Track>, ConnectionSet) {
    let signal = bus.signal::<Track>(TOPIC).expect("a good topic");
    let connections = (0..n).map(|_| signal.connect(see).expect("a handler of its type")).collect();
    (signal, connections)
}

fn by_handle(turns: u32, n: usize) {
    let (signal, _connections) = signal(&Bus::new(), n);
    repeat(turns, || signal.emit(black_box(&TRACK)));
}

fn pinned(turns: u32) {
    let (signal, _connections) = signal(&Bus::new(), 1);
    let mut pinned = signal.pin();
    repeat(turns, || pinned.emit(black_box(&TRACK)));
}

fn by_name(turns: u32) {
    let bus = Bus::new();
    let (_signal, _connections) = signal(&bus, 1);
    repeat(turns, || bus.emit_ref(black_box(TOPIC), black_box(&TRACK)));
}

fn through_a_filter(turns: u32) {
    let bus = Bus::new();
    bus.layer(Filter::payload(|track: &Track| track.id > 0));
    let (signal, _connections) = signal(&bus, 1);
    repeat(turns, || signal.emit(black_box(&TRACK)));
}

fn bubbling(turns: u32) {
    let site = Bus::new();
    let _above = site.connect(format!("child.{TOPIC}"), see).expect("a good pattern");
    let (signal, _connections) = signal(&site.child("child").expect("a good name"), 1);
    repeat(turns, || signal.emit(black_box(&TRACK)));
}

fn bubbling_to_nobody(turns: u32) {
    let site = Bus::new();
    let (signal, _connections) = signal(&site.child("child").expect("a good name"), 1);
    repeat(turns, || signal.emit(black_box(&TRACK)));
}

/// So many queues of `places` on the topic of a signal.
fn queues(signal: &Signal<Track>, n: usize, places: usize) -> Vec<Subscription<Track>> {
    let queue = || signal.on().queue(Queue::bounded(places)).subscribe();
    (0..n).map(|_| queue().expect("a queue of its type")).collect()
}

fn to_a_queue(turns: u32) {
    let (signal, _connections) = signal(&Bus::new(), 0);
    // Room for all, and the same for few turns as for many.
    let _queues = queues(&signal, 1, 16_384);
    repeat(turns, || signal.emit(black_box(TRACK)));
}

fn by_queues(turns: u32, n: usize) {
    let (signal, _connections) = signal(&Bus::new(), 0);
    let queues = queues(&signal, n, Queue::CAPACITY);
    repeat(turns, || {
        signal.emit(black_box(TRACK));
        queues.iter().for_each(|queue| drop(black_box(queue.try_recv())));
    });
}

fn full() -> (Signal<Track>, Vec<Subscription<Track>>) {
    let (signal, _connections) = signal(&Bus::new(), 0);
    let queues = queues(&signal, 1, 1);
    signal.emit(TRACK);
    (signal, queues)
}

fn to_a_full_queue(turns: u32) {
    let (signal, _queues) = full();
    repeat(turns, || signal.emit(black_box(TRACK)));
}

fn told_of_a_full_queue(turns: u32) {
    let (signal, _queues) = full();
    repeat(turns, || signal.try_emit(black_box(TRACK)));
}
