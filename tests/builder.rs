//! Each condition of `bus.on(..)` keeps from the handler what it says, and nothing else.

mod support;

use std::sync::Arc;

use sigtree::{Bus, Event, Filter, History, Next, Transform};
use support::{Recorder, boom, quietly};

#[test]
fn priority_orders_handlers_within_and_across_patterns() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _connections: Vec<_> =
        [("**", -1), ("a.b", 0), ("a.*", 7), ("a.b", 7), ("**", 0), ("a.b", i32::MIN), ("a.*", i32::MAX)]
            .into_iter()
            .map(|(pattern, priority)| {
                bus.on(pattern).priority(priority).connect(seen.label(format_args!("{pattern} {priority}"))).unwrap()
            })
            .collect();
    let order = ["a.* 2147483647", "a.b 7", "a.* 7", "a.b 0", "** 0", "** -1", "a.b -2147483648"];
    for _ in 0..3 {
        bus.emit("a.b", 1_u32);
        assert_eq!(seen.take(), order);
    }
}

#[test]
fn once_is_one_call() {
    let bus = Bus::new();
    let connection = bus.on("a").once().connect(|_: &u32| {}).unwrap();
    let called: Vec<_> = (0..3_u32).map(|n| bus.emit("a", n).called()).collect();
    assert_eq!(called, [1, 0, 0]);
    assert!(!connection.is_connected());
    assert_eq!(bus.connections(), 0);
}

#[test]
fn times_counts_calls_of_this_handler() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _three = bus.on("a.*").times(3).filter(|event| event.topic() != "a.x").connect(seen.events()).unwrap();
    let _none = bus.on("a.*").times(0).connect(seen.label("never")).unwrap();
    for (topic, n) in ["a.a", "a.x", "a.b", "a.x", "a.c", "a.d"].into_iter().zip(1_u32..) {
        bus.emit(topic, n);
    }
    assert_eq!(seen.take(), ["a.a 1", "a.b 3", "a.c 5"]);
    assert_eq!(bus.connections(), 0);
}

#[test]
fn a_call_that_emits_again_counts_too() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let (weak, list) = (bus.downgrade(), seen.clone());
    let _twice = bus
        .on("a")
        .times(2)
        .connect(move |n: &u32| {
            list.note(n);
            weak.upgrade().unwrap().emit("a", n + 1);
        })
        .unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["1", "2"]);
}

#[test]
fn a_call_that_panics_was_a_call() {
    let bus = Bus::new();
    let connection = bus.on("a").once().connect(|_: &u32| boom("expected")).unwrap();
    let delivery = quietly(|| bus.emit("a", 1_u32));
    assert_eq!((delivery.called(), delivery.failed()), (1, 1));
    assert!(!connection.is_connected());
    assert_eq!(bus.emit("a", 2_u32).called(), 0);
    assert_eq!(bus.connections(), 0);
}

#[test]
fn an_event_kept_back_by_the_own_layer_is_no_call() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let even = Filter::payload(|n: &u32| n.is_multiple_of(2));
    let _once = bus.on("a").once().middleware(even).connect(seen.events()).unwrap();
    for n in 1..=4_u32 {
        bus.emit("a", n);
    }
    assert_eq!(seen.take(), ["a 2"]);
}

#[test]
fn until_calls_the_handler_with_the_last_event_too() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let last = |event: &Event<'_>| event.payload() == Some(&3_u32);
    let connection = bus.on("a").until(last).connect(seen.events()).unwrap();
    for n in 1..=5_u32 {
        bus.emit("a", n);
    }
    assert_eq!(seen.take(), ["a 1", "a 2", "a 3"]);
    assert!(!connection.is_connected());
}

#[test]
fn until_ends_the_connection_even_if_the_handler_panics() {
    let bus = Bus::new();
    let connection = bus.on("a").until(|_| true).connect(|_: &u32| boom("expected")).unwrap();
    assert_eq!(quietly(|| bus.emit("a", 1_u32)).failed(), 1);
    assert_eq!(quietly(|| bus.emit("a", 2_u32)).called(), 0);
    assert!(!connection.is_connected());
}

#[test]
fn filter_keeps_events_from_this_handler_only() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let even = |event: &Event<'_>| event.payload::<u32>().is_some_and(|n| n % 2 == 0);
    let _even = bus.on("a").filter(even).connect(seen.labelled("even")).unwrap();
    let _all = bus.connect("a", seen.labelled("all")).unwrap();
    let odd = bus.emit("a", 1_u32);
    assert_eq!((odd.called(), odd.skipped()), (1, 1));
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["all: a 1", "even: a 2", "all: a 2"]);
}

#[test]
fn from_hears_one_source() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _design = bus.on("**").from("design").connect(seen.events()).unwrap();
    bus.event("a").source("design").emit(1_u32);
    let other = bus.event("a").source("tests").emit(2_u32);
    assert_eq!((other.called(), other.skipped()), (0, 1));
    assert_eq!(bus.emit("a", 3_u32).skipped(), 1);
    assert_eq!(seen.take(), ["a 1"]);
}

#[test]
fn an_owner_does_not_hear_its_own_echo() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _own = bus.on("a").owned_by("me").connect(seen.labelled("mine")).unwrap();
    let _other = bus.on("a").owned_by("you").connect(seen.labelled("yours")).unwrap();
    let _anyone = bus.connect("a", seen.labelled("anyone's")).unwrap();
    let delivery = bus.event("a").source("me").no_echo().emit(1_u32);
    assert_eq!((delivery.called(), delivery.skipped()), (2, 1));
    assert_eq!(seen.take(), ["yours: a 1", "anyone's: a 1"]);
    assert_eq!(bus.event("a").source("me").emit(2_u32).called(), 3);
    assert_eq!(bus.event("a").no_echo().emit(3_u32).called(), 3);
}

#[test]
fn a_target_hears_what_is_meant_for_it_or_for_all() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _a = bus.on("t").target("a").connect(seen.labelled("a")).unwrap();
    let _b = bus.on("t").target("b").connect(seen.labelled("b")).unwrap();
    let _none = bus.connect("t", seen.labelled("none")).unwrap();
    bus.event("t").targets(["a"]).emit(1_u32);
    bus.event("t").targets(["a", "b", "c"]).emit(2_u32);
    bus.event("t").targets(["c"]).emit(3_u32);
    bus.emit("t", 4_u32);
    let expected =
        ["a: t 1", "none: t 1", "a: t 2", "b: t 2", "none: t 2", "none: t 3", "a: t 4", "b: t 4", "none: t 4"];
    assert_eq!(seen.take(), expected);
}

#[test]
fn unique_names_are_there_once_at_a_time() {
    let bus = Bus::new();
    let first = bus.on("a").unique("logger").connect(|_: &u32| {}).unwrap();
    let error = bus.on("b").unique("logger").connect(|_: &u32| {}).unwrap_err();
    assert!(error.is_not_unique());
    assert_eq!(
        error.to_string(),
        "a connection named `logger` is there already: disconnect it first or use another name"
    );
    assert_eq!(bus.connections(), 1);
    // A name that is not said to be unique may come twice.
    let _named = bus.on("a").named("logger").connect(|_: &u32| {}).unwrap();
    drop(first);
    let _second = bus.on("b").unique("logger").connect(|_: &u32| {}).unwrap();
    assert!(bus.on("c").unique("logger").connect(|_: &u32| {}).unwrap_err().is_not_unique());
}

#[test]
fn a_unique_name_is_free_when_its_connection_ended_by_itself() {
    let bus = Bus::new();
    let _once = bus.on("a").unique("once").once().connect(|_: &u32| {}).unwrap();
    bus.emit("a", 1_u32);
    let _again = bus.on("a").unique("once").once().connect(|_: &u32| boom("expected")).unwrap();
    quietly(|| bus.emit("a", 1_u32));
    let _after_a_panic = bus.on("a").unique("once").connect(|_: &u32| {}).unwrap();
    let receiver = Arc::new(());
    bus.on("a").unique("weak").connect_weak(&receiver, |_: &(), _: &u32| {}).unwrap();
    drop(receiver);
    let _after_a_death = bus.on("a").unique("weak").connect(|_: &u32| {}).unwrap();
}

#[test]
fn layers_of_a_connection_stand_around_it_alone() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(seen.layer("bus"));
    let _layered = bus
        .on("a")
        .middleware(seen.layer("first"))
        .middleware(seen.layer("second"))
        .middleware(Transform::new(|n: &u32| n + 1))
        .connect(seen.labelled("layered"))
        .unwrap();
    let _plain = bus.connect("a", seen.labelled("plain")).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["bus", "first", "second", "layered: a 2", "plain: a 1"]);
}

#[test]
fn a_layer_of_a_connection_that_ends_the_event_skips_this_handler() {
    let bus = Bus::new();
    let _filtered = bus.on("a").middleware(Filter::new(|_: &Event<'_>| false)).connect(|_: &u32| {}).unwrap();
    let _plain = bus.connect("a", |_: &u32| {}).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.skipped()), (1, 1));
}

#[test]
fn a_layer_of_a_connection_can_stop_what_comes_after() {
    let bus = Bus::new();
    let stop = |event: &Event<'_>, next: Next<'_>| {
        next.run(event);
        event.stop();
    };
    let _first = bus.on("a").middleware(stop).connect(|_: &u32| {}).unwrap();
    let _second = bus.connect("a", |_: &u32| {}).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.is_stopped()), (1, true));
}

#[test]
fn a_handler_that_says_so_can_keep_any_payload() {
    struct NotClone;
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = seen.clone();
    let keep = move |event: &Event<'_>| list.note(event.share::<NotClone>().is_some());
    let _keeper = bus.on("a").keeps().connect(keep.clone()).unwrap();
    let _hopeful = bus.connect("b", keep).unwrap();
    bus.emit("a", NotClone);
    bus.emit("b", NotClone);
    assert_eq!(seen.take(), ["true", "false"]);
}

#[test]
fn a_history_around_one_connection_keeps_what_it_was_called_with() {
    let bus = Bus::new();
    let history = History::new();
    let _small = bus
        .on("n")
        .middleware(Filter::payload(|n: &u32| *n < 10))
        .middleware(history.clone())
        .connect(|_: &u32| {})
        .unwrap();
    for n in [1, 20, 2_u32] {
        bus.emit("n", n);
    }
    let kept: Vec<_> = history.entries().iter().map(|entry| *entry.payload::<u32>().unwrap()).collect();
    assert_eq!(kept, [1, 2]);
}
