//! `Counters` and `Latency` count and measure by pattern, whatever happens to an event on its way.

mod support;

use sigtree::middleware::{Counters, Counts};
use sigtree::{Bus, Event, Next, Stack, Topic};
use support::hold::Hold;
use support::{boom, quietly};

/// What a bus's counters say of its handlers, by pattern: called, failed, skipped.
fn handlers(counters: &Counters) -> Vec<(String, [u64; 3])> {
    let rows = counters.snapshot().handlers.into_iter();
    rows.map(|(pattern, counts)| (pattern.to_string(), [counts.called, counts.failed, counts.skipped])).collect()
}

#[test]
fn calls_are_counted_by_the_pattern_of_the_handler_never_by_topic() {
    let bus = Bus::new();
    let counters = Counters::new().topics("a.*").unwrap();
    bus.layer(counters.clone());
    let _handlers = [
        bus.connect("a.*", |_: &u32| {}).unwrap(),
        bus.connect("a.*", |n: &u32| if n.is_multiple_of(2) { Err("even") } else { Ok(()) }).unwrap(),
        bus.connect("**", |n: &u32| {
            if *n == 3 {
                boom("expected");
            }
        })
        .unwrap(),
        // Of another type: it has nothing to do with these events.
        bus.connect("**", |_: &String| {}).unwrap(),
        bus.on("b.**").filter(|_| false).connect(|_: &u32| {}).unwrap(),
    ];
    quietly(|| {
        for n in 0..10_u32 {
            bus.emit(format!("a.t{n}"), n);
            bus.emit(format!("b.t{n}"), n);
        }
    });
    assert_eq!(
        handlers(&counters),
        [("**".into(), [20, 2, 0]), ("a.*".into(), [20, 5, 0]), ("b.**".into(), [0, 0, 10])]
    );
    let snapshot = counters.snapshot();
    assert_eq!(snapshot.all, Counts { emitted: 20, called: 40, failed: 7, skipped: 10, filtered: 0 });
    assert_eq!(snapshot.topics[0].1, Counts { emitted: 10, called: 30, failed: 6, skipped: 0, filtered: 0 });
}

#[test]
fn each_bus_of_a_tree_counts_its_own_handlers_and_what_its_own_layers_end() {
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let (above, below) = (Counters::new(), Counters::new());
    parent.set_stack(Stack::new().with(above.clone()).with(|_: &Event<'_>, _: Next<'_>| {}));
    child.layer(below.clone());
    let _above = parent.connect("**", |_: &u32| {}).unwrap();
    let _below = child.connect("**", |_: &u32| {}).unwrap();
    child.emit("a", 1_u32);
    assert_eq!(above.snapshot().all, Counts { emitted: 1, filtered: 1, ..Counts::default() });
    assert_eq!(below.snapshot().all, Counts { emitted: 1, called: 1, ..Counts::default() });
}

#[test]
fn an_event_that_meets_nobody_or_is_redirected_was_not_filtered() {
    let bus = Bus::new();
    let counters = Counters::new();
    let to = Topic::new("b").unwrap();
    let redirect = move |event: &Event<'_>, next: Next<'_>| match event.payload() {
        Some(1_u32) => next.redirect(event, &to),
        _ => next.run(event),
    };
    bus.set_stack(Stack::new().with(counters.clone()).with(redirect));
    let _b = bus.connect("b", |_: &u32| {}).unwrap();
    bus.emit("a", 0_u32);
    bus.emit("a", 1_u32);
    assert_eq!(counters.snapshot().all, Counts { emitted: 2, called: 1, ..Counts::default() });
    assert_eq!(handlers(&counters), [("b".into(), [1, 0, 0])]);
}

#[test]
fn an_event_that_was_held_is_counted_once_and_its_calls_when_they_come() {
    let bus = Bus::new();
    let counters = Counters::new();
    bus.set_stack(Stack::new().with(counters.clone()).with(Hold::new()));
    let _a = bus.connect("a", |_: &u32| {}).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(counters.snapshot().all, Counts { emitted: 1, ..Counts::default() });
    bus.flush();
    assert_eq!(counters.snapshot().all, Counts { emitted: 1, called: 1, ..Counts::default() });
}

#[test]
fn around_a_connection_it_counts_that_handler() {
    let bus = Bus::new();
    let counters = Counters::new();
    let odd = |event: &Event<'_>, next: Next<'_>| match event.payload::<u32>() {
        Some(n) if !n.is_multiple_of(2) => next.run(event),
        _ => {}
    };
    let _a = bus.on("a").middleware(counters.clone()).middleware(odd).connect(|_: &u32| {}).unwrap();
    let _other = bus.connect("a", |_: &u32| {}).unwrap();
    (0..5_u32).for_each(|n| drop(bus.emit("a", n)));
    assert_eq!(counters.snapshot().all, Counts { emitted: 5, called: 2, filtered: 3, ..Counts::default() });
    assert_eq!(handlers(&counters), [("a".into(), [2, 0, 0])]);
}

#[test]
fn a_handler_that_only_answers_questions_is_not_passed_over_by_an_emit() {
    let bus = Bus::new();
    let counters = Counters::new();
    bus.layer(counters.clone());
    let _answer = bus.on("a").answer(|_: &u32| "answer").unwrap();
    bus.emit("a", 1_u32);
    assert_eq!((counters.snapshot().all.skipped, handlers(&counters).len()), (0, 0));
}

#[test]
fn patterns_beyond_the_limit_share_a_row() {
    let bus = Bus::new();
    let counters = Counters::new().room(2);
    bus.layer(counters.clone());
    for n in 0..10 {
        bus.connect(format!("t{n}"), |_: &u32| {}).unwrap().detach();
        bus.emit(format!("t{n}"), 1_u32);
    }
    let rows = handlers(&counters);
    assert_eq!(rows, [("t0".into(), [1, 0, 0]), ("t1".into(), [1, 0, 0]), ("(others)".into(), [8, 0, 0])]);
}

#[test]
fn nothing_is_lost_when_many_threads_count() {
    let bus = Bus::new();
    let counters = Counters::new();
    bus.layer(counters.clone());
    let _a = bus.connect("a.*", |_: &u32| {}).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let bus = &bus;
            scope.spawn(move || (0..500_u32).for_each(|n| drop(bus.emit(format!("a.t{thread}"), n))));
        }
    });
    assert_eq!(counters.snapshot().all, Counts { emitted: 2_000, called: 2_000, ..Counts::default() });
}

#[cfg(feature = "hdrhistogram")]
#[test]
fn latency_is_kept_by_the_pattern_of_the_handler_on_the_bus_s_clock() {
    use std::time::Duration;

    use sigtree::middleware::Latency;
    use sigtree::{Clock, ManualClock};

    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let latency = Latency::new();
    bus.layer(latency.clone());
    let takes = |ms: u64| {
        let clock = clock.clone();
        move |_: &u32| -> Result<(), &str> {
            clock.sleep(Duration::from_millis(ms));
            if ms == 7 { Err("failed") } else { Ok(()) }
        }
    };
    let _handlers = [
        bus.connect("a.*", takes(3)).unwrap(),
        bus.connect("**", takes(7)).unwrap(),
        bus.on("**").filter(|_| false).connect(takes(1_000)).unwrap(),
    ];
    (0..100_u32).for_each(|n| drop(bus.emit(format!("a.t{n}"), n)));
    let snapshot = latency.snapshot();
    let is = |time: Duration, ms| time.as_millis() == ms;
    assert!(is(snapshot.chain.p50, 10), "{snapshot}");
    let rows: Vec<_> = snapshot.handlers.iter().map(|(pattern, times)| (&**pattern, times.count)).collect();
    assert_eq!(rows, [("**", 100), ("a.*", 100)]);
    assert!(is(snapshot.handlers[0].1.p99, 7) && is(snapshot.handlers[1].1.p99, 3), "{snapshot}");
}

#[cfg(feature = "hdrhistogram")]
#[test]
fn latency_is_that_on_the_clock_of_the_bus_it_stands_on() {
    use std::time::Duration;

    use sigtree::ManualClock;
    use sigtree::middleware::Latency;

    let (latency, clock) = (Latency::new(), ManualClock::new());
    let (here, there) = (Bus::new(), Bus::builder().clock(clock.clone()).build());
    there.layer(latency.clone());
    let _bridge = here.bridge("**", &there).unwrap();
    let _slow = there.connect("a", move |_: &u32| clock.advance(Duration::from_millis(3))).unwrap();
    here.emit("a", 1_u32);
    let snapshot = latency.snapshot();
    let times = [snapshot.chain, snapshot.handlers[0].1].map(|times| times.p50.as_millis());
    assert_eq!(times, [3, 3], "{snapshot}");
}
