//! Layers that hold events let them go on at their time on the bus's clock, and lose none: at a flush, a swap, a shutdown.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use sigtree::middleware::{Alarm, Batch, Clock, Debounce, FlowStats, Held, Latest};
use sigtree::{Bus, Event, ManualClock, Middleware, Next, Stack};
use support::Recorder;

const SECOND: Duration = Duration::from_secs(1);

/// A bus on a clock of its own, with a list of what its handlers see, and the time in seconds.
fn bus() -> (Bus, ManualClock, Recorder) {
    let (clock, seen) = (ManualClock::new(), Recorder::new());
    let bus = Bus::builder().clock(clock.clone()).build();
    bus.connect("**", seen.events()).unwrap().detach();
    (bus, clock, seen)
}

/// Passed, dropped, held, early, forgotten.
fn all(stats: FlowStats) -> [u64; 5] {
    [stats.passed, stats.dropped, stats.held, stats.early, stats.forgotten]
}

#[test]
fn debounce_lets_the_last_of_a_burst_go_on_after_the_quiet() {
    let (bus, clock, seen) = bus();
    let debounce = Debounce::new(SECOND);
    bus.layer(debounce.clone());
    for n in 0..5_u32 {
        assert!(bus.emit("a", n).is_held());
        bus.emit("b", n + 10);
        clock.advance(SECOND / 2);
    }
    assert_eq!((seen.take(), all(debounce.stats())), (vec![], [0, 8, 2, 0, 0]));
    clock.advance(SECOND / 2 - Duration::from_nanos(1));
    assert_eq!(seen.take(), [""; 0]);
    clock.advance(Duration::from_nanos(1));
    assert_eq!((seen.take(), all(debounce.stats())), (vec!["a 4".into(), "b 14".into()], [2, 8, 0, 0, 0]));
    clock.advance(SECOND * 9);
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn a_burst_without_end_goes_on_at_latest() {
    let (bus, clock, seen) = bus();
    bus.layer(Debounce::new(SECOND).at_latest(SECOND * 3).per_bus());
    for n in 0..14_u32 {
        bus.emit(if n % 2 == 0 { "a" } else { "b" }, n);
        clock.advance(SECOND / 2);
    }
    assert_eq!(seen.take(), ["b 5", "b 11"]);
    clock.advance(SECOND);
    assert_eq!(seen.take(), ["b 13"]);
}

#[test]
fn latest_lets_the_first_pass_and_then_the_newest_of_each_interval() {
    let (bus, clock, seen) = bus();
    let latest = Latest::new(SECOND);
    bus.layer(latest.clone());
    for n in 0..12_u32 {
        let held = bus.emit("a", n).is_held();
        assert_eq!(held, n > 0);
        clock.advance(SECOND / 4);
    }
    assert_eq!(seen.take(), ["a 0", "a 3", "a 7", "a 11"]);
    assert_eq!(all(latest.stats()), [4, 8, 0, 0, 0]);
    // It went on at the end of an interval, so the next one runs.
    bus.emit("a", 12_u32);
    bus.emit("b", 13_u32);
    assert_eq!(seen.take(), ["b 13"]);
    clock.advance(SECOND);
    assert_eq!(seen.take(), ["a 12"]);
    clock.advance(SECOND);
    bus.emit("a", 14_u32);
    assert_eq!(seen.take(), ["a 14"]);
}

#[test]
fn batch_lets_n_events_go_on_together_or_what_there_is_in_time() {
    let (bus, clock, seen) = bus();
    let (begin, end) = (seen.clone(), seen.clone());
    let batch = Batch::new(3, SECOND)
        .before(move |events| begin.note(format_args!("begin {} {}", events[0].topic(), events.len())))
        .after(move |events| end.note(format_args!("end {:?}", events.iter().map(Held::payload::<u32>).max())));
    bus.layer(batch.clone());
    for n in 0..4_u32 {
        bus.emit("a", n);
        bus.emit("b", n + 10);
        clock.advance(SECOND / 10);
    }
    let batches = ["begin a 3", "a 0", "a 1", "a 2", "end Some(Some(2))"];
    assert_eq!(seen.take()[..5], batches);
    assert_eq!(all(batch.stats()), [6, 0, 2, 0, 0]);
    clock.advance(SECOND - SECOND / 10);
    assert_eq!(seen.take(), ["begin a 1", "a 3", "end Some(Some(3))", "begin b 1", "b 13", "end Some(Some(13))"]);
    clock.advance(SECOND);
    assert_eq!((seen.take(), all(batch.stats())), (vec![], [8, 0, 0, 0, 0]));
}

#[test]
fn streams_are_what_the_keys_say() {
    let emit = |layer: &dyn Fn() -> Stack| {
        let (bus, clock, seen) = bus();
        bus.set_stack(layer());
        for n in 0..4_u32 {
            bus.emit(if n < 2 { "a" } else { "b" }, n);
            bus.emit("text", "t");
        }
        clock.advance(SECOND);
        seen.take()
    };
    let debounce = || Debounce::new(SECOND);
    let latest = || Latest::new(SECOND);
    let odd = |n: &u32| n % 2;
    let one = |layer: Debounce| emit(&move || Stack::new().with(layer.clone()));
    assert_eq!(one(debounce()), ["a 1", "b 3", "text t"]);
    assert_eq!(one(debounce().per_bus()), ["text t"]);
    assert_eq!(one(debounce().by_payload(odd)), ["text t", "text t", "text t", "text t", "b 2", "b 3"]);
    assert_eq!(one(debounce().by_key(|event| event.topic().len())), ["b 3", "text t"]);
    let one = |layer: Latest| emit(&move || Stack::new().with(layer.clone()));
    assert_eq!(one(latest()), ["a 0", "text t", "b 2", "a 1", "text t", "b 3"]);
    assert_eq!(one(latest().per_bus()), ["a 0", "text t"]);
    let one = |layer: Batch| emit(&move || Stack::new().with(layer.clone()));
    assert_eq!(one(Batch::new(3, SECOND * 2).by_payload(odd)), ["text t"; 4]);
    assert_eq!(one(Batch::new(7, SECOND * 2).per_bus()).len(), 7);
}

/// Every way in which what is held may go on before its time; the layer's handle is kept all the while.
fn loses_nothing<M: Middleware + Clone>(layer: impl Fn() -> M) {
    // Latest lets the first pass.
    let after_the_first = |seen: &Recorder| seen.take().into_iter().filter(|line| line != "a 0").collect::<Vec<_>>();

    let (flushed, _, seen) = bus();
    let handle = layer();
    flushed.layer(handle.clone());
    (0..2_u32).for_each(|n| drop(flushed.emit("a", n)));
    flushed.flush();
    assert_eq!(after_the_first(&seen), ["a 1"], "flush");

    let (swapped, clock, seen) = bus();
    swapped.set_stack(Stack::new().with_named("it", handle.clone()).with(seen.layer("behind")));
    (0..2_u32).for_each(|n| drop(swapped.emit("a", n)));
    let edited = swapped.edit_stack(|stack| stack.with_after("it", "new", seen.layer("new"))).unwrap();
    assert!(!seen.take().contains(&"a 1".into()), "a layer that stays keeps what it holds");
    let old = swapped.edit_stack(|stack| stack.without("it")).unwrap();
    let went_on = after_the_first(&seen);
    assert!(went_on.ends_with(&["behind".into(), "a 1".into()]), "swap, past what stood behind it: {went_on:?}");
    clock.advance(SECOND * 9);
    drop((old, edited));
    assert_eq!(after_the_first(&seen), [""; 0]);

    let (dropped, _, seen) = bus();
    dropped.connect("drop", |_: &u32| {}).unwrap().detach();
    let gone = layer();
    let stack = Stack::new().with(gone);
    dropped.set_stack(stack.clone());
    (0..2_u32).for_each(|n| drop(dropped.emit("a", n)));
    dropped.set_stack(Stack::new());
    drop(stack);
    assert_eq!(after_the_first(&seen), ["a 1"], "drop");

    let (shut, clock, seen) = bus();
    shut.layer(layer());
    (0..2_u32).for_each(|n| drop(shut.emit("a", n)));
    let weak = shut.downgrade();
    drop(shut);
    clock.advance(SECOND * 9);
    assert_eq!((after_the_first(&seen), weak.upgrade().is_none()), (vec!["a 1".into()], true), "shutdown");

    let (around, clock, seen) = bus();
    let held = around.on("a").middleware(layer()).connect(seen.labelled("held")).unwrap();
    (0..2_u32).for_each(|n| drop(around.emit("a", n)));
    seen.take();
    clock.advance(SECOND * 9);
    assert!(seen.take().contains(&"held: a 1".into()), "connection");
    drop(held);
}

#[test]
fn nothing_held_is_lost() {
    loses_nothing(|| Debounce::new(SECOND));
    loses_nothing(|| Latest::new(SECOND));
    // The first of the two is the end of the batch before it.
    loses_nothing(|| Batch::new(10, SECOND).by_payload(|n: &u32| *n));
}

#[test]
fn what_is_held_after_its_layer_left_the_stack_is_not_lost_either() {
    let layers: [fn() -> Stack; 3] = [
        || Stack::new().with(Debounce::new(SECOND)),
        || Stack::new().with(Latest::new(SECOND)),
        || Stack::new().with(Batch::new(9, SECOND)),
    ];
    let expected: [&[&str]; 3] = [&["a 1"], &["a 1", "a 1"], &["a 1", "a 1"]];
    for (layer, expected) in layers.into_iter().zip(expected) {
        let (bus, _, seen) = bus();
        let weak = bus.downgrade();
        let swap_and_go_on_twice = move |event: &Event<'_>, next: Next<'_>| {
            weak.upgrade().unwrap().set_stack(Stack::new());
            next.clone().run(event);
            next.run(event);
        };
        bus.set_stack(Stack::new().with(swap_and_go_on_twice).and(&layer()));
        assert!(bus.emit("a", 1_u32).is_held());
        assert_eq!(seen.take(), expected);
    }
}

/// A clock whose alarms are late.
struct Late(ManualClock);

impl Clock for Late {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }

    fn wake(&self, at: Duration, alarm: Weak<dyn Alarm>) {
        self.0.wake(at + SECOND * 5, alarm);
    }
}

#[test]
fn a_late_alarm_delays_and_loses_nothing() {
    let (clock, seen) = (ManualClock::new(), Recorder::new());
    let bus = Bus::builder().clock(Late(clock.clone())).build();
    let _handler = bus.connect("a", seen.events());
    let latest = Latest::new(SECOND);
    bus.layer(latest.clone());
    bus.emit("a", 0_u32);
    for n in 1..4_u32 {
        bus.emit("a", n);
        clock.advance(SECOND);
    }
    assert_eq!((seen.take(), all(latest.stats())), (vec!["a 0".into()], [1, 2, 1, 0, 0]));
    clock.advance(SECOND * 5);
    assert_eq!((seen.take(), all(latest.stats())), (vec!["a 3".into()], [2, 2, 0, 0, 0]));
}

#[test]
fn events_go_on_as_the_events_they_were() {
    let layers: [fn() -> Stack; 3] = [
        || Stack::new().with(Debounce::new(SECOND)),
        || Stack::new().with(Latest::new(SECOND).per_bus()),
        || Stack::new().with(Batch::new(9, SECOND)),
    ];
    for layer in layers {
        let (bus, clock, seen) = bus();
        clock.advance(SECOND * 5);
        let ids = Arc::new(Mutex::new(Vec::new()));
        let list = ids.clone();
        let note = move |event: &Event<'_>, next: Next<'_>| {
            list.lock().push((event.id(), event.offset(), event.source().map(ToString::to_string)));
            next.run(event);
        };
        bus.set_stack(Stack::new().with(note.clone()).and(&layer()).with(note));
        bus.emit("first", 0_u32);
        bus.flush();
        bus.emit("again", 0_u32);
        seen.take();
        ids.lock().clear();
        bus.event("a").source("me").emit(1_u32);
        clock.advance(SECOND * 2);
        let ids = ids.lock();
        let mine: Vec<_> = ids.iter().filter(|(.., source)| source.as_deref() == Some("me")).collect();
        assert_eq!((mine.len(), mine[0], mine[0].1), (2, mine[1], SECOND * 5));
    }
}

/// Calls once, when a handler of `a` is called with this; then the handlers that follow are called.
fn once_on(bus: &Bus, n: u32, call: impl Fn() + Send + Sync + 'static) {
    let armed = AtomicBool::new(true);
    let slow = bus.on("a").priority(1).connect(move |seen: &u32| {
        if *seen == n && armed.swap(false, Ordering::Relaxed) {
            call();
        }
    });
    slow.unwrap().detach();
}

/// Lets `b 30` come while what was held before it is on its way: `b 20` behind `a 2`.
fn newest_after<M: Middleware>(layer: M, then: impl Fn(&Bus, &ManualClock) + Send + Sync + 'static) -> Vec<String> {
    let (bus, clock, seen) = bus();
    bus.layer(layer);
    let (inside, time) = (bus.clone(), clock.clone());
    once_on(&bus, 2, move || {
        let bus = inside.clone();
        thread::spawn(move || drop(bus.emit("b", 30_u32))).join().unwrap();
        then(&inside, &time);
    });
    for (topic, n) in [("a", 1), ("a", 2), ("b", 10), ("b", 20_u32)] {
        bus.emit(topic, n);
    }
    clock.advance(SECOND);
    clock.advance(SECOND * 9);
    seen.take().into_iter().filter(|line| line.starts_with('b')).collect()
}

#[test]
fn the_newest_event_is_the_last_whatever_is_on_its_way() {
    let latest = || Latest::new(SECOND);
    let debounce = || Debounce::new(SECOND);
    let nothing = |_: &Bus, _: &ManualClock| {};
    let time_passes = |_: &Bus, clock: &ManualClock| clock.advance(SECOND);
    let flush = |bus: &Bus, _: &ManualClock| bus.flush();
    assert_eq!(newest_after(latest(), nothing), ["b 10", "b 30"], "it takes the place of the older one");
    assert_eq!(newest_after(latest(), time_passes), ["b 10", "b 30"]);
    assert_eq!(newest_after(latest(), flush), ["b 10", "b 30"]);
    assert_eq!(newest_after(debounce(), nothing), ["b 30"]);
    assert_eq!(newest_after(debounce(), time_passes), ["b 30"]);
    assert_eq!(newest_after(debounce(), flush), ["b 30"]);
}

#[test]
fn an_event_does_not_overtake_another_of_its_stream() {
    let (bus, clock, seen) = bus();
    let latest = Latest::new(SECOND);
    bus.layer(latest.clone());
    let emits = |bus: &Bus, clock: &ManualClock, n| {
        let (bus, clock) = (bus.clone(), clock.clone());
        move || {
            let bus = bus.clone();
            thread::spawn(move || drop(bus.emit("a", n))).join().unwrap();
            clock.advance(SECOND);
            clock.advance(SECOND);
        }
    };
    // While the first one is on its way, a second comes and is due, and while that is, a third.
    once_on(&bus, 1, emits(&bus, &clock, 2_u32));
    once_on(&bus, 2, emits(&bus, &clock, 3_u32));
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["a 1", "a 2", "a 3"]);
    assert_eq!(all(latest.stats()), [3, 0, 0, 0, 0]);

    // When nothing is on its way, the next one passes at once.
    clock.advance(SECOND);
    assert!(!bus.emit("a", 4_u32).is_held());
}

#[test]
fn at_the_bound_what_waited_longest_goes_on_early() {
    let (bus, clock, seen) = bus();
    let debounce = Debounce::new(SECOND).room(2);
    bus.layer(debounce.clone());
    for (n, topic) in ["a", "b", "a", "c", "d"].into_iter().enumerate() {
        bus.emit(topic, u32::try_from(n).unwrap());
        clock.advance(SECOND / 10);
    }
    assert_eq!(seen.take(), ["b 1", "a 2"]);
    assert_eq!(all(debounce.stats()), [2, 1, 2, 2, 0]);

    let latest = Latest::new(SECOND).room(2);
    bus.set_stack(Stack::new().with(latest.clone()));
    assert_eq!(seen.take(), ["c 3", "d 4"]);
    for (n, topic) in ["a", "a", "b", "c", "d"].into_iter().enumerate() {
        bus.emit(topic, u32::try_from(n).unwrap());
        clock.advance(SECOND / 10);
    }
    // `a 1` was held when `c` came; `b` was not when `d` came.
    assert_eq!(seen.take(), ["a 0", "b 2", "a 1", "c 3", "d 4"]);
    assert_eq!(all(latest.stats()), [5, 0, 0, 1, 1]);

    let batch = Batch::new(9, SECOND).room(4);
    bus.set_stack(Stack::new().with(batch.clone()));
    for (n, topic) in ["a", "b", "a", "b", "b"].into_iter().enumerate() {
        bus.emit(topic, u32::try_from(n).unwrap());
    }
    assert_eq!((seen.take(), all(batch.stats())), (vec!["a 0".into(), "a 2".into()], [2, 0, 3, 2, 0]));
}

#[test]
fn a_batch_whose_handlers_are_too_slow_ends_new_events_and_says_so() {
    let (bus, _, seen) = bus();
    let batch = Batch::new(2, SECOND).room(4);
    bus.layer(batch.clone());
    let emitter = bus.clone();
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let list = reasons.clone();
    let once = AtomicBool::new(true);
    let _slow = bus.on("a").priority(1).connect(move |_: &u32| {
        if once.swap(false, Ordering::Relaxed) {
            for n in 10..14_u32 {
                list.lock().push(emitter.emit("a", n).filtered().map(String::from));
            }
        }
    });
    (0..2_u32).for_each(|n| drop(bus.emit("a", n)));
    // Two are on their way, two more are ready behind them, and there is no room for others.
    assert_eq!(*reasons.lock(), [None, None, Some("batch is full".into()), Some("batch is full".into())]);
    assert_eq!(seen.take(), ["a 0", "a 1", "a 10", "a 11"]);
    assert_eq!(all(batch.stats()), [4, 2, 0, 0, 0]);
}

#[test]
fn an_emitter_that_is_told_of_a_full_batch_emits_again_and_loses_nothing() {
    let (bus, _, seen) = bus();
    let batch = Batch::new(2, SECOND).room(4);
    bus.layer(batch.clone());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let channels = Mutex::new((begun, may_go_on));
    once_on(&bus, 0, move || {
        let (begun, may_go_on) = &*channels.lock();
        begun.send(()).unwrap();
        may_go_on.recv().unwrap();
    });
    bus.emit("a", 0_u32);
    thread::scope(|scope| {
        let slow = scope.spawn(|| bus.emit("a", 1_u32));
        has_begun.recv().unwrap();
        let held = ["b", "c"].map(|topic| bus.emit(topic, 2_u32).is_held());
        let refused = ["b", "c", "d"].map(|topic| bus.emit(topic, 3_u32).filtered() == Some("batch is full"));
        assert_eq!((held, refused, seen.take()), ([true; 2], [true; 3], vec![]));
        go_on.send(()).unwrap();
        assert!(slow.join().unwrap().is_held());
    });
    // That there was no room has not torn the other batches apart.
    assert_eq!((seen.take(), all(batch.stats())), (vec!["a 0".into(), "a 1".into()], [2, 3, 2, 0, 0]));
    for topic in ["b", "c", "d"] {
        assert!(bus.emit(topic, 3_u32).is_held());
    }
    bus.flush();
    assert_eq!(
        (seen.take(), all(batch.stats())),
        (["b 2", "b 3", "c 2", "c 3", "d 3"].map(String::from).to_vec(), [7, 3, 0, 0, 0])
    );
}

#[test]
fn batches_go_on_in_order_whatever_the_handlers_do() {
    let (bus, clock, seen) = bus();
    bus.layer(Batch::new(2, SECOND));
    let inside = bus.clone();
    let _emits = bus.on("a").priority(1).connect(move |n: &u32| {
        if *n < 6 {
            inside.emit("a", *n + 10);
            inside.flush();
        }
    });
    (0..4_u32).for_each(|n| drop(bus.emit("a", n)));
    clock.advance(SECOND);
    assert_eq!(seen.take(), ["a 0", "a 1", "a 10", "a 11", "a 2", "a 3", "a 12", "a 13"]);
}

#[test]
fn one_may_hold_what_another_let_go() {
    let (bus, clock, seen) = bus();
    bus.set_stack(Stack::new().with(Debounce::new(SECOND)).with(Batch::new(2, SECOND * 10).per_bus()));
    for topic in ["a", "a", "b"] {
        bus.emit(topic, 1_u32);
    }
    clock.advance(SECOND / 2);
    assert_eq!(seen.take(), [""; 0]);
    clock.advance(SECOND / 2);
    assert_eq!(seen.take(), ["a 1", "b 1"]);

    bus.set_stack(Stack::new().with(Batch::new(3, SECOND)).with(Latest::new(SECOND)));
    (0..3_u32).for_each(|n| drop(bus.emit("a", n)));
    clock.advance(SECOND);
    assert_eq!(seen.take(), ["a 0", "a 2"]);

    // One flush reaches the inner one after the outer one.
    bus.set_stack(Stack::new().with(Debounce::new(SECOND)).with(Debounce::new(SECOND)).with(Batch::new(9, SECOND)));
    bus.emit("a", 7_u32);
    bus.flush();
    assert_eq!(seen.take(), ["a 7"]);
}

#[test]
fn one_flush_reaches_what_is_held_again_above_and_below() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let (child, below) = (parent.child("c").unwrap(), parent.child_builder("s").sink().build().unwrap());
    let _above = parent.connect("**", seen.labelled("above")).unwrap();
    let _below = below.connect("**", seen.labelled("below")).unwrap();
    for bus in [&child, &parent, &below] {
        bus.layer(Debounce::new(SECOND));
    }
    child.emit("a", 1_u32);
    parent.emit("s.b", 2_u32);
    parent.flush();
    let mut lines = seen.take();
    lines.sort();
    assert_eq!(lines, ["above: c.a 1", "above: s.b 2", "below: b 2"]);
}

#[test]
fn the_books_balance_between_threads() {
    const EACH: u32 = 500;
    type Stats = Box<dyn Fn() -> FlowStats>;
    let layers: [fn() -> (Stack, Stats); 3] = [
        || {
            let debounce = Debounce::new(SECOND).at_latest(SECOND * 2).by_payload(|n: &u32| n % 7).room(5);
            (Stack::new().with(debounce.clone()), Box::new(move || debounce.stats()))
        },
        || {
            let latest = Latest::new(SECOND).by_payload(|n: &u32| n % 7).room(5);
            (Stack::new().with(latest.clone()), Box::new(move || latest.stats()))
        },
        || {
            let batch = Batch::new(5, SECOND).per_bus();
            (Stack::new().with(batch.clone()), Box::new(move || batch.stats()))
        },
    ];
    for (what, layer) in layers.into_iter().enumerate() {
        let clock = ManualClock::new();
        let bus = Bus::builder().clock(clock.clone()).build();
        let (calls, last) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new([0; 4])));
        let (count, order) = (calls.clone(), last.clone());
        let _handler = bus.connect("*", move |n: &u32, event: &Event<'_>| {
            count.fetch_add(1, Ordering::Relaxed);
            let emitter: usize = event.topic().as_str()[1..].parse().unwrap();
            let before = std::mem::replace(&mut order.lock()[emitter], *n);
            // Only batches promise it.
            assert!(what < 2 || before < *n, "{before} before {n}");
        });
        let (stack, stats) = layer();
        bus.set_stack(stack);
        thread::scope(|scope| {
            for emitter in 0..4 {
                let (bus, clock) = (&bus, &clock);
                scope.spawn(move || {
                    for n in 1..=EACH {
                        bus.emit(format!("t{emitter}"), n);
                        if n % 5 == emitter {
                            clock.advance(SECOND / 4);
                        }
                        if n % 50 == 0 {
                            bus.flush();
                        }
                    }
                });
            }
        });
        bus.flush();
        let stats = stats();
        assert_eq!((stats.held, stats.passed + stats.dropped), (0, u64::from(EACH) * 4), "{what}: {stats:?}");
        assert_eq!((u64::from(calls.load(Ordering::Relaxed)), bus.failures()), (stats.passed, 0), "{what}");
        assert!(what < 2 || stats.dropped == 0);
    }
}

#[test]
fn on_the_clock_of_the_machine_it_goes_on_by_itself() {
    let bus = Bus::new();
    let (send, receive) = std::sync::mpsc::channel();
    let send = Mutex::new(send);
    let _handler = bus.connect("a", move |n: &u32| send.lock().send(*n).unwrap());
    let wait = || receive.recv_timeout(SECOND * 60).unwrap();
    let short = Duration::from_millis(5);
    bus.set_stack(Stack::new().with(Debounce::new(short)));
    bus.emit("a", 1_u32);
    assert_eq!(wait(), 1);
    bus.set_stack(Stack::new().with(Latest::new(short)));
    bus.emit("a", 2_u32);
    bus.emit("a", 3_u32);
    assert_eq!((wait(), wait()), (2, 3));
    bus.set_stack(Stack::new().with(Batch::new(9, short)));
    bus.emit("a", 4_u32);
    assert_eq!(wait(), 4);
}
