//! [`Time`]: the clock of a piece.

use std::sync::{Arc, OnceLock};

use crate::{Clock, Event, Next};

/// The time of a piece: that of the bus it stands on, the first one if it is a handle on several.
///
/// Not the time of the event, which may come from another bus, have been held, or be a replay.
#[derive(Default)]
pub(crate) struct Time(OnceLock<Arc<dyn Clock>>);

impl Time {
    pub(crate) fn clock(&self, event: &Event<'_>, next: &Next<'_>) -> &Arc<dyn Clock> {
        self.0.get_or_init(|| next.host(event).share_clock())
    }

    /// The clock, once an event came by.
    pub(crate) fn known(&self) -> Option<&Arc<dyn Clock>> {
        self.0.get()
    }
}
