use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use sigtree_middleware::{Event, Middleware, ParseError, Pattern, Source};

use crate::connection::{Connection, ConnectionId};
use crate::dispatch::core::Core;
use crate::dispatch::slot::{Call, Holder};
use crate::dispatch::writer::ConnectionSpec;
use crate::error::Error;
use crate::guarded::{Conditions, Guarded};
use crate::handler::{IntoHandler, IntoMethod, WeaklyBound};
use crate::payload::PayloadType;
use crate::policy::Policy;

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
}

impl On {
    pub(crate) fn new(core: Arc<Core>, pattern: Result<Pattern, ParseError>) -> Self {
        Self { core, pattern, priority: 0, unique: false, conditions: Conditions::default() }
    }

    /// Calls it before handlers of lower priority; the default is 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Ends the connection with its first call.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Ends the connection with its n-th call; however many threads emit, there are no more.
    pub fn times(mut self, n: u64) -> Self {
        self.conditions.times = Some(n);
        self
    }

    /// Ends the connection with the first event that satisfies the predicate; the handler is called with it.
    pub fn until(mut self, predicate: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.conditions.until = Some(Box::new(predicate));
        self
    }

    /// Calls the handler only with events that satisfy the predicate.
    pub fn filter(mut self, predicate: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.conditions.filter = Some(Box::new(predicate));
        self
    }

    /// Calls the handler only with events of this source.
    pub fn from(mut self, source: impl Into<Source>) -> Self {
        self.conditions.from = Some(source.into());
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

    /// Names the connection and refuses a second one of the same name.
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
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        let layers = std::mem::take(&mut self.conditions.layers);
        self.conditions.layers = layers.with(middleware);
        self
    }

    /// Connects the handler.
    ///
    /// # Errors
    ///
    /// As [`Bus::connect`](crate::Bus::connect), and not unique, if a connection of the same [`unique`](On::unique) name is there.
    #[track_caller]
    pub fn connect<H: IntoHandler<F>, F>(self, handler: H) -> Result<Connection, Error> {
        self.connect_call(handler.into_call(), H::payload_type(), Location::caller())
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
        Ok(self.connect_call(call, F::payload_type(), site)?.detach())
    }

    pub(crate) fn connect_call<C: Call>(
        self,
        call: C,
        payload: Option<fn() -> PayloadType>,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error> {
        let Self { core, pattern, priority, unique, conditions } = self;
        let pattern = pattern?;
        let name = conditions.name.clone().filter(|_| unique);
        let spec = ConnectionSpec { pattern: pattern.clone(), priority, payload, unique: name, site };
        let id = if conditions.are_none() {
            core.connect(spec, |header| Holder::entry(call, header))?
        } else {
            let guarded = Guarded::new(call, conditions, pattern);
            core.connect(spec, |header| Holder::entry(guarded, header))?
        };
        Ok(Connection::new(&core, id))
    }
}

impl fmt::Debug for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("pattern", &self.pattern).field("priority", &self.priority).finish_non_exhaustive()
    }
}
