//! [`Stopwatch`]: how long something takes, on the clock of a bus.

use std::time::Duration;

use crate::{Clock, Event};

/// The time on the clock of the bus the event was emitted on.
pub(crate) fn now(event: &Event<'_>) -> Duration {
    event.emission().host().clock().elapsed()
}

/// Reads the time when it is started, on the clock of the bus the event was emitted on.
pub(crate) struct Stopwatch<'c> {
    clock: &'c dyn Clock,
    began: Duration,
}

impl<'c> Stopwatch<'c> {
    pub(crate) fn start(event: &'c Event<'_>) -> Self {
        let clock = event.emission().host().clock();
        Self { clock, began: clock.elapsed() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.began)
    }
}
