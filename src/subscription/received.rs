//! [`Received`]: an event that was taken from a queue.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sigtree_middleware::{Details, Envelope, Erased, Event, EventId, Pattern, Priority, Source, Stamp, Topic};

use crate::payload::PayloadType;
use crate::reliable::Ticket;

/// An event taken from a queue; it derefs to its payload.
///
/// It shares the payload with everybody else who kept the event.
///
/// From a [reliable](crate::Reliable) subscription it is to be [acknowledged](Self::ack) when it is done. A clone is the same
/// attempt: the first of them that says how it went speaks for all, and it failed when the last one is dropped unsaid.
pub struct Received<T: Receives + ?Sized = Erased> {
    payload: Arc<T>,
    about: About,
    /// Of a reliable subscription: what is asked for when it is done.
    ticket: Option<Arc<Ticket<T>>>,
}

#[derive(Clone)]
enum About {
    /// Nothing else is known of it.
    Topic(Topic),
    Details(Arc<Details>),
}

/// What a [`Subscription`](crate::Subscription) can be of: a payload type, or all of them.
pub trait Receives: private::Sealed + Send + Sync + 'static {
    #[doc(hidden)]
    fn payload_type() -> Option<fn() -> PayloadType>;

    #[doc(hidden)]
    fn take(payload: Arc<Erased>) -> Option<Arc<Self>>;

    #[doc(hidden)]
    fn erase(payload: Arc<Self>) -> Arc<Erased>;
}

mod private {
    use super::{Any, Erased};

    #[allow(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}

    impl<T: Any + Send + Sync> Sealed for T {}
    impl Sealed for Erased {}
}

impl<T: Any + Send + Sync> Receives for T {
    fn payload_type() -> Option<fn() -> PayloadType> {
        Some(PayloadType::of::<T>)
    }

    fn take(payload: Arc<Erased>) -> Option<Arc<Self>> {
        payload.downcast().ok()
    }

    fn erase(payload: Arc<Self>) -> Arc<Erased> {
        payload
    }
}

impl Receives for Erased {
    fn payload_type() -> Option<fn() -> PayloadType> {
        None
    }

    fn take(payload: Arc<Erased>) -> Option<Arc<Self>> {
        Some(payload)
    }

    fn erase(payload: Arc<Self>) -> Arc<Erased> {
        payload
    }
}

/// An event in a queue: small, because a push into a queue that is long waits for its memory.
pub(crate) struct Parcel<T: ?Sized> {
    payload: Arc<T>,
    /// None for a plain event in the queue of an exact topic, which knows it.
    details: Option<Arc<Details>>,
}

/// What a queue knows of all its events.
#[repr(C)]
pub(crate) struct Addressed {
    pub(crate) stamped: bool,
    /// The topic, if there is only one.
    pub(crate) exact: Option<Topic>,
}

impl Addressed {
    pub(crate) fn by(pattern: &Pattern, stamped: bool) -> Self {
        Self { stamped, exact: pattern.as_topic().map(apart) }
    }
}

/// Each clone has a topic of its own: an event that is taken counts as one more who has it, and threads that take do not share
/// that count.
impl Clone for Addressed {
    fn clone(&self) -> Self {
        Self { stamped: self.stamped, exact: self.exact.as_ref().map(apart) }
    }
}

fn apart(topic: &Topic) -> Topic {
    Topic::from_trusted(topic.as_str().into())
}

impl<T: Receives + ?Sized> Parcel<T> {
    /// Keeps a payload of which nothing else is known.
    #[inline]
    pub(crate) fn plain(payload: Arc<T>) -> Self {
        Self { payload, details: None }
    }

    /// The payload of one of which nothing else is known.
    pub(crate) fn into_erased(self) -> Arc<Erased> {
        T::erase(self.payload)
    }

    /// Keeps an event, if its payload can be kept, and is a `T`.
    #[inline(always)]
    pub(crate) fn of(event: &Event<'_>, queue: &Addressed) -> Option<Self> {
        let payload = T::take(event.share_erased()?)?;
        let is_plain =
            queue.exact.is_some() && !queue.stamped && event.envelope().is_none() && !event.emission().has_id();
        Some(Self { payload, details: if is_plain { None } else { Some(event.share_details(queue.stamped)) } })
    }
}

impl<T: ?Sized> Parcel<T> {
    /// Which lane it is of.
    pub(crate) fn priority(&self) -> Priority {
        let envelope = self.details.as_ref().and_then(|details| details.envelope.as_ref());
        envelope.map_or(Priority::Normal, |envelope| envelope.priority)
    }

    /// The topic, if it does not come from the queue.
    pub(crate) fn topic(&self) -> Option<&Topic> {
        Some(&self.details.as_ref()?.topic)
    }

    /// Payload and details, if it has any.
    pub(crate) fn into_parts(self) -> Option<(Arc<T>, Arc<Details>)> {
        Some((self.payload, self.details?))
    }
}

impl<T: ?Sized> Clone for Parcel<T> {
    fn clone(&self) -> Self {
        Self { payload: self.payload.clone(), details: self.details.clone() }
    }
}

impl<T: Receives + ?Sized> Received<T> {
    /// One that is to be acknowledged.
    pub(crate) fn with_ticket(parcel: Parcel<T>, queue: &Addressed, ticket: Arc<Ticket<T>>) -> Self {
        Self { ticket: Some(ticket), ..Self::of(parcel, queue) }
    }

    /// Says that the event is done, so that it is not given again.
    ///
    /// Whether that counts: `false` if it comes too late, because the [time](crate::Reliable::timeout) for this attempt is
    /// over, or if a clone spoke before. An event that is not of a reliable subscription needs no word; then it does nothing,
    /// and is `true`.
    #[allow(clippy::must_use_candidate, reason = "most have nothing to do when it is late")]
    #[doc(alias = "acknowledge")]
    #[doc(alias = "commit")]
    pub fn ack(self) -> bool {
        self.ticket.as_ref().is_none_or(|ticket| ticket.ack())
    }

    /// Says that the event is not done, and why: it is given again after a pause, or becomes a dead letter.
    ///
    /// Whether that counts, as with [`ack`](Self::ack).
    #[allow(clippy::must_use_candidate, reason = "most have nothing to do when it is late")]
    #[doc(alias = "nack")]
    #[doc(alias = "reject")]
    pub fn fail(self, why: impl fmt::Display) -> bool {
        self.ticket.as_ref().is_none_or(|ticket| ticket.fail(why))
    }

    /// Which attempt at the event this is: 1, and more if a [reliable](crate::Reliable) subscription gives it again.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.ticket.as_ref().map_or(1, |ticket| ticket.attempt())
    }

    /// What is asked for when it is done, if it is of a reliable queue.
    #[cfg(feature = "async")]
    pub(crate) fn ticket(&self) -> Option<&Arc<Ticket<T>>> {
        self.ticket.as_ref()
    }

    pub(crate) fn of(parcel: Parcel<T>, queue: &Addressed) -> Self {
        let about = match (parcel.details, &queue.exact) {
            (Some(details), _) => About::Details(details),
            (None, Some(topic)) => About::Topic(topic.clone()),
            (None, None) => unreachable!("an event or its queue knows the topic"),
        };
        Self { payload: parcel.payload, about, ticket: None }
    }
}

impl<T: Receives + ?Sized> Received<T> {
    /// The topic it was emitted on, as the bus of the subscription names it.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        match &self.about {
            About::Topic(topic) => topic,
            About::Details(details) => &details.topic,
        }
    }

    fn details(&self) -> Option<&Details> {
        match &self.about {
            About::Topic(_) => None,
            About::Details(details) => Some(details),
        }
    }

    /// The payload, shared.
    #[must_use]
    pub fn share(&self) -> Arc<T> {
        self.payload.clone()
    }

    /// The payload alone; [`Arc::try_unwrap`] makes a value of it if nobody else kept the event.
    ///
    /// Of a reliable subscription it was then dropped before it was done.
    #[must_use]
    pub fn into_shared(self) -> Arc<T> {
        self.payload
    }

    /// Everything that travelled with the payload, if anything did.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.details()?.envelope.as_deref()
    }

    /// How urgent it is.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.envelope().map_or(Priority::Normal, |envelope| envelope.priority)
    }

    /// Who sent it, if the emitter said so.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.envelope()?.source.as_ref()
    }

    /// What ties it to other events.
    #[must_use]
    pub fn correlation(&self) -> Option<&str> {
        self.envelope()?.correlation.as_deref()
    }

    /// A metadata value.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.envelope()?.meta(key)
    }

    /// Its id, if somebody asked for it in the emit, or the queue is [`stamped`](crate::Queue::stamped).
    #[must_use]
    pub fn id(&self) -> Option<EventId> {
        Some(self.details()?.identity?.0)
    }

    /// When it was emitted; known whenever its id is.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        Some(self.details()?.identity?.1)
    }
}

impl Received {
    /// The payload, if it is a `T`.
    #[must_use]
    pub fn payload<T: Any>(&self) -> Option<&T> {
        self.payload.downcast_ref()
    }
}

impl<T: Receives + ?Sized> Deref for Received<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<T: Receives + ?Sized> Clone for Received<T> {
    fn clone(&self) -> Self {
        Self { payload: self.payload.clone(), about: self.about.clone(), ticket: self.ticket.clone() }
    }
}

impl<T: Receives + fmt::Debug + ?Sized> fmt::Debug for Received<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("topic", self.topic())
            .field("payload", &&*self.payload)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_in_a_queue_is_two_words() {
        assert_eq!(size_of::<Parcel<[u64; 8]>>(), 2 * size_of::<usize>());
    }
}
