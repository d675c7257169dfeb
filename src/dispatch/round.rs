//! One round of calls: who is called with what, and who answers for what happens.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::fmt;

use sigtree_middleware::{Emission, Erased, Event, Kept, Pattern, Topic};

use super::core::Core;
use super::failure::{Caller, Flow};
use super::slot::{Called, Slot};
use super::table::run_slot;

/// What a run of handlers reports to.
pub(crate) trait Round {
    /// Takes note of a call that was not just a call.
    fn note(&self, called: Called, slot: &dyn Slot) -> Flow;

    /// Takes note of a handler that panicked.
    fn panicked(&self, panic: Box<dyn Any + Send>, slot: &dyn Slot) -> Flow;

    /// Adds calls that went well.
    fn add_called(&self, n: u32);
}

/// A round with an event: what most handlers, and everything around them, need.
#[derive(Debug)]
pub struct Loud<'r> {
    pub(crate) core: &'r Core,
    pub(crate) pattern: &'r Pattern,
    pub(crate) event: &'r Event<'r>,
}

impl Round for Loud<'_> {
    #[cold]
    #[inline(never)]
    fn note(&self, called: Called, slot: &dyn Slot) -> Flow {
        Caller { core: self.core, pattern: self.pattern }.note(called, slot, self.event)
    }

    #[cold]
    #[inline(never)]
    fn panicked(&self, panic: Box<dyn Any + Send>, slot: &dyn Slot) -> Flow {
        Caller { core: self.core, pattern: self.pattern }.panicked(panic, slot, self.event)
    }

    #[inline]
    fn add_called(&self, n: u32) {
        self.event.emission().add_called(n);
    }
}

/// An emit whose handlers are all quiet, so far: the event is made only when something out of the ordinary happens, which none of
/// them can tell.
pub(crate) struct Errand<'e> {
    /// The bus it was emitted on.
    core: &'e Core,
    pub(crate) payload: &'e Erased,
    pub(crate) kept: &'e Kept,
    version: u64,
    depth: u32,
    pub(crate) called: Cell<u32>,
    emission: OnceCell<Emission<'e>>,
}

/// A round of quiet handlers of one route.
#[derive(Debug)]
pub struct Quiet<'r, 'e> {
    core: &'r Core,
    topic: &'r Topic,
    pub(crate) errand: &'r Errand<'e>,
    /// The pattern whose handlers are being called.
    pub(crate) pattern: Cell<Option<&'r Pattern>>,
}

impl<'e> Errand<'e> {
    #[inline]
    pub(crate) fn new(core: &'e Core, payload: &'e Erased, kept: &'e Kept, version: u64, depth: u32) -> Self {
        Self { core, payload, kept, version, depth, called: Cell::new(0), emission: OnceCell::new() }
    }

    /// The emission, if anything happened besides calls.
    #[inline]
    pub(crate) fn emission(&self) -> Option<&Emission<'e>> {
        self.emission.get()
    }

    /// Notes the buses it has been on without an event, up to this one, so that it comes to none of them again.
    pub(crate) fn note_visits(&self, up_to: &Core, event: &Event<'_>) {
        for core in self.core.upwards() {
            event.emission().visit(core.id);
            if core.id == up_to.id {
                return;
            }
        }
    }

    /// Goes on with an event, as it is on the bus that names its topic so.
    pub(crate) fn with_event<R>(&self, topic: &Topic, go_on: impl FnOnce(&Event<'_>) -> R) -> R {
        let emission = self.emission.get_or_init(|| Emission::new(self.core, self.core.at(self.version), self.depth));
        go_on(&Event::new(topic, self.payload, self.kept, emission))
    }
}

impl<'r, 'e> Quiet<'r, 'e> {
    #[inline]
    pub(crate) fn new(core: &'r Core, topic: &'r Topic, errand: &'r Errand<'e>) -> Self {
        Self { core, topic, errand, pattern: Cell::new(None) }
    }

    fn with_caller(&self, report: impl FnOnce(&Caller<'_>, &Event<'_>) -> Flow) -> Flow {
        let pattern = self.pattern.get().expect("set before the first call");
        let caller = Caller { core: self.core, pattern };
        self.errand.with_event(self.topic, |event| report(&caller, event))
    }
}

impl Round for Quiet<'_, '_> {
    #[cold]
    #[inline(never)]
    fn note(&self, called: Called, slot: &dyn Slot) -> Flow {
        self.with_caller(|caller, event| match called {
            Called::NeedsEvent => {
                let loud = Loud { core: caller.core, pattern: caller.pattern, event };
                run_slot(slot, &loud, |slot| slot.invoke(event))
            }
            called => caller.note(called, slot, event),
        })
    }

    #[cold]
    #[inline(never)]
    fn panicked(&self, panic: Box<dyn Any + Send>, slot: &dyn Slot) -> Flow {
        self.with_caller(|caller, event| caller.panicked(panic, slot, event))
    }

    #[inline]
    fn add_called(&self, n: u32) {
        self.errand.called.set(self.errand.called.get() + n);
    }
}

impl fmt::Debug for Errand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand").field("called", &self.called).field("emission", &self.emission.get()).finish()
    }
}
