//! What measuring a bus adds to an emit.

use std::hint::black_box;

use sigtree::{Bus, ConnectionSet, Event, Metering, Signal};

use crate::clock::{compare, each};
use crate::table::Table;
use crate::tracks::{TRACK, Track, see};

const TOPIC: &str = "radar.track.updated";

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("metering") {
        return;
    }
    for n in [1, 10] {
        let [(off, _off), (on, _on)] = both().map(|bus| handlers(&bus, n));
        row(table, &format!("measured over not, {n} handlers"), &on, &off);
    }
    let [(off, _off), (on, _on)] = both().map(|bus| {
        let loud = bus.connect("radar.*.updated", |event: &Event<'_>| {
            black_box(event.topic().len());
        });
        (bus.signal::<Track>(TOPIC).expect("a good topic"), loud.expect("a good pattern"))
    });
    row(table, "measured over not, with an event", &on, &off);
}

fn row(table: &mut Table, what: &str, on: &Signal<Track>, off: &Signal<Track>) {
    // The first events are looked at more often than those of the long run.
    (0..200_000).for_each(|_| drop(on.emit(black_box(&TRACK))));
    let [on, off] = compare([each(|| on.emit(black_box(&TRACK))), each(|| off.emit(black_box(&TRACK)))]);
    table.most(what, on - off, off, "ns", 2.0);
}

/// A bus that is not measured, and one that is.
fn both() -> [Bus; 2] {
    [Bus::new(), Bus::builder().metered(Metering::new()).build()]
}

fn handlers(bus: &Bus, n: usize) -> (Signal<Track>, ConnectionSet) {
    let signal = bus.signal::<Track>(TOPIC).expect("a good topic");
    let connections = (0..n).map(|_| signal.connect(see).expect("a handler of its type")).collect();
    (signal, connections)
}
