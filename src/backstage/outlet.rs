//! [`Outlet`]: the queue of a subscription, as its bus sees it.

use std::sync::{Arc, Weak};

use crate::config::BusConfig;
use crate::queue::{Overflow, Pipe, Queue};
use crate::subscription::Label;

/// A queue that somebody takes from, whatever is in it.
pub(crate) trait Outlet: Send + Sync {
    /// Whether nobody can take from it any more.
    fn is_gone(&self) -> bool;

    /// Whether it has the queue that the bus decides on.
    fn has_default_queue(&self) -> bool;

    /// Has the size and the patience that the bus decides on, if it has such a queue.
    fn take_over(&self, config: &BusConfig);

    /// How many events wait; of a reliable one, those also that were taken and are not done with.
    fn undone(&self) -> usize;

    /// Whether an event in it counts as a call of an async handler until it is done or dead.
    fn is_of_calls(&self) -> bool;

    /// Whether only this thread takes from it.
    fn is_own(&self) -> bool;

    /// Lets nobody wait for more.
    fn close(&self);

    /// What it is called by.
    fn label(&self) -> &Label;

    /// Whether it does this when it is full, whatever the time.
    fn overflows_as(&self, overflow: Overflow) -> bool;
}

pub(crate) struct PipeOutlet<I> {
    pipe: Weak<Pipe<I>>,
    queue: Queue,
    has_default_queue: bool,
    label: Arc<Label>,
    is_of_calls: bool,
}

impl<I> PipeOutlet<I> {
    pub(crate) fn new(pipe: &Arc<Pipe<I>>, has_default_queue: bool, label: Arc<Label>) -> Arc<Self> {
        Arc::new(Self::of(pipe, has_default_queue, label))
    }

    /// The queue of an async handler.
    #[cfg(feature = "async")]
    pub(crate) fn of_calls(pipe: &Arc<Pipe<I>>, has_default_queue: bool, label: Arc<Label>) -> Arc<Self> {
        Arc::new(Self { is_of_calls: true, ..Self::of(pipe, has_default_queue, label) })
    }

    fn of(pipe: &Arc<Pipe<I>>, has_default_queue: bool, label: Arc<Label>) -> Self {
        Self { pipe: Arc::downgrade(pipe), queue: pipe.queue(), has_default_queue, label, is_of_calls: false }
    }
}

impl<I: Send + Sync> Outlet for PipeOutlet<I> {
    fn is_gone(&self) -> bool {
        self.pipe.strong_count() == 0
    }

    fn has_default_queue(&self) -> bool {
        self.has_default_queue
    }

    fn take_over(&self, config: &BusConfig) {
        if let Some(pipe) = self.pipe.upgrade().filter(|_| self.has_default_queue) {
            pipe.resize(config.queue_size.max(1));
            pipe.set_patience(config.block_timeout);
        }
    }

    fn undone(&self) -> usize {
        self.pipe.upgrade().map_or(0, |pipe| pipe.undone())
    }

    fn is_of_calls(&self) -> bool {
        self.is_of_calls
    }

    fn is_own(&self) -> bool {
        self.pipe.upgrade().is_some_and(|pipe| pipe.is_taken_from_here_only())
    }

    fn close(&self) {
        if let Some(pipe) = self.pipe.upgrade() {
            pipe.close();
        }
    }

    fn label(&self) -> &Label {
        &self.label
    }

    fn overflows_as(&self, overflow: Overflow) -> bool {
        self.queue.when_full().is_like(overflow)
    }
}
