//! A handler in reliable mode has an event until it is done with it, or it is a dead letter; one that wants the latest only
//! is not called with what was overtaken.

#[path = "support/crowd.rs"]
mod crowd;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crowd::{CROWD, Dice, count, crowd};
use sigtree::middleware::{Backoff, DeadLetter, DeadReason, Job, Refused};
use sigtree::{Bus, Clock, Event, Mailbox, ManualClock, Mode, Policy, Queue, Reliable};
use support::{Recorder, boom, quietly};

const SECOND: Duration = Duration::from_secs(1);

fn bus() -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    (Bus::builder().clock(clock.clone()).build(), clock)
}

/// Five seconds for an attempt, two retries, a second between them.
fn rules() -> Reliable {
    Reliable::new().timeout(5 * SECOND).retries(2).backoff(Backoff::every(SECOND))
}

/// A handler that notes its calls and fails the first few times.
fn failing(times: u64, seen: &Recorder) -> impl Fn(&u32) -> Result<(), String> + Send + Sync + 'static {
    let (seen, calls) = (seen.clone(), AtomicU64::new(0));
    move |n: &u32| {
        seen.note(n);
        let call = calls.fetch_add(1, SeqCst) + 1;
        if call <= times { Err(format!("broken {call}")) } else { Ok(()) }
    }
}

/// What became of each dead letter: the number, the attempts, the reason.
fn told(dead: &DeadLetter) -> Vec<String> {
    let tell = |letter: &sigtree::middleware::Letter| {
        format!("{} {} {}", letter.payload::<u32>().unwrap(), letter.attempts(), letter.reason())
    };
    dead.letters().iter().map(tell).collect()
}

#[test]
fn a_handler_that_failed_is_called_again_and_alone() {
    let (bus, clock) = bus();
    let (seen, other) = (Recorder::new(), Recorder::new());
    let reliable = bus.on("n").mode(Mode::Reliable(rules())).connect(failing(2, &seen)).unwrap();
    let _other = bus.connect("n", other.lines(|n: &u32| *n)).unwrap();
    let delivery = bus.emit("n", 1_u32);
    assert_eq!((delivery.called(), delivery.failed(), delivery.is_held()), (1, 0, true));
    assert_eq!((clock.elapsed(), seen.take().len()), (Duration::ZERO, 1), "the emitter waits for no pause");
    clock.advance(SECOND);
    assert_eq!(seen.take().len(), 1);
    clock.advance(SECOND);
    assert_eq!(seen.take().len(), 1);
    clock.advance(60 * SECOND);
    assert!(seen.take().is_empty());
    assert_eq!(other.take().len(), 1);
    assert_eq!(bus.failures(), 0);
    assert!(reliable.dead_letters().unwrap().is_empty());
}

#[test]
fn what_it_never_did_is_a_dead_letter() {
    let (bus, clock) = bus();
    let (seen, dead) = (Recorder::new(), DeadLetter::new());
    let on = bus.on("n").named("printer").mode(Mode::Reliable(rules().dead_letters(&dead)));
    let _connection = on.connect(failing(9, &seen)).unwrap();
    bus.emit("n", 7_u32);
    clock.advance(60 * SECOND);
    assert_eq!(seen.take().len(), 3);
    assert_eq!(told(&dead), ["7 3 failed: broken 3"]);
    let letter = &dead.letters()[0];
    assert_eq!((letter.error(), letter.name(), letter.pattern()), (Some("broken 3"), Some("printer"), Some("n")));
    assert_eq!(letter.site().unwrap().file(), file!());
    assert_eq!(bus.failures(), 1, "the last one only");
}

#[test]
fn who_looks_sees_what_became_of_its_events() {
    let (bus, clock) = bus();
    let reliable = bus.on("n").mode(Mode::Reliable(rules())).connect(failing(u64::MAX, &Recorder::new())).unwrap();
    let shows = |what: &str| assert!(bus.inspect().to_string().contains(what), "{}", bus.inspect());
    bus.emit("n", 1_u32);
    shows("holds 1 event; 0 given again, 0 dead");
    clock.advance(SECOND);
    clock.advance(SECOND);
    shows("2 given again, 1 dead");
    assert!(!bus.inspect().to_string().contains("on.rs"), "its layers were put there by whoever connected it");
    drop(reliable);
}

#[test]
fn a_panic_is_a_failure() {
    let (bus, clock) = bus();
    let connection = bus.on("n").mode(Mode::Reliable(rules())).connect(|_: &u32| boom("as told")).unwrap();
    quietly(|| {
        bus.emit("n", 1_u32);
        clock.advance(60 * SECOND);
    });
    assert_eq!(told(&connection.dead_letters().unwrap()), ["1 3 failed: panicked: as told"]);
}

#[test]
fn on_an_executor_it_is_called_again_there() {
    let (bus, clock) = bus();
    let (seen, mailbox) = (Recorder::new(), Mailbox::new());
    let on = bus.on("n").on(mailbox.clone()).serial().mode(Mode::Reliable(rules()));
    let connection = on.connect(failing(9, &seen)).unwrap();
    bus.emit("n", 1_u32);
    for _ in 0..3 {
        clock.advance(SECOND);
        assert!(seen.take().is_empty());
        assert_eq!(mailbox.drain(), 1);
        assert_eq!(seen.take(), ["1"]);
    }
    assert_eq!(told(&connection.dead_letters().unwrap()), ["1 3 failed: broken 3"]);
}

#[test]
fn an_executor_that_takes_no_more_leaves_a_dead_letter() {
    let (bus, clock) = bus();
    let (seen, mailbox) = (Recorder::new(), Mailbox::new());
    let on = bus.on("n").on(mailbox.clone()).mode(Mode::Reliable(rules()));
    let connection = on.connect(failing(9, &seen)).unwrap();
    bus.emit("n", 1_u32);
    mailbox.drain();
    mailbox.close();
    clock.advance(SECOND);
    let reason = "1 1 abandoned: the executor is shut down; last error: broken 1";
    assert_eq!(told(&connection.dead_letters().unwrap()), [reason]);
}

#[test]
fn who_is_late_is_told_of_and_not_called_beside_himself() {
    let (bus, clock) = bus();
    let (seen, late) = (Recorder::new(), Recorder::new());
    let _late = bus.connect("$sys.late", late.lines(|late: &sigtree::middleware::HandlerLate| late.topic.clone()));
    let (calls, time) = (seen.clone(), clock.clone());
    let slow = move |n: &u32| {
        calls.note(n);
        time.advance(6 * SECOND);
    };
    let connection = bus.on("n").mode(Mode::Reliable(rules())).connect(slow).unwrap();
    bus.emit("n", 1_u32);
    clock.advance(60 * SECOND);
    assert_eq!((seen.take().len(), late.take().len()), (1, 1));
    assert!(connection.dead_letters().unwrap().is_empty());
}

#[test]
fn each_attempt_has_its_own_time() {
    let (bus, clock) = bus();
    let late = Recorder::new();
    let _late = bus.connect("$sys.late", late.label("late"));
    let (seen, lefts) = (Recorder::new(), Recorder::new());
    let (fails, left) = (failing(2, &seen), lefts.clone());
    let handler = move |n: &u32, event: &Event<'_>| {
        left.note(format_args!("{:?}", event.time_left().unwrap()));
        fails(n)
    };
    let _connection = bus.on("n").mode(Mode::Reliable(rules().backoff(Backoff::every(10 * SECOND)))).connect(handler);
    bus.emit("n", 1_u32);
    clock.advance(60 * SECOND);
    assert!(_connection.is_ok() && late.take().is_empty());
    assert_eq!(lefts.take(), ["5s"; 3]);
}

#[test]
fn what_finds_no_room_to_wait_is_dead_at_once() {
    let (bus, clock) = bus();
    let on = bus.on("n").queue(Queue::bounded(2)).mode(Mode::Reliable(rules()));
    let connection = on.connect(|_: &u32| Err("broken")).unwrap();
    let failed: Vec<_> = (1..=3_u32).map(|n| bus.emit("n", n).failed()).collect();
    assert_eq!(failed, [0, 0, 1]);
    let dead = connection.dead_letters().unwrap();
    assert_eq!(told(&dead), ["3 1 failed: broken"]);
    clock.advance(60 * SECOND);
    assert_eq!(told(&dead)[1..], ["1 3 failed: broken", "2 3 failed: broken"]);
}

#[test]
fn what_waits_at_the_end_is_a_dead_letter_and_a_flush_lets_it_go_on() {
    let (bus, clock) = bus();
    let (seen, dead) = (Recorder::new(), DeadLetter::new());
    let on = || bus.on("n").mode(Mode::Reliable(rules().dead_letters(&dead)));
    let connection = on().connect(failing(9, &seen)).unwrap();
    bus.emit("n", 1_u32);
    bus.flush();
    assert_eq!(seen.take().len(), 3, "it goes on until nothing waits");
    assert_eq!(told(&dead), ["1 3 failed: broken 3"]);

    bus.emit("n", 2_u32);
    connection.disconnect();
    assert_eq!(told(&dead)[1..], ["2 1 abandoned: the connection ended; last error: broken 4"]);

    let connection = on().connect(failing(9, &seen)).unwrap();
    bus.emit("n", 3_u32);
    let silence = connection.mute();
    clock.advance(60 * SECOND);
    drop(silence);
    assert_eq!(told(&dead)[2..], ["3 1 abandoned: nobody is there to be called; last error: broken 1"]);
    assert!(matches!(dead.letters()[2].reason(), DeadReason::Abandoned(_)));
}

#[test]
fn a_crowd_loses_nothing() {
    let all = count(200_000) / CROWD as u64;
    let bus = Bus::new();
    let (done, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (is_done, has_failed) = (done.clone(), failed.clone());
    let dice = parking_lot::Mutex::new(Dice::new(7));
    let backoff = Backoff::exponential(Duration::from_micros(100), Duration::from_millis(1)).jitter_from(7);
    let dead = DeadLetter::new().count(usize::MAX);
    let rules = Reliable::new().retries(1).backoff(backoff).dead_letters(&dead);
    let on = bus.on("n").queue(Queue::bounded(64)).mode(Mode::Reliable(rules));
    let connection = on
        .connect(move |_: &u64| {
            // Of two hundred, one returns an error and one panics.
            let roll = dice.lock().roll(200);
            if roll > 1 {
                is_done.fetch_add(1, SeqCst);
                return Ok(());
            }
            has_failed.fetch_add(1, SeqCst);
            if roll == 0 {
                boom("as the dice fell");
            }
            Err("as the dice fell")
        })
        .unwrap();
    crowd(|who| quietly(|| (0..all).for_each(|n| drop(bus.emit("n", who as u64 * all + n)))));
    quietly(|| bus.flush());
    connection.disconnect_wait(Duration::from_secs(60)).unwrap();
    let (done, dead) = (done.load(SeqCst), dead.stats().kept);
    assert_eq!(done + dead, all * CROWD as u64, "{done} done, {dead} dead");
    assert!(failed.load(SeqCst) > dead);
}

#[test]
fn the_latest_only_on_an_executor() {
    let (bus, _clock) = bus();
    let (seen, mailbox) = (Recorder::new(), Mailbox::new());
    let handler = seen.numbers();
    let _newest = bus.on("n.*").on(mailbox.clone()).mode(Mode::LatestOnly).connect(handler).unwrap();
    for (topic, n) in [("n.a", 1_u32), ("n.b", 2), ("n.a", 3), ("n.a", 4)] {
        assert!(bus.emit(topic, n).is_held());
    }
    assert_eq!(mailbox.drain(), 2);
    assert_eq!(seen.take(), ["n.a 4", "n.b 2"]);
    bus.emit("n.a", 5_u32);
    mailbox.drain();
    assert_eq!(seen.take(), ["n.a 5"]);
    mailbox.close();
    assert_eq!(bus.emit("n.a", 6_u32).skipped(), 1);
}

#[test]
fn the_latest_only_of_those_that_come_while_it_is_called() {
    let (bus, _clock) = bus();
    let seen = Recorder::new();
    let (emitter, calls) = (bus.downgrade(), seen.clone());
    let _newest = bus
        .on("n")
        .mode(Mode::LatestOnly)
        .connect(move |n: &u32| {
            calls.note(n);
            if *n == 1 {
                let bus = emitter.upgrade().unwrap();
                (2..=4_u32).for_each(|n| assert!(bus.emit("n", n).is_held()));
            }
            if *n == 4 {
                boom("as told");
            }
        })
        .unwrap();
    quietly(|| bus.emit("n", 1_u32));
    assert_eq!(seen.take(), ["1", "4"]);
    // A panic leaves it free.
    bus.emit("n", 5_u32);
    assert_eq!(seen.take(), ["5"]);
}

#[test]
fn a_job_that_is_dropped_unrun_leaves_the_handler_free() {
    let (bus, _clock) = bus();
    let seen = Recorder::new();
    let drops = AtomicU64::new(0);
    let executor = move |job: Job| {
        if drops.fetch_add(1, SeqCst) > 0 {
            job.run();
        }
        Ok::<(), Refused>(())
    };
    let _newest = bus.on("n").on(executor).mode(Mode::LatestOnly).connect(seen.lines(|n: &u32| *n)).unwrap();
    bus.emit("n", 1_u32);
    bus.emit("n", 2_u32);
    assert_eq!(seen.take(), ["2"]);
}

#[test]
fn what_is_due_is_called_again_though_another_panic_is_passed_on() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).policy(Policy::Propagate).build();
    let reliable = rules().retries(1);
    let connection = bus.on("n").mode(Mode::Reliable(reliable)).connect(|_: &u32| boom("as told")).unwrap();
    (1..=3_u32).for_each(|n| drop(quietly(|| bus.emit("n", n))));
    assert!(quietly(|| catch_unwind(AssertUnwindSafe(|| clock.advance(SECOND)))).is_err());
    let failed = |n: u32| format!("{n} 2 failed: panicked: as told");
    assert_eq!(told(&connection.dead_letters().unwrap()), [failed(1), failed(2), failed(3)]);
}

#[test]
fn the_latest_only_goes_on_after_a_panic_that_is_passed_on() {
    let (bus, seen) = (Bus::builder().policy(Policy::Propagate).build(), Recorder::new());
    let (emitter, calls) = (bus.downgrade(), seen.clone());
    let handler = move |n: &u32| {
        calls.note(n);
        let bus = emitter.upgrade().unwrap();
        if *n == 1 {
            (2..=3_u32).for_each(|n| assert!(bus.emit("n", n).is_held()));
        }
        if *n == 3 {
            assert!(bus.emit("n", 4_u32).is_held());
            boom("as told");
        }
    };
    let _latest = bus.on("n").mode(Mode::LatestOnly).connect(handler).unwrap();
    let emit = |n: u32| quietly(|| catch_unwind(AssertUnwindSafe(|| drop(bus.emit("n", n)))).is_err());
    assert_eq!((emit(1), seen.take()), (true, vec!["1".to_owned(), "3".into(), "4".into()]));
    assert_eq!((emit(5), seen.take()), (false, vec!["5".to_owned()]), "nobody is at the topic any more");
}
