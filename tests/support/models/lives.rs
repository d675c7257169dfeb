//! A queue that gets another size, and a bus that is shut down, while others emit: nothing is lost, and nobody sleeps beside it.

use std::time::Duration;

use sigtree::{Bus, Overflow, Queue, Subscription};

use super::stage::{bus, thread};
use crate::{EMITTERS, check};

fn queue(bus: &Bus, capacity: usize, overflow: Overflow) -> Subscription<usize> {
    bus.on("a.b").queue(Queue::bounded(capacity).overflow(overflow)).subscribe().unwrap()
}

/// An emit is refused, or its event is taken; who takes gets the end after the last one.
#[test]
fn shutting_down_under_emits() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, EMITTERS, Overflow::DropNewest);
        let signal = bus.signal::<usize>("a.b").unwrap();
        let emit = |n| {
            let signal = signal.clone();
            thread::spawn(move || {
                let delivery = signal.emit(n);
                assert_eq!(delivery.called() == 0, delivery.refusal().is_some());
                delivery.called()
            })
        };
        let emitters: Vec<_> = (1..EMITTERS).map(emit).collect();
        // No more than this thread has: the end is seen by whoever takes next.
        let taker = thread::spawn(move || (&queue).count());
        assert!(bus.shutdown(Duration::MAX).is_clean());
        assert!(signal.emit(0).refusal().unwrap().is_shutting_down());
        let called: usize = emitters.into_iter().map(|emitter| emitter.join().unwrap()).sum();
        assert_eq!(taker.join().unwrap(), called);
    });
}

/// A thread's events come in their order, whatever the queue's size is when they come; and who sleeps wakes.
#[test]
fn resizing_under_an_emitter() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 2, Overflow::DropNewest);
        let signal = bus.signal::<usize>("a.b").unwrap();
        let emitter = thread::spawn(move || (1..=2).map(|n| signal.emit(n).called()).sum::<usize>());
        let taken = queue.clone();
        let taker = thread::spawn(move || (*taken.recv_blocking().unwrap(), *taken.recv_blocking().unwrap()));
        queue.resize(3);
        assert_eq!(taker.join().unwrap(), (1, 2));
        assert_eq!(emitter.join().unwrap(), 2);
        assert_eq!((queue.stats().sent(), queue.stats().depth), (2, 0));
    });
}

/// An emit that waits for a place finds the new one.
#[test]
fn growing_under_an_emit_that_waits() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::Block(Duration::MAX));
        let signal = bus.signal::<usize>("a.b").unwrap();
        signal.emit(1);
        let emitter = thread::spawn(move || signal.emit(2).called());
        queue.resize(2);
        assert_eq!(emitter.join().unwrap(), 1);
        assert_eq!(queue.drain().map(|n| *n).collect::<Vec<_>>(), [1, 2]);
    });
}
