//! [`Question`]: a request that its responder keeps, to answer it when and where it suits.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Arc, Weak};

use sigtree_middleware::{Cause, Event, IntoPattern, Sealed, Trail};

use super::desk::Seat;
use super::seating;
use crate::bus::Bus;
use crate::connection::Connection;
use crate::dispatch::slot::{Call, Called, Slot};
use crate::error::Error;
use crate::handler::{Outcome, stopped_or};
use crate::on::On;
use crate::payload::PayloadType;
use crate::subscription::{Addressed, Label, Parcel, Received};

/// A request to be answered with an `A`: it derefs to what was asked, and can be kept and sent to other threads.
///
/// Dropped without an answer, whoever asked is told so at once.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use sigtree::{Bus, Question};
///
/// let (to_desk, desk) = mpsc::channel::<Question<String, usize>>();
/// let bus = Bus::new();
/// let _replies = bus.reply_later("text.length", move |question| to_desk.send(question).map_err(|_| "the desk is closed"))?;
///
/// let answer = bus.request::<String, usize>("text.length", "seven".into()).send();
/// let question = desk.recv()?;
/// let length = question.len();
/// assert!(question.answer(length));
/// assert_eq!(answer.wait()?, 5);
///
/// let nobody = bus.request::<String, usize>("text.length", "eight".into()).send();
/// drop(desk.recv()?);
/// assert!(nobody.wait().unwrap_err().is_dropped());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped, it is not answered"]
pub struct Question<Q: Any + Send + Sync, A> {
    asked: Received<Q>,
    seat: Arc<Seat>,
    trail: Option<Trail>,
    answer: PhantomData<fn(A)>,
}

impl<Q: Any + Send + Sync, A: Any + Send> Question<Q, A> {
    /// Answers; `false` if nobody takes it, because the time is up, somebody else was first, or who asked has gone.
    #[allow(clippy::must_use_candidate, reason = "the answer is wanted rarely")]
    pub fn answer(self, answer: A) -> bool {
        self.seat.answer(answer)
    }

    /// Says that there is no answer, and why; who asked is told.
    pub fn fail(self, why: impl fmt::Display) {
        self.seat.fail(&why.to_string());
    }

    /// Whether anybody still waits for the answer: to ask before work that takes long.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.seat.is_wanted()
    }

    /// The event it came with: topic, source, correlation, metadata.
    #[must_use]
    pub fn event(&self) -> &Received<Q> {
        &self.asked
    }

    /// Runs a closure as if it were called by a handler of the request: under a
    /// [`Correlation`](crate::Correlation) layer, what is emitted there is tied to it.
    pub fn follow<R>(&self, run: impl FnOnce() -> R) -> R {
        match &self.trail {
            Some(trail) => trail.follow(run),
            None => run(),
        }
    }
}

impl<Q: Any + Send + Sync, A> Deref for Question<Q, A> {
    type Target = Q;

    fn deref(&self) -> &Q {
        &self.asked
    }
}

impl<Q: Any + Send + Sync + fmt::Debug, A> fmt::Debug for Question<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Bus {
    /// Connects a responder that is given each request as a [`Question`], to be answered whenever, by whoever has it.
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    #[track_caller]
    pub fn reply_later<Q, A, O>(
        &self,
        pattern: impl IntoPattern,
        responder: impl Fn(Question<Q, A>) -> O + Send + Sync + 'static,
    ) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
        O: Outcome + 'static,
    {
        self.on(pattern).reply_later(responder)
    }
}

impl On {
    /// Connects a responder that is given questions to keep: see [`Bus::reply_later`].
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    #[track_caller]
    pub fn reply_later<Q, A, O>(
        self,
        responder: impl Fn(Question<Q, A>) -> O + Send + Sync + 'static,
    ) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
        O: Outcome + 'static,
    {
        self.connect_later(responder, type_name::<A>(), Location::caller())
    }

    #[track_caller]
    pub(super) fn connect_later<Q, A, O>(
        self,
        responder: impl Fn(Question<Q, A>) -> O + Send + Sync + 'static,
        answer: &'static str,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
        O: Outcome + 'static,
    {
        let take = move |question, event: &Event<'_>| responder(question).note(event);
        let label = Arc::new(self.label(site)?);
        self.connect_taker(take, label, answer, site)
    }

    /// Connects what takes questions and says what became of the call.
    #[track_caller]
    pub(crate) fn connect_taker<Q, A, T>(
        self,
        take: T,
        label: Arc<Label>,
        answer: &'static str,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
        T: Fn(Question<Q, A>, &Event<'_>) -> Called + Send + Sync + 'static,
    {
        self.assert_may_reply();
        let addressed = Addressed::by(&label.pattern, false);
        let call = Later { take, answer, addressed, label, of: PhantomData };
        self.connect_call(call, Some(PayloadType::of::<Q>), site)
    }
}

/// A responder in a table that gives questions away.
struct Later<Q, A, T> {
    take: T,
    answer: &'static str,
    addressed: Addressed,
    label: Arc<Label>,
    of: PhantomData<fn(Q) -> A>,
}

impl<Q, A, T> Call for Later<Q, A, T>
where
    Q: Any + Send + Sync,
    A: Any + Send,
    T: Fn(Question<Q, A>, &Event<'_>) -> Called + Send + Sync + 'static,
{
    const RETAINS: bool = true;
    const REPLIES: bool = true;

    fn call(&self, event: &Event<'_>) -> Called {
        if !event.is_request() || !self.accepts(event.payload_type()) {
            return Called::OtherType;
        }
        // The payload stands on the stack only if this was connected after the emit began.
        let Some(parcel) = Parcel::of(event, &self.addressed) else { return Called::Skipped };
        let Some(seat) = seating::seat(event, &self.label) else { return Called::Skipped };
        // Kept here too: a panic drops the question, and is to be told first.
        let seat = seat.share();
        let question = Question {
            asked: Received::of(parcel, &self.addressed),
            seat: seat.clone(),
            trail: Trail::of(event),
            answer: PhantomData,
        };
        match catch_unwind(AssertUnwindSafe(|| (self.take)(question, event))) {
            Ok(called) => {
                if let Some(error) = event.emission().take_error() {
                    seat.fail(&error.to_string());
                    event.emission().set_error(error);
                }
                stopped_or(called, event)
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
        payload == TypeId::of::<Q>()
    }

    fn placed(&self, slot: Weak<dyn Slot>) {
        self.label.placed(slot);
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(format!("replies later with `{}`", self.answer));
    }
}
