//! [`Clock`]: where the time is read.

mod manual;
mod stopwatch;
mod system;

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

pub use manual::ManualClock;
pub(crate) use stopwatch::{Stopwatch, now};
pub use system::SystemClock;

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
