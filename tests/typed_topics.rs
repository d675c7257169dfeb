//! A topic has one payload type: a second one is an error, never a silent miss.
//!
//! The type is fixed by the first signal of the topic, or the first handler that is connected to the very topic and names a type.
//! When the last signal and handler of the topic are gone it is free again. An emit alone, or a handler on a wildcard, fixes nothing.

mod support;

use std::any::{Any, TypeId};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};

use sigtree::{Bus, Event, Signal, sys};
use support::Recorder;

#[test]
fn a_handler_of_another_type_is_refused() {
    let bus = Bus::new();
    let _first = bus.connect("a", |_: &u32| {}).unwrap();
    let error = bus.connect("a", |_: &String| {}).unwrap_err();
    assert!(error.is_type_mismatch());
    assert_eq!(
        error.to_string(),
        "topic `a` carries `u32`, not `alloc::string::String`: a topic has one payload type; use another topic or that type",
    );
    assert!(bus.connect("a", |_: std::sync::Arc<String>| {}).unwrap_err().is_type_mismatch());
    assert!(bus.connect("a", |_: &String, _: &Event<'_>| {}).unwrap_err().is_type_mismatch());
    assert!(bus.on("a").priority(1).connect(|_: &String| {}).unwrap_err().is_type_mismatch());
    let receiver = std::sync::Arc::new(());
    assert!(bus.connect_weak("a", &receiver, |_: &(), _: &String| {}).unwrap_err().is_type_mismatch());
    assert_eq!(bus.connections(), 1);
    let _untyped = bus.connect("a", |_: &Event<'_>| {}).unwrap();
}

#[test]
fn a_signal_of_another_type_is_refused() {
    let bus = Bus::new();
    let handler = bus.connect("a", |_: &u32| {}).unwrap();
    assert!(bus.signal::<String>("a").unwrap_err().is_type_mismatch());
    let signal: Signal<u32> = bus.signal("a").unwrap();
    drop(handler);
    assert!(bus.signal::<String>("a").unwrap_err().is_type_mismatch());
    assert!(bus.connect("a", |_: &String| {}).unwrap_err().is_type_mismatch());
    drop(signal);
    assert!(bus.signal::<String>("a").is_ok());
}

#[test]
fn an_emit_of_another_type_is_refused() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _handler = bus.connect("a", |_: &u32| {}).unwrap();
    let _all = bus.connect("**", seen.events()).unwrap();
    for _ in 0..4 {
        let refused = bus.emit("a", String::from("text"));
        assert!(refused.refusal().unwrap().is_type_mismatch());
        assert_eq!(refused.called(), 0);
        assert!(bus.try_emit("a", 1_u64).unwrap_err().is_type_mismatch());
        assert_eq!(bus.emit("a", 1_u32).called(), 2);
    }
    assert_eq!(seen.take(), ["a 1"; 4]);
    assert_eq!(bus.refusals(), 8);
}

#[test]
fn an_emit_meets_the_type_of_the_signal() {
    let bus = Bus::new();
    let _all = bus.connect("**", |_: &Event<'_>| {}).unwrap();
    for _ in 0..4 {
        assert_eq!(bus.emit("a", 1_u32).called(), 1);
    }
    // The route of the emits before is no reason to let another type through.
    let signal: Signal<String> = bus.signal("a").unwrap();
    for _ in 0..4 {
        assert!(bus.try_emit("a", 1_u32).unwrap_err().is_type_mismatch());
        assert_eq!(bus.try_emit("a", String::from("text")).unwrap().called(), 1);
        assert_eq!(signal.emit(String::from("text")).called(), 1);
    }
}

#[test]
fn a_first_handler_fixes_the_type_whatever_was_emitted_before() {
    let bus = Bus::new();
    for _ in 0..4 {
        bus.emit("a", 1_u32);
    }
    let _handler = bus.connect("a", |_: &String| {}).unwrap();
    for _ in 0..4 {
        assert!(bus.try_emit("a", 1_u32).unwrap_err().is_type_mismatch());
        assert_eq!(bus.try_emit("a", String::from("text")).unwrap().called(), 1);
    }
}

#[test]
fn the_topic_is_free_when_its_last_holder_is_gone() {
    let bus = Bus::new();
    let _all = bus.connect("**", |_: &Event<'_>| {}).unwrap();
    let handler = bus.connect("a", |_: &u32| {}).unwrap();
    let signal: Signal<u32> = bus.signal("a").unwrap();
    let clone = signal.clone();
    for n in 0..4 {
        bus.emit("a", n);
        signal.emit(n);
    }
    drop(handler);
    drop(signal);
    assert!(bus.connect("a", |_: &String| {}).unwrap_err().is_type_mismatch());
    drop(clone);
    let other: Signal<String> = bus.signal("a").unwrap();
    let _handler = bus.connect("a", |_: &String| {}).unwrap();
    for _ in 0..4 {
        assert_eq!(other.emit(String::from("text")).called(), 2);
        assert_eq!(bus.try_emit("a", String::from("text")).unwrap().called(), 2);
    }
}

#[test]
fn a_list_that_names_the_topic_does_not_hold_its_type() {
    let bus = Bus::new();
    let _list = bus.connect(["a", "b"], |_: &Event<'_>| {}).unwrap();
    let handler = bus.connect("a", |_: &u32| {}).unwrap();
    drop(handler);
    let _other = bus.connect("a", |_: &String| {}).unwrap();
    assert_eq!(bus.try_emit("a", String::from("text")).unwrap().called(), 2);
}

#[test]
fn a_typed_handler_on_a_wildcard_sees_its_type_only() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let (numbers, texts, kept) = (seen.clone(), seen.clone(), seen.clone());
    let _connections = [
        bus.connect("*", move |n: &u32| numbers.note(format_args!("number {n}"))).unwrap(),
        bus.connect("*", move |text: &String| texts.note(format_args!("text {text}"))).unwrap(),
        bus.connect(["a", "b"], move |n: std::sync::Arc<u32>| kept.note(format_args!("kept {n}"))).unwrap(),
        bus.connect("**", seen.events()).unwrap(),
    ];
    for _ in 0..3 {
        assert_eq!(bus.emit("a", 1_u32).called(), 3);
        assert_eq!(bus.emit("b", String::from("x")).called(), 2);
        assert_eq!(seen.take(), ["number 1", "kept 1", "a 1", "text x", "b x"]);
    }
}

#[test]
fn a_child_of_another_type_is_refused_by_the_parent_and_reported() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("child").unwrap();
    let _refusals = parent.connect("$sys.refused", seen.lines(|refused: &sys::Refused| refused.error.clone())).unwrap();
    let _parents = parent.connect("child.a", |_: &u32| {}).unwrap();
    let _own = child.connect("a", |_: &String| {}).unwrap();
    for _ in 0..3 {
        let delivery = child.emit("a", String::from("text"));
        assert_eq!(delivery.called(), 1);
        assert!(delivery.filtered().is_some_and(|reason| reason.contains("type")), "{delivery}");
        let reports = seen.take();
        assert_eq!(reports.len(), 1);
        assert!(reports[0].starts_with("topic `child.a` carries "), "{}", reports[0]);
    }
    assert_eq!((parent.refusals(), child.refusals()), (3, 0));
}

#[test]
fn the_types_of_the_reports_are_fixed() {
    let bus = Bus::new();
    assert!(bus.connect("$sys.dead", |_: &u32| {}).unwrap_err().is_type_mismatch());
    let seen = Recorder::new();
    let _dead = bus.connect("$sys.dead", seen.lines(|dead: &sys::Dead| dead.topic.clone())).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["a"]);
}

/// Something that refuses emits of another type than it was given first.
trait Typed: Sync {
    fn refuses(&self, payload: u64) -> bool;
}

/// How many of two threads' emits of another type are let through, until one is or all are made.
fn let_through(typed: &impl Typed, emits: u64) -> u64 {
    let through = AtomicU64::new(0);
    let meet = Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                meet.wait();
                for n in 0..emits {
                    if through.load(Relaxed) > 0 {
                        break;
                    }
                    through.fetch_add(u64::from(!typed.refuses(n)), Relaxed);
                }
            });
        }
    });
    through.into_inner()
}

impl Typed for Bus {
    fn refuses(&self, payload: u64) -> bool {
        let connects = !payload.is_multiple_of(16)
            || (self.connect("a", |_: &u64| {}).is_err_and(|error| error.is_type_mismatch())
                && self.signal::<u64>("a").is_err_and(|error| error.is_type_mismatch()));
        connects && self.try_emit("a", payload).is_err()
    }
}

#[test]
fn two_threads_at_once_find_the_type_as_surely_as_one() {
    let bus = Bus::new();
    let _fixed = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(let_through(&bus, 20_000), 0);
    assert_eq!(bus.refusals(), 40_000);
}

/// The mistake: readers keep each other out, and whoever is kept out takes the type for not fixed.
struct Exclusive(Mutex<Option<TypeId>>);

impl Typed for Exclusive {
    fn refuses(&self, payload: u64) -> bool {
        self.0.try_lock().is_ok_and(|fixed| fixed.is_some_and(|fixed| black_box(fixed) != payload.type_id()))
    }
}

#[test]
fn a_type_that_one_at_a_time_can_see_is_found_out() {
    let exclusive = Exclusive(Mutex::new(Some(TypeId::of::<u32>())));
    assert!(let_through(&exclusive, u64::MAX) > 0);
}

#[test]
fn the_type_of_a_signal_holds_from_the_first_emit_by_name_and_under_a_busy_writer() {
    let bus = Bus::new();
    let _all = bus.connect("**", |_: &Event<'_>| {}).unwrap();
    let _signal: Signal<u32> = bus.signal("a").unwrap();
    assert!(bus.try_emit("a", "text").unwrap_err().is_type_mismatch());
    let held = bus.hold_writer();
    let own = bus.clone();
    let refused = std::thread::spawn(move || own.try_emit("a", "text").unwrap_err().is_type_mismatch());
    assert!(refused.join().unwrap());
    drop(held);
}

#[test]
fn a_list_is_refused_where_it_spells_a_topic_of_another_type() {
    let bus = Bus::new();
    let _text = bus.connect("b", |_: &String| {}).unwrap();
    let error = bus.connect(["a", "b"], |_: &u32| {}).unwrap_err();
    assert!(error.is_type_mismatch() && error.to_string().contains("`b`"), "{error}");
    assert!(bus.connect(["a", "b*"], |_: &u32| {}).is_err());
    assert!(bus.connect(["a", "*"], |_: &u32| {}).is_ok());
}

#[test]
fn the_type_goes_with_the_last_that_fixed_it_in_whatever_order() {
    let bus = Bus::new();
    let free = |bus: &Bus| bus.signal::<String>("a").is_ok();
    let untyped = bus.connect("a", |_: &Event<'_>| {}).unwrap();
    assert!(free(&bus));
    drop(untyped);
    let untyped = bus.connect("a", |_: &Event<'_>| {}).unwrap();
    let typed = bus.connect("a", |_: &u32| {}).unwrap();
    let signal: Signal<u32> = bus.signal("a").unwrap();
    drop(typed);
    drop(signal);
    // An untyped handler keeps what was fixed, until the last handler is gone.
    assert!(!free(&bus));
    drop(untyped);
    assert!(free(&bus));
}
