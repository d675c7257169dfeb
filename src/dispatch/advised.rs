//! Handlers called through the advice of layers: each by itself, off the fast way.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sigtree_middleware::{Advised, Answer, Event, Pattern, Problem, Site};
use slotmap::Key;

use super::core::Core;
use super::failure::{Caller, Flow, flow_of};
use super::route::Parts;
use super::slot::{Called, Slot};

impl Core {
    /// Calls the handlers of a route in order, each through the advice that the event carries, if it carries any.
    #[inline]
    pub(super) fn run_parts(&self, parts: &Parts, event: &Event<'_>) {
        match event.advised() {
            None => parts.run(self, event),
            Some(advised) => self.run_advised(parts, event, advised),
        }
    }

    #[cold]
    fn run_advised(&self, parts: &Parts, event: &Event<'_>, advised: &Advised<'_>) {
        let event = event.with_advice(None);
        if let Parts::Measured(measured) = parts
            && measured.counts()
        {
            return measured.time_each(&|| event.emission().tally().called, &mut |part, slot, last| {
                Caller { core: self, pattern: part.node().pattern() }.call_advised(slot, &event, advised, last)
            });
        }
        for part in parts.iter() {
            let caller = Caller { core: self, pattern: part.node().pattern() };
            let mut call = |slot: &dyn Slot| caller.call_advised(slot, &event, advised, &Cell::new(Called::Skipped));
            if part.table().try_each(&mut call) == Flow::End {
                return;
            }
        }
    }
}

impl Caller<'_> {
    /// `last` gets what the last call was, beyond what the advice is told; there may be none.
    fn call_advised(&self, slot: &dyn Slot, event: &Event<'_>, advised: &Advised<'_>, last: &Cell<Called>) -> Flow {
        if !slot.header().is_plain() {
            return self.note(slot.header().why_not(), slot, event);
        }
        if !slot.accepts(event.payload_type()) {
            return Flow::Go;
        }
        let site = site_of(slot, self.pattern);
        let call = || {
            let caught = catch_unwind(AssertUnwindSafe(|| slot.invoke(event)));
            last.set(caught.as_ref().map_or(Called::Failed, |called| *called));
            answer_of(caught, event)
        };
        let answer = advised.run(site, event, &call);
        self.take_answer(answer, last.get(), slot, event)
    }

    fn take_answer(&self, answer: Answer, last: Called, slot: &dyn Slot, event: &Event<'_>) -> Flow {
        match answer {
            Answer::Done => match last {
                Called::Last | Called::Stop => self.note(last, slot, event),
                // Called once at least, or made up for by the advice; what it said on the event stands.
                _ => {
                    event.emission().add_called(1);
                    flow_of(event)
                }
            },
            Answer::Skipped(_) if matches!(last, Called::Dead | Called::Muted | Called::OtherType) => {
                self.note(last, slot, event)
            }
            Answer::Skipped(_) => self.note(Called::Skipped, slot, event),
            Answer::Failed(Problem::Error(error)) => {
                event.emission().set_error(error);
                self.note(Called::Failed, slot, event)
            }
            Answer::Failed(Problem::Panic(panic)) => self.panicked(panic, slot, event),
        }
    }
}

/// Which handler a slot is, for the advice.
pub(crate) fn site_of<'s>(slot: &'s dyn Slot, pattern: &'s Pattern) -> Site<'s> {
    let header = slot.header();
    let name = slot.name().map(|name| &**name);
    Site { id: header.id().data().as_ffi(), pattern: pattern.as_str(), name, location: header.site() }
}

/// What a call of a slot tells the advice.
pub(crate) fn answer_of(caught: std::thread::Result<Called>, event: &Event<'_>) -> Answer {
    match caught {
        Err(panic) => Answer::Failed(Problem::Panic(panic)),
        Ok(Called::Failed) => {
            let error = event.emission().take_error().unwrap_or_else(|| "unknown error".into());
            Answer::Failed(Problem::Error(error))
        }
        Ok(Called::Done | Called::Last | Called::Stop) => Answer::Done,
        Ok(Called::Dead) => Answer::Skipped(Cow::Borrowed("the handler is gone")),
        Ok(Called::Muted) => Answer::Skipped(Cow::Borrowed("the handler is muted")),
        Ok(Called::Skipped | Called::Filtered) => Answer::Skipped(Cow::Borrowed("not meant for the handler")),
        Ok(Called::OtherType | Called::NeedsEvent) => Answer::of_another_type(),
    }
}
