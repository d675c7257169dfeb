//! One call of an async handler, and how many there are on a bus.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use sigtree_middleware::{Cause, Failure, Topic};

use super::line::{Line, Turn};
use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::failure::discard;
use crate::error::{Error, Waited};
use crate::handler::Outcome;
use crate::queue::Waiters;
use crate::subscription::Label;
use crate::sync::{AtomicUsize, Ordering};

/// The async calls of a bus that are not done yet.
pub(crate) struct Tasks {
    undone: AtomicUsize,
    none: Arc<Waiters>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { undone: AtomicUsize::new(0), none: Arc::new(Waiters::new()) }
    }
}

impl Tasks {
    pub(super) fn begin(&self) {
        self.undone.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        if self.undone.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.none.wake_all();
        }
    }

    pub(crate) fn are_none(&self) -> bool {
        self.undone.load(Ordering::SeqCst) == 0
    }

    fn wait_for_none(&self, deadline: Option<Instant>) -> bool {
        loop {
            let nap = self.none.nap();
            if self.undone.load(Ordering::SeqCst) == 0 {
                return true;
            }
            if !nap.sleep(deadline) {
                return self.undone.load(Ordering::SeqCst) == 0;
            }
        }
    }
}

impl Bus {
    /// Waits until all async handlers of this bus that were called are done; of [reliable](crate::Reliable) ones until each event is done
    /// or a dead letter, pauses included. [`flush`](Self::flush) ends the pauses.
    ///
    /// Do not call it in a task: it keeps the thread.
    ///
    /// # Errors
    ///
    /// Timeout, if some are not; they run on.
    pub fn drain(&self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now().checked_add(timeout);
        if self.core().tasks.wait_for_none(deadline) {
            Ok(())
        } else {
            Err(Error::undone(self.running(), Waited::Calls))
        }
    }

    /// How many calls of async handlers are not done yet. Of a [reliable](crate::Reliable) one each event counts until it is done or dead,
    /// of one that has the [latest only](crate::Mode::LatestOnly) each topic it is at.
    #[must_use]
    pub fn running(&self) -> usize {
        self.core().tasks.undone.load(Ordering::SeqCst)
    }
}

/// That something is not done yet, until it is dropped.
pub(super) struct Undone(Weak<Core>);

impl Undone {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        core.tasks.begin();
        Self(Arc::downgrade(core))
    }
}

impl Drop for Undone {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.tasks.end();
        }
    }
}

/// The end of a call that counted, whatever its report does.
struct Ending<'c>(&'c Core);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.tasks.end();
    }
}

/// Which call it is, for reports.
#[derive(Clone)]
pub(super) struct CallOf {
    /// None if the pattern is the topic.
    topic: Option<Topic>,
    pub(super) label: Arc<Label>,
}

impl CallOf {
    pub(super) fn new(topic: &Topic, label: Arc<Label>) -> Self {
        let topic = label.pattern.as_topic().is_none().then(|| topic.clone());
        Self { topic, label }
    }

    pub(super) fn topic(&self) -> &Topic {
        let of_pattern = || self.label.pattern.as_topic().expect("a pattern that is a topic");
        self.topic.as_ref().unwrap_or_else(of_pattern)
    }

    pub(super) fn failure(&self, cause: Cause) -> Arc<Failure> {
        self.label.failure(self.topic(), cause)
    }
}

pin_project! {
    /// One call of an async handler: it reports how it ends, also if it is dropped before.
    pub(super) struct Running<F> {
        #[pin]
        future: Option<F>,
        of: CallOf,
        core: Weak<Core>,
        // Set with the first poll that was its turn.
        began: bool,
        place: Place,
        // Whether it counts as one that is not done; else somebody else counts it, or it is done.
        counts: bool,
    }

    impl<F> PinnedDrop for Running<F> {
        fn drop(mut this: Pin<&mut Self>) {
            if this.future.is_none() {
                return;
            }
            discard_future(this.as_mut().project().future);
            let what = if this.began { "it was cancelled" } else { "it was dropped before it began" };
            drop(this.end(Some(Cause::Error(what.into()))));
        }
    }
}

/// Where a call stands that waits for others of its connection.
enum Place {
    /// It does not wait.
    Free,
    /// It gets in line with the first poll, if not before.
    Outside(Line),
    /// Its turn ends when this goes.
    InLine(Turn),
}

impl<F, O> Running<F>
where
    F: Future<Output = O>,
    O: Outcome,
{
    pub(super) fn new(future: F, line: Option<Line>, of: CallOf, core: &Arc<Core>) -> Self {
        core.tasks.begin();
        let mut running = Self::uncounted(future, line, of, Arc::downgrade(core));
        running.counts = true;
        running
    }

    /// One that somebody else counts.
    pub(super) fn uncounted(future: F, line: Option<Line>, of: CallOf, core: Weak<Core>) -> Self {
        let place = line.map_or(Place::Free, Place::Outside);
        Self { future: Some(future), of, core, began: false, place, counts: false }
    }
}

/// What an async handler gives back: nothing, or a result.
pub(super) type Ended = Result<(), Arc<Failure>>;

/// A call that can be waited for, whatever its type.
pub(super) trait Step: Send {
    fn step(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended>;

    fn of(&self) -> &CallOf;

    /// Gets in line, if it is to wait for others and does not yet.
    fn line_up(self: Pin<&mut Self>);

    /// Gives it up, if it has not begun; whether it had not.
    fn forgo(self: Pin<&mut Self>) -> bool;
}

impl<F, O> Step for Running<F>
where
    F: Future<Output = O> + Send,
    O: Outcome,
{
    fn step(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        if let Place::Outside(line) = &self.place
            && line.is_served_here()
        {
            discard_future(self.as_mut().project().future);
            return Poll::Ready(self.end(Some(Cause::Error(Error::own_call().into()))));
        }
        self.as_mut().line_up();
        let mut this = self.as_mut().project();
        let mut serving = None;
        if let Place::InLine(turn) = this.place {
            ready!(turn.poll(context));
            serving = Some(turn.serve());
        }
        *this.began = true;
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(Ok(())) };
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(context)));
        let cause = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome.into_result().err().map(Cause::Error),
            Err(panic) => Some(cause_of(panic)),
        };
        discard_future(this.future);
        drop(serving);
        Poll::Ready(self.end(cause))
    }

    fn of(&self) -> &CallOf {
        &self.of
    }

    fn line_up(self: Pin<&mut Self>) {
        let place = self.project().place;
        if let Place::Outside(line) = place {
            *place = Place::InLine(line.join());
        }
    }

    fn forgo(mut self: Pin<&mut Self>) -> bool {
        if self.began || self.future.is_none() {
            return false;
        }
        discard_future(self.as_mut().project().future);
        drop(self.end(None));
        true
    }
}

impl<F> Running<F> {
    fn end(self: Pin<&mut Self>, cause: Option<Cause>) -> Ended {
        let this = self.project();
        let failed = cause.map(|cause| this.of.failure(cause));
        let counted = std::mem::take(this.counts);
        if (counted || failed.is_some())
            && let Some(core) = this.core.upgrade()
        {
            let _done = counted.then(|| Ending(&core));
            failed.iter().for_each(|failure| core.report_late_failure(failure, this.of.label.slot()));
        }
        *this.place = Place::Free;
        failed.map_or(Ok(()), Err)
    }
}

pub(super) fn cause_of(panic: Box<dyn Any + Send>) -> Cause {
    let cause = Cause::of_panic(&*panic);
    discard(Some(panic));
    cause
}

/// Drops a future where it is; its own drop may panic.
pub(super) fn discard_future<F>(mut future: Pin<&mut Option<F>>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| future.set(None))) {
        discard(Some(panic));
    }
}
