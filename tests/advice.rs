//! A layer may stand around each handler by itself: call it again, leave it out, make up for it.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use sigtree::middleware::{Advice, Answer, HandlerCall};
use sigtree::{Bus, Event, Middleware, Next, Policy, Stack};
use support::{Recorder, boom, quietly};

/// Writes down which handlers it stands around, and calls each up to so often.
struct Again(Recorder, u32);

impl Advice for Again {
    fn around(&self, handler: &HandlerCall<'_>, event: &Event<'_>) -> Answer {
        let name = handler.name().unwrap_or("?");
        self.0.note(format_args!("{name} of {} on {}", handler.pattern(), event.topic()));
        loop {
            let answer = handler.call();
            if !answer.is_failed() || handler.calls() >= self.1 {
                return answer;
            }
        }
    }
}

impl Middleware for Again {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        next.run_each(event, self);
    }
}

/// A handler that fails so often before it succeeds.
fn failing(times: u32, calls: &Arc<AtomicU32>) -> impl Fn(&u32) -> Result<(), String> + Send + Sync + 'static {
    let calls = calls.clone();
    move |_: &u32| match calls.fetch_add(1, Ordering::Relaxed) {
        n if n < times => Err(format!("failure {n}")),
        _ => Ok(()),
    }
}

#[test]
fn each_handler_is_called_by_itself_and_only_the_failing_one_again() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let counts: [Arc<AtomicU32>; 3] = Default::default();
    let _connections = [
        bus.on("a").named("good").connect(failing(0, &counts[0])).unwrap(),
        bus.on("a").named("moody").connect(failing(2, &counts[1])).unwrap(),
        bus.on("*").named("bad").connect(failing(9, &counts[2])).unwrap(),
    ];
    bus.layer(Again(seen.clone(), 3));
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (3, 1));
    assert_eq!(delivery.failures()[0].cause.to_string(), "failure 2");
    assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [1, 3, 3]);
    assert_eq!(seen.take(), ["good of a on a", "moody of a on a", "bad of * on a"]);
}

#[test]
fn advice_nests_like_its_layers_and_ends_with_its_bus() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let _own = child.on("a").named("own").connect(failing(9, &calls)).unwrap();
    let _above = parent.on("**").named("above").connect(|_: &u32| Err("no")).unwrap();
    child.set_stack(Stack::new().with(Again(seen.clone(), 4)).with(Again(seen.clone(), 2)));
    child.emit("a", 1_u32);
    // The inner one tries twice; the outer one counts the calls of the handler itself.
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    assert_eq!(seen.take().len(), 4);
}

#[test]
fn around_a_connection_it_is_that_handler() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let (calls, other) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let once = bus.on("a").named("once").once().middleware(Again(seen.clone(), 5)).connect(failing(2, &calls)).unwrap();
    let _other = bus.on("a").named("other").connect(failing(1, &other)).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (2, 1));
    assert_eq!(seen.take(), ["once of a on a"]);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert!(!once.is_connected());
}

#[test]
fn panics_are_problems_like_errors() {
    let seen = Recorder::new();
    for policy in [Policy::Isolate, Policy::Propagate] {
        let bus = Bus::builder().policy(policy).build();
        let calls = Arc::new(AtomicU32::new(0));
        let count = calls.clone();
        let _handler = bus
            .connect("a", move |_: &u32| {
                if count.fetch_add(1, Ordering::Relaxed) < 1 {
                    boom("once");
                }
            })
            .unwrap();
        bus.layer(Again(seen.clone(), 2));
        let delivery = quietly(|| bus.emit("a", 1_u32));
        assert_eq!((delivery.called(), delivery.failed(), bus.failures()), (1, 0, 0));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn advice_may_leave_a_handler_out_and_keeps_stops_and_order() {
    struct Not(&'static str);
    impl Advice for Not {
        fn around(&self, handler: &HandlerCall<'_>, _: &Event<'_>) -> Answer {
            if handler.name() == Some(self.0) { Answer::Skipped("left out".into()) } else { handler.call() }
        }
    }
    let seen = Recorder::new();
    let bus = Bus::new();
    let _connections = [
        bus.on("a").named("low").priority(-1).connect(seen.label("low")).unwrap(),
        bus.on("a").named("second").connect(|event: &Event<'_>| event.stop()).unwrap(),
        bus.on("a").named("first").priority(1).connect(seen.label("first")).unwrap(),
        bus.on("a").named("left out").priority(2).connect(seen.label("left out")).unwrap(),
    ];
    bus.layer(|event: &Event<'_>, next: Next<'_>| next.run_each(event, &Not("left out")));
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.skipped(), delivery.is_stopped()), (2, 1, true));
    assert_eq!(seen.take(), ["first"]);
}

#[test]
fn a_handler_that_is_muted_or_takes_another_type_is_not_asked_about() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let muted = bus.connect("a", |_: &u32| {}).unwrap();
    let _texts = bus.connect("**", |_: &String| {}).unwrap();
    let _silence = muted.mute();
    let dies = Arc::new(Mutex::new(None));
    let other = dies.clone();
    let kill = move |_: &u32| drop(other.lock().take());
    let _killer = bus.on("a").named("killer").priority(1).connect(kill).unwrap();
    *dies.lock() = Some(bus.connect("a", |_: &u32| {}).unwrap());
    bus.layer(Again(seen.clone(), 2));
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.muted(), delivery.skipped()), (1, 1, 1));
    assert_eq!(seen.take(), ["killer of a on a"]);
}

#[test]
fn advice_that_forgives_a_failure_does_not_forget_a_stop() {
    struct Forgive;
    impl Advice for Forgive {
        fn around(&self, handler: &HandlerCall<'_>, _: &Event<'_>) -> Answer {
            match handler.call() {
                Answer::Failed(_) => Answer::Done,
                answer => answer,
            }
        }
    }
    let seen = Recorder::new();
    let bus = Bus::new();
    let stops = |event: &Event<'_>| -> Result<(), &str> {
        event.stop();
        Err("no")
    };
    let _first = bus.on("a").priority(1).connect(stops).unwrap();
    let _second = bus.connect("a", seen.label("second")).unwrap();
    assert_eq!(bus.emit("a", 1_u32).failed(), 1);
    bus.layer(|event: &Event<'_>, next: Next<'_>| next.run_each(event, &Forgive));
    assert_eq!(bus.emit("a", 1_u32).failed(), 0);
    assert_eq!(seen.take(), [""; 0]);
}
