//! What cannot be written is counted and told, and costs nothing else.
#![cfg(feature = "recording")]

mod support;

use std::io::ErrorKind;
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use serde::ser::{Serialize, Serializer};
use sigtree_middleware::{Alarm, Clock, Codec, Flush, Recording};
use support::Rig;
use support::recordings::{Moody, Place, builder, emit, numbers, panic_quietly};

#[test]
fn disks_that_refuse_are_counted_and_tried_again() {
    let (rig, sink) = (Rig::new(), Moody::default());
    let recording = builder().open_sink(sink.clone()).unwrap();
    emit(&rig, &recording, 0..2);
    recording.sync().unwrap();
    for (kind, lost) in [(ErrorKind::StorageFull, 3), (ErrorKind::ReadOnlyFilesystem, 6)] {
        sink.0.lock().fails = Some(kind);
        emit(&rig, &recording, 0..3);
        assert_eq!(recording.sync().unwrap_err().kind(), kind);
        assert_eq!(recording.last_failure().unwrap().lost, lost);
    }
    sink.0.lock().fails = None;
    emit(&rig, &recording, 0..1);
    recording.sync().unwrap();
    let stats = recording.stats();
    assert_eq!((stats.taken, stats.written, stats.failed), (9, 3, 6));
    assert_eq!(sink.0.lock().written, [1, 2, 9], "a gap is as many events as are missing");
}

#[test]
fn a_failure_is_told_to_whoever_asks_first_however_late() {
    let (rig, sink) = (Rig::new(), Moody::default());
    sink.0.lock().fails = Some(ErrorKind::StorageFull);
    let recording = builder().open_sink(sink.clone()).unwrap();
    emit(&rig, &recording, 0..1);
    while recording.last_failure().is_none() {
        std::thread::yield_now();
    }
    sink.0.lock().fails = None;
    assert!(recording.sync().is_err());
    assert!(recording.sync().is_ok());
}

#[test]
fn a_sink_that_panics_fails_and_is_tried_again() {
    let (rig, sink) = (Rig::new(), Moody::default());
    let recording = builder().open_sink(sink.clone()).unwrap();
    sink.0.lock().panics = true;
    for lost in [2, 4] {
        emit(&rig, &recording, 0..2);
        assert!(recording.sync().unwrap_err().to_string().starts_with("moody: panicked: "));
        assert_eq!(recording.last_failure().unwrap().lost, lost);
    }
    sink.0.lock().panics = false;
    emit(&rig, &recording, 0..1);
    recording.sync().unwrap();
    let stats = recording.stats();
    assert_eq!((stats.taken, stats.written, stats.failed), (5, 1, 4));

    sink.0.lock().panics_in_sync = true;
    emit(&rig, &recording, 0..1);
    assert!(recording.sync().unwrap_err().to_string().starts_with("moody: panicked: "), "it may not be safe");
    assert_eq!(recording.stats().written, 2);
}

/// Panics when it is to wake somebody, in the thread that writes.
struct BrokenClock;

impl Clock for BrokenClock {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) {}

    fn wake(&self, _: Duration, _: Weak<dyn Alarm>) {
        panic_quietly();
    }
}

#[test]
fn the_end_of_the_thread_is_told() {
    let (rig, sink) = (Rig::new(), Moody::default());
    let flush = Flush::Every(Duration::from_secs(1));
    let recording = builder().flush(flush).clock(BrokenClock).open_sink(sink).unwrap();
    emit(&rig, &recording, 0..3);
    while recording.last_failure().is_none() {
        std::thread::yield_now();
    }
    assert!(recording.last_failure().unwrap().error.contains("gone"));
    assert!(recording.sync().is_err());
    emit(&rig, &recording, 3..4);
    let stats = recording.stats();
    assert_eq!(stats.written + stats.failed + stats.lost, 4);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_counted() {
    let rig = Rig::new();
    let recording = Recording::open("/dev/full", &numbers()).unwrap();
    emit(&rig, &recording, 0..3);
    let error = recording.sync().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(error.to_string().matches("/dev/full").count(), 1, "{error}");
    assert_eq!((recording.stats().failed, rig.seen().len()), (3, 3));
    assert_eq!(&*recording.last_failure().unwrap().recording, "/dev/full");
}

#[test]
fn payloads_that_cannot_be_written_are_counted() {
    struct Bad(bool);
    impl Serialize for Bad {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            if self.0 {
                panic_quietly();
            }
            Err(serde::ser::Error::custom("never"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Bad {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(serde::de::Error::custom("never"))
        }
    }
    let (rig, place) = (Rig::new(), Place::new());
    let codec = Codec::new().with::<Bad>("bad").unwrap().with::<u32>("n").unwrap();
    let recording = Recording::open(&place.path, &codec).unwrap();
    rig.emit(&recording, "bad", Bad(false));
    rig.emit(&recording, "bad", Bad(true));
    rig.emit(&recording, "other", 1_u32);
    rig.emit(&recording, "n", String::from("no number"));
    rig.emit_borrowed(&recording, "n", &7_u32);
    rig.emit(&recording, "n", 8_u32);
    recording.sync().unwrap();
    let stats = recording.stats();
    assert_eq!((stats.taken, stats.unwritable, stats.unkept, stats.written), (5, 4, 1, 1));
    assert_eq!(place.read(), [(1, 8)]);
}
