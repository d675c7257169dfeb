//! [`Questions`]: a queue of requests, for threads or tasks that take them to answer.

use std::any::{Any, type_name};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use sigtree_middleware::IntoPattern;

use super::question::Question;
use crate::backstage::PipeOutlet;
use crate::bus::Bus;
use crate::connection::{Connection, ConnectionId};
use crate::error::Error;
use crate::lifecycle::Life;
use crate::on::On;
use crate::queue::{Loss, Nap, Overflow, Pipe, QueueStats, Rank};
use crate::subscription::RecvError;

impl Bus {
    /// Puts requests into a queue of 1,024 places, from which threads or tasks take them to answer: see [`Questions`].
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect); shutting down, if the bus was [shut down](Bus::shutdown).
    #[track_caller]
    pub fn questions<Q, A>(&self, pattern: impl IntoPattern) -> Result<Questions<Q, A>, Error>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
    {
        self.on(pattern).questions()
    }
}

impl On {
    /// Connects a queue of requests, under these conditions and with this [queue](On::queue): see [`Questions`].
    ///
    /// # Errors
    ///
    /// As [`Bus::questions`].
    #[track_caller]
    pub fn questions<Q, A>(mut self) -> Result<Questions<Q, A>, Error>
    where
        Q: Any + Send + Sync,
        A: Any + Send,
    {
        let site = Location::caller();
        // A queue keeps its order itself.
        self.take_serial();
        let core = self.core().clone();
        let inlet = Inlet(Pipe::new(self.queue_or_default()));
        let pipe = inlet.0.clone();
        let outlet = PipeOutlet::new(&pipe, self.own_queue().is_none(), Arc::new(self.label(site)?));
        let link = self.connect_later(move |question| inlet.put(question), type_name::<A>(), site)?;
        core.backstage.add_outlet(outlet);
        let questions = Questions::of(pipe, Arc::new(link));
        // It was noted before this look: a shutdown closes it, or is seen here.
        if core.life() > Life::Running { Err(Error::shutting_down(&core.name)) } else { Ok(questions) }
    }
}

/// Requests that wait in a bounded queue for whoever takes them to answer: [`Bus::questions`] makes it.
///
/// Threads take from it with [`recv_blocking`](Self::recv_blocking) and its like, or as an iterator; tasks with [`recv`](Self::recv),
/// or as a `Stream` (feature `async`). A clone takes from the same queue, so several share the load.
///
/// A question that finds no place, or whose place the queue's [`Overflow`] gives to another one, is not answered: who asked is told
/// at once, and it is counted. So it is with what still waits when the last clone is dropped. Questions of one lane are taken in the
/// order in which they came.
///
/// When the bus is gone, or [shut down](Bus::shutdown), or it was [disconnected](Self::disconnect), what waits can still be taken and
/// answered; then it ends.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// let questions = bus.questions::<u64, u64>("square")?;
/// let server = thread::spawn(move || {
///     for question in &questions {
///         let n = *question;
///         question.answer(n * n);
///     }
/// });
/// assert_eq!(bus.request::<u64, u64>("square", 7).wait()?, 49);
/// drop(bus);
/// server.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it ends it"]
pub struct Questions<Q: Any + Send + Sync, A> {
    pipe: Arc<Pipe<Question<Q, A>>>,
    link: Arc<Connection>,
    /// That it sleeps as a stream.
    #[cfg(feature = "async")]
    nap: Option<Nap>,
}

impl<Q: Any + Send + Sync, A: Any + Send> Questions<Q, A> {
    /// The connection's id on its bus.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.link.id()
    }

    /// Ends it for all clones: no question comes any more, those that wait can still be taken and answered, and then each clone is
    /// told that it is closed. See [`Subscription::disconnect`](crate::Subscription::disconnect).
    pub fn disconnect(&self) {
        self.link.end();
        self.pipe.close();
    }

    /// Takes the next question, if one is there.
    ///
    /// # Errors
    ///
    /// Empty, if none waits; closed, if none waits and none will come, because the bus is gone or shut down, or it was
    /// [disconnected](Self::disconnect).
    pub fn try_recv(&self) -> Result<Question<Q, A>, RecvError> {
        self.pipe.note_taker();
        self.found(self.pipe.pop())
    }

    /// What was found, or why nothing was.
    fn found(&self, found: Option<Question<Q, A>>) -> Result<Question<Q, A>, RecvError> {
        RecvError::unless(found, || self.pipe.is_closed(), || self.pipe.pop())
    }

    /// Takes the next question, and sleeps until one comes or the time is over.
    ///
    /// # Errors
    ///
    /// Empty, if none came in time; closed, as with [`try_recv`](Self::try_recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Question<Q, A>, RecvError> {
        // A timeout too far off for the clock is none.
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Takes the next question, and sleeps until one comes.
    ///
    /// # Errors
    ///
    /// Closed, as with [`try_recv`](Self::try_recv).
    pub fn recv_blocking(&self) -> Result<Question<Q, A>, RecvError> {
        self.recv_until(None)
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<Question<Q, A>, RecvError> {
        self.pipe.note_taker();
        self.found(self.pipe.pop_until(deadline))
    }

    /// Takes the next question, in a task: a future that any runtime can run.
    ///
    /// Dropped before it is ready, it has taken nothing.
    ///
    /// # Errors
    ///
    /// Closed, as with [`try_recv`](Self::try_recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let questions = bus.questions::<u64, u64>("square")?;
    /// let answer = bus.request::<u64, u64>("square", 7).send();
    /// # pollster::block_on(async {
    /// let question = questions.recv().await?;
    /// let n = *question;
    /// question.answer(n * n);
    /// assert_eq!(answer.await?, 49);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv(&self) -> RecvQuestion<'_, Q, A> {
        RecvQuestion { questions: self, nap: None }
    }

    /// Takes the next one, or leaves word in `nap` that the task is to be woken.
    fn poll_recv(&self, nap: &mut Option<Nap>, context: &mut Context<'_>) -> Poll<Result<Question<Q, A>, RecvError>> {
        loop {
            let received = self.try_recv();
            if !received.as_ref().err().is_some_and(RecvError::is_empty) {
                *nap = None;
                return Poll::Ready(received);
            }
            match nap {
                // Looks once more before it sleeps.
                None => *nap = Some(self.pipe.nap()),
                Some(asleep) => {
                    ready!(asleep.poll(context));
                    *nap = None;
                }
            }
        }
    }

    /// How many questions wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pipe.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What came, was taken and was lost.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.pipe.stats()
    }
}

impl<Q: Any + Send + Sync, A> Questions<Q, A> {
    fn of(pipe: Arc<Pipe<Question<Q, A>>>, link: Arc<Connection>) -> Self {
        pipe.open_handle();
        Self {
            pipe,
            link,
            #[cfg(feature = "async")]
            nap: None,
        }
    }
}

impl<Q: Any + Send + Sync, A> Clone for Questions<Q, A> {
    fn clone(&self) -> Self {
        Self::of(self.pipe.clone(), self.link.clone())
    }
}

impl<Q: Any + Send + Sync, A> Drop for Questions<Q, A> {
    fn drop(&mut self) {
        self.pipe.close_handle();
    }
}

impl<Q: Any + Send + Sync, A: Any + Send> Iterator for &Questions<Q, A> {
    type Item = Question<Q, A>;

    /// Takes the next question, and sleeps until one comes; `None` when none will.
    fn next(&mut self) -> Option<Self::Item> {
        self.recv_blocking().ok()
    }
}

/// The questions as they come; it ends when none will come any more.
#[cfg(feature = "async")]
impl<Q: Any + Send + Sync, A: Any + Send> futures_core::Stream for Questions<Q, A> {
    type Item = Question<Q, A>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut nap = self.nap.take();
        let polled = self.poll_recv(&mut nap, context);
        self.nap = nap;
        polled.map(Result::ok)
    }
}

#[cfg(feature = "async")]
impl<Q: Any + Send + Sync, A: Any + Send> futures_core::FusedStream for Questions<Q, A> {
    fn is_terminated(&self) -> bool {
        self.pipe.is_closed() && self.is_empty()
    }
}

impl<Q: Any + Send + Sync, A> fmt::Debug for Questions<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").field("id", &self.link.id()).field("stats", &self.pipe.stats()).finish()
    }
}

/// The next question of a [`Questions`], from [`recv`](Questions::recv).
#[must_use = "a future does nothing unless it is awaited"]
pub struct RecvQuestion<'q, Q: Any + Send + Sync, A> {
    questions: &'q Questions<Q, A>,
    nap: Option<Nap>,
}

impl<Q: Any + Send + Sync, A: Any + Send> Future for RecvQuestion<'_, Q, A> {
    type Output = Result<Question<Q, A>, RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let questions = self.questions;
        questions.poll_recv(&mut self.nap, context)
    }
}

impl<Q: Any + Send + Sync, A> fmt::Debug for RecvQuestion<'_, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvQuestion").field("questions", self.questions).finish_non_exhaustive()
    }
}

/// The bus's end of a queue of questions: gone, none will come.
struct Inlet<Q: Any + Send + Sync, A>(Arc<Pipe<Question<Q, A>>>);

impl<Q: Any + Send + Sync, A: Any + Send> Inlet<Q, A> {
    fn put(&self, question: Question<Q, A>) -> Result<(), &'static str> {
        let (pipe, topic) = (&self.0, question.event().topic().clone());
        let rank = Rank { priority: question.event().priority(), topic: &topic };
        let pushed = match pipe.queue().when_full() {
            Overflow::Block(timeout) => pipe.push_until(question, rank, Instant::now().checked_add(timeout)),
            _ => pipe.push(question, rank).map_err(|question| (question, Loss::Newest)),
        };
        let Err((question, loss)) = pushed else { return Ok(()) };
        let full = "its queue of questions is full";
        question.fail(full);
        pipe.count_loss(loss);
        match pipe.queue().when_full() {
            Overflow::Block(_) | Overflow::Error => Err(full),
            _ => Ok(()),
        }
    }
}

impl<Q: Any + Send + Sync, A> Drop for Inlet<Q, A> {
    fn drop(&mut self) {
        self.0.close();
    }
}
