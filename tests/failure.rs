//! A panic or an error in one place never stops the others, never goes unseen, and poisons nothing.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sigtree::middleware::Weigh;
use sigtree::{Bus, Cause, Event, Filter, History, Inspect, Next, Policy, Stack, Transform, sys};
use support::{Recorder, boom, quietly};

const PANICS: u32 = 10_000;

/// A handler that counts its calls.
fn counting(calls: &Arc<AtomicU32>) -> impl Fn(&u32) + Send + Sync + 'static {
    let calls = calls.clone();
    move |_: &u32| {
        calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// A bus still does what a bus does.
fn assert_usable(bus: &Bus) {
    let before = bus.emit("usable.bus", 2_u32).called();
    let handler = bus.connect("usable.bus", |_: &u32| {}).unwrap();
    let signal = bus.signal::<u32>("usable.bus").unwrap();
    assert_eq!((bus.emit("usable.bus", 2_u32).called(), signal.emit(2).called()), (before + 1, before + 1));
    drop(handler);
    assert_eq!(bus.emit("usable.bus", 2_u32).called(), before);
}

#[test]
fn handlers_that_always_panic_stop_nobody() {
    let bus = Bus::new();
    let calls = Arc::new(AtomicU32::new(0));
    let _connections = [
        bus.connect("a", counting(&calls)).unwrap(),
        bus.connect("a", |_: &u32| boom("typed")).unwrap(),
        bus.connect("a", counting(&calls)).unwrap(),
        bus.connect("a", |_: &Event<'_>| boom("untyped")).unwrap(),
        bus.connect("*", |_: Arc<u32>| boom("shared")).unwrap(),
        bus.on("*").filter(|_| true).connect(|_: &u32| boom("guarded")).unwrap(),
        bus.connect("*", counting(&calls)).unwrap(),
    ];
    quietly(|| {
        for n in 0..PANICS / 4 {
            let delivery = bus.emit("a", n);
            assert_eq!((delivery.called(), delivery.failed(), delivery.skipped()), (7, 4, 0));
        }
    });
    assert_eq!(calls.load(Ordering::Relaxed), 3 * PANICS / 4);
    assert_eq!(bus.failures(), u64::from(PANICS));
    assert_usable(&bus);
}

#[test]
fn handlers_that_panic_now_and_then_stop_nobody() {
    let bus = Bus::new();
    let calls: Arc<[AtomicU32; 100]> = Arc::new(std::array::from_fn(|_| AtomicU32::new(0)));
    let _connections: Vec<_> = (0..100_u32)
        .map(|at| {
            let calls = calls.clone();
            let handler = move |n: &u32| {
                calls[at as usize].fetch_add(1, Ordering::Relaxed);
                assert!(!(n + at).is_multiple_of(10), "one in ten");
            };
            bus.connect("a", handler).unwrap()
        })
        .collect();
    quietly(|| {
        for n in 0..PANICS / 10 {
            let delivery = bus.emit("a", n);
            assert_eq!((delivery.called(), delivery.failed()), (100, 10));
        }
    });
    assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) == PANICS / 10));
    assert_eq!(bus.failures(), u64::from(PANICS));
    assert_usable(&bus);
}

#[test]
fn errors_and_panics_stand_in_the_delivery_in_order() {
    let bus = Bus::new();
    let line = line!() + 1;
    let _error = bus.connect("a", |_: &u32| Err("out of paper")).unwrap();
    let _panic = bus.on("a").named("printer").connect(|_: &u32| boom("on fire")).unwrap();
    let _silent = bus.connect("a", |_: &u32| boom(7)).unwrap();
    let delivery = quietly(|| bus.emit("a", 1_u32));
    let lines: Vec<_> = delivery.failures().iter().map(ToString::to_string).collect();
    let at = |n: u32| format!("({}:{})", file!(), line + n);
    assert_eq!(
        lines,
        [
            format!("handler of `a` {} on `a`: out of paper", at(0)),
            format!("handler of `a` named `printer` {} on `a`: panicked: on fire", at(1)),
            format!("handler of `a` {} on `a`: panicked: a panic without a message", at(2)),
        ]
    );
    assert!(matches!(&delivery.failures()[0].cause, Cause::Error(_)) && delivery.failures()[1].cause.is_panic());
    let first = delivery.ok().unwrap_err().to_string();
    assert!(first.ends_with("out of paper"), "{first}");
}

#[test]
fn a_layer_that_panics_ends_that_emit_only() {
    type Layer = Box<dyn Fn() -> Stack>;
    let seldom = |event: &Event<'_>| assert!(event.payload() != Some(&1_u32), "expected");
    let layers: [(&str, Layer); 6] = [
        (
            "closure",
            Box::new(move || {
                Stack::new().with(move |event: &Event<'_>, next: Next<'_>| {
                    seldom(event);
                    next.run(event);
                })
            }),
        ),
        (
            "filter",
            Box::new(move || {
                Stack::new().with(Filter::new(move |event: &Event<'_>| {
                    seldom(event);
                    true
                }))
            }),
        ),
        (
            "transform",
            Box::new(|| {
                Stack::new().with(Transform::new(|n: &u32| {
                    assert!(*n != 1, "expected");
                    *n
                }))
            }),
        ),
        ("inspect", Box::new(move || Stack::new().with(Inspect::new(seldom)))),
        (
            "history's filter",
            Box::new(move || {
                Stack::new().with(
                    History::builder()
                        .filter(move |event| {
                            seldom(event);
                            true
                        })
                        .build(),
                )
            }),
        ),
        ("tuple", Box::new(move || Stack::new().with((Inspect::new(|_: &Event<'_>| ()), Inspect::new(seldom))))),
    ];
    for (what, stack) in layers {
        let bus = Bus::builder().stack(stack()).build();
        let calls = Arc::new(AtomicU32::new(0));
        let _handler = bus.connect("a", counting(&calls)).unwrap();
        quietly(|| {
            for n in 0..PANICS / 10 {
                let delivery = bus.emit("a", n % 2);
                assert_eq!((delivery.called(), delivery.failed()), (usize::from(n % 2 == 0), n as usize % 2), "{what}");
            }
        });
        assert_eq!((calls.load(Ordering::Relaxed), bus.failures()), (PANICS / 20, u64::from(PANICS / 20)), "{what}");
        let failed = quietly(|| bus.emit("a", 1_u32));
        assert_eq!(failed.failures()[0].to_string(), "layer on `a`: panicked: expected", "{what}");
        assert_usable(&bus);
    }
}

#[test]
fn a_history_survives_payloads_that_cannot_be_weighed() {
    struct Heavy(u32);
    impl Weigh for Heavy {
        fn bytes(&self) -> usize {
            assert!(!self.0.is_multiple_of(10), "expected");
            1
        }
    }
    let history = History::builder().weigh::<Heavy>().count(50).build();
    let bus = Bus::new();
    bus.layer(history.clone());
    let _handler = bus.connect("a", |_: &Heavy| {}).unwrap();
    quietly(|| {
        for n in 0..1_000 {
            bus.emit("a", Heavy(n));
        }
    });
    assert_eq!((bus.failures(), history.stats().recorded, history.len()), (100, 900, 50));
    assert_usable(&bus);
}

#[test]
fn layers_and_conditions_of_a_connection_fail_for_it_alone() {
    let bus = Bus::new();
    let calls = Arc::new(AtomicU32::new(0));
    let _connections = [
        bus.on("a").filter(|_| panic!("filter")).connect(|_: &u32| {}).unwrap(),
        bus.on("a").until(|_| panic!("until")).connect(|_: &u32| {}).unwrap(),
        bus.on("a").middleware(Inspect::new(|_: &Event<'_>| boom("layer"))).connect(|_: &u32| {}).unwrap(),
        bus.connect("a", counting(&calls)).unwrap(),
    ];
    quietly(|| {
        for n in 0..PANICS / 10 {
            assert_eq!(bus.emit("a", n).failed(), 3);
        }
    });
    let causes: Vec<_> =
        quietly(|| bus.emit("a", 1_u32)).failures().iter().map(|failure| failure.cause.to_string()).collect();
    assert_eq!(causes, ["panicked: filter", "panicked: until", "panicked: layer"]);
    assert_eq!(calls.load(Ordering::Relaxed), PANICS / 10 + 1);
    assert_usable(&bus);
}

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("grenade");
        }
    }
}

#[test]
fn a_panic_whose_payload_panics_when_dropped_is_one_failure() {
    let bus = Bus::new();
    let _grenade = bus.connect("a", |_: &u32| boom(Grenade)).unwrap();
    let _last = bus.connect("a", |_: &u32| {}).unwrap();
    quietly(|| {
        for n in 0..PANICS / 10 {
            let delivery = bus.emit("a", n);
            assert_eq!((delivery.called(), delivery.failed()), (2, 1));
        }
        bus.layer(|_: &Event<'_>, _: Next<'_>| boom(Grenade));
        assert_eq!(bus.emit("a", 1_u32).failed(), 1);
    });
    bus.set_stack(Stack::new());
    assert_usable(&bus);
}

#[test]
fn a_handler_whose_drop_panics_leaves_the_bus_whole() {
    let bus = Bus::new();
    let _other = bus.connect("a", |_: &u32| {}).unwrap();
    let signal = bus.signal::<u32>("a").unwrap();
    quietly(|| {
        for n in 0..1_000 {
            let grenade = Grenade;
            let connection = bus
                .connect("a", move |_: &u32| {
                    let _held = &grenade;
                })
                .unwrap();
            assert_eq!((bus.emit("a", n).called(), signal.emit(n).called()), (2, 2));
            // Where the panic surfaces is up to the destructor's thread; the bus is whole whether it does or not.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(connection)));
            assert_eq!((bus.emit("a", n).called(), bus.connections()), (1, 1));
        }
    });
    assert_usable(&bus);
}

#[test]
fn a_handler_that_ends_itself_and_whose_drop_panics_stops_nobody() {
    let bus = Bus::new();
    let calls = Arc::new(AtomicU32::new(0));
    for n in 0..100_u32 {
        let grenade = Grenade;
        let _once = bus
            .on("a")
            .once()
            .connect(move |_: &u32| {
                let _held = &grenade;
            })
            .unwrap();
        let _last = bus.connect("a", counting(&calls)).unwrap();
        let _ = quietly(|| catch_unwind(AssertUnwindSafe(|| bus.emit("a", n))));
        assert_eq!(bus.connections(), 1, "after {n}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 100);
    assert_usable(&bus);
}

#[test]
fn isolate_is_the_default_and_fail_fast_ends_the_emit() {
    for (policy, called, bubbled) in [(Policy::Isolate, 4, true), (Policy::FailFast, 2, false)] {
        let seen = Recorder::new();
        let parent = Bus::builder().policy(policy).build();
        let child = parent.child("c").unwrap();
        let _connections = [
            child.connect("a", |_: &u32| {}).unwrap(),
            child.connect("a", |_: &u32| Err("broken")).unwrap(),
            child.connect("**", |_: &u32| {}).unwrap(),
            parent.connect("c.a", seen.label("parent")).unwrap(),
        ];
        let delivery = child.emit("a", 1_u32);
        assert_eq!((delivery.called(), delivery.failed(), delivery.is_stopped()), (called, 1, !bubbled));
        assert_eq!(seen.take().len(), usize::from(bubbled));
    }
    assert_eq!(Policy::default(), Policy::Isolate);
}

#[test]
fn fail_fast_of_one_connection_counts_panics_too() {
    let bus = Bus::new();
    let _first = bus.connect("a", |_: &u32| boom("isolated")).unwrap();
    let _second = bus.on("a").policy(Policy::FailFast).connect(|_: &u32| boom("fatal")).unwrap();
    let _third = bus.connect("a", |_: &u32| {}).unwrap();
    let delivery = quietly(|| bus.emit("a", 1_u32));
    assert_eq!((delivery.called(), delivery.failed(), delivery.is_stopped()), (2, 2, true));
}

#[test]
fn propagate_calls_the_others_and_then_panics_in_the_emitter() {
    let seen = Recorder::new();
    let parent = Bus::builder().policy(Policy::Propagate).build();
    let child = parent.child("c").unwrap();
    let _connections = [
        child.connect("a", |_: &u32| boom("first")).unwrap(),
        child.connect("a", |_: &u32| boom("second")).unwrap(),
        child.connect("a", |_: &u32| Err("an error does not")).unwrap(),
        child.connect("a", seen.label("child")).unwrap(),
        parent.connect("**", seen.label("parent")).unwrap(),
    ];
    let signal = child.signal::<u32>("a").unwrap();
    for _ in 0..3 {
        let by_name = quietly(|| catch_unwind(AssertUnwindSafe(|| child.emit("a", 1_u32)))).unwrap_err();
        assert_eq!(by_name.downcast_ref(), Some(&"first"));
        let by_handle = quietly(|| catch_unwind(AssertUnwindSafe(|| signal.emit(1)))).unwrap_err();
        assert_eq!(by_handle.downcast_ref(), Some(&"first"));
        assert_eq!(seen.take(), ["child", "parent", "child", "parent"]);
    }
    assert_eq!(child.failures(), 18);
    assert_usable(&child);
}

#[test]
fn propagate_of_one_connection_and_of_a_layer() {
    let bus = Bus::new();
    let _isolated = bus.connect("a", |_: &u32| boom("isolated")).unwrap();
    let one = bus.on("a").policy(Policy::Propagate).connect(|_: &u32| boom("passed on")).unwrap();
    let panic = quietly(|| catch_unwind(AssertUnwindSafe(|| bus.emit("a", 1_u32)))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"passed on"));
    drop(one);
    assert_eq!(quietly(|| bus.emit("a", 1_u32)).failed(), 1);

    let bus = Bus::builder().policy(Policy::Propagate).build();
    bus.layer(Inspect::new(|_: &Event<'_>| boom("layer")));
    let panic = quietly(|| catch_unwind(AssertUnwindSafe(|| bus.emit("a", 1_u32)))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"layer"));
}

#[test]
fn propagate_inside_later_emits_ends_no_process() {
    let bus = Bus::builder().policy(Policy::Propagate).build();
    let weak = bus.downgrade();
    let _now = bus
        .connect("now", move |_: &u32| {
            weak.upgrade().unwrap().emit_later("later", 1_u32);
            boom("now");
        })
        .unwrap();
    let _later = bus.connect("later", |_: &u32| boom("later")).unwrap();
    let panic = quietly(|| catch_unwind(AssertUnwindSafe(|| bus.emit("now", 1_u32)))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"now"));
    assert_usable(&bus);
}

#[test]
fn detach_after_ends_the_connection_with_its_nth_failure() {
    let bus = Bus::new();
    let fragile = bus
        .on("a")
        .policy(Policy::detach_after(3))
        .connect(|n: &u32| if n.is_multiple_of(2) { Err("even") } else { Ok(()) });
    let fragile = fragile.unwrap();
    let _last = bus.connect("a", |_: &u32| {}).unwrap();
    let called: Vec<_> = (0..8_u32).map(|n| bus.emit("a", n).called()).collect();
    assert_eq!(called, [2, 2, 2, 2, 2, 1, 1, 1]);
    assert!(!fragile.is_connected());
    assert_eq!((bus.connections(), bus.failures()), (1, 3));

    let bus = Bus::builder().policy(Policy::detach_after(0)).build();
    let _once = bus.connect("a", |_: &u32| boom("expected")).unwrap();
    let _fine = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(quietly(|| bus.emit("a", 1_u32)).called(), 2);
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
}

#[test]
fn a_failing_report_handler_stops_nobody_whatever_the_policy() {
    for policy in [Policy::Isolate, Policy::FailFast, Policy::Propagate] {
        let seen = Recorder::new();
        let bus = Bus::builder().policy(policy).build();
        let _reports = bus.connect("$sys.handler.failed", |_: &sys::HandlerFailed| boom("report")).unwrap();
        let _error = bus.on("a").policy(Policy::Isolate).connect(|_: &u32| Err("broken")).unwrap();
        let _panic = bus.on("a").policy(Policy::Isolate).connect(|_: &u32| boom("broken")).unwrap();
        let _last = bus.connect("a", seen.label("last")).unwrap();
        let delivery = quietly(|| catch_unwind(AssertUnwindSafe(|| bus.emit("a", 1_u32))));
        assert_eq!(seen.take(), ["last"], "{policy:?}");
        let delivery = delivery.expect("the emit did not fail");
        assert_eq!((delivery.called(), delivery.failed(), bus.failures()), (3, 2, 4), "{policy:?}");
    }
}

#[test]
fn a_layer_that_changes_the_type_is_counted_and_reported_like_any_failure() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _reports =
        bus.connect("$sys.handler.failed", seen.lines(|report: &sys::HandlerFailed| report.failure.clone())).unwrap();
    bus.layer(|event: &Event<'_>, next: Next<'_>| next.replace(event, "text"));
    let _handler = bus.connect("a", |_: &u32| {}).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (0, 1));
    assert_eq!(bus.failures(), 1);
    assert_eq!(seen.take(), [delivery.failures()[0].to_string()]);
}

#[test]
fn a_destructor_that_panics_hides_no_report() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("dropped");
        }
    }
    let seen = Recorder::new();
    let bus = Bus::new();
    let _reports = bus.connect("$sys.disconnected", seen.lines(|d: &sys::Disconnected| d.pattern.clone())).unwrap();
    let bomb = Bomb;
    let connection = bus.connect("a", move |_: &u32| {
        let _ = &bomb;
    });
    assert!(quietly(|| catch_unwind(AssertUnwindSafe(|| drop(connection.unwrap())))).is_err());
    assert_eq!(seen.take(), ["a"]);
    assert_usable(&bus);
}
