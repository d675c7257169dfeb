//! A recording given to a fresh bus leads to the same tree of events as the first time; what differs is shown.
#![cfg(feature = "recording")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use sigtree::middleware::{
    Clock, Codec, EventTree, Fact, GapError, Player, Projection, Reader, Recording, Sink, Snapshot, Unwritten,
};
use sigtree::middleware::{Record, RecordingFailed};
use sigtree::{Bus, Event, EventId, History, ManualClock, SequentialIds, Speed};

const SECOND: Duration = Duration::from_secs(1);

fn codec() -> Codec {
    Codec::new().with::<u32>("**").unwrap()
}

/// A bus whose handlers emit: an order reserves stock and makes a bill, and a large bill is checked.
fn shop(clock: impl Clock, ids: SequentialIds, tax: u32) -> Bus {
    let bus = Bus::builder().clock(clock).ids(ids).build();
    let lead = |from: &str, to: &'static str, change: fn(u32, u32) -> Option<u32>| {
        let inside = bus.downgrade();
        let handler = move |n: &u32, event: &Event<'_>| {
            if let Some(n) = change(*n, tax) {
                inside.upgrade().unwrap().event(to).causation(event.id()).emit(n);
            }
        };
        bus.connect(from, handler).unwrap().detach();
    };
    lead("order", "stock", |n, _| Some(n));
    lead("order", "bill", |n, tax| Some(n * 10 + tax));
    lead("bill", "check", |n, _| (n > 50).then_some(n));
    bus
}

/// The first time: an order a second, into a recording.
fn first_run(path: &Path) -> Bus {
    let clock = ManualClock::new();
    let bus = shop(clock.clone(), SequentialIds::default(), 0);
    let recording = Recording::open(path, &codec()).unwrap();
    bus.layer(recording.clone());
    for n in [1_u32, 7, 3, 9] {
        bus.emit("order", n);
        clock.advance(SECOND);
    }
    recording.sync().unwrap();
    bus
}

/// Another time: the orders of the recording, at their speed, into another recording.
fn again(path: &Path, into: &Path, tax: u32, steer: impl FnOnce(&mut Player, &Bus)) {
    let clock = ManualClock::new();
    let bus = shop(clock.clone(), SequentialIds::default(), tax);
    let recording = Recording::builder(&codec()).replays(true).open(into).unwrap();
    bus.layer(recording);
    let player = Recording::player(path, &codec()).unwrap().roots();
    steer(&mut player.speed(Speed::RealTime).unwrap().clock(clock), &bus);
}

fn tree(path: &Path) -> EventTree {
    EventTree::try_of_records(Reader::open(path).unwrap()).unwrap()
}

#[test]
fn a_replay_leads_to_the_same_tree() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, third) = (folder.path().join("1"), folder.path().join("2"), folder.path().join("3"));
    first_run(&first);
    assert_eq!(
        tree(&first).to_string(),
        "order 1\n  stock 1\n  bill 10\norder 7\n  stock 7\n  bill 70\n    check 70\n\
         order 3\n  stock 3\n  bill 30\norder 9\n  stock 9\n  bill 90\n    check 90\n"
    );
    again(&first, &second, 0, |player, bus| assert_eq!(player.run(bus).replayed, 4));
    tree(&first).compare(&tree(&second)).unwrap();

    // Paused, stepped and sought in, it is the same as well.
    again(&first, &third, 0, |player, bus| {
        assert!(player.step(bus));
        player.seek(SECOND);
        player.control().step(1);
        player.control().seek(SECOND);
        player.control().resume();
        assert_eq!(player.run(bus).replayed, 3);
    });
    tree(&first).compare(&tree(&third)).unwrap();
}

/// A clock of a program that was started at this wall-clock time.
struct Started(ManualClock, SystemTime);

impl Clock for Started {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> SystemTime {
        self.1 + self.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }
}

#[test]
fn a_recording_of_two_runs_leads_to_one_tree() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    for (run, started) in [1_000, 90_000].into_iter().enumerate() {
        let clock = ManualClock::new();
        let started = Started(clock.clone(), UNIX_EPOCH + Duration::from_secs(started));
        let bus = shop(started, SequentialIds::after(EventId::from_bits(100 * run as u128)), 0);
        let recording = Recording::open(&first, &codec()).unwrap();
        bus.layer(recording.clone());
        for n in [1_u32, 7] {
            bus.emit("order", n);
            clock.advance(SECOND);
        }
        recording.sync().unwrap();
    }
    again(&first, &second, 0, |player, bus| {
        let report = player.run(bus);
        assert_eq!((report.replayed, report.waited), (4, 2 * SECOND));
    });
    tree(&first).compare(&tree(&second)).unwrap();
    // What handlers emit has the moments of all runs.
    let times: Vec<_> = Reader::open(&second).unwrap().map(Result::unwrap).collect();
    let bills = times.iter().filter(|record| *record.topic() == "bill").map(|record| record.offset().as_secs());
    assert_eq!(bills.collect::<Vec<_>>(), [0, 1, 1, 2]);
}

#[test]
fn two_replays_are_the_same_to_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, third) = (folder.path().join("1"), folder.path().join("2"), folder.path().join("3"));
    first_run(&first);
    for into in [&second, &third] {
        again(&first, into, 0, |player, bus| assert_eq!(player.run(bus).replayed, 4));
    }
    assert_eq!(std::fs::read(&second).unwrap(), std::fs::read(&third).unwrap());
    // What handlers emit has the times of the first run, for the clock follows the recording.
    let times =
        |path: &Path| -> Vec<_> { Reader::open(path).unwrap().map(|record| record.unwrap().offset()).collect() };
    assert_eq!(times(&first), times(&second));
}

#[test]
fn another_tree_is_shown_by_its_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    first_run(&first);
    again(&first, &second, 25, |player, bus| assert_eq!(player.run(bus).replayed, 4));
    let difference = tree(&first).compare(&tree(&second)).unwrap_err();
    assert_eq!(difference.to_string(), "event 3 differs:\n  order 1\n    stock 1\n-   bill 10\n+   bill 35\n");
    assert_eq!((difference.event(), difference.expected(), difference.found()), (3, Some("bill 10"), Some("bill 35")));
}

#[test]
fn a_state_is_rebuilt_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, saved) = (folder.path().join("1"), folder.path().join("sum.json"));
    let sum = || Projection::of(0_u32).on("bill", |sum, bill: &Fact<'_, u32>| *sum += **bill).unwrap();

    let live = sum();
    let (clock, recording) = (ManualClock::new(), Recording::open(&path, &codec()).unwrap());
    let bus = shop(clock.clone(), SequentialIds::default(), 0);
    bus.layer(recording.clone());
    bus.layer(live.clone());
    bus.emit("order", 1_u32);
    live.snapshot().save(&saved).unwrap();
    bus.emit("order", 7_u32);
    recording.sync().unwrap();
    assert_eq!(live.state(), 80);

    let entries = || Reader::open(&path).unwrap().entries(&codec());
    let from_snapshot = sum().resume(Snapshot::load(&saved).unwrap());
    assert_eq!((from_snapshot.try_catch_up(entries()).ok(), from_snapshot.state()), (Some(1), 80));
    let from_nothing = sum();
    assert_eq!((from_nothing.try_catch_up(entries()).ok(), from_nothing.state()), (Some(2), 80));
}

#[test]
fn runs_that_give_the_same_ids_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1");
    let sum = || Projection::of(0_u32).on("bill", |sum, bill: &Fact<'_, u32>| *sum += **bill).unwrap();
    let mut saved = None;
    for day in 0..2 {
        let started = Started(ManualClock::new(), UNIX_EPOCH + day * 86_400 * SECOND);
        let (bus, live) = (shop(started, SequentialIds::default(), 0), sum());
        let recording = Recording::open(&path, &codec()).unwrap();
        bus.layer(recording.clone());
        bus.layer(live.clone());
        bus.emit("order", 1_u32);
        bus.emit("order", 2_u32);
        recording.sync().unwrap();
        saved.get_or_insert(live.snapshot());
    }
    let entries = || Reader::open(&path).unwrap().entries(&codec());
    for projection in [sum().resume(saved.unwrap()), sum()] {
        let error = projection.try_catch_up(entries()).unwrap_err();
        assert_eq!(error.gap().and_then(GapError::repeated), Some(EventId::from_bits(1)), "{error}");
        assert_eq!(projection.state(), 30);
    }
}

#[test]
fn history_and_recording_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1");
    let history = History::new();
    let bus = first_run(&path);
    bus.layer(history.clone());
    bus.emit("order", 5_u32);
    drop(bus);
    let show = |entry: &sigtree::middleware::Entry| entry.payload::<u32>().unwrap().to_string();
    let of_history = EventTree::of(history.entries(), show);
    let of_file = EventTree::try_of_records(Reader::open(&path).unwrap().skip(14)).unwrap();
    of_history.compare(&of_file).unwrap();
    assert_eq!(of_history.len(), 3);
}

/// Writes nothing.
struct Full;

impl Sink for Full {
    fn write(&mut self, records: &[Record]) -> Result<(), Unwritten> {
        Err(Unwritten { lost: records.len(), error: std::io::ErrorKind::StorageFull.into() })
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn describe(&self) -> String {
        "full".into()
    }
}

#[test]
fn a_full_disk_is_reported_and_stops_no_handler() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let list = reports.clone();
    let bus = Bus::new();
    let recording = Recording::builder(&codec()).open_sink(Full).unwrap();
    bus.layer(recording.clone());
    let _handlers = [
        bus.connect("$sys.recording.failed", move |failed: &RecordingFailed| list.lock().push(failed.clone())).unwrap(),
        bus.connect("n", |_: &u32| {}).unwrap(),
    ];
    assert_eq!(bus.emit("n", 1_u32).called(), 1);
    assert!(recording.sync().is_err());
    assert!(reports.lock().is_empty());
    assert_eq!(bus.emit("n", 2_u32).called(), 1);
    let reports = reports.lock();
    assert_eq!((reports.len(), &*reports[0].recording, reports[0].lost), (1, "full", 1));
    assert!(!reports[0].error.is_empty());
}
