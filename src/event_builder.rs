use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{Envelope, EventId, Priority, ReplyTo, Sealed, Source};

#[cfg(doc)]
use crate::bus::Bus;
use crate::delivery::Delivery;
use crate::dispatch::core::Core;
use crate::dispatch::emit::Company;
use crate::dispatch::thread;
use crate::error::Error;
use crate::payload::{Borrowed, Offer, Owned, Shared};
use crate::subscription::Asked;

/// An event with company, from [`Bus::event`]: what travels with the payload first, then `emit`.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Event, Priority};
///
/// let bus = Bus::new();
/// let _log = bus.connect("config.**", |event: &Event| {
///     assert_eq!(event.source().unwrap().as_str(), "design");
///     assert_eq!(event.meta("unit"), Some("kg"));
/// })?;
/// bus.event("config.changed")
///     .source("design")
///     .priority(Priority::High)
///     .targets(["materials", "propulsion"])
///     .meta("unit", "kg")
///     .emit(12_u32);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[must_use = "a builder emits nothing until `emit`"]
pub struct EventBuilder<'b> {
    core: Arc<Core>,
    topic: &'b str,
    envelope: Envelope,
    is_stamped: bool,
}

impl<'b> EventBuilder<'b> {
    pub(crate) fn new(core: Arc<Core>, topic: &'b str) -> Self {
        Self { core, topic, envelope: Envelope::default(), is_stamped: false }
    }

    /// Who sends it.
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.envelope.source = Some(source.into());
        self
    }

    /// Leaves out the connections its source owns: see [`On::owned_by`](crate::On::owned_by).
    pub fn no_echo(mut self) -> Self {
        self.envelope.no_echo = true;
        self
    }

    /// How urgent it is, for those who queue it; it says nothing about the order of handlers.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.envelope.priority = priority;
        self
    }

    /// Ties it to other events of one conversation.
    pub fn correlation(mut self, id: impl AsRef<str>) -> Self {
        self.envelope.correlation = Some(id.as_ref().into());
        self
    }

    /// The event that led to it.
    pub fn causation(mut self, id: EventId) -> Self {
        self.envelope.causation = Some(id);
        self
    }

    /// Whom it is meant for; connections with another [`target`](crate::On::target) are left out.
    pub fn targets<S: AsRef<str>>(mut self, targets: impl IntoIterator<Item = S>) -> Self {
        self.envelope.targets.extend(targets.into_iter().map(|target| Arc::from(target.as_ref())));
        self
    }

    /// A key and a value that travel with it.
    pub fn meta(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.envelope.meta.push((key.as_ref().into(), value.as_ref().into()));
        self
    }

    /// When handlers are to be done, as time on the [bus's clock](Bus::clock): so a handler passes its own
    /// [deadline](crate::Event::deadline) on to what it emits.
    pub fn deadline(mut self, at: Duration) -> Self {
        self.envelope.deadline = Some(at);
        self
    }

    /// Gives it its id and its time, whoever asks for them, and the id to the [`Delivery`] too.
    ///
    /// Others have an id only if somebody who sees them asks. It reads the bus's clock, and takes one allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let orders = bus.subscribe::<u32>("order.*")?;
    /// let placed = bus.event("order.placed").stamped().emit(7_u32);
    /// let id = placed.id().unwrap();
    /// bus.event("order.paid").causation(id).emit(7_u32);
    /// assert_eq!(orders.try_recv().unwrap().id(), Some(id));
    /// assert_eq!(orders.try_recv().unwrap().envelope().unwrap().causation, Some(id));
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn stamped(mut self) -> Self {
        self.is_stamped = true;
        self
    }

    /// Emits it.
    pub fn emit<T: Any + Send + Sync>(self, payload: T) -> Delivery {
        self.send(Owned(payload))
    }

    /// Emits it, or says why not; see [`Bus::try_emit`](crate::Bus::try_emit).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_emit<T: Any + Send + Sync>(self, payload: T) -> Result<Delivery, Error> {
        Asked::about(None, || self.emit(payload))
    }

    /// The same, and waits so long for places in full queues; see [`Bus::emit_timeout`](crate::Bus::emit_timeout).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn emit_timeout<T: Any + Send + Sync>(self, payload: T, timeout: Duration) -> Result<Delivery, Error> {
        Asked::about(Some(timeout), || self.emit(payload))
    }

    /// Emits it with a payload that is lent, and cloned once if something keeps it.
    pub fn emit_ref<T: Any + Send + Sync + Clone>(self, payload: &T) -> Delivery {
        self.send(Borrowed(payload))
    }

    /// Emits it with a payload that is shared already.
    pub fn emit_shared<T: Any + Send + Sync>(self, payload: Arc<T>) -> Delivery {
        self.send(Shared(payload))
    }

    /// Emits it when the outermost emit of this thread has ended; at once if there is none: see [`Bus::emit_later`].
    pub fn emit_later<T: Any + Send + Sync>(self, payload: T) {
        let Self { core, topic, envelope, is_stamped } = self;
        let topic: Box<str> = topic.into();
        thread::later(Box::new(move || drop(EventBuilder { core, topic: &topic, envelope, is_stamped }.emit(payload))));
    }

    pub(crate) fn topic(&self) -> &'b str {
        self.topic
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Emits it as a request, and gives back the bus.
    pub(crate) fn ask<T: Any + Send + Sync>(mut self, reply_to: ReplyTo, payload: T) -> (Delivery, Arc<Core>) {
        self.envelope.reply_to = Some(reply_to);
        self.send_on(Owned(payload))
    }

    fn send(self, offer: impl Offer) -> Delivery {
        self.send_on(offer).0
    }

    fn send_on(self, offer: impl Offer) -> (Delivery, Arc<Core>) {
        let Self { core, topic, envelope, is_stamped } = self;
        let sealed = Sealed::new(envelope);
        let identity = is_stamped.then(|| core.identify());
        let company = Company { envelope: Some(&sealed), identity };
        let delivery = core.emit_named(topic, offer, Some(&company));
        let delivery = match identity {
            Some((id, _)) => delivery.with_id(id),
            None => delivery,
        };
        (delivery, core)
    }
}

impl fmt::Debug for EventBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBuilder").field("topic", &self.topic).field("envelope", &self.envelope).finish()
    }
}
