//! Connects and disconnects, alone and between emits.

use std::hint::black_box;
use std::time::Instant;

use sigtree::{Bus, ConnectionSet, Signal};

use crate::clock::{compare, each, median};
use crate::table::Table;
use crate::tracks::{Bare, TRACK, Track, see};

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("write") {
        return;
    }
    many_on_one(table);
    beside(table);
    between_emits(table);
    distinct_patterns(table);
}

fn connected(n: usize) -> (Bus, Signal<Track>, ConnectionSet) {
    let bus = Bus::new();
    let signal = bus.signal::<Track>("radar.track").expect("a good topic");
    let connections = (0..n).map(|_| signal.connect(see).expect("good")).collect();
    (bus, signal, connections)
}

fn many_on_one(table: &mut Table) {
    let connect_all = |n: usize| {
        let start = Instant::now();
        let all = connected(n);
        let took = start.elapsed().as_secs_f64();
        drop(all);
        took
    };
    let seconds = median((0..5).map(|_| connect_all(100_000)).collect());
    let push_all = || {
        let start = Instant::now();
        drop(black_box(Bare::new(100_000)));
        start.elapsed().as_secs_f64()
    };
    let bare = median((0..5).map(|_| push_all()).collect());
    table.most("100,000 connects to one signal", seconds, bare, "s", 0.25);
    let small = median((0..101).map(|_| connect_all(1_000)).collect()) / 1_000.0;
    table.ratio("  each, 1,000 to 100,000 handlers", seconds / 100_000.0 * 1e9, small * 1e9, 2.2);
}

fn beside(table: &mut Table) {
    for n in [0, 100, 10_000] {
        let (_bus, signal, _connections) = connected(n);
        let mut bare = Bare::new(n);
        let [pair, limit] = compare([
            each(|| signal.connect(see)),
            each(|| {
                black_box(&mut bare).push();
                black_box(&mut bare).pop();
            }),
        ]);
        table.most(
            &format!("a connect and a disconnect beside {n} handlers"),
            pair / 1_000.0,
            limit / 1_000.0,
            "us",
            1.5,
        );
    }
}

fn between_emits(table: &mut Table) {
    let (_bus, signal, _connections) = connected(10_000);
    let [alone, with_pair] = compare([
        each(|| signal.emit(black_box(&TRACK))),
        each(|| {
            drop(signal.connect(see));
            signal.emit(black_box(&TRACK))
        }),
    ]);
    table.ratio("10,000 handlers, a connect and a disconnect before each emit", with_pair, alone, 1.2);
}

/// 10,000 distinct patterns of 14 segments that all match one topic.
fn distinct_patterns(table: &mut Table) {
    const SEGMENTS: usize = 14;
    let topic = ["a"; SEGMENTS].join(".");
    let pattern = |n: usize| {
        let segments: Vec<&str> = (0..SEGMENTS).map(|bit| if n >> bit & 1 == 1 { "*" } else { "a" }).collect();
        segments.join(".")
    };
    let bus = Bus::new();
    let mut connections: ConnectionSet =
        (1..=10_000).map(|n| bus.connect(pattern(n), see).expect("a good pattern")).collect();
    let signal = bus.signal::<Track>(&topic).expect("a good topic");
    let [alone, existing, new] = compare([
        each(|| signal.emit(black_box(&TRACK))),
        each(|| {
            drop(bus.connect("a.a.a.a.a.a.a.a.a.a.a.a.a.*", see));
            signal.emit(black_box(&TRACK))
        }),
        each(|| {
            drop(bus.connect("*.*.*.a.*.*.*.*.*.*.*.*.*.*", see));
            signal.emit(black_box(&TRACK))
        }),
    ]);
    table.ratio("10,000 patterns on one topic, a change before each emit", existing, alone, 3.0);
    table.ratio("  the change is a new pattern", new, alone, 3.0);
    connections.clear();
}
