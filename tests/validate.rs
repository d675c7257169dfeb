//! What is not in order does not reach the handlers, and goes where it was said to go.

mod support;

use sigtree::middleware::{DeadLetter, Validate};
use sigtree::{Bus, Event, Filter, Scoped, Stack, Topic, sys};
use support::{Recorder, boom, quietly};

fn below_ten() -> Validate<u32> {
    Validate::new().rule("ten or more", |n| *n < 10)
}

#[test]
fn it_ends_what_is_refused_with_the_reason() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = seen.clone();
    let _reports = bus.connect("$sys.filtered", move |filtered: &sys::Filtered| list.note(&filtered.reason)).unwrap();
    let layer = below_ten();
    bus.layer(Scoped::new("a", layer.clone()).unwrap());
    let _handlers = bus.connect("*", seen.numbers()).unwrap();
    assert_eq!(bus.emit("a", 10_u32).filtered(), Some("ten or more"));
    bus.emit("b", 10_u32);
    bus.emit("a", 9_u32);
    assert_eq!(seen.take(), ["ten or more", "b 10", "a 9"]);
    assert_eq!(layer.stats().refused, 1);
}

#[test]
fn it_sends_what_is_refused_to_another_topic_through_the_remaining_layers() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let layer = below_ten().to_topic(Topic::new("refused").unwrap());
    bus.set_stack(Stack::new().with(seen.layer("before")).with(layer).with(seen.layer("behind")));
    let _original = bus.connect("a", seen.events()).unwrap();
    let list = seen.clone();
    let _refused = bus
        .connect("refused", move |n: &u32, event: &Event<'_>| {
            list.note(format_args!("{n} refused: {}", event.meta("refused").unwrap_or("?")));
        })
        .unwrap();
    let delivery = bus.emit("a", 10_u32);
    assert_eq!((delivery.called(), delivery.filtered()), (1, None));
    assert_eq!(seen.take(), ["before", "behind", "10 refused: ten or more"]);
}

#[test]
fn a_topic_of_another_type_is_refused_and_reported() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = seen.clone();
    let _reports = bus.connect("$sys.refused", move |refused: &sys::Refused| list.note(&refused.error)).unwrap();
    let _texts = bus.connect("refused", |_: &String| {}).unwrap();
    let _numbers = bus.connect("a", |_: &u32| {}).unwrap();
    bus.layer(below_ten().to_topic(Topic::new("refused").unwrap()));
    assert_eq!(bus.emit("a", 10_u32).called(), 0);
    assert_eq!(seen.take().len(), 1);
}

#[test]
fn dead_letters_hold_what_was_refused_until_the_rule_is_changed() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let letters = DeadLetter::new();
    bus.set_stack(Stack::new().with_named("order", below_ten().to_dead_letters(&letters)));
    let _handler = bus.connect("a", seen.events()).unwrap();
    assert_eq!(bus.emit("a", 10_u32).filtered(), Some("ten or more"));
    assert_eq!(letters.letters()[0].to_string(), "1. `a`, refused: ten or more");
    bus.set_stack(Stack::new());
    letters.replay().run(&bus);
    assert_eq!(seen.take(), ["a 10*"]);
}

#[test]
fn around_a_connection_it_is_about_that_handler() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let layer = below_ten().to_topic(Topic::new("refused").unwrap());
    let _strict = bus.on("a").middleware(layer).connect(seen.labelled("strict")).unwrap();
    let _other = bus.connect("*", seen.labelled("other")).unwrap();
    bus.emit("a", 10_u32);
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["other: a 10", "strict: a 1", "other: a 1"]);
}

#[test]
fn of_two_layers_the_first_one_decides_where_it_goes() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let layer = below_ten().to_topic(Topic::new("refused").unwrap());
    let filter = || Filter::payload(|n: &u32| *n < 10).reason("filtered");
    let _refused = bus.connect("refused", seen.numbers()).unwrap();
    // The redirected event meets the remaining layers too.
    bus.set_stack(Stack::new().with(layer.clone()).with(filter()));
    assert_eq!(bus.emit("a", 10_u32).filtered(), Some("filtered"));
    bus.set_stack(Stack::new().with(filter()).with(layer.clone()));
    assert_eq!(bus.emit("a", 10_u32).filtered(), Some("filtered"));
    bus.set_stack(Stack::new().with(layer.clone()));
    assert_eq!(bus.emit("a", 10_u32).filtered(), None);
    assert_eq!((seen.take(), layer.stats().refused), (vec!["refused 10".to_owned()], 2));
}

#[test]
fn what_is_refused_goes_to_another_bus_or_to_a_closure() {
    let (seen, other) = (Recorder::new(), Bus::new());
    let bus = Bus::new();
    let list = seen.clone();
    let _there = other.connect("a", move |event: &Event<'_>| list.note(event.meta("refused").unwrap_or("-"))).unwrap();
    let _here = bus.connect("a", |_: &u32| {}).unwrap();

    let there = below_ten().to_bus(other.downgrade());
    bus.set_stack(Stack::new().with(there.clone()));
    let reason = bus.emit("a", 10_u32).filtered().map(str::to_owned);
    assert_eq!((seen.take(), there.stats().refused), (vec![reason.clone().unwrap()], 1));
    drop(other);
    assert_eq!(bus.emit("a", 10_u32).filtered(), reason.as_deref(), "also when that bus is gone");

    let list = seen.clone();
    bus.set_stack(
        Stack::new().with(below_ten().to(move |event, reason| list.note(format_args!("{}: {reason}", event.topic())))),
    );
    assert_eq!(bus.emit("a", 10_u32).filtered(), reason.as_deref());
    assert_eq!((bus.emit("a", 1_u32).called(), seen.take()), (1, vec![format!("a: {}", reason.unwrap())]));
}

#[test]
fn a_rule_that_panics_ends_the_event_as_a_failure_of_the_layer() {
    let bus = Bus::new();
    let layer = Validate::<u32>::new().rule("never", |n| {
        if *n >= 10 {
            boom("in the rule");
        }
        true
    });
    bus.layer(layer.clone());
    let _handler = bus.connect("a", |_: &u32| {}).unwrap();
    let delivery = quietly(|| bus.emit("a", 10_u32));
    assert_eq!(
        (delivery.called(), delivery.failures()[0].to_string()),
        (0, "layer on `a`: panicked: in the rule".into())
    );
    assert_eq!((bus.emit("a", 1_u32).called(), layer.stats().refused), (1, 0));
}
