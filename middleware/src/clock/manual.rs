//! [`ManualClock`]: a clock for tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::{Alarm, Clock};

/// A clock that a test moves by hand; a cheap clone shows the same time.
///
/// It begins at zero and at the Unix epoch. `sleep` moves it and returns at once, so a replay in real time takes none.
/// Alarms ring in the thread that moves it, each at its own time, before `advance` returns.
///
/// At [`Duration::MAX`] the time stands still, and `wall` does at the end of the year 9999.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree_middleware::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.elapsed(), Duration::from_secs(3));
/// ```
#[derive(Clone, Default)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

/// The end of the year 9999 since the Unix epoch; times far beyond cannot be shown, and on no machine all of them.
const END: Duration = Duration::from_secs(253_402_300_799);

#[derive(Default)]
struct State {
    elapsed: Duration,
    /// By time, then in the order they were set.
    alarms: BTreeMap<(Duration, u64), Weak<dyn Alarm>>,
    next: u64,
}

impl ManualClock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time forward, and rings the alarms on the way.
    pub fn advance(&self, duration: Duration) {
        let until = self.elapsed().saturating_add(duration);
        while let Some(alarm) = self.next_alarm(until) {
            if let Some(alarm) = alarm.upgrade() {
                alarm.ring();
            }
        }
    }

    /// Moves the time from alarm to alarm until the condition holds, and no further than by `within`; whether it held.
    ///
    /// The condition is checked before the time moves, after each alarm, and when all of `within` has passed. If it
    /// holds, the time stands where it began to.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sigtree_middleware::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// let second = Duration::from_secs(1);
    /// assert!(!clock.advance_until(second, || false));
    /// assert!(clock.advance_until(second, || clock.elapsed() == second));
    /// assert_eq!(clock.elapsed(), second);
    /// ```
    pub fn advance_until(&self, within: Duration, mut condition: impl FnMut() -> bool) -> bool {
        let until = self.elapsed().saturating_add(within);
        loop {
            if condition() {
                return true;
            }
            let Some(alarm) = self.next_alarm(until) else { return condition() };
            if let Some(alarm) = alarm.upgrade() {
                alarm.ring();
            }
        }
    }

    /// Takes out the next alarm that is due by then, and moves the time to it; to `until` if there is none.
    fn next_alarm(&self, until: Duration) -> Option<Weak<dyn Alarm>> {
        let mut state = self.state.lock();
        let due = state.alarms.first_entry().filter(|alarm| alarm.key().0 <= until);
        let (at, alarm) = match due {
            Some(alarm) => (alarm.key().0, Some(alarm.remove())),
            None => (until, None),
        };
        // An alarm may have moved the time itself.
        state.elapsed = state.elapsed.max(at);
        alarm
    }
}

impl Clock for ManualClock {
    fn elapsed(&self) -> Duration {
        self.state.lock().elapsed
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + self.elapsed().min(END)
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }

    fn wake(&self, at: Duration, alarm: Weak<dyn Alarm>) {
        let mut state = self.state.lock();
        state.next += 1;
        let number = state.next;
        state.alarms.insert((at, number), alarm);
        let due = at <= state.elapsed;
        drop(state);
        if due {
            self.advance(Duration::ZERO);
        }
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.elapsed()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_its_end_the_time_stands_still() {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(1));
        clock.advance(Duration::MAX);
        clock.sleep(Duration::MAX);
        assert!(!clock.advance_until(Duration::MAX, || false));
        assert_eq!((clock.elapsed(), clock.wall()), (Duration::MAX, UNIX_EPOCH + END));
    }
}
