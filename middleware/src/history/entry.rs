//! [`Entry`]: one event that was.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{At, Envelope, Erased, Event, EventId, Source, Stamp, Topic};

/// One event of the past, as a [`History`](crate::History) keeps it.
///
/// It shares the payload with all who kept the same event; a clone copies none of it.
#[derive(Clone)]
pub struct Entry {
    sequence: u64,
    topic: Topic,
    payload: Arc<Erased>,
    id: EventId,
    stamp: Stamp,
    envelope: Option<Arc<Envelope>>,
    bytes: usize,
    at: At,
}

impl Entry {
    /// The bytes every entry counts for beside its payload: 128.
    ///
    /// It stands for the entry itself and its share of the bookkeeping; what an envelope holds is not counted.
    pub const OVERHEAD: usize = 128;

    /// An entry made by hand, or read from somewhere: what a [`Replay`](crate::Replay) makes an event of.
    #[must_use]
    pub fn new(sequence: u64, topic: Topic, payload: Arc<Erased>, id: EventId, stamp: Stamp) -> Self {
        let bytes = size_of_val(&*payload).saturating_add(Self::OVERHEAD);
        Self { sequence, topic, payload, id, stamp, envelope: None, bytes, at: At::default() }
    }

    /// The same entry with an envelope, or without.
    #[must_use]
    pub fn with_envelope(self, envelope: Option<Arc<Envelope>>) -> Self {
        Self { envelope, ..self }
    }

    /// Keeps an event whose payload was shared; it gets its place in the order later.
    pub(crate) fn of(event: &Event<'_>, payload: Arc<Erased>, bytes: usize) -> Self {
        Self {
            sequence: 0,
            topic: event.topic().clone(),
            payload,
            id: event.id(),
            stamp: event.emission().stamp(),
            envelope: event.share_envelope().map(Envelope::without_reply_to),
            bytes,
            at: event.emission().at(),
        }
    }

    pub(crate) fn weighing(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    pub(crate) fn numbered(self, sequence: u64) -> Self {
        Self { sequence, ..self }
    }

    /// Its place in the order of recording, from 1. An event that was lost or refused has no place, so there is no gap
    /// for it.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The topic, as it was where the history stands in the stack.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The payload, if it is a `T`.
    #[must_use]
    pub fn payload<T: Any>(&self) -> Option<&T> {
        self.payload.downcast_ref()
    }

    /// The payload, whatever it is.
    #[must_use]
    pub fn erased(&self) -> &Erased {
        &*self.payload
    }

    /// The payload for keeping, if it is a `T`.
    #[must_use]
    pub fn share<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.share_erased().downcast().ok()
    }

    /// The payload for keeping, whatever it is.
    #[must_use]
    pub fn share_erased(&self) -> Arc<Erased> {
        self.payload.clone()
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// When it was emitted, on the bus's clock.
    #[must_use]
    pub fn offset(&self) -> Duration {
        self.stamp.offset
    }

    /// When it was emitted, in wall-clock time.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.stamp.wall
    }

    /// Both times.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Who sent it, if the emitter said so.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.envelope()?.source.as_ref()
    }

    /// The event that led to this one, if the emitter said so.
    #[must_use]
    pub fn causation(&self) -> Option<EventId> {
        self.envelope()?.causation
    }

    /// Everything that travelled with the payload, if anything did.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_deref()
    }

    /// The envelope for keeping, if there is one.
    #[must_use]
    pub fn share_envelope(&self) -> Option<Arc<Envelope>> {
        self.envelope.clone()
    }

    /// The bytes it counts for: what its payload weighs, and [`OVERHEAD`](Self::OVERHEAD).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the event was: for those who write a bus.
    #[must_use]
    pub fn at(&self) -> At {
        self.at
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("sequence", &self.sequence)
            .field("topic", &self.topic)
            .field("id", &self.id)
            .field("stamp", &self.stamp)
            .field("envelope", &self.envelope)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overhead_covers_an_entry() {
        assert!(size_of::<Entry>() <= Entry::OVERHEAD, "{}", size_of::<Entry>());
    }
}
