//! Emits never wait for whoever changes the bus: with the writer's lock held they all go through.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use crowd::watch;
use sigtree::{Bus, Event, History, Next, Policy, Receiver};

const PATIENCE: Duration = Duration::from_secs(30);

/// Something that can be changed and emitted on.
trait Changed: Sync {
    /// Calls `meanwhile` in the middle of a change.
    fn hold(&self, meanwhile: &mut dyn FnMut());
}

/// Whether `emit` comes back within `patience` while somebody is in the middle of a change.
fn goes_through(
    changed: &impl Changed,
    patience: Duration,
    emit: impl FnOnce() -> usize + Send + 'static,
) -> Option<usize> {
    let (mut emit, mut called) = (Some(emit), None);
    changed.hold(&mut || called = emit.take().and_then(|emit| watch(patience, emit)));
    called
}

impl Changed for Bus {
    fn hold(&self, meanwhile: &mut dyn FnMut()) {
        let _held = self.hold_writer();
        meanwhile();
    }
}

fn bus() -> Bus {
    let bus = Bus::new();
    bus.connect("a.b", |_: &u32| {}).unwrap().detach();
    bus
}

#[test]
fn on_a_hot_route() {
    let bus = bus();
    let signal = bus.signal::<u32>("a.b").unwrap();
    signal.emit(1);
    let own = signal.clone();
    assert_eq!(goes_through(&bus, PATIENCE, move || own.emit(2).called()), Some(1));
}

#[test]
fn on_a_hot_name() {
    let bus = bus();
    bus.emit("a.b", 1_u32);
    bus.emit("a.b", 2_u32);
    let own = bus.clone();
    assert_eq!(goes_through(&bus, PATIENCE, move || own.emit("a.b", 3_u32).called()), Some(1));
}

#[test]
fn on_a_cold_name() {
    let bus = bus();
    bus.connect("**", |_: &u32| {}).unwrap().detach();
    let own = bus.clone();
    let emit = move || (0..100).map(|n| own.emit(format!("cold.{n}"), 1_u32).called()).sum();
    assert_eq!(goes_through(&bus, PATIENCE, emit), Some(100));
}

#[test]
fn on_a_route_that_is_out_of_date() {
    let bus = bus();
    let signal = bus.signal::<u32>("a.b").unwrap();
    signal.emit(1);
    bus.emit("a.b", 1_u32);
    bus.emit("a.b", 1_u32);
    bus.connect("a.*", |_: &u32| {}).unwrap().detach();
    bus.connect("a.b", |_: &u32| {}).unwrap().detach();
    let (own, handle) = (bus.clone(), signal.clone());
    let emit = move || handle.emit(2).called() + handle.pin().emit(3).called() + own.emit("a.b", 4_u32).called();
    assert_eq!(goes_through(&bus, PATIENCE, emit), Some(9));
}

#[test]
fn through_a_stack_and_up_to_a_parent_that_is_changed() {
    let parent = bus();
    let child = parent.child("a").unwrap();
    child.layer(|event: &sigtree::Event<'_>, next: sigtree::Next<'_>| next.run(event));
    child.emit("b", 1_u32);
    for changed in [parent, child.clone()] {
        let child = child.clone();
        assert_eq!(goes_through(&changed, PATIENCE, move || child.emit("b", 2_u32).called()), Some(1));
    }
}

#[test]
fn when_connections_end_by_themselves() {
    let bus = Bus::new();
    bus.on("a.b").once().connect(|_: &u32| {}).unwrap().detach();
    bus.on("a.b").until(|_| true).connect(|_: &u32| {}).unwrap().detach();
    let failing = |_: &u32| -> Result<(), &str> { Err("broken") };
    bus.on("a.b").policy(Policy::detach_after(1)).connect(failing).unwrap().detach();
    let dead = Arc::new(AtomicU32::new(0));
    let count = |count: &AtomicU32, _: &u32| {
        count.fetch_add(1, SeqCst);
    };
    bus.connect_weak("a.b", &dead, count).unwrap();
    drop(dead);
    let receiver = Receiver::new(AtomicU32::new(0));
    receiver.connect(&bus, "a.b", count).unwrap();
    let own = bus.clone();
    let emit = move || own.emit("a.b", 1_u32).called() + 10 * own.emit("a.b", 2_u32).called();
    assert_eq!(goes_through(&bus, PATIENCE, emit), Some(14));
    assert_eq!(receiver.load(SeqCst), 2);
}

#[test]
fn when_they_are_refused_or_meet_nobody() {
    let bus = Bus::new();
    bus.connect("$sys.**", |_: &sigtree::Event<'_>| {}).unwrap().detach();
    let own = bus.clone();
    let emit = move || {
        assert!(own.emit("a..b", 1_u32).refusal().is_some());
        own.emit("nobody", 1_u32).called()
    };
    assert_eq!(goes_through(&bus, PATIENCE, emit), Some(0));
    assert_eq!(bus.refusals(), 1);
}

#[test]
fn when_an_event_comes_late_to_a_history_that_is_followed() {
    let bus = Bus::new();
    let history = History::new();
    let (parked, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (at, on) = (parked.clone(), go.clone());
    bus.layer(move |event: &Event<'_>, next: Next<'_>| {
        if event.payload() == Some(&1_u32) {
            at.wait();
            on.wait();
        }
        next.run(event);
    });
    bus.layer(history.clone());
    let own = bus.clone();
    let emit = thread::spawn(move || own.emit("a", 1_u32));
    parked.wait();
    let seen = Arc::new(AtomicU32::new(0));
    let list = seen.clone();
    let late = bus.on("a").replay_last(&history, 9).connect(move |n: &u32| list.store(*n, SeqCst)).unwrap();
    let done = goes_through(&bus, PATIENCE, move || {
        go.wait();
        emit.join().unwrap();
        seen.load(SeqCst) as usize
    });
    assert_eq!(done, Some(1));
    drop(late);
}

/// The mistake: an emit takes the lock that a change takes.
struct Locked(Arc<Mutex<usize>>);

impl Changed for Locked {
    fn hold(&self, meanwhile: &mut dyn FnMut()) {
        let _held = self.0.lock().unwrap();
        meanwhile();
    }
}

#[test]
fn an_emit_that_locks_is_found_out() {
    let locked = Locked(Arc::default());
    let own = locked.0.clone();
    assert_eq!(goes_through(&locked, Duration::from_millis(200), move || *own.lock().unwrap()), None);
    thread::yield_now();
}

#[test]
fn what_ended_while_a_writer_was_busy_is_taken_out_later() {
    let bus = Bus::new();
    let captured = Arc::new(());
    let held = captured.clone();
    let failing = move |_: &u32| -> Result<(), &str> {
        let _ = &held;
        Err("broken")
    };
    bus.on("a.b").policy(Policy::detach_after(1)).connect(failing).unwrap().detach();
    let own = bus.clone();
    assert_eq!(goes_through(&bus, PATIENCE, move || own.emit("a.b", 1_u32).called()), Some(1));
    assert_eq!(bus.prune(), 1);
    assert_eq!((bus.connections(), Arc::strong_count(&captured)), (0, 1));

    let failing = |_: &u32| -> Result<(), &str> { Err("broken") };
    let all = Bus::builder().policy(Policy::detach_after(1)).build();
    all.connect("a", failing).unwrap().detach();
    let own = all.clone();
    assert_eq!(goes_through(&all, PATIENCE, move || own.emit("a", 1_u32).called()), Some(1));
    assert_eq!(all.emit("a", 2_u32).called(), 0);
    assert_eq!(all.connections(), 0);
}
