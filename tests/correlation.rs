//! `Correlation` ties events to those that led to them, wherever and whenever these are handled.

mod support;

use sigtree::middleware::EventTree;
use sigtree::{Bus, Correlation, Event, EventId, History, Policy, SequentialIds, Stack, WeakBus};
use support::hold::Hold;
use support::{Recorder, boom, quietly};

/// A bus whose events are numbered from 1 and tied together.
fn tied() -> Bus {
    let bus = Bus::builder().ids(SequentialIds::default()).build();
    bus.layer(Correlation::new());
    bus
}

/// A handler that writes down `topic: id of correlation<causation`.
fn ties(list: &Recorder) -> impl Fn(&Event<'_>) + Clone + Send + Sync + 'static {
    let list = list.clone();
    move |event: &Event<'_>| {
        let correlation = event.correlation().unwrap_or("none").trim_start_matches('0');
        let causation = event.causation().map_or(0, EventId::to_bits);
        list.note(format_args!("{}: {} of {correlation}<{causation}", event.topic(), event.id().to_bits()));
    }
}

/// A handler that emits on a topic.
fn emits(bus: &Bus, topic: &'static str) -> impl Fn(&u32) + Send + Sync + 'static {
    let bus: WeakBus = bus.downgrade();
    move |n: &u32| drop(bus.upgrade().map(|bus| bus.emit(topic, *n)))
}

#[test]
fn a_tree_of_events_is_tied_together_and_the_next_one_by_itself() {
    let (bus, seen) = (tied(), Recorder::new());
    let _seen = bus.on("**").priority(1).connect(ties(&seen)).unwrap();
    let _handlers = [
        bus.connect("a", emits(&bus, "b")).unwrap(),
        bus.connect("a", emits(&bus, "c")).unwrap(),
        bus.connect("b", emits(&bus, "d")).unwrap(),
    ];
    bus.emit("a", 1_u32);
    bus.emit("d", 1_u32);
    bus.event("d").correlation("mine").causation(EventId::from_bits(99)).emit(1_u32);
    assert_eq!(
        seen.take(),
        ["a: 1 of 1<0", "b: 2 of 1<1", "d: 3 of 1<2", "c: 4 of 1<1", "d: 5 of 5<0", "d: 6 of mine<99"]
    );
}

#[test]
fn a_panic_in_a_handler_leaves_nothing_behind() {
    let (bus, seen) = (tied(), Recorder::new());
    let _bad = bus.on("a").policy(Policy::Propagate).connect(|_: &u32| boom("expected")).unwrap();
    let _seen = bus.connect("b", ties(&seen)).unwrap();
    quietly(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bus.emit("a", 1_u32)))).unwrap_err();
    assert!(Correlation::trail().is_none());
    bus.emit("b", 1_u32);
    assert_eq!(seen.take(), ["b: 2 of 2<0"]);
}

#[test]
fn the_same_event_on_several_buses_is_tied_once_and_equal_ids_are_not_confused() {
    let (parent, seen) = (tied(), Recorder::new());
    let child = parent.child("c").unwrap();
    child.layer(Correlation::new());
    let _seen = parent.connect("**", ties(&seen)).unwrap();
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["c.a: 1 of 1<0"]);

    let (first, second) = (tied(), tied());
    let _emits = first.connect("a", emits(&second, "b")).unwrap();
    let _seen = second.connect("b", ties(&seen)).unwrap();
    first.emit("a", 1_u32);
    assert_eq!(seen.take(), ["b: 1 of 1<1"]);
}

#[test]
fn what_is_emitted_later_and_by_another_thread_follows() {
    let (bus, seen) = (tied(), Recorder::new());
    let _seen = bus.connect(["later", "there"], ties(&seen)).unwrap();
    let weak = bus.downgrade();
    let _later = bus
        .connect("a", move |n: &u32| {
            let bus = weak.upgrade().unwrap();
            bus.emit_later("later", *n);
            let trail = Correlation::trail().unwrap();
            let (n, there) = (*n, bus.clone());
            std::thread::spawn(move || trail.follow(|| drop(there.emit("there", n)))).join().unwrap();
        })
        .unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["there: 2 of 1<1", "later: 3 of 1<1"]);
}

#[test]
fn an_event_that_was_held_is_tied_as_it_was_and_its_handlers_emits_to_it() {
    for inside in [false, true] {
        let (bus, seen) = (tied(), Recorder::new());
        let held = Hold::new();
        let on = bus.on("a");
        let on = if inside { on.middleware(held.clone()) } else { on };
        if !inside {
            bus.edit_stack(|stack| Ok::<_, ()>(stack.clone().with(sigtree::Scoped::new("a", held.clone()).unwrap())))
                .unwrap();
        }
        let _emits = on.connect(emits(&bus, "b")).unwrap();
        let _seen = bus.connect(["a", "b"], ties(&seen)).unwrap();
        let flush = bus.downgrade();
        let _flushes = bus.connect("flush", move |_: &u32| flush.upgrade().unwrap().flush()).unwrap();
        bus.emit("a", 1_u32);
        let seen_at_once = if inside { vec!["a: 1 of 1<0"] } else { vec![] };
        assert_eq!(seen.take(), seen_at_once);
        // What is handled while it goes on has the id 2; it is tied to that no more than before.
        bus.emit("flush", 1_u32);
        let seen_then = if inside { vec!["b: 3 of 1<1"] } else { vec!["b: 3 of 1<1", "a: 1 of 1<0"] };
        assert_eq!(seen.take(), seen_then);
    }
}

#[test]
fn a_replay_gives_the_same_tree_of_events_as_the_first_time() {
    let seen = Recorder::new();
    let trees = [(); 2].map(|()| {
        let (bus, history) = (tied(), History::new());
        bus.layer(history.clone());
        bus.connect("a", emits(&bus, "b")).unwrap().detach();
        bus.connect("b", emits(&bus, "c")).unwrap().detach();
        bus.connect("**", ties(&seen)).unwrap().detach();
        bus.emit("a", 1_u32);
        (history, seen.take())
    });
    assert_eq!(trees[0].1, trees[1].1);

    // Roots alone, into a bus whose handlers emit: each of them has an id of its own, so the tree is the same.
    let (again, told) = (tied(), History::builder().replays(true).build());
    again.layer(told.clone());
    again.connect("a", emits(&again, "b")).unwrap().detach();
    again.connect("b", emits(&again, "c")).unwrap().detach();
    assert_eq!(trees[0].0.replay().roots().run(&again).replayed, 1);
    let tree = |history: &History| EventTree::of(history.entries(), |_| String::new());
    assert_eq!(tree(&told).to_string(), "a \n  b \n    c \n");
    tree(&trees[0].0).compare(&tree(&told)).unwrap();

    // From inside a handler of another bus, which the replayed events are not tied to.
    let (again, other) = (tied(), tied());
    again.connect("**", ties(&seen)).unwrap().detach();
    let (history, target) = (trees[0].0.clone(), again.clone());
    let _start = other.connect("start", move |_: &u32| assert_eq!(history.replay().run(&target).refused, 0)).unwrap();
    other.emit("start", 1_u32);
    assert_eq!(seen.take(), ["a: 1 of 1<0", "b: 2 of 1<1", "c: 3 of 1<2"]);
}

#[test]
fn reports_of_the_bus_are_tied_to_nothing() {
    let (bus, seen) = (tied(), Recorder::new());
    let report = ["$sys.handler.failed", "a"];
    let _all = bus.on(report).middleware(Correlation::new()).connect(ties(&seen)).unwrap();
    let _failing = bus.connect("a", |_: &u32| Err("expected")).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["$sys.handler.failed: 2 of none<0", "a: 1 of 1<0"]);
}

#[test]
fn late_connections_follow_the_trail_of_what_they_are_given() {
    let (bus, seen, history) = (tied(), Recorder::new(), History::new());
    bus.layer(history.clone());
    let _seen = bus.connect("b", ties(&seen)).unwrap();
    bus.emit("a", 1_u32);
    let _late = bus.on("a").replay_last(&history, 1).connect(emits(&bus, "b")).unwrap();
    assert_eq!(seen.take(), ["b: 2 of 1<1"]);
    bus.set_stack(Stack::new());
    bus.emit("b", 1_u32);
    assert_eq!(seen.take(), ["b: 3 of none<0"]);
}
