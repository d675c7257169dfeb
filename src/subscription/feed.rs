//! What puts events into a queue: the handler at the bus's end of a [`Subscription`](super::Subscription).

use std::any::{Any, TypeId};
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use sigtree_middleware::{Cause, DeadLetter, Erased, Event, Failure, Kept, Pattern, Priority, Topic};

use super::asked::{Asked, Until};
use super::received::{Addressed, Parcel, Receives};
use crate::dispatch::alike::{Alike, Uniform};
use crate::dispatch::slot::{Call, CallShared, Called, Holder, Slot};
use crate::dispatch::thread;
use crate::error::{Error, QueueFull};
use crate::queue::{Loss, Overflow, Pipe, QueueStats, Rank};
use crate::reliable::Ledger;

/// What a plain push looks at stands together at the end, beside what the slot looks at first, so that an emit to many queues
/// touches little memory of each.
#[repr(C)]
pub(crate) struct Feed<T: Receives + ?Sized> {
    /// The type it takes, where events of others come by.
    accepts: Option<TypeId>,
    label: Arc<Label>,
    /// Of a reliable one.
    ledger: Option<Arc<Ledger<T>>>,
    addressed: Addressed,
    pipe: Arc<Pipe<Parcel<T>>>,
}

/// What an error calls a queue by.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) pattern: Pattern,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) site: &'static Location<'static>,
    /// Who answers for failures that come when the call is over.
    slot: OnceLock<Weak<dyn Slot>>,
}

impl Label {
    pub(crate) fn new(pattern: Pattern, name: Option<Arc<str>>, site: &'static Location<'static>) -> Self {
        Self { pattern, name, site, slot: OnceLock::new() }
    }

    /// Notes which slot it is of.
    pub(crate) fn placed(&self, slot: Weak<dyn Slot>) {
        let _ = self.slot.set(slot);
    }

    /// The slot, if it is there.
    pub(crate) fn slot(&self) -> Option<Arc<dyn Slot>> {
        self.slot.get()?.upgrade()
    }

    pub(crate) fn failure(&self, topic: &Topic, cause: Cause) -> Arc<Failure> {
        Arc::new(Failure {
            topic: topic.clone(),
            pattern: Some(self.pattern.as_str().into()),
            name: self.name.clone(),
            site: Some(self.site),
            cause,
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, name, site, .. } = self;
        write!(f, "the queue of `{pattern}`")?;
        if let Some(name) = name {
            write!(f, " named `{name}`")?;
        }
        write!(f, " ({site})")
    }
}

impl<T: Receives + ?Sized> Feed<T> {
    pub(super) fn new(
        pipe: Arc<Pipe<Parcel<T>>>,
        addressed: Addressed,
        label: Arc<Label>,
        ledger: Option<Arc<Ledger<T>>>,
    ) -> Self {
        // An exact topic has one type.
        let accepts = T::payload_type().filter(|_| addressed.exact.is_none()).map(|of| of().id);
        Self { pipe, accepts, addressed, label, ledger }
    }

    /// How many events wait, or were taken from a reliable one and are not done with.
    #[cfg(feature = "async")]
    pub(crate) fn undone(&self) -> usize {
        self.pipe.undone()
    }

    /// What to do with an event that found no place.
    #[cold]
    #[inline(never)]
    fn overflowed(&self, parcel: Parcel<T>, event: &Event<'_>) -> Called {
        let asked = Asked::until(event.emission().depth());
        let deadline = match (asked, self.pipe.queue().when_full()) {
            (Some(asked), _) => asked,
            (None, Overflow::Block(timeout)) => Until::Then(Instant::now().checked_add(timeout)),
            (None, _) => Until::Now,
        };
        let waited = match deadline {
            Until::Now => Err((parcel, Loss::Newest)),
            Until::Then(deadline) => self.pipe.push_until(parcel, rank(event), deadline),
        };
        let Err((parcel, loss)) = waited else { return Called::Done };
        drop(parcel);
        if self.pipe.is_closed() {
            // Nobody is left to take it, or to be told of it.
            return Called::Skipped;
        }
        self.lose(loss, asked.is_some(), event)
    }

    /// The same where there is no event, and `topic` is the queue's: it is lost, unless that is more than to count it, or it waits.
    #[cold]
    #[inline(never)]
    fn overflowed_quietly(&self, topic: &Topic) -> Called {
        let depth = thread::depth();
        match Asked::until(depth) {
            _ if self.pipe.is_closed() => return Called::NeedsEvent,
            Some(Until::Now) => Asked::answer(depth, self.full(Loss::Newest)),
            None if matches!(self.pipe.queue().when_full(), Overflow::DropNewest) => {}
            _ => return Called::NeedsEvent,
        }
        self.count(Loss::Newest, topic);
        Called::Skipped
    }

    fn lose(&self, loss: Loss, asked: bool, event: &Event<'_>) -> Called {
        self.count(loss, event.topic());
        let full = || self.full(loss);
        if asked {
            Asked::answer(event.emission().depth(), full());
            return Called::Skipped;
        }
        // A reliable one loses nothing that only a counter knows of.
        if self.ledger.is_some() || matches!(self.pipe.queue().when_full(), Overflow::Block(_) | Overflow::Error) {
            event.emission().set_error(Box::new(Error::queue_full(full())));
            return Called::Failed;
        }
        Called::Skipped
    }

    /// Counts a loss, and tells of the first, the second, the fourth, ...: so a flood of losses is no flood of words.
    fn count(&self, loss: Loss, topic: &Topic) {
        let count = self.pipe.count_loss(loss);
        if count.is_power_of_two() {
            tracing::warn!(target: "sigtree::queue", topic = %topic, count, "lost an event: {}", self.full(loss));
        }
    }

    /// Made only for those who want to know.
    fn full(&self, loss: Loss) -> QueueFull {
        QueueFull::new(self.label.clone(), self.pipe.capacity(), loss)
    }
}

impl<T: Receives + ?Sized> CallShared for Feed<T> {
    type Share = Arc<T>;

    #[inline]
    fn share(payload: &Erased, kept: &Kept) -> Option<Arc<T>> {
        T::take(kept.share(payload)?)
    }

    #[inline(always)]
    fn call_shared(&self, payload: &Arc<T>) -> Called {
        let Some(topic) = &self.addressed.exact else { return Called::NeedsEvent };
        match self.pipe.push_among(Parcel::plain(payload.clone()), Rank { priority: Priority::Normal, topic }) {
            Ok(()) => Called::Done,
            Err(parcel) => {
                drop(parcel);
                self.overflowed_quietly(topic)
            }
        }
    }
}

impl<T: Receives + ?Sized> Call for Feed<T> {
    const RETAINS: bool = true;

    fn keeps_quietly(&self) -> bool {
        self.addressed.exact.is_some() && !self.addressed.stamped && self.ledger.is_none()
    }

    #[inline]
    fn call_keeping(&self, payload: &Erased, kept: &Kept) -> Called {
        // The payload stands on the stack only if this was connected after the emit began.
        Self::share(payload, kept).map_or(Called::Skipped, |payload| self.call_shared(&payload))
    }

    #[inline]
    fn call_owning(&self, place: &mut Option<Arc<Erased>>) -> Called {
        let Some(topic) = &self.addressed.exact else { return Called::NeedsEvent };
        let Some(payload) = place.take().and_then(T::take) else { return Called::OtherType };
        match self.pipe.push(Parcel::plain(payload), Rank { priority: Priority::Normal, topic }) {
            Ok(()) => Called::Done,
            Err(parcel) => {
                *place = Some(parcel.into_erased());
                self.overflowed_quietly(topic)
            }
        }
    }

    fn uniform(slot: Arc<Holder<Self>>) -> Option<Box<dyn Uniform>> {
        slot.inner().keeps_quietly().then(|| Alike::of(slot))
    }

    fn offer(slot: Arc<Holder<Self>>, place: &mut dyn Any) {
        if let Some(place) = place.downcast_mut::<Option<Arc<Holder<Self>>>>()
            && slot.inner().keeps_quietly()
        {
            *place = Some(slot);
        }
    }

    #[inline]
    fn call(&self, event: &Event<'_>) -> Called {
        if self.accepts.is_some_and(|accepts| accepts != event.payload_type()) {
            return Called::OtherType;
        }
        // The payload stands on the stack only if this was connected after the emit began.
        let Some(parcel) = Parcel::of(event, &self.addressed) else { return Called::Skipped };
        match self.pipe.push(parcel, rank(event)) {
            Ok(()) => Called::Done,
            Err(parcel) => self.overflowed(parcel, event),
        }
    }

    fn accepts(&self, payload: TypeId) -> bool {
        self.accepts.is_none_or(|accepts| accepts == payload)
    }

    fn queue_stats(&self) -> Option<QueueStats> {
        Some(self.pipe.stats())
    }

    fn dead_letters(&self) -> Option<&DeadLetter> {
        Some(self.ledger.as_ref()?.dead_letters())
    }
}

#[inline]
fn rank<'e>(event: &Event<'e>) -> Rank<'e> {
    Rank { priority: event.priority(), topic: event.topic() }
}

impl<T: Receives + ?Sized> Drop for Feed<T> {
    fn drop(&mut self) {
        self.pipe.close();
        // An emit may have put one in after the last handle went.
        if let Some(ledger) = self.ledger.as_ref().filter(|_| self.pipe.is_deserted()) {
            ledger.end();
        }
    }
}
