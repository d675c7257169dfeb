//! Every way to emit reaches the same handlers, and costs no more than what they ask for.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use sigtree::middleware::{Ids, SystemClock};
use sigtree::{Bus, Clock, Event, EventId, ManualClock, Priority, Signal};
use support::Recorder;

#[test]
fn every_form_by_name() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _handler = bus.connect("a.**", seen.events()).unwrap();
    for _ in 0..3 {
        assert_eq!(bus.emit("a.b", 1_u32).called(), 1);
        assert_eq!(bus.emit_ref("a.b", &2_u32).called(), 1);
        assert_eq!(bus.emit_shared("a.b", Arc::new(3_u32)).called(), 1);
        assert_eq!(bus.emit_with("a.b", || 4_u32).called(), 1);
        assert_eq!(bus.try_emit("a.b", 5_u32).unwrap().called(), 1);
        assert_eq!(bus.event("a.b").emit(6_u32).called(), 1);
        assert_eq!(bus.event("a.b").emit_ref(&7_u32).called(), 1);
        assert_eq!(bus.event("a.b").emit_shared(Arc::new(8_u32)).called(), 1);
        bus.emit_later("a.b", 9_u32);
        assert_eq!(seen.take(), (1..=9).map(|n| format!("a.b {n}")).collect::<Vec<_>>());
    }
}

/// The payload is to be lent, small as it is.
fn lent(payload: &u32) -> &u32 {
    payload
}

#[test]
fn every_form_by_handle() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let signal: Signal<u32> = bus.signal("a.b").unwrap();
    let _handler = bus.connect("a.*", seen.events()).unwrap();
    let mut pinned = signal.pin();
    let (two, six) = (2, 6);
    for _ in 0..3 {
        signal.emit(1);
        signal.emit(lent(&two));
        signal.emit(Arc::new(3));
        signal.clone().emit(4);
        pinned.emit(5);
        pinned.emit(lent(&six));
        pinned.emit(Arc::new(7));
        assert_eq!(seen.take(), (1..=7).map(|n| format!("a.b {n}")).collect::<Vec<_>>());
    }
    assert_eq!(signal.topic(), "a.b");
    assert!(signal.bus().is(&bus));
}

#[test]
fn handles_and_names_meet_the_same_handlers() {
    let bus = Bus::new();
    let first: Signal<u32> = bus.signal("a").unwrap();
    let second: Signal<u32> = bus.signal("a").unwrap();
    let _one = first.connect(|_| {}).unwrap();
    let _two = bus.connect("a", |_: &u32| {}).unwrap();
    let _three = bus.connect("**", |_: &u32| {}).unwrap();
    assert_eq!((first.emit(1).called(), second.emit(1).called(), bus.emit("a", 1_u32).called()), (3, 3, 3));
    drop(first);
    assert_eq!((second.emit(1).called(), bus.emit("a", 1_u32).called()), (3, 3));
}

#[test]
fn a_signal_without_a_name_is_alone() {
    let seen = Recorder::new();
    let (one, two) = (Signal::<u32>::new(), Signal::<u32>::default());
    let (list, other) = (seen.clone(), seen.clone());
    let _one = one.connect(move |n| list.note(format_args!("one {n}"))).unwrap();
    let _two = two.connect(move |n| other.note(format_args!("two {n}"))).unwrap();
    one.emit(1);
    two.emit(2);
    assert_eq!(seen.take(), ["one 1", "two 2"]);
    assert!(!one.bus().is(&two.bus()));
}

#[test]
fn a_pinned_signal_sees_every_change() {
    let bus = Bus::new();
    let signal: Signal<u32> = bus.signal("a").unwrap();
    let mut pinned = signal.pin();
    assert_eq!(pinned.emit(1).called(), 0);
    let first = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(pinned.emit(1).called(), 1);
    let _second = bus.connect("**", |_: &u32| {}).unwrap();
    assert_eq!(pinned.emit(1).called(), 2);
    let mute = bus.mute("a").unwrap();
    assert_eq!((pinned.emit(1).called(), pinned.emit(1).muted()), (0, 2));
    drop(mute);
    drop(first);
    assert_eq!(pinned.emit(1).called(), 1);
    bus.layer(sigtree::Filter::new(|_: &Event<'_>| false).reason("shut"));
    assert_eq!(pinned.emit(1).filtered(), Some("shut"));
}

#[test]
fn a_payload_that_nobody_listens_to_is_not_made() {
    let made = AtomicU32::new(0);
    let make = || made.fetch_add(1, Ordering::Relaxed);
    let bus = Bus::new();
    for _ in 0..3 {
        bus.emit_with("a", make);
    }
    let handler = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 0);
    bus.emit_with("a", make);
    assert_eq!(made.load(Ordering::Relaxed), 1);
    drop(handler);
    bus.emit_with("a", make);
    assert!(bus.emit_with("a..b", make).refusal().is_some());
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn a_payload_that_nobody_listens_to_on_any_level_is_not_made() {
    let made = AtomicU32::new(0);
    let parent = Bus::new();
    let child = parent.child("child").unwrap();
    for _ in 0..3 {
        child.emit_with("a", || made.fetch_add(1, Ordering::Relaxed));
    }
    assert_eq!(made.load(Ordering::Relaxed), 0);
}

#[test]
fn the_envelope_arrives_as_it_was_filled() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = seen.clone();
    let _handler = bus
        .connect("a", move |event: &Event<'_>| {
            let targets: Vec<_> = event.targets().collect();
            list.note(format_args!(
                "{:?} {:?} {:?} {:?} {targets:?} {:?} {:?} {:?}",
                event.source().map(ToString::to_string),
                event.priority(),
                event.correlation(),
                event.causation().map(EventId::to_bits),
                event.meta("unit"),
                event.meta("other"),
                event.is_replayed(),
            ));
        })
        .unwrap();
    bus.event("a")
        .source("design")
        .priority(Priority::Critical)
        .correlation("talk-1")
        .causation(EventId::from_bits(7))
        .targets(["x", "y"])
        .meta("unit", "g")
        .meta("unit", "kg")
        .emit(1_u32);
    bus.emit("a", 1_u32);
    assert_eq!(
        seen.take(),
        [
            r#"Some("design") Critical Some("talk-1") Some(7) ["x", "y"] Some("kg") None false"#,
            "None Normal None None [] None None false",
        ]
    );
}

/// A clock and a source of ids that count how often they are asked.
#[derive(Clone, Default)]
struct Asked {
    clock: Arc<AtomicU32>,
    ids: Arc<AtomicU32>,
}

impl Clock for Asked {
    fn elapsed(&self) -> Duration {
        self.clock.fetch_add(1, Ordering::Relaxed);
        Duration::from_secs(5)
    }

    fn wall(&self) -> SystemTime {
        self.clock.fetch_add(1, Ordering::Relaxed);
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) {}
}

impl Ids for Asked {
    fn next_id(&self, _: sigtree::middleware::Stamp) -> EventId {
        EventId::from_bits(u128::from(self.ids.fetch_add(1, Ordering::Relaxed)) + 1)
    }
}

impl Asked {
    fn counts(&self) -> (u32, u32) {
        (self.clock.load(Ordering::Relaxed), self.ids.load(Ordering::Relaxed))
    }
}

#[test]
fn an_emit_that_nobody_asks_about_reads_no_clock_and_makes_no_id() {
    let asked = Asked::default();
    let bus = Bus::builder().clock(asked.clone()).ids(asked.clone()).build();
    let child = bus.child("child").unwrap();
    let signal: Signal<u32> = bus.signal("a.b").unwrap();
    let _handlers = [
        bus.connect("a.*", |_: &u32| {}).unwrap(),
        bus.connect("**", |_: Arc<u32>| {}).unwrap(),
        bus.on("**").filter(|_| true).connect(|_: &Event<'_>| {}).unwrap(),
        bus.connect("a.b", |_: &u32| Err("broken")).unwrap(),
    ];
    bus.layer(|event: &Event<'_>, next: sigtree::Next<'_>| next.run(event));
    for n in 0..3 {
        bus.emit("a.b", n);
        signal.emit(n);
        child.emit("b", n);
        bus.event("a.b").source("me").emit(n);
    }
    assert_eq!(asked.counts(), (0, 0));
}

#[test]
fn ids_and_times_are_made_once_for_all_who_ask() {
    let asked = Asked::default();
    let seen = Recorder::new();
    let bus = Bus::builder().clock(asked.clone()).ids(asked.clone()).build();
    let child = bus.child("child").unwrap();
    let note = || {
        let list = seen.clone();
        move |event: &Event<'_>| list.note(format_args!("{} {:?}", event.id().to_bits(), event.offset()))
    };
    let _own = [child.connect("a", note()).unwrap(), child.connect("**", note()).unwrap()];
    let _parents = bus.connect("child.a", note()).unwrap();
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["1 5s", "1 5s", "1 5s"]);
    assert_eq!(asked.counts(), (2, 1));
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["2 5s", "2 5s", "2 5s"]);
}

#[test]
fn the_stock_clock_and_ids_are_of_today() {
    let before = SystemTime::now();
    let seen: Arc<Mutex<Vec<(EventId, SystemTime)>>> = Arc::default();
    let bus = Bus::builder().clock(SystemClock::new()).build();
    let list = seen.clone();
    let _handler = bus.connect("a", move |event: &Event<'_>| list.lock().push((event.id(), event.time()))).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("a", 1_u32);
    let seen = seen.lock();
    assert!(seen[0].0 < seen[1].0 || seen[0].1 > seen[1].1);
    assert!(seen[0].1 >= before);
}

#[test]
fn a_bad_topic_is_an_error_from_try_emit_and_counted_by_emit() {
    let bus = Bus::new();
    let _all = bus.connect("**", |_: &u32| {}).unwrap();
    for (topic, message) in [
        ("a..b", "invalid topic `a..b`: empty segment at byte 2: remove one dot"),
        ("a.*", "invalid topic `a.*`: wildcard `*` at byte 2: emit to a concrete name, connect with the pattern"),
    ] {
        let error = bus.try_emit(topic, 1_u32).unwrap_err();
        assert!(error.is_bad_name());
        assert_eq!(error.to_string(), message);
        assert_eq!(bus.emit(topic, 1_u32).refusal().unwrap().to_string(), message);
    }
    let reserved = bus.try_emit("$sys.dead", 1_u32).unwrap_err();
    assert!(reserved.is_reserved(), "{reserved}");
    assert!(bus.try_emit("$sys", 1_u32).unwrap_err().is_reserved());
    assert!(bus.signal::<u32>("$sys.mine").unwrap_err().is_reserved());
    assert!(bus.signal::<u32>("a b").unwrap_err().is_bad_name());
    assert_eq!(bus.try_emit("$system", 1_u32).unwrap().called(), 1);
    assert_eq!(bus.refusals(), 6);
}

#[test]
fn later_is_breadth_first_and_not_nested() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let (weak, list) = (bus.downgrade(), seen.clone());
    let _tree = bus
        .connect("n", move |n: &u32, event: &Event<'_>| {
            list.note(format_args!("{n} at {}", event.emission().depth()));
            let bus = weak.upgrade().unwrap();
            if *n < 4 {
                bus.emit_later("n", 2 * n);
                bus.emit_later("n", 2 * n + 1);
            }
            list.note(format_args!("{n} ends"));
        })
        .unwrap();
    bus.emit("n", 1_u32);
    let order: Vec<_> = seen.take().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(order, ["1", "1", "2", "2", "3", "3", "4", "4", "5", "5", "6", "6", "7", "7"]);
}

#[test]
fn later_waits_for_the_outermost_emit_and_is_at_once_without_one() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let weak = bus.downgrade();
    let _outer =
        bus.on("outer").priority(1).connect(move |_: &u32| drop(weak.upgrade().unwrap().emit("inner", 2_u32))).unwrap();
    let weak = bus.downgrade();
    let _inner = bus.connect("inner", move |_: &u32| weak.upgrade().unwrap().emit_later("later", 3_u32)).unwrap();
    let _all = bus.on("**").priority(-1).connect(seen.events()).unwrap();
    bus.emit("outer", 1_u32);
    assert_eq!(seen.take(), ["inner 2", "outer 1", "later 3"]);
    bus.emit_later("later", 4_u32);
    assert_eq!(seen.take(), ["later 4"]);
}

#[test]
fn later_may_be_as_deep_as_it_likes() {
    let bus = Bus::builder().depth_limit(4).clock(ManualClock::new()).build();
    let (weak, calls) = (bus.downgrade(), Arc::new(AtomicU32::new(0)));
    let counted = calls.clone();
    let _loop = bus
        .connect("n", move |n: &u32| {
            counted.fetch_add(1, Ordering::Relaxed);
            if *n > 0 {
                weak.upgrade().unwrap().emit_later("n", n - 1);
            }
        })
        .unwrap();
    bus.emit("n", 10_000_u32);
    assert_eq!((calls.load(Ordering::Relaxed), bus.refusals()), (10_001, 0));
}

#[test]
fn a_payload_is_cloned_or_boxed_only_for_those_who_keep_it() {
    struct Counted(Arc<AtomicU32>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::Relaxed);
            Self(self.0.clone())
        }
    }
    let clones = Arc::new(AtomicU32::new(0));
    let payload = Counted(clones.clone());
    let bus = Bus::new();
    let signal: Signal<Counted> = bus.signal("a").unwrap();
    let _looker = signal.connect(|_| {}).unwrap();
    signal.emit(&payload);
    bus.emit_ref("a", &payload);
    assert_eq!(clones.load(Ordering::Relaxed), 0);
    let addresses: Arc<Mutex<Vec<usize>>> = Arc::default();
    let keep = || {
        let addresses = addresses.clone();
        move |payload: Arc<Counted>| addresses.lock().push(Arc::as_ptr(&payload).addr())
    };
    let _keepers = [bus.connect("a", keep()).unwrap(), bus.connect("**", keep()).unwrap()];
    signal.emit(&payload);
    assert_eq!(clones.load(Ordering::Relaxed), 1);
    signal.emit(payload.clone());
    let shared = Arc::new(payload);
    signal.emit(shared.clone());
    bus.emit_shared("a", shared.clone());
    assert_eq!(clones.load(Ordering::Relaxed), 2);
    let addresses = addresses.lock();
    assert!(addresses.chunks(2).all(|pair| pair[0] == pair[1]), "{addresses:x?}");
    assert!(addresses[4..].iter().all(|at| *at == Arc::as_ptr(&shared).addr()));
}

#[test]
fn what_is_lent_or_shared_is_refused_with_the_right_call() {
    let bus = Bus::new();
    let _fixed = bus.connect("a", |_: &u32| {}).unwrap();
    let lent: &'static u32 = &7;
    let lent = bus.try_emit("a", lent).unwrap_err().to_string();
    assert_eq!(lent, "topic `a` carries `u32`, not `&u32`: emit what is lent with `emit_ref`");
    let shared = bus.try_emit("a", Arc::new(7_u32)).unwrap_err().to_string();
    assert!(shared.ends_with("emit what is shared with `emit_shared`"), "{shared}");
}

#[test]
fn every_form_can_be_emitted_later() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let signal: Signal<u32> = bus.signal("later").unwrap();
    let weak = (bus.downgrade(), signal.downgrade());
    let list = seen.clone();
    let _first = bus
        .connect("first", move |_: &u32| {
            let (bus, signal) = (weak.0.upgrade().unwrap(), weak.1.upgrade().unwrap());
            bus.emit_later("later", 1_u32);
            signal.emit_later(2);
            bus.event("later").source("me").emit_later(3_u32);
            signal.event().meta("k", "v").emit_later(4_u32);
            list.note("first ends");
        })
        .unwrap();
    let list = seen.clone();
    let _later = bus
        .connect("later", move |n: &u32, event: &Event<'_>| {
            list.note(format_args!("{n} {:?} {:?}", event.source().map(ToString::to_string), event.meta("k")));
        })
        .unwrap();
    bus.emit("first", 0_u32);
    assert_eq!(seen.take(), ["first ends", "1 None None", "2 None None", "3 Some(\"me\") None", "4 None Some(\"v\")"]);
    signal.emit_later(5);
    assert_eq!(seen.take(), ["5 None None"]);
}

#[test]
fn an_event_that_is_stamped_has_its_id_from_the_start() {
    let bus = Bus::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    let _hears = bus.connect("a", move |event: &Event<'_>| sees.lock().push(event.id())).unwrap();
    let ids: Vec<_> = (0..3_u32).map(|n| bus.event("a").stamped().emit(n).id().unwrap()).collect();
    assert!(ids.is_sorted() && *seen.lock() == ids);
    // Nobody there is no refusal; a refused event is none, and others make no id.
    assert!(bus.event("b").stamped().emit(1_u32).id().is_some_and(|id| id > ids[2]));
    assert_eq!(bus.event("a..b").stamped().emit(1_u32).id(), None);
    assert_eq!((bus.event("a").emit(1_u32).id(), bus.emit("a", 1_u32).id()), (None, None));
    let failing = bus.connect("a", |_: &u32| Err("no")).unwrap();
    let failed = bus.event("a").stamped().emit(1_u32);
    assert_eq!((failed.id(), failed.failed()), (seen.lock().last().copied(), 1));
    drop(failing);
}
