//! One round of calls: who is called with what, and who answers for what happens.

use std::any::Any;
use std::cell::{Cell, OnceCell};

use sigtree_middleware::{Emission, Erased, Event, Kept, Pattern};

use super::core::Core;
use super::failure::{Caller, Flow};
use super::route::Route;
use super::slot::{Called, Slot};

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

/// A round of quiet handlers on a plain route: the event is made only when something out of the ordinary happens, which none of
/// the handlers can tell.
pub struct Quiet<'r> {
    pub(crate) core: &'r Core,
    pub(crate) route: &'r Route,
    pub(crate) payload: &'r Erased,
    kept: &'r Kept,
    version: u64,
    depth: u32,
    pub(crate) called: Cell<u32>,
    pub(crate) emission: OnceCell<Emission<'r>>,
    /// The pattern whose handlers are being called.
    pub(crate) pattern: Cell<Option<&'r Pattern>>,
}

impl<'r> Quiet<'r> {
    #[inline]
    pub(crate) fn new(
        core: &'r Core,
        route: &'r Route,
        payload: &'r Erased,
        kept: &'r Kept,
        version: u64,
        depth: u32,
    ) -> Self {
        Self {
            core,
            route,
            payload,
            kept,
            version,
            depth,
            called: Cell::new(0),
            emission: OnceCell::new(),
            pattern: Cell::new(None),
        }
    }

    fn with_event(&self, report: impl FnOnce(&Caller<'_>, &Event<'_>) -> Flow) -> Flow {
        let emission = self.emission.get_or_init(|| Emission::new(self.core, self.version, self.depth));
        let event = Event::new(&self.route.topic, self.payload, self.kept, emission);
        let pattern = self.pattern.get().expect("set before the first call");
        report(&Caller { core: self.core, pattern }, &event)
    }
}

impl Round for Quiet<'_> {
    #[cold]
    #[inline(never)]
    fn note(&self, called: Called, slot: &dyn Slot) -> Flow {
        self.with_event(|caller, event| caller.note(called, slot, event))
    }

    #[cold]
    #[inline(never)]
    fn panicked(&self, panic: Box<dyn Any + Send>, slot: &dyn Slot) -> Flow {
        self.with_event(|caller, event| caller.panicked(panic, slot, event))
    }

    #[inline]
    fn add_called(&self, n: u32) {
        self.called.set(self.called.get() + n);
    }
}

impl std::fmt::Debug for Quiet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quiet").field("called", &self.called).finish_non_exhaustive()
    }
}
