//! Layers stand around the handlers in the order they were added, and each may end, change or redirect an event.

mod support;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{CircuitBreaker, Counters, DeadLetter, Latest, Retry, Route, Timeout, Validate};
use sigtree::{
    Bus, Event, Filter, History, Inspect, ManualClock, Middleware, Next, Scoped, Signal, Stack, Topic, Transform,
};
use support::Recorder;

#[test]
fn the_first_one_added_sees_the_event_first() {
    let seen = Recorder::new();
    let bus = Bus::builder().stack(Stack::new().with(seen.layer("built"))).build();
    bus.layer(seen.layer("first"));
    bus.layer(seen.layer("second"));
    let _handler = bus.connect("a", seen.events()).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["built", "first", "second", "a 1"]);
    assert_eq!(bus.stack().len(), 3);
}

#[test]
fn a_layer_stands_around_what_comes_behind_it() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = seen.clone();
    bus.layer(move |event: &Event<'_>, next: Next<'_>| {
        list.note("in");
        next.run(event);
        list.note(format_args!("out {}", event.tally().called));
    });
    let _handlers = [bus.connect("a", seen.events()).unwrap(), bus.connect("*", seen.events()).unwrap()];
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["in", "a 1", "a 1", "out 2"]);
}

#[test]
fn an_event_ends_with_the_reason_of_the_first_that_gave_one() {
    let bus = Bus::new();
    let _handler = bus.connect("a", |_: &u32| {}).unwrap();
    bus.layer(Filter::payload(|n: &u32| *n != 1).reason("one"));
    bus.layer(|event: &Event<'_>, next: Next<'_>| match event.payload::<u32>() {
        Some(2) => next.discard(event, format!("{} on {}", 2, event.topic())),
        Some(3) => {}
        _ => next.run(event),
    });
    for _ in 0..2 {
        let reasons: Vec<_> = (0..4_u32).map(|n| bus.emit("a", n).filtered().map(str::to_owned)).collect();
        assert_eq!(reasons, [None, Some("one".into()), Some("2 on a".into()), Some("a layer did not go on".into())]);
        assert_eq!(bus.emit("a", 3_u32).called(), 0);
    }
}

#[test]
fn a_layer_may_run_the_rest_twice() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(|event: &Event<'_>, next: Next<'_>| {
        next.clone().run(event);
        next.run(event);
    });
    let _handler = bus.connect("a", seen.events()).unwrap();
    assert_eq!(bus.emit("a", 1_u32).called(), 2);
    assert_eq!(seen.take(), ["a 1", "a 1"]);
}

#[test]
fn a_transformed_payload_is_for_those_behind() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let list = seen.clone();
    child.layer(Inspect::new(move |event: &Event<'_>| list.note(event.payload::<u32>().unwrap())));
    child.layer(Transform::new(|n: &u32| n + 10));
    parent.layer(Transform::new(|n: &u32| n + 100));
    let _connections =
        [child.connect("a", seen.labelled("own")).unwrap(), parent.connect("**", seen.labelled("parent")).unwrap()];
    let payload = 1_u32;
    child.emit_ref("a", &payload);
    assert_eq!(seen.take(), ["1", "own: a 11", "parent: c.a 111"]);
    assert_eq!(payload, 1);
}

#[test]
fn a_replaced_payload_goes_into_one_arc_for_all_who_keep_it() {
    #[derive(Debug)]
    struct NotClone(u32);
    let bus = Bus::new();
    let history = History::new();
    bus.layer(Transform::new(|old: &NotClone| NotClone(old.0 + 1)));
    bus.layer(history.clone());
    let kept: Arc<Mutex<Vec<Arc<NotClone>>>> = Arc::default();
    let keep = || {
        let kept = kept.clone();
        move |payload: Arc<NotClone>| kept.lock().push(payload)
    };
    let _keepers = [bus.connect("a", keep()).unwrap(), bus.connect("*", keep()).unwrap()];
    bus.emit("a", NotClone(1));
    let entry: Arc<NotClone> = history.entries()[0].share().unwrap();
    let kept = std::mem::take(&mut *kept.lock());
    assert!(kept.iter().all(|payload| Arc::ptr_eq(payload, &entry) && payload.0 == 2));
    // The history's, the entry's here, and the two handlers'.
    assert_eq!(Arc::strong_count(&entry), 4);
}

#[test]
fn a_payload_of_another_type_ends_the_event() {
    let bus = Bus::new();
    let _handler = bus.connect("**", |_: &Event<'_>| {}).unwrap();
    bus.layer(|event: &Event<'_>, next: Next<'_>| next.replace(event, String::from("text")));
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (0, 1));
    assert_eq!(delivery.filtered(), Some("a layer changed the payload's type"));
    let failure = delivery.failures()[0].to_string();
    assert!(failure.contains("replaced the payload of `a` by a `alloc::string::String`"), "{failure}");
}

fn redirect(from: &'static str, to: &str) -> impl Middleware {
    let to = Topic::new(to).unwrap();
    move |event: &Event<'_>, next: Next<'_>| {
        if event.topic() == from { next.redirect(event, &to) } else { next.run(event) }
    }
}

#[test]
fn a_redirect_goes_to_the_handlers_of_that_topic_only() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    child.layer(seen.layer("first"));
    child.layer(redirect("a", "b"));
    child.layer(seen.layer("last"));
    let _connections = [
        child.connect("a", seen.labelled("a")).unwrap(),
        child.connect("b", seen.labelled("b")).unwrap(),
        child.connect("*", seen.labelled("*")).unwrap(),
        parent.connect("**", seen.labelled("parent")).unwrap(),
    ];
    for _ in 0..3 {
        assert_eq!(child.emit("a", 1_u32).called(), 2);
        assert_eq!(seen.take(), ["first", "last", "b: b 1", "*: b 1"]);
    }
    child.emit("b", 2_u32);
    assert_eq!(seen.take(), ["first", "last", "b: b 2", "*: b 2", "parent: c.b 2"]);
}

#[test]
fn redirects_cannot_loop() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(redirect("a", "b"));
    bus.layer(redirect("b", "a"));
    let _handler = bus.connect("*", seen.events()).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("b", 2_u32);
    assert_eq!(seen.take(), ["a 1", "a 2"]);
}

#[test]
fn a_redirect_keeps_the_types_and_the_silence_of_topics() {
    let bus = Bus::new();
    bus.layer(redirect("a", "b"));
    let other = bus.connect("b", |_: &String| {}).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), bus.refusals()), (0, 1));
    drop(other);
    let _handler = bus.connect("b", |_: &u32| {}).unwrap();
    let mute = bus.mute("b").unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.muted()), (0, 1));
    drop(mute);
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
}

#[test]
fn a_redirect_meets_those_who_keep() {
    struct NotClone;
    let bus = Bus::new();
    bus.layer(redirect("a", "b"));
    let _keeper = bus.connect("b", |_: Arc<NotClone>| {}).unwrap();
    for _ in 0..3 {
        let delivery = bus.emit("a", NotClone);
        assert_eq!((delivery.called(), delivery.skipped()), (1, 0));
    }
}

#[test]
fn whatever_is_middleware_can_be_a_layer() {
    let seen = Recorder::new();
    let layer = |name: &'static str| seen.layer(name);
    let boxed: Box<dyn Middleware> = Box::new(layer("box"));
    let shared: Arc<dyn Middleware> = Arc::new(layer("shared"));
    let nested = Stack::new().with(layer("nested 1")).with(Stack::new().with(layer("nested 2")));
    let bus = Bus::new();
    bus.layer((layer("pair 1"), layer("pair 2")));
    bus.layer((layer("1"), layer("2"), layer("3"), layer("4"), layer("5"), layer("6"), layer("7"), layer("8")));
    bus.layer(Some(layer("some")));
    bus.layer(None::<Filter<fn(&Event<'_>) -> bool>>);
    bus.layer(Arc::new(layer("arc")));
    bus.layer(shared);
    bus.layer(boxed);
    bus.layer(nested);
    bus.layer(Scoped::new("a.*", layer("scoped")).unwrap());
    bus.layer(Scoped::new("b", layer("elsewhere")).unwrap());
    let _handler = bus.connect("**", seen.events()).unwrap();
    for _ in 0..3 {
        bus.emit("a.b", 1_u32);
        let expected = [
            "pair 1", "pair 2", "1", "2", "3", "4", "5", "6", "7", "8", "some", "arc", "shared", "box", "nested 1",
            "nested 2", "scoped", "a.b 1",
        ];
        assert_eq!(seen.take(), expected);
    }
}

#[test]
fn a_scoped_layer_sees_the_topic_the_event_has_by_then() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(Scoped::new("a", seen.layer("on a")).unwrap());
    bus.layer(redirect("a", "b"));
    bus.layer(Scoped::new("a", seen.layer("still on a")).unwrap());
    bus.layer(Scoped::new("b", seen.layer("on b")).unwrap());
    let _handler = bus.connect("b", seen.events()).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["on a", "on b", "b 1"]);
}

#[test]
fn a_swapped_stack_is_whole_and_comes_back() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let signal: Signal<u32> = bus.signal("a").unwrap();
    let _handler = bus.connect("a", seen.events()).unwrap();
    let (first, second) =
        (Stack::new().with(seen.layer("1")).with(seen.layer("1")), Stack::new().with(seen.layer("2")));
    assert!(bus.set_stack(first).is_empty());
    signal.emit(1);
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["1", "1", "a 1", "1", "1", "a 2"]);
    let old = bus.set_stack(second);
    signal.emit(3);
    bus.emit("a", 4_u32);
    assert_eq!(seen.take(), ["2", "a 3", "2", "a 4"]);
    bus.set_stack(old);
    signal.emit(5);
    assert_eq!(seen.take(), ["1", "1", "a 5"]);
    bus.set_stack(Stack::new());
    signal.emit(6);
    assert_eq!(seen.take(), ["a 6"]);
}

#[test]
fn a_stack_swapped_inside_a_handler_or_layer_is_for_the_next_emit() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let weak = bus.downgrade();
    let list = seen.clone();
    let swap = move |event: &Event<'_>, next: Next<'_>| {
        weak.upgrade().unwrap().set_stack(Stack::new().with(list.layer("new")));
        next.run(event);
    };
    bus.set_stack(Stack::new().with(swap).with(seen.layer("old")));
    let _handler = bus.connect("a", seen.events()).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["old", "a 1", "new", "a 2"]);
}

#[test]
fn every_level_has_its_own_stack() {
    let seen = Recorder::new();
    let root = Bus::new();
    let middle = root.child("m").unwrap();
    let leaf = middle.child("l").unwrap();
    for (bus, name) in [(&root, "root"), (&middle, "middle"), (&leaf, "leaf")] {
        bus.layer(seen.layer(format_args!("{name} layer")));
        bus.connect("**", seen.labelled(name)).unwrap().detach();
    }
    middle.layer(Filter::payload(|n: &u32| *n != 2));
    leaf.emit("a", 1_u32);
    let whole = ["leaf layer", "leaf: a 1", "middle layer", "middle: l.a 1", "root layer", "root: m.l.a 1"];
    assert_eq!(seen.take(), whole);
    assert_eq!(leaf.emit("a", 2_u32).filtered(), Some("filtered"));
    assert_eq!(seen.take(), ["leaf layer", "leaf: a 2", "middle layer"]);
}

#[test]
fn layers_see_events_that_nobody_handles() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(seen.layer("layer"));
    for n in 0..3 {
        bus.emit("a", n);
    }
    bus.signal::<u32>("a").unwrap().emit(1);
    assert_eq!(seen.take().len(), 4);
}

#[test]
fn a_swapped_out_stack_is_the_callers_alone() {
    let bus = Bus::new();
    let _handler = bus.connect("**", |_: &u32| {}).unwrap();
    let signal: Signal<u32> = bus.signal("signal").unwrap();
    let resource = Arc::new(());
    let held = resource.clone();
    bus.layer(move |event: &Event<'_>, next: Next<'_>| {
        let _ = &held;
        next.run(event);
    });
    signal.emit(1);
    for _ in 0..3 {
        bus.emit("by.name", 1_u32);
    }
    drop(bus.set_stack(Stack::new()));
    assert_eq!(Arc::strong_count(&resource), 1);
}

#[test]
fn a_redirect_meets_those_who_keep_and_were_connected_later() {
    let bus = Bus::new();
    let signal: Signal<u32> = bus.signal("a").unwrap();
    bus.layer(redirect("a", "b"));
    let _first = bus.connect("b", |_: &u32| {}).unwrap();
    signal.emit(1);
    let _keeper = bus.connect("b", |_: Arc<u32>| {}).unwrap();
    let delivery = signal.emit(2);
    assert_eq!((delivery.called(), delivery.skipped()), (2, 0));
}

#[test]
fn a_redirect_to_a_report_is_refused() {
    let bus = Bus::new();
    let seen = Recorder::new();
    let list = seen.clone();
    let forged = move |event: &Event<'_>| {
        if event.payload::<u32>().is_some() {
            list.note("forged");
        }
    };
    let _reports = bus.connect("$sys.dead", forged).unwrap();
    bus.layer(redirect("a", "$sys.dead"));
    for _ in 0..3 {
        bus.emit("a", 1_u32);
    }
    assert_eq!(bus.refusals(), 3);
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn a_layer_that_is_asked_and_changes_the_bus_each_time_ends() {
    struct Restless(sigtree::WeakBus);
    impl Middleware for Restless {
        fn handle(&self, event: &Event<'_>, next: Next<'_>) {
            next.run(event);
        }

        fn applies_to(&self, _: &sigtree::Topic) -> bool {
            drop(self.0.upgrade().unwrap().connect("**", |_: &u32| {}).unwrap());
            true
        }
    }
    let bus = Bus::new();
    bus.layer(Restless(bus.downgrade()));
    let _handler = bus.connect("a", |_: &u32| {}).unwrap();
    let signal: Signal<u32> = bus.signal("a").unwrap();
    assert_eq!(signal.emit(1).called(), 1);
    assert_eq!(bus.emit("a", 2_u32).called(), 1);
}

#[test]
fn the_reason_of_one_level_or_connection_is_not_the_others() {
    let reasons = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let list = reasons.clone();
    let parent = Bus::new();
    let _filtered = parent
        .connect("$sys.filtered", move |f: &sigtree::sys::Filtered| list.lock().push(f.reason.to_string()))
        .unwrap();
    let child = parent.child("c").unwrap();
    let closed = |reason: &'static str| Filter::new(|_: &Event<'_>| false).reason(reason);
    let _filtered_for_one = child.on("a").middleware(closed("not for this one")).connect(|_: &u32| {}).unwrap();
    let _other = child.connect("a", |_: &u32| {}).unwrap();
    let delivery = child.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.skipped(), delivery.filtered()), (1, 1, None));
    parent.layer(closed("theirs"));
    let delivery = child.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.filtered()), (1, Some("theirs")));
    assert_eq!(*reasons.lock(), ["theirs"]);
}

#[test]
fn a_setter_makes_a_piece_of_its_own() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let (dead, breaker) = (DeadLetter::new(), CircuitBreaker::consecutive(1));
    let (retry, timeout) = (Retry::times(1), Timeout::new(Duration::from_millis(5)));
    let (validate, counters) = (Validate::<u8>::new().rule("no", |_| false), Counters::new());
    let (route, latest) = (Route::to_topic("a", "b").unwrap(), Latest::new(Duration::from_secs(1)));
    bus.set_stack(
        Stack::new()
            .with(counters.clone())
            .with(latest.clone())
            .with(route.clone())
            .with(validate.clone())
            .with(timeout.clone())
            .with(dead.clone())
            .with(retry.clone())
            .with(breaker.clone()),
    );
    let broken = move |_: &u32| {
        clock.advance(Duration::from_millis(9));
        Err("broken")
    };
    let _broken = bus.connect("a", broken).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("c", 1_u8);
    assert!(!dead.is_empty() && !breaker.circuits().is_empty() && retry.stats().given_up > 0);
    assert!(timeout.stats().late > 0 && validate.stats().refused > 0 && route.stats().sent > 0);
    assert!(counters.snapshot().all.emitted > 0 && latest.stats().passed > 0);

    let (dead, breaker, retry) = (dead.count(9), breaker.room(9), retry.jitter());
    assert!(dead.is_empty() && breaker.circuits().is_empty() && retry.stats().given_up == 0);
    let (timeout, validate, route) = (timeout.leave_out(), validate.rule("never", |_| true), route.instead());
    assert!(timeout.stats().late == 0 && validate.stats().refused == 0 && route.stats().sent == 0);
    let (counters, latest) = (counters.room(9), latest.per_bus());
    assert!(counters.snapshot().all.emitted == 0 && latest.stats().passed == 0);
    // What the bus has is what it was.
    assert_eq!(bus.stack().len(), 8);
}
