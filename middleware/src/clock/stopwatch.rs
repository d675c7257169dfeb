//! [`Stopwatch`]: how long something takes.

use std::time::Duration;

use crate::{Clock, Event};

/// The time on the clock of the bus the event was emitted on: the one that deadlines are on.
pub(crate) fn now(event: &Event<'_>) -> Duration {
    event.emission().host().clock().elapsed()
}

/// Reads the time when it is started, on a clock: for a layer that of the bus it stands on.
pub(crate) struct Stopwatch<'c> {
    clock: &'c dyn Clock,
    began: Duration,
}

impl<'c> Stopwatch<'c> {
    pub(crate) fn start(clock: &'c dyn Clock) -> Self {
        Self { clock, began: clock.elapsed() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.began)
    }
}
