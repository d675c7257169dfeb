//! A handler may do anything to its bus: emit, connect, disconnect, mute, swap the stack, drop the bus.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use sigtree::{Bus, Connection, Error, Event, Filter, Policy, Signal, Stack, Topic};
use support::{Recorder, boom, on_stack_of, quietly};

/// What an emit at the depth limit was refused with, and how many emits came before it.
struct Bottom {
    error: Error,
    calls: usize,
}

/// Emits around a circle of topics, each of which is answered with the next, until the bus refuses.
fn run_in_circles(bus: &Bus, pattern_of: impl Fn(usize) -> &'static str, circle: &'static [&'static str]) -> Bottom {
    let bottom: Arc<Mutex<(usize, Option<Error>)>> = Arc::default();
    let _connections: Vec<_> = (0..circle.len())
        .map(|at| {
            let (weak, bottom) = (bus.downgrade(), bottom.clone());
            bus.connect(pattern_of(at), move |_: &u32, event: &Event<'_>| {
                if event.topic() != circle[at] {
                    return;
                }
                bottom.lock().0 += 1;
                let delivery = weak.upgrade().unwrap().emit(circle[(at + 1) % circle.len()], 1_u32);
                if let Some(error) = delivery.refusal() {
                    bottom.lock().1 = Some(error.clone());
                }
            })
            .unwrap()
        })
        .collect();
    bus.emit(circle[0], 1_u32);
    let (calls, error) = std::mem::take(&mut *bottom.lock());
    Bottom { error: error.expect("a refusal"), calls }
}

/// The stack in which 64 emits within emits must fit. A debug build inlines nothing and has larger frames.
const SMALL_STACK: usize = if cfg!(debug_assertions) { 384 << 10 } else { 256 << 10 };

const SELF: &[&str] = &["a"];
const PAIR: &[&str] = &["a", "b"];
const THREE: &[&str] = &["x.a", "x.b", "x.c"];

#[test]
fn circles_end_at_the_default_limit_in_a_small_stack() {
    on_stack_of(SMALL_STACK, || {
        for (circle, wild) in [(SELF, false), (PAIR, false), (THREE, true)] {
            let bus = Bus::new();
            let pattern = |at: usize| if wild { ["x.*", "**.b", "*.c"][at] } else { circle[at] };
            let Bottom { error, calls } = run_in_circles(&bus, pattern, circle);
            assert!(error.is_too_deep());
            assert_eq!(calls, 64);
            // The innermost emits, the refused one last.
            let chain: Vec<_> = error.chain().iter().map(Topic::as_str).collect();
            let full: Vec<_> = circle.iter().copied().cycle().take(65).collect();
            assert!(chain.len() >= 32 && full.ends_with(&chain), "{chain:?}");
            assert!(error.to_string().starts_with("emits within emits are more than 64 deep: `"), "{error}");
            assert_eq!(bus.emit("elsewhere", 1_u32).refusal().map(ToString::to_string), None);
        }
    });
}

#[test]
fn circles_end_at_a_higher_limit_in_a_larger_stack() {
    on_stack_of(1_000 / 64 * SMALL_STACK + SMALL_STACK, || {
        let bus = Bus::builder().depth_limit(1_000).build();
        let Bottom { error, calls } = run_in_circles(&bus, |at| THREE[at], THREE);
        assert!(error.is_too_deep());
        assert_eq!(calls, 1_000);
    });
}

#[test]
fn circles_of_signals_end_too() {
    on_stack_of(SMALL_STACK, || {
        let bus = Bus::new();
        let signal: Signal<u32> = bus.signal("a").unwrap();
        let (seen, weak, topic) = (Recorder::new(), bus.downgrade(), signal.clone());
        let list = seen.clone();
        // The handler holds a signal, which holds the bus: so it is disconnected at the end.
        let _loop = signal
            .connect(move |n| {
                let _ = weak.upgrade();
                if topic.emit(n + 1).refusal().is_some() {
                    list.note(n);
                }
            })
            .unwrap();
        signal.emit(1);
        assert_eq!(seen.take(), ["64"]);
    });
}

#[test]
fn circles_across_parent_and_child_end_too() {
    on_stack_of(SMALL_STACK, || {
        let parent = Bus::new();
        let child = parent.child("child").unwrap();
        let seen = Recorder::new();
        let (weak, list) = (child.downgrade(), seen.clone());
        let _parents = parent
            .connect("child.**", move |_: &Event<'_>| {
                list.note("call");
                if weak.upgrade().unwrap().emit("a", 1_u32).refusal().is_some_and(Error::is_too_deep) {
                    list.note("refused");
                }
            })
            .unwrap();
        child.emit("a", 1_u32);
        let lines = seen.take();
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (65, Some("refused")));
    });
}

#[test]
fn the_limit_is_of_the_thread_not_of_the_bus() {
    let (one, two) = (Bus::builder().depth_limit(10).build(), Bus::builder().depth_limit(10).build());
    let seen = Recorder::new();
    let ping = |from: &Bus, to: &Bus| {
        let (weak, list) = (to.downgrade(), seen.clone());
        from.connect("a", move |_: &u32| {
            list.note("call");
            weak.upgrade().unwrap().emit("a", 1_u32);
        })
        .unwrap()
    };
    let _there = ping(&one, &two);
    let _back = ping(&two, &one);
    one.emit("a", 1_u32);
    assert_eq!(seen.take().len(), 10);
    assert_eq!(one.refusals() + two.refusals(), 1);
}

#[test]
fn events_within_events_are_depth_first() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let (weak, list) = (bus.downgrade(), seen.clone());
    let _first = bus
        .connect("*", move |n: &u32, event: &Event<'_>| {
            list.note(format_args!("{} in", event.topic()));
            if *n > 0 {
                weak.upgrade().unwrap().emit(["c", "b"][*n as usize - 1], n - 1);
            }
            list.note(format_args!("{} out", event.topic()));
        })
        .unwrap();
    let _second = bus.connect("**", seen.events()).unwrap();
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["a in", "b in", "c in", "c out", "c 0", "b out", "b 1", "a out", "a 2"]);
}

/// A bus with a handler that does something once, between two that write, and what they wrote during two emits.
fn acting(signal: bool, act: impl Fn(&Bus, &Recorder) + Send + Sync + 'static) -> (Vec<String>, Vec<String>) {
    let seen = Recorder::new();
    let bus = Bus::new();
    let (weak, list) = (bus.downgrade(), seen.clone());
    let _first = bus.connect("a", seen.label("first")).unwrap();
    let _actor = bus.on("a").once().connect(move |_: &u32| act(&weak.upgrade().unwrap(), &list)).unwrap();
    let _last = bus.connect("a", seen.label("last")).unwrap();
    let handle: Signal<u32> = bus.signal("a").unwrap();
    let emit = || if signal { handle.emit(1) } else { bus.emit("a", 1_u32) };
    emit();
    let during = seen.take();
    emit();
    (during, seen.take())
}

#[test]
fn a_handler_connected_inside_waits_for_the_next_emit() {
    for signal in [false, true] {
        for (pattern, order) in [("a", ["first", "last", "new"]), ("*", ["first", "last", "new"])] {
            let (during, after) = acting(signal, move |bus, list| {
                bus.connect(pattern, list.label("new")).unwrap().detach();
            });
            assert_eq!((during, after), (["first", "last"].map(Into::into).into(), order.map(Into::into).into()));
        }
    }
}

#[test]
fn a_handler_connected_inside_is_seen_by_an_emit_inside() {
    let (during, _) = acting(false, |bus, list| {
        bus.connect("a", list.label("new")).unwrap().detach();
        list.note("again");
        bus.emit("a", 1_u32);
        list.note("done");
    });
    assert_eq!(during, ["first", "again", "first", "last", "new", "done", "last"]);
}

#[test]
fn a_handler_disconnected_inside_and_not_yet_reached_is_skipped() {
    for crowd in [0, 40, 100] {
        let seen = Recorder::new();
        let bus = Bus::new();
        let victim: Arc<Mutex<Option<Connection>>> = Arc::default();
        let place = victim.clone();
        let _killer = bus.connect("a", move |_: &u32| drop(place.lock().take())).unwrap();
        let _crowd: Vec<_> = (0..crowd).map(|_| bus.connect("a", |_: &u32| {}).unwrap()).collect();
        *victim.lock() = Some(bus.connect("a", seen.label("victim")).unwrap());
        let _last = bus.connect("a", seen.label("last")).unwrap();
        let delivery = bus.emit("a", 1_u32);
        assert_eq!(seen.take(), ["last"]);
        assert_eq!((delivery.called(), delivery.skipped()), (2 + crowd, 1));
        assert_eq!(bus.emit("a", 1_u32).skipped(), 0);
    }
}

#[test]
fn a_handler_muted_inside_and_not_yet_reached_is_muted() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let victim: Arc<Mutex<Option<Connection>>> = Arc::default();
    let mutes = Arc::new(Mutex::new(Vec::new()));
    let (place, guards) = (victim.clone(), mutes.clone());
    let _muter = bus.connect("a", move |_: &u32| guards.lock().push(place.lock().as_ref().unwrap().mute())).unwrap();
    *victim.lock() = Some(bus.connect("a", seen.label("victim")).unwrap());
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.muted()), (1, 1));
    assert!(seen.take().is_empty());
    mutes.lock().clear();
}

#[test]
fn a_handler_may_drop_its_own_connection() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let place: Arc<Mutex<Option<Connection>>> = Arc::default();
    let captured = Arc::new(());
    let (own, list, inside) = (place.clone(), seen.clone(), captured.clone());
    *place.lock() = Some(
        bus.connect("a", move |n: &u32| {
            drop(own.lock().take());
            list.note(format_args!("{n} {}", Arc::strong_count(&inside)));
        })
        .unwrap(),
    );
    let _last = bus.connect("a", seen.label("last")).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["1 2", "last", "last"]);
    assert_eq!(Arc::strong_count(&captured), 1);
}

#[test]
fn a_stack_swapped_inside_is_for_the_next_emit() {
    for signal in [false, true] {
        let (during, after) = acting(signal, |bus, _| {
            bus.set_stack(Stack::new().with(Filter::new(|_: &Event<'_>| false)));
        });
        assert_eq!(during, ["first", "last"]);
        assert!(after.is_empty());
    }
}

#[test]
fn a_mute_of_the_bus_inside_is_for_the_next_emit() {
    let guards = Arc::new(Mutex::new(Vec::new()));
    let kept = guards.clone();
    let (during, after) = acting(false, move |bus, _| kept.lock().push(bus.mute_all()));
    assert_eq!(during, ["first", "last"]);
    assert!(after.is_empty());
    guards.lock().clear();
}

#[test]
fn the_last_handle_of_the_bus_may_be_dropped_inside() {
    let seen = Recorder::new();
    let (radar, archive) = (Bus::new(), Bus::new());
    let weak = archive.downgrade();
    let _bridge = radar.bridge("**", &archive).unwrap();
    let last: Arc<Mutex<Option<Bus>>> = Arc::default();
    let (place, list) = (last.clone(), seen.clone());
    let drop_it = move |_: &u32| {
        drop(place.lock().take());
        list.note("dropped");
    };
    archive.connect("a", drop_it).unwrap().detach();
    archive.connect("a", seen.label("next")).unwrap().detach();
    *last.lock() = Some(archive);
    let _after = radar.connect("**", seen.label("after")).unwrap();
    radar.emit("a", 1_u32);
    assert_eq!(seen.take(), ["dropped", "next", "after"]);
    assert!(weak.upgrade().is_none());
    radar.emit("a", 1_u32);
    assert_eq!(seen.take(), ["after"]);
}

#[test]
fn a_child_may_be_made_and_dropped_inside() {
    let (during, _) = acting(false, |bus, list| {
        let _all = bus.connect("made.**", list.events()).unwrap();
        let child = bus.child("made").unwrap();
        child.emit("b", 7_u32);
        drop(child);
        assert!(bus.children().is_empty());
    });
    assert_eq!(during, ["first", "made.b 7", "last"]);
}

#[test]
fn a_panic_does_not_lose_events_for_later() {
    let seen = Recorder::new();
    let bus = Bus::builder().policy(Policy::Propagate).build();
    let weak = bus.downgrade();
    let _first = bus
        .connect("first", move |_: &u32| {
            let bus = weak.upgrade().unwrap();
            bus.emit_later("second", 1_u32);
            bus.emit_later("bad", 1_u32);
            bus.emit_later("bad", 2_u32);
            bus.emit_later("third", 1_u32);
        })
        .unwrap();
    let _bad = bus.connect("bad", |n: &u32| boom(*n)).unwrap();
    let _seen = bus.connect("*", seen.numbers()).unwrap();
    let panic = quietly(|| catch_unwind(AssertUnwindSafe(|| bus.emit("first", 1_u32)))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&1_u32));
    assert_eq!(seen.take(), ["first 1", "second 1", "bad 1", "bad 2", "third 1"]);
    assert_eq!(bus.failures(), 2);

    // And the same when the emit itself panics.
    let weak = bus.downgrade();
    let _worse = bus
        .connect("worse", move |_: &u32| {
            weak.upgrade().unwrap().emit_later("bad", 3_u32);
            weak.upgrade().unwrap().emit_later("third", 2_u32);
            boom(4_u32);
        })
        .unwrap();
    let panic = quietly(|| catch_unwind(AssertUnwindSafe(|| bus.emit("worse", 1_u32)))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&4_u32));
    assert_eq!(seen.take(), ["worse 1", "bad 3", "third 2"]);
    assert!(bus.emit("third", 3_u32).called() > 0);
}

#[test]
fn events_for_later_are_not_inside_of_one_another() {
    let seen = Recorder::new();
    let bus = Bus::builder().depth_limit(1).build();
    let weak = bus.downgrade();
    let _first = bus.connect("first", move |_: &u32| weak.upgrade().unwrap().emit_later("second", 1_u32)).unwrap();
    let weak = bus.downgrade();
    let _second = bus.connect("second", move |_: &u32| weak.upgrade().unwrap().emit_later("third", 1_u32)).unwrap();
    let _third = bus.connect("third", seen.numbers()).unwrap();
    bus.emit("first", 1_u32);
    assert_eq!((seen.take(), bus.refusals()), (vec![String::from("third 1")], 0));
}
