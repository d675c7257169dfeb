//! [`Fact`]: a payload, and what is known of its event.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

use crate::{Entry, Envelope, EventId, Source, Topic};

/// One event that a [`Projection`](crate::Projection) folds; `*fact` is its payload.
pub struct Fact<'f, T> {
    entry: &'f Entry,
    payload: &'f T,
}

impl<'f, T: Any> Fact<'f, T> {
    /// `None` if the payload is of another type.
    pub(super) fn of(entry: &'f Entry) -> Option<Self> {
        entry.payload().map(|payload| Self { entry, payload })
    }
}

impl<'f, T> Fact<'f, T> {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &'f Topic {
        self.entry.topic()
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.entry.id()
    }

    /// When it was emitted, on the bus's clock.
    #[must_use]
    pub fn offset(&self) -> Duration {
        self.entry.offset()
    }

    /// When it was emitted, in wall-clock time.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.entry.time()
    }

    /// Who sent it, if the emitter said so.
    #[must_use]
    pub fn source(&self) -> Option<&'f Source> {
        self.entry.source()
    }

    /// Everything that travelled with the payload, if anything did.
    #[must_use]
    pub fn envelope(&self) -> Option<&'f Envelope> {
        self.entry.envelope()
    }
}

impl<T> Deref for Fact<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.payload
    }
}

impl<T: fmt::Debug> fmt::Debug for Fact<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fact").field("entry", &self.entry).field("payload", &self.payload).finish()
    }
}
