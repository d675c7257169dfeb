//! [`Desk`]: who handles batches, and when.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use sigtree_middleware::{Alarm, Cause, Clock, Executor, Job};

use super::turn::{Step, Turn};
use crate::dispatch::core::Core;
use crate::dispatch::failure::discard;
use crate::dispatch::slot::Slot;
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
    /// Its connection's.
    slot: OnceLock<Weak<dyn Slot>>,
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
            slot: OnceLock::new(),
            me: me.clone(),
        });
        if let Some(ledger) = &fed.ledger {
            let told: Weak<Self> = Arc::downgrade(&desk);
            ledger.tell(told);
        }
        desk
    }

    /// Notes which slot it is behind.
    pub(super) fn placed(&self, slot: Weak<dyn Slot>) {
        self.label.placed(slot.clone());
        let _ = self.slot.set(slot);
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

    /// The most that is in a batch. The queue may have been given fewer places since.
    fn full(&self) -> usize {
        self.most.min(self.pipe.capacity())
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

    /// Handles what waits here and now, for the last time; who is at a batch elsewhere, or further out in this thread, stops after it.
    pub(super) fn end(&self) {
        let step = self.turn.lock().end(self.waiting());
        match step {
            Step::Handle => self.run(),
            step => self.stop(step),
        }
    }

    fn begin(&self, change: impl FnOnce(&mut Turn)) {
        let now = self.clock.elapsed();
        let step = {
            let mut turn = self.turn.lock();
            change(&mut turn);
            let step = turn.begin(self.waiting(), self.full(), now, self.within);
            if matches!(step, Step::Handle) && self.executor.is_some() {
                turn.ask();
            }
            step
        };
        match step {
            Step::Handle => self.start(),
            step => self.stop(step),
        }
    }

    /// Handles what is there: on the executor, or here.
    fn start(&self) {
        let Some(executor) = &self.executor else { return self.run() };
        let mut errand = Errand(Some(self.me.clone()));
        let job = Job::new(move || errand.run());
        if let Err(refused) = executor.execute(job) {
            tracing::warn!(target: "sigtree::batches", "a batch has to wait: {refused}");
        }
    }

    fn run(&self) {
        loop {
            self.handle_one();
            if self.executor.is_none() {
                // Whoever brings events handles batches: who did last may wait for the next to. Before he can begin.
                self.pipe.forget_taker();
            }
            let now = self.clock.elapsed();
            let step = self.turn.lock().go_on(self.waiting(), self.full(), now, self.within);
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

    /// Nothing is handled any more: what is left is lost, or makes dead letters.
    fn close(&self) {
        self.pipe.close();
        if let Some(ledger) = &self.ledger {
            return ledger.end();
        }
        let mut lost = 0_u64;
        while let Some(parcel) = self.pipe.abandon() {
            drop_quietly(|| parcel);
            lost += 1;
        }
        if lost > 0 {
            tracing::warn!(target: "sigtree::batches", lost, "lost events that waited for a batch: {} ended meanwhile", self.label);
        }
    }

    /// Keeps the handler connected to its slot, so that who waits for its end waits for this batch; `None` if it has ended.
    fn hold(&self) -> Option<Arc<dyn Slot>> {
        self.slot.get()?.upgrade()
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
        let failure = self.label.failure(&topic, cause);
        batch.into_iter().for_each(|received| drop_quietly(|| received.fail(&failure.cause)));
        match self.core.upgrade() {
            Some(core) => core.report_late_failure(&failure, self.label.slot()),
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
        if let Some(_held) = self.hold() {
            self.look();
        }
    }
}

impl<T: Receives + ?Sized> Alarm for Desk<T> {
    fn ring(&self) {
        if let Some(_held) = self.hold() {
            self.begin(Turn::rang);
        }
    }
}

/// What a job is to do. Dropped unrun, another one is tried later. It does not keep the handler alive.
struct Errand<T: Receives + ?Sized>(Option<Weak<Desk<T>>>);

impl<T: Receives + ?Sized> Errand<T> {
    fn run(&mut self) {
        let Some(desk) = self.0.take().and_then(|desk| desk.upgrade()) else { return };
        let Some(_held) = desk.hold() else { return };
        let is_wanted = desk.turn.lock().arrive();
        if is_wanted {
            desk.run();
        }
    }
}

impl<T: Receives + ?Sized> Drop for Errand<T> {
    fn drop(&mut self) {
        let Some(desk) = self.0.take().and_then(|desk| desk.upgrade()) else { return };
        let now = desk.clock.elapsed();
        let again = desk.turn.lock().give_up(now, desk.within);
        desk.stop(Step::Wait(again));
    }
}

/// A payload's own drop may panic.
fn drop_quietly<R>(what: impl FnOnce() -> R) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(what()))) {
        discard(Some(panic));
    }
}
