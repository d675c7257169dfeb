//! Which entries are replayed, as what, and how fast.

mod support;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use sigtree_middleware::{
    Clock, Envelope, History, Landing, ManualClock, Replay, ReplayReport, Replayed, Source, Speed, Target,
};
use support::{Layered, Rig};

/// A history of 1 to 6, one a second: odd ones on `a.odd`, even ones on `a.even`.
fn recorded() -> History {
    let rig = Rig::new();
    let history = History::new();
    for n in 1..=6_u32 {
        let source = Envelope { source: Some(Source::named("antenna")), ..Envelope::default() };
        rig.emit_in(&history, if n % 2 == 0 { "a.even" } else { "a.odd" }, n, Some(source));
        rig.clock.advance(Duration::from_secs(1));
    }
    history
}

fn numbers(replay: Replay) -> Vec<u32> {
    replay.into_iter().filter_map(|entry| entry.payload().copied()).collect()
}

/// A clock that stands still and writes down how long it was to wait.
#[derive(Clone, Default)]
struct Sleeps(Arc<Mutex<Vec<Duration>>>);

impl Clock for Sleeps {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH
    }

    fn sleep(&self, duration: Duration) {
        self.0.lock().push(duration);
    }
}

/// A target made of a closure.
struct To<F>(F);

impl<F: Fn(&Replayed<'_>) -> bool> Target for To<F> {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        if (self.0)(event) { Landing::Called } else { Landing::Refused }
    }
}

#[test]
fn each_choice_narrows_what_is_left() {
    let history = recorded();
    let second = Duration::from_secs;
    assert_eq!(numbers(history.replay()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(history.replay().matching("*.odd").unwrap()), [1, 3, 5]);
    assert_eq!(numbers(history.replay().matching("*.odd").unwrap().last(2)), [3, 5]);
    assert_eq!(numbers(history.replay().last(3).matching("*.odd").unwrap()), [5]);
    assert_eq!(numbers(history.replay().filter(|entry| entry.payload() != Some(&2_u32))), [1, 3, 4, 5, 6]);
    assert_eq!(numbers(history.replay().range(2..=3)), [2, 3]);
    assert_eq!(numbers(history.replay().range(5..)), [5, 6]);
    assert_eq!(numbers(history.replay().since(second(1)).until(second(4))), [2, 3, 4]);
    assert_eq!(numbers(Replay::of(history.last(1))), [6]);
    assert_eq!(history.replay().last(4).entries().len(), 4);
    assert!(history.replay().matching("a..b").is_err());
}

/// A report of these counts alone.
fn reported(count: impl FnOnce(&mut ReplayReport)) -> ReplayReport {
    let mut report = ReplayReport::default();
    count(&mut report);
    report
}

#[test]
fn runs_in_order_and_marks_what_it_replays() {
    let rig = Rig::new();
    let report = recorded().replay().range(..=3).run(&Layered { rig: &rig, layer: None::<History> });
    assert_eq!(report, reported(|counts| counts.replayed = 3));
    assert_eq!(rig.seen(), ["a.odd 1*", "a.even 2*", "a.odd 3*"]);
}

#[test]
fn a_replayed_event_is_the_original() {
    let (rig, history) = (Rig::new(), recorded());
    rig.clock.advance(Duration::from_secs(1_000));
    let again = History::builder().replays(true).build();
    history.replay().run(&Layered { rig: &rig, layer: again.clone() });

    for (original, copy) in history.entries().iter().zip(again.entries()) {
        assert_eq!(copy.topic(), original.topic());
        assert_eq!((copy.id(), copy.stamp()), (original.id(), original.stamp()));
        assert_eq!(copy.source(), original.source());
        assert!(Arc::ptr_eq(&copy.share_erased(), &original.share_erased()));
        let marked = Envelope { replayed: true, ..original.envelope().cloned().unwrap() };
        assert_eq!(copy.envelope(), Some(&marked));
    }
    assert_eq!(again.len(), 6);
    assert_eq!(rig.ids_made(), 0);
}

#[test]
fn a_replay_into_its_own_history_does_not_grow_it() {
    let (rig, history) = (Rig::new(), recorded());
    history.replay().run(&Layered { rig: &rig, layer: history.clone() });
    assert_eq!(history.len(), 6);
}

#[test]
fn goes_at_once_or_in_real_time_or_times_so_much() {
    let history = recorded();
    let waits = |speed| {
        let sleeps = Sleeps::default();
        history.replay().last(3).speed(speed).unwrap().clock(sleeps.clone()).run(&To(|_: &Replayed<'_>| true));
        sleeps.0.lock().clone()
    };
    let second = Duration::from_secs;
    assert_eq!(waits(Speed::Instant), []);
    // This clock never moves, so each wait is the whole way from the beginning.
    assert_eq!(waits(Speed::RealTime), [second(1), second(2)]);
    assert_eq!(waits(Speed::Times(0.5)), [second(2), second(4)]);
    assert_eq!(waits(Speed::Times(2.0)), [second(1) / 2, second(1)]);
    assert_eq!(waits(Speed::Times(f64::MIN_POSITIVE)), [Duration::MAX, Duration::MAX]);
}

#[test]
fn events_come_at_their_moments_whatever_handlers_take() {
    let clock = ManualClock::new();
    let moments = RefCell::new(Vec::new());
    let slow = To(|event: &Replayed<'_>| {
        moments.borrow_mut().push(clock.elapsed().as_millis());
        let takes = if event.entry().sequence() == 2 { 1_500 } else { 300 };
        clock.advance(Duration::from_millis(takes));
        true
    });
    let report = recorded().replay().last(5).speed(Speed::RealTime).unwrap().clock(clock.clone()).run(&slow);
    assert_eq!(*moments.borrow(), [0, 1_500, 2_000, 3_000, 4_000]);
    assert_eq!(report.waited, Duration::from_millis(200 + 700 + 700));
}

#[test]
fn counts_what_the_target_refuses() {
    let odd = To(|event: &Replayed<'_>| *event.topic() == "a.odd" && event.envelope().replayed);
    let report = recorded().replay().run(&odd);
    assert_eq!(report, reported(|counts| (counts.replayed, counts.refused) = (3, 3)));
}

#[test]
fn is_the_same_each_time() {
    let history = recorded();
    let run = || {
        let rig = Rig::new();
        let again = History::builder().replays(true).build();
        let report = history
            .replay()
            .speed(Speed::Times(3.0))
            .unwrap()
            .clock(rig.clock.clone())
            .run(&Layered { rig: &rig, layer: again.clone() });
        (report, rig.seen(), rig.clock.elapsed(), format!("{:?}", again.entries()))
    };
    assert_eq!(run(), run());
}

#[test]
fn impossible_speeds_are_refused() {
    for times in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = recorded().replay().speed(Speed::Times(times)).unwrap_err();
        assert!(error.to_string().starts_with(&format!("invalid speed `{times}`: ")), "{error}");
    }
}
