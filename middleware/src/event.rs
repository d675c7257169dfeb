use std::any::{Any, TypeId};
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{Advised, Emission, Envelope, EventId, Mark, Middleware, Priority, Sealed, Source, Tally, Topic};

/// A payload whose type is known only at run time.
pub type Erased = dyn Any + Send + Sync;

/// What is sent: a topic, a payload, and what is known about them.
///
/// An event lives in the emitter's frame and is lent to layers and handlers, so it cannot be stored. Whoever wants to keep
/// the payload beyond the call asks for [`share`](Event::share), and clones the topic, the id and what else is wanted.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Event};
///
/// let bus = Bus::new();
/// let _log = bus.connect("radar.**", |event: &Event| {
///     println!("{} from {:?}", event.topic(), event.source());
/// })?;
/// bus.emit("radar.track.new", 7_u32);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Event<'e> {
    topic: &'e Topic,
    payload: &'e Erased,
    kept: &'e Kept,
    envelope: Option<&'e Sealed>,
    emission: &'e Emission<'e>,
    /// What takes it off the straight way, a bit each: one look tells that nothing does.
    turns: u8,
    advised: Option<&'e Advised<'e>>,
}

/// A layer sent it to another topic's handlers.
const REDIRECTED: u8 = 1;
/// A layer held it, and it may still be on its way back there.
const RETURNING: u8 = 2;
/// Layers lend advice around each handler.
const ADVISED: u8 = 4;

/// How the payload of one emit can be kept: the `Arc` it already is in, or a way to make one.
///
/// It holds a `OnceCell`, so an `Event` is not `Sync`; that is what tells `Fn(&Event)` from `Fn(&T)`.
pub struct Kept {
    shared: OnceCell<Arc<Erased>>,
    copy: Option<CopyOf>,
}

/// Makes a copy of a payload, if it is of the type that is expected.
type CopyOf = fn(&Erased) -> Option<Arc<Erased>>;

impl Kept {
    /// For a payload on the stack that cannot be copied: it cannot be kept.
    #[inline]
    #[must_use]
    pub const fn borrowed() -> Self {
        Self { shared: OnceCell::new(), copy: None }
    }

    /// For a borrowed payload that is cloned, once, when first kept.
    #[inline]
    #[must_use]
    pub const fn cloned<T: Any + Send + Sync + Clone>() -> Self {
        Self {
            shared: OnceCell::new(),
            copy: Some(|payload| payload.downcast_ref::<T>().map(|value| Arc::new(value.clone()) as Arc<Erased>)),
        }
    }

    /// For a payload that is in an `Arc` already.
    #[inline]
    #[must_use]
    pub fn shared(payload: Arc<Erased>) -> Self {
        Self { shared: OnceCell::from(payload), copy: None }
    }

    /// The payload of one that is in an `Arc` already.
    ///
    /// # Panics
    ///
    /// If it is none such.
    #[inline]
    #[must_use]
    pub fn expect_shared(&self) -> &Erased {
        &**self.shared.get().expect("made of an `Arc`")
    }

    /// The payload to keep, which is in an `Arc` then; `None` if it stands on the stack and cannot be copied.
    #[inline]
    #[must_use]
    pub fn share(&self, payload: &Erased) -> Option<Arc<Erased>> {
        if let Some(shared) = self.shared.get() {
            return Some(shared.clone());
        }
        let copy = self.copy?(payload)?;
        Some(self.shared.get_or_init(|| copy).clone())
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("shared", &self.shared.get().is_some()).finish_non_exhaustive()
    }
}

impl<'e> Event<'e> {
    /// An event without an envelope: for those who write a bus.
    #[inline]
    #[must_use]
    pub fn new(topic: &'e Topic, payload: &'e Erased, kept: &'e Kept, emission: &'e Emission<'e>) -> Self {
        Self { topic, payload, kept, envelope: None, emission, turns: 0, advised: None }
    }

    /// The topic it was emitted on, as this bus names it.
    #[inline]
    #[must_use]
    pub fn topic(&self) -> &'e Topic {
        self.topic
    }

    /// The payload, if it is a `T`.
    #[inline]
    #[must_use]
    pub fn payload<T: Any>(&self) -> Option<&'e T> {
        self.payload.downcast_ref()
    }

    /// The payload, whatever it is.
    #[inline]
    #[must_use]
    pub fn erased(&self) -> &'e Erased {
        self.payload
    }

    /// The type of the payload.
    #[inline]
    #[must_use]
    pub fn payload_type(&self) -> TypeId {
        self.payload.type_id()
    }

    /// The payload for keeping, if it is a `T` and can be kept: see [`share_erased`](Event::share_erased).
    #[must_use]
    pub fn share<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.share_erased()?.downcast().ok()
    }

    /// The payload for keeping; all who ask in one emit share one `Arc`.
    ///
    /// `None` if it stands on the emitter's stack and cannot be cloned. It never does when a handler that takes an
    /// `Arc<T>`, one connected with `keeps`, or a history is in the route: then the payload is moved into its `Arc`
    /// before the first call.
    #[must_use]
    pub fn share_erased(&self) -> Option<Arc<Erased>> {
        self.kept.share(self.payload)
    }

    /// The event's id; made when first asked for.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.emission.id()
    }

    /// Time on the bus's clock; read when first asked for.
    #[must_use]
    pub fn offset(&self) -> Duration {
        self.emission.stamp().offset
    }

    /// Wall-clock time; read when first asked for.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.emission.stamp().wall
    }

    /// Who sent it, if the emitter said so.
    #[must_use]
    pub fn source(&self) -> Option<&'e Source> {
        self.envelope()?.source.as_ref()
    }

    /// How urgent it is.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.envelope().map_or(Priority::Normal, |envelope| envelope.priority)
    }

    /// What ties it to other events.
    #[must_use]
    pub fn correlation(&self) -> Option<&'e str> {
        self.envelope()?.correlation.as_deref()
    }

    /// The event that led to this one, if the emitter said so.
    #[must_use]
    pub fn causation(&self) -> Option<EventId> {
        self.envelope()?.causation
    }

    /// Whom it is meant for; empty is everyone.
    pub fn targets(&self) -> impl Iterator<Item = &'e str> + use<'e> {
        self.envelope().into_iter().flat_map(|envelope| envelope.targets.iter().map(|target| &**target))
    }

    /// A metadata value.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&'e str> {
        self.envelope()?.meta(key)
    }

    /// When handlers are to be done, as time on the clock of the bus it was emitted on; if it was held, of the bus it goes on
    /// from.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.envelope()?.deadline
    }

    /// The time until the deadline, if there is one; zero when it has passed. Asks the clock.
    ///
    /// A handler that works in steps asks it between them, and gives up in order rather than late.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline()?;
        Some(deadline.saturating_sub(self.emission.host().clock().elapsed()))
    }

    /// Everything that travels with the payload, if anything does.
    #[inline]
    #[must_use]
    pub fn envelope(&self) -> Option<&'e Envelope> {
        self.envelope.map(Sealed::envelope)
    }

    /// The envelope for keeping, if there is one.
    #[must_use]
    pub fn share_envelope(&self) -> Option<Arc<Envelope>> {
        self.envelope.map(Sealed::share)
    }

    /// Whether somebody waits for an answer to it.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.envelope().is_some_and(|envelope| envelope.reply_to.is_some())
    }

    /// Whether it is a replay of an earlier event.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.envelope().is_some_and(|envelope| envelope.replayed)
    }

    /// Whether it comes back to the layer with this mark, which held it and now lets it by.
    #[must_use]
    pub fn resumes(&self, mark: Mark) -> bool {
        self.emission.resumes(mark)
    }

    /// The handlers met so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.emission.tally()
    }

    /// Calls no further handler of this bus; parents still see the event.
    #[doc(alias = "cancel")]
    pub fn stop(&self) {
        self.emission.stop_level();
    }

    /// Lets this bus finish, and no parent see the event.
    #[doc(alias = "stop_propagation")]
    pub fn stop_bubbling(&self) {
        self.emission.stop_bubbling();
    }

    /// The state of the emit: for those who write a bus.
    #[inline]
    #[must_use]
    pub fn emission(&self) -> &'e Emission<'e> {
        self.emission
    }

    /// How the payload can be kept: for those who write a bus.
    #[inline]
    #[must_use]
    pub fn kept(&self) -> &'e Kept {
        self.kept
    }

    /// The envelope on its way: for those who write a bus.
    #[inline]
    #[must_use]
    pub fn sealed(&self) -> Option<&'e Sealed> {
        self.envelope
    }

    /// The same event with another envelope.
    #[inline]
    #[must_use]
    pub fn with_envelope<'s>(self, envelope: Option<&'s Sealed>) -> Event<'s>
    where
        'e: 's,
    {
        Event { envelope, ..self }
    }

    /// The same event with another payload.
    ///
    /// A layer uses [`Next::replace`](crate::Next::replace), which also checks the type and keeps the payload alive.
    #[inline]
    #[must_use]
    pub fn with_payload<'s>(self, payload: &'s Erased, kept: &'s Kept) -> Event<'s>
    where
        'e: 's,
    {
        Event { payload, kept, ..self }
    }

    /// The same event under the name another bus gives its topic, and without the advice of this one's layers.
    #[inline]
    #[must_use]
    pub fn with_topic<'s>(self, topic: &'s Topic) -> Event<'s>
    where
        'e: 's,
    {
        Event { topic, turns: 0, advised: None, ..self }
    }

    /// The same event on its way to the handlers of another topic.
    #[inline]
    #[must_use]
    pub fn redirected_to<'s>(self, topic: &'s Topic) -> Event<'s>
    where
        'e: 's,
    {
        Event { topic, turns: self.turns | REDIRECTED, ..self }
    }

    /// The same event with advice around each handler, or without.
    #[inline]
    #[must_use]
    pub fn with_advice<'s>(self, advised: Option<&'s Advised<'s>>) -> Event<'s>
    where
        'e: 's,
    {
        let turns = if advised.is_some() { self.turns | ADVISED } else { self.turns & !ADVISED };
        Event { turns, advised, ..self }
    }

    /// The advice to be asked around each handler: for those who write a bus.
    #[inline]
    #[must_use]
    pub fn advised(&self) -> Option<&'e Advised<'e>> {
        self.advised
    }

    /// The same event on its way back to the layer that held it, which its emission [knows](Emission::with_held).
    #[must_use]
    pub fn returning(self) -> Self {
        Event { turns: self.turns | RETURNING, ..self }
    }

    /// Whether a layer sent it to another topic's handlers.
    #[inline]
    #[must_use]
    pub fn is_redirected(&self) -> bool {
        self.turns & REDIRECTED != 0
    }

    /// Whether nothing takes it off the straight way: no other topic, no advice, no layer it has to come back to.
    #[inline]
    #[must_use]
    pub fn is_straight(&self) -> bool {
        self.turns == 0
    }

    /// The layer that held it, if it is on its way back there.
    pub(crate) fn returning_to(&self) -> Option<Mark> {
        if self.turns & RETURNING == 0 { None } else { self.emission.resuming() }
    }

    /// Whether a layer further on held it, and it passes this one by on its way back there.
    #[cold]
    pub(crate) fn passes_by(&self, layer: &(impl Middleware + ?Sized)) -> bool {
        self.returning_to().is_some_and(|mark| !layer.holds(mark) && !layer.stands_around())
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("topic", &self.topic)
            .field("envelope", &self.envelope())
            .field("emission", &self.emission)
            .finish_non_exhaustive()
    }
}
