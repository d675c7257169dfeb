//! What a handler failed on is kept with all that is known of it, until somebody drops it or gives it again.

mod support;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{
    CircuitBreaker, DeadLetter, DeadReason, Deduplicate, Landing, Letter, Replayed, Retry, Target, Timeout,
};
use sigtree::{Bus, Clock, Connection, Event, Filter, History, ManualClock, Policy, Scoped, Stack, Topic, Transform};
use support::{Recorder, boom, quietly, render};

const SECOND: Duration = Duration::from_secs(1);

/// Pattern, name, attempts, reason of each letter.
fn lines(dead: &DeadLetter) -> Vec<String> {
    let line = |letter: Letter| {
        let (pattern, name) = (letter.pattern().unwrap_or("-"), letter.name().unwrap_or("-"));
        format!("{} for {pattern} {name}, {} times, {}", letter.topic(), letter.attempts(), letter.reason())
    };
    dead.letters().into_iter().map(line).collect()
}

/// A handler that fails until it is mended.
fn mendable(seen: &Recorder) -> (Arc<AtomicBool>, impl Fn(&Event<'_>) -> Result<(), &'static str> + use<>) {
    let mended = Arc::new(AtomicBool::new(false));
    let (flag, seen) = (mended.clone(), seen.clone());
    let handler = move |event: &Event<'_>| {
        seen.note(render(event));
        if flag.load(Ordering::Relaxed) { Ok(()) } else { Err("broken") }
    };
    (mended, handler)
}

#[test]
fn each_failure_makes_a_letter_with_all_that_is_known() {
    let bus = Bus::new();
    let dead = DeadLetter::new();
    bus.layer(dead.clone());
    let _good = bus.connect("a", |_: &u32| {}).unwrap();
    let (_error, line) = (bus.on("*").named("error").connect(|_: &u32| Err("out of paper")).unwrap(), line!());
    let _panic = bus.connect("a", |_: &u32| boom("jammed")).unwrap();
    let delivery = quietly(|| bus.event("a").source("anna").emit(7_u32));
    assert_eq!((delivery.called(), delivery.failed()), (3, 2));
    assert_eq!(
        lines(&dead),
        ["a for a -, 1 times, failed: panicked: jammed", "a for * error, 1 times, failed: out of paper"]
    );
    let letter = &dead.letters()[1];
    assert_eq!((letter.error(), letter.payload()), (Some("out of paper"), Some(&7_u32)));
    assert_eq!(letter.entry().source().map(ToString::to_string).as_deref(), Some("anna"));
    let site = letter.site().unwrap();
    assert_eq!((site.file(), site.line()), (file!(), line));
    let expected =
        format!("2. `a` for handler of `*` named `error` ({}:{line}), 1 attempt, failed: out of paper", file!());
    assert_eq!(letter.to_string(), expected);
}

#[test]
fn a_retry_behind_it_makes_one_letter_and_one_before_it_one_a_try() {
    for (retry_inside, expected) in [(true, vec![3]), (false, vec![1, 2, 3])] {
        let bus = Bus::builder().clock(ManualClock::new()).build();
        let (dead, retry) = (DeadLetter::new(), Retry::times(2));
        let stack = Stack::new();
        bus.set_stack(if retry_inside {
            stack.with(dead.clone()).with(retry)
        } else {
            stack.with(retry).with(dead.clone())
        });
        let tries = AtomicU32::new(0);
        let fail = move |_: &u32| Err(format!("try {}", tries.fetch_add(1, Ordering::Relaxed)));
        let _handler = bus.connect("a", fail).unwrap();
        bus.emit("a", 1_u32);
        assert_eq!(dead.letters().iter().map(Letter::attempts).collect::<Vec<_>>(), expected);
        assert_eq!(
            dead.letters().last().and_then(|letter| letter.error().map(str::to_owned)).as_deref(),
            Some("try 2")
        );
    }
}

#[test]
fn a_call_that_was_not_made_because_the_handler_was_gone_is_no_attempt() {
    let bus = Bus::builder().clock(ManualClock::new()).build();
    let dead = DeadLetter::new();
    bus.set_stack(Stack::new().with(dead.clone()).with(Retry::times(3)));
    let own: Arc<Mutex<Option<Connection>>> = Arc::default();
    let connection = own.clone();
    let leaves = move |_: &u32| {
        drop(connection.lock().take());
        Err("gone")
    };
    *own.lock() = Some(bus.connect("a", leaves).unwrap());
    let _once = bus.on("a").once().connect(|_: &u32| Err("once")).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(lines(&dead), ["a for a -, 1 times, failed: gone", "a for a -, 1 times, failed: once"]);
}

#[test]
fn a_replay_gives_each_event_once_as_the_event_it_was() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let dead = DeadLetter::new();
    bus.set_stack(Stack::new().with(dead.clone()).with(Transform::new(|n: &u32| n * 10)));
    let (one, first) = mendable(&seen);
    let (two, second) = mendable(&seen);
    let _handlers = [bus.connect("a", first).unwrap(), bus.connect("a", second).unwrap()];
    bus.emit("a", 1_u32);
    assert_eq!((dead.len(), seen.take()), (2, vec!["a 10".to_owned(), "a 10".to_owned()]));
    let id = dead.letters()[0].entry().id();

    one.store(true, Ordering::Relaxed);
    assert_eq!(dead.replay().run(&bus).replayed, 1);
    assert_eq!(seen.take(), ["a 10*", "a 10*"]);
    assert_eq!((dead.len(), dead.letters()[0].entry().id()), (1, id), "what fails again comes back");

    two.store(true, Ordering::Relaxed);
    dead.replay().run(&bus);
    assert_eq!((dead.len(), dead.stats().kept), (0, 3));
}

#[test]
fn replays_that_fail_again_are_attempts_too_so_that_one_can_give_up() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let dead = DeadLetter::new();
    bus.set_stack(Stack::new().with(dead.clone()).with(Retry::times(1).every(SECOND)));
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let broken = move |_: &u32| {
        count.fetch_add(1, Ordering::Relaxed);
        Err("broken")
    };
    let _broken = bus.on("a").named("broken").connect(broken).unwrap();
    let _worse = bus.on("a").named("worse").connect(|n: &u32| if *n == 1 { Err("worse") } else { Ok(()) }).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("a", 2_u32);
    let give_again = || dead.replay_if(|letter| letter.attempts() < 6).run(&bus).replayed;
    assert_eq!([(); 3].map(|()| give_again()), [2, 2, 0]);
    assert_eq!(calls.load(Ordering::Relaxed), 2 * 6);
    let mut lines = lines(&dead);
    lines.sort();
    assert_eq!(
        lines,
        [
            "a for a broken, 6 times, failed: broken",
            "a for a broken, 6 times, failed: broken",
            "a for a worse, 6 times, failed: worse"
        ]
    );
    assert_eq!(clock.elapsed(), 9 * SECOND);
}

#[test]
fn attempts_are_those_of_one_handler_also_where_others_were_connected_in_the_same_line() {
    let bus = Bus::new();
    let dead = DeadLetter::new();
    bus.layer(dead.clone());
    let fails = move |which: bool| {
        move |_: &u32, event: &Event<'_>| if event.is_replayed() == which { Err("it") } else { Ok(()) }
    };
    let _handlers = [false, true].map(|which| bus.connect("a", fails(which)).unwrap());
    bus.emit("a", 1_u32);
    assert_eq!(dead.replay().run(&bus).replayed, 1);
    assert_eq!(lines(&dead), ["a for a -, 1 times, failed: it"]);
}

#[test]
fn letters_that_are_not_chosen_stay() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let dead = DeadLetter::new();
    bus.layer(dead.clone());
    let (mended, handler) = mendable(&seen);
    let _handler = bus.connect("*", handler).unwrap();
    for topic in ["a", "b", "a"] {
        bus.emit(topic, 1_u32);
    }
    seen.take();
    mended.store(true, Ordering::Relaxed);
    let report = dead.replay_if(|letter| letter.topic() == &Topic::new("a").unwrap()).run(&bus);
    assert_eq!((report.replayed, seen.take()), (2, vec!["a 1*".to_owned(), "a 1*".to_owned()]));
    assert_eq!(lines(&dead), ["b for * -, 1 times, failed: broken"]);
}

#[test]
fn letters_that_a_replay_does_not_come_to_stay() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let dead = DeadLetter::new();
    bus.layer(dead.clone());
    let broken = bus.connect("a", |_: &u32| Err("broken")).unwrap();
    (0..5_u32).for_each(|n| drop(bus.emit("a", n)));
    drop(broken);
    let left = |dead: &DeadLetter| {
        dead.letters().iter().map(|letter| (letter.sequence(), *letter.payload::<u32>().unwrap())).collect::<Vec<_>>()
    };

    // It is never run.
    drop(dead.replay());
    assert_eq!(dead.len(), 5);

    // It ends with the panic of a handler, of which there is a new letter in the place of the old one.
    let bad = |n: &u32| {
        if *n == 1 {
            boom("bad");
        }
    };
    let bad = bus.on("a").policy(Policy::Propagate).connect(bad).unwrap();
    let run = AssertUnwindSafe(|| dead.replay().run(&bus));
    assert!(quietly(|| catch_unwind(run)).is_err());
    assert_eq!(left(&dead), [(3, 2), (4, 3), (5, 4), (6, 1)]);
    drop(bad);

    // Some are left out, one is refused, and one is taken out meanwhile.
    let (letters, _seen) = (dead.clone(), bus.connect("a", seen.events()).unwrap());
    let _takes = bus
        .on("a")
        .priority(1)
        .connect(move |n: &u32| {
            if *n == 2 {
                drop(letters.remove(6));
            }
        })
        .unwrap();
    let but_3 = But { bus: &bus, refused: 3 };
    let report = dead.replay().filter(|entry| entry.sequence() != 5).run(&but_3);
    assert_eq!((report.replayed, report.refused, seen.take()), (1, 1, vec!["a 2*".to_owned()]));
    assert_eq!(left(&dead), [(4, 3), (5, 4)]);

    // A player gives each of them once, also if it goes back.
    let mut player = dead.replay().player();
    player.step(&bus);
    player.seek(Duration::ZERO);
    assert_eq!((player.run(&bus).replayed, seen.take()), (1, vec!["a 3*".to_owned(), "a 4*".to_owned()]));
    assert!(dead.is_empty());
}

#[test]
fn letters_that_come_to_nobody_are_not_lost() {
    let seen = Recorder::new();
    let outcome = |stack: fn(DeadLetter) -> Stack| {
        let clock = ManualClock::new();
        let (bus, dead) = (Bus::builder().clock(clock.clone()).build(), DeadLetter::new());
        bus.set_stack(stack(dead.clone()));
        let (mended, handler) = mendable(&seen);
        let handler = bus.connect("a", handler).unwrap();
        (0..3_u32).for_each(|n| drop(bus.emit("a", n)));
        mended.store(true, Ordering::Relaxed);
        (bus, dead, handler, clock)
    };
    let replay = |bus: &Bus, dead: &DeadLetter| {
        seen.take();
        let report = dead.replay().run(bus);
        (report.replayed, report.unheard, seen.take().len(), dead.len())
    };

    // A circuit that is still open leaves the handler alone: a new letter says so.
    let (bus, dead, _handler, clock) = outcome(|dead| Stack::new().with(dead).with(CircuitBreaker::consecutive(3)));
    assert_eq!(replay(&bus, &dead), (3, 3, 0, 3));
    assert!(lines(&dead)[0].contains("left out"), "{:?}", lines(&dead));
    clock.advance(Duration::from_secs(3600));
    assert_eq!(replay(&bus, &dead), (3, 0, 3, 0));

    // A layer on either side has seen the event.
    for stack in [
        |dead| Stack::new().with(Deduplicate::within(SECOND)).with(dead),
        |dead| Stack::new().with(dead).with(Deduplicate::within(SECOND)),
    ] {
        let (bus, dead, _handler, clock) = outcome(stack);
        assert_eq!(replay(&bus, &dead), (3, 3, 0, 3));
        clock.advance(SECOND * 2);
        assert_eq!(replay(&bus, &dead), (3, 0, 3, 0));
    }

    // The handler is muted, or gone.
    let (bus, dead, handler, _clock) = outcome(|dead| Stack::new().with(dead));
    let silence = handler.mute();
    assert_eq!(replay(&bus, &dead), (3, 3, 0, 3));
    drop((silence, handler));
    assert_eq!(replay(&bus, &dead), (3, 3, 0, 3));
}

#[test]
fn one_handler_that_is_called_does_not_settle_the_letter_of_another() {
    let seen = Recorder::new();
    let (bus, dead) = (Bus::new(), DeadLetter::new());
    bus.set_stack(Stack::new().with(dead.clone()).with(CircuitBreaker::consecutive(1)));
    let (mended, handler) = mendable(&seen);
    let _handlers = [bus.connect("a", handler).unwrap(), bus.connect("a", seen.events()).unwrap()];
    bus.emit("a", 1_u32);
    mended.store(true, Ordering::Relaxed);
    assert_eq!(dead.replay().run(&bus).unheard, 0);
    assert_eq!(dead.len(), 1);
    assert!(lines(&dead)[0].contains("left out"), "{:?}", lines(&dead));
}

/// Refuses one number.
struct But<'b> {
    bus: &'b Bus,
    refused: u32,
}

impl Target for But<'_> {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        if event.entry().payload() == Some(&self.refused) { Landing::Refused } else { self.bus.replay(event) }
    }
}

#[test]
fn what_is_refused_left_out_or_unheard_is_kept_when_asked_for() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let (dead, only_failed) = (DeadLetter::new().refused().unheard(), DeadLetter::new());
    let refuse = Filter::new(|event: &Event<'_>| event.payload() != Some(&0_u32)).reason("nothing");
    bus.set_stack(
        Stack::new()
            .with(only_failed.clone())
            .with(dead.clone())
            .with(Timeout::new(SECOND).leave_out())
            .with(Scoped::new("a", refuse).unwrap()),
    );
    let _slow = bus.on("a").priority(1).connect(move |_: &u32| clock.sleep(SECOND)).unwrap();
    let _another_type = bus.connect("**", |_: &String| {}).unwrap();
    let _left_out = bus.on("a").named("too late").connect(|_: &u32| {}).unwrap();
    let muted = bus.connect("muted", |_: &u32| {}).unwrap();
    let _silence = muted.mute();
    bus.emit("a", 0_u32);
    bus.emit("a", 1_u32);
    bus.emit("nobody", 1_u32);
    bus.emit("muted", 1_u32);
    assert_eq!(
        lines(&dead),
        [
            "a for - -, 0 times, refused: nothing",
            "a for a too late, 0 times, left out: the deadline has passed",
            "nobody for - -, 0 times, met nobody",
        ]
    );
    assert!(only_failed.is_empty());
}

#[test]
fn an_event_that_somebody_hears_above_or_below_is_not_unheard() {
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let (above, below) = (DeadLetter::new().unheard(), DeadLetter::new().unheard());
    parent.layer(above.clone());
    child.layer(below.clone());
    let own = child.connect("a", |_: &u32| {}).unwrap();
    child.emit("a", 1_u32);
    assert_eq!((above.len(), below.len()), (0, 0));
    drop(own);
    let parents = parent.connect("c.a", |_: &u32| {}).unwrap();
    child.emit("a", 1_u32);
    assert_eq!((above.len(), below.len()), (0, 0));
    drop(parents);
    child.emit("a", 1_u32);
    assert_eq!(
        (lines(&above), lines(&below)),
        (vec!["c.a for - -, 0 times, met nobody".into()], vec!["a for - -, 0 times, met nobody".into()])
    );
}

#[test]
fn on_a_connection_it_keeps_what_that_handler_failed_on() {
    let bus = Bus::new();
    let dead = DeadLetter::new().refused().unheard();
    let refuse = Filter::new(|event: &Event<'_>| event.payload() != Some(&0_u32)).reason("nothing");
    let _own = bus
        .on("a")
        .named("own")
        .middleware(dead.clone())
        .middleware(refuse)
        .connect(|n: &u32| if *n > 1 { Err("too much") } else { Ok(()) })
        .unwrap();
    let _other = bus.connect("a", |_: &u32| Err("other")).unwrap();
    (0..=2_u32).for_each(|n| drop(bus.emit("a", n)));
    assert_eq!(lines(&dead), ["a for - -, 0 times, refused: nothing", "a for a own, 1 times, failed: too much"]);
}

#[test]
fn a_history_replays_into_it_and_reports_of_the_bus_pass_it_by() {
    let bus = Bus::new();
    let (history, dead) = (History::new(), DeadLetter::new().refused().unheard());
    bus.set_stack(Stack::new().with(history.clone()).with(dead.clone()));
    let _broken = bus.connect("$sys.dead", |_: &Event<'_>| Err("broken")).unwrap();
    bus.emit("a", 1_u32);
    history.replay().run(&bus);
    assert_eq!(lines(&dead), ["a for - -, 0 times, met nobody"; 2]);
    assert_eq!(dead.letters()[1].reason(), &DeadReason::Unheard);
}

#[test]
fn an_error_that_panics_when_asked_ends_nothing() {
    #[derive(Debug)]
    struct Mute;
    impl fmt::Display for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no words")
        }
    }
    impl std::error::Error for Mute {}
    let seen = Recorder::new();
    let bus = Bus::new();
    let dead = DeadLetter::new();
    bus.layer(dead.clone());
    let _mute = bus.on("a").priority(1).connect(|_: &u32| Err(Mute)).unwrap();
    let _other = bus.connect("a", seen.events()).unwrap();
    quietly(|| bus.emit("a", 1_u32));
    assert_eq!(dead.letters()[0].error(), Some("an error that panicked when asked what it is"));
    assert_eq!(seen.take(), ["a 1"]);
}

#[test]
fn letters_of_many_threads_are_kept_or_counted() {
    let bus = Bus::new();
    let dead = DeadLetter::new().count(10);
    bus.layer(dead.clone());
    let _broken = bus.connect("*", |_: &u32| Err("broken")).unwrap();
    let begin = Barrier::new(4);
    std::thread::scope(|threads| {
        for thread in 0..4_u32 {
            let (bus, dead, begin) = (&bus, &dead, &begin);
            threads.spawn(move || {
                begin.wait();
                for n in 0..250 {
                    bus.emit("a", thread * 250 + n);
                    assert!(dead.len() <= 10);
                }
            });
        }
    });
    let stats = dead.stats();
    assert_eq!((stats.kept, stats.evicted, dead.len()), (1_000, 990, 10));
    let sequences: Vec<_> = dead.letters().iter().map(Letter::sequence).collect();
    assert_eq!(sequences, (991..=1_000).collect::<Vec<_>>());
}
