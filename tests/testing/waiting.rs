//! Other threads are waited for without sleeping, and time passes when the test says so.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::Alarm;
use sigtree::testing::{Recorder, TestBus};
use sigtree::{Bus, Clock, ManualClock};

use crate::{SECOND, Ticker, failure};

#[test]
fn wait_for_wakes_when_another_thread_emits() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "**");
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            (1..=1_000_u32).for_each(|n| drop(bus.emit("n", n)));
        });
        start.wait();
        seen.wait_for("n").with(&1_u32);
        seen.wait_for_times("n", 1_000).times(1_000);
        assert!(seen.wait_until(|| seen.len() == 1_000));
    });
}

#[test]
fn wait_for_works_while_another_thread_moves_a_clock_that_stands_still() {
    let bus = TestBus::new();
    let seen = bus.record("tick");
    let _ticker = Ticker::start(&bus);
    let clock = bus.clock().clone();
    std::thread::scope(|scope| {
        scope.spawn(move || (0..3).for_each(|_| clock.advance(SECOND)));
        seen.wait_for_times("tick", 3).at([SECOND, 2 * SECOND, 3 * SECOND]);
    });
}

#[test]
fn wait_for_loses_patience() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "*").patience(Duration::ZERO);
    bus.emit("a", 1_u32);
    assert_eq!(failure(|| drop(seen.wait_for("b"))), "`b` did not come within 0ns\nseen on `*`:\n     1  a 1");
    let message = failure(|| drop(seen.wait_for_times("a", 2)));
    assert_eq!(message, "`a` came once, not twice, within 0ns\nseen on `*`:\n  >  1  a 1");
    assert!(!seen.wait_until(|| false));
}

#[test]
fn eventually_moves_a_clock_that_stands_still_and_stops_where_the_event_came() {
    let bus = TestBus::new();
    let seen = bus.record("*");
    let _ticker = Ticker::start(&bus);
    seen.eventually("tick", 60 * SECOND).once().at([SECOND]);
    assert_eq!(bus.clock().elapsed(), SECOND);
    // It is there already.
    seen.eventually("tick", 60 * SECOND);
    assert_eq!(bus.clock().elapsed(), SECOND);
    let message = failure(|| drop(seen.eventually("tock", 2 * SECOND)));
    assert_eq!(
        message,
        "`tock` did not come within 2s\nseen on `*`:\n     1  tick ()\n     2  tick ()\n     3  tick ()"
    );
    assert_eq!(bus.clock().elapsed(), 3 * SECOND);
    bus.advance_until(60 * SECOND, || seen.len() == 5);
    assert_eq!(bus.clock().elapsed(), 5 * SECOND);
    assert_eq!(failure(|| bus.advance_until(SECOND, || false)), "the condition did not come to hold within 1s");
}

#[test]
fn eventually_waits_on_other_clocks() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "*");
    std::thread::scope(|scope| {
        scope.spawn(|| bus.emit("a", 1_u32));
        seen.eventually("a", 60 * SECOND).once();
    });
    let message = failure(|| drop(seen.eventually("b", Duration::ZERO)));
    assert_eq!(message, "`b` did not come within 0ns\nseen on `*`:\n     1  a 1");
}

#[test]
fn a_clock_is_moved_from_alarm_to_alarm_until_a_condition_holds() {
    struct Note(Mutex<Vec<Duration>>, ManualClock);
    impl Alarm for Note {
        fn ring(&self) {
            self.0.lock().push(self.1.elapsed());
        }
    }
    let clock = ManualClock::new();
    let note = Arc::new(Note(Mutex::default(), clock.clone()));
    for seconds in [3, 1, 2, 9] {
        let alarm: Arc<dyn Alarm> = note.clone();
        clock.wake(seconds * SECOND, Arc::downgrade(&alarm));
    }
    assert!(clock.advance_until(5 * SECOND, || note.0.lock().len() == 2));
    assert_eq!((clock.elapsed(), note.0.lock().clone()), (2 * SECOND, vec![SECOND, 2 * SECOND]));
    assert!(!clock.advance_until(3 * SECOND, || note.0.lock().len() == 4));
    assert_eq!(clock.elapsed(), 5 * SECOND);
    assert!(clock.advance_until(Duration::MAX, || note.0.lock().len() == 4));
    assert_eq!(clock.elapsed(), 9 * SECOND);
}
