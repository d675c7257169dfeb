use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use sigtree_middleware::{
    Arrival, Clock, Correlation, Destination, Event, IntoPattern, Landing, Middleware, Replayed, Stack, Target, Topic,
};

use crate::builder::BusBuilder;
use crate::connection::{Connection, ConnectionId, Mute};
use crate::delivery::Delivery;
use crate::dispatch::books::Writer;
use crate::dispatch::core::Core;
use crate::dispatch::emit::Company;
use crate::dispatch::index::hash;
use crate::dispatch::thread;
use crate::error::Error;
use crate::event_builder::EventBuilder;
use crate::handler::{IntoHandler, IntoMethod};
use crate::on::On;
use crate::payload::{Borrowed, Made, Owned, PayloadType, Shared, SharedErased};
use crate::signal::Signal;
use crate::subscription::Asked;
use crate::sync::MutexGuard;

/// A tree of signals: connect handlers to patterns of topics, emit events on topics.
///
/// A `Bus` is a handle: cloning it is cheap and gives the same bus, which lives as long as a handle, a [`Signal`] or a child does. A
/// handler that is to emit on the bus it is connected to should hold a [`WeakBus`] or a [`WeakSignal`](crate::WeakSignal), or the
/// two keep each other alive.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Event};
///
/// let bus = Bus::new();
/// let _log = bus.connect("radar.**", |event: &Event| println!("{}", event.topic()))?;
/// let _new = bus.connect("radar.track.new", |id: &u32| println!("track {id}"))?;
///
/// let delivery = bus.emit("radar.track.new", 7_u32);
/// assert_eq!(delivery.called(), 2);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Order
///
/// Priority (high first), then exact patterns before others, then patterns by creation, then connections by age. A child's own
/// handlers come before its parent's. Events of one signal, emitted by one thread, arrive in order.
///
/// # Concurrency
///
/// All methods can be called from any thread and from inside handlers. An emit sees one version of the handlers and the
/// stack, takes no lock, and never waits for a connect. No lock is held while a handler, a layer or a destructor runs.
///
/// The one exception: an emit on a topic it has to match anew reads handlers and stack again when a writer changed what
/// concerns the topic meanwhile, and after 64 such readings in a row takes the last one, which may mix neighbouring versions.
///
/// A handler's memory is freed by whoever lets go of it last: the disconnect, or an emit that was inside it. If its destructor
/// panics, it panics there.
///
/// # What is not promised
///
/// An event that meets no handler is gone; `$sys.dead` tells. Handlers run in the emitter's thread.
#[derive(Clone)]
#[doc(alias = "EventBus")]
#[doc(alias = "EventEmitter")]
#[doc(alias = "dispatcher")]
pub struct Bus {
    core: Arc<Core>,
}

/// A bus that this handle does not keep alive.
#[derive(Clone, Debug)]
pub struct WeakBus {
    core: Weak<Core>,
}

impl WeakBus {
    /// The bus, if it is still alive.
    #[must_use]
    pub fn upgrade(&self) -> Option<Bus> {
        self.core.upgrade().map(Bus::of)
    }
}

/// The bus of the whole process, for programs that want one; everything works without it.
#[must_use]
pub fn global() -> &'static Bus {
    static GLOBAL: LazyLock<Bus> = LazyLock::new(|| Bus::builder().name("global").build());
    &GLOBAL
}

impl Bus {
    /// A bus with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A bus with other settings.
    pub fn builder() -> BusBuilder {
        BusBuilder::new()
    }

    pub(crate) fn of(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Its name: `bus` unless it was given one; a child's is its parent's and its own with a dot between.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// The clock its events read.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.core.clock
    }

    /// A handle that does not keep the bus alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakBus {
        WeakBus { core: Arc::downgrade(&self.core) }
    }

    /// Whether two handles are of the same bus.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    /// Holds the writer's lock while the guard lives, so that a test can show who does not wait for it.
    #[doc(hidden)]
    pub fn hold_writer(&self) -> WriterHold<'_> {
        WriterHold { _lock: self.core.writer.lock() }
    }

    // Connecting

    /// Connects a handler to the topics of a pattern for as long as the connection lives.
    ///
    /// [`IntoHandler`] has the forms of handlers, [`Pattern`](crate::Pattern) those of patterns; an array of patterns is a list, called
    /// once for an event that several of them match.
    ///
    /// # Errors
    ///
    /// If the pattern is malformed; or if it is an exact topic, or a list that spells one, whose payload type is fixed and the handler
    /// takes another.
    ///
    /// # Concurrency
    ///
    /// An emit that runs already does not see the new handler. Takes the writer's lock; about a microsecond, whatever the
    /// number of handlers.
    #[track_caller]
    #[doc(alias = "subscribe")]
    #[doc(alias = "add_listener")]
    #[doc(alias = "register")]
    pub fn connect<H: IntoHandler<F>, F>(&self, pattern: impl IntoPattern, handler: H) -> Result<Connection, Error> {
        self.on(pattern).connect_call(handler.into_call(), H::payload_type(), Location::caller())
    }

    /// Connects a method of an object that the bus does not keep alive: when the object is gone, so is the connection.
    ///
    /// Each call takes a strong reference for its time, a counter that threads share: with several threads emitting, prefer
    /// [`Receiver`](crate::Receiver). A dead receiver's slot is taken out by the next emit that meets it or by later connects.
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sigtree::Bus;
    ///
    /// struct Screen;
    ///
    /// impl Screen {
    ///     fn show(&self, id: &u32) {
    ///         println!("track {id}");
    ///     }
    /// }
    ///
    /// let bus = Bus::new();
    /// let screen = Arc::new(Screen);
    /// bus.connect_weak("track.*", &screen, Screen::show)?;
    /// assert_eq!(bus.emit("track.new", 7_u32).called(), 1);
    /// drop(screen);
    /// assert_eq!(bus.emit("track.new", 7_u32).called(), 0);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[track_caller]
    pub fn connect_weak<R, F, M>(
        &self,
        pattern: impl IntoPattern,
        receiver: &Arc<R>,
        method: F,
    ) -> Result<ConnectionId, Error>
    where
        R: Send + Sync + 'static,
        F: IntoMethod<R, M>,
        M: 'static,
    {
        self.on(pattern).connect_weak(receiver, method)
    }

    /// Begins a connection with conditions: priority, once, filter, and more.
    pub fn on(&self, pattern: impl IntoPattern) -> On {
        On::new(self.core.clone(), pattern.into_pattern(&self.core.limits))
    }

    /// Ends a connection by its id; `false` if it has ended.
    #[allow(clippy::must_use_candidate, reason = "the answer is wanted rarely")]
    pub fn disconnect(&self, id: ConnectionId) -> bool {
        self.core.disconnect(id)
    }

    /// Takes out the slots of receivers that are gone; how many there were.
    ///
    /// Emits and connects do so in passing; this does it at once.
    #[allow(clippy::must_use_candidate, reason = "the answer is wanted rarely")]
    pub fn prune(&self) -> usize {
        self.core.prune()
    }

    /// How many handlers are connected to this very bus.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.connection_count()
    }

    /// How many handlers and layers have failed so far.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.core.counters.failures()
    }

    /// How many emits were refused so far.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.core.counters.refused()
    }

    // Emitting

    /// Emits an event: calls the handlers of every pattern that matches the topic, here and on the buses above.
    ///
    /// A topic has one payload type, and an emit of another is refused: a literal `900` is an `i32`, not the `u32` that a
    /// handler of `&u32` takes; write `900_u32`, or use a [`Signal`], which says so at compile time. Signals of the topic and
    /// handlers connected to its very name fix the type. Where there are none, a name that the bus
    /// [remembers](BusBuilder::cached_topics) keeps the type it was emitted with, which is a help and not a promise.
    ///
    /// A malformed topic is refused: counted, reported on `$sys.refused`, and in the delivery. For a topic known at compile time a
    /// [`Signal`] is faster.
    #[inline]
    #[doc(alias = "publish")]
    #[doc(alias = "send")]
    #[doc(alias = "dispatch")]
    pub fn emit<T: Any + Send + Sync>(&self, topic: impl AsRef<str>, payload: T) -> Delivery {
        self.core.emit_named(topic.as_ref(), Owned(payload), None)
    }

    /// The same with a payload that is lent, and cloned once if something keeps it.
    #[inline]
    pub fn emit_ref<T: Any + Send + Sync + Clone>(&self, topic: impl AsRef<str>, payload: &T) -> Delivery {
        self.core.emit_named(topic.as_ref(), Borrowed(payload), None)
    }

    /// The same with a payload that is shared already.
    #[inline]
    pub fn emit_shared<T: Any + Send + Sync>(&self, topic: impl AsRef<str>, payload: Arc<T>) -> Delivery {
        self.core.emit_named(topic.as_ref(), Shared(payload), None)
    }

    /// The same with a payload that is made only if somebody listens.
    #[inline]
    pub fn emit_with<T: Any + Send + Sync>(&self, topic: impl AsRef<str>, payload: impl FnOnce() -> T) -> Delivery {
        self.core.emit_named(topic.as_ref(), Made(payload), None)
    }

    /// Emits, or says why not; it never waits, whatever a full queue's [`Overflow`](crate::Overflow) says.
    ///
    /// # Errors
    ///
    /// If the topic is malformed or reserved, its payload type is another, emits within emits are too deep, or the bus was [shut
    /// down](Bus::shutdown): then nobody has
    /// the event. Queue full, if a [`Subscription`](crate::Subscription) had no place for it and drops no older one: then all
    /// others have it, and [`full_queue`](Error::full_queue) tells of the first that has not. An [executor](crate::On::on) that
    /// refuses is no such queue: the delivery is [not held](Delivery::is_held) then.
    pub fn try_emit<T: Any + Send + Sync>(&self, topic: impl AsRef<str>, payload: T) -> Result<Delivery, Error> {
        Asked::about(None, || self.emit(topic, payload))
    }

    /// The same, and waits so long in all for places in full queues; it does not wait for handlers.
    ///
    /// # Errors
    ///
    /// As [`try_emit`](Bus::try_emit). At once, if a queue is full that only this thread takes from.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sigtree::{Bus, Queue};
    ///
    /// let bus = Bus::new();
    /// let screen = bus.on("frame").named("screen").queue(Queue::bounded(1)).subscribe::<u32>()?;
    /// bus.emit_timeout("frame", 1_u32, Duration::from_millis(5))?;
    /// let error = bus.emit_timeout("frame", 2_u32, Duration::from_millis(5)).unwrap_err();
    /// assert_eq!(error.full_queue().unwrap().name(), Some("screen"));
    /// assert_eq!(screen.stats().timed_out, 1);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn emit_timeout<T: Any + Send + Sync>(
        &self,
        topic: impl AsRef<str>,
        payload: T,
        timeout: Duration,
    ) -> Result<Delivery, Error> {
        Asked::about(Some(timeout), || self.emit(topic, payload))
    }

    /// Emits when the outermost emit of this thread has ended; at once if there is none.
    ///
    /// So handlers that answer events with events are called breadth-first, and as deep as they like. Nobody is there for the
    /// delivery: refusals and failures are counted and reported as ever. A panic that [`Policy::Propagate`](crate::Policy) lets
    /// through goes on from the outermost emit when all that waits has been emitted.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let weak = bus.downgrade();
    /// let _countdown = bus.connect("count", move |n: &u32| {
    ///     if let Some(bus) = weak.upgrade().filter(|_| *n > 0) {
    ///         bus.emit_later("count", n - 1);
    ///     }
    /// })?;
    /// assert!(bus.try_emit("count", 1_000_u32).is_ok());
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn emit_later<T: Any + Send + Sync>(&self, topic: impl AsRef<str>, payload: T) {
        let topic: Box<str> = topic.as_ref().into();
        let bus = self.clone();
        let emit = move || drop(bus.emit(topic, payload));
        match Correlation::trail() {
            Some(trail) => thread::later(Box::new(move || trail.follow(emit))),
            None => thread::later(Box::new(emit)),
        }
    }

    /// Begins an event with company: source, priority, metadata.
    pub fn event<'t>(&self, topic: &'t (impl AsRef<str> + ?Sized)) -> EventBuilder<'t> {
        EventBuilder::new(self.core.clone(), topic.as_ref())
    }

    /// A typed handle on a topic.
    ///
    /// # Errors
    ///
    /// If the topic is malformed or reserved, or its payload type is another.
    pub fn signal<T: Any + Send + Sync>(&self, topic: impl AsRef<str>) -> Result<Signal<T>, Error> {
        let topic = Topic::with_limits(topic.as_ref(), &self.core.limits)?;
        if topic.is_reserved() {
            return Err(Error::reserved(&topic));
        }
        Signal::of(&self.core, topic)
    }

    // Middleware

    /// Adds a layer behind those there are: the first one added sees the event first.
    #[track_caller]
    pub fn layer(&self, middleware: impl Middleware) {
        let layer = Stack::new().with(middleware);
        let retaining = layer.retaining();
        self.core.change_settings(|settings| {
            settings.stack = settings.stack.and(&layer);
            settings.retaining_layers += retaining;
        });
    }

    /// Swaps the stack for another and hands back the old one; each emit sees one of them, whole.
    ///
    /// What layers that leave the stack hold goes on now, in this thread: to the handlers, since those layers' places are gone.
    #[allow(clippy::must_use_candidate, reason = "the old stack is wanted rarely")]
    pub fn set_stack(&self, stack: Stack) -> Stack {
        self.core.swap_stack(stack, None).unwrap_or_default()
    }

    /// Changes the stack, and hands back the old one: layers come, go and are replaced by name while events flow, and each emit sees
    /// one version, whole. What layers that leave the stack hold goes on now, in this thread.
    ///
    /// `edit` is called again if the stack was changed meanwhile, so it should do nothing else.
    ///
    /// # Errors
    ///
    /// Those of `edit`; then nothing is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, Event, Filter, Stack, Trace};
    ///
    /// let bus = Bus::new();
    /// bus.set_stack(Stack::new().with_named("quiet hours", Filter::new(|_: &Event| false)).with(Trace::new()));
    /// bus.edit_stack(|stack| stack.without("quiet hours"))?;
    /// assert_eq!(bus.stack().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_stack<E>(&self, edit: impl Fn(&Stack) -> Result<Stack, E>) -> Result<Stack, E> {
        loop {
            let (version, stack) = self.core.stack_now();
            let edited = edit(&stack)?;
            if let Some(old) = self.core.swap_stack(edited, Some(version)) {
                return Ok(old);
            }
        }
    }

    /// The stack as it is.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.core.stack_now().1
    }

    // Silence

    /// Silences this bus's handlers for the topics of a pattern while the guard lives.
    ///
    /// Layers still see the events, and they still bubble.
    ///
    /// # Errors
    ///
    /// If the pattern is malformed.
    pub fn mute(&self, pattern: impl IntoPattern) -> Result<Mute, Error> {
        Ok(Mute::pattern(&self.core, pattern.into_pattern(&self.core.limits)?))
    }

    /// Silences all of this bus's handlers while the guard lives; its own reports too.
    #[allow(clippy::missing_panics_doc, reason = "the pattern is a good one")]
    pub fn mute_all(&self) -> Mute {
        let everything = ["**", "$sys.**"].into_pattern(&self.core.limits);
        Mute::pattern(&self.core, everything.expect("a good pattern"))
    }
}

/// Replays events as the events they were: with their ids, times and envelopes, marked as replayed.
impl Target for Bus {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        let company = Company { envelope: Some(event.sealed()), identity: Some((event.id(), event.stamp())) };
        let delivery = self.core.emit_named(event.topic(), SharedErased(event.share_erased()), Some(&company));
        if let Some(error) = delivery.refusal() {
            return event.refuse(error);
        }
        match &delivery {
            called if called.called() > 0 => Landing::Called,
            held if held.is_held() => Landing::Held,
            _ => Landing::Unheard,
        }
    }
}

/// Takes what a [`Route`](crate::middleware::Route) of another bus sends, as a bridge would, and is kept alive by it.
impl Destination for Bus {
    fn receive(&self, topic: &Topic, event: &Event<'_>) -> Arrival {
        if event.emission().has_visited(self.core.id) {
            return Arrival::Known;
        }
        if topic.is_reserved() {
            self.core.refuse(Error::reserved(topic));
        } else {
            let payload = PayloadType { id: event.payload_type(), name: "another type" };
            self.core.receive(topic, hash(topic), event, payload);
        }
        Arrival::Taken
    }

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(Self::name(self))
    }
}

/// Takes what a [`Route`](crate::middleware::Route) sends for as long as somebody else keeps the bus alive.
impl Destination for WeakBus {
    fn receive(&self, topic: &Topic, event: &Event<'_>) -> Arrival {
        self.upgrade().map_or(Arrival::Gone, |bus| bus.receive(topic, event))
    }

    fn name(&self) -> Cow<'_, str> {
        self.upgrade().map_or(Cow::Borrowed("gone"), |bus| Cow::Owned(Bus::name(&bus).to_owned()))
    }
}

/// The writer's lock of a bus, from [`Bus::hold_writer`].
#[doc(hidden)]
#[must_use = "the lock is held while the guard lives"]
pub struct WriterHold<'b> {
    _lock: MutexGuard<'b, Writer>,
}

impl fmt::Debug for WriterHold<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriterHold")
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("name", &self.name()).field("connections", &self.connections()).finish()
    }
}
