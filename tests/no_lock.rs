//! No lock of the bus is held while the user's code runs: destructors of refused handlers, what layers answer when they are asked.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crowd::watch;
use sigtree::{Bus, Connection, Error, Event, Middleware, Next, Receiver, Signal, Stack, Topic, WeakBus};

const PATIENCE: Duration = Duration::from_secs(30);

/// What is dropped with a refused handler, each of which uses the bus for it.
struct Captured {
    _connection: Connection,
    _signal: Signal<u8>,
    _receiver: Receiver<()>,
    bus: WeakBus,
    dropped: Arc<AtomicU64>,
}

impl Drop for Captured {
    fn drop(&mut self) {
        let bus = self.bus.upgrade().unwrap();
        bus.connect("by.drop", |_: &u32| {}).unwrap().disconnect();
        bus.emit("by.drop", 1_u32);
        self.dropped.fetch_add(1, SeqCst);
    }
}

/// Connects a handler with captures in a way that is refused: the refusal, and how many captures were dropped by then.
fn refused<H: 'static>(
    connect: impl FnOnce(&Bus, H) -> Result<Connection, Error> + Send + 'static,
    capture: fn(Captured) -> H,
) -> Option<(String, u64)> {
    let bus = Bus::new();
    let receiver = Receiver::new(());
    receiver.connect(&bus, "other", |(): &(), _: &u32| {}).unwrap();
    bus.connect("a", |_: &u32| {}).unwrap().detach();
    bus.on("a").unique("one").connect(|_: &u32| {}).unwrap().detach();
    let dropped = Arc::new(AtomicU64::new(0));
    let captured = Captured {
        _connection: bus.connect("other", |_: &u32| {}).unwrap(),
        _signal: bus.signal("signal").unwrap(),
        _receiver: receiver,
        bus: bus.downgrade(),
        dropped: dropped.clone(),
    };
    watch(PATIENCE, move || {
        let refusal = connect(&bus, capture(captured)).unwrap_err().to_string();
        assert_eq!(bus.connections(), 2);
        (refusal, dropped.load(SeqCst))
    })
}

#[test]
fn a_handler_refused_for_its_type_may_own_parts_of_the_bus() {
    let capture = |captured: Captured| move |_: &String| drop(captured.bus.upgrade());
    let (refusal, dropped) = refused(|bus, handler| bus.connect("a", handler), capture).expect("no deadlock");
    assert!(refusal.starts_with("topic `a` carries `u32`"), "{refusal}");
    assert_eq!(dropped, 1);
}

#[test]
fn a_handler_refused_for_its_name_may_own_parts_of_the_bus() {
    let capture = |captured: Captured| move |_: &u32| drop(captured.bus.upgrade());
    let connect = |bus: &Bus, handler| bus.on("b").unique("one").connect(handler);
    let (refusal, dropped) = refused(connect, capture).expect("no deadlock");
    assert!(refusal.contains("one"), "{refusal}");
    assert_eq!(dropped, 1);
}

/// A layer that uses the bus in every answer it gives.
struct Curious {
    bus: WeakBus,
    asked: Arc<AtomicU64>,
}

impl Curious {
    fn ask(&self) {
        let Some(bus) = self.bus.upgrade() else { return };
        bus.connect("by.layer", |_: &u32| {}).unwrap().disconnect();
        bus.child("by.layer").unwrap();
        self.asked.fetch_add(1, SeqCst);
    }
}

impl Middleware for Curious {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        self.ask();
        next.run(event);
    }

    fn retains(&self) -> bool {
        self.ask();
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.ask();
        !topic.as_str().ends_with("out")
    }
}

#[test]
fn layers_may_use_the_bus_when_they_are_asked() {
    let asked = watch(PATIENCE, || {
        let bus = Bus::new();
        let asked = Arc::new(AtomicU64::new(0));
        let curious = || Curious { bus: bus.downgrade(), asked: asked.clone() };
        bus.layer(curious());
        bus.set_stack(Stack::new().with(curious()));
        let _own = bus.on("a.*").middleware(curious()).connect(|_: &u32| {}).unwrap();
        let settings = Bus::builder().stack(Stack::new().with(curious()));
        let child = bus.child_builder("child").settings(settings).sink().build().unwrap();
        for topic in ["a.b", "a.out", "child.a", "child.out"] {
            for n in 0..3_u32 {
                bus.emit(topic, n);
                child.emit(topic, n);
            }
        }
        bus.set_stack(Stack::new());
        asked.load(SeqCst)
    });
    assert!(asked.expect("no deadlock") > 10);
}
