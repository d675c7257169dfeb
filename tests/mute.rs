//! Silence is counted, ends with its guard, and hides nothing: layers still see the events, and they still bubble.

mod support;

use sigtree::{Bus, Signal};
use support::Recorder;

#[test]
fn a_pattern_is_silenced_while_the_guard_lives() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(seen.layer("layer"));
    let _handlers = [bus.connect("a.*", seen.events()).unwrap(), bus.connect("**", seen.events()).unwrap()];
    let signal: Signal<u32> = bus.signal("a.b").unwrap();
    let mute = bus.mute("a.**").unwrap();
    for delivery in [bus.emit("a.b", 1_u32), signal.emit(1)] {
        assert_eq!((delivery.called(), delivery.muted()), (0, 2));
    }
    assert_eq!(seen.take(), ["layer", "layer"]);
    assert_eq!(bus.emit("b", 2_u32).called(), 1);
    assert_eq!(seen.take(), ["layer", "b 2"]);
    drop(mute);
    assert_eq!((bus.emit("a.b", 3_u32).called(), signal.emit(4).called()), (2, 2));
}

#[test]
fn mutes_of_patterns_nest_and_overlap() {
    let bus = Bus::new();
    let _handler = bus.connect("a.b", |_: &u32| {}).unwrap();
    let (first, twin, wide) = (bus.mute("a.b").unwrap(), bus.mute("a.b").unwrap(), bus.mute("**").unwrap());
    drop(first);
    assert_eq!(bus.emit("a.b", 1_u32).muted(), 1);
    drop(wide);
    assert_eq!(bus.emit("a.b", 1_u32).muted(), 1);
    drop(twin);
    assert_eq!(bus.emit("a.b", 1_u32).called(), 1);
}

#[test]
fn lists_and_expressions_silence_too_and_bad_patterns_are_refused() {
    let bus = Bus::new();
    let _handler = bus.connect("**", |_: &u32| {}).unwrap();
    let _mute = bus.mute(["a", r"/b\..*/"]).unwrap();
    let called: Vec<_> = ["a", "b.c", "b", "a.a"].map(|topic| bus.emit(topic, 1_u32).called()).into();
    assert_eq!(called, [0, 0, 1, 1]);
    assert!(bus.mute("a..b").unwrap_err().is_bad_name());
}

#[test]
fn a_whole_bus_is_silenced_with_its_reports() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _handlers = [bus.connect("**", seen.events()).unwrap(), bus.connect("$sys.**", seen.label("report")).unwrap()];
    seen.take();
    let mute = bus.mute_all();
    assert_eq!(bus.emit("a", 1_u32).muted(), 1);
    bus.emit("a..b", 1_u32);
    assert!(seen.take().is_empty());
    drop(mute);
    bus.emit("a..b", 1_u32);
    assert_eq!(seen.take(), ["report"]);
}

#[test]
fn a_silenced_child_bubbles_and_a_silenced_parent_silences_no_child() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let _connections =
        [child.connect("a", seen.label("child")).unwrap(), parent.connect("c.a", seen.label("parent")).unwrap()];
    let mute = child.mute_all();
    let delivery = child.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.muted()), (1, 1));
    assert_eq!(seen.take(), ["parent"]);
    drop(mute);
    let _mute = parent.mute("c.**").unwrap();
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["child"]);
}

#[test]
fn connections_made_in_silence_are_silent_and_the_rest_is_counted_once() {
    let bus = Bus::new();
    let mute = bus.mute("a").unwrap();
    let first = bus.connect("a", |_: &u32| {}).unwrap();
    let _own = first.mute();
    let _second = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(bus.emit("a", 1_u32).muted(), 2);
    drop(mute);
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.muted()), (1, 1));
}

#[test]
fn nothing_is_made_up_for_later() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _handler = bus.connect("a", seen.events()).unwrap();
    let mute = bus.mute_all();
    bus.emit("a", 1_u32);
    drop(mute);
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["a 2"]);
}
