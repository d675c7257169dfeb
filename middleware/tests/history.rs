//! What a history keeps, what it counts, and what it promises to those who come late.

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use sigtree_middleware::{
    At, Entry, Envelope, History, HistoryBuilder, HistoryStats, Late, ManualClock, Middleware, Source, Topic, Weigh,
};
use support::Rig;

fn payloads(entries: &[Entry]) -> Vec<u32> {
    entries.iter().filter_map(|entry| entry.payload().copied()).collect()
}

fn build(configure: impl FnOnce(HistoryBuilder) -> HistoryBuilder) -> History {
    configure(History::builder()).build()
}

#[test]
fn an_entry_has_what_the_event_had() {
    let rig = Rig::new();
    let history = History::new();
    let envelope = Envelope { source: Some(Source::named("antenna")), ..Envelope::default() };
    rig.clock.advance(Duration::from_secs(3));
    rig.emit_in(&history, "radar.track", 7_u32, Some(envelope.clone()));

    let [entry] = &history.entries()[..] else { panic!("one entry") };
    assert_eq!(entry.sequence(), 1);
    assert_eq!(*entry.topic(), "radar.track");
    assert_eq!(entry.payload(), Some(&7_u32));
    assert_eq!(entry.payload::<String>(), None);
    assert_eq!(entry.share::<u32>().as_deref(), Some(&7));
    assert_eq!(entry.id().to_bits(), 1);
    assert_eq!(entry.offset(), Duration::from_secs(3));
    assert_eq!(entry.time(), UNIX_EPOCH + Duration::from_secs(3));
    assert_eq!(entry.source().map(Source::as_str), Some("antenna"));
    assert_eq!(entry.envelope(), Some(&envelope));
    assert_eq!(entry.bytes(), 4 + Entry::OVERHEAD);
    assert_eq!(rig.seen(), ["radar.track 7"]);
}

#[test]
fn all_who_keep_the_payload_share_it() {
    let rig = Rig::new();
    let (first, second) = (History::new(), History::new());
    rig.emit(&(first.clone(), second.clone()), "a", 1_u32);
    let (a, b) = (first.entries()[0].share_erased(), second.entries()[0].share_erased());
    assert!(Arc::ptr_eq(&a, &b));
}

#[test]
fn keeps_so_many() {
    let rig = Rig::new();
    let history = build(|history| history.count(3));
    for n in 1..=5_u32 {
        rig.emit(&history, "n", n);
    }
    assert_eq!(payloads(&history.entries()), [3, 4, 5]);
    assert_eq!(payloads(&history.last(2)), [4, 5]);
    assert_eq!(payloads(&history.last(9)), [3, 4, 5]);
    assert_eq!((history.stats().recorded, history.stats().evicted_by_count), (5, 2));
}

#[test]
fn a_history_of_none_keeps_none() {
    let rig = Rig::new();
    let history = build(|history| history.count(0));
    rig.emit(&history, "n", 1_u32);
    assert!(history.is_empty());
    assert_eq!(history.last_sequence(), 1);
}

#[test]
fn keeps_so_long() {
    let rig = Rig::new();
    let history = build(|history| history.age(Duration::from_secs(2)));
    for n in 0..5_u32 {
        rig.emit(&history, "n", n);
        rig.clock.advance(Duration::from_secs(1));
    }
    // The last was emitted at 4 seconds, and what is exactly 2 seconds old is not too old.
    assert_eq!(payloads(&history.entries()), [2, 3, 4]);
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(history.len(), 3);
    assert_eq!(history.stats().evicted_by_age, 2);
}

#[test]
fn with_the_clock_it_forgets_while_nothing_happens() {
    let rig = Rig::new();
    let history = build(|history| history.age(Duration::from_secs(2)).clock(rig.clock.clone()));
    rig.emit(&history, "n", 1_u32);
    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(history.len(), 1);
    rig.clock.advance(Duration::from_nanos(1));
    assert_eq!(history.len(), 0);
    assert_eq!(history.stats().evicted_by_age, 1);
}

#[test]
fn keeps_so_many_bytes() {
    let rig = Rig::new();
    let history = build(|history| history.bytes(2 * (Entry::OVERHEAD + 4)));
    for n in 1..=3_u32 {
        rig.emit(&history, "n", n);
    }
    assert_eq!(payloads(&history.entries()), [2, 3]);
    assert_eq!(history.stats().evicted_by_bytes, 1);
    rig.emit(&history, "n", 4_u8);
    assert_eq!(history.len(), 2);
    rig.emit(&history, "n", 5_u64);
    assert_eq!(history.len(), 1);
}

struct Frame(usize);

impl Weigh for Frame {
    fn bytes(&self) -> usize {
        self.0
    }
}

#[test]
fn a_payload_larger_than_all_is_refused_and_evicts_nothing() {
    let rig = Rig::new();
    let history = build(|history| history.bytes(Entry::OVERHEAD + 1_000).weigh::<Frame>());
    rig.emit(&history, "frame", Frame(1_000));
    rig.emit(&history, "frame", Frame(1_001));
    rig.emit(&history, "frame", Frame(usize::MAX));
    assert_eq!(history.entries()[0].bytes(), Entry::OVERHEAD + 1_000);
    assert_eq!(history.stats().refused, 2);
    assert_eq!(history.stats().evicted(), 0);
}

#[test]
fn a_payload_that_cannot_be_kept_is_counted() {
    let rig = Rig::new();
    let history = History::new();
    rig.emit_borrowed(&history, "n", &1_u32);
    assert_eq!(history.stats(), stats(|stats| stats.unkept = 1));
    assert_eq!(rig.seen(), ["n 1"]);
}

fn stats(set: impl FnOnce(&mut HistoryStats)) -> HistoryStats {
    let mut stats = HistoryStats::default();
    set(&mut stats);
    stats
}

#[test]
fn the_numbers_add_up() {
    let rig = Rig::new();
    let room = 4 * (Entry::OVERHEAD + 4);
    let history = build(|history| history.count(5).bytes(room).age(Duration::from_secs(3)));
    for n in 0..40_u32 {
        rig.emit(&history, "n", n);
        rig.clock.advance(Duration::from_millis(u64::from(n % 7) * 400));
        if n == 20 {
            history.clear();
            assert!(history.is_empty());
        }
        let stats = history.stats();
        assert_eq!(stats.recorded, u64::from(n) + 1);
        assert_eq!(stats.recorded, history.len() as u64 + stats.evicted() + stats.cleared);
    }
    assert_eq!(history.last_sequence(), 40);
    assert_eq!(history.entries().last().map(Entry::sequence), Some(40));
}

#[test]
fn records_what_it_is_asked_to() {
    let rig = Rig::new();
    let plain = History::new();
    let radar = History::builder().matching("radar.*").unwrap().build();
    let reports = History::builder().matching("$sys.**").unwrap().build();
    let even = build(|history| history.filter(|event| event.payload().is_none_or(|n: &u32| n.is_multiple_of(2))));
    let all = (plain.clone(), radar.clone(), reports.clone(), even.clone());
    rig.emit(&all, "radar.track", 1_u32);
    rig.emit(&all, "radar.track.new", 2_u32);
    rig.emit(&all, "$sys.refused", 3_u32);

    assert_eq!(payloads(&plain.entries()), [1, 2]);
    assert_eq!(payloads(&radar.entries()), [1]);
    assert_eq!(payloads(&reports.entries()), [3]);
    assert_eq!(payloads(&even.entries()), [2]);
    assert!(!radar.applies_to(&Topic::new("sonar").unwrap()));
    assert!(History::builder().matching("a..b").is_err());
}

#[test]
fn it_is_shown_in_numbers_however_much_it_holds() {
    let (rig, history) = (Rig::new(), History::new());
    for n in 0..500_u32 {
        rig.emit(&history, "n", n);
    }
    let shown = format!("{history:?} {:?}", history.replay());
    assert!(shown.len() < 300 && shown.matches("entries: 500").count() == 2, "{shown}");
}

#[test]
fn finds_by_pattern() {
    let rig = Rig::new();
    let history = History::new();
    for (topic, n) in [("a.x", 1_u32), ("b.x", 2), ("a.y", 3)] {
        rig.emit(&history, topic, n);
    }
    assert_eq!(payloads(&history.matching("a.*").unwrap()), [1, 3]);
    assert_eq!(payloads(&history.matching("*.x").unwrap()), [1, 2]);
    assert!(history.matching("a..b").is_err());
}

#[test]
fn replays_are_recorded_when_asked_for() {
    let rig = Rig::new();
    let (plain, eager) = (History::new(), build(|history| history.replays(true)));
    let replayed = Envelope { replayed: true, ..Envelope::default() };
    rig.emit_in(&(plain.clone(), eager.clone()), "n", 1_u32, Some(replayed));
    assert_eq!((plain.len(), eager.len()), (0, 1));
}

#[test]
fn a_payload_may_use_the_history_when_it_is_dropped() {
    struct Curious(History, Arc<AtomicU64>);
    impl Drop for Curious {
        fn drop(&mut self) {
            self.1.fetch_add(self.0.last_sequence(), Ordering::Relaxed);
        }
    }
    let rig = Rig::new();
    let history = build(|history| history.count(1));
    let noted = Arc::new(AtomicU64::new(0));
    for _ in 0..3 {
        rig.emit(&history, "a", Curious(history.clone(), noted.clone()));
    }
    history.clear();
    assert_eq!(noted.load(Ordering::Relaxed), 2 + 3 + 3);
}

#[test]
fn threads_record_while_one_reads() {
    const THREADS: u32 = 4;
    const EACH: u32 = 2_000;
    let history = build(|history| history.count(500));
    let clock = ManualClock::new();
    let running = AtomicU64::new(THREADS.into());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (history, clock, running) = (&history, clock.clone(), &running);
            scope.spawn(move || {
                let rig = Rig::with_clock(clock);
                for n in 0..EACH {
                    rig.emit(history, "n", thread * EACH + n);
                }
                running.fetch_sub(1, Ordering::Release);
            });
        }
        while running.load(Ordering::Acquire) > 0 {
            let entries = history.entries();
            assert!(entries.len() <= 500);
            assert!(entries.windows(2).all(|pair| pair[0].sequence() + 1 == pair[1].sequence()));
            for thread in 0..THREADS {
                let own: Vec<_> = payloads(&entries).into_iter().filter(|n| n / EACH == thread).collect();
                assert!(own.is_sorted(), "{own:?}");
            }
        }
    });
    let stats = history.stats();
    assert_eq!(stats.recorded + stats.lost, u64::from(THREADS * EACH));
    assert_eq!(stats.recorded, history.len() as u64 + stats.evicted());
    assert_eq!(stats.recorded, history.last_sequence());
}

/// A late connection that writes down what it is given.
struct Latecomer {
    before: u64,
    given: Mutex<Vec<u32>>,
    stragglers: Mutex<Vec<u32>>,
    done: AtomicBool,
    /// Where `catch_up` waits twice, so that a test can act while the history is locked.
    gate: Option<Barrier>,
}

impl Latecomer {
    fn before(version: u64) -> Self {
        let (given, stragglers, done) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Self { before: version, given, stragglers, done, gate: None }
    }

    fn gated(version: u64) -> Self {
        Self { gate: Some(Barrier::new(2)), ..Self::before(version) }
    }

    fn pass_gate(&self) {
        if let Some(gate) = &self.gate {
            gate.wait();
        }
    }
}

impl Late for Latecomer {
    fn before(&self) -> At {
        At { bus: 1, version: self.before }
    }

    fn wants(&self, topic: &Topic) -> bool {
        topic.starts_with('n')
    }

    fn catch_up(&self, entries: Vec<Entry>) {
        self.given.lock().extend(payloads(&entries));
        self.pass_gate();
        self.pass_gate();
    }

    fn straggler(&self, entry: &Entry) {
        self.stragglers.lock().extend(entry.payload::<u32>());
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

#[test]
fn recording_does_not_wait_for_a_reader() {
    let rig = Rig::new();
    let history = History::new();
    let late = Arc::new(Latecomer::gated(0));
    thread::scope(|scope| {
        scope.spawn(|| history.follow(late.clone(), 10));
        late.pass_gate();
        for n in 0..300_u32 {
            rig.emit(&history, "n", n);
        }
        late.pass_gate();
    });
    assert_eq!(rig.seen().len(), 300);
    assert_eq!(history.stats(), stats(|stats| (stats.recorded, stats.lost) = (256, 44)));
    assert_eq!(payloads(&history.entries()), (0..256).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_in_the_inbox() {
    let rig = Rig::new();
    let history = History::new();
    let late = Arc::new(Latecomer::gated(1));
    thread::scope(|scope| {
        scope.spawn(|| history.follow(late.clone(), 10));
        late.pass_gate();
        rig.emit(&history, "n", 7_u32);
        late.pass_gate();
    });
    // Nobody recorded or read since: whoever held the lock took the record in on leaving.
    assert_eq!(*late.stragglers.lock(), [7]);
}

#[test]
fn a_latecomer_gets_the_last_it_wants_of_earlier_emits() {
    let rig = Rig::new();
    let history = History::new();
    rig.set_version(1);
    for n in 1..=3_u32 {
        rig.emit(&history, "n", n);
    }
    rig.emit(&history, "other", 4_u32);
    rig.set_version(2);
    rig.emit(&history, "n", 5_u32);

    let late = Arc::new(Latecomer::before(2));
    history.follow(late.clone(), 2);
    assert_eq!(*late.given.lock(), [2, 3]);
}

#[test]
fn stragglers_are_those_that_began_earlier() {
    let rig = Rig::new();
    let history = History::new();
    let late = Arc::new(Latecomer::before(2));
    history.follow(late.clone(), 10);
    rig.set_version(1);
    rig.emit(&history, "n", 1_u32);
    rig.emit(&history, "other", 2_u32);
    rig.set_version(2);
    rig.emit(&history, "n", 3_u32);
    assert_eq!(*late.stragglers.lock(), [1]);

    late.done.store(true, Ordering::Relaxed);
    rig.set_version(1);
    rig.emit(&history, "n", 4_u32);
    assert_eq!(*late.stragglers.lock(), [1]);
    assert_eq!(Arc::strong_count(&late), 1);
}

#[test]
fn a_straggler_is_told_with_no_lock_held() {
    struct Reader(History, AtomicU64);
    impl Late for Reader {
        fn before(&self) -> At {
            At { bus: 1, version: u64::MAX }
        }
        fn wants(&self, _: &Topic) -> bool {
            true
        }
        fn catch_up(&self, _: Vec<Entry>) {}
        fn straggler(&self, entry: &Entry) {
            assert_eq!(self.0.last_sequence(), entry.sequence());
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        fn is_done(&self) -> bool {
            false
        }
    }
    let rig = Rig::new();
    let history = History::new();
    let reader = Arc::new(Reader(history.clone(), AtomicU64::new(0)));
    history.follow(reader.clone(), 0);
    rig.emit(&history, "n", 1_u32);
    rig.emit(&history, "n", 2_u32);
    assert_eq!(reader.1.load(Ordering::Relaxed), 2);
}

/// Recorders emit while a connection is published: whatever was emitted since comes from the bus, the rest that was
/// recorded comes from the history, and nothing comes twice.
#[test]
fn a_latecomer_among_threads_gets_every_entry_once() {
    const THREADS: u32 = 4;
    const EACH: u32 = 300;
    for round in 0..20 {
        let history = build(|history| history.count(usize::MAX));
        let version = AtomicU64::new(1);
        let (start, midway) = (Barrier::new(THREADS as usize), Barrier::new(2));
        let late = Arc::new(Latecomer::before(2));
        let emitted: Vec<(u32, u64)> = thread::scope(|scope| {
            let recorders: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (history, version, start, midway) = (&history, &version, &start, &midway);
                    scope.spawn(move || {
                        let rig = Rig::new();
                        start.wait();
                        let emit = |n| {
                            if thread == 0 && n == 10 * round {
                                midway.wait();
                            }
                            let began = version.load(Ordering::SeqCst);
                            rig.set_version(began);
                            thread::yield_now();
                            rig.emit(history, "n", thread * EACH + n);
                            (thread * EACH + n, began)
                        };
                        (0..EACH).map(emit).collect::<Vec<_>>()
                    })
                })
                .collect();
            midway.wait();
            version.store(2, Ordering::SeqCst);
            history.follow(late.clone(), usize::MAX);
            recorders.into_iter().flat_map(|recorder| recorder.join().unwrap()).collect()
        });

        let from_bus = emitted.iter().filter(|(_, began)| *began >= 2).map(|(n, _)| *n);
        let from_history = late.given.lock().iter().chain(late.stragglers.lock().iter()).copied().collect::<Vec<_>>();
        let got: Vec<u32> = from_bus.chain(from_history).collect();
        let once: BTreeSet<u32> = got.iter().copied().collect();
        assert_eq!(got.len(), once.len(), "something came twice");
        let missing: Vec<_> = payloads(&history.entries()).into_iter().filter(|n| !once.contains(n)).collect();
        assert_eq!(missing, [0; 0]);
        assert_eq!(history.stats().recorded + history.stats().lost, emitted.len() as u64);
    }
}
