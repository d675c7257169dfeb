//! A reliable subscription gives each event until somebody says that it is done, and keeps what is not.

#[path = "support/crowd.rs"]
mod crowd;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crowd::watch;
use sigtree::middleware::{Backoff, DeadLetter, DeadReason};
use sigtree::{Bus, ManualClock, Mode, Overflow, Priority, Queue, Received, Reliable, Subscription};
use support::quietly;

const SECOND: Duration = Duration::from_secs(1);
/// For those who wait for other threads, which come in no time unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bus with a clock that the test moves.
fn bus() -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    (Bus::builder().clock(clock.clone()).build(), clock)
}

/// Five seconds for an attempt, two retries, a second between them.
fn rules() -> Reliable {
    Reliable::new().timeout(5 * SECOND).retries(2).backoff(Backoff::every(SECOND))
}

fn subscribe(bus: &Bus, rules: Reliable) -> Subscription<u32> {
    bus.on("n.*").mode(Mode::Reliable(rules)).subscribe().unwrap()
}

fn emit(bus: &Bus, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        assert_eq!(bus.emit("n.a", n).failed(), 0);
    }
}

/// Each number that can be taken now, and which attempt it is; none of them is done.
fn peek(taken: &[Received<u32>]) -> Vec<(u32, u32)> {
    taken.iter().map(|n| (**n, n.attempt())).collect()
}

fn take(numbers: &Subscription<u32>) -> Vec<Received<u32>> {
    numbers.drain().collect()
}

/// Whatever was given ended in one way.
fn assert_balanced(numbers: &Subscription<u32>) {
    let stats = numbers.reliable_stats().unwrap();
    assert_eq!(stats.delivered, stats.acked + stats.failed + stats.timed_out + stats.in_flight as u64, "{stats}");
    let open = (stats.in_flight + stats.waiting) as u64;
    assert_eq!(numbers.stats().received, stats.acked + stats.dead + open, "{stats}");
}

#[test]
fn what_is_done_is_not_given_again() {
    let (bus, clock) = bus();
    let numbers = subscribe(&bus, rules());
    emit(&bus, 1..=3);
    for taken in take(&numbers) {
        assert!(taken.ack());
    }
    clock.advance(60 * SECOND);
    assert!(numbers.try_recv().unwrap_err().is_empty());
    let stats = numbers.reliable_stats().unwrap();
    assert_eq!((stats.delivered, stats.redelivered, stats.acked), (3, 0, 3));
    assert_balanced(&numbers);
}

#[test]
fn what_failed_is_given_again_and_is_a_dead_letter_in_the_end() {
    let (bus, clock) = bus();
    let dead = DeadLetter::new();
    let on = bus.on("n.*").named("orders").mode(Mode::Reliable(rules().dead_letters(&dead)));
    let site = (file!(), line!() + 1);
    let numbers: Subscription<u32> = on.subscribe().unwrap();
    bus.event("n.a").meta("from", "test").emit(7_u32);

    let mut ids = Vec::new();
    for attempt in 1..=3 {
        let taken = numbers.try_recv().unwrap();
        assert_eq!((*taken, taken.attempt(), taken.meta("from")), (7, attempt, Some("test")));
        ids.push(taken.id().unwrap());
        assert!(taken.fail(format!("broken {attempt}")));
        assert!(numbers.try_recv().is_err(), "first there is a pause");
        clock.advance(SECOND);
        assert_balanced(&numbers);
    }
    assert!(numbers.try_recv().is_err());
    assert!(ids.iter().all(|id| *id == ids[0]));

    let letters = dead.letters();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.payload(), letter.attempts(), letter.error()), (Some(&7_u32), 3, Some("broken 3")));
    assert_eq!((letter.pattern(), letter.name()), (Some("n.*"), Some("orders")));
    assert_eq!(letter.site().map(|at| (at.file(), at.line())), Some(site));
    assert_eq!((letter.entry().id(), letter.topic().as_str()), (ids[0], "n.a"));
    assert_eq!(letter.entry().envelope().and_then(|envelope| envelope.meta("from")), Some("test"));
    let stats = numbers.reliable_stats().unwrap();
    assert_eq!((stats.delivered, stats.redelivered, stats.failed, stats.dead), (3, 2, 3, 1));
}

#[test]
fn pauses_grow_and_stay_within_their_time() {
    let (bus, clock) = bus();
    let backoff = Backoff::exponential(SECOND, 4 * SECOND).within(7 * SECOND);
    let numbers = subscribe(&bus, rules().retries(9).backoff(backoff));
    emit(&bus, [1]);
    for pause in [1, 2, 4] {
        numbers.try_recv().unwrap().fail("no");
        clock.advance(pause * SECOND - Duration::from_millis(1));
        assert!(numbers.try_recv().is_err());
        clock.advance(Duration::from_millis(1));
    }
    numbers.try_recv().unwrap().fail("no");
    assert_eq!(numbers.dead_letters().unwrap().letters()[0].attempts(), 4);
}

#[test]
fn what_is_not_done_in_time_is_given_again_and_who_is_late_is_told() {
    let (bus, clock) = bus();
    let numbers = subscribe(&bus, rules());
    emit(&bus, [1]);
    let slow = numbers.try_recv().unwrap();
    clock.advance(5 * SECOND);
    assert!(numbers.try_recv().is_err(), "first there is a pause");
    clock.advance(SECOND);
    let other = numbers.try_recv().unwrap();
    assert_eq!((other.attempt(), *slow), (2, 1));

    assert!(!slow.ack(), "it comes too late");
    let stats = numbers.reliable_stats().unwrap();
    assert_eq!((stats.timed_out, stats.late_acks, stats.acked, stats.in_flight), (1, 1, 0, 1));
    assert!(other.ack());
    assert_eq!(numbers.reliable_stats().unwrap().acked, 1);

    // One who is late has no say in what failed, either.
    emit(&bus, [2]);
    let slow = numbers.try_recv().unwrap();
    clock.advance(6 * SECOND);
    let other = numbers.try_recv().unwrap();
    assert!(!slow.fail("no") && other.ack());
    let stats = numbers.reliable_stats().unwrap();
    assert_eq!((stats.failed, stats.timed_out, stats.acked, stats.late_acks), (0, 2, 2, 1));
    assert_balanced(&numbers);
}

#[test]
fn nobody_is_done_with_it_in_time() {
    let (bus, clock) = bus();
    let numbers = subscribe(&bus, rules().retries(0));
    emit(&bus, [1, 2]);
    let _held = take(&numbers);
    clock.advance(5 * SECOND);
    let letters = numbers.dead_letters().unwrap().letters();
    assert!(letters.iter().all(|letter| letter.error() == Some("not done within 5s") && letter.attempts() == 1));
    assert_eq!(letters.len(), 2);
    assert_balanced(&numbers);
}

#[test]
fn a_consumer_that_dies_loses_nothing() {
    let (bus, clock) = bus();
    let numbers = subscribe(&bus, rules());
    emit(&bus, [1, 2, 3]);
    let dies = numbers.clone();
    thread::spawn(move || {
        quietly(|| {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let _taken = dies.try_recv().unwrap();
                panic!("as told");
            }));
        });
        // It goes with an event in its hands, and its handle goes, too.
        let _second = dies.try_recv().unwrap();
    })
    .join()
    .unwrap();
    clock.advance(SECOND);
    assert_eq!(peek(&take(&numbers)), [(1, 2), (2, 2), (3, 1)]);
    let stats = numbers.reliable_stats().unwrap();
    assert_eq!((stats.failed, stats.redelivered), (5, 2));

    clock.advance(SECOND);
    for taken in take(&numbers) {
        assert!(taken.ack());
    }
    assert_eq!(numbers.reliable_stats().unwrap().acked, 3);
}

#[test]
fn the_letter_says_that_the_consumer_panicked() {
    let (bus, _clock) = bus();
    let numbers = subscribe(&bus, rules().retries(0));
    emit(&bus, [1]);
    quietly(|| {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _taken = numbers.try_recv().unwrap();
            panic!("as told");
        }));
    });
    assert_eq!(numbers.dead_letters().unwrap().letters()[0].error(), Some("its consumer panicked"));
}

#[test]
fn clones_of_an_event_are_one_attempt() {
    let (bus, clock) = bus();
    let numbers = subscribe(&bus, rules());
    emit(&bus, [1]);
    let taken = numbers.try_recv().unwrap();
    let clone = taken.clone();
    drop(taken);
    assert_eq!(numbers.reliable_stats().unwrap().failed, 0, "the clone is still there");
    let another = clone.clone();
    assert!(clone.ack() && !another.ack());
    clock.advance(60 * SECOND);
    let stats = numbers.reliable_stats().unwrap();
    assert_eq!((stats.acked, stats.failed, stats.late_acks), (1, 0, 0));
}

#[test]
fn what_was_taken_keeps_its_place() {
    let (bus, clock) = bus();
    let on = bus.on("n.*").queue(Queue::bounded(2)).mode(Mode::Reliable(rules()));
    let numbers: Subscription<u32> = on.subscribe().unwrap();
    emit(&bus, [1, 2]);
    let (one, two) = (numbers.try_recv().unwrap(), numbers.try_recv().unwrap());
    let refused = bus.emit("n.a", 3_u32);
    assert_eq!((refused.failed(), numbers.stats().dropped_newest), (1, 1));
    assert!(bus.try_emit("n.a", 3_u32).unwrap_err().is_queue_full());
    // A critical one has places of its own.
    assert_eq!(bus.event("n.a").priority(Priority::Critical).emit(4_u32).failed(), 0);
    // One that pauses has its place, too.
    two.fail("no");
    assert_eq!(bus.emit("n.a", 5_u32).failed(), 1);
    one.ack();
    emit(&bus, [6]);
    clock.advance(SECOND);
    assert_eq!(peek(&take(&numbers)), [(2, 2), (4, 1), (6, 1)]);
}

#[test]
fn an_emit_waits_until_something_is_done() {
    let (bus, _clock) = bus();
    let on = bus.on("n.*").queue(Queue::bounded(1).overflow(Overflow::Block(PATIENCE))).mode(Mode::Reliable(rules()));
    let numbers: Subscription<u32> = on.subscribe().unwrap();
    emit(&bus, [1]);
    let taken = numbers.try_recv().unwrap();
    let emitter = thread::spawn(move || bus.emit("n.a", 2_u32).failed());
    // Whether it waits by now or not, there is no place before this.
    taken.ack();
    assert_eq!(emitter.join().unwrap(), 0);
    assert_eq!(numbers.try_recv().unwrap().attempt(), 1);
}

#[test]
#[should_panic(expected = "a reliable subscription loses nothing that it took")]
fn a_queue_that_loses_what_it_took_is_refused() {
    let (bus, _clock) = bus();
    let queue = Queue::bounded(1).overflow(Overflow::DropOldest);
    let _ = bus.on("n").queue(queue).mode(Mode::Reliable(rules())).subscribe::<u32>();
}

#[test]
fn with_the_last_handle_what_waits_becomes_dead_letters() {
    let (bus, clock) = bus();
    let dead = DeadLetter::new();
    let numbers = subscribe(&bus, rules().dead_letters(&dead));
    emit(&bus, 1..=5);
    let [done, failed, late, pausing]: [_; 4] = std::array::from_fn(|_| numbers.try_recv().unwrap());
    pausing.fail("no");
    drop(numbers);

    let reasons = || {
        let letters = dead.letters();
        let told = letters.iter().map(|letter| (*letter.payload::<u32>().unwrap(), letter.reason().to_string()));
        told.collect::<Vec<_>>()
    };
    assert_eq!(dead.letters()[1].attempts(), 0, "the one that was never given");
    let ended = || "abandoned: the subscription ended".to_owned();
    assert_eq!(reasons(), [(4, ended() + "; last error: no"), (5, ended())]);
    assert!(matches!(dead.letters()[0].reason(), DeadReason::Abandoned(_)));

    // Who is at one can still be done with it, or not.
    assert!(done.ack());
    assert!(failed.fail("broken"));
    clock.advance(5 * SECOND);
    assert!(!late.ack());
    assert_eq!(
        reasons()[2..],
        [
            (2, "abandoned: the subscription ended; last error: broken".to_owned()),
            (3, "abandoned: the subscription ended; last error: not done within 5s".to_owned()),
        ]
    );
    assert_eq!(bus.emit("n.a", 6_u32).called(), 0);
}

#[test]
fn disconnected_it_goes_on_until_all_is_done_and_the_last_handle_leaves_nothing() {
    let (bus, _) = bus();
    let dead = DeadLetter::new();
    let numbers = subscribe(&bus, rules().dead_letters(&dead));
    emit(&bus, 1..=3);
    let (clone, taken) = (numbers.clone(), numbers.try_recv().unwrap());
    numbers.disconnect();
    assert_eq!(bus.emit("n.a", 4_u32).called(), 0);
    assert!(*clone.try_recv().unwrap() == 2 && dead.is_empty());
    // The last event is out, but what somebody is at may come back.
    assert_eq!(clone.drain().map(|event| *event).collect::<Vec<_>>(), [3]);
    assert!(clone.try_recv().unwrap_err().is_empty() && clone.is_closed());
    assert!(taken.ack());
    drop((numbers, clone));
    let letters: Vec<_> = dead.letters().iter().map(|letter| *letter.payload::<u32>().unwrap()).collect();
    assert_eq!(letters.len(), 2, "what was given and not done with: {letters:?}");
}

#[test]
fn without_the_bus_it_goes_on_until_all_is_done() {
    let (bus, clock) = bus();
    let numbers = subscribe(&bus, rules());
    emit(&bus, [1]);
    let taken = numbers.try_recv().unwrap();
    drop(bus);
    assert!(numbers.try_recv().unwrap_err().is_empty(), "it may come back");

    let other = numbers.clone();
    let (said, heard) = mpsc::channel();
    let consumer = thread::spawn(move || {
        for n in &other {
            said.send((*n, n.attempt())).unwrap();
            n.ack();
        }
    });
    taken.fail("no");
    clock.advance(SECOND);
    assert_eq!(heard.recv_timeout(PATIENCE), Ok((1, 2)));
    watch(PATIENCE, move || consumer.join().unwrap()).expect("the consumer sees the end");
    assert!(numbers.try_recv().unwrap_err().is_closed());
}

#[test]
fn a_consumer_that_sleeps_is_woken_by_what_comes_back() {
    let (bus, clock) = bus();
    let numbers = subscribe(&bus, rules());
    emit(&bus, [1]);
    let taken = numbers.try_recv().unwrap();
    let sleeper = numbers.clone();
    let sleeps = thread::spawn(move || sleeper.recv_timeout(PATIENCE).map(|n| (*n, n.attempt(), n.ack())));
    drop(taken);
    clock.advance(SECOND);
    assert_eq!(sleeps.join().unwrap(), Ok((1, 2, true)));
}

#[test]
fn a_dead_letter_is_given_once_more() {
    let (bus, _clock) = bus();
    let numbers = subscribe(&bus, rules().retries(0));
    emit(&bus, [1]);
    numbers.try_recv().unwrap().fail("no");
    let dead = numbers.dead_letters().unwrap();
    assert_eq!(dead.replay().run(&bus).replayed, 1);
    assert!(dead.is_empty());
    assert!(numbers.try_recv().unwrap().ack());
}

#[test]
fn events_of_any_type_are_given_again() {
    let (bus, clock) = bus();
    let all: Subscription = bus.on("**").mode(Mode::Reliable(rules().retries(1))).subscribe().unwrap();
    bus.emit("n", 1_u32);
    bus.emit("t", "text");
    all.drain().for_each(drop);
    clock.advance(SECOND);
    let again: Vec<_> = all.drain().collect();
    assert_eq!((again[0].payload::<u32>(), again[1].payload::<&str>()), (Some(&1), Some(&"text")));
    drop(again);
    assert_eq!(all.dead_letters().unwrap().letters()[1].payload::<&str>(), Some(&"text"));
}

#[test]
fn best_effort_needs_no_word() {
    let (bus, clock) = bus();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    bus.emit("n", 1_u32);
    bus.emit("n", 2_u32);
    let (one, two) = (numbers.try_recv().unwrap(), numbers.try_recv().unwrap());
    assert_eq!(one.attempt(), 1);
    assert!(one.ack() && two.fail("no"));
    clock.advance(60 * SECOND);
    assert!(numbers.try_recv().is_err());
    assert!(numbers.reliable_stats().is_none() && numbers.dead_letters().is_none());
}

#[test]
fn latest_only_has_the_newest_of_each_topic() {
    let (bus, _clock) = bus();
    let newest: Subscription<u32> = bus.on("n.*").mode(Mode::LatestOnly).subscribe().unwrap();
    for (topic, n) in [("n.a", 1_u32), ("n.b", 2), ("n.a", 3)] {
        bus.emit(topic, n);
    }
    assert_eq!(newest.drain().map(|n| *n).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(newest.stats().replaced, 1);
}

#[test]
fn many_that_fail_over_and_over_set_few_alarms() {
    use sigtree::Clock;
    use sigtree::middleware::Alarm;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::{Arc, Weak};
    use std::time::SystemTime;

    /// Counts alarms that are set and did not ring yet.
    #[derive(Clone, Default)]
    struct Counting(ManualClock, Arc<AtomicUsize>);

    struct Counted(Weak<dyn Alarm>, Arc<AtomicUsize>);

    impl Alarm for Counted {
        fn ring(&self) {
            self.1.fetch_sub(1, Relaxed);
            if let Some(alarm) = self.0.upgrade() {
                alarm.ring();
            }
        }
    }

    impl Clock for Counting {
        fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }
        fn wall(&self) -> SystemTime {
            self.0.wall()
        }
        fn sleep(&self, duration: Duration) {
            self.0.sleep(duration);
        }
        fn wake(&self, at: Duration, alarm: Weak<dyn Alarm>) {
            self.1.fetch_add(1, Relaxed);
            let counted: Arc<dyn Alarm> = Arc::new(Counted(alarm, self.1.clone()));
            self.0.wake(at, Arc::downgrade(&counted));
            // It lives as long as the test.
            std::mem::forget(counted);
        }
    }

    let clock = Counting::default();
    let bus = Bus::builder().clock(clock.clone()).build();
    let numbers = subscribe(&bus, rules().retries(1_000).backoff(Backoff::every(Duration::from_millis(1))));
    emit(&bus, 1..=100);
    for _ in 0..100 {
        for n in take(&numbers) {
            n.fail("no");
        }
        clock.0.advance(Duration::from_millis(1));
        let set = clock.1.load(Relaxed);
        assert!(set <= 2, "{set} alarms");
    }
    assert_eq!(numbers.reliable_stats().unwrap().redelivered, 99 * 100);
}

#[cfg(feature = "async")]
#[test]
fn a_task_that_waits_is_woken_by_what_comes_back() {
    use futures_util::StreamExt;

    let (bus, clock) = bus();
    let mut numbers = subscribe(&bus, rules());
    emit(&bus, [1]);
    pollster::block_on(async {
        numbers.recv().await.unwrap().fail("no");
        let wakes = thread::spawn(move || clock.advance(SECOND));
        let again = numbers.next().await.unwrap();
        assert_eq!((*again, again.attempt()), (1, 2));
        wakes.join().unwrap();
        drop(bus);
        again.ack();
        assert!(numbers.next().await.is_none());
    });
}
