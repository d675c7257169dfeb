//! One emit on one thread.

use std::hint::black_box;

use sigtree::{Bus, ConnectionSet, Event, Next, Signal, Stack};

use crate::clock::{compare, each};
use crate::table::Table;
use crate::tracks::{Bare, TRACK, Track, see};

pub(crate) fn rows(table: &mut Table) {
    if table.wants("emit") {
        handlers(table);
        pinned(table);
        nobody(table);
        by_name(table);
    }
    if table.wants("wildcards") {
        wildcards(table);
    }
    if table.wants("layers") {
        layers(table);
    }
    if table.wants("tree") {
        bubbling(table);
    }
}

fn signal(n: usize) -> (Signal<Track>, ConnectionSet) {
    let signal = Bus::new().signal::<Track>("radar.track.updated").expect("a good topic");
    let connections = (0..n).map(|_| signal.connect(see).expect("a handler of its type")).collect();
    (signal, connections)
}

fn handlers(table: &mut Table) {
    for (n, most) in [(1, 8.0), (10, 1.8), (100, 1.3), (1_000, 1.3)] {
        let (signal, _connections) = signal(n);
        let bare = Bare::new(n);
        let [ours, limit] = compare([each(|| signal.emit(black_box(&TRACK))), each(|| bare.emit(black_box(&TRACK)))]);
        table.ratio(&format!("Signal::emit, {n} handlers"), ours, limit, most);
    }
}

fn pinned(table: &mut Table) {
    for (n, most) in [(1, 3.0), (10, 1.5)] {
        let (signal, _connections) = signal(n);
        let mut pinned = signal.pin();
        let bare = Bare::new(n);
        let [ours, limit] = compare([each(|| pinned.emit(black_box(&TRACK))), each(|| bare.emit(black_box(&TRACK)))]);
        table.ratio(&format!("Pinned::emit, {n} handlers"), ours, limit, most);
    }
}

fn nobody(table: &mut Table) {
    let (signal, _) = signal(0);
    let bare = Bare::new(0);
    let [ours, limit] = compare([each(|| signal.emit(black_box(&TRACK))), each(|| bare.emit(black_box(&TRACK)))]);
    table.most("Signal::emit, no subscriber", ours, limit, "ns", 5.0);
}

fn by_name(table: &mut Table) {
    let bus = Bus::new();
    let signal = bus.signal::<Track>("radar.track.updated").expect("a good topic");
    let _connection = signal.connect(see).expect("a handler of its type");
    let bare = Bare::new(1);
    let [named, handle, limit] = compare([
        each(|| bus.emit_ref(black_box("radar.track.updated"), black_box(&TRACK))),
        each(|| signal.emit(black_box(&TRACK))),
        each(|| bare.emit(black_box(&TRACK))),
    ]);
    table.most("by name over by handle", named - handle, limit, "ns", 8.0);
}

/// What one handler more costs the bare loop.
fn bare_call() -> f64 {
    let (one, eight) = (Bare::new(1), Bare::new(8));
    let [one, eight] = compare([each(|| one.emit(black_box(&TRACK))), each(|| eight.emit(black_box(&TRACK)))]);
    (eight - one) / 7.0
}

/// The slope of patterns with one handler each, against the same number of handlers on one pattern.
fn wildcards(table: &mut Table) {
    let patterns = [
        "radar.track.*",
        "radar.*.updated",
        "*.track.updated",
        "radar.**",
        "**",
        "**.updated",
        "radar.**.updated",
        "*.*.*",
    ];
    let emit_with = |k: usize| {
        let bus = Bus::new();
        let connections: ConnectionSet =
            patterns[..k].iter().map(|pattern| bus.connect(*pattern, see).expect("good")).collect();
        let signal = bus.signal::<Track>("radar.track.updated").expect("a good topic");
        (signal, connections)
    };
    let (few, _few) = emit_with(1);
    let (many, _many) = emit_with(8);
    let (same_few, _same_few) = signal(1);
    let (same_many, _same_many) = signal(8);
    let [few, many, same_few, same_many] = compare([
        each(|| few.emit(black_box(&TRACK))),
        each(|| many.emit(black_box(&TRACK))),
        each(|| same_few.emit(black_box(&TRACK))),
        each(|| same_many.emit(black_box(&TRACK))),
    ]);
    let slope = ((many - few) - (same_many - same_few)) / 7.0;
    table.most("each further matching wildcard pattern", slope, bare_call(), "ns", 2.0);
}

fn pass(event: &Event<'_>, next: Next<'_>) {
    if black_box(event.topic().len()) > 0 {
        next.run(event);
    }
}

fn layers(table: &mut Table) {
    let with = |stack: Stack| {
        let bus = Bus::builder().stack(stack).build();
        let signal = bus.signal::<Track>("radar.track.updated").expect("a good topic");
        let connection = signal.connect(see).expect("a handler of its type");
        (signal, connection)
    };
    let (one, _c1) = with(Stack::new().with(pass));
    let (eight, _c8) = with((0..8).map(|_| pass).collect());
    let (tuple_one, _t1) = with(Stack::new().with((pass, pass)));
    let (tuple_eight, _t8) = with(Stack::new().with((pass, pass, pass, pass, pass, pass, pass, pass)));
    let [one, eight, tuple_one, tuple_eight] = compare([
        each(|| one.emit(black_box(&TRACK))),
        each(|| eight.emit(black_box(&TRACK))),
        each(|| tuple_one.emit(black_box(&TRACK))),
        each(|| tuple_eight.emit(black_box(&TRACK))),
    ]);
    let bare = bare_call();
    table.most("each further dynamic layer", (eight - one) / 7.0, bare, "ns", 4.0);
    table.most("each further static layer", (tuple_eight - tuple_one) / 6.0, bare, "ns", 0.5);
}

/// What a level adds, against an emit by name.
fn bubbling(table: &mut Table) {
    let parent = Bus::new();
    let _above = parent.connect("radar.track.updated", see).expect("a good pattern");
    let child = parent.child("radar").expect("a good name");
    let below = child.signal::<Track>("track.updated").expect("a good topic");
    let _below = below.connect(see).expect("a handler of its type");

    let lone = Bus::new();
    let _lone = lone.connect("track.updated", see).expect("a good pattern");
    let lone_signal = lone.signal::<Track>("track.updated").expect("a good topic");
    let [with, without, named] = compare([
        each(|| below.emit(black_box(&TRACK))),
        each(|| lone_signal.emit(black_box(&TRACK))),
        each(|| lone.emit_ref(black_box("track.updated"), black_box(&TRACK))),
    ]);
    table.ratio("bubbling one level, over an emit by name", with - without, named, 1.2);
}
