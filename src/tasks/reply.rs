//! Async responders.

use std::any::{Any, type_name};
use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use sigtree_middleware::{Cause, Event, IntoPattern};

use super::handler::{AsyncFn1, begin};
use super::line::Line;
use crate::bus::Bus;
use crate::connection::Connection;
use crate::dispatch::slot::Called;
use crate::error::Error;
use crate::on::On;
use crate::request::{Always, Gives, Perhaps, Question};
use crate::subscription::Received;

type BoxError = Box<dyn StdError + Send + Sync>;

impl Bus {
    /// Connects an async responder: what its future gives is the answer to a [request](Bus::request).
    ///
    /// It runs where [async handlers](Bus::connect_async) run. Failures and panics are reported like theirs, and who asked is told;
    /// if its runtime drops the future, too. What it emits is tied to the request as in a
    /// [handler](crate::Correlation) that is not async.
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, Received, Task};
    ///
    /// let bus = Bus::builder().spawner(|task: Task| drop(std::thread::spawn(|| pollster::block_on(task)))).build();
    /// let _square = bus.reply_async("square", |n: Received<u64>| async move { *n * *n })?;
    /// let square = pollster::block_on(async { bus.request::<_, u64>("square", 7_u64).await })?;
    /// assert_eq!(square, 49);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn reply_async<Q, F, A>(&self, pattern: impl IntoPattern, responder: F) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        F: AsyncFn1<Received<Q>, A>,
        A: Any + Send,
    {
        self.on(pattern).reply_async(responder)
    }

    /// The same with a responder that may fail, as with [`try_reply`](Bus::try_reply).
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    #[track_caller]
    pub fn try_reply_async<Q, F, A, E>(&self, pattern: impl IntoPattern, responder: F) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        F: AsyncFn1<Received<Q>, Result<A, E>>,
        A: Any + Send,
        E: Into<BoxError> + 'static,
    {
        self.on(pattern).try_reply_async(responder)
    }
}

impl On {
    /// Connects an async responder under these conditions: see [`Bus::reply_async`].
    ///
    /// With [`serial`](Self::serial) it answers one request after the other, in the order in which they came.
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    ///
    /// # Panics
    ///
    /// If a [mode](On::mode) was chosen: a request has one answer, in its time.
    #[track_caller]
    pub fn reply_async<Q, F, A>(self, responder: F) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        F: AsyncFn1<Received<Q>, A>,
        A: Any + Send,
    {
        self.connect_async_reply::<Q, F, A, Always>(responder, Location::caller())
    }

    /// Connects an async responder that may fail: see [`Bus::try_reply_async`].
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn try_reply_async<Q, F, A, E>(self, responder: F) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        F: AsyncFn1<Received<Q>, Result<A, E>>,
        A: Any + Send,
        E: Into<BoxError> + 'static,
    {
        self.connect_async_reply::<Q, F, Result<A, E>, Perhaps>(responder, Location::caller())
    }

    #[track_caller]
    fn connect_async_reply<Q, F, O, G>(
        mut self,
        responder: F,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error>
    where
        Q: Any + Send + Sync,
        F: AsyncFn1<Received<Q>, O>,
        O: 'static,
        G: Gives<O>,
    {
        let line = self.take_serial().then(Line::default);
        let (label, core) = (Arc::new(self.label(site)?), Arc::downgrade(self.core()));
        let responder = Arc::new(responder);
        let told = label.clone();
        let take = move |question: Question<Q, G::Answer>, event: &Event<'_>| {
            let Some(core) = core.upgrade() else { return Called::Skipped };
            let asked = question.event().clone();
            match &line {
                None => begin(answer::<Q, O, G>(question, responder.begin(asked)), None, label.clone(), &core, event),
                Some(line) => {
                    let responder = responder.clone();
                    let later = async move { responder.begin(asked).await };
                    begin(answer::<Q, O, G>(question, later), Some(line.clone()), label.clone(), &core, event)
                }
            }
        };
        self.connect_taker(take, told, type_name::<G::Answer>(), site)
    }
}

/// Answers a question with what a future gives.
async fn answer<Q, O, G>(question: Question<Q, G::Answer>, future: impl Future<Output = O>) -> Result<(), BoxError>
where
    Q: Any + Send + Sync,
    G: Gives<O>,
{
    let mut future = pin!(future);
    let ended = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| question.follow(|| future.as_mut().poll(context))));
        // The panic goes on when who asked has been told.
        polled.map_or_else(|panic| Poll::Ready(Err(panic)), |poll| poll.map(Ok))
    });
    match ended.await.map(G::give) {
        Ok(Ok(answer)) => {
            question.answer(answer);
            Ok(())
        }
        Ok(Err(error)) => {
            question.fail(&error);
            Err(error)
        }
        Err(panic) => {
            question.fail(Cause::of_panic(&*panic));
            resume_unwind(panic)
        }
    }
}
