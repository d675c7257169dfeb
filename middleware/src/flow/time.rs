//! [`Time`]: the clock of a piece.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::{Clock, Event};

/// The time of a piece: that of the bus whose event came by first.
///
/// Not the time of the event, which may have been held, or be a replay.
#[derive(Default)]
pub(crate) struct Time(OnceLock<Arc<dyn Clock>>);

impl Time {
    pub(crate) fn clock(&self, event: &Event<'_>) -> &Arc<dyn Clock> {
        self.0.get_or_init(|| event.emission().host().share_clock())
    }

    pub(crate) fn now(&self, event: &Event<'_>) -> Duration {
        self.clock(event).elapsed()
    }

    /// The clock, once an event came by.
    pub(crate) fn known(&self) -> Option<&Arc<dyn Clock>> {
        self.0.get()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.0.get().map(Clock::elapsed)).finish()
    }
}
