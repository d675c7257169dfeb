//! [`Pending`]: a request that is on its way.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::desk::{Conclusion, Desk, Said, Seated};
use super::error::{RequestError, Responder, Silence, Unanswered};
use crate::delivery::Delivery;
use crate::queue::Nap;

/// A request that was sent, from [`Request::send`](crate::Request::send): await it in a task, or [`wait`](Self::wait) for it in a
/// thread.
///
/// Dropped, nobody waits for the answer any more: responders that are called later are passed over, and a
/// [`Question`](crate::Question) says that nobody took its answer.
#[must_use = "dropped, nobody waits for the answer"]
pub struct Pending<A>(State<A>);

enum State<A> {
    /// `None` once it was taken.
    Ended(Option<Result<A, RequestError>>),
    Under(Way),
}

impl<A: Any + Send> Pending<A> {
    pub(super) fn refused(error: RequestError) -> Self {
        Self(State::Ended(Some(Err(error))))
    }

    pub(super) fn ended(conclusion: Conclusion, delivery: &Delivery, topic: &str) -> Self {
        Self(State::Ended(Some(first(conclusion, delivery, topic))))
    }

    pub(super) fn under(way: Way) -> Self {
        Self(State::Under(way))
    }

    /// Sleeps until the answer is there, or there will be none.
    ///
    /// Do not call it in a task: it keeps the thread.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    pub fn wait(self) -> Result<A, RequestError> {
        match self.0 {
            State::Ended(answer) => answer.expect("it was polled after it had ended"),
            State::Under(way) => first(way.wait(), &way.delivery, &way.topic),
        }
    }
}

impl<A: Any + Send> Future for Pending<A> {
    type Output = Result<A, RequestError>;

    /// # Panics
    ///
    /// If it is polled again when it has ended.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Under(way) = &mut self.0 {
            let conclusion = ready!(way.poll(context));
            let ended = first(conclusion, &way.delivery, &way.topic);
            self.0 = State::Ended(Some(ended));
        }
        match &mut self.0 {
            State::Ended(answer) => Poll::Ready(answer.take().expect("polled after it had ended")),
            State::Under(_) => Poll::Pending,
        }
    }
}

/// It has no place that must not move.
impl<A> Unpin for Pending<A> {}

impl<A> fmt::Debug for Pending<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = matches!(self.0, State::Ended(_));
        f.debug_struct("Pending").field("ended", &ended).finish_non_exhaustive()
    }
}

/// What is known of a request whose answers are waited for. Dropped, nobody waits.
pub(super) struct Way {
    desk: Arc<Desk>,
    pub(super) delivery: Delivery,
    pub(super) topic: Box<str>,
    nap: Option<Nap>,
}

impl Way {
    pub(super) fn new(desk: Arc<Desk>, delivery: Delivery, topic: &str) -> Self {
        Self { desk, delivery, topic: topic.into(), nap: None }
    }

    pub(super) fn wait(&self) -> Conclusion {
        loop {
            match self.desk.conclude_or_nap() {
                Ok(conclusion) => return conclusion,
                // The bus's clock tells when the time is up.
                Err(nap) => drop(nap.sleep(None)),
            }
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Conclusion> {
        loop {
            if let Some(asleep) = &mut self.nap {
                ready!(asleep.poll(context));
                self.nap = None;
            }
            match self.desk.conclude_or_nap() {
                Ok(conclusion) => return Poll::Ready(conclusion),
                Err(nap) => self.nap = Some(nap),
            }
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.desk.give_up();
    }
}

/// The first answer in the order in which responders were asked; there is one at most.
fn first<A: Any>(conclusion: Conclusion, delivery: &Delivery, topic: &str) -> Result<A, RequestError> {
    let Conclusion { asked, timed_out } = conclusion;
    let mut unanswered = Vec::new();
    for seated in asked {
        match answer_of(seated) {
            Ok((_, answer)) => return Ok(answer),
            Err(one) => unanswered.push(one),
        }
    }
    Err(RequestError::silent(topic, delivery, unanswered, timed_out))
}

/// What a responder answered, or why it did not.
pub(super) fn answer_of<A: Any>(seated: Seated) -> Result<(Responder, A), Unanswered> {
    let Seated { by, open, said } = seated;
    let by = Responder::of(by);
    let why = match said {
        Said::Answer(answer) => match answer.downcast() {
            Ok(answer) => return Ok((by, *answer)),
            // The desk looked at the type before.
            Err(_) => Silence::Dropped,
        },
        Said::Failure(message) => Silence::Failed(message),
        Said::OtherType(given) => Silence::OtherType(given),
        Said::Nothing if open => Silence::Missing,
        Said::Nothing => Silence::Dropped,
    };
    Err(Unanswered { by, why })
}
