//! `Route` sends an event to another topic or bus too: as the event it is, once, and never in a circle.

mod support;

use sigtree::middleware::{Arrival, Destination, Route};
use sigtree::{Bus, Event, Filter, History, Policy, SequentialIds, Stack, Topic, sys};
use support::Recorder;

#[test]
fn the_same_event_arrives_and_counts_in_the_delivery() {
    let seen = Recorder::new();
    let (bus, other) = (Bus::builder().ids(SequentialIds::default()).build(), Bus::new());
    let history = History::new();
    other.layer(history.clone());
    let route = Route::to_bus("a.*", other.downgrade()).unwrap().under("from").unwrap();
    bus.set_stack(Stack::new().with(Route::to_topic("a.*", "copy").unwrap()).with(route.clone()));
    let list = seen.clone();
    let note = move |event: &Event<'_>| {
        list.note(format_args!("{} {} {:?}", event.topic(), event.id().to_bits(), event.correlation()));
    };
    let _handlers = [
        bus.connect("**", note.clone()).unwrap(),
        bus.connect("copy", note.clone()).unwrap(),
        other.connect("**", note).unwrap(),
    ];
    let delivery = bus.event("a.b").correlation("c").emit(1_u32);
    assert_eq!(
        seen.take(),
        ["a.b 1 Some(\"c\")", "from.a.b 1 Some(\"c\")", "copy 1 Some(\"c\")", "copy 1 Some(\"c\")"]
    );
    assert_eq!(delivery.called(), 4);
    assert_eq!(history.entries()[0].payload(), Some(&1_u32));
    assert_eq!(bus.emit("b", 1_u32).called(), 1);
    assert_eq!((route.sent(), route.lost()), (1, 0));
}

#[test]
fn circles_of_buses_end_where_they_began() {
    let seen = Recorder::new();
    let buses: [Bus; 3] = std::array::from_fn(|n| Bus::builder().name(&format!("bus{n}")).build());
    for (n, bus) in buses.iter().enumerate() {
        let next = &buses[(n + 1) % 3];
        bus.layer(Route::to_bus("**", next.downgrade()).unwrap().under("x").unwrap());
        bus.connect("**", seen.labelled(bus.name())).unwrap().detach();
    }
    // And a bridge besides.
    let _bridge = buses[1].bridge("**", &buses[0]).unwrap();
    assert_eq!(buses[0].emit("a", 1_u32).called(), 3);
    assert_eq!(seen.take(), ["bus0: a 1", "bus1: x.a 1", "bus2: x.x.a 1"]);
}

#[test]
fn a_route_to_the_bus_itself_or_to_one_above_is_no_second_visit() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    child.layer(Route::to_bus("**", child.downgrade()).unwrap().topic("b").unwrap());
    child.layer(Route::to_bus("**", parent.downgrade()).unwrap());
    let _own = child.connect("**", seen.labelled("own")).unwrap();
    let _above = parent.connect("**", seen.labelled("above")).unwrap();
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["own: a 1", "above: c.a 1"]);
}

#[test]
fn a_bus_that_is_gone_is_counted_and_not_kept_alive() {
    let (bus, other) = (Bus::new(), Bus::builder().name("other").build());
    let route = Route::to_bus("**", other.downgrade()).unwrap();
    bus.layer(route.clone());
    assert_eq!(bus.stack().to_string().split(" (").next(), Some("1. route of `**` to bus `other`"));
    drop(other);
    bus.emit("a", 1_u32);
    assert_eq!((route.sent(), route.lost()), (0, 1));
    assert!(bus.explain("a").unwrap().to_string().contains("route of `**` to bus `gone`"));
}

#[test]
fn a_payload_of_another_type_is_refused_where_it_is_sent() {
    let seen = Recorder::new();
    let (bus, other) = (Bus::new(), Bus::new());
    bus.set_stack(
        Stack::new()
            .with(Route::to_topic("a", "text").unwrap())
            .with(Route::to_bus("a", other.clone()).unwrap().topic("text").unwrap()),
    );
    let _texts = [bus.connect("text", |_: &String| {}).unwrap(), other.connect("text", |_: &String| {}).unwrap()];
    let _numbers = bus.connect("a", seen.numbers()).unwrap();
    let list = seen.clone();
    let _refused = bus.connect("$sys.refused", move |refused: &sys::Refused| list.note(&refused.error)).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(bus.refusals() + other.refusals(), 2);
    assert_eq!(seen.take().len(), 2);
}

#[test]
fn nobody_makes_reports_of_another_bus() {
    let (bus, other, seen) = (Bus::new(), Bus::new(), Recorder::new());
    bus.layer(Route::to_bus("a", other.clone()).unwrap().topic("$sys.dead").unwrap());
    let _dead = other.connect(["$sys.dead", "$sys.refused"], seen.events()).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!((seen.take(), other.refusals()), (vec!["$sys.refused ?".to_owned()], 1));
}

#[test]
fn a_destination_may_be_anything() {
    struct Print(Recorder);
    impl Destination for Print {
        fn receive(&self, topic: &Topic, event: &Event<'_>) -> Arrival {
            self.0.note(format_args!("{topic} was {}", event.topic()));
            Arrival::Taken
        }

        fn name(&self) -> std::borrow::Cow<'_, str> {
            "printer".into()
        }
    }
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(Route::to_bus("a", Print(seen.clone())).unwrap().under("p").unwrap());
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["p.a was a"]);
}

#[test]
fn what_failed_elsewhere_and_ends_here_was_filtered_here() {
    let seen = Recorder::new();
    let (bus, other) = (Bus::new(), Bus::new());
    let _fatal = other.on("a").policy(Policy::FailFast).connect(|_: &u32| Err("expected")).unwrap();
    let closed = Filter::new(|_: &Event<'_>| false).reason("closed");
    bus.set_stack(Stack::new().with(Route::to_bus("a", other.downgrade()).unwrap()).with(closed));
    let list = seen.clone();
    let _filtered = bus
        .connect("$sys.filtered", move |told: &sys::Filtered| {
            list.note(format_args!("{}: {}", told.topic, told.reason));
        })
        .unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["a: closed"]);
}
