use std::any::Any;
use std::borrow::Cow;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::{Clock, Event};

/// What a layer does around each handler of its bus, where [`Middleware`](crate::Middleware) is around all of them at once.
///
/// A layer goes on with [`Next::run_each`](crate::Next::run_each) and lends its advice, which is then asked for each
/// handler in turn that would be called: to call it, to call it again, to leave it out. Around a connection it is that one handler. Advice of
/// several layers nests like the layers. It ends with the bus: the handlers of a parent are the parent's. A bus's advice is not
/// asked about what comes to a handler past the bus's layers: the past that a late connection is given, and what a
/// connection's own layer held.
///
/// It may be made for one event, and hold a reference to it.
///
/// # Examples
///
/// Every handler gets a second chance:
///
/// ```
/// use sigtree::{Bus, Event, Next};
/// use sigtree::middleware::{Advice, Answer, HandlerCall};
///
/// struct Twice;
///
/// impl Advice for Twice {
///     fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
///         match handler.call() {
///             Answer::Failed(_) => handler.call(),
///             answer => answer,
///         }
///     }
/// }
///
/// let bus = Bus::new();
/// bus.layer(|event: &Event, next: Next| next.run_each(event, &Twice));
/// let tries = std::sync::atomic::AtomicU32::new(0);
/// let _moody = bus.connect("job", move |_: &u32| match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
///     0 => Err("not now"),
///     _ => Ok(()),
/// })?;
/// assert_eq!(bus.emit("job", 1_u32).failed(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
pub trait Advice {
    /// Stands around one call of one handler; what it answers is what the bus takes for the handler's answer.
    fn around(&self, handler: &HandlerCall<'_>, event: &Event<'_>) -> Answer;
}

/// What became of one call of a handler.
#[derive(Debug)]
pub enum Answer {
    /// It was called, and all is well.
    Done,
    /// It was called, and failed.
    Failed(Problem),
    /// It was not called: muted, filtered, gone, or left out for this reason.
    Skipped(Cow<'static, str>),
}

const ANOTHER_TYPE: &str = "a payload of another type";

/// Why a call failed.
#[derive(Debug)]
pub enum Problem {
    /// The handler returned this error.
    Error(Box<dyn Error + Send + Sync>),
    /// The handler panicked with this.
    Panic(Box<dyn Any + Send>),
}

impl Answer {
    /// Whether the handler was called and failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// It was not called because the payload is not of the type that it takes: it has nothing to do with the event.
    #[must_use]
    pub const fn of_another_type() -> Self {
        Self::Skipped(Cow::Borrowed(ANOTHER_TYPE))
    }

    /// Whether the handler was not called because it takes payloads of another type.
    #[must_use]
    pub fn is_of_another_type(&self) -> bool {
        matches!(self, Self::Skipped(reason) if reason == ANOTHER_TYPE)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(panic) => crate::Cause::of_panic(&**panic).fmt(f),
        }
    }
}

/// One handler that is to be called.
pub struct HandlerCall<'c> {
    site: Site<'c>,
    tries: &'c Tries,
    call: &'c dyn Fn() -> Answer,
}

/// What became of one handler so far in one emit.
#[derive(Default)]
struct Tries {
    /// How often the bus was asked to call it; it does not call one that is gone meanwhile.
    asked: Cell<u32>,
    called: Cell<u32>,
}

/// Which handler it is: for those who write a bus.
#[derive(Debug, Clone, Copy)]
pub struct Site<'c> {
    /// The same for all calls through one connection, and never for another one of the same bus.
    pub id: u64,
    /// The connection's pattern.
    pub pattern: &'c str,
    /// The name given to the connection, if any.
    pub name: Option<&'c str>,
    /// Where the handler was connected.
    pub location: &'static Location<'static>,
}

impl<'c> HandlerCall<'c> {
    /// Calls the handler, through the advice of the layers further in.
    pub fn call(&self) -> Answer {
        (self.call)()
    }

    /// Calls it, and says how long that took on a clock, unless it was passed over.
    pub(crate) fn call_timed(&self, clock: &dyn Clock) -> (Answer, Option<Duration>) {
        let stopwatch = Stopwatch::start(clock);
        let answer = self.call();
        let was_called = !matches!(answer, Answer::Skipped(_));
        let took = was_called.then(|| stopwatch.elapsed());
        (answer, took)
    }

    /// How often the handler itself was called so far in this emit.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.tries.called.get()
    }

    /// Whether no layer let the bus be asked to call it so far.
    pub(crate) fn is_left_out(&self) -> bool {
        self.tries.asked.get() == 0
    }

    pub(crate) fn site(&self) -> Site<'c> {
        self.site
    }

    /// Names the connection: the same for all its calls, and never another's of the same bus.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.site.id
    }

    /// The connection's pattern.
    #[must_use]
    pub fn pattern(&self) -> &'c str {
        self.site.pattern
    }

    /// The name given to the connection, if any.
    #[must_use]
    pub fn name(&self) -> Option<&'c str> {
        self.site.name
    }

    /// Where the handler was connected.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.site.location
    }
}

impl Tries {
    fn note(&self, answer: &Answer) {
        self.asked.set(self.asked.get() + 1);
        if !matches!(answer, Answer::Skipped(_)) {
            self.called.set(self.called.get() + 1);
        }
    }
}

impl fmt::Debug for HandlerCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerCall").field("site", &self.site).field("calls", &self.calls()).finish_non_exhaustive()
    }
}

/// The advice an event carries, the innermost layer's first.
#[derive(Clone, Copy)]
pub struct Advised<'a> {
    advice: &'a dyn Advice,
    outer: Option<&'a Advised<'a>>,
}

impl<'a> Advised<'a> {
    /// One more advice, within those an event carries already.
    #[must_use]
    pub fn new(advice: &'a dyn Advice, outer: Option<&'a Advised<'a>>) -> Self {
        Self { advice, outer }
    }

    /// Calls a handler through all of it: for those who write a bus.
    ///
    /// `call` calls the handler itself; it may be called any number of times.
    pub fn run(&self, site: Site<'_>, event: &Event<'_>, call: &dyn Fn() -> Answer) -> Answer {
        let tries = Tries::default();
        let counted = || {
            let answer = call();
            tries.note(&answer);
            answer
        };
        self.run_inside(site, &tries, event, &counted)
    }

    fn run_inside(&self, site: Site<'_>, tries: &Tries, event: &Event<'_>, call: &dyn Fn() -> Answer) -> Answer {
        let here = || self.advice.around(&HandlerCall { site, tries, call }, event);
        match self.outer {
            Some(outer) => outer.run_inside(site, tries, event, &here),
            None => here(),
        }
    }
}

impl fmt::Debug for Advised<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Advised")
    }
}
