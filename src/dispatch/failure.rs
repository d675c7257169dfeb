//! What becomes of a handler that does not just return.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sigtree_middleware::{Cause, Event, Failure, Pattern};

use super::core::Core;
use super::slot::{Called, Entry, Slot};
use crate::policy::Policy;
use crate::sys;

/// Whether the handlers of a level go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Go,
    End,
}

/// Calls the handlers of one pattern on one bus, and answers for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'c> {
    pub(crate) core: &'c Core,
    pub(crate) pattern: &'c Pattern,
}

impl Caller<'_> {
    /// Calls one handler outside an emit, with the same care.
    pub(crate) fn call_one(&self, slot: &dyn Slot, event: &Event<'_>, call: impl FnOnce() -> Called) {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Called::Done) => {}
            Ok(called) => drop(self.note(called, slot, event)),
            Err(panic) => drop(self.panicked(panic, slot, event)),
        }
    }

    /// Takes note of a call that was not just a call.
    #[cold]
    pub(crate) fn note(&self, called: Called, slot: &dyn Slot, event: &Event<'_>) -> Flow {
        let emission = event.emission();
        match called {
            // The last of them is the quiet round's to answer.
            Called::Done | Called::OtherType | Called::NeedsEvent => {}
            Called::Muted => emission.add_muted(1),
            Called::Skipped | Called::Filtered => {
                // By a layer around the handler, which may have stopped the level too.
                emission.add_skipped(1);
                return flow_of(event);
            }
            Called::Dead => {
                emission.add_skipped(1);
                self.reap_if_over(slot);
            }
            Called::Last => {
                emission.add_called(1);
                self.reap_if_over(slot);
                return flow_of(event);
            }
            Called::Stop => {
                emission.add_called(1);
                self.reap_if_over(slot);
                return Flow::End;
            }
            Called::Failed => {
                emission.add_called(1);
                self.reap_if_over(slot);
                let error = emission.take_error().unwrap_or_else(|| "unknown error".into());
                return self.fail(Cause::Error(error), None, slot, event);
            }
        }
        Flow::Go
    }

    /// Takes note of a handler that panicked.
    #[cold]
    pub(crate) fn panicked(&self, panic: Box<dyn Any + Send>, slot: &dyn Slot, event: &Event<'_>) -> Flow {
        event.emission().add_called(1);
        self.reap_if_over(slot);
        self.fail(Cause::of_panic(&*panic), Some(panic), slot, event)
    }

    /// The slot's policy or the bus's; a report that fails must not end or unwind what it reports.
    fn policy(&self, slot: &dyn Slot, event: &Event<'_>) -> Policy {
        match slot.policy().unwrap_or(self.core.policy) {
            Policy::FailFast | Policy::Propagate if event.topic().is_reserved() => Policy::Isolate,
            policy => policy,
        }
    }

    fn reap_if_over(&self, slot: &dyn Slot) {
        if slot.is_expired() {
            slot.header().kill();
            self.core.try_reap(slot.header().id());
        }
    }

    fn fail(&self, cause: Cause, panic: Option<Box<dyn Any + Send>>, slot: &dyn Slot, event: &Event<'_>) -> Flow {
        let header = slot.header();
        let failure = Arc::new(Failure {
            topic: event.topic().clone(),
            pattern: Some(self.pattern.as_str().into()),
            name: slot.name().cloned(),
            site: Some(header.site()),
            cause,
        });
        let count = header.count_failure();
        report(self.core, &failure, event);
        match self.policy(slot, event) {
            Policy::Propagate => {
                if let Some(panic) = panic {
                    event.emission().set_panic(panic);
                }
                return flow_of(event);
            }
            Policy::FailFast => event.emission().stop_failed(),
            Policy::DetachAfter(limit) if count >= limit.get() => {
                header.kill();
                self.core.try_reap(header.id());
            }
            Policy::Isolate | Policy::DetachAfter(_) => {}
        }
        discard(panic);
        flow_of(event)
    }
}

/// Whether the handlers of the level go on, by what they said on the event.
pub(super) fn flow_of(event: &Event<'_>) -> Flow {
    if event.emission().level_is_stopped() { Flow::End } else { Flow::Go }
}

/// Takes note of a layer that broke the rules of a chain.
#[cold]
pub(super) fn layer_failed(core: &Core, cause: Cause, event: &Event<'_>) {
    let topic = event.topic().clone();
    report(core, &Arc::new(Failure { topic, pattern: None, name: None, site: None, cause }), event);
}

/// Takes note of a layer that panicked; the emit is over.
#[cold]
pub(super) fn layer_panicked(core: &Core, panic: Box<dyn Any + Send>, event: &Event<'_>) {
    event.emission().stop_failed();
    layer_failed(core, Cause::of_panic(&*panic), event);
    if core.policy == Policy::Propagate {
        event.emission().set_panic(panic);
    } else {
        discard(Some(panic));
    }
}

/// Puts a failure where people look for it.
fn report(core: &Core, failure: &Arc<Failure>, event: &Event<'_>) {
    event.emission().add_failure(failure.clone());
    core.report_failure(failure);
}

impl Core {
    /// Reports a failure that came when the call was over, for its slot, too, if that is still there: it ends if it failed often
    /// enough.
    pub(crate) fn report_late_failure(&self, failure: &Arc<Failure>, slot: Option<Entry>) {
        let count = slot.as_ref().map(|slot| slot.header().count_failure());
        self.report_failure(failure);
        if let (Some(slot), Some(count)) = (slot, count)
            && let Policy::DetachAfter(limit) = slot.policy().unwrap_or(self.policy)
            && count >= limit.get()
        {
            slot.header().kill();
            self.try_reap(slot.header().id());
        }
    }

    /// Counts, traces and reports a failure.
    pub(crate) fn report_failure(&self, failure: &Arc<Failure>) {
        self.counters.count_failure();
        if let Some(meter) = self.meter() {
            meter.count_failure(failure);
        }
        tracing::error!(target: "sigtree::dispatch", bus = %self.name, topic = %failure.topic, "{failure}");
        // A report that fails is counted and traced, and not reported again.
        if !failure.topic.is_reserved() {
            self.report(sys::HANDLER_FAILED, || sys::HandlerFailed {
                bus: self.name.clone(),
                failure: failure.clone(),
            });
        }
    }
}

/// Drops what a panic carried; its own drop may panic too.
pub(crate) fn discard(panic: Option<Box<dyn Any + Send>>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}
