//! A layer may take an event out of its chain and let it go on later: behind itself, as the event it was, and never lost.

mod support;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{Alarm, Held, Mark};
use sigtree::{Bus, Event, Filter, ManualClock, Middleware, Next, Scoped, Stack, Topic};
use support::Recorder;

/// Holds every event until it is flushed, and flushes when it is dropped.
#[derive(Clone)]
struct Hold(Arc<Held2>);

struct Held2 {
    mark: Mark,
    held: Mutex<Vec<Held>>,
}

impl Hold {
    fn new() -> Self {
        Self(Arc::new(Held2 { mark: Mark::new(), held: Mutex::default() }))
    }
}

impl Held2 {
    fn release(&self) {
        let held = std::mem::take(&mut *self.held.lock());
        held.into_iter().for_each(Held::release);
    }
}

impl Drop for Held2 {
    fn drop(&mut self) {
        self.release();
    }
}

impl Alarm for Held2 {
    fn ring(&self) {
        self.release();
    }
}

impl Middleware for Hold {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if event.resumes(self.0.mark) {
            return next.run(event);
        }
        match next.hold(event, self.0.mark) {
            Some(held) => {
                let clock = event.emission().host().clock();
                let inner: Arc<dyn Alarm> = self.0.clone();
                self.0.held.lock().push(held);
                clock.wake(clock.elapsed() + Duration::from_secs(5), Arc::downgrade(&inner));
            }
            None => next.run(event),
        }
    }

    fn retains(&self) -> bool {
        true
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.0.mark
    }

    fn flush(&self) {
        self.0.release();
    }
}

#[test]
fn an_event_goes_on_behind_the_layer_that_held_it_as_the_event_it_was() {
    let seen = Recorder::new();
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let list = seen.clone();
    let _handler = bus.connect("a", move |n: &u32, event: &Event<'_>| {
        list.note(format_args!(
            "{n} {} {:?} {:?}",
            event.id().to_bits() != 0,
            event.offset(),
            event.source().map(ToString::to_string)
        ));
    });
    let ids = Arc::new(Mutex::new(Vec::new()));
    let note_id = |list: &Arc<Mutex<Vec<u128>>>| {
        let list = list.clone();
        move |event: &Event<'_>, next: Next<'_>| {
            list.lock().push(event.id().to_bits());
            next.run(event);
        }
    };
    bus.set_stack(
        Stack::new()
            .with(seen.layer("before"))
            .with(note_id(&ids))
            .with(Hold::new())
            .with(note_id(&ids))
            .with(seen.layer("behind")),
    );
    let delivery = bus.event("a").source("me").emit(7_u32);
    assert!(delivery.is_held());
    assert_eq!((delivery.called(), delivery.filtered(), delivery.is_stopped()), (0, None, false));
    assert_eq!(seen.take(), ["before"]);
    clock.advance(Duration::from_secs(4));
    assert_eq!(seen.take(), [""; 0]);
    clock.advance(Duration::from_secs(2));
    assert_eq!(seen.take(), ["behind", "7 true 0ns Some(\"me\")"]);
    let ids = ids.lock();
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn it_finds_its_way_wherever_the_layer_stands() {
    let topic = "a";
    let plain = |_: &Event<'_>| true;
    let stacks: [(&str, Stack); 6] = [
        ("first", Stack::new().with(Hold::new()).with(Filter::new(plain))),
        ("in a tuple", Stack::new().with((Filter::new(plain), Hold::new(), Filter::new(plain)))),
        ("first of a tuple", Stack::new().with((Hold::new(), Filter::new(plain)))),
        (
            "in a tuple of tuples",
            Stack::new().with(((Filter::new(plain), (Filter::new(plain), Hold::new())), Filter::new(plain))),
        ),
        ("in a stack", Stack::new().with(Filter::new(plain)).with(Stack::new().with(Some(Arc::new(Hold::new()))))),
        ("scoped", Stack::new().with(Scoped::new("a", Hold::new()).unwrap())),
    ];
    for (what, stack) in stacks {
        let seen = Recorder::new();
        let bus = Bus::new();
        let _handler = bus.connect("**", seen.events()).unwrap();
        let stack = Stack::new().with(seen.layer("before")).and(&stack).with(seen.layer("behind"));
        bus.set_stack(stack);
        assert!(bus.emit(topic, 1_u32).is_held(), "{what}");
        assert_eq!(seen.take(), ["before"], "{what}");
        bus.flush();
        assert_eq!(seen.take(), ["behind", "a 1"], "{what}");
    }
}

#[test]
fn it_finds_its_way_to_a_layer_of_topics_that_it_left_within() {
    let to = Topic::new("b").unwrap();
    let redirect = move |event: &Event<'_>, next: Next<'_>| next.redirect(event, &to);
    let seen = Recorder::new();
    let inner = seen.layer("inner");
    let stacks: [(&str, Stack); 3] = [
        ("a tuple", Stack::new().with(Scoped::new("a", (redirect.clone(), Hold::new(), inner.clone())).unwrap())),
        (
            "a stack",
            Stack::new().with(
                Scoped::new("a", Stack::new().with(redirect.clone()).with(Hold::new()).with(inner.clone())).unwrap(),
            ),
        ),
        (
            "a scope in a tuple",
            Stack::new().with((
                Filter::new(|_: &Event<'_>| true),
                Scoped::new("a", (redirect.clone(), Hold::new(), inner)).unwrap(),
            )),
        ),
    ];
    for (what, stack) in stacks {
        let bus = Bus::new();
        let _handler = bus.connect("**", seen.events()).unwrap();
        bus.set_stack(stack.with(seen.layer("behind")));
        assert!(bus.emit("a", 1_u32).is_held(), "{what}");
        bus.flush();
        assert_eq!(seen.take(), ["inner", "behind", "b 1"], "{what}");
    }
}

#[test]
fn two_layers_may_hold_it_one_after_the_other() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _handler = bus.connect("a", seen.events()).unwrap();
    let (first, second) = (Hold::new(), Hold::new());
    bus.set_stack(Stack::new().with(first.clone()).with(seen.layer("between")).with(second.clone()));
    bus.emit("a", 1_u32);
    first.flush();
    assert_eq!(seen.take(), ["between"]);
    second.flush();
    assert_eq!(seen.take(), ["a 1"]);
}

#[test]
fn nothing_is_lost_when_the_stack_is_swapped_or_the_bus_dropped() {
    let seen = Recorder::new();
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    bus.connect("a", seen.events()).unwrap().detach();
    bus.set_stack(Stack::new().with(Hold::new()).with(seen.layer("behind")));
    bus.emit("a", 1_u32);
    drop(bus.set_stack(Stack::new().with(seen.layer("new"))));
    // Its layer is gone, and the new ones are not behind it.
    assert_eq!(seen.take(), ["a 1"]);

    bus.set_stack(Stack::new().with(Hold::new()));
    bus.emit("a", 2_u32);
    let weak = bus.downgrade();
    drop(bus);
    assert!(weak.upgrade().is_some(), "what is held keeps the bus");
    clock.advance(Duration::from_secs(5));
    assert_eq!(seen.take(), ["a 2"]);
    assert!(weak.upgrade().is_none());
}

#[test]
fn on_a_connection_only_that_handler_waits() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let held = bus
        .on("a")
        .filter(|event| event.payload() != Some(&9_u32))
        .once()
        .middleware(Hold::new())
        .connect(seen.labelled("held"))
        .unwrap();
    let _other = bus.connect("a", seen.labelled("other")).unwrap();
    assert_eq!(bus.emit("a", 9_u32).called(), 1);
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.is_held()), (1, true));
    assert_eq!(seen.take(), ["other: a 9", "other: a 1"]);
    bus.flush();
    assert_eq!(seen.take(), ["held: a 1"]);
    assert!(!held.is_connected());

    let gone = bus.on("a").middleware(Hold::new()).connect(seen.labelled("gone")).unwrap();
    bus.emit("a", 2_u32);
    seen.take();
    drop(gone);
    bus.flush();
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn it_bubbles_when_it_goes_on_and_may_be_held_again_above() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let _own = child.connect("a", seen.labelled("own")).unwrap();
    let _above = parent.connect("**", seen.labelled("above")).unwrap();
    child.layer(Hold::new());
    parent.layer(Hold::new());
    child.emit("a", 1_u32);
    child.flush();
    assert_eq!(seen.take(), ["own: a 1"]);
    parent.flush();
    assert_eq!(seen.take(), ["above: c.a 1"]);
}

#[test]
fn a_redirected_event_stays_redirected_and_a_circle_stays_broken() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _original = bus.connect("a", seen.labelled("original")).unwrap();
    let _other = bus.connect("b", seen.labelled("redirected")).unwrap();
    let to = Topic::new("b").unwrap();
    let redirect = move |event: &Event<'_>, next: Next<'_>| next.redirect(event, &to);
    bus.set_stack(Stack::new().with(redirect).with(Hold::new()));
    bus.emit("a", 1_u32);
    bus.flush();
    assert_eq!(seen.take(), ["redirected: b 1"]);

    let (here, there) = (Bus::new(), Bus::new());
    let _to = here.bridge("**", &there).unwrap();
    let _back = there.bridge("**", &here).unwrap();
    let _seen = here.connect("a", seen.events()).unwrap();
    there.layer(Hold::new());
    here.emit("a", 1_u32);
    for _ in 0..3 {
        there.flush();
    }
    assert_eq!(seen.take(), ["a 1"]);
}
