//! One call of an async handler, and how many there are on a bus.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

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

/// Which call it is, for reports.
#[derive(Clone)]
pub(super) struct CallOf {
    pub(super) topic: Topic,
    pub(super) label: Arc<Label>,
}

impl CallOf {
    pub(super) fn failure(&self, cause: Cause) -> Arc<Failure> {
        self.label.failure(&self.topic, cause)
    }
}

/// One call of an async handler: it reports how it ends, also if it is dropped before.
pub(super) struct Running<F> {
    future: Option<Pin<Box<F>>>,
    of: CallOf,
    core: Weak<Core>,
    /// Set with the first poll that was its turn.
    began: bool,
    place: Place,
    /// Unless somebody else counts it.
    undone: Option<Undone>,
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
        let mut running = Self::uncounted(future, line, of, Arc::downgrade(core));
        running.undone = Some(Undone::new(core));
        running
    }

    /// One that somebody else counts.
    pub(super) fn uncounted(future: F, line: Option<Line>, of: CallOf, core: Weak<Core>) -> Self {
        let place = line.map_or(Place::Free, Place::Outside);
        Self { future: Some(Box::pin(future)), of, core, began: false, place, undone: None }
    }
}

/// What an async handler gives back: nothing, or a result.
pub(super) type Ended = Result<(), Arc<Failure>>;

/// A call that can be waited for, whatever its type.
pub(super) trait Step: Send {
    fn step(&mut self, context: &mut Context<'_>) -> Poll<Ended>;

    fn of(&self) -> &CallOf;

    /// Gets in line, if it is to wait for others and does not yet.
    fn line_up(&mut self);

    /// Gives it up, if it has not begun; whether it had not.
    fn forgo(&mut self) -> bool;
}

impl<F, O> Step for Running<F>
where
    F: Future<Output = O> + Send,
    O: Outcome,
{
    fn step(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        if let Place::Outside(line) = &self.place
            && line.is_served_here()
        {
            discard_future(self.future.take());
            return Poll::Ready(self.end(Some(Cause::Error(Error::own_call().into()))));
        }
        self.line_up();
        let mut serving = None;
        if let Place::InLine(turn) = &mut self.place {
            ready!(turn.poll(context));
            serving = Some(turn.serve());
        }
        self.began = true;
        let Some(future) = &mut self.future else { return Poll::Ready(Ok(())) };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        let cause = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome.into_result().err().map(Cause::Error),
            Err(panic) => Some(cause_of(panic)),
        };
        // Its drop may panic, too.
        discard_future(self.future.take());
        drop(serving);
        Poll::Ready(self.end(cause))
    }

    fn of(&self) -> &CallOf {
        &self.of
    }

    fn line_up(&mut self) {
        if let Place::Outside(line) = &self.place {
            self.place = Place::InLine(line.join());
        }
    }

    fn forgo(&mut self) -> bool {
        if self.began || self.future.is_none() {
            return false;
        }
        discard_future(self.future.take());
        drop(self.end(None));
        true
    }
}

impl<F> Running<F> {
    fn end(&mut self, cause: Option<Cause>) -> Ended {
        let failed = cause.map(|cause| self.of.failure(cause));
        if let (Some(failure), Some(core)) = (&failed, self.core.upgrade()) {
            core.report_late_failure(failure, &self.of.label);
        }
        self.undone = None;
        self.place = Place::Free;
        failed.map_or(Ok(()), Err)
    }
}

impl<F> Drop for Running<F> {
    fn drop(&mut self) {
        let Some(future) = self.future.take() else { return };
        discard_future(Some(future));
        let what = if self.began { "it was cancelled" } else { "it was dropped before it began" };
        drop(self.end(Some(Cause::Error(what.into()))));
    }
}

pub(super) fn cause_of(panic: Box<dyn Any + Send>) -> Cause {
    let cause = Cause::of_panic(&*panic);
    discard(Some(panic));
    cause
}

pub(super) fn discard_future<F>(future: Option<Pin<Box<F>>>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        discard(Some(panic));
    }
}
