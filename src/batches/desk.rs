//! [`Desk`]: who handles batches, and when.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sigtree_middleware::{Alarm, Cause, Clock, Executor, Failure, Job};

use super::turn::{Step, Turn};
use crate::dispatch::core::Core;
use crate::dispatch::failure::discard;
use crate::queue::Pipe;
use crate::reliable::Ledger;
use crate::subscription::{Addressed, Fed, Label, Parcel, Received, Receives};
use crate::sync::Mutex;

type Handle<T> = Box<dyn Fn(&[Received<T>]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

pub(super) struct Desk<T: Receives + ?Sized> {
    pipe: Arc<Pipe<Parcel<T>>>,
    ledger: Option<Arc<Ledger<T>>>,
    addressed: Addressed,
    label: Arc<Label>,
    handle: Handle<T>,
    most: usize,
    within: Duration,
    executor: Option<Arc<dyn Executor>>,
    clock: Arc<dyn Clock>,
    core: Weak<Core>,
    turn: Mutex<Turn>,
    me: Weak<Self>,
}

impl<T: Receives + ?Sized> Desk<T> {
    pub(super) fn new(
        fed: &Fed<T>,
        most: usize,
        within: Duration,
        executor: Option<Arc<dyn Executor>>,
        core: &Arc<Core>,
        handle: Handle<T>,
    ) -> Arc<Self> {
        fed.pipe.open_handle();
        let desk = Arc::new_cyclic(|me: &Weak<Self>| Self {
            pipe: fed.pipe.clone(),
            ledger: fed.ledger.clone(),
            addressed: fed.addressed.clone(),
            label: fed.label.clone(),
            handle,
            most,
            within,
            executor,
            clock: core.clock.clone(),
            core: Arc::downgrade(core),
            turn: Mutex::new(Turn::default()),
            me: me.clone(),
        });
        if let Some(ledger) = &fed.ledger {
            let told: Weak<Self> = Arc::downgrade(&desk);
            ledger.tell(told);
        }
        desk
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn within(&self) -> Duration {
        self.within
    }

    fn waiting(&self) -> usize {
        self.pipe.len() + self.ledger.as_ref().map_or(0, |ledger| ledger.ready())
    }

    /// Begins if there is a batch and nobody is at it. Who put an event in looks afterwards; who handles batches looks once more
    /// under the same lock before he stops; so one of them sees it.
    pub(super) fn look(&self) {
        self.begin(|_| {});
    }

    /// Has what waits handled, full or not.
    pub(super) fn flush(&self) {
        self.begin(Turn::flush);
    }

    /// The same for the last time.
    pub(super) fn end(&self) {
        self.begin(Turn::end);
    }

    fn begin(&self, change: impl FnOnce(&mut Turn)) {
        let now = self.clock.elapsed();
        let step = {
            let mut turn = self.turn.lock();
            change(&mut turn);
            turn.begin(self.waiting(), self.most, now, self.within)
        };
        match step {
            Step::Handle => self.start(),
            step => self.stop(step),
        }
    }

    /// Handles what is there: on the executor, or here.
    fn start(&self) {
        let (Some(executor), Some(me)) = (&self.executor, self.me.upgrade()) else { return self.run() };
        let mut errand = Errand(Some(me));
        let job = Job::new(move || {
            if let Some(desk) = errand.0.take() {
                desk.run();
            }
        });
        if let Err(refused) = executor.execute(job) {
            tracing::warn!(target: "sigtree::batches", "a batch has to wait: {refused}");
        }
    }

    fn run(&self) {
        loop {
            self.handle_one();
            let now = self.clock.elapsed();
            let step = self.turn.lock().go_on(self.waiting(), self.most, now, self.within);
            match step {
                Step::Handle => {}
                step => return self.stop(step),
            }
        }
    }

    fn stop(&self, step: Step) {
        match step {
            Step::Wait(Some(due)) => {
                let me: Weak<Self> = self.me.clone();
                self.clock.wake(due, me);
            }
            Step::End => self.close(),
            Step::Wait(None) | Step::Handle => {}
        }
    }

    /// Nothing is taken any more.
    fn close(&self) {
        self.pipe.close();
        if let Some(ledger) = &self.ledger {
            ledger.end();
        }
    }

    fn handle_one(&self) {
        self.pipe.note_taker();
        let batch: Vec<_> = std::iter::from_fn(|| self.take()).take(self.most).collect();
        let Some(first) = batch.first() else { return };
        let topic = first.topic().clone();
        let cause = match catch_unwind(AssertUnwindSafe(|| (self.handle)(&batch))) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Cause::Error(error)),
            Err(panic) => {
                let cause = Cause::of_panic(&*panic);
                discard(Some(panic));
                Some(cause)
            }
        };
        let Some(cause) = cause else {
            batch.into_iter().for_each(|received| drop_quietly(|| received.ack()));
            return;
        };
        let failure = Arc::new(Failure {
            topic,
            pattern: Some(self.label.pattern.as_str().into()),
            name: self.label.name.clone(),
            site: Some(self.label.site),
            cause,
        });
        batch.into_iter().for_each(|received| drop_quietly(|| received.fail(&failure.cause)));
        match self.core.upgrade() {
            Some(core) => core.report_failure(&failure),
            None => tracing::error!(target: "sigtree::batches", "{failure}"),
        }
    }

    fn take(&self) -> Option<Received<T>> {
        match &self.ledger {
            None => self.pipe.pop().map(|parcel| Received::of(parcel, &self.addressed)),
            Some(ledger) => ledger.take(),
        }
    }
}

/// Something is to be given again.
impl<T: Receives + ?Sized> crate::reliable::Told for Desk<T> {
    fn tell(&self) {
        self.look();
    }
}

impl<T: Receives + ?Sized> Alarm for Desk<T> {
    fn ring(&self) {
        self.begin(Turn::rang);
    }
}

/// Dropped with a job that was not run, somebody else may begin; if it was to be the last, it is done here.
struct Errand<T: Receives + ?Sized>(Option<Arc<Desk<T>>>);

impl<T: Receives + ?Sized> Drop for Errand<T> {
    fn drop(&mut self) {
        let Some(desk) = self.0.take() else { return };
        let now = desk.clock.elapsed();
        let again = desk.turn.lock().give_up(now, desk.within);
        match again {
            Some(due) => desk.stop(Step::Wait(Some(due))),
            None => desk.run(),
        }
    }
}

/// A payload's own drop may panic.
fn drop_quietly<R>(what: impl FnOnce() -> R) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(what()))) {
        discard(Some(panic));
    }
}
