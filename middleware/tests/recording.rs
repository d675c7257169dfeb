//! What a recording writes, a reader reads; what goes wrong between is counted and costs nothing else.
#![cfg(feature = "recording")]

mod support;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::{Condvar, Mutex};
use serde::ser::{Serialize, Serializer};
use sigtree_middleware::{
    Alarm, Clock, Codec, Entry, Envelope, Flush, History, Inspect, ManualClock, Middleware, Priority, Reader, Record,
    Recording, RecordingBuilder, Sink, Source, Unwritten, WhenFull,
};
use support::Rig;
use tempfile::TempDir;

/// A folder of its own, and a recording in it.
struct Place {
    folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flight.jsonl");
        Self { folder, path }
    }

    fn part(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("flight.part-{number:06}.jsonl"))
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn bytes(&self) -> u64 {
        fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    /// The sequences and numbers that can be read.
    fn read(&self) -> Vec<(u64, u32)> {
        let records = Reader::open(&self.path).unwrap().filter_map(Result::ok);
        records.map(|record| (record.sequence(), record.decode().unwrap())).collect()
    }
}

fn numbers() -> Codec {
    Codec::new().with::<u32>("**").unwrap()
}

fn builder() -> RecordingBuilder {
    Recording::builder(&numbers())
}

fn emit(rig: &Rig, recording: &Recording, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        rig.emit(recording, "n", n);
    }
}

/// Fails as it is told, and writes down what it does.
#[derive(Clone, Default)]
struct Moody(Arc<Mutex<Mood>>);

#[derive(Default)]
struct Mood {
    fails: Option<ErrorKind>,
    panics: bool,
    panics_in_sync: bool,
    last: u64,
    written: Vec<u64>,
    syncs: u32,
}

impl Sink for Moody {
    fn write(&mut self, records: &[Record]) -> Result<(), Unwritten> {
        let mut mood = self.0.lock();
        if mood.panics {
            support_panic();
        }
        if let Some(kind) = mood.fails {
            return Err(Unwritten { lost: records.len(), error: kind.into() });
        }
        mood.written.extend(records.iter().map(Record::sequence));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut mood = self.0.lock();
        mood.syncs += 1;
        if mood.panics_in_sync {
            support_panic();
        }
        mood.fails.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn last_sequence(&self) -> u64 {
        self.0.lock().last
    }

    fn describe(&self) -> String {
        "moody".into()
    }
}

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
fn an_event_comes_back_with_all_it_had() {
    let (rig, place, history) = (Rig::new(), Place::new(), History::new());
    let recording = Recording::open(&place.path, &Codec::new().with::<String>("**").unwrap()).unwrap();
    let full = Envelope {
        source: Some(Source::named("tower 7")),
        priority: Priority::High,
        correlation: Some("c".into()),
        meta: vec![("unit".into(), "kg".into())],
        ..Envelope::default()
    };
    rig.clock.advance(Duration::new(3, 7));
    rig.emit_in(&(history.clone(), recording.clone()), "radar.track", String::from("a\n\"b\" ł"), Some(full));
    rig.emit(&(history.clone(), recording.clone()), "radar.lost", String::new());
    recording.sync().unwrap();

    let codec = Codec::new().with::<String>("**").unwrap();
    let back: Vec<Entry> = Reader::open(&place.path).unwrap().entries(&codec).collect::<Result<_, _>>().unwrap();
    assert_eq!(back.len(), 2);
    for (entry, original) in back.iter().zip(history.entries()) {
        assert_eq!(entry.payload::<String>(), original.payload::<String>());
        assert_eq!((entry.topic(), entry.id(), entry.stamp()), (original.topic(), original.id(), original.stamp()));
        assert_eq!((entry.envelope(), entry.sequence()), (original.envelope(), original.sequence()));
    }
}

#[test]
fn a_history_writes_the_same_lines() {
    let (rig, place, history) = (Rig::new(), Place::new(), History::new());
    let recording = Recording::open(&place.path, &numbers()).unwrap();
    for n in 0..3_u32 {
        rig.emit(&(history.clone(), recording.clone()), "n", n);
    }
    rig.emit(&history, "text", String::from("unknown"));
    recording.sync().unwrap();
    let mut text = Vec::new();
    let exported = history.write_to(&numbers(), &mut text).unwrap();
    assert_eq!((exported.written, exported.unwritable), (3, 1));
    assert_eq!(String::from_utf8(text).unwrap(), fs::read_to_string(&place.path).unwrap());
}

#[test]
fn it_records_what_it_is_told_to() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording =
        builder().matching("a.**").unwrap().filter(|event| event.payload() != Some(&2_u32)).open(&place.path).unwrap();
    for (topic, n) in [("a.b", 1_u32), ("a.b", 2), ("b", 3), ("a", 4)] {
        rig.emit(&recording, topic, n);
    }
    let replayed = Envelope { replayed: true, ..Envelope::default() };
    rig.emit_in(&recording, "a", 5_u32, Some(replayed));
    drop(recording);
    assert_eq!(place.read(), [(1, 1), (2, 4)]);
    assert_eq!(rig.seen().len(), 5);
}

#[test]
fn reports_are_recorded_when_spelled() {
    let place = Place::new();
    let topic = |text| sigtree_middleware::Topic::new(text).unwrap();
    let plain = builder().open(&place.path).unwrap();
    assert!(!plain.applies_to(&topic("$sys.dead")));
    let reports = builder().matching("$sys.**").unwrap().open(&place.path).unwrap();
    assert!(reports.applies_to(&topic("$sys.dead")) && !reports.applies_to(&topic("a")));
    assert!(reports.describe().ends_with("flight.jsonl`, on `$sys.**`"));
}

#[test]
fn it_goes_on_behind_what_is_there() {
    let (rig, place) = (Rig::new(), Place::new());
    for round in 0..3_u32 {
        let recording = Recording::open(&place.path, &numbers()).unwrap();
        emit(&rig, &recording, [round]);
    }
    assert_eq!(place.read(), [(1, 0), (2, 1), (3, 2)]);
}

#[test]
fn a_torn_line_is_told_and_the_rest_is_read() {
    let (rig, place) = (Rig::new(), Place::new());
    emit(&rig, &Recording::open(&place.path, &numbers()).unwrap(), 0..3);
    let whole = fs::read(&place.path).unwrap();
    // A crash can end the file after any byte.
    for cut in whole.len() - 60..whole.len() - 2 {
        fs::write(&place.path, &whole[..cut]).unwrap();
        let mut reader = Reader::open(&place.path).unwrap();
        let errors: Vec<_> = reader.by_ref().filter_map(Result::err).collect();
        assert_eq!((reader.stats().records, reader.stats().torn), (2, 1));
        assert!(errors[0].is_torn() && errors[0].line() == 3 && errors[0].file() == Some(&*place.path));
    }
    fs::write(&place.path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(place.read().len(), 3, "a line that only lacks its end is whole");

    fs::write(&place.path, &whole[..whole.len() - 30]).unwrap();
    emit(&rig, &Recording::open(&place.path, &numbers()).unwrap(), [7]);
    let mut reader = Reader::open(&place.path).unwrap();
    let seen: Vec<_> = reader.by_ref().map(|record| record.map(|record| record.sequence()).ok()).collect();
    assert_eq!(seen, [Some(1), Some(2), None, Some(3)]);
    assert_eq!(reader.stats().not_events, 1);
}

#[test]
fn parts_are_rotated_by_events_and_by_bytes() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_events(2).open(&place.path).unwrap();
    emit(&rig, &recording, 0..5);
    drop(recording);
    assert_eq!(place.files(), ["flight.jsonl", "flight.part-000001.jsonl", "flight.part-000002.jsonl"]);
    let recording = builder().part_events(2).open(&place.path).unwrap();
    emit(&rig, &recording, 5..7);
    recording.sync().unwrap();
    assert_eq!((place.files().len(), recording.stats().parts), (4, 1));
    drop(recording);
    assert_eq!(place.read(), (0..7).map(|n| (u64::from(n) + 1, n)).collect::<Vec<_>>());

    let place = Place::new();
    let recording = builder().part_bytes(500).open(&place.path).unwrap();
    emit(&rig, &recording, 0..20);
    recording.sync().unwrap();
    assert_eq!(place.read().len(), 20);
    for name in place.files() {
        assert!(fs::metadata(place.folder.path().join(name)).unwrap().len() <= 500);
    }
}

#[test]
fn all_parts_together_keep_the_bound() {
    let (rig, place, all) = (Rig::new(), Place::new(), Place::new());
    let recording_of_all = builder().open(&all.path).unwrap();
    let recording = builder().part_bytes(1_000).bytes(5_000).open(&place.path).unwrap();
    for n in 0..200_u32 {
        rig.emit(&(recording.clone(), recording_of_all.clone()), "n", n);
        recording.sync().unwrap();
        assert!(place.bytes() <= 5_000);
    }
    let read = place.read();
    assert!(place.bytes() > 3_000 && read.len() > 15);
    assert_eq!(read.last(), Some(&(200, 199)));
    assert!(read.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
    drop(recording_of_all);
    assert_eq!(recording.stats().removed_bytes + place.bytes(), all.bytes());
}

#[test]
fn files_of_others_are_neither_read_nor_thrown_away() {
    let (rig, place) = (Rig::new(), Place::new());
    let others = ["flight.20240501.jsonl", "flight.000001.jsonl", "flight.part-1.jsonl"];
    for name in others {
        emit(&rig, &Recording::open(place.folder.path().join(name), &numbers()).unwrap(), 0..50);
    }
    let recording = builder().bytes(1_000).open(&place.path).unwrap();
    emit(&rig, &recording, 7..8);
    recording.sync().unwrap();
    assert_eq!(place.read(), [(1, 7)]);
    assert_eq!((place.files().len(), recording.stats().removed_bytes), (4, 0));
}

#[test]
fn what_comes_back_from_an_archive_is_read_and_kept() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_bytes(250).bytes(1_000).open(&place.path).unwrap();
    let first = place.part(1);
    emit(&rig, &recording, 0..3);
    recording.sync().unwrap();
    let archived = fs::read(&first).unwrap();
    emit(&rig, &recording, 3..20);
    drop(recording);
    assert!(!first.exists());
    fs::write(&first, archived).unwrap();

    let recording = builder().part_bytes(250).bytes(1_000).open(&place.path).unwrap();
    emit(&rig, &recording, 20..40);
    drop(recording);
    assert_eq!((place.read()[0], first.exists()), ((1, 0), true));
}

#[test]
fn numbers_go_on_when_all_parts_are_archived() {
    let (rig, place) = (Rig::new(), Place::new());
    emit(&rig, &builder().part_events(2).open(&place.path).unwrap(), 0..7);
    let mut reader = Reader::open(&place.path).unwrap();
    assert_eq!(reader.by_ref().take(6).count(), 6);
    for number in 1..=3 {
        fs::remove_file(place.part(number)).unwrap();
    }
    emit(&rig, &builder().part_events(2).open(&place.path).unwrap(), 7..11);
    assert_eq!(place.files(), ["flight.jsonl", "flight.part-000007.jsonl", "flight.part-000008.jsonl"]);
    let rest: Vec<u64> = reader.map(|record| record.unwrap().sequence()).collect();
    assert_eq!(rest, [7, 8, 9, 10, 11], "whoever has read the archived ones goes on with the new ones");
}

#[test]
fn a_part_overwrites_no_file() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_events(1).open(&place.path).unwrap();
    fs::write(place.part(1), "from an archive\n").unwrap();
    emit(&rig, &recording, 0..2);
    recording.sync().unwrap();
    assert_eq!(fs::read_to_string(place.part(1)).unwrap(), "from an archive\n");
    assert_eq!(place.files(), ["flight.jsonl", "flight.part-000001.jsonl", "flight.part-000002.jsonl"]);
}

#[test]
fn a_line_larger_than_all_that_is_allowed_is_refused() {
    let (rig, place) = (Rig::new(), Place::new());
    let codec = Codec::new().with::<String>("**").unwrap();
    let recording = Recording::builder(&codec).bytes(2_000).open(&place.path).unwrap();
    rig.emit(&recording, "a", "x".repeat(10));
    rig.emit(&recording, "a", "x".repeat(2_000));
    rig.emit(&recording, "a", "x".repeat(1_750));
    assert!(recording.sync().is_err());
    assert_eq!((recording.stats().written, recording.stats().failed), (2, 1));
    let lengths: Vec<_> =
        Reader::open(&place.path).unwrap().map(|record| record.unwrap().decode::<String>().unwrap().len()).collect();
    assert_eq!(lengths, [1_750], "the smaller one had to go");
}

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
fn a_sequence_that_nobody_counted_up_to_is_passed_over() {
    let hostile = |sequence: u64| {
        format!(r#"{{"specversion":"1.0","id":"{:026}","source":"/x","type":"n","sequence":"{sequence}","data":7}}"#, 1)
    };
    for sequence in [u64::MAX, u64::MAX - 1, 1 << 62] {
        let (rig, place) = (Rig::new(), Place::new());
        fs::write(&place.path, format!("{}\n{}\n", hostile(4), hostile(sequence))).unwrap();
        fs::write(place.part(u64::MAX), "").unwrap();
        let recording = builder().part_events(3).open(&place.path).unwrap();
        emit(&rig, &recording, 0..2);
        recording.sync().unwrap();
        assert_eq!(place.read(), [(4, 7), (sequence, 7), (5, 0), (6, 1)]);
        assert!(place.part(4).exists());

        let sink = Moody::default();
        sink.0.lock().last = sequence;
        let recording = builder().open_sink(sink.clone()).unwrap();
        emit(&rig, &recording, 0..2);
        recording.sync().unwrap();
        assert_eq!(sink.0.lock().written, [1, 2]);
    }
}

#[test]
fn a_sink_that_panics_fails_and_is_tried_again() {
    let (rig, sink) = (Rig::new(), Moody::default());
    let recording = builder().open_sink(sink.clone()).unwrap();
    sink.0.lock().panics = true;
    for lost in [2, 4] {
        emit(&rig, &recording, 0..2);
        assert!(recording.sync().unwrap_err().to_string().starts_with("panicked: "));
        assert_eq!(recording.last_failure().unwrap().lost, lost);
    }
    sink.0.lock().panics = false;
    emit(&rig, &recording, 0..1);
    recording.sync().unwrap();
    let stats = recording.stats();
    assert_eq!((stats.taken, stats.written, stats.failed), (5, 1, 4));

    sink.0.lock().panics_in_sync = true;
    emit(&rig, &recording, 0..1);
    assert!(recording.sync().unwrap_err().to_string().starts_with("panicked: "), "it may not be safe");
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
        support_panic();
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
    assert_eq!(recording.sync().unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!((recording.stats().failed, rig.seen().len()), (3, 3));
    assert_eq!(&*recording.last_failure().unwrap().recording, "/dev/full");
}

#[test]
fn what_cannot_be_opened_is_an_error() {
    let place = Place::new();
    assert!(Recording::open(place.folder.path(), &numbers()).is_err());
    assert!(Recording::open(place.folder.path().join("no/such.jsonl"), &numbers()).is_err());
    assert!(Recording::player(place.folder.path().join("no.jsonl"), &numbers()).is_err());
    assert!(Reader::open(&place.path).is_err());
}

#[test]
fn payloads_that_cannot_be_written_are_counted() {
    struct Bad(bool);
    impl Serialize for Bad {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            if self.0 {
                support_panic();
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

/// Panics without a word.
fn support_panic() {
    std::panic::resume_unwind(Box::new("never"));
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

#[test]
fn a_player_reads_the_file_again_to_seek_back() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_events(2).open(&place.path).unwrap();
    for n in 0..5 {
        emit(&rig, &recording, [n]);
        rig.clock.advance(Duration::from_secs(1));
    }
    drop(recording);
    fs::OpenOptions::new()
        .append(true)
        .open(&place.path)
        .map(|mut file| io::Write::write_all(&mut file, b"{\n"))
        .unwrap()
        .unwrap();
    let again = support::Layered { rig: &Rig::new(), layer: None::<History> };
    let mut player = Recording::player(&place.path, &numbers()).unwrap();
    let report = player.run(&again);
    assert_eq!((report.replayed, report.unread), (5, 1));
    player.seek(Duration::from_secs(3));
    assert_eq!(player.run(&again).replayed, 2);
    fs::remove_file(&place.path).unwrap();
    player.seek(Duration::ZERO);
    let report = player.run(&again);
    assert_eq!((report.replayed, report.unread), (4, 1), "the part that is gone is told");
    assert_eq!(again.rig.seen().len(), 11);
}
