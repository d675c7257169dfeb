use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use sigtree_middleware::{Event, Executor, History, Middleware, Offload, ParseError, Pattern, Source, Stack, Timeout};

use crate::connection::{Connection, ConnectionId};
use crate::dispatch::core::Core;
use crate::dispatch::slot::{Call, Holder};
use crate::dispatch::writer::ConnectionSpec;
use crate::error::Error;
use crate::guarded::{Conditions, Guarded};
use crate::handler::{IntoHandler, IntoMethod, WeaklyBound};
use crate::late::{CatchUp, Past};
use crate::mode::Mode;
use crate::newest::Newest;
use crate::payload::PayloadType;
use crate::policy::Policy;
use crate::query::Answering;
use crate::queue::Queue;
use crate::reliable::Redeliver;
use crate::subscription::Label;

/// A connection in the making, from [`Bus::on`](crate::Bus::on): conditions first, then `connect`.
///
/// Each condition is paid for only by the handlers that have it. What a condition keeps from the handler counts as skipped.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// let _first_alarm = bus
///     .on("radar.**")
///     .priority(10)
///     .filter(|event| event.payload::<u32>().is_some_and(|level| *level >= 8))
///     .once()
///     .connect(|level: &u32| println!("threat level {level}"))?;
/// assert_eq!(bus.emit("radar.threat", 3_u32).called(), 0);
/// assert_eq!(bus.emit("radar.threat", 9_u32).called(), 1);
/// assert_eq!(bus.emit("radar.threat", 9_u32).called(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[must_use = "a builder connects nothing until `connect`"]
pub struct On {
    core: Arc<Core>,
    pattern: Result<Pattern, ParseError>,
    priority: i32,
    unique: bool,
    conditions: Conditions,
    past: Option<Past>,
    queue: Option<Queue>,
    offload: Option<Offload>,
    serial: bool,
    /// `None` for best effort.
    mode: Option<Box<Mode>>,
}

impl On {
    pub(crate) fn new(core: Arc<Core>, pattern: Result<Pattern, ParseError>) -> Self {
        Self {
            core,
            pattern,
            priority: 0,
            unique: false,
            conditions: Conditions::default(),
            past: None,
            queue: None,
            offload: None,
            serial: false,
            mode: None,
        }
    }

    /// Calls it before handlers of lower priority; the default is 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Ends the connection with its first call; a call with the [past](On::replay_last) counts.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Ends the connection with its n-th call; however many threads emit, there are no more.
    ///
    /// A [`Retry`](crate::middleware::Retry) on the bus makes a call of each try, and finds the connection over when the last
    /// one failed; in the connection's own [layers](On::middleware) all its tries are one call:
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// use sigtree::Bus;
    /// use sigtree::middleware::Retry;
    ///
    /// static TRIES: AtomicU32 = AtomicU32::new(0);
    /// let fails_once = |_: &u32| if TRIES.fetch_add(1, Relaxed) == 0 { Err("busy") } else { Ok(()) };
    /// let bus = Bus::new();
    /// let _right = bus.on("a").once().middleware(Retry::times(3)).connect(fails_once)?;
    /// assert_eq!((bus.emit("a", 1_u32).failed(), TRIES.swap(0, Relaxed)), (0, 2));
    ///
    /// // The wrong way: the first try is the only call.
    /// bus.layer(Retry::times(3));
    /// let _wrong = bus.on("b").once().connect(fails_once)?;
    /// bus.emit("b", 1_u32);
    /// assert_eq!(TRIES.swap(0, Relaxed), 1);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn times(mut self, n: u64) -> Self {
        self.conditions.times = Some(n);
        self
    }

    /// Ends the connection with the first event that satisfies the predicate; the handler is called with it.
    ///
    /// The predicate is asked about events that got past the other conditions and layers, just before the handler is called.
    pub fn until(mut self, predicate: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.conditions.until = Some(Box::new(predicate));
        self
    }

    /// Calls the handler only with events that satisfy the predicate; of several, all.
    pub fn filter(mut self, predicate: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        let before = self.conditions.filter.take();
        self.conditions.filter = Some(match before {
            None => Box::new(predicate),
            Some(before) => Box::new(move |event: &Event<'_>| before(event) && predicate(event)),
        });
        self
    }

    /// The same for payloads of a type; events with other payloads are let by.
    pub fn filter_payload<T: Any>(self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.filter(move |event: &Event<'_>| event.payload().is_none_or(&predicate))
    }

    /// Calls the handler only with events of this source; of several, any.
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let _screen = bus.on("track").from("radar").from("sonar").connect(|_: &u32| {})?;
    /// let called = |source: &str| bus.event("track").source(source).emit(7_u32).called();
    /// assert_eq!((called("radar"), called("sonar"), called("lidar")), (1, 1, 0));
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn from(mut self, source: impl Into<Source>) -> Self {
        self.conditions.from.push(source.into());
        self
    }

    /// Says whose connection it is: an event that this source emits with `no_echo` does not come back to it.
    pub fn owned_by(mut self, source: impl Into<Source>) -> Self {
        self.conditions.owner = Some(source.into());
        self
    }

    /// Leaves out events that are meant for others: those with targets of which this is none.
    pub fn target(mut self, name: &str) -> Self {
        self.conditions.target = Some(name.into());
        self
    }

    /// Names the connection in failures and in `explain`.
    pub fn named(mut self, name: &str) -> Self {
        self.conditions.name = Some(name.into());
        self
    }

    /// Names the connection and refuses a second unique one of the same name on this bus, whatever its pattern.
    pub fn unique(mut self, name: &str) -> Self {
        self.unique = true;
        self.named(name)
    }

    /// Says that the handler keeps events with [`Event::share`]: payloads are then put into an `Arc` before the first call.
    pub fn keeps(mut self) -> Self {
        self.conditions.keeps = true;
        self
    }

    /// What happens when this handler fails; the default is the bus's.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.conditions.policy = Some(policy);
        self
    }

    /// Puts a layer around this handler; the first one added sees the event first.
    ///
    /// An event that such a layer holds comes to the handler later, past the layers of the bus and their
    /// [advice](crate::middleware::Advice): what counts, retries or keeps failures there does not see that call. Put it in
    /// here, before the layer that holds.
    #[track_caller]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        let layers = std::mem::take(&mut self.conditions.layers);
        self.conditions.layers = layers.with(middleware);
        self
    }

    /// What is promised of the events: [best effort](Mode::BestEffort) unless chosen otherwise.
    ///
    /// A [reliable](Mode::Reliable) subscription, or async handler, without a [queue](Self::queue) of its own refuses what finds no
    /// place, whatever the bus's default queue does.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(Box::new(mode));
        self
    }

    pub(crate) fn chosen_mode(&self) -> &Mode {
        self.mode.as_deref().unwrap_or(&Mode::BestEffort)
    }

    /// Runs the handler, and the layers around it, on an executor: a [`WorkerPool`](crate::WorkerPool), a
    /// [`Mailbox`](crate::Mailbox), with the feature `tokio` a `Handle` of tokio, or any closure that takes [jobs](crate::Job), such as one
    /// around rayon: [`Executor`] has an example.
    ///
    /// The emit then says that the event is held, and knows nothing of the call. Conditions are looked at in the emitter's thread.
    /// [`Offload`] says what may be lost, and how it is counted.
    pub fn on(mut self, executor: impl Executor) -> Self {
        self.offload = Some(Offload::to(executor));
        self
    }

    /// Keeps the calls on the [executor](Self::on), or those of an [async handler](Self::connect_async), in the order of the events,
    /// and never two at once.
    ///
    /// So a call must not wait for the next one, which waits for it. An async handler that awaits an
    /// [`emit_and_wait`](crate::Bus::emit_and_wait) that comes back to itself is told so: that call fails, as one that
    /// [would deadlock](Error::is_would_deadlock), and the emit ends without it. It is not seen where the emit is awaited in another task,
    /// nor that the answer to a [request](crate::Bus::request) would come from the handler that asks: its timeout ends that.
    ///
    /// # Panics
    ///
    /// [`connect`](Self::connect) does, if there is no executor: handlers that run in the emitters' threads are not kept in order.
    pub fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// How the queue is that [`subscribe`](On::subscribe) or a [batch](On::batch) connects, or a reliable async handler; other handlers
    /// have none. Of a [reliable](crate::Reliable) handler as many events wait for another attempt as there are places.
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Gives the handler the last `n` events of a history first, then everything since: no gap, no duplicate.
    ///
    /// The history must stand in this bus's own stack: with another bus's there is a gap, or no past at all, because it does not
    /// know this one's emits. What it recorded counts, whatever layers behind it let out. The past
    /// is given before `connect` returns, in the connecting thread, marked as [replayed](Event::is_replayed); what other threads emit
    /// meanwhile waits its turn, and each thread's events stay in order, but for one: an emit that began before the connect and
    /// reaches a busy history after it may be handed over by another thread, behind an event its own thread emitted next. No
    /// lock is held while the handler runs. The past, and what waited for it, comes past the layers of the bus and their
    /// [advice](crate::middleware::Advice), but through the connection's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use sigtree::{Bus, History};
    ///
    /// let bus = Bus::new();
    /// let history = History::new();
    /// bus.layer(history.clone());
    /// for n in 1..=5_u32 {
    ///     bus.emit("count", n);
    /// }
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let sink = seen.clone();
    /// let _late = bus.on("count").replay_last(&history, 2).connect(move |n: &u32| sink.lock().unwrap().push(*n))?;
    /// bus.emit("count", 6_u32);
    /// assert_eq!(*seen.lock().unwrap(), [4, 5, 6]);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn replay_last(mut self, history: &History, n: usize) -> Self {
        self.past = Some(Past::History(history.clone(), n));
        self
    }

    /// Gives the handler first the latest event of each of its topics that the bus [keeps](crate::Bus::keep_last), then everything
    /// since: no gap, no duplicate. It is for subscriptions, too.
    ///
    /// They come in the order in which they were kept, in the way of [`replay_last`](Self::replay_last), whose place it takes. An
    /// event whose emit runs meanwhile comes once: as the latest, or behind it.
    ///
    /// # Examples
    ///
    /// [`Bus::keep_last`](crate::Bus::keep_last) has one.
    pub fn with_last(mut self) -> Self {
        self.past = Some(Past::Last);
        self
    }

    /// Connects the handler.
    ///
    /// # Errors
    ///
    /// As [`Bus::connect`](crate::Bus::connect), and not unique, if a connection of the same [`unique`](On::unique) name is there.
    #[track_caller]
    pub fn connect<H: IntoHandler<F>, F>(self, handler: H) -> Result<Connection, Error> {
        let site = Location::caller();
        self.in_mode().connect_call(handler.into_call(), H::payload_type(), site)
    }

    /// Connects a method of an object that is not kept alive; see [`Bus::connect_weak`](crate::Bus::connect_weak).
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    #[track_caller]
    pub fn connect_weak<R, F, M>(self, receiver: &Arc<R>, method: F) -> Result<ConnectionId, Error>
    where
        R: Send + Sync + 'static,
        F: IntoMethod<R, M>,
        M: 'static,
    {
        let site = Location::caller();
        let call = WeaklyBound { receiver: Arc::downgrade(receiver), method, form: PhantomData };
        Ok(self.in_mode().connect_call(call, F::payload_type(), site)?.detach())
    }

    /// Connects a handler that answers [queries](crate::Signal::query), and is called for nothing else.
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    #[track_caller]
    pub fn answer<T, R, F>(self, handler: F) -> Result<Connection, Error>
    where
        T: Any + Send + Sync,
        R: Any,
        F: Fn(&T) -> R + Send + Sync + 'static,
    {
        let site = Location::caller();
        self.connect_answer(move |payload: &T, _: &Event<'_>| handler(payload), site)
    }

    /// The same with a handler that takes the event too.
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    #[track_caller]
    pub fn answer_with<T, R, F>(self, handler: F) -> Result<Connection, Error>
    where
        T: Any + Send + Sync,
        R: Any,
        F: Fn(&T, &Event<'_>) -> R + Send + Sync + 'static,
    {
        self.connect_answer(handler, Location::caller())
    }

    pub(crate) fn connect_answer<T, R, F>(
        self,
        handler: F,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error>
    where
        T: Any + Send + Sync,
        R: Any,
        F: Fn(&T, &Event<'_>) -> R + Send + Sync + 'static,
    {
        self.connect_call(Answering::new(handler), Some(PayloadType::of::<T>), site)
    }

    /// Puts the layers around a handler that its mode asks for.
    #[track_caller]
    fn in_mode(mut self) -> Self {
        let Some(mode) = self.mode.take() else { return self };
        if self.offload.is_some() {
            self.take_serial();
        }
        let stack = match *mode {
            Mode::BestEffort => Stack::new(),
            Mode::LatestOnly => {
                let newest = Newest::new(self.take_executor());
                self.conditions.newest = Some(newest.replaced());
                Stack::new().with(newest)
            }
            Mode::Reliable(rules) => {
                let rules = self.core.backstage.rules(rules);
                let (dead, now) = (rules.dead_letters(), rules.clone());
                let timeout = Timeout::asking(move || now.timeout());
                let (room, clock) = (self.queue_or_default().capacity(), self.core.clock.clone());
                self.conditions.dead = Some(Box::new(dead.clone()));
                Stack::new().with(Redeliver::new(rules, dead, room, self.offload.clone(), clock)).with(timeout)
            }
        };
        let layers = std::mem::take(&mut self.conditions.layers);
        self.conditions.layers = stack.and(&layers);
        self
    }

    /// What is to run the handler, if not the emitter's thread; the caller sees to it.
    pub(crate) fn take_executor(&mut self) -> Option<Arc<dyn Executor>> {
        Some(self.offload.take()?.executor())
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The queue chosen for a subscription.
    pub(crate) fn own_queue(&self) -> Option<Queue> {
        self.queue
    }

    /// The same, or the bus's.
    pub(crate) fn queue_or_default(&self) -> Queue {
        self.queue.unwrap_or_else(|| self.core.backstage.queue())
    }

    /// What errors call it by.
    pub(crate) fn label(&self, site: &'static Location<'static>) -> Result<Label, Error> {
        Ok(Label::new(self.pattern.clone()?, self.conditions.name.clone(), site))
    }

    /// Whether what is connected is to keep order, if it can do so itself.
    pub(crate) fn take_serial(&mut self) -> bool {
        let serial = std::mem::take(&mut self.serial);
        if serial {
            self.offload = self.offload.take().map(|offload| offload.serial());
        }
        serial
    }

    #[track_caller]
    pub(crate) fn connect_call<C: Call>(
        mut self,
        call: C,
        payload: Option<fn() -> PayloadType>,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error> {
        let serial = self.take_serial();
        let Self { core, pattern, priority, unique, mut conditions, past, queue: _, offload, serial: _, mode: _ } =
            self;
        assert!(!serial || offload.is_some(), "`serial` goes with `on`, which says where handlers run");
        if let Some(offload) = offload {
            conditions.layers = Stack::new().with(offload).and(&conditions.layers);
        }
        let pattern = pattern?;
        let name = conditions.name.clone().filter(|_| unique);
        let spec = ConnectionSpec { pattern: pattern.clone(), priority, payload, unique: name, site };
        if conditions.are_none() {
            connect_in(&core, spec, call, past)
        } else {
            connect_in(&core, spec, Guarded::new(call, conditions, pattern, &core), past)
        }
    }
}

/// Connects a call, which first gets its past if it is to have one.
fn connect_in<C: Call>(
    core: &Arc<Core>,
    spec: ConnectionSpec,
    call: C,
    past: Option<Past>,
) -> Result<Connection, Error> {
    let Some(past) = past else {
        let joined = core.connect(spec, |header| Holder::entry(call, header))?;
        return Ok(Connection::new(core, joined));
    };
    let late = CatchUp::new(call, core, spec.pattern.clone());
    let call = late.clone();
    let joined = core.connect(spec, |header| Holder::entry(call, header))?;
    let since = joined.since;
    let connection = Connection::new(core, joined);
    late.catch_up(since, &past);
    Ok(connection)
}

impl fmt::Debug for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("pattern", &self.pattern).field("priority", &self.priority).finish_non_exhaustive()
    }
}
