//! Nobody sleeps beside an event that waits, or a place that is free; and the end wakes everybody.

use std::time::Duration;

use sigtree::{Bus, Overflow, Queue, Subscription};

use super::stage::{bus, thread};
use crate::{EMITTERS, check};

pub(super) fn queue(bus: &Bus, capacity: usize, overflow: Overflow) -> Subscription<usize> {
    bus.on("a.b").queue(Queue::bounded(capacity).overflow(overflow)).subscribe().unwrap()
}

/// Each of the other threads emits one number.
pub(super) fn emitters(bus: &Bus) -> Vec<thread::JoinHandle<usize>> {
    let signal = bus.signal::<usize>("a.b").unwrap();
    let emit = |n| {
        let signal = signal.clone();
        thread::spawn(move || signal.emit(n).called())
    };
    (0..EMITTERS).map(emit).collect()
}

pub(super) fn called(emitters: Vec<thread::JoinHandle<usize>>) -> usize {
    emitters.into_iter().map(|emitter| emitter.join().unwrap()).sum()
}

/// Takes one number for each emitter, and sleeps until it comes.
fn take_all(queue: &Subscription<usize>) {
    let mut taken: Vec<_> = (0..EMITTERS).map(|_| *queue.recv_blocking().unwrap()).collect();
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..EMITTERS));
}

/// Who waits for an event takes each.
#[test]
fn sleeping_until_there_is_an_event() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, EMITTERS, Overflow::DropNewest);
        let emitters = emitters(&bus);
        take_all(&queue);
        assert_eq!(called(emitters), EMITTERS);
        assert_eq!((queue.stats().received, queue.stats().sent()), (EMITTERS as u64, EMITTERS as u64));
    });
}

/// Whoever pushes, and looks how many wait or does not, the mark is that of all of them.
#[test]
fn seeing_how_many_wait() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, EMITTERS + 1, Overflow::DropNewest);
        assert_eq!(called(emitters(&bus)), EMITTERS);
        assert_eq!((queue.drain().count(), queue.stats().high_water), (EMITTERS, EMITTERS));
    });
}

/// Emits that wait for a place get one.
#[test]
fn sleeping_until_there_is_a_place() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::Block(Duration::MAX));
        let emitters = emitters(&bus);
        take_all(&queue);
        assert_eq!(called(emitters), EMITTERS);
    });
}

/// The newest of a topic is taken, and nobody sleeps beside it.
#[test]
fn sleeping_until_there_is_a_latest() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::Latest);
        let emitters = emitters(&bus);
        let first = *queue.recv_blocking().unwrap();
        assert_eq!(called(emitters), EMITTERS);
        let rest: Vec<_> = queue.drain().map(|n| *n).collect();
        assert!(rest.len() < EMITTERS && !rest.contains(&first));
        assert_eq!(queue.stats().sent(), EMITTERS as u64);
    });
}

/// The end of the bus wakes who waits for an event.
#[test]
fn sleeping_until_the_end() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::DropNewest);
        let taker = thread::spawn(move || queue.recv_blocking().unwrap_err().is_closed());
        drop(bus);
        assert!(taker.join().unwrap());
    });
}

/// The end of a subscription lets go of an emit that waits for a place.
#[test]
fn ending_under_an_emit_that_waits() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::Block(Duration::MAX));
        let signal = bus.signal::<usize>("a.b").unwrap();
        signal.emit(0);
        let emitter = thread::spawn(move || {
            signal.emit(1);
        });
        drop(queue);
        emitter.join().unwrap();
    });
}
