//! [`Request`]: a question to whoever answers on a topic; and those who answer.

mod desk;
mod error;
mod gather;
mod pending;
mod question;
mod questions;
mod reply;
mod seating;
mod signal;

use std::any::Any;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sigtree_middleware::{Alarm, EventId, Priority, ReplyTo, Source};

use crate::bus::Bus;
use crate::delivery::Delivery;
use crate::dispatch::core::Core;
use crate::event_builder::EventBuilder;
use crate::payload::PayloadType;
use desk::{Conclusion, Desk, Door, Wanted};
use pending::Way;

pub use error::{RequestError, Responder, Silence, Unanswered};
pub use gather::{Answer, Answers, Gather, Gathering};
pub use pending::Pending;
pub use question::Question;
pub use questions::{Questions, RecvQuestion};
pub use reply::IntoResponder;
#[cfg(feature = "async")]
pub(crate) use reply::{Always, Gives, Perhaps};
pub(crate) use seating::{give_back, is_open, unticketed};

/// How long an answer is waited for if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(5);

impl Bus {
    /// Asks whoever [replies](Bus::reply) on a topic, for one answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let _length = bus.reply("text.length", |text: &String| text.len())?;
    /// let length: usize = bus.request("text.length", String::from("seven")).wait()?;
    /// assert_eq!(length, 5);
    ///
    /// // In a task, of whatever runtime:
    /// # pollster::block_on(async {
    /// let length: usize = bus.request("text.length", String::from("four")).await?;
    /// # assert_eq!(length, 4);
    /// # Ok::<(), sigtree::RequestError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request<'t, Q, A>(&self, topic: &'t (impl AsRef<str> + ?Sized), question: Q) -> Request<'t, Q, A>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
    {
        Request { asking: Asking::new(self.event(topic), question), answer: PhantomData }
    }
}

/// A request in the making, from [`Bus::request`]: what goes with it, then [`wait`](Self::wait), `await`, or [`send`](Self::send).
///
/// A request is an event: it passes the layers of the bus, rises to the buses above, is recorded by histories, and handlers that
/// were [connected](Bus::connect) see it. Only those that were connected to [reply](Bus::reply) answer it. The answer is no
/// event: it goes straight to whoever asked.
///
/// # Who is asked
///
/// Responders are called in the order of an emit, by priority and so on, until one has answered: if one fails, the next is
/// asked. One that answers later (in another thread, in a task) keeps nobody from being called, so of several the first to
/// answer counts; the others are told that nobody took theirs. To have all answers, [`gather`](Bus::gather).
///
/// # How it ends
///
/// With the answer; or as soon as nobody can answer any more, because there is no responder, or all that were asked failed or
/// dropped the request; or when the time is up: five seconds after it is sent, unless it was given
/// [another](Self::timeout). [`RequestError`] tells these apart.
///
/// A responder that runs in the thread that asks is not interrupted, and its answer counts however late it is.
/// A request to oneself, from inside a handler, works; requests that lead to requests without end are refused as too deep.
///
/// # Waiting for oneself
///
/// If the responder is to run in the very thread that waits, because that is to drain a [`Mailbox`](crate::Mailbox) or take
/// [`Questions`], no answer can come before the time is up. With a clock that only this thread moves, that is never.
///
/// # Request or query
///
/// [`Signal::query`](crate::Signal::query) asks handlers in this thread, one by one, only as many as it takes answers from,
/// lends them the payload, and is no event. Use it to ask for permission or for parts of a whole. A request may be answered by
/// another thread, waits for it, fails in ways that are told apart, and can be seen, filtered, recorded and traced.
///
/// # Correlation
///
/// Under a [`Correlation`](crate::Correlation) layer the request has a correlation, its own or the one that it was
/// [given](Self::correlation), and what a responder emits while it answers has the same. A [`Question`] knows it in other threads.
/// Without that layer responders see the correlation that the request was given, or none: making one costs, and nobody may ask for it.
/// So an answer needs no tie of its own: it comes to the one request it belongs to.
#[must_use = "a request is sent when it is waited for, awaited or sent"]
pub struct Request<'b, Q, A> {
    asking: Asking<'b, Q>,
    answer: PhantomData<fn() -> A>,
}

macro_rules! company {
    () => {
        /// How long answers are waited for, on the bus's clock, from when it is sent; five seconds if nothing is said,
        /// without end with [`Duration::MAX`].
        ///
        /// Responders see it as the event's [deadline](crate::Event::deadline).
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.asking.timeout = Some(timeout);
            self
        }

        /// Who asks.
        pub fn source(self, source: impl Into<Source>) -> Self {
            self.with(|event| event.source(source))
        }

        /// Ties it to other events of one conversation; [`Correlation`](crate::Correlation) gives one to those that have none.
        pub fn correlation(self, id: impl AsRef<str>) -> Self {
            self.with(|event| event.correlation(id))
        }

        /// The event that led to it.
        pub fn causation(self, id: EventId) -> Self {
            self.with(|event| event.causation(id))
        }

        /// How urgent it is, for those who queue it.
        pub fn priority(self, priority: Priority) -> Self {
            self.with(|event| event.priority(priority))
        }

        /// Whom it is meant for; responders with another [`target`](crate::On::target) are not asked.
        pub fn targets<S: AsRef<str>>(self, targets: impl IntoIterator<Item = S>) -> Self {
            self.with(|event| event.targets(targets))
        }

        /// A key and a value that travel with it.
        pub fn meta(self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
            self.with(|event| event.meta(key, value))
        }

        fn with(mut self, change: impl FnOnce(EventBuilder<'b>) -> EventBuilder<'b>) -> Self {
            self.asking.event = change(self.asking.event);
            self
        }
    };
}
use company;

impl<'b, Q: Any + Send + Sync, A: Any + Send> Request<'b, Q, A> {
    company!();

    /// Sends it, and sleeps until the answer is there.
    ///
    /// Do not call it in a task: it keeps the thread.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    pub fn wait(self) -> Result<A, RequestError> {
        self.send().wait()
    }

    /// Sends it; the answer can be waited for later.
    ///
    /// # Panics
    ///
    /// If a handler panics whose [policy](crate::Policy) lets it through, as in any emit.
    pub fn send(self) -> Pending<A> {
        let topic = self.asking.event.topic();
        let Asked { desk, delivery, conclusion, due } = self.asking.send::<A>(Wanted::First);
        if let Some(error) = delivery.refusal() {
            return Pending::refused(RequestError::refused(topic, error.clone()));
        }
        match conclusion {
            Some(conclusion) => Pending::ended(conclusion, &delivery, topic),
            None => {
                due.ring_for(&desk);
                Pending::under(Way::new(desk, delivery, topic))
            }
        }
    }
}

/// Awaited, it is sent.
impl<Q: Any + Send + Sync, A: Any + Send> IntoFuture for Request<'_, Q, A> {
    type Output = Result<A, RequestError>;
    type IntoFuture = Pending<A>;

    fn into_future(self) -> Pending<A> {
        self.send()
    }
}

impl<Q, A> fmt::Debug for Request<'_, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("event", &self.asking.event).finish_non_exhaustive()
    }
}

/// What a request and a gathering have in common.
struct Asking<'b, Q> {
    event: EventBuilder<'b>,
    question: Q,
    timeout: Option<Duration>,
}

/// One that was sent.
struct Asked {
    desk: Arc<Desk>,
    delivery: Delivery,
    /// There is one if it was over when the emit was.
    conclusion: Option<Conclusion>,
    due: Due,
}

/// When the time is up.
struct Due {
    core: Arc<Core>,
    at: Option<Duration>,
}

impl Due {
    /// Lets the bus's clock tell the desk.
    fn ring_for(self, desk: &Arc<Desk>) {
        let clock = &self.core.clock;
        let at = self.at.unwrap_or_else(|| clock.elapsed().saturating_add(PATIENCE));
        if at < Duration::MAX {
            let alarm: Weak<Desk> = Arc::downgrade(desk);
            clock.wake(at, alarm as Weak<dyn Alarm>);
        }
    }
}

impl<'b, Q: Any + Send + Sync> Asking<'b, Q> {
    fn new(event: EventBuilder<'b>, question: Q) -> Self {
        Self { event, question, timeout: None }
    }

    fn send<A: Any>(self, wanted: Wanted) -> Asked {
        let Self { event, question, timeout } = self;
        let at = timeout.map(|timeout| event.core().clock.elapsed().saturating_add(timeout));
        let event = match at {
            Some(at) if at < Duration::MAX => event.deadline(at),
            _ => event,
        };
        let desk = Desk::new(PayloadType::of::<A>(), wanted);
        let (delivery, core) = event.ask(ReplyTo::new(Door(desk.clone())), question);
        // Whoever keeps the envelope keeps the door; but only a layer that holds the event brings more responders.
        let conclusion = if delivery.is_held() { desk.conclude() } else { desk.close_and_conclude() };
        Asked { desk, delivery, conclusion, due: Due { core, at } }
    }
}
