use std::any::Any;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::emission::Visited;
use crate::{At, Envelope, Erased, Event, EventId, Host, Stamp, Topic};

/// Tells layers that hold events apart: each has one, and a held event goes on behind the layer whose mark it bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(NonZeroU64);

impl Mark {
    /// A mark that no other layer of this process has.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "two marks are never the same")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).expect("fewer layers than numbers"))
    }
}

/// An event that a layer took out of its chain, to go on later: behind that layer, with its id, times and envelope.
///
/// Made by [`Next::hold`](crate::Next::hold). It keeps its bus alive until it is released. Dropped without being
/// released it is gone.
#[must_use = "an event that is held is lost unless it is released"]
pub struct Held {
    pub(crate) topic: Topic,
    pub(crate) payload: Arc<Erased>,
    pub(crate) envelope: Option<Arc<Envelope>>,
    pub(crate) id: EventId,
    pub(crate) stamp: Stamp,
    pub(crate) redirected: bool,
    pub(crate) visited: Visited,
    pub(crate) at: At,
    pub(crate) mark: Mark,
    pub(crate) home: Arc<dyn Home>,
}

/// Where held events go on: for those who write a bus.
pub trait Home: Send + Sync {
    /// Lets the event go on behind the layer that held it, now or, if that cannot be, soon; `false` if it goes nowhere.
    fn resume(&self, held: &Held) -> bool;
}

impl Held {
    /// Lets the event go on in this thread, behind the layer that held it; `false` if it goes nowhere, because it was held
    /// around a handler that is disconnected, or muted now.
    ///
    /// Within emits that are nested as deep as they may be, it goes on when the outermost of them ends.
    pub fn release(self) -> bool {
        self.resume()
    }

    /// The same for one that is looked at afterwards, and not released twice.
    pub(crate) fn resume(&self) -> bool {
        self.home.resume(self)
    }

    /// The same event once more, of which one is to be released: for a bus that lets it go on later.
    pub fn again(&self) -> Self {
        Self {
            topic: self.topic.clone(),
            payload: self.payload.clone(),
            envelope: self.envelope.clone(),
            visited: self.visited.clone(),
            home: self.home.clone(),
            ..*self
        }
    }

    /// Its topic, as it was where the layer stands.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The payload, if it is a `T`.
    #[must_use]
    pub fn payload<T: Any>(&self) -> Option<&T> {
        self.payload.downcast_ref()
    }

    /// The payload, shared.
    #[must_use]
    pub fn share_erased(&self) -> Arc<Erased> {
        self.payload.clone()
    }

    /// The envelope, if there is one.
    #[must_use]
    pub fn share_envelope(&self) -> Option<Arc<Envelope>> {
        self.envelope.clone()
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// When it was emitted.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Where it was when it was held: a late connection tells by this whether the past that it was given has the event.
    #[must_use]
    pub fn at(&self) -> At {
        self.at
    }

    /// The mark of the layer that held it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether a layer had sent it to another topic's handlers.
    #[must_use]
    pub fn is_redirected(&self) -> bool {
        self.redirected
    }

    /// The buses it had visited: for those who write a bus.
    #[must_use]
    pub fn visited(&self) -> &[u64] {
        &self.visited
    }

    pub(crate) fn of(event: &Event<'_>, mark: Mark, home: Arc<dyn Home>, host: &dyn Host) -> Option<Self> {
        Some(Self {
            topic: event.topic().clone(),
            payload: event.share_erased()?,
            envelope: envelope_on(event, host),
            id: event.id(),
            stamp: event.emission().stamp(),
            redirected: event.is_redirected(),
            visited: event.emission().visited(),
            at: event.emission().at(),
            mark,
            home,
        })
    }
}

/// The envelope, with its deadline as time on the clock of the bus where it goes on.
fn envelope_on(event: &Event<'_>, host: &dyn Host) -> Option<Arc<Envelope>> {
    let from = event.emission().host();
    let (Some(left), false) = (event.time_left(), std::ptr::addr_eq(from, host)) else { return event.share_envelope() };
    let deadline = Some(host.clock().elapsed().saturating_add(left));
    Some(Arc::new(Envelope { deadline, ..event.envelope()?.clone() }))
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("topic", &self.topic).field("id", &self.id).finish_non_exhaustive()
    }
}
