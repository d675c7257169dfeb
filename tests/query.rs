//! A query asks the handlers that answer one by one, in the order of an emit, and only as many as answers are taken.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::time::Duration;

use sigtree::{Bus, Error, Event, Filter, Policy, Signal, sys};
use support::{Recorder, quietly};

/// Connects one that answers `n` times the payload, and notes that it was asked.
fn times(signal: &Signal<u32>, n: u32, seen: &Recorder) -> sigtree::Connection {
    let seen = seen.clone();
    let answer = move |payload: &u32| {
        seen.note(n);
        n * payload
    };
    signal.answer(answer).unwrap()
}

#[test]
fn one_that_is_not_reached_is_not_called() {
    let (seen, signal) = (Recorder::new(), Signal::<u32>::new());
    let _connections = [1, 2, 3].map(|n| times(&signal, n, &seen));
    drop(signal.query::<u32>(&10));
    assert!(seen.take().is_empty());
    assert_eq!(signal.query::<u32>(&10).next(), Some(10));
    assert_eq!(seen.take(), ["1"]);
    assert_eq!(signal.query::<u32>(&10).find(|answer| *answer > 10), Some(20));
    assert_eq!(seen.take(), ["1", "2"]);
    assert_eq!(signal.query::<u32>(&10).find_map(|answer| answer.checked_sub(15)), Some(5));
    assert_eq!(seen.take(), ["1", "2"]);
    assert_eq!(signal.query::<u32>(&10).fold(0, u32::max), 30);
    assert_eq!(seen.take(), ["1", "2", "3"]);
}

#[test]
fn the_order_is_that_of_an_emit_up_to_the_buses_above() {
    let site = Bus::new();
    let radar = site.child("radar").unwrap();
    let _above = site.on("radar.*").priority(9).answer(|_: &u32| "above").unwrap();
    let _wild = radar.on("*").answer(|_: &u32| "wild").unwrap();
    let _exact = radar.on("range").answer(|_: &u32| "exact").unwrap();
    let _first = radar.on("**").priority(1).answer(|_: &u32| "first").unwrap();
    let range = radar.signal::<u32>("range").unwrap();
    assert_eq!(range.query::<&str>(&1).collect::<Vec<_>>(), ["first", "exact", "wild", "above"]);

    let isolated = site.child_builder("sonar").isolated().build().unwrap();
    let _above = site.on("sonar.*").answer(|_: &u32| "above").unwrap();
    let _own = isolated.on("range").answer(|_: &u32| "own").unwrap();
    assert_eq!(isolated.signal::<u32>("range").unwrap().query::<&str>(&1).collect::<Vec<_>>(), ["own"]);
}

#[test]
fn emits_and_queries_pass_each_others_handlers_by() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let signal = bus.signal::<u32>("a").unwrap();
    let _told = bus.connect("a", seen.label("told")).unwrap();
    let _asked = times(&signal, 2, &seen);
    let _other = signal.answer(|_| "text").unwrap();
    let once = bus.on("a").once().answer(|_: &u32| 'c').unwrap();
    assert_eq!(signal.emit(1).called(), 1);
    assert_eq!(seen.take(), ["told"]);
    assert_eq!(signal.query::<u32>(&1).collect::<Vec<_>>(), [2]);
    assert_eq!(seen.take(), ["2"]);
    assert_eq!(signal.query::<&str>(&1).count(), 1);
    assert_eq!(signal.query::<u8>(&1).count(), 0);
    // The emit did not use it up, the first query does.
    assert_eq!(signal.query::<char>(&1).count(), 1);
    assert_eq!(signal.query::<char>(&1).count(), 0);
    assert!(!once.is_connected());
}

#[test]
fn a_topic_keeps_its_payload_type() {
    let bus = Bus::new();
    let _number = bus.on("a").answer(|n: &u32| *n).unwrap();
    assert!(bus.on("a").answer(|text: &String| text.len()).unwrap_err().is_type_mismatch());
    assert!(bus.signal::<String>("a").unwrap_err().is_type_mismatch());
    // On a wildcard, one that takes another type is not asked.
    let _text = bus.on("*").answer(|text: &String| text.len() as u32).unwrap();
    assert_eq!(bus.signal::<u32>("a").unwrap().query::<u32>(&7).collect::<Vec<_>>(), [7]);
}

#[test]
fn conditions_mutes_and_layers_of_the_connection_hold() {
    let bus = Bus::new();
    let signal = bus.signal::<u32>("a").unwrap();
    let even = bus.on("a").filter(|event| event.payload::<u32>().is_some_and(|n| n % 2 == 0)).answer(|n: &u32| *n);
    let _even = even.unwrap();
    let _never = bus.on("a").middleware(Filter::new(|_: &Event<'_>| false)).answer(|_: &u32| 99_u32).unwrap();
    let muted = bus.on("a").answer(|_: &u32| 100_u32).unwrap();
    let mute = muted.mute();
    let mut query = signal.query::<u32>(&3);
    assert_eq!(query.next(), None);
    assert_eq!(query.delivery().to_string(), "0 called, 2 skipped, 1 muted");
    assert_eq!(signal.query::<u32>(&4).collect::<Vec<_>>(), [4]);
    drop(mute);
    assert_eq!(signal.query::<u32>(&4).collect::<Vec<_>>(), [4, 100]);
    let _all = bus.mute("*").unwrap();
    let mut query = signal.query::<u32>(&4);
    assert_eq!((query.next(), query.delivery().muted()), (None, 3));
}

#[test]
fn a_panic_is_isolated_and_reported() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let signal = bus.signal::<u32>("a").unwrap();
    let failed = seen.clone();
    let report = move |report: &sys::HandlerFailed| failed.note(&report.failure.cause);
    let _report = bus.connect("$sys.handler.failed", report).unwrap();
    let _bad = signal.answer(|_| -> u32 { panic_any("bad") }).unwrap();
    let _good = times(&signal, 2, &seen);
    quietly(|| {
        let mut query = signal.query::<u32>(&1);
        assert_eq!(query.next(), Some(2));
        assert_eq!(query.delivery().to_string(), "2 called, 1 failed");
    });
    assert_eq!(seen.take(), ["panicked: bad", "2"]);
    assert_eq!(bus.failures(), 1);
}

#[test]
fn policies_hold() {
    let bus = Bus::new();
    let signal = bus.signal::<u32>("a").unwrap();
    let _good = bus.on("a").answer(|_: &u32| 2_u32).unwrap();
    let bad = |policy| {
        let on = bus.on("a").priority(1).policy(policy);
        on.answer(|_: &u32| -> u32 { panic_any("bad") }).unwrap()
    };
    let fast = bad(Policy::FailFast);
    quietly(|| assert_eq!(signal.query::<u32>(&1).count(), 0));
    drop(fast);
    let propagating = bad(Policy::Propagate);
    let caught = quietly(|| catch_unwind(AssertUnwindSafe(|| signal.query::<u32>(&1).next())));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"bad"));
    drop(propagating);
    let detached = bad(Policy::detach_after(1));
    quietly(|| assert_eq!(signal.query::<u32>(&1).count(), 1));
    assert!(!detached.is_connected());
}

#[test]
fn one_that_stops_ends_its_level() {
    let site = Bus::new();
    let radar = site.child("radar").unwrap();
    let _above = site.on("radar.a").answer(|_: &u32| "above").unwrap();
    let stop = |_: &u32, event: &Event<'_>| {
        event.stop();
        "stops"
    };
    let _stops = radar.on("a").answer_with(stop).unwrap();
    let _behind = radar.on("a").answer(|_: &u32| "behind").unwrap();
    assert_eq!(radar.signal::<u32>("a").unwrap().query::<&str>(&1).collect::<Vec<_>>(), ["stops", "above"]);
}

#[test]
fn layers_of_the_stack_do_not_see_it_and_nobody_is_reported() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let _dead = bus.connect("$sys.dead", seen.label("dead")).unwrap();
    bus.layer(seen.layer("layer"));
    let signal = bus.signal::<u32>("a").unwrap();
    assert_eq!(signal.query::<u32>(&1).count(), 0);
    assert!(seen.take().is_empty());
    signal.emit(1);
    assert_eq!(seen.take(), ["layer", "dead"]);
}

#[test]
fn it_sees_the_handlers_that_were_there_when_it_began() {
    let (seen, signal) = (Recorder::new(), Signal::<u32>::new());
    let _first = times(&signal, 1, &seen);
    let second = times(&signal, 2, &seen);
    let mut query = signal.query::<u32>(&1);
    assert_eq!(query.next(), Some(1));
    drop(second);
    let _third = times(&signal, 3, &seen);
    assert_eq!(query.next(), None);
    assert_eq!(query.delivery().skipped(), 1);
    assert_eq!(signal.query::<u32>(&1).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn one_that_answers_may_do_anything_to_its_bus() {
    let bus = Bus::new();
    let signal = bus.signal::<u32>("countdown").unwrap();
    let weak = bus.downgrade();
    let answer = move |n: &u32| -> u32 {
        let bus = weak.upgrade().unwrap();
        let _more = bus.on("countdown").answer(|_: &u32| 1_u32).unwrap();
        if *n == 0 { 0 } else { 1 + bus.signal::<u32>("countdown").unwrap().query::<u32>(&(n - 1)).next().unwrap() }
    };
    let _counts = bus.on("countdown").priority(1).answer(answer).unwrap();
    assert_eq!(signal.query::<u32>(&20).next(), Some(20));
    assert_eq!(bus.connections(), 1);
}

#[test]
fn questions_within_questions_end_at_the_depth_limit() {
    let bus = Bus::builder().depth_limit(8).build();
    let weak = bus.downgrade();
    let answer = move |_: &u32| -> Result<u32, Error> {
        let signal = weak.upgrade().unwrap().signal::<u32>("a").unwrap();
        let mut query = signal.query::<Result<u32, Error>>(&1);
        match query.next() {
            Some(answer) => answer.map(|depth| depth + 1),
            None => Err(query.delivery().refusal().unwrap().clone()),
        }
    };
    let _asks = bus.on("a").answer(answer).unwrap();
    let error = bus.signal::<u32>("a").unwrap().query::<Result<u32, Error>>(&1).next().unwrap().unwrap_err();
    assert!(error.is_too_deep());
    assert_eq!(bus.refusals(), 1);
}

#[test]
fn a_thread_inside_a_query_does_not_wait_for_its_handlers() {
    let (seen, signal) = (Recorder::new(), Signal::<u32>::new());
    let connection = times(&signal, 1, &seen);
    let query = signal.query::<u32>(&1);
    let refused = connection.disconnect_wait(Duration::from_secs(60)).unwrap_err();
    assert!(refused.is_would_deadlock());
    drop(query);
}

#[test]
fn what_it_held_is_freed_with_it() {
    let signal = Signal::<u32>::new();
    let kept = Arc::new(());
    let captured = kept.clone();
    let connection = signal.answer(move |_| Arc::strong_count(&captured)).unwrap();
    let mut query = signal.query::<usize>(&1);
    drop(connection);
    assert_eq!(query.next(), None);
    drop(query);
    assert_eq!(Arc::strong_count(&kept), 1);
}
