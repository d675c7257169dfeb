//! [`Gather`]: a question to all who answer on a topic.

use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::slice;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec;

use sigtree_middleware::{EventId, Priority, Source};

use super::desk::{Conclusion, Wanted};
use super::error::{RequestError, Responder, Silence, Unanswered};
use super::pending::{Way, answer_of};
use super::{Asked, Asking, company};
use crate::bus::Bus;
use crate::event_builder::EventBuilder;

impl Bus {
    /// Asks all who [reply](Bus::reply) on a topic, and gathers what they answer until all have, or the time is up.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let _steel = bus.on("price.of.beam").named("steel").reply(|metres: &f64| metres * 31.0)?;
    /// let _wood = bus.on("price.*.beam").named("wood").reply(|metres: &f64| metres * 12.0)?;
    /// let _glass = bus.on("price.**").named("glass").try_reply(|_: &f64| Err::<f64, _>("no beams of glass"))?;
    ///
    /// let offers = bus.gather::<f64, f64>("price.of.beam", 2.0).wait()?;
    /// let best = offers.iter().min_by(|a, b| a.answer.total_cmp(&b.answer)).unwrap();
    /// assert_eq!((best.by.name(), best.answer), (Some("wood"), 24.0));
    /// assert!(offers.unanswered()[0].to_string().ends_with("failed: no beams of glass"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gather<'t, Q, A>(&self, topic: &'t (impl AsRef<str> + ?Sized), question: Q) -> Gather<'t, Q, A>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
    {
        Gather::of(Asking::new(self.event(topic), question))
    }
}

/// A question to all in the making, from [`Bus::gather`]: what goes with it, then [`wait`](Self::wait), `await`, or
/// [`send`](Self::send).
///
/// All responders are asked that the event comes to: those that a filter, a mute or a layer keeps it from are not among the
/// [`Answers`]. Else it is like a [`Request`](crate::Request), and ends when all have answered, failed or let go of it, or when the
/// time is up.
#[must_use = "it is sent when it is waited for, awaited or sent"]
pub struct Gather<'b, Q, A> {
    asking: Asking<'b, Q>,
    answer: PhantomData<fn() -> A>,
}

impl<'b, Q: Any + Send + Sync, A: Any + Send> Gather<'b, Q, A> {
    pub(super) fn of(asking: Asking<'b, Q>) -> Self {
        Self { asking, answer: PhantomData }
    }

    company!();

    /// Sends it, and sleeps until all have answered or the time is up.
    ///
    /// Do not call it in a task: it keeps the thread.
    ///
    /// # Errors
    ///
    /// Only if it was refused. With no responder there are no answers; who failed or is missing stands beside them.
    pub fn wait(self) -> Result<Answers<A>, RequestError> {
        self.send().wait()
    }

    /// Sends it; the answers can be waited for later.
    ///
    /// # Panics
    ///
    /// As [`Request::send`](crate::Request::send).
    pub fn send(self) -> Gathering<A> {
        let topic = self.asking.event.topic();
        let Asked { desk, delivery, conclusion, due } = self.asking.send::<A>(Wanted::All);
        let state = if let Some(error) = delivery.refusal() {
            State::Ended(Some(Err(RequestError::refused(topic, error.clone()))))
        } else if let Some(conclusion) = conclusion {
            State::Ended(Some(Ok(Answers::of(conclusion))))
        } else {
            due.ring_for(&desk);
            State::Under(Way::new(desk, delivery, topic))
        };
        Gathering(state)
    }
}

/// Awaited, it is sent.
impl<Q: Any + Send + Sync, A: Any + Send> IntoFuture for Gather<'_, Q, A> {
    type Output = Result<Answers<A>, RequestError>;
    type IntoFuture = Gathering<A>;

    fn into_future(self) -> Gathering<A> {
        self.send()
    }
}

impl<Q, A> fmt::Debug for Gather<'_, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("event", &self.asking.event).finish_non_exhaustive()
    }
}

/// A question to all that was sent, from [`Gather::send`]: await it, or [`wait`](Self::wait).
///
/// Dropped, nobody waits for the answers any more.
#[must_use = "dropped, nobody waits for the answers"]
pub struct Gathering<A>(State<A>);

enum State<A> {
    /// `None` once it was taken.
    Ended(Option<Result<Answers<A>, RequestError>>),
    Under(Way),
}

impl<A: Any + Send> Gathering<A> {
    /// Sleeps until all have answered or the time is up.
    ///
    /// Do not call it in a task: it keeps the thread.
    ///
    /// # Errors
    ///
    /// As [`Gather::wait`].
    pub fn wait(self) -> Result<Answers<A>, RequestError> {
        match self.0 {
            State::Ended(answers) => answers.expect("it was polled after it had ended"),
            State::Under(way) => Ok(Answers::of(way.wait())),
        }
    }
}

impl<A: Any + Send> Future for Gathering<A> {
    type Output = Result<Answers<A>, RequestError>;

    /// # Panics
    ///
    /// If it is polled again when it has ended.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Under(way) = &mut self.0 {
            let answers = Answers::of(ready!(way.poll(context)));
            self.0 = State::Ended(Some(Ok(answers)));
        }
        match &mut self.0 {
            State::Ended(answers) => Poll::Ready(answers.take().expect("polled after it had ended")),
            State::Under(_) => Poll::Pending,
        }
    }
}

/// It has no place that must not move.
impl<A> Unpin for Gathering<A> {}

impl<A> fmt::Debug for Gathering<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = matches!(self.0, State::Ended(_));
        f.debug_struct("Gathering").field("ended", &ended).finish_non_exhaustive()
    }
}

/// One answer, and who gave it.
#[derive(Debug, Clone)]
pub struct Answer<A> {
    /// Who answered.
    pub by: Responder,
    /// What it answered.
    pub answer: A,
}

/// What came of a question to all: the answers, in the order in which responders were asked, and who gave none.
#[derive(Debug, Clone)]
pub struct Answers<A> {
    answers: Vec<Answer<A>>,
    unanswered: Vec<Unanswered>,
    timed_out: bool,
}

impl<A: Any> Answers<A> {
    fn of(conclusion: Conclusion) -> Self {
        let Conclusion { asked, timed_out } = conclusion;
        let (mut answers, mut unanswered) = (Vec::new(), Vec::new());
        for seated in asked {
            match answer_of(seated) {
                Ok((by, answer)) => answers.push(Answer { by, answer }),
                Err(one) => unanswered.push(one),
            }
        }
        Self { answers, unanswered, timed_out }
    }
}

impl<A> Answers<A> {
    /// The answers, each with who gave it.
    pub fn iter(&self) -> slice::Iter<'_, Answer<A>> {
        self.answers.iter()
    }

    /// How many answered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nobody answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// The answers alone.
    pub fn into_values(self) -> impl Iterator<Item = A> {
        self.answers.into_iter().map(|answer| answer.answer)
    }

    /// All who were asked and gave no answer, and why.
    #[must_use]
    pub fn unanswered(&self) -> &[Unanswered] {
        &self.unanswered
    }

    /// Who had not answered when the time was up.
    pub fn missing(&self) -> impl Iterator<Item = &Responder> {
        self.unanswered.iter().filter(|one| one.why == Silence::Missing).map(|one| &one.by)
    }

    /// Whether the time was up before all had said something.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Whether everybody who was asked answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unanswered.is_empty() && !self.timed_out
    }
}

impl<A> IntoIterator for Answers<A> {
    type Item = Answer<A>;
    type IntoIter = vec::IntoIter<Answer<A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.answers.into_iter()
    }
}

impl<'a, A> IntoIterator for &'a Answers<A> {
    type Item = &'a Answer<A>;
    type IntoIter = slice::Iter<'a, Answer<A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
