//! A handler that failed is called again, by itself, after pauses that the bus's clock keeps.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{Problem, Retry, RetryStats, Timeout};
use sigtree::{Bus, Clock, Connection, Event, ManualClock, Policy, Scoped, Stack, WeakBus};
use support::{Recorder, boom, quietly};

const SECOND: Duration = Duration::from_secs(1);

fn timed() -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    (Bus::builder().clock(clock.clone()).build(), clock)
}

/// Writes down when it is called, and fails so many times.
fn failing(times: u32, name: &'static str, seen: &Recorder) -> impl Fn(&Event<'_>) -> Result<(), String> + use<> {
    let (seen, calls) = (seen.clone(), AtomicU32::new(0));
    move |event: &Event<'_>| {
        let now = event.emission().host().clock().elapsed();
        seen.note(format_args!("{name} at {now:?}"));
        let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call <= times { Err(format!("failure {call}")) } else { Ok(()) }
    }
}

/// The counts of a retry: calls, recovered, given up.
fn stats(retry: &Retry) -> (u64, u64, u64) {
    let RetryStats { calls, recovered, given_up, .. } = retry.stats();
    (calls, recovered, given_up)
}

#[test]
fn only_the_handler_that_failed_is_called_again() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    let retry = Retry::times(3).backoff(SECOND, 3 * SECOND);
    bus.layer(retry.clone());
    let _handlers: Vec<Connection> = [("good", 0), ("moody", 2), ("broken", 9), ("last", 0)]
        .map(|(name, times)| bus.connect("job", failing(times, name, &seen)).unwrap())
        .into();
    let delivery = bus.emit("job", 1_u32);
    assert_eq!(
        seen.take(),
        [
            "good at 0ns",
            "moody at 0ns",
            "moody at 1s",
            "moody at 3s",
            "broken at 3s",
            "broken at 4s",
            "broken at 6s",
            "broken at 9s",
            "last at 9s"
        ]
    );
    assert_eq!((delivery.called(), delivery.failed(), bus.failures()), (4, 1, 1));
    assert_eq!(delivery.failures()[0].cause.to_string(), "failure 4");
    assert_eq!((stats(&retry), clock.elapsed()), ((5, 1, 1), 9 * SECOND));
}

#[test]
fn it_works_on_some_topics_and_on_one_connection() {
    let seen = Recorder::new();
    let (bus, _) = timed();
    bus.layer(Scoped::new("job.*", Retry::times(1).every(SECOND)).unwrap());
    let _scoped = bus.connect("job.a", failing(1, "scoped", &seen)).unwrap();
    let _outside = bus.connect("a", failing(1, "outside", &seen)).unwrap();
    assert_eq!((bus.emit("job.a", 1_u32).failed(), bus.emit("a", 1_u32).failed()), (0, 1));
    assert_eq!(seen.take(), ["scoped at 0ns", "scoped at 1s", "outside at 1s"]);

    let (bus, _) = timed();
    let own = Retry::times(2).every(SECOND);
    let _own = bus.on("a").once().middleware(own.clone()).connect(failing(2, "own", &seen)).unwrap();
    let _other = bus.connect("a", failing(1, "other", &seen)).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (2, 1));
    assert_eq!(seen.take(), ["own at 0ns", "own at 1s", "own at 2s", "other at 2s"]);
    assert_eq!(stats(&own), (2, 1, 0));
}

#[test]
fn it_ends_with_its_bus() {
    let seen = Recorder::new();
    let (bus, _) = timed();
    let child = bus.child("c").unwrap();
    child.layer(Retry::times(1).every(SECOND));
    let _own = child.connect("a", failing(1, "own", &seen)).unwrap();
    let _above = bus.connect("c.a", failing(1, "above", &seen)).unwrap();
    assert_eq!(child.emit("a", 1_u32).failed(), 1);
    assert_eq!(seen.take(), ["own at 0ns", "own at 1s", "above at 1s"]);
}

#[test]
fn a_predicate_says_which_problems_are_worth_it() {
    let seen = Recorder::new();
    let (bus, _) = timed();
    let busy = |problem: &Problem| problem.to_string() == "failure 1";
    let retry = Retry::times(9).every(SECOND).when(busy);
    bus.layer(retry.clone());
    let _handler = bus.connect("a", failing(9, "it", &seen)).unwrap();
    assert_eq!(bus.emit("a", 1_u32).failures()[0].cause.to_string(), "failure 2");
    assert_eq!(seen.take(), ["it at 0ns", "it at 1s"]);
    assert_eq!(stats(&retry), (1, 0, 1));
}

#[test]
fn panics_are_tried_again_and_the_last_one_goes_on_as_the_policy_says() {
    /// A panic whose own drop panics.
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            boom("dropped");
        }
    }
    let (bus, _) = timed();
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    bus.layer(Retry::times(2).every(SECOND));
    let _handler =
        bus.on("a").policy(Policy::Propagate).connect(move |_: &u32| match count.fetch_add(1, Ordering::Relaxed) {
            2 => boom("the last"),
            _ => boom(Trap),
        });
    let emit = std::panic::AssertUnwindSafe(|| bus.emit("a", 1_u32));
    let panic = quietly(|| std::panic::catch_unwind(emit)).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the last"));
    assert_eq!((calls.load(Ordering::Relaxed), bus.failures()), (3, 1));
}

#[test]
fn a_handler_that_is_gone_meanwhile_leaves_its_failure() {
    let (bus, _) = timed();
    let own: Arc<Mutex<Option<Connection>>> = Arc::default();
    let (connection, handle): (_, WeakBus) = (own.clone(), bus.downgrade());
    bus.layer(Retry::times(9).every(SECOND));
    let _first = bus.on("a").once().connect(|_: &u32| Err("once")).unwrap();
    *own.lock() = Some(
        bus.connect("a", move |_: &u32| {
            let gone = connection.lock().take();
            drop(gone);
            handle.upgrade().map_or(Ok(()), |_| Err("disconnected itself"))
        })
        .unwrap(),
    );
    let delivery = bus.emit("a", 1_u32);
    let causes: Vec<_> = delivery.failures().iter().map(|failure| failure.cause.to_string()).collect();
    assert_eq!(causes, ["once", "disconnected itself"]);
    assert_eq!((delivery.called(), bus.connections()), (2, 0));
}

#[test]
fn it_gives_up_when_the_deadline_comes_before_the_next_call() {
    let seen = Recorder::new();
    let retry = || Retry::times(9).backoff(SECOND, 60 * SECOND);
    let timeout = || Timeout::new(5 * SECOND);
    // The deadline is the event's, so both orders give up in time; the one outside hears of all tries at once.
    for stack in [Stack::new().with(timeout()).with(retry()), Stack::new().with(retry()).with(timeout())] {
        let (bus, _) = timed();
        bus.set_stack(stack);
        let _handler = bus.connect("a", failing(9, "it", &seen)).unwrap();
        assert_eq!(bus.emit("a", 1_u32).failed(), 1);
        assert_eq!(seen.take(), ["it at 0ns", "it at 1s", "it at 3s"]);
    }
}

#[test]
fn a_call_at_the_deadline_would_be_too_late() {
    let seen = Recorder::new();
    let (bus, _) = timed();
    bus.set_stack(Stack::new().with(Timeout::new(2 * SECOND)).with(Retry::times(9).every(SECOND)));
    let _handler = bus.connect("a", failing(9, "it", &seen)).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["it at 0ns", "it at 1s"]);
}

#[test]
fn one_retry_around_another_multiplies() {
    let seen = Recorder::new();
    let (bus, _) = timed();
    let (outer, inner) = (Retry::times(1).every(10 * SECOND), Retry::times(1).every(SECOND));
    bus.set_stack(Stack::new().with(outer.clone()).with(inner.clone()));
    let _handler = bus.connect("a", failing(3, "it", &seen)).unwrap();
    assert_eq!(bus.emit("a", 1_u32).failed(), 0);
    assert_eq!(seen.take(), ["it at 0ns", "it at 1s", "it at 11s", "it at 12s"]);
    assert_eq!((stats(&outer), stats(&inner)), ((1, 1, 0), (2, 1, 1)));
}

#[test]
fn a_predicate_that_panics_ends_the_emit_and_nothing_else() {
    let (bus, _) = timed();
    let retry = Retry::times(9).when(|_| {
        boom("in the predicate");
        true
    });
    bus.layer(retry.clone());
    let _handler = bus.connect("a", |n: &u32| if n % 2 == 1 { Err("odd") } else { Ok(()) }).unwrap();
    let delivery = quietly(|| bus.emit("a", 1_u32));
    let causes: Vec<_> = delivery.failures().iter().map(|failure| failure.cause.to_string()).collect();
    assert_eq!(causes, ["panicked: in the predicate"]);
    assert_eq!((bus.emit("a", 2_u32).called(), stats(&retry)), (1, (0, 0, 0)));
}

#[test]
fn its_pauses_are_those_of_its_own_bus() {
    let ((here, here_clock), (there, there_clock)) = (timed(), timed());
    there.layer(Retry::times(1).every(SECOND));
    let _bridge = here.bridge("**", &there).unwrap();
    let _handler = there.connect("a", failing(1, "it", &Recorder::new())).unwrap();
    assert_eq!(here.emit("a", 1_u32).failed(), 0);
    assert_eq!((here_clock.elapsed(), there_clock.elapsed()), (Duration::ZERO, SECOND));
}
