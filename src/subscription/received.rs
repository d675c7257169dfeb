//! [`Received`]: an event that was taken from a queue.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sigtree_middleware::{Details, Envelope, Erased, Event, EventId, Priority, Source, Stamp, Topic};

use crate::payload::PayloadType;

/// An event taken from a queue; it derefs to its payload.
///
/// It shares the payload with everybody else who kept the event.
pub struct Received<T: ?Sized = Erased> {
    payload: Arc<T>,
    about: About,
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
}

impl Receives for Erased {
    fn payload_type() -> Option<fn() -> PayloadType> {
        None
    }

    fn take(payload: Arc<Erased>) -> Option<Arc<Self>> {
        Some(payload)
    }
}

/// An event in a queue: small, because a push into a queue that is long waits for its memory.
pub(crate) struct Parcel<T: ?Sized> {
    payload: Arc<T>,
    /// None for a plain event in the queue of an exact topic, which knows it.
    details: Option<Arc<Details>>,
}

/// What a queue knows of all its events.
#[derive(Clone)]
pub(crate) struct Addressed {
    /// The topic, if there is only one.
    pub(crate) exact: Option<Topic>,
    pub(crate) stamped: bool,
}

impl<T: Receives + ?Sized> Parcel<T> {
    /// Keeps an event, if its payload can be kept, and is a `T`.
    #[inline]
    pub(crate) fn of(event: &Event<'_>, queue: &Addressed) -> Option<Self> {
        let payload = T::take(event.share_erased()?)?;
        let is_plain =
            queue.exact.is_some() && !queue.stamped && event.envelope().is_none() && !event.emission().has_id();
        Some(Self { payload, details: if is_plain { None } else { Some(event.share_details(queue.stamped)) } })
    }
}

impl<T: ?Sized> Received<T> {
    pub(crate) fn of(parcel: Parcel<T>, queue: &Addressed) -> Self {
        let about = match (parcel.details, &queue.exact) {
            (Some(details), _) => About::Details(details),
            (None, Some(topic)) => About::Topic(topic.clone()),
            (None, None) => unreachable!("an event or its queue knows the topic"),
        };
        Self { payload: parcel.payload, about }
    }
}

impl<T: ?Sized> Received<T> {
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

impl<T: ?Sized> Deref for Received<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<T: ?Sized> Clone for Received<T> {
    fn clone(&self) -> Self {
        Self { payload: self.payload.clone(), about: self.about.clone() }
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Received<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("topic", self.topic())
            .field("payload", &&*self.payload)
            .finish_non_exhaustive()
    }
}
