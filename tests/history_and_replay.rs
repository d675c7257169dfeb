//! A history on a bus is bounded and counts what it forgets; replayed events are the events they were, and marked.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sigtree::middleware::Entry;
use sigtree::{Bus, Event, Filter, History, ManualClock, Policy, Priority, SequentialIds, Speed, Stack, Transform};
use support::{Recorder, boom, quietly};

const SECOND: Duration = Duration::from_secs(1);

/// A bus on which the time stands still, with a history.
fn recorded(history: &History) -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).ids(SequentialIds::default()).build();
    bus.layer(history.clone());
    (bus, clock)
}

fn numbers(history: &History) -> Vec<u32> {
    history.entries().iter().filter_map(|entry| entry.payload().copied()).collect()
}

/// Everything that an entry is, on one line.
fn line(entry: &Entry) -> String {
    format!(
        "{} {} {:?} {} {:?} {:?} {:?}",
        entry.sequence(),
        entry.topic(),
        entry.payload::<u32>(),
        entry.id(),
        entry.offset(),
        entry.time(),
        entry.envelope()
    )
}

#[test]
fn it_is_bounded_by_count_age_and_bytes() {
    let by_count = History::builder().count(3).build();
    let (bus, _) = recorded(&by_count);
    (0..10_u32).for_each(|n| drop(bus.emit("n", n)));
    assert_eq!((numbers(&by_count), by_count.stats().evicted_by_count), (vec![7, 8, 9], 7));

    let by_age = History::builder().age(3 * SECOND).build();
    let (bus, clock) = recorded(&by_age);
    for n in 0..10_u32 {
        bus.emit("n", n);
        clock.advance(SECOND);
    }
    assert_eq!(numbers(&by_age), [6, 7, 8, 9]);

    let by_bytes = History::builder().bytes(4 * (Entry::OVERHEAD + 4)).build();
    let (bus, _) = recorded(&by_bytes);
    (0..10_u32).for_each(|n| drop(bus.emit("n", n)));
    bus.emit("large", [0_u64; 1_000]);
    assert_eq!((numbers(&by_bytes), by_bytes.stats().refused), (vec![6, 7, 8, 9], 1));
}

#[test]
fn it_records_what_passes_its_place_by_every_way_to_emit() {
    let (before, after) = (History::new(), History::new());
    let bus = Bus::new();
    bus.set_stack(
        Stack::new()
            .with(before.clone())
            .with(Filter::payload(|n: &u32| *n != 3))
            .with(Transform::new(|n: &u32| n * 10))
            .with(after.clone()),
    );
    let signal = bus.signal::<u32>("n").unwrap();
    bus.emit("n", 1_u32);
    bus.emit_ref("n", &2_u32);
    bus.emit_shared("n", Arc::new(3_u32));
    signal.emit(4);
    signal.pin().emit(Arc::new(5));
    bus.emit_with("n", || 6_u32);
    bus.event("n").source("me").emit(7_u32);
    assert_eq!(numbers(&before), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(numbers(&after), [10, 20, 40, 50, 60, 70]);
    assert_eq!(before.last(1)[0].source().unwrap().as_str(), "me");
}

#[test]
fn a_history_of_the_parent_has_the_events_of_its_children() {
    struct NotClone(u32);
    let history = History::new();
    let root = Bus::new();
    root.layer(history.clone());
    let leaf = root.child("m").unwrap().child("l").unwrap();
    let signal = leaf.signal::<NotClone>("a").unwrap();
    leaf.emit("a", NotClone(1));
    signal.emit(NotClone(2));
    signal.emit(NotClone(3));
    root.emit("b", 4_u32);
    let topics: Vec<_> = history.entries().iter().map(|entry| entry.topic().to_string()).collect();
    assert_eq!(topics, ["m.l.a", "m.l.a", "m.l.a", "b"]);
    assert_eq!((history.entries()[1].payload::<NotClone>().unwrap().0, history.stats().unkept), (2, 0));
}

#[test]
fn reports_are_not_recorded_and_nested_emits_stand_in_the_order_they_began() {
    let history = History::new();
    let (bus, _) = recorded(&history);
    let _reports = bus.connect("$sys.**", |_: &Event<'_>| {}).unwrap();
    let weak = bus.downgrade();
    let _outer = bus.connect("outer", move |n: &u32| drop(weak.upgrade().unwrap().emit("inner", n + 1))).unwrap();
    bus.emit("..", 1_u32);
    bus.emit("outer", 1_u32);
    let topics: Vec<_> = history.entries().iter().map(|entry| entry.topic().to_string()).collect();
    assert_eq!(topics, ["outer", "inner"]);
}

/// Emits a little of everything.
fn play(bus: &Bus, clock: &ManualClock) {
    for n in 0..5_u32 {
        bus.emit("radar.track", n);
        clock.advance(SECOND);
        bus.event("radar.alarm").source("tower").priority(Priority::High).meta("unit", "kg").emit(n * 100);
    }
}

#[test]
fn a_replay_into_a_fresh_bus_is_the_same_and_marked() {
    let (first, second) = (History::new(), History::builder().replays(true).build());
    let (bus, clock) = recorded(&first);
    play(&bus, &clock);
    let (fresh, _) = recorded(&second);
    let (seen, marks) = (Recorder::new(), Recorder::new());
    let list = marks.clone();
    let _handlers = [
        fresh.connect("**", seen.events()).unwrap(),
        fresh.connect("**", move |event: &Event<'_>| list.note(event.is_replayed())).unwrap(),
    ];
    let report = first.replay().run(&fresh);
    assert_eq!((report.replayed, report.refused, report.waited), (10, 0, Duration::ZERO));
    // The envelope is looked at below: a replay's has the mark, and every event gets one for it.
    let but_envelope = |history: &History| -> Vec<String> {
        history.entries().iter().map(|entry| line(entry).split(" Some(Envelope").next().unwrap().into()).collect()
    };
    let original: Vec<_> = but_envelope(&first).iter().map(|line| line.trim_end_matches(" None").to_owned()).collect();
    assert_eq!(but_envelope(&second), original);
    assert_eq!(marks.take(), ["true"; 10]);
    assert_eq!(seen.take()[..3], ["radar.track 0*", "radar.alarm 0*", "radar.track 1*"]);
    let alarm = &second.entries()[1];
    assert_eq!(alarm.source().unwrap().as_str(), "tower");
    let envelope = alarm.envelope().unwrap();
    assert_eq!((envelope.priority, envelope.meta("unit"), envelope.replayed), (Priority::High, Some("kg"), true));
}

#[test]
fn a_replay_is_not_recorded_a_second_time() {
    let history = History::new();
    let (bus, clock) = recorded(&history);
    play(&bus, &clock);
    let before: Vec<_> = history.entries().iter().map(line).collect();
    for _ in 0..3 {
        assert_eq!(history.replay().run(&bus).replayed, 10);
    }
    assert_eq!(history.entries().iter().map(line).collect::<Vec<_>>(), before);
    assert_eq!(history.stats().recorded, 10);
}

#[test]
fn a_replay_goes_through_the_stack_and_up_the_tree() {
    let history = History::new();
    let (bus, clock) = recorded(&history);
    play(&bus, &clock);
    let seen = Recorder::new();
    let root = Bus::new();
    let child = root.child("c").unwrap();
    child.layer(Filter::payload(|n: &u32| *n >= 3));
    let _handlers = [child.connect("**", seen.events()).unwrap(), root.connect("**", seen.events()).unwrap()];
    history.replay().matching("radar.track").unwrap().run(&child);
    assert_eq!(seen.take(), ["radar.track 3*", "c.radar.track 3*", "radar.track 4*", "c.radar.track 4*"]);
}

#[test]
fn what_a_handler_emits_during_a_replay_is_new() {
    let history = History::new();
    let (bus, _) = recorded(&history);
    bus.emit("ask", 1_u32);
    let weak = bus.downgrade();
    let _answer = bus.connect("ask", move |n: &u32| drop(weak.upgrade().unwrap().emit("answer", n + 1))).unwrap();
    let seen = Recorder::new();
    let _all = bus.connect("**", seen.events()).unwrap();
    history.replay().run(&bus);
    assert_eq!(seen.take(), ["answer 2", "ask 1*"]);
    assert_eq!(numbers(&history), [1, 2]);
}

#[test]
fn a_replayed_event_that_the_bus_refuses_is_counted_and_told() {
    let history = History::new();
    let (bus, clock) = recorded(&history);
    play(&bus, &clock);
    let other = Bus::new();
    let _typed = other.connect("radar.track", |_: &String| {}).unwrap();
    let report = history.replay().run(&other);
    assert_eq!((report.replayed, report.refused, other.refusals()), (5, 5, 5));
    let first = &report.reasons[0];
    assert!(first.starts_with("event ") && first.contains(" on `radar.track`: topic `radar.track` carries"), "{first}");
}

#[test]
fn with_an_injected_clock_and_ids_two_runs_are_one() {
    let run = || {
        let history = History::new();
        let (bus, clock) = recorded(&history);
        play(&bus, &clock);
        let report = history.replay().speed(Speed::Times(2.0)).unwrap().clock(clock.clone()).run(&bus);
        assert_eq!(report.waited, 5 * SECOND / 2);
        history.entries().iter().map(line).collect::<Vec<_>>()
    };
    let first = run();
    assert_eq!(first, run());
    assert_eq!(
        first[2],
        "3 radar.track Some(1) 00000000000000000000000003 1s SystemTime { tv_sec: 1, tv_nsec: 0 } None"
    );
}

/// A bus with a history that has seen one `count`.
fn with_past() -> (Bus, History) {
    let (bus, history) = (Bus::new(), History::new());
    bus.layer(history.clone());
    bus.emit("count", 1_u32);
    (bus, history)
}

#[test]
fn catching_up_is_as_deep_as_an_emit() {
    let (bus, history) = with_past();
    let (weak, calls) = (bus.downgrade(), Arc::new(AtomicU32::new(0)));
    let count = calls.clone();
    let answer = move |n: &u32| {
        count.fetch_add(1, Ordering::Relaxed);
        weak.upgrade().unwrap().emit("count", n + 1);
    };
    let _late = bus.on("count").replay_last(&history, 1).connect(answer).unwrap();
    assert!(calls.load(Ordering::Relaxed) <= 65 && bus.refusals() > 0, "{calls:?} calls");
}

#[test]
fn catching_up_lets_a_panic_go_on_that_is_to_propagate() {
    let (bus, history) = with_past();
    let on = bus.on("count").policy(Policy::Propagate).replay_last(&history, 1);
    let panic = quietly(|| catch_unwind(AssertUnwindSafe(|| on.connect(|n: &u32| boom(*n))))).unwrap_err();
    assert_eq!((panic.downcast_ref(), bus.failures()), (Some(&1_u32), 1));
}

#[test]
fn a_payload_is_cloned_and_asked_about_with_no_lock_held() {
    struct Evil(sigtree::WeakBus);
    impl Clone for Evil {
        fn clone(&self) -> Self {
            let bus = self.0.upgrade().unwrap();
            bus.emit("other", 1_u32);
            bus.emit_ref("evil", &Self(self.0.clone()));
            Self(self.0.clone())
        }
    }
    let (bus, history) = with_past();
    let weak = bus.downgrade();
    let (done, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let answer = move |event: &Event<'_>| {
            if event.topic() == "count" {
                bus_of(&weak).emit_ref("evil", &Evil(weak.clone()));
            }
        };
        drop(bus.on("**").replay_last(&history, 1).connect(answer));
        done.send(()).unwrap();
    });
    seen.recv_timeout(std::time::Duration::from_secs(30)).expect("no deadlock");
}

fn bus_of(weak: &sigtree::WeakBus) -> Bus {
    weak.upgrade().unwrap()
}

#[test]
fn a_history_of_two_buses_gives_each_its_own() {
    let history = History::new();
    let (here, there) = (Bus::new(), Bus::new());
    here.layer(history.clone());
    there.layer(history.clone());
    for n in 0..3_u32 {
        here.emit("count", n);
        there.emit("count", 10 + n);
    }
    let seen = Recorder::new();
    let _busy: Vec<_> = (0..50).map(|_| here.connect("x", |_: &u32| {}).unwrap()).collect();
    let _late = here.on("count").replay_last(&history, 9).connect(seen.numbers()).unwrap();
    there.emit("count", 77_u32);
    here.emit("count", 3_u32);
    assert_eq!(seen.take(), ["count 0*", "count 1*", "count 2*", "count 3"]);
}

#[test]
fn what_a_handler_that_catches_up_leaves_for_later_is_emitted() {
    let (bus, history) = with_past();
    let seen = Recorder::new();
    let _after = bus.connect("after", seen.numbers()).unwrap();
    let weak = bus.downgrade();
    let answer = move |n: &u32| {
        let bus = weak.upgrade().unwrap();
        if *n == 1 {
            bus.emit("count", 2_u32);
        }
        bus.emit_later("after", *n);
    };
    let _late = bus.on("count").replay_last(&history, 1).connect(answer).unwrap();
    assert_eq!(seen.take(), ["after 1", "after 2"]);
}
