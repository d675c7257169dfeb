//! A full queue does what it was told, and counts what is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sigtree::{Bus, Event, Overflow, Priority, Queue, Subscription};

const MINUTE: Duration = Duration::from_secs(60);

fn of(bus: &Bus, pattern: &str, capacity: usize, overflow: Overflow) -> Subscription<u32> {
    bus.on(pattern).named("q").queue(Queue::bounded(capacity).overflow(overflow)).subscribe().unwrap()
}

fn taken(queue: &Subscription<u32>) -> Vec<u32> {
    queue.drain().map(|n| *n).collect()
}

#[test]
fn the_newest_is_dropped_unless_said_otherwise() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 2, Overflow::default());
    let calls: Vec<_> = (1..=3_u32).map(|n| bus.emit("n", n)).map(|d| (d.called(), d.skipped(), d.failed())).collect();
    assert_eq!(calls, [(1, 0, 0), (1, 0, 0), (0, 1, 0)]);
    assert_eq!(taken(&queue), [1, 2]);
    let stats = queue.stats();
    assert_eq!((stats.sent(), stats.received, stats.dropped_newest, stats.depth, stats.high_water), (3, 2, 1, 0, 2));
    assert!((stats.drop_rate() - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn the_oldest_makes_place() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 2, Overflow::DropOldest);
    for n in 1..=5_u32 {
        assert_eq!(bus.emit("n", n).called(), 1);
    }
    assert_eq!(taken(&queue), [4, 5]);
    assert_eq!((queue.stats().dropped_oldest, queue.stats().high_water, queue.stats().sent()), (3, 2, 5));
}

#[test]
fn the_latest_of_a_topic_stands_where_the_first_stood() {
    let bus = Bus::new();
    let queue = of(&bus, "n.*", 2, Overflow::Latest);
    for (topic, n) in [("n.a", 1_u32), ("n.b", 2), ("n.a", 3), ("n.c", 4)] {
        bus.emit(topic, n);
    }
    assert_eq!(taken(&queue), [3, 2]);
    bus.emit("n.a", 5_u32);
    assert_eq!(taken(&queue), [5]);
    let stats = queue.stats();
    assert_eq!((stats.replaced, stats.dropped_newest, stats.received, stats.sent()), (1, 1, 3, 5));
}

#[test]
fn an_error_is_a_failure_that_says_what_to_do() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 1, Overflow::Error);
    assert!(bus.emit("n", 1_u32).ok().is_ok());
    let delivery = bus.emit("n", 2_u32);
    assert_eq!((delivery.failed(), bus.failures()), (1, 1));
    let told = delivery.failures()[0].to_string();
    assert!(told.contains("the queue of `n` named `q` (tests/overflow.rs:"), "{told}");
    assert!(told.contains("is full: 1 wait: take faster, give it more places, or let it drop the oldest"), "{told}");
    assert_eq!(taken(&queue), [1]);
}

#[test]
fn an_emit_waits_for_a_place_and_loses_nothing() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 1, Overflow::Block(MINUTE));
    let emitter = bus.clone();
    let emits = thread::spawn(move || (0..1_000_u32).map(|n| emitter.emit("n", n).called()).sum::<usize>());
    let got: Vec<_> = (0..1_000).map(|_| *queue.recv_blocking().unwrap()).collect();
    assert_eq!((emits.join().unwrap(), got), (1_000, (0..1_000).collect::<Vec<_>>()));
    assert_eq!((queue.stats().sent(), queue.stats().dropped()), (1_000, 0));
}

#[test]
fn a_place_that_does_not_come_is_a_failure() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 1, Overflow::Block(Duration::from_millis(1)));
    bus.emit("n", 1_u32);
    let delivery = bus.emit("n", 2_u32);
    assert!(delivery.failures()[0].to_string().contains("none was taken in time"), "{delivery}");
    assert_eq!((queue.stats().timed_out, queue.stats().sent()), (1, 2));
}

#[test]
fn an_emit_does_not_wait_for_its_own_thread() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 1, Overflow::Block(MINUTE));
    bus.emit("n", 1_u32);
    assert_eq!(taken(&queue), [1]);
    // From here on this thread is known to be the one that takes.
    bus.emit("n", 2_u32);
    let delivery = bus.emit("n", 3_u32);
    assert!(delivery.failures()[0].to_string().contains("only this thread takes from it"), "{delivery}");
    assert_eq!(queue.stats().would_deadlock, 1);
    assert!(bus.emit_timeout("n", 4_u32, MINUTE).unwrap_err().full_queue().unwrap().would_deadlock());

    // A clone may be taken from elsewhere: then it waits.
    let other = queue.clone();
    let takes = thread::spawn(move || other.recv_blocking().map(|n| *n).unwrap());
    assert_eq!(takes.join().unwrap(), 2);
    assert_eq!(bus.emit("n", 5_u32).called(), 1);
}

#[test]
fn who_waits_for_a_place_is_let_go_when_the_subscription_ends() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 1, Overflow::Block(MINUTE));
    bus.emit("n", 1_u32);
    let (ready, go) = mpsc::channel();
    let emitter = bus.clone();
    let emits = thread::spawn(move || {
        ready.send(()).unwrap();
        emitter.emit("n", 2_u32).called()
    });
    go.recv().unwrap();
    drop(queue);
    let _ = emits.join().unwrap();
    assert_eq!(bus.connections(), 0);
}

#[test]
fn an_emit_that_asks_is_told_which_queue_was_full() {
    let bus = Bus::new();
    let full = of(&bus, "n", 1, Overflow::DropNewest);
    let wide = of(&bus, "n", 10, Overflow::DropNewest);
    let oldest = of(&bus, "n", 1, Overflow::DropOldest);
    assert_eq!(bus.try_emit("n", 1_u32).unwrap().called(), 3);
    let error = bus.try_emit("n", 2_u32).unwrap_err();
    assert!(error.is_queue_full() && !error.is_timeout());
    let queue = error.full_queue().unwrap();
    assert_eq!((queue.pattern().as_str(), queue.name(), queue.capacity()), ("n", Some("q"), 1));
    assert!(queue.location().file().ends_with("overflow.rs"));
    assert!(bus.signal::<u32>("n").unwrap().try_emit(3).unwrap_err().is_queue_full());
    assert!(bus.event("n").source("me").try_emit(4_u32).unwrap_err().is_queue_full());
    assert!(bus.event("n").emit_timeout(5_u32, Duration::ZERO).unwrap_err().is_queue_full());
    assert_eq!((taken(&full), taken(&wide), taken(&oldest)), (vec![1], vec![1, 2, 3, 4, 5], vec![5]));
    // It is an answer, not a failure.
    assert_eq!(bus.failures(), 0);
}

#[test]
fn an_emit_that_asks_waits_as_long_as_it_says() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 1, Overflow::DropNewest);
    bus.emit("n", 1_u32);
    let emitter = bus.clone();
    let emits = thread::spawn(move || emitter.emit_timeout("n", 2_u32, MINUTE).map(|delivery| delivery.called()));
    assert_eq!(*queue.recv_blocking().unwrap(), 1);
    assert_eq!(*queue.recv_blocking().unwrap(), 2);
    assert_eq!(emits.join().unwrap().unwrap(), 1);
}

#[test]
fn what_is_emitted_inside_of_an_emit_that_asks_does_not_ask() {
    let bus = Bus::new();
    let inner = of(&bus, "inner", 1, Overflow::Block(Duration::from_millis(1)));
    bus.emit("inner", 0_u32);
    let weak = bus.downgrade();
    let failed = Arc::new(AtomicUsize::new(0));
    let count = failed.clone();
    let _relay = bus
        .connect("outer", move |n: &u32| {
            count.fetch_add(weak.upgrade().unwrap().emit("inner", *n).failed(), Ordering::Relaxed);
        })
        .unwrap();
    assert!(bus.try_emit("outer", 1_u32).is_ok());
    assert_eq!((failed.load(Ordering::Relaxed), inner.stats().timed_out), (1, 1));
    // And one that panics leaves nothing behind.
    let _panics =
        bus.on("p").policy(sigtree::Policy::Propagate).connect(|_: &Event<'_>| -> () { panic!("as told") }).unwrap();
    let emits = std::panic::AssertUnwindSafe(|| bus.try_emit("p", 1_u32));
    assert!(std::panic::catch_unwind(emits).is_err());
    assert_eq!(bus.emit("inner", 2_u32).failed(), 1);
}

#[test]
fn critical_events_are_taken_first_and_low_ones_in_their_turn() {
    let bus = Bus::new();
    let queue = of(&bus, "n", 100, Overflow::DropNewest);
    let emit = |priority, n: u32| bus.event("n").priority(priority).emit(n).called();
    for n in 0..100 {
        assert_eq!(emit(Priority::Critical, n), 1);
    }
    // Each lane has places of its own.
    assert_eq!(emit(Priority::Critical, 100), 0);
    for (at, priority) in [(1_000, Priority::Low), (2_000, Priority::Normal), (3_000, Priority::High)] {
        assert_eq!((0..3).map(|n| emit(priority, at + n)).sum::<usize>(), 3);
    }
    let taken = taken(&queue);
    let places = |from: u32| -> Vec<_> { (0..3).map(|n| taken.iter().position(|t| *t == from + n).unwrap()).collect() };
    assert_eq!(places(1_000), [15, 63, 108]);
    assert_eq!(places(2_000), [31, 79, 107]);
    assert_eq!(places(3_000), [47, 95, 106]);
    let critical: Vec<_> = taken.iter().copied().filter(|n| *n < 1_000).collect();
    assert_eq!(critical, (0..100).collect::<Vec<_>>());
}
