use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sigtree_middleware::{Event, Topic};

use crate::bus::Bus;
use crate::connection::Connection;
use crate::delivery::Delivery;
use crate::dispatch::cell::Cell;
use crate::dispatch::core::Core;
use crate::dispatch::route::Route;
use crate::dispatch::snap::{Guard, no_guard};
use crate::dispatch::thread::{self, PinCount};
use crate::error::Error;
use crate::event_builder::EventBuilder;
use crate::handler::{IntoHandler, Outcome};
use crate::interest::{Interest, InterestWatch};
use crate::on::On;
use crate::payload::{Borrowed, Offer, Owned, PayloadType, Shared};
use crate::query::Query;
use crate::subscription::Asked;

/// A typed handle on one topic: the fast way to emit.
///
/// The handle has found its topic's route already, so an emit does no look-up; an emit nobody listens to takes a few
/// nanoseconds. Handles of the same topic are the same signal, and emits by name and wildcard handlers meet them. Cloning one
/// is a counter; dropping the last of a topic takes the writer's lock, to forget its route.
///
/// A signal keeps its bus alive. A handler that emits on the bus it is connected to holds a [`WeakSignal`], or the two keep each
/// other alive.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
///
/// #[derive(Clone)]
/// struct Track { id: u32 }
///
/// let bus = Bus::new();
/// let updated = bus.signal::<Track>("radar.track.updated")?;
/// let _shown = updated.connect(|track| println!("{}", track.id))?;
///
/// let track = Track { id: 7 };
/// updated.emit(&track);
/// updated.emit(track);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// A signal without a name or bus of its own, for a struct's field:
///
/// ```
/// let clicked = sigtree::Signal::<u32>::new();
/// let _beep = clicked.connect(|button| println!("button {button}"))?;
/// assert_eq!(clicked.emit(1).called(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
pub struct Signal<T> {
    core: Arc<Core>,
    cell: Arc<Cell>,
    topic: Topic,
    payload: PhantomData<fn(T)>,
}

/// What can be emitted on a `Signal<T>`: a `T`, an `Arc<T>`, or a `&T` if `T: Clone`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be emitted on a `Signal<{T}>`",
    note = "emit takes `{T}`, `Arc<{T}>`, or `&{T}` if `{T}: Clone`, which a handler that keeps the payload needs"
)]
pub trait Emittable<T> {
    #[doc(hidden)]
    type Offer: Offer;

    #[doc(hidden)]
    fn into_offer(self) -> Self::Offer;
}

impl<T: Any + Send + Sync> Emittable<T> for T {
    type Offer = Owned<T>;

    #[inline]
    fn into_offer(self) -> Owned<T> {
        Owned(self)
    }
}

impl<'a, T: Any + Send + Sync + Clone> Emittable<T> for &'a T {
    type Offer = Borrowed<'a, T>;

    #[inline]
    fn into_offer(self) -> Borrowed<'a, T> {
        Borrowed(self)
    }
}

impl<T: Any + Send + Sync> Emittable<T> for Arc<T> {
    type Offer = Shared<T>;

    #[inline]
    fn into_offer(self) -> Shared<T> {
        Shared(self)
    }
}

impl<T: Any + Send + Sync> Signal<T> {
    /// A signal without a name, alone on a small bus of its own.
    #[must_use]
    #[allow(clippy::missing_panics_doc, reason = "the name is a good one")]
    pub fn new() -> Self {
        let bus = Bus::builder().name("signal").build_small();
        bus.signal("signal").expect("a fresh bus takes any type on a good name")
    }

    pub(crate) fn of(core: &Arc<Core>, topic: Topic) -> Result<Self, Error> {
        let cell = core.signal_cell(&topic, PayloadType::of::<T>)?;
        Ok(Self { core: core.clone(), cell, topic, payload: PhantomData })
    }

    /// The topic, as its bus names it.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Calls the handlers of every pattern that matches the topic.
    ///
    /// Takes a `T`, an `Arc<T>` or a `&T`. Never waits, whatever other threads do to the bus; allocates only if something in the
    /// route keeps the payload.
    #[inline]
    #[doc(alias = "send")]
    #[doc(alias = "publish")]
    #[doc(alias = "trigger")]
    pub fn emit(&self, payload: impl Emittable<T>) -> Delivery {
        self.core.emit_at(&self.cell, &self.topic, payload.into_offer(), None)
    }

    /// Emits, or says which queue had no place: see [`Bus::try_emit`].
    ///
    /// # Errors
    ///
    /// Queue full; too deep.
    pub fn try_emit(&self, payload: impl Emittable<T>) -> Result<Delivery, Error> {
        Asked::about(None, || self.emit(payload))
    }

    /// The same, and waits so long for places in full queues: see [`Bus::emit_timeout`].
    ///
    /// # Errors
    ///
    /// As [`try_emit`](Signal::try_emit).
    pub fn emit_timeout(&self, payload: impl Emittable<T>, timeout: Duration) -> Result<Delivery, Error> {
        Asked::about(Some(timeout), || self.emit(payload))
    }

    /// A view for loops: it holds the route across emits and looks only whether anything changed.
    #[must_use]
    pub fn pin(&self) -> Pinned<'_, T> {
        Pinned { signal: self, guard: self.cell.route.load(), _count: PinCount::new() }
    }

    /// Connects a handler of this topic's payloads; the argument's type need not be written.
    ///
    /// # Errors
    ///
    /// None as long as the bus keeps its rules; the result is there so that all ways to connect look alike.
    #[track_caller]
    pub fn connect<F, O>(&self, handler: F) -> Result<Connection, Error>
    where
        F: Fn(&T) -> O + Send + Sync + 'static,
        O: Outcome + 'static,
    {
        self.connect_form(handler, Location::caller())
    }

    /// Connects a handler that takes the event too.
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    #[track_caller]
    pub fn connect_with<F, O>(&self, handler: F) -> Result<Connection, Error>
    where
        F: Fn(&T, &Event<'_>) -> O + Send + Sync + 'static,
        O: Outcome + 'static,
    {
        self.connect_form(handler, Location::caller())
    }

    /// Emits when the outermost emit of this thread has ended; at once if there is none: see [`Bus::emit_later`].
    pub fn emit_later(&self, payload: T) {
        let signal = self.clone();
        thread::later(Box::new(move || drop(signal.emit(payload))));
    }

    /// Begins an event with company: source, priority, metadata.
    pub fn event(&self) -> EventBuilder<'_> {
        EventBuilder::new(self.core.clone(), &self.topic)
    }

    /// A handle that keeps neither the bus nor the signal: for handlers that emit on the bus they are connected to.
    #[must_use]
    pub fn downgrade(&self) -> WeakSignal<T> {
        WeakSignal {
            core: Arc::downgrade(&self.core),
            cell: Arc::downgrade(&self.cell),
            topic: self.topic.clone(),
            payload: PhantomData,
        }
    }

    /// Asks the handlers that answer with an `R`, one by one as answers are taken: so `next`, `find_map` and `fold` are the
    /// combiners. A handler that is not reached is not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let price = bus.signal::<String>("price")?;
    /// let _shop = price.answer(|item| if item == "tea" { Some(3_u32) } else { None })?;
    /// let _market = price.answer(|item| Some(item.len() as u32))?;
    ///
    /// let tea = String::from("tea");
    /// assert_eq!(price.query::<Option<u32>>(&tea).find_map(|answer| answer), Some(3));
    /// assert_eq!(price.query::<Option<u32>>(&tea).flatten().sum::<u32>(), 6);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[doc(alias = "ask")]
    #[doc(alias = "request")]
    pub fn query<'q, R: Any>(&'q self, payload: &'q T) -> Query<'q, T, R> {
        let find = || self.core.route_at(&self.cell, &self.topic, PayloadType::of::<T>());
        let found = self.core.admit(&self.topic, find);
        Query::new(&self.core, found, payload)
    }

    /// Connects a handler that answers [queries](Signal::query), and is called for nothing else.
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    #[track_caller]
    pub fn answer<R, F>(&self, handler: F) -> Result<Connection, Error>
    where
        R: Any,
        F: Fn(&T) -> R + Send + Sync + 'static,
    {
        self.on().answer(handler)
    }

    /// The builder for a connection with conditions; the type of a closure's argument must be written there.
    pub fn on(&self) -> On {
        On::new(self.core.clone(), Ok(self.topic.clone().into()))
    }

    /// Tells a producer when the first handler for the topic comes and the last one goes; see [`Bus::on_interest`].
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    pub fn on_interest(&self, tell: impl Fn(Interest) + Send + Sync + 'static) -> Result<InterestWatch, Error> {
        self.bus().on_interest(&self.topic, tell)
    }

    /// The bus of the signal.
    #[must_use]
    pub fn bus(&self) -> Bus {
        Bus::of(self.core.clone())
    }

    fn connect_form<H: IntoHandler<F>, F>(
        &self,
        handler: H,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error> {
        self.on().connect_call(handler.into_call(), H::payload_type(), site)
    }
}

impl<T: Any + Send + Sync> Default for Signal<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        self.cell.add_handle();
        Self { core: self.core.clone(), cell: self.cell.clone(), topic: self.topic.clone(), payload: PhantomData }
    }
}

impl<T> Drop for Signal<T> {
    fn drop(&mut self) {
        if self.cell.drop_handle() {
            self.core.release_signal(&self.topic, &self.cell);
        }
    }
}

/// A signal that this handle keeps neither alive nor known, from [`Signal::downgrade`].
///
/// # Examples
///
/// A handler that answers on its own bus must not keep that bus alive:
///
/// ```
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// let doubled = bus.signal::<u32>("doubled")?;
/// let weak = doubled.downgrade();
/// let _double = bus.connect("n", move |n: &u32| {
///     if let Some(doubled) = weak.upgrade() {
///         doubled.emit(n * 2);
///     }
/// })?;
/// let _seen = doubled.connect(|n| assert_eq!(*n, 14))?;
/// assert_eq!(bus.emit("n", 7_u32).failed(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
pub struct WeakSignal<T> {
    core: Weak<Core>,
    cell: Weak<Cell>,
    topic: Topic,
    payload: PhantomData<fn(T)>,
}

impl<T: Any + Send + Sync> WeakSignal<T> {
    /// The signal, if a handle on it is still there. Never waits.
    #[must_use]
    pub fn upgrade(&self) -> Option<Signal<T>> {
        let (core, cell) = (self.core.upgrade()?, self.cell.upgrade()?);
        cell.try_add_handle().then(|| Signal { core, cell, topic: self.topic.clone(), payload: PhantomData })
    }
}

impl<T> Clone for WeakSignal<T> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), cell: self.cell.clone(), topic: self.topic.clone(), payload: PhantomData }
    }
}

impl<T> fmt::Debug for WeakSignal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSignal").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("topic", &self.topic).field("payload", &std::any::type_name::<T>()).finish()
    }
}

/// A signal for a loop: one guard on the route for many emits.
///
/// Each emit still sees the handlers as they are: it looks at one count, and takes the new route when that moved. While a pinned
/// signal lives, a handler that was disconnected may be freed only at its next emit; keep it for a loop, not for a lifetime.
///
/// # Examples
///
/// ```
/// let tick = sigtree::Signal::<u64>::new();
/// let _clock = tick.connect(|n| assert!(*n < 1_000))?;
/// let mut pinned = tick.pin();
/// for n in 0..1_000_u64 {
///     pinned.emit(n);
/// }
/// # Ok::<(), sigtree::Error>(())
/// ```
pub struct Pinned<'s, T> {
    signal: &'s Signal<T>,
    guard: Guard<Route>,
    /// Tells `disconnect_wait` that this thread holds handlers; it also keeps the view on its thread.
    _count: PinCount,
}

impl<T: Any + Send + Sync> Pinned<'_, T> {
    /// As [`Signal::emit`].
    #[inline]
    pub fn emit(&mut self, payload: impl Emittable<T>) -> Delivery {
        let Signal { core, cell, .. } = self.signal;
        let version = core.stamps.version();
        if let Some(route) = &*self.guard
            && route.is_checked_at(version)
        {
            return core.emit_pinned(route, version, payload.into_offer());
        }
        if cell.is_empty_at(version) {
            return Delivery::default();
        }
        self.emit_anew(payload)
    }

    #[cold]
    fn emit_anew(&mut self, payload: impl Emittable<T>) -> Delivery {
        self.guard = no_guard();
        let delivery = self.signal.emit(payload);
        self.guard = self.signal.cell.route.load();
        delivery
    }
}

impl<T> fmt::Debug for Pinned<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pinned").field(self.signal).finish()
    }
}
