//! Faults go wrong where the seed says, for each handler by itself, and the other pieces take them for real.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sigtree::middleware::{CircuitBreaker, DeadLetter, Fault, Retry, Timeout};
use sigtree::{Bus, Clock, Event, ManualClock, Scoped, Stack};
use support::Recorder;

const SECOND: Duration = Duration::from_secs(1);

fn timed(stack: Stack) -> Bus {
    let bus = Bus::builder().clock(ManualClock::new()).build();
    bus.set_stack(stack);
    bus
}

#[test]
fn failures_and_panics_happen_to_each_handler_after_it_was_called() {
    let seen = Recorder::new();
    let (fails, panics) = (Fault::seeded(1).fail(1.0), Fault::seeded(1).panic(1.0));
    for (fault, cause) in [(fails, "a fault"), (panics, "panicked: a fault")] {
        let bus = timed(Stack::new().with(fault.clone()));
        let _handlers = [bus.connect("a", seen.label("one")), bus.connect("a", seen.label("two"))];
        let muted = bus.connect("a", seen.label("muted")).unwrap();
        let _silence = muted.mute();
        let _texts = bus.connect("**", |_: &String| {}).unwrap();
        let delivery = bus.emit("a", 1_u32);
        assert_eq!((delivery.called(), delivery.muted(), delivery.failed()), (2, 1, 2));
        assert_eq!(delivery.failures()[1].cause.to_string(), cause);
        assert_eq!(seen.take(), ["one", "two"]);
        assert_eq!(fault.stats().failed + fault.stats().panicked, 2);
    }
}

#[test]
fn the_same_seed_goes_wrong_in_the_same_places() {
    let run = |seed| {
        let seen = Recorder::new();
        let fault = Fault::seeded(seed).fail(0.2).panic(0.1).delay(0.3, SECOND).duplicate(0.2).discard(0.1);
        let bus = timed(Stack::new().with(fault));
        let list = seen.clone();
        let _handlers = [seen.labelled("one"), seen.labelled("two")].map(|handler| bus.connect("n", handler).unwrap());
        for n in 0..50_u32 {
            list.note(bus.emit("n", n));
        }
        list.note(format_args!("{:?}", bus.clock().elapsed()));
        seen.take()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn handlers_that_fail_are_the_same_whether_others_panic_or_not() {
    let causes = |fault: Fault| {
        let bus = timed(Stack::new().with(fault));
        let _handler = bus.connect("n", |_: &u32| {}).unwrap();
        let cause = |n| bus.emit("n", n).failures().first().map(|failure| failure.cause.to_string());
        (0..100_u32).map(cause).collect::<Vec<_>>()
    };
    let fails = causes(Fault::seeded(1).fail(0.3));
    let both = causes(Fault::seeded(1).fail(0.3).panic(0.3));
    let panics = Some("panicked: a fault");
    assert!(both.iter().zip(&fails).all(|(both, fails)| both.as_deref() == panics || both == fails));
    assert!(both.iter().any(|cause| cause.as_deref() == panics));
}

#[test]
fn it_works_on_some_topics_and_on_one_connection() {
    let seen = Recorder::new();
    let bus = timed(Stack::new().with(Scoped::new("a", Fault::seeded(1).fail(1.0)).unwrap()));
    let _own = bus.on("b").middleware(Fault::seeded(1).duplicate(1.0)).connect(seen.label("twice")).unwrap();
    let _other = bus.connect("*", seen.label("other")).unwrap();
    assert_eq!((bus.emit("a", 1_u32).failed(), bus.emit("b", 1_u32).failed()), (1, 0));
    assert_eq!(seen.take(), ["other", "twice", "twice", "other"]);
}

#[test]
fn a_retry_before_it_gets_over_the_faults_and_one_behind_it_does_not() {
    let calls = Arc::new(AtomicU32::new(0));
    let mut failed = Vec::new();
    let (fault, retry) = (Fault::seeded(5).fail(0.5), Retry::times(30));
    for stack in [Stack::new().with(retry.clone()).with(fault.clone()), Stack::new().with(fault.clone()).with(retry)] {
        let bus = timed(stack);
        let count = calls.clone();
        let handler = move |_: &u32| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let _handler = bus.connect("n", handler).unwrap();
        failed.push((0..100_u32).map(|n| bus.emit("n", n).failed()).sum::<usize>());
    }
    assert_eq!(failed[0], 0);
    assert!((30..70).contains(&failed[1]), "{failed:?}");
    // Each fault of the first run was made up for by one call more.
    let first_faults = fault.stats().failed - failed[1] as u64;
    assert_eq!(u64::from(calls.load(Ordering::Relaxed)), 200 + first_faults);
}

#[test]
fn dead_letters_breakers_and_deadlines_take_faults_for_real() {
    let dead = DeadLetter::new().refused();
    let stack = Stack::new().with(dead.clone()).with(CircuitBreaker::consecutive(2)).with(Fault::seeded(1).fail(1.0));
    let bus = timed(stack);
    let _handler = bus.connect("a", |_: &Event<'_>| {}).unwrap();
    (0..3_u32).for_each(|n| drop(bus.emit("a", n)));
    let reasons: Vec<_> = dead.letters().iter().map(|letter| letter.reason().to_string()).collect();
    assert_eq!(reasons, ["failed: a fault", "failed: a fault", "left out: the circuit is open"]);

    let timeout = Timeout::new(SECOND);
    let bus = timed(Stack::new().with(timeout.clone()).with(Fault::seeded(1).delay(1.0, 2 * SECOND)));
    let _handler = bus.connect("a", |_: &u32| {}).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(timeout.stats().late, 1);
}

#[test]
fn its_delays_are_those_of_its_own_bus() {
    let [here_clock, there_clock] = [(); 2].map(|()| ManualClock::new());
    let [here, there] = [&here_clock, &there_clock].map(|clock| Bus::builder().clock(clock.clone()).build());
    there.layer(Fault::seeded(1).delay(1.0, SECOND));
    let _bridge = here.bridge("**", &there).unwrap();
    here.emit("a", 1_u32);
    assert_eq!((here_clock.elapsed(), there_clock.elapsed()), (Duration::ZERO, SECOND));
}
