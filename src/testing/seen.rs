use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sigtree_middleware::{Envelope, Erased, Event, EventId, Priority, Source, Stamp, Topic};

use super::shown::Shown;

/// One event as a [`Recorder`](super::Recorder) saw it.
///
/// `{}` writes topic and payload: `order.new 7`. `{:#}` adds the id, the time on the bus's clock, and what travelled with the
/// payload: `#1 2s order.new 7, from shop`. The ids of [`SequentialIds`](crate::SequentialIds) are written as their numbers. A payload is
/// written with its `Debug`, and as `?` if its type is neither well known nor [named](super::Recorder::show).
#[derive(Clone)]
pub struct Seen {
    number: u64,
    topic: Topic,
    payload: Option<Arc<Erased>>,
    id: EventId,
    stamp: Stamp,
    envelope: Option<Arc<Envelope>>,
    shown: Shown,
}

impl Seen {
    pub(super) fn of(event: &Event<'_>, shown: &Shown) -> Self {
        Self {
            number: 0,
            topic: event.topic().clone(),
            payload: event.share_erased(),
            id: event.id(),
            stamp: event.emission().stamp(),
            envelope: event.share_envelope(),
            shown: shown.clone(),
        }
    }

    pub(super) fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// Its place in the order of recording, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The topic, as the bus of the recorder names it.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The payload, if it is a `T`.
    #[must_use]
    pub fn payload<T: Any>(&self) -> Option<&T> {
        self.payload.as_ref()?.downcast_ref()
    }

    /// The payload for keeping, if it is a `T`.
    #[must_use]
    pub fn share<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.payload.clone()?.downcast().ok()
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

    /// Who sent it, if the emitter said so.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.envelope()?.source.as_ref()
    }

    /// Everything that travelled with the payload, if anything did.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_deref()
    }

    /// The payload on one line.
    pub(super) fn payload_line(&self) -> String {
        self.payload.as_ref().map_or_else(|| "?".into(), |payload| self.shown.line(&**payload))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write!(f, "{} {:?} ", Id(self.id), self.offset())?;
        }
        write!(f, "{} {}", self.topic, self.payload_line())?;
        match self.envelope() {
            Some(envelope) if f.alternate() => write_company(f, envelope),
            _ => Ok(()),
        }
    }
}

/// What travelled with the payload, as far as there is any.
fn write_company(f: &mut fmt::Formatter<'_>, envelope: &Envelope) -> fmt::Result {
    let Envelope { source, priority, correlation, causation, targets, meta, no_echo, replayed, deadline, reply_to } =
        envelope;
    if let Some(source) = source {
        write!(f, ", from {source}")?;
    }
    if *priority != Priority::Normal {
        write!(f, ", priority {priority:?}")?;
    }
    if let Some(correlation) = correlation {
        write!(f, ", correlation {correlation}")?;
    }
    if let Some(cause) = causation {
        write!(f, ", caused by {}", Id(*cause))?;
    }
    for target in targets {
        write!(f, ", to {target}")?;
    }
    for (key, value) in meta {
        write!(f, ", {key}={value}")?;
    }
    if let Some(deadline) = deadline {
        write!(f, ", due at {deadline:?}")?;
    }
    f.write_str(if *no_echo { ", no echo" } else { "" })?;
    f.write_str(if reply_to.is_some() { ", a request" } else { "" })?;
    f.write_str(if *replayed { ", replayed" } else { "" })
}

/// A number as `#7`; other ids in full.
struct Id(EventId);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0.to_bits()) {
            Ok(number) => write!(f, "#{number}"),
            Err(_) => self.0.fmt(f),
        }
    }
}

/// The same as `{:#}` writes, part by part.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("id", &format_args!("{}", Id(self.id)))
            .field("offset", &self.offset())
            .field("topic", &self.topic)
            .field("payload", &format_args!("{}", self.payload_line()))
            .field("envelope", &self.envelope())
            .finish()
    }
}
