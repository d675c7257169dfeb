//! A million events are written and read back, and how fast and how large is printed.
//!
//! It takes long; in release: `cargo test --release --features redb --test large_recordings -- --nocapture`.
#![cfg(feature = "redb")]

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sigtree::middleware::{Codec, Reader, Recording, RecordingBuilder, Store, WhenFull};
use sigtree::{Bus, Event};

const EVENTS: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Track {
    id: u32,
    height: f64,
    position: (f64, f64),
}

impl Track {
    fn numbered(n: u64) -> Self {
        let n = n as f64;
        Self { id: n as u32, height: n / 3.0, position: (n / 7.0, -n / 11.0) }
    }
}

fn codec() -> Codec {
    Codec::new().with::<Track>("radar.track.*").unwrap()
}

fn topic(n: u64) -> &'static str {
    ["radar.track.new", "radar.track.moved", "radar.track.lost"][(n % 3) as usize]
}

fn builder() -> RecordingBuilder {
    Recording::builder(&codec()).when_full(WhenFull::Wait)
}

fn rate(what: &str, since: Instant, bytes: u64) {
    let seconds = since.elapsed().as_secs_f64();
    let (events, megabytes) = (EVENTS as f64 / seconds, bytes as f64 / 1e6);
    let each = bytes as f64 / EVENTS as f64;
    println!("{what}: {events:.0} events/s, {each:.0} bytes each, {:.0} MB/s", megabytes / seconds);
}

fn emit_all(recording: &Recording) {
    let bus = Bus::new();
    bus.layer(recording.clone());
    for n in 0..EVENTS {
        bus.emit(topic(n), Track::numbered(n));
    }
    recording.sync().unwrap();
    let stats = recording.stats();
    assert_eq!((stats.written, stats.lost, stats.failed), (EVENTS, 0, 0));
}

fn bytes_in(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// The bytes that a file takes on the disk, where the system tells: what was never written takes none.
#[cfg(unix)]
fn room_of(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(path.metadata().unwrap().blocks() * 512)
}

#[cfg(not(unix))]
fn room_of(_: &Path) -> Option<u64> {
    None
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn a_million_events_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flight.jsonl");
    let began = Instant::now();
    emit_all(&builder().part_bytes(64 << 20).open(&path).unwrap());
    let bytes = bytes_in(folder.path());
    rate("lines written", began, bytes);

    let began = Instant::now();
    let mut expected = 0..EVENTS;
    for entry in Reader::open(&path).unwrap().entries(&codec()) {
        let entry = entry.unwrap();
        let n = expected.next().unwrap();
        assert_eq!((entry.payload(), entry.sequence()), (Some(&Track::numbered(n)), n + 1));
        assert_eq!(*entry.topic(), topic(n));
    }
    assert_eq!(expected.next(), None);
    rate("lines read", began, bytes);

    let began = Instant::now();
    let fresh = Bus::new();
    let _all = fresh.connect("**", |_: &Event<'_>| {}).unwrap();
    assert_eq!(Recording::player(&path, &codec()).unwrap().run(&fresh).replayed as u64, EVENTS);
    rate("lines replayed", began, bytes);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn a_million_events_in_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flight.redb");
    let store = Store::open(&path).unwrap();
    let began = Instant::now();
    emit_all(&builder().open_sink(store.clone()).unwrap());
    let bytes = bytes_in(folder.path());
    rate("store written", began, bytes);
    if let Some(room) = room_of(&path) {
        println!("the store is {:.0} MB long and takes {:.0} MB on the disk", bytes as f64 / 1e6, room as f64 / 1e6);
    }

    let began = Instant::now();
    let mut read = 0;
    for record in store.query().records().unwrap() {
        assert_eq!(record.unwrap().decode::<Track>().unwrap(), Track::numbered(read));
        read += 1;
    }
    assert_eq!(read, EVENTS);
    rate("store read", began, bytes);

    let began = Instant::now();
    let lost = store.query().matching("radar.track.lost").unwrap().records().unwrap().count() as u64;
    assert_eq!(lost, EVENTS / 3);
    println!("one topic of three: {:.2} s", began.elapsed().as_secs_f64());
}
