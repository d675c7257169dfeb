use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::timer;

/// Where a bus, a history and a replay read the time; inject a [`ManualClock`] and time stands still until told.
pub trait Clock: Send + Sync + 'static {
    /// Time since the clock was made; never goes back.
    fn elapsed(&self) -> Duration;

    /// Wall-clock time; may go back when the machine's clock is set.
    fn wall(&self) -> SystemTime;

    /// Waits until `elapsed` has grown by `duration`.
    fn sleep(&self, duration: Duration);

    /// Rings an alarm once `elapsed` has reached `at`, from a thread of the clock's; at once if it has.
    ///
    /// By default a thread that the whole process shares rings it when as much real time has passed, one alarm after the
    /// other. What an alarm leads to runs there: as long as a handler takes that is called with an event which was held,
    /// no other alarm rings, whatever bus it is for. A handler that works long or waits hands that to a thread of its
    /// own; a clock of your own that rings elsewhere is another way.
    fn wake(&self, at: Duration, alarm: Weak<dyn Alarm>) {
        timer::ring_after(at.saturating_sub(self.elapsed()), alarm);
    }
}

/// What a clock calls at a time.
pub trait Alarm: Send + Sync {
    /// The time has come.
    fn ring(&self);
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn elapsed(&self) -> Duration {
        (**self).elapsed()
    }

    fn wall(&self) -> SystemTime {
        (**self).wall()
    }

    fn sleep(&self, duration: Duration) {
        (**self).sleep(duration);
    }

    fn wake(&self, at: Duration, alarm: Weak<dyn Alarm>) {
        (**self).wake(at, alarm);
    }
}

/// The machine's clocks: [`Instant`] and [`SystemTime`].
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose `elapsed` starts at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A clock that a test moves by hand; a cheap clone shows the same time.
///
/// It begins at zero and at the Unix epoch. `sleep` moves it and returns at once, so a replay in real time takes none.
/// Alarms ring in the thread that moves it, each at its own time, before `advance` returns.
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
        let until = self.elapsed() + duration;
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
        UNIX_EPOCH + self.elapsed()
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
