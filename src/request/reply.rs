//! Those who answer requests.

use std::any::{Any, TypeId, type_name};
use std::error::Error as StdError;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;

use sigtree_middleware::{Cause, Event, IntoPattern, Sealed};

use super::seating;
use crate::bus::Bus;
use crate::connection::Connection;
use crate::dispatch::slot::{Call, Called};
use crate::error::Error;
use crate::handler::{ByRef, ByRefAndEvent, stopped_or};
use crate::mode::Mode;
use crate::on::On;
use crate::payload::PayloadType;
use crate::subscription::Label;

type BoxError = Box<dyn StdError + Send + Sync>;

impl Bus {
    /// Connects a responder: what it returns is the answer to a [request](Bus::request) on a topic of the pattern.
    ///
    /// It takes the payload, `|q: &Q| ..`, or with it the event, `|q: &Q, event: &Event| ..`; its argument's type must be written.
    /// It is called for requests only: other emits pass it by. A responder that panics is isolated and reported as any handler, and
    /// who asked is told.
    ///
    /// | the answer is given | with |
    /// |---|---|
    /// | by a closure, when it returns | `reply` |
    /// | the same, and it may fail | [`try_reply`](Bus::try_reply) |
    /// | by an async closure | `reply_async`, with the feature `async` |
    /// | by whoever has the [`Question`](crate::Question), whenever | [`reply_later`](Bus::reply_later) |
    /// | by a thread or task that takes questions from a queue | [`questions`](Bus::questions) |
    /// | in another thread, or under conditions | any of these on [`Bus::on`] |
    ///
    /// Responders on a topic make all emits on it as slow as handlers that look at the event do, so requests are best given
    /// topics of their own.
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, WorkerPool};
    ///
    /// let (bus, pool) = (Bus::new(), WorkerPool::builder().start()?);
    /// let _square = bus.reply("square", |n: &u64| n * n)?;
    /// let _root = bus.on("root").on(pool.clone()).reply(|n: &u64| n.isqrt())?;
    /// assert_eq!(bus.request::<_, u64>("square", 7_u64).wait()?, 49);
    /// assert_eq!(bus.request::<_, u64>("root", 49_u64).wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[doc(alias = "respond")]
    #[doc(alias = "serve")]
    pub fn reply<R, F>(&self, pattern: impl IntoPattern, responder: R) -> Result<Connection, Error>
    where
        R: IntoResponder<F>,
        R::Output: Any + Send,
        F: 'static,
    {
        self.on(pattern).reply(responder)
    }

    /// The same with a responder that may fail: an `Ok` is the answer, an `Err` is a failure.
    ///
    /// Who asked is told its message, and it is reported as any handler's error; the connection's
    /// [`Policy`](crate::Policy), and layers such as [`Retry`](crate::middleware::Retry), see it too. Under
    /// [`reply`](Bus::reply) a `Result` is an answer like others.
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    #[track_caller]
    pub fn try_reply<R, F, A, E>(&self, pattern: impl IntoPattern, responder: R) -> Result<Connection, Error>
    where
        R: IntoResponder<F, Output = Result<A, E>>,
        A: Any + Send,
        E: Into<BoxError> + 'static,
        F: 'static,
    {
        self.on(pattern).try_reply(responder)
    }
}

impl On {
    /// Connects a responder under these conditions: see [`Bus::reply`].
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    ///
    /// # Panics
    ///
    /// If a [mode](On::mode) was chosen: a request has one answer, in its time. So do its siblings.
    #[track_caller]
    pub fn reply<R, F>(self, responder: R) -> Result<Connection, Error>
    where
        R: IntoResponder<F>,
        R::Output: Any + Send,
        F: 'static,
    {
        self.connect_reply::<R, F, Always>(responder, Location::caller())
    }

    /// Connects a responder that may fail: see [`Bus::try_reply`].
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    #[track_caller]
    pub fn try_reply<R, F, A, E>(self, responder: R) -> Result<Connection, Error>
    where
        R: IntoResponder<F, Output = Result<A, E>>,
        A: Any + Send,
        E: Into<BoxError> + 'static,
        F: 'static,
    {
        self.connect_reply::<R, F, Perhaps>(responder, Location::caller())
    }

    #[track_caller]
    fn connect_reply<R, F, G>(self, responder: R, site: &'static Location<'static>) -> Result<Connection, Error>
    where
        R: IntoResponder<F>,
        G: Gives<R::Output>,
        F: 'static,
    {
        self.assert_may_reply();
        let label = Arc::new(self.label(site)?);
        let call = Reply::<R, F, G> { responder, label, form: PhantomData };
        self.connect_call(call, Some(PayloadType::of::<R::Question>), site)
    }

    /// # Panics
    ///
    /// If a mode was chosen.
    #[track_caller]
    pub(super) fn assert_may_reply(&self) {
        let is_plain = matches!(self.chosen_mode(), Mode::BestEffort);
        assert!(is_plain, "a responder has no other mode: a request has one answer, in its time");
    }
}

/// What a responder may be: `Fn(&Q) -> A` or `Fn(&Q, &Event) -> A`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a responder",
    label = "not a responder",
    note = "write the argument's type: `|q: &Question| ..` or `|q: &Question, event: &Event| ..`",
    note = "a responder is `Fn` (not `FnMut`) and `Send + Sync + 'static`; so are its questions, and its answers are `Send + 'static`"
)]
pub trait IntoResponder<Form>: Send + Sync + 'static {
    /// What it is asked.
    type Question: Any + Send + Sync;

    /// What it returns.
    type Output: 'static;

    #[doc(hidden)]
    fn respond(&self, question: &Self::Question, event: &Event<'_>) -> Self::Output;
}

impl<F, Q, O> IntoResponder<ByRef<Q, O>> for F
where
    F: Fn(&Q) -> O + Send + Sync + 'static,
    Q: Any + Send + Sync,
    O: 'static,
{
    type Question = Q;
    type Output = O;

    #[inline]
    fn respond(&self, question: &Q, _event: &Event<'_>) -> O {
        self(question)
    }
}

impl<F, Q, O> IntoResponder<ByRefAndEvent<Q, O>> for F
where
    F: Fn(&Q, &Event<'_>) -> O + Send + Sync + 'static,
    Q: Any + Send + Sync,
    O: 'static,
{
    type Question = Q;
    type Output = O;

    #[inline]
    fn respond(&self, question: &Q, event: &Event<'_>) -> O {
        self(question, event)
    }
}

/// How an answer is made of what a responder returns.
pub(crate) trait Gives<O>: 'static {
    type Answer: Any + Send;

    fn give(output: O) -> Result<Self::Answer, BoxError>;
}

/// All of it is the answer.
pub(crate) struct Always;

/// An `Ok` is.
pub(crate) struct Perhaps;

impl<A: Any + Send> Gives<A> for Always {
    type Answer = A;

    #[inline]
    fn give(output: A) -> Result<A, BoxError> {
        Ok(output)
    }
}

impl<A: Any + Send, E: Into<BoxError>> Gives<Result<A, E>> for Perhaps {
    type Answer = A;

    #[inline]
    fn give(output: Result<A, E>) -> Result<A, BoxError> {
        output.map_err(Into::into)
    }
}

/// A responder in a table.
struct Reply<R, F, G> {
    responder: R,
    label: Arc<Label>,
    form: PhantomData<fn(F) -> G>,
}

impl<R, F, G> Call for Reply<R, F, G>
where
    R: IntoResponder<F>,
    G: Gives<R::Output>,
    F: 'static,
{
    const REPLIES: bool = true;

    fn call(&self, event: &Event<'_>) -> Called {
        let Some(question) = event.payload().filter(|_| event.is_request()) else { return Called::OtherType };
        let Some(seat) = seating::seat(event, &self.label) else { return Called::Skipped };
        match catch_unwind(AssertUnwindSafe(|| G::give(self.responder.respond(question, event)))) {
            Ok(Ok(answer)) => {
                seat.answer(answer);
                stopped_or(Called::Done, event)
            }
            Ok(Err(error)) => {
                seat.fail(&error.to_string());
                event.emission().set_error(error);
                Called::Failed
            }
            Err(panic) => {
                seat.fail(&Cause::of_panic(&*panic).to_string());
                resume_unwind(panic)
            }
        }
    }

    fn envelope_inside(&self, event: &Event<'_>) -> Option<Sealed> {
        seating::ticketed(event, &self.label)
    }

    fn accepts(&self, payload: TypeId) -> bool {
        payload == TypeId::of::<R::Question>()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(format!("replies with `{}`", type_name::<G::Answer>()));
    }
}
