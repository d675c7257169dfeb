//! Emitting waits for no disk unless asked to, and what is written is synced when the policy says so.
#![cfg(feature = "recording")]

mod support;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sigtree_middleware::{Codec, Flush, Inspect, ManualClock, Record, Recording, Sink, Unwritten, WhenFull};
use support::Rig;
use support::recordings::{Moody, Place, builder, emit};

/// Writes nothing until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }
}

impl Sink for Gate {
    fn write(&mut self, _: &[Record]) -> Result<(), Unwritten> {
        let mut open = self.0.0.lock();
        while !*open {
            self.0.1.wait(&mut open);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn describe(&self) -> String {
        "gate".into()
    }
}

#[test]
fn emitting_never_waits_unless_asked_to() {
    let (rig, gate) = (Rig::new(), Gate::default());
    let recording = builder().queue(4).open_sink(gate.clone()).unwrap();
    // One batch is at the gate, as many as fit are in the queue, and the others are gone.
    emit(&rig, &recording, 0..5_000);
    let stats = recording.stats();
    assert!(stats.lost > 0 && stats.taken + stats.lost == 5_000);
    gate.open();
    recording.sync().unwrap();
    assert_eq!(recording.stats().written, stats.taken);

    let place = Place::new();
    let recording = builder().queue(1).when_full(WhenFull::Wait).open(&place.path).unwrap();
    emit(&rig, &recording, 0..500);
    drop(recording);
    assert_eq!(place.read().len(), 500);
}

#[test]
fn it_is_synced_when_the_policy_says_so() {
    let rig = Rig::new();
    let syncs = |flush, clock: &ManualClock| {
        let sink = Moody::default();
        let recording = builder().flush(flush).clock(clock.clone()).open_sink(sink.clone()).unwrap();
        (recording, sink)
    };
    let clock = ManualClock::new();
    let until = |sink: &Moody, count: usize| {
        while sink.0.lock().written.len() < count {
            std::thread::yield_now();
        }
    };

    let (recording, sink) = syncs(Flush::System, &clock);
    emit(&rig, &recording, 0..10);
    until(&sink, 10);
    assert_eq!(sink.0.lock().syncs, 0);
    drop(recording);
    assert_eq!(sink.0.lock().syncs, 1, "the end is synced");

    let (recording, sink) = syncs(Flush::Events(4), &clock);
    for n in 0..10 {
        emit(&rig, &recording, [n]);
        until(&sink, n as usize + 1);
    }
    drop(recording);
    assert_eq!(sink.0.lock().syncs, 3);

    let (recording, sink) = syncs(Flush::Every(Duration::from_secs(1)), &clock);
    emit(&rig, &recording, 0..2);
    until(&sink, 2);
    // The alarm may be set just after the write; it rings when it is set, if it is late.
    while sink.0.lock().syncs == 0 {
        clock.advance(Duration::from_millis(100));
        std::thread::yield_now();
    }
    drop(recording);
    assert_eq!(sink.0.lock().syncs, 1, "nothing was written since");

    let (recording, sink) = syncs(Flush::Batch, &clock);
    for n in 0..3 {
        emit(&rig, &recording, [n]);
        until(&sink, n as usize + 1);
    }
    drop(recording);
    assert_eq!(sink.0.lock().syncs, 3);
}

#[test]
fn the_last_handle_may_be_held_by_a_payload() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Holds {
        #[serde(skip)]
        _handle: Option<Recording>,
    }

    let (rig, sink) = (Rig::new(), Moody::default());
    let codec = Codec::new().with::<Holds>("**").unwrap();
    let recording = Recording::builder(&codec).open_sink(sink.clone()).unwrap();
    let payload = Holds { _handle: Some(recording.clone()) };
    let inspect = Inspect::new(|_| {});
    rig.emit(&(recording, inspect), "a", payload);
    while sink.0.lock().syncs == 0 {
        std::thread::yield_now();
    }
    assert_eq!(sink.0.lock().written, [1]);
}
