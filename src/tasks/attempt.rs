//! [`Attempt`]: one call of a reliable async handler.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;
use sigtree_middleware::Cause;

use super::running::{CallOf, Ended, Step, Undone, cause_of, discard_future};
use crate::dispatch::core::Core;
use crate::dispatch::failure::discard;
use crate::handler::Outcome;
use crate::reliable::{Failed, Late, Ticket};
use crate::subscription::Receives;
use crate::sync::{AtomicBool, Ordering};

pin_project! {
    /// An attempt at an event: its end says how it went, also if it is dropped before.
    pub(super) struct Attempt<T, F>
    where
        T: Receives,
        T: ?Sized,
    {
        #[pin]
        future: Option<F>,
        ticket: Arc<Ticket<T>>,
        watch: Arc<Watch>,
        of: CallOf,
        core: Weak<Core>,
        desk: Weak<dyn Turns>,
        began: bool,
    }

    impl<T, F> PinnedDrop for Attempt<T, F>
    where
        T: Receives,
        T: ?Sized,
    {
        fn drop(this: Pin<&mut Self>) {
            this.give_up();
        }
    }
}

/// Who gives out turns.
pub(super) trait Turns: Send + Sync {
    /// A call is over.
    fn end_turn(&self);
}

/// Where the clock leaves word for the task.
#[derive(Default)]
struct Watch {
    is_late: AtomicBool,
    task: AtomicWaker,
}

impl Late for Watch {
    /// Pairs with `is_late`: if this comes first it is seen there, else the task is woken to look again.
    fn be_late(&self) {
        self.is_late.store(true, Ordering::SeqCst);
        self.task.wake();
    }
}

impl Watch {
    /// Whether it is; if not, the task is woken when it is.
    fn is_late(&self, context: &Context<'_>) -> bool {
        self.task.register(context.waker());
        self.is_late.load(Ordering::SeqCst)
    }
}

impl<T: Receives + ?Sized, F> Attempt<T, F> {
    pub(super) fn new(future: F, ticket: Arc<Ticket<T>>, of: CallOf, core: Weak<Core>, desk: Weak<dyn Turns>) -> Self {
        let watch = Arc::new(Watch::default());
        let told: Weak<Watch> = Arc::downgrade(&watch);
        if !ticket.watch(told) {
            watch.be_late();
        }
        Self { future: Some(future), ticket, watch, of, core, desk, began: false }
    }

    /// Says how it went. One that is late is told so, and says nothing more.
    fn end(&self, cause: Option<Cause>) {
        let core = self.core.upgrade();
        // Until it is reported.
        let undone = core.as_ref().map(Undone::new);
        // A payload's own drop may panic.
        let failed = catch_unwind(AssertUnwindSafe(|| match &cause {
            None => {
                self.ticket.ack();
                None
            }
            Some(cause) => Some(self.ticket.fails(cause)),
        }));
        match (failed, cause, core) {
            (Ok(Some(Failed::Dead)), Some(cause), Some(core)) => {
                core.report_late_failure(&self.of.failure(cause), self.of.label.slot());
            }
            (Err(panic), ..) => discard(Some(panic)),
            _ => {}
        }
        drop(undone);
        if let Some(desk) = self.desk.upgrade() {
            desk.end_turn();
        }
    }
}

impl<T, F, O> Step for Attempt<T, F>
where
    T: Receives + ?Sized,
    F: Future<Output = O> + Send,
    O: Outcome,
{
    fn step(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let this = self.as_mut().project();
        *this.began = true;
        let is_late = this.watch.is_late(context);
        let mut future = this.future;
        let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Ready(Ok(())) };
        let cause = if is_late {
            Some(Cause::Error("it was late".into()))
        } else {
            match catch_unwind(AssertUnwindSafe(|| running.poll(context))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(outcome)) => outcome.into_result().err().map(Cause::Error),
                Err(panic) => Some(cause_of(panic)),
            }
        };
        discard_future(future);
        self.end(cause);
        Poll::Ready(Ok(()))
    }

    fn of(&self) -> &CallOf {
        &self.of
    }

    /// Those that wait for others are not made yet.
    fn line_up(self: Pin<&mut Self>) {}

    fn forgo(self: Pin<&mut Self>) -> bool {
        let is_new = !self.began;
        self.give_up();
        is_new
    }
}

impl<T: Receives + ?Sized, F> Attempt<T, F> {
    fn give_up(mut self: Pin<&mut Self>) {
        if self.future.is_none() {
            return;
        }
        discard_future(self.as_mut().project().future);
        let what = if self.began { "it was cancelled" } else { "it was dropped before it began" };
        self.end(Some(Cause::Error(what.into())));
    }
}
