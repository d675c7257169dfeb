//! Takers that share a queue, and takes that meet replacements and ends: each event is taken, replaced or dropped once.

use std::time::Duration;

use sigtree::{Overflow, Subscription};

use super::queues::{called, emitters, queue};
use super::stage::{bus, thread};
use crate::{EMITTERS, check};

/// Two who sleep take two events, one each.
#[test]
fn two_takers_for_two_events() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 2, Overflow::DropNewest);
        let taker = |queue: Subscription<usize>| thread::spawn(move || *queue.recv_blocking().unwrap());
        let takers = [taker(queue.clone()), taker(queue.clone())];
        let signal = bus.signal::<usize>("a.b").unwrap();
        assert_eq!((signal.emit(0).called(), signal.emit(1).called()), (1, 1));
        let taken = takers.map(|taker| taker.join().unwrap());
        assert!(taken == [0, 1] || taken == [1, 0]);
        assert_eq!((queue.stats().received, queue.stats().depth), (2, 0));
    });
}

/// One event goes to one of two, and the end wakes the other.
#[test]
fn two_takers_for_one_event() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::DropNewest);
        let taker = |queue: Subscription<usize>| thread::spawn(move || queue.recv_blocking().is_ok());
        let takers = [taker(queue.clone()), taker(queue)];
        bus.signal::<usize>("a.b").unwrap().emit(0);
        drop(bus);
        assert_eq!(takers.map(|taker| usize::from(taker.join().unwrap())).iter().sum::<usize>(), 1);
    });
}

/// While the latest of a topic is taken, newer ones come: each is taken or replaced once, and the last one stays.
#[test]
fn replacing_the_latest_while_it_is_taken() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::Latest);
        let signal = bus.signal::<usize>("a.b").unwrap();
        signal.emit(0);
        let emitter = thread::spawn(move || (1..3).map(|n| signal.emit(n).called()).sum::<usize>());
        let first = *queue.recv_blocking().unwrap();
        assert_eq!(emitter.join().unwrap(), 2);
        let rest: Vec<_> = queue.drain().map(|n| *n).collect();
        assert_eq!(rest.last().copied().unwrap_or(first), 2);
        let stats = queue.stats();
        assert_eq!((stats.received, stats.replaced), (1 + rest.len() as u64, 2 - rest.len() as u64));
    });
}

/// The oldest makes place while somebody takes: each is taken or dropped once.
#[test]
fn dropping_the_oldest_while_it_is_taken() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::DropOldest);
        let emitters = emitters(&bus);
        let first = *queue.recv_blocking().unwrap();
        assert_eq!(called(emitters), EMITTERS);
        let rest: Vec<_> = queue.drain().map(|n| *n).collect();
        assert!(!rest.contains(&first));
        let stats = queue.stats();
        assert_eq!((stats.received, stats.sent()), (1 + rest.len() as u64, EMITTERS as u64));
    });
}

/// An emit that waits for a place meets one who takes once and goes: it got the place, or was let go.
#[test]
fn taking_one_and_ending_under_an_emit_that_waits() {
    check(|| {
        let bus = bus();
        let queue = queue(&bus, 1, Overflow::Block(Duration::MAX));
        let signal = bus.signal::<usize>("a.b").unwrap();
        signal.emit(0);
        let emitter = thread::spawn(move || (1..3).map(|n| signal.emit(n).called()).sum::<usize>());
        assert_eq!(*queue.recv_blocking().unwrap(), 0);
        drop(queue);
        emitter.join().unwrap();
        assert_eq!(bus.connections(), 0);
    });
}
