//! A handler that keeps failing is left alone for a while, then tried again; every change is reported.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use sigtree::middleware::{CircuitBreaker, CircuitState, DeadLetter, Retry};
use sigtree::{Bus, Connection, Event, ManualClock, Middleware, Scoped, Stack, sys};
use support::{Recorder, boom, quietly};

const SECOND: Duration = Duration::from_secs(1);

fn timed() -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    (Bus::builder().name("site").clock(clock.clone()).build(), clock)
}

/// Writes down every change of a circuit.
fn listen(bus: &Bus, seen: &Recorder) {
    let seen = seen.clone();
    let report = move |change: &sys::BreakerChanged| {
        let sys::BreakerChanged { bus, circuit, from, .. } = change;
        let name = circuit.name.as_deref().unwrap_or("-");
        seen.note(format_args!("{bus}: {} {name} from {from} to {}", circuit.pattern, circuit.state));
    };
    bus.connect("$sys.breaker", report).unwrap().detach();
}

/// A handler that fails as long as the switch says so.
fn switched(broken: &Arc<AtomicBool>) -> impl Fn(&u32) -> Result<(), &'static str> + use<> {
    let broken = broken.clone();
    move |_: &u32| if broken.load(Ordering::Relaxed) { Err("broken") } else { Ok(()) }
}

/// How often a handler was called, skipped and failed in an emit.
fn emit(bus: &Bus, topic: &str) -> (usize, usize, usize) {
    let delivery = bus.emit(topic, 1_u32);
    (delivery.called(), delivery.skipped(), delivery.failed())
}

#[test]
fn it_opens_waits_tries_and_closes_and_tells_of_it() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    listen(&bus, &seen);
    let breaker = CircuitBreaker::consecutive(2).open_for(10 * SECOND);
    bus.layer(breaker.clone());
    let broken = Arc::new(AtomicBool::new(true));
    let (_handler, line) = (bus.on("a").named("it").connect(switched(&broken)).unwrap(), line!());
    let _good = bus.connect("a", |_: &u32| {}).unwrap();

    assert_eq!((emit(&bus, "a"), emit(&bus, "a")), ((2, 0, 1), (2, 0, 1)));
    assert_eq!(seen.take(), ["site: a it from closed to open"]);
    clock.advance(9 * SECOND);
    assert_eq!(emit(&bus, "a"), (1, 1, 0));
    clock.advance(SECOND);
    assert_eq!((emit(&bus, "a"), emit(&bus, "a")), ((2, 0, 1), (1, 1, 0)));
    assert_eq!(seen.take(), ["site: a it from open to half-open", "site: a it from half-open to open"]);

    let circuit = &breaker.circuits()[0];
    assert_eq!(
        (circuit.state, circuit.site.map(|site| (site.file(), site.line()))),
        (CircuitState::Open, Some((file!(), line)))
    );
    broken.store(false, Ordering::Relaxed);
    clock.advance(10 * SECOND);
    assert_eq!(emit(&bus, "a"), (2, 0, 0));
    assert_eq!(seen.take(), ["site: a it from open to half-open", "site: a it from half-open to closed"]);
    assert_eq!((breaker.circuits(), breaker.stats().left_out), (vec![], 2));
}

#[test]
fn connections_have_circuits_of_their_own_and_patterns_share_one() {
    let (per_connection, per_pattern) = (CircuitBreaker::consecutive(2), CircuitBreaker::consecutive(2).per_pattern());
    for (breaker, circuits, after) in [(per_connection, 2, (3, 0, 2)), (per_pattern, 1, (1, 2, 0))] {
        let (bus, _) = timed();
        bus.layer(breaker.clone());
        let _handlers = [bus.connect("a", |_: &u32| Err("one")), bus.connect("a", |_: &u32| Err("two"))];
        let _good = bus.connect("*", |_: &u32| {}).unwrap();
        assert_eq!(emit(&bus, "a"), (3, 0, 2));
        assert_eq!(breaker.circuits().len(), circuits);
        assert_eq!(emit(&bus, "a"), after);
    }
}

#[test]
fn a_rate_of_the_latest_calls_opens_it() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    listen(&bus, &seen);
    bus.layer(CircuitBreaker::rate(0.5, 10 * SECOND, 4));
    let broken = Arc::new(AtomicBool::new(false));
    let _handler = bus.connect("a", switched(&broken)).unwrap();
    for fails in [false, false, false, true, true] {
        broken.store(fails, Ordering::Relaxed);
        assert_eq!(emit(&bus, "a").1, 0);
    }
    assert_eq!(seen.take(), [""; 0]);
    emit(&bus, "a");
    assert_eq!(seen.take(), ["site: a - from closed to open"]);
    clock.advance(30 * SECOND);
    broken.store(false, Ordering::Relaxed);
    emit(&bus, "a");
    seen.take();
    // The window of a closed circuit begins anew.
    broken.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(emit(&bus, "a"), (1, 0, 1));
    }
    clock.advance(10 * SECOND);
    assert_eq!((emit(&bus, "a"), seen.take()), ((1, 0, 1), vec![]));
}

#[test]
#[should_panic(expected = "a rate of failures is above 0 and at most 1, not 50")]
fn a_rate_is_a_share() {
    let _ = CircuitBreaker::rate(50.0, SECOND, 1);
}

#[test]
fn problems_that_do_not_count_open_nothing() {
    let (bus, _) = timed();
    let breaker = CircuitBreaker::consecutive(2).when(|problem| problem.to_string() != "bad input");
    bus.layer(breaker.clone());
    let calls = AtomicU32::new(0);
    let _handler = bus.connect("a", move |_: &u32| match calls.fetch_add(1, Ordering::Relaxed) {
        0 | 2 => Err("down"),
        _ => Err("bad input"),
    });
    assert_eq!((emit(&bus, "a"), emit(&bus, "a")), ((1, 0, 1), (1, 0, 1)));
    assert_eq!(breaker.circuits()[0].state, CircuitState::Closed);
    // Neither a failure nor a success: the two failures are still in a row.
    emit(&bus, "a");
    assert_eq!(breaker.circuits()[0].state, CircuitState::Open);
}

#[test]
fn it_works_on_some_topics_and_on_one_connection() {
    let (bus, _) = timed();
    let (scoped, own) = (CircuitBreaker::consecutive(1), CircuitBreaker::consecutive(1));
    bus.layer(Scoped::new("a", scoped.clone()).unwrap());
    let _own = bus.on("b").middleware(own.clone()).connect(|_: &u32| Err("no")).unwrap();
    let _other = bus.connect("*", |_: &u32| Err("no")).unwrap();
    assert_eq!((emit(&bus, "b"), emit(&bus, "b")), ((2, 0, 2), (1, 1, 1)));
    assert_eq!((emit(&bus, "a"), emit(&bus, "a")), ((1, 0, 1), (0, 1, 0)));
    assert_eq!((scoped.stats().left_out, own.stats().left_out), (1, 1));
}

#[test]
fn while_a_trial_runs_others_are_left_out_and_no_lock_is_held() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    bus.layer(CircuitBreaker::consecutive(1).open_for(SECOND));
    let (handle, list) = (bus.downgrade(), seen.clone());
    let calls = AtomicU32::new(0);
    let _handler = bus.connect("a", move |_: &u32| {
        let bus = handle.upgrade().ok_or("gone")?;
        if calls.fetch_add(1, Ordering::Relaxed) != 1 {
            return Err("broken");
        }
        list.note(format_args!("{:?}", emit(&bus, "a")));
        Ok(())
    });
    emit(&bus, "a");
    clock.advance(SECOND);
    assert_eq!(emit(&bus, "a"), (1, 0, 0));
    assert_eq!(seen.take(), ["(0, 1, 0)"]);
}

#[test]
fn a_call_from_before_an_outage_tells_nothing_when_it_is_over() {
    let (bus, clock) = timed();
    let breaker = CircuitBreaker::consecutive(1).open_for(30 * SECOND);
    bus.layer(breaker.clone());
    let weak = bus.downgrade();
    let _handler = bus.connect("a", move |n: &u32| match (n, weak.upgrade()) {
        (0, Some(bus)) => {
            // While this call hangs, the circuit opens, and closes again.
            bus.emit("a", 1_u32);
            clock.advance(30 * SECOND);
            bus.emit("a", 2_u32);
            Err("hung")
        }
        (1, _) => Err("broken"),
        _ => Ok(()),
    });
    bus.emit("a", 0_u32);
    assert!(breaker.circuits().is_empty(), "{:?}", breaker.circuits());
    // What begins now counts.
    bus.emit("a", 1_u32);
    assert_eq!(breaker.circuits()[0].state, CircuitState::Open);
}

#[test]
fn what_an_open_circuit_leaves_out_can_be_kept() {
    let (bus, clock) = timed();
    let dead = DeadLetter::new().refused();
    bus.set_stack(Stack::new().with(dead.clone()).with(CircuitBreaker::consecutive(1).open_for(SECOND)));
    let broken = Arc::new(AtomicBool::new(true));
    let _handler = bus.connect("a", switched(&broken)).unwrap();
    let _ = [(); 3].map(|()| emit(&bus, "a"));
    let reasons: Vec<_> = dead.letters().iter().map(|letter| letter.reason().to_string()).collect();
    assert_eq!(reasons, ["failed: broken", "left out: the circuit is open", "left out: the circuit is open"]);
    broken.store(false, Ordering::Relaxed);
    clock.advance(SECOND);
    assert_eq!((dead.replay().run(&bus).replayed, dead.len()), (3, 0));
}

#[test]
fn a_retry_outside_stops_when_the_circuit_opens() {
    let (bus, clock) = timed();
    let breaker = CircuitBreaker::consecutive(2).open_for(60 * SECOND);
    bus.set_stack(Stack::new().with(Retry::times(9).every(SECOND)).with(breaker.clone()));
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let _handler = bus.connect("a", move |_: &u32| {
        count.fetch_add(1, Ordering::Relaxed);
        Err("broken")
    });
    assert_eq!((emit(&bus, "a"), emit(&bus, "a")), ((1, 0, 1), (0, 1, 0)));
    assert_eq!((calls.load(Ordering::Relaxed), breaker.stats().left_out), (2, 2));
    assert_eq!(sigtree::Clock::elapsed(&clock), 2 * SECOND);
}

#[test]
fn it_knows_so_many_circuits_and_forgets_those_that_nobody_asks_for() {
    let (bus, clock) = timed();
    let breaker = CircuitBreaker::consecutive(1).open_for(SECOND).room(3);
    bus.layer(breaker.clone());
    let connect = |n: u32| bus.connect(format!("a{n}"), |_: &u32| Err("broken")).unwrap();
    let _handlers: Vec<Connection> = (0..5).map(connect).collect();
    let _ = [0, 1, 2, 3, 4].map(|n| emit(&bus, &format!("a{n}")));
    let patterns = || breaker.circuits().iter().map(|circuit| circuit.pattern.to_string()).collect::<Vec<_>>();
    assert_eq!((patterns(), breaker.stats().unwatched), (vec!["a0".into(), "a1".into(), "a2".into()], 2));
    clock.advance(SECOND);
    emit(&bus, "a4");
    assert_eq!((patterns(), breaker.stats().unwatched), (vec!["a4".to_owned()], 2));
}

#[test]
fn it_knows_one_circuit_at_least() {
    let (bus, _) = timed();
    let breaker = CircuitBreaker::consecutive(1).room(0);
    bus.layer(breaker.clone());
    let _handler = bus.connect("a", |_: &Event<'_>| Err("broken")).unwrap();
    assert_eq!((emit(&bus, "a"), emit(&bus, "a")), ((1, 0, 1), (0, 1, 0)));
    assert_eq!(breaker.stats().unwatched, 0);
}

#[test]
fn reports_of_children_reach_the_parents() {
    let seen = Recorder::new();
    let (bus, _) = timed();
    listen(&bus, &seen);
    let child = bus.child("c").unwrap();
    child.layer(CircuitBreaker::consecutive(1));
    let _handler = child.connect("a", |_: &Event<'_>| Err("broken")).unwrap();
    emit(&child, "a");
    assert_eq!(seen.take(), [format!("{}: a - from closed to open", child.name())]);
}

#[test]
fn of_many_threads_one_has_the_trial() {
    let (bus, clock) = timed();
    let breaker = CircuitBreaker::consecutive(1).open_for(SECOND);
    bus.layer(breaker.clone());
    let (begin, others, calls) = (Barrier::new(4), Arc::new(Barrier::new(4)), Arc::new(AtomicU32::new(0)));
    let (wait, count) = (others.clone(), calls.clone());
    let _handler = bus.connect("a", move |_: &u32| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Err("broken"),
        _ => {
            // The trial is not over before the others were left out.
            wait.wait();
            Ok(())
        }
    });
    emit(&bus, "a");
    clock.advance(SECOND);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                begin.wait();
                if emit(&bus, "a") == (0, 1, 0) {
                    others.wait();
                }
            });
        }
    });
    assert_eq!((calls.load(Ordering::Relaxed), breaker.stats().left_out, breaker.circuits().len()), (2, 3, 0));
}

#[test]
fn it_lives_by_the_clock_of_its_own_bus_and_reports_there() {
    let ((here, clock), (there, _)) = (timed(), timed());
    let seen = Recorder::new();
    listen(&there, &seen);
    let breaker = CircuitBreaker::consecutive(1).open_for(30 * SECOND);
    there.layer(breaker.clone());
    let _bridge = here.bridge("**", &there).unwrap();
    let broken = Arc::new(AtomicBool::new(true));
    let _handler = there.on("a").connect(switched(&broken)).unwrap();
    here.emit("a", 1_u32);
    assert_eq!(seen.take(), ["site: a - from closed to open"]);
    // It is ten minutes later there where nobody asks.
    clock.advance(600 * SECOND);
    assert_eq!(here.emit("a", 2_u32).called(), 0);
    assert_eq!(breaker.stats().left_out, 1);
}

#[test]
fn it_says_how_it_is_set() {
    let lines =
        [CircuitBreaker::consecutive(3).open_for(5 * SECOND), CircuitBreaker::rate(0.5, 10 * SECOND, 20).per_pattern()]
            .map(|breaker| breaker.describe().into_owned());
    assert_eq!(
        lines,
        [
            "circuit breaker per connection, open for 5s after 3 failures in a row",
            "circuit breaker per pattern, open for 30s when 50% of 20 calls or more failed within 10s"
        ]
    );
}

#[test]
fn a_predicate_that_panics_ends_the_emit_and_nothing_else() {
    let (bus, clock) = timed();
    let breaker = CircuitBreaker::consecutive(1).open_for(SECOND).when(|problem| {
        if problem.to_string() == "odd" {
            boom("in the predicate");
        }
        true
    });
    bus.layer(breaker.clone());
    let handler = |n: &u32| match n {
        0 => Ok(()),
        1 => Err("odd"),
        _ => Err("broken"),
    };
    let _handler = bus.connect("a", handler).unwrap();
    let delivery = quietly(|| bus.emit("a", 1_u32));
    assert_eq!((delivery.failed(), delivery.failures()[0].site), (1, None));
    assert!(breaker.circuits().is_empty());

    // A trial that ends so tells nothing, and is given again after the same time.
    bus.emit("a", 2_u32);
    clock.advance(SECOND);
    quietly(|| bus.emit("a", 1_u32));
    assert_eq!(breaker.circuits()[0].state, CircuitState::HalfOpen);
    assert_eq!(bus.emit("a", 0_u32).skipped(), 1);
    clock.advance(SECOND);
    assert_eq!((bus.emit("a", 0_u32).called(), breaker.circuits().len()), (1, 0));
}
