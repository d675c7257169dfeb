//! Handlers of a bus that is measured: each emit is counted, and now and then one is timed, off the fast way.
//!
//! A route of such a bus has its parts behind [`Measured`], and its only handler behind an [`OnlyMeasured`]: so a bus that is not
//! measured looks nowhere whether it is.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{DeadLetter, Erased, Event, Kept, Layer, Pattern};

use super::alike::Uniform;
use super::core::Core;
use super::failure::Flow;
use super::round::{Loud, Quiet};
use super::route::{Part, Parts};
use super::slot::{Called, Entry, Header, Slot};
use super::table::run_slot;
use crate::metering::{Lanes, Meter, Stream};
use crate::payload::PayloadType;
use crate::policy::Policy;
use crate::queue::QueueStats;

/// The parts of a route, and what its events count in.
#[derive(Clone)]
pub(crate) struct Measured {
    pub(super) parts: Parts,
    handlers: usize,
    meter: Arc<Meter>,
    stream: Arc<Stream>,
}

impl Measured {
    pub(super) fn new(parts: Parts, meter: Arc<Meter>, stream: Arc<Stream>) -> Self {
        Self { handlers: parts.handlers(), parts, meter, stream }
    }

    /// Counts an event; whether it is to be timed.
    #[inline]
    pub(super) fn counts(&self) -> bool {
        self.stream.lanes.tick()
    }

    /// Calls the handlers in order, timed.
    #[cold]
    #[inline(never)]
    pub(super) fn run_timed(&self, core: &Core, event: &Event<'_>) {
        let called = || event.emission().tally().called;
        self.time_each(&called, &mut |part, slot, last| {
            let loud = Loud { core, pattern: part.node().pattern(), event };
            run_slot(slot, &loud, |slot| {
                let called = slot.invoke(event);
                last.set(called);
                called
            })
        });
    }

    /// The same for quiet handlers.
    #[cold]
    #[inline(never)]
    pub(super) fn run_quiet_timed<'r>(&'r self, round: &Quiet<'r, '_>) {
        let errand = round.errand;
        let called = || errand.called.get() + errand.emission().map_or(0, |emission| emission.tally().called);
        // Who has conditions or layers is not quiet.
        self.time_each(&called, &mut |part, slot, _| {
            round.pattern.set(Some(part.node().pattern()));
            run_slot(slot, round, |slot| slot.invoke_keeping(errand.payload, errand.kept))
        });
    }

    /// Times all handlers together, and each of them while looks are frequent, else one, which stands for all: so a look at many costs no
    /// more than one at few. `call` calls a handler, and notes how that went where it may have been filtered; `called` says how many
    /// were called so far.
    pub(super) fn time_each<'r>(&'r self, called: &dyn Fn() -> u32, call: CallEach<'_, 'r>) {
        let mut look = Look::begin(&self.meter, &self.stream.lanes);
        let (share, chosen) = match look.weight {
            1 => (1, None),
            _ => (self.handlers as u64, Some(fastrand::usize(..self.handlers))),
        };
        let (mut at, calls) = (0, called());
        for part in self.parts.iter() {
            let flow = part.table().try_each(&mut |slot| {
                at += 1;
                let last = Cell::new(Called::Skipped);
                if chosen.is_some_and(|chosen| chosen + 1 != at) {
                    return call(part, slot, &last);
                }
                let before = called();
                look.now = self.meter.clock.elapsed();
                let flow = call(part, slot, &last);
                let last = if called() > before { Called::Done } else { last.get() };
                look.note(last, share, slot, part.node().pattern());
                flow
            });
            if flow == Flow::End {
                break;
            }
        }
        look.end((called() - calls).into(), &self.stream);
    }

    /// The handler, if there is one alone, which then counts by itself.
    pub(super) fn only(&self) -> Option<Entry> {
        let inner = self.parts.only()?;
        let pattern = self.parts.iter().next()?.node().pattern().clone();
        let Self { meter, stream, .. } = self.clone();
        Some(Arc::new(OnlyMeasured { inner, pattern, meter, stream }))
    }
}

/// Calls a handler, and notes how that went.
type CallEach<'c, 'r> = &'c mut dyn FnMut(&'r Part, &dyn Slot, &Cell<Called>) -> Flow;

/// One event that is looked at: reads the clock around each handler, and books what it sees.
struct Look<'m> {
    meter: &'m Meter,
    weight: u64,
    began: Duration,
    now: Duration,
}

impl<'m> Look<'m> {
    fn begin(meter: &'m Meter, lanes: &Lanes) -> Self {
        let weight = lanes.weigh(meter.metering().every);
        let now = meter.clock.elapsed();
        Self { meter, weight, began: now, now }
    }

    /// Notes a handler that was called, or passed over, and stands for so many in each event.
    fn note(&mut self, called: Called, share: u64, slot: &dyn Slot, pattern: &Pattern) {
        let now = self.meter.clock.elapsed();
        if called == Called::Filtered {
            self.meter.add_filtered(slot, pattern, self.weight * share);
        }
        if called.is_call() {
            let took = now.saturating_sub(self.now);
            self.meter.pattern(pattern).calls.add(self.weight * share, took);
            self.meter.add_calls(slot, self.weight * share, took, now);
            self.meter.slow.see(slot, pattern, took);
        }
        // What booking took is nobody's time.
        self.began += self.meter.clock.elapsed().saturating_sub(now);
    }

    fn end(self, called: u64, stream: &Stream) {
        if called > 0 {
            let now = self.meter.clock.elapsed();
            let took = now.saturating_sub(self.began);
            stream.topic.calls.add(called * self.weight, took);
            self.meter.add_delivery(took, now);
        }
    }
}

/// Calls a handler with what a layer around its connection held, counted and now and then timed; `call` says what became of it.
pub(crate) fn call_resumed(core: &Core, slot: &dyn Slot, pattern: &Pattern, call: impl FnOnce() -> Called) {
    let Some(meter) = core.meter().filter(|meter| meter.resumed.tick()) else {
        call();
        return;
    };
    let mut look = Look::begin(&meter, &meter.resumed);
    let called = call();
    look.note(called, 1, slot, pattern);
}

/// The only handler of a route of a bus that is measured.
struct OnlyMeasured {
    inner: Entry,
    pattern: Pattern,
    meter: Arc<Meter>,
    stream: Arc<Stream>,
}

impl OnlyMeasured {
    #[cold]
    #[inline(never)]
    fn timed(&self, call: impl FnOnce(&dyn Slot) -> Called) -> Called {
        let mut look = Look::begin(&self.meter, &self.stream.lanes);
        let caught = catch_unwind(AssertUnwindSafe(|| call(&*self.inner)));
        let called = caught.as_ref().map_or(Called::Failed, |called| *called);
        look.note(called, 1, &*self.inner, &self.pattern);
        look.end(called.is_call().into(), &self.stream);
        caught.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Counts an event when it is dropped: also one whose handler panicked.
struct Count<'s>(&'s Lanes);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.tick();
    }
}

impl Slot for OnlyMeasured {
    fn invoke(&self, event: &Event<'_>) -> Called {
        if self.stream.lanes.tick() {
            return self.timed(|slot| slot.invoke(event));
        }
        self.inner.invoke(event)
    }

    #[inline]
    fn invoke_quiet(&self, payload: &Erased) -> Called {
        if self.stream.lanes.tick() {
            return self.timed(|slot| slot.invoke_quiet(payload));
        }
        self.inner.invoke_quiet(payload)
    }

    fn invoke_keeping(&self, payload: &Erased, kept: &Kept) -> Called {
        if self.stream.lanes.tick() {
            return self.timed(|slot| slot.invoke_keeping(payload, kept));
        }
        self.inner.invoke_keeping(payload, kept)
    }

    fn invoke_owning(&self, place: &mut Option<Arc<Erased>>) -> Called {
        // What is to be timed, and what needs an event, is called with one, and counts then.
        if self.stream.lanes.is_due() {
            return Called::NeedsEvent;
        }
        let count = Count(&self.stream.lanes);
        let called = self.inner.invoke_owning(place);
        if called == Called::NeedsEvent {
            std::mem::forget(count);
        }
        called
    }

    fn is_quiet(&self) -> bool {
        self.inner.is_quiet()
    }

    fn seen(&self) -> &dyn Slot {
        self.inner.seen()
    }

    fn header(&self) -> &Header {
        self.inner.header()
    }

    fn accepts(&self, payload: TypeId) -> bool {
        self.inner.accepts(payload)
    }

    fn retains(&self) -> bool {
        self.inner.retains()
    }

    fn policy(&self) -> Option<Policy> {
        self.inner.policy()
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.inner.name()
    }

    fn ends_itself(&self) -> bool {
        self.inner.ends_itself()
    }

    fn is_expired(&self) -> bool {
        self.inner.is_expired()
    }

    fn uniform(self: Arc<Self>) -> Option<Box<dyn Uniform>> {
        None
    }

    fn flush(&self) {
        self.inner.flush();
    }

    fn ended(&self) {
        self.inner.ended();
    }

    fn layers(&self) -> &[Layer] {
        self.inner.layers()
    }

    fn listens(&self) -> bool {
        self.inner.listens()
    }

    fn dead_letters(&self) -> Option<&DeadLetter> {
        self.inner.dead_letters()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        self.inner.explain(notes);
    }

    fn queue_stats(&self) -> Option<QueueStats> {
        self.inner.queue_stats()
    }

    fn replaced(&self) -> Option<u64> {
        self.inner.replaced()
    }

    fn undone_calls(&self) -> usize {
        self.inner.undone_calls()
    }

    fn offer(self: Arc<Self>, _place: &mut dyn Any) {}

    fn answers(&self) -> Option<PayloadType> {
        self.inner.answers()
    }
}
