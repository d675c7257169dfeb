//! An attempt at an event ends once: it is done, or its time is over; and nobody sleeps beside what is given again.

use std::time::Duration;

use sigtree::middleware::Backoff;
use sigtree::{Bus, ManualClock, Mode, Queue, Reliable, Subscription};

use super::stage::thread;
use crate::check;

const SECOND: Duration = Duration::from_secs(1);

/// A reliable queue with one event in it, and a clock that stands still.
fn one_event(retries: u32) -> (Bus, ManualClock, Subscription<usize>) {
    let clock = ManualClock::new();
    let bus = Bus::builder().cached_topics(4).clock(clock.clone()).build();
    let rules = Reliable::new().timeout(SECOND).retries(retries).backoff(Backoff::every(Duration::ZERO));
    let queue = bus.on("a.b").queue(Queue::bounded(1)).mode(Mode::Reliable(rules)).subscribe().unwrap();
    bus.signal::<usize>("a.b").unwrap().emit(7);
    (bus, clock, queue)
}

/// Either the ack is in time and the event is not given again, or it is too late and the event is.
#[test]
fn an_ack_while_the_time_runs_out() {
    check(|| {
        let (_bus, clock, queue) = one_event(1);
        let taken = queue.try_recv().unwrap();
        let time = thread::spawn(move || clock.advance(SECOND));
        let in_time = taken.ack();
        time.join().unwrap();
        let again = queue.try_recv().ok();
        assert_eq!(again.is_none(), in_time);
        let stats = queue.reliable_stats().unwrap();
        let late = u64::from(!in_time);
        assert_eq!((stats.acked, stats.timed_out, stats.late_acks, stats.redelivered), (1 - late, late, late, late));
        assert!(again.is_none_or(|again| again.ack()));
        assert_eq!(queue.reliable_stats().unwrap().acked, 1);
    });
}

/// Who sleeps is woken by what is given again because its time was over, or by the end if it was done.
#[test]
fn sleeping_until_it_is_given_again() {
    check(|| {
        let (bus, clock, queue) = one_event(1);
        let taken = queue.try_recv().unwrap();
        let other = queue.clone();
        drop(bus);
        let sleeper = thread::spawn(move || other.recv_blocking().is_ok_and(|again| again.ack()));
        let in_time = taken.ack();
        clock.advance(SECOND);
        assert_eq!(sleeper.join().unwrap(), !in_time);
        assert_eq!(queue.reliable_stats().unwrap().acked, 1);
        assert!(queue.try_recv().unwrap_err().is_closed());
    });
}

/// A consumer that dies while the last handle goes: the event is a dead letter, once.
#[test]
fn dropping_an_event_while_the_queue_ends() {
    check(|| {
        let (_bus, _clock, queue) = one_event(3);
        let dead = queue.dead_letters().unwrap().clone();
        let taken = queue.try_recv().unwrap();
        let dies = thread::spawn(move || drop(taken));
        drop(queue);
        dies.join().unwrap();
        assert_eq!((dead.len(), dead.stats().kept), (1, 1));
    });
}
