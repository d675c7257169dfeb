//! A handler can stop the others of its bus, or keep the event from the buses above; neither does more than it says.

mod support;

use sigtree::{Bus, Event, Next};
use support::Recorder;

fn stop(event: &Event<'_>) {
    event.stop();
}

fn stop_typed(_: &u32, event: &Event<'_>) {
    event.stop();
}

#[test]
fn stop_ends_the_handlers_of_this_bus_only() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let _connections = [
        child.connect("a", seen.label("before")).unwrap(),
        child.connect("a", stop).unwrap(),
        child.connect("a", seen.label("same pattern")).unwrap(),
        child.connect("**", seen.label("other pattern")).unwrap(),
        parent.connect("**", seen.label("parent")).unwrap(),
        parent.connect("**", seen.label("parent too")).unwrap(),
    ];
    for _ in 0..3 {
        let delivery = child.emit("a", 1_u32);
        assert_eq!((delivery.called(), delivery.is_stopped()), (4, true));
        assert_eq!(seen.take(), ["before", "parent", "parent too"]);
    }
}

#[test]
fn stop_works_from_every_form_that_sees_the_event_and_in_any_place() {
    for place in [0, 1, 31, 32, 33, 63, 64, 70] {
        let seen = Recorder::new();
        let bus = Bus::new();
        let mut connections: Vec<_> = (0..place).map(|n| bus.connect("a", seen.label(n)).unwrap()).collect();
        connections.push(bus.connect("a", stop_typed).unwrap());
        connections.extend((0..70).map(|_| bus.connect("a", seen.label("late")).unwrap()));
        assert_eq!(bus.emit("a", 1_u32).called(), place + 1);
        assert_eq!(seen.take().len(), place);
    }
    let bus = Bus::new();
    let _guarded = bus.on("a").filter(|_| true).connect(stop).unwrap();
    let _once = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
}

#[test]
fn stop_works_among_many_patterns() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let mut connections: Vec<_> =
        (0..100).map(|n| bus.connect(["a", &format!("x{n}")], seen.label(n)).unwrap()).collect();
    connections.push(bus.on("a | y").priority(-1).connect(stop).unwrap());
    connections
        .extend((0..100).map(|n| bus.on(["a", &format!("z{n}")]).priority(-2).connect(seen.label("late")).unwrap()));
    assert_eq!(bus.emit("a", 1_u32).called(), 101);
    assert_eq!(seen.take().len(), 100);
}

#[test]
fn a_handler_that_stops_and_ends_with_it_does_both() {
    let bus = Bus::new();
    let once = bus.on("a").once().connect(stop).unwrap();
    let _last = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    assert!(!once.is_connected());
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    assert_eq!(bus.connections(), 1);
}

#[test]
fn a_handler_that_stops_and_fails_does_both() {
    let bus = Bus::new();
    let fail = |event: &Event<'_>| {
        event.stop();
        Err("broken")
    };
    let _first = bus.connect("a", fail).unwrap();
    let _last = bus.connect("a", |_: &u32| {}).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (1, 1));
}

#[test]
fn stop_bubbling_lets_this_bus_finish() {
    let seen = Recorder::new();
    let root = Bus::new();
    let middle = root.child("m").unwrap();
    let leaf = middle.child("l").unwrap();
    let _connections = [
        leaf.connect("**", seen.label("leaf")).unwrap(),
        middle.connect("**", |event: &Event<'_>| event.stop_bubbling()).unwrap(),
        middle.connect("**", seen.label("middle")).unwrap(),
        root.connect("**", seen.label("root")).unwrap(),
    ];
    for _ in 0..3 {
        let delivery = leaf.emit("a", 1_u32);
        assert!(delivery.is_stopped());
        assert_eq!(seen.take(), ["leaf", "middle"]);
    }
}

#[test]
fn a_layer_may_stop_too() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    child.layer(|event: &Event<'_>, next: Next<'_>| {
        event.stop_bubbling();
        next.run(event);
    });
    let _own = child.connect("a", seen.label("own")).unwrap();
    let _parents = parent.connect("**", seen.label("parent")).unwrap();
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["own"]);

    child.set_stack(sigtree::Stack::new().with(|event: &Event<'_>, next: Next<'_>| {
        event.stop();
        next.run(event);
    }));
    let _typed = child.connect("a", |_: &u32| {}).unwrap();
    let delivery = child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["parent"]);
    assert_eq!(delivery.called(), 1);
}

#[test]
fn a_stop_on_a_bridged_bus_stops_nothing_here() {
    let seen = Recorder::new();
    let (here, there) = (Bus::new(), Bus::new());
    let _bridge = here.bridge("**", &there).unwrap();
    let _connections = [
        here.connect("**", seen.label("here")).unwrap(),
        here.connect("**", seen.label("here too")).unwrap(),
        there.connect("a", stop).unwrap(),
        there.connect("a", seen.label("there")).unwrap(),
    ];
    for _ in 0..3 {
        here.emit("a", 1_u32);
        assert_eq!(seen.take(), ["here", "here too"]);
    }
}

#[test]
fn the_next_event_is_not_stopped() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _first = bus
        .connect("a", |n: &u32, event: &Event<'_>| {
            if *n == 1 {
                event.stop();
            }
        })
        .unwrap();
    let _second = bus.connect("a", seen.events()).unwrap();
    for n in 0..3_u32 {
        bus.emit("a", n);
    }
    assert_eq!(seen.take(), ["a 0", "a 2"]);
}

#[test]
fn a_layer_around_a_handler_may_stop_the_others() {
    let bus = Bus::new();
    let goes_on = |event: &Event<'_>, next: Next<'_>| {
        event.stop();
        next.run(event);
    };
    let does_not = |event: &Event<'_>, _: Next<'_>| event.stop();
    let handler = |_: &u32| {};
    let counts = |first: sigtree::Connection| {
        let _last = bus.connect("a", handler).unwrap();
        let delivery = bus.emit("a", 1_u32);
        drop(first);
        (delivery.called(), delivery.skipped(), delivery.is_stopped())
    };
    assert_eq!(counts(bus.on("a").middleware(goes_on).connect(handler).unwrap()), (1, 0, true));
    assert_eq!(counts(bus.on("a").middleware(does_not).connect(handler).unwrap()), (0, 1, true));
    assert_eq!(counts(bus.on("a").once().middleware(goes_on).connect(handler).unwrap()), (1, 0, true));
    assert_eq!(counts(bus.on("a").until(|_| true).middleware(goes_on).connect(handler).unwrap()), (1, 0, true));
}
