//! An assertion that misses an event says which layer ended or holds it, and why.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sigtree::middleware::{Batch, Debounce, Deduplicate, Fault, Held, Mark, Standing};
use sigtree::testing::{Recorder, TestBus};
use sigtree::{Bus, Event, Filter, Middleware, Next, Scoped, Stack, Topic, expect};

use crate::{SECOND, failure, flight};

/// What a message says of layers, without call sites, whose lines move.
fn layers(message: &str) -> Vec<String> {
    let mut lines = message.lines().skip_while(|line| *line != "layers did not let on:");
    lines.next();
    lines.map(|line| without_site(line.trim())).collect()
}

fn without_site(line: &str) -> String {
    match line.split_once(" (tests/testing/layers.rs:") {
        Some((before, behind)) => format!("{before}{}", behind.split_once(')').unwrap().1),
        None => line.into(),
    }
}

#[test]
fn the_layer_that_ended_it_is_named_with_its_reason() {
    let bus = TestBus::new();
    bus.edit_stack(|stack| {
        let low = Filter::payload(|metres: &u32| *metres < 1_000).reason("too high");
        Ok::<_, ()>(stack.clone().with(Filter::new(|_: &Event<'_>| true)).with_named("ceiling", low))
    })
    .unwrap();
    let seen = bus.record("**");
    bus.emit("climb", 2_000_u32);
    bus.emit("climb", 3_000_u32);
    bus.emit("dive", 2_000_u32);
    let message = failure(|| drop(seen.emitted("climb")));
    assert!(
        message.starts_with("`climb` never came\nnothing was seen on `**`\nlayers did not let on:\n  ceiling: "),
        "{message}"
    );
    let ceiling = "ceiling: filter, else `too high` ended `climb` twice: too high";
    assert_eq!(layers(&message), [ceiling]);
    assert!(message.contains(" (tests/testing/layers.rs:"), "{message}");
}

/// A bus whose layer ended the second `climb` of a flight.
fn low_flight() -> (TestBus, Recorder) {
    let bus = TestBus::new();
    bus.layer(Filter::payload(|metres: &u32| *metres < 1_000).reason("too high"));
    let seen = bus.record("**");
    flight(&bus);
    (bus, seen)
}

#[test]
fn each_assertion_that_misses_an_event_says_so() {
    let (bus, seen) = low_flight();
    let missing: [&dyn Fn(); 10] = [
        &|| drop(seen.emitted("climb").times(2)),
        &|| drop(seen.emitted("climb").at_least(2)),
        &|| drop(seen.emitted("climb").with(&1_800_u32)),
        &|| drop(seen.emitted("climb").with_payloads([900_u32, 1_800])),
        &|| drop(seen.emitted("climb").that("is high", |seen| seen.payload() > Some(&1_000_u32))),
        &|| drop(seen.emitted("climb").at([Duration::ZERO, SECOND])),
        &|| seen.in_order(["climb", "climb", "land"]),
        &|| seen.exactly(["take.off 7", "climb 900", "climb 1800", "land 7"]),
        &|| drop(seen.clone().patience(Duration::ZERO).wait_for_times("climb", 2)),
        &|| expect!(bus, seen => { run { flight(&bus); } see "take.off"; see "climb"; see "climb"; }),
    ];
    for (i, missing) in missing.into_iter().enumerate() {
        let message = failure(missing);
        let often = if i == 9 { "twice" } else { "once" };
        assert_eq!(layers(&message), [format!("filter, else `too high` ended `climb` {often}: too high")], "{message}");
    }
    bus.emit("dive", 2_000_u32);
    let dive = ["filter, else `too high` ended `dive` once: too high"];
    assert_eq!(layers(&failure(|| drop(seen.eventually("dive", SECOND)))), dive);
    assert_eq!(layers(&failure(|| drop(seen.emitted("land").before("dive")))), dive);
    assert_eq!(layers(&failure(|| expect!(bus, seen => { emit "land", 7_u32; see "dive", 1_u32; }))), dive);
}

#[test]
fn one_that_came_too_often_does_not_stand_for_one_that_is_missing() {
    let bus = TestBus::new();
    bus.layer(Deduplicate::within(SECOND).by_payload(|n: &u32| *n));
    let seen = bus.record("*");
    bus.emit("a", 1_u32);
    bus.emit("a", 1_u32);
    bus.emit("b", 2_u32);
    bus.advance(SECOND);
    bus.emit("b", 2_u32);
    // As many lines as there were, and each of them came.
    let message = failure(|| seen.exactly(["a 1", "a 1", "b 2"]));
    assert_eq!(layers(&message), ["deduplicate within 1s ended `a` once: duplicate"], "{message}");
}

#[test]
fn assertions_that_miss_nothing_do_not() {
    let (bus, seen) = low_flight();
    bus.emit("climb", 1_u32);
    let enough: [&dyn Fn(); 8] = [
        &|| drop(seen.emitted("climb").once()),
        &|| drop(seen.emitted("climb").at_most(1)),
        &|| drop(seen.emitted("climb").before("take.off")),
        &|| seen.not_emitted("climb"),
        &|| seen.nothing_but("land"),
        &|| seen.nothing(),
        &|| seen.exactly(["take.off 7", "climb 900", "land 7"]),
        &|| drop(seen.emitted("crash")),
    ];
    for enough in enough {
        let message = failure(enough);
        assert_eq!(layers(&message), [""; 0], "{message}");
    }
}

#[test]
fn a_layer_that_holds_it_is_named_with_what_it_holds_now() {
    let bus = TestBus::new();
    bus.layer(Debounce::new(SECOND));
    let seen = bus.record("**");
    let debounce = "debounce until 1s of quiet, per topic";
    (1..=3_u32).for_each(|n| drop(bus.emit("range", n)));
    let now = "let time pass, or flush the bus";
    let said = || layers(&failure(|| drop(seen.emitted("range").times(3))));
    let never = || layers(&failure(|| drop(seen.emitted("range"))));
    assert_eq!(never(), [format!("{debounce} held `range` 3 times, and holds 1 event now: {now}")]);
    bus.emit("speed", 1_u32);
    assert_eq!(never(), [format!("{debounce} held `range` 3 times, and holds 2 events now: {now}")]);

    // The last of the burst went on; the others never will.
    bus.advance(SECOND);
    assert_eq!(said(), [format!("{debounce} held `range` twice, and holds nothing now")]);
    bus.set_stack(Stack::new());
    assert_eq!(said(), [format!("{debounce} held `range` twice, and is gone")]);
}

#[test]
fn what_was_held_and_went_on_is_not_missing() {
    let bus = TestBus::new();
    bus.set_stack(
        Stack::new()
            .with(Batch::new(3, SECOND))
            .with((Deduplicate::within(SECOND).by_payload(|n: &u32| *n), Fault::seeded(1))),
    );
    let seen = bus.record("n");
    for n in [1, 2, 1_u32] {
        bus.emit("n", n);
    }
    seen.exactly(["n 1", "n 2"]);
    let message = failure(|| drop(seen.emitted("n").times(3)));
    assert_eq!(layers(&message), ["deduplicate within 1s, fault with seed 1 ended `n` once: duplicate"]);
    bus.emit("n", 4_u32);
    bus.flush();
    assert_eq!(layers(&failure(|| drop(seen.emitted("n").times(4)))).len(), 1);
}

#[test]
fn what_went_on_when_its_layer_left_is_not_missing() {
    let bus = TestBus::new();
    bus.layer(Debounce::new(SECOND));
    let seen = bus.record("**");
    bus.emit("a", 1_u32);
    bus.set_stack(Stack::new());
    seen.exactly(["a 1"]);
    assert_eq!(layers(&failure(|| drop(seen.emitted("a").times(2)))), [""; 0]);
}

#[test]
fn what_went_on_from_within_a_tuple_is_not_missing() {
    let bus = TestBus::new();
    let to_b = |event: &Event<'_>, next: Next<'_>| next.redirect(event, &Topic::new("b").unwrap());
    bus.layer((to_b, Debounce::new(SECOND)));
    let seen = bus.record("**");
    bus.emit("a", 1_u32);
    let message = failure(|| drop(seen.emitted("a")));
    assert!(layers(&message)[0].contains("held `a` once, and holds 1 event now"), "{message}");
    bus.advance(SECOND);
    seen.exactly(["b 1"]);
    assert_eq!(layers(&failure(|| drop(seen.emitted("*").times(2)))), [""; 0]);
}

#[test]
fn a_layer_that_ended_one_of_two_copies_did_not_hold_the_other() {
    let bus = TestBus::new();
    let copies = AtomicU32::new(0);
    let first = Filter::new(move |_: &Event<'_>| copies.fetch_add(1, Ordering::Relaxed) == 0).reason("second");
    bus.set_stack(Stack::new().with(Fault::seeded(1).duplicate(1.0)).with(first).with(Debounce::new(SECOND)));
    let seen = bus.record("**");
    bus.emit("a", 1_u32);
    assert_eq!(
        layers(&failure(|| drop(seen.emitted("a")))),
        [
            "debounce until 1s of quiet, per topic held `a` once, and holds 1 event now: let time pass, or flush the bus",
            "filter, else `second` ended `a` once: second"
        ]
    );
}

#[test]
fn what_goes_on_later_goes_on_once() {
    let bus = TestBus::with(Bus::builder().depth_limit(1));
    bus.layer(Scoped::new("a", Debounce::new(SECOND)).unwrap());
    let weak = bus.downgrade();
    // Too deep for it: it goes on when the emit of `flush` has ended.
    let _flush = bus.connect("flush", move |(): &()| weak.upgrade().unwrap().flush()).unwrap();
    let seen = bus.record("*");
    bus.emit("a", 1_u32);
    bus.emit("a", 2_u32);
    bus.emit("flush", ());
    seen.exactly(["flush ()", "a 2"]);
    let line = "on `a`: debounce until 1s of quiet, per topic held `a` once, and holds nothing now";
    assert_eq!(layers(&failure(|| drop(seen.emitted("a").times(2)))), [line]);
}

#[test]
fn what_was_let_go_and_refused_did_not_go_on() {
    let bus = TestBus::new();
    bus.layer(Debounce::new(SECOND));
    let seen = bus.record("*");
    bus.emit("a", 1_u32);
    let _of_text = bus.signal::<String>("a").unwrap();
    bus.advance(SECOND);
    assert_eq!(bus.take_refusals().len(), 1);
    let line = "debounce until 1s of quiet, per topic held `a` once, and holds nothing now";
    assert_eq!(layers(&failure(|| drop(seen.emitted("a")))), [line]);
}

/// Holds each `a`, and counts how often it is asked what it is.
#[derive(Clone)]
struct Gate(Mark, Arc<Mutex<Vec<Held>>>, Arc<AtomicU32>);

impl Gate {
    fn new() -> Self {
        Self(Mark::new(), Arc::default(), Arc::default())
    }
}

impl Middleware for Gate {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match (*event.topic() == *"a").then(|| next.hold(event, self.0)).flatten() {
            Some(held) => self.1.lock().unwrap().push(held),
            None => next.run(event),
        }
    }

    fn retains(&self) -> bool {
        true
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.0
    }

    fn standing(&self, _now: Duration) -> Standing {
        Standing::holding(self.1.lock().unwrap().len() as u64)
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("gate, asked {} before", self.2.fetch_add(1, Ordering::Relaxed)).into()
    }
}

#[test]
fn a_layer_is_known_whatever_it_says_of_itself() {
    let bus = TestBus::new();
    let gate = Gate::new();
    bus.layer(gate.clone());
    let seen = bus.record("*");
    bus.emit("a", 1_u32);
    bus.emit("a", 1_u32);
    let [line] = &layers(&failure(|| drop(seen.emitted("a"))))[..] else { panic!("one line") };
    assert!(line.starts_with("gate, asked "), "{line}");
    assert!(
        line.ends_with(" before held `a` twice, and holds 2 events now: let time pass, or flush the bus"),
        "{line}"
    );
    gate.1.lock().unwrap().clear();
}

#[test]
fn what_a_layer_could_not_hold_was_not_held() {
    let bus = TestBus::new();
    let own = bus.child_builder("own").isolated().build().unwrap();
    let mark = Mark::new();
    // It does not say that it keeps payloads, and nobody else on its bus does.
    own.layer(move |event: &Event<'_>, next: Next<'_>| match next.hold(event, mark) {
        Some(_) => unreachable!("it is on the emitter's stack"),
        None => next.run(event),
    });
    let seen = bus.record("a");
    own.emit("a", 1_u32);
    assert_eq!(layers(&failure(|| drop(seen.emitted("a")))), [""; 0]);
}

#[test]
fn a_layer_that_keeps_nothing_back_is_not_asked_what_it_is() {
    let bus = TestBus::new();
    let gate = Gate::new();
    bus.layer(gate.clone());
    let seen = bus.record("*");
    bus.emit("b", 1_u32);
    seen.exactly(["b 1"]);
    assert_eq!(gate.2.load(Ordering::Relaxed), 0);
}

#[test]
fn a_layer_that_left_is_named_but_not_kept() {
    let bus = TestBus::new();
    let alive = Arc::new(());
    let inside = alive.clone();
    bus.layer(move |_: &Event<'_>, _: Next<'_>| drop(inside.clone()));
    let seen = bus.record("*");
    bus.emit("b", 1_u32);
    bus.set_stack(Stack::new());
    assert_eq!(Arc::strong_count(&alive), 1);
    let line = ["closure ended `b` once, and gave no reason"];
    assert_eq!(layers(&failure(|| drop(seen.emitted("b")))), line);
    // Nor does it matter whether the bus is there.
    drop(bus);
    assert_eq!(layers(&failure(|| drop(seen.emitted("b")))), line);
}

#[test]
fn a_layer_that_gave_no_reason_is_named_all_the_same() {
    let bus = TestBus::new();
    bus.layer(|event: &Event<'_>, next: Next<'_>| {
        if *event.topic() != *"a" {
            next.run(event);
        }
    });
    bus.layer(Scoped::new("b", Stack::new().with_named("inner", Filter::new(|_: &Event<'_>| false))).unwrap());
    let seen = bus.record("*");
    ["a", "b", "c"].iter().for_each(|topic| drop(bus.emit(topic, 1_u32)));
    let message = failure(|| drop(seen.emitted("*").times(3)));
    assert_eq!(
        layers(&message),
        [
            "closure ended `a` once, and gave no reason",
            "on `b`: stack of filter, else `filtered` ended `b` once: filtered"
        ]
    );
}

#[test]
fn layers_of_children_are_named_with_their_bus() {
    let bus = TestBus::new();
    let never = || Stack::new().with(Filter::new(|_: &Event<'_>| false).reason("never"));
    let radar = bus.child("radar").unwrap();
    let unit = radar.child_builder("unit").settings(Bus::builder().stack(never())).build().unwrap();
    let own = bus.child_builder("own").isolated().build().unwrap();
    own.set_stack(never());
    let (seen, seen_own) = (bus.record("radar.** | own.**"), bus.record("x").listen(&own, "track.*"));
    unit.emit("track.new", 1_u32);
    own.emit("track.new", 1_u32);
    let message = failure(|| drop(seen.emitted("radar.*.track.*")));
    let line = "filter, else `never` ended `track.new` of bus `test.radar.unit` once: never";
    assert_eq!(layers(&message), [line]);
    // One that is isolated does not come to its parent anyway.
    assert_eq!(layers(&failure(|| drop(seen.emitted("own.**")))), [""; 0]);
    let message = failure(|| drop(seen_own.emitted("track.new")));
    assert_eq!(layers(&message), [line, "filter, else `never` ended `track.new` of bus `test.own` once: never"]);
}

#[test]
fn of_many_the_first_are_told_each_on_its_line() {
    let bus = TestBus::new();
    bus.edit_stack(|stack| {
        let reason = |event: &Event<'_>| (*event.topic() == *"ok").then_some(());
        let filter = Filter::new(move |event: &Event<'_>| reason(event).is_some()).reason("a\nb");
        Ok::<_, ()>(stack.clone().with_named("x\ny", filter))
    })
    .unwrap();
    let seen = bus.record("**");
    (0..2_000).for_each(|n| drop(bus.emit(format!("n.{n}"), 1_u32)));
    let said = layers(&failure(|| drop(seen.emitted("n.*"))));
    assert_eq!(said.len(), 12);
    assert_eq!(said[0], r"x\ny: filter, else `a\nb` ended `n.0` once: a\nb");
    assert_eq!(said[10..], ["... and 990 more such lines", NO_ROOM]);
}

const NO_ROOM: &str = "more was kept back on these or other topics, 1000 times: there was no room to note it";

#[test]
fn what_there_was_no_room_to_note_is_counted() {
    let bus = TestBus::new();
    bus.layer(Filter::new(|_: &Event<'_>| false));
    let seen = bus.record("**");
    (0..1_999).for_each(|n| drop(bus.emit(format!("n.{n}"), 1_u32)));
    bus.emit("important", 1_u32);
    assert_eq!(layers(&failure(|| drop(seen.emitted("important")))), [NO_ROOM]);
    // Where nothing is missing, it is of no interest.
    bus.set_stack(Stack::new());
    bus.emit("free", 1_u32);
    assert_eq!(layers(&failure(|| seen.nothing())), [""; 0]);
}

#[test]
fn what_went_on_gives_its_room_back() {
    let bus = TestBus::new();
    bus.layer(Debounce::new(SECOND));
    let seen = bus.record("**");
    for _ in 0..2 {
        (0..1_500).for_each(|n| drop(bus.emit(format!("n.{n}"), 1_u32)));
        bus.advance(SECOND);
    }
    assert_eq!(seen.len(), 3_000);
    assert_eq!(layers(&failure(|| drop(seen.emitted("other")))), [""; 0]);
    bus.emit("last", 1_u32);
    assert_eq!(layers(&failure(|| drop(seen.emitted("last")))).len(), 1);
}

#[test]
fn watched_layers_are_the_layers_they_were() {
    let bus = TestBus::new();
    let debounce = Debounce::new(SECOND);
    bus.set_stack(Stack::new().with((Debounce::new(SECOND), Filter::new(|_: &Event<'_>| true))).with(debounce.clone()));
    let seen = bus.record("**");
    let _redirected = bus.record("other");
    assert!(bus.emit("a", 1_u32).is_held());
    bus.advance(SECOND);
    assert_eq!((seen.len(), debounce.stats().held), (0, 1));
    // Taken out while it holds an event, it lets it go on.
    bus.set_stack(
        Stack::new().with(|event: &Event<'_>, next: Next<'_>| next.redirect(event, &Topic::new("other").unwrap())),
    );
    seen.exactly(["a 1"]);
    bus.emit("b", 2_u32);
    assert_eq!(bus.stack().to_string().lines().count(), 1);
    assert!(bus.stack().to_string().starts_with("1. closure (tests/testing/layers.rs:"));
}
