//! One emit, from the handle or the name to the handlers.
//!
//! The fast way: read the version, take a guard on the topic's route, see that the route was checked at this version, call
//! the handlers. Everything else is off that way and marked `#[cold]`: finding the route, refusing, reporting.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::Result as Caught;

use sigtree_middleware::{
    Cause, Emission, Erased, Event, EventId, Home, Host, Kept, Mark, Next, Place, Sealed, Stack, Stamp, Terminal, Topic,
};

use super::cell::Cell;
use super::core::Core;
use super::failure::{layer_failed, layer_panicked};
use super::index::{hash, is_reserved};
use super::round::{Errand, Quiet, Round};
use super::route::{Route, Sink, Up};
use super::slot::{Called, Slot};
use super::thread::{self, Inside};
use crate::delivery::Delivery;
use crate::error::Error;
use crate::held::BusHome;
use crate::lifecycle::Life;
use crate::payload::{Offer, Owned, PayloadType};
use crate::sync::Ordering;
use crate::sys::{self, Report};

/// What goes with a payload, if anything.
#[derive(Default, Clone, Copy)]
pub(crate) struct Company<'a> {
    pub(crate) envelope: Option<&'a Sealed>,
    /// The id and time of a replayed event.
    pub(crate) identity: Option<(EventId, Stamp)>,
}

impl Core {
    /// Emits on a topic whose place is known.
    #[inline]
    pub(crate) fn emit_at<O: Offer>(
        &self,
        cell: &Arc<Cell>,
        topic: &Topic,
        offer: O,
        company: Option<&Company<'_>>,
    ) -> Delivery {
        let version = self.stamps.version();
        if cell.is_empty_at(version) {
            return Delivery::default();
        }
        let inside = Inside::enter();
        let guard = cell.route.load();
        if let Some(route) = &*guard
            && route.is_checked_at(version)
        {
            return self.emit_on(route, offer, company, version, &inside);
        }
        drop(guard);
        self.emit_unchecked(cell, topic, offer, company, &inside)
    }

    /// Emits on the route that a pinned signal holds.
    #[inline]
    pub(crate) fn emit_pinned<O: Offer>(&self, route: &Route, version: u64, offer: O) -> Delivery {
        let inside = Inside::enter();
        self.emit_on(route, offer, None, version, &inside)
    }

    /// Emits on a topic by name.
    #[inline(always)]
    pub(crate) fn emit_named<O: Offer>(&self, topic: &str, offer: O, company: Option<&Company<'_>>) -> Delivery {
        let version = self.stamps.version();
        let hash = hash(topic);
        let inside = Inside::enter();
        if let Some(cell) = self.cache.get(hash) {
            let guard = cell.route.load();
            if let Some(route) = &*guard
                && route.is_for(topic, hash)
                && route.is_checked_at(version)
                && route.payload.id == offer.payload_type().id
            {
                return self.emit_on(route, offer, company, version, &inside);
            }
        }
        self.emit_unchecked_named(topic, hash, offer, company, &inside)
    }

    #[cold]
    #[inline(never)]
    fn emit_unchecked<O: Offer>(
        &self,
        cell: &Arc<Cell>,
        topic: &Topic,
        offer: O,
        company: Option<&Company<'_>>,
        inside: &Inside,
    ) -> Delivery {
        let version = self.stamps.version();
        let payload = offer.payload_type();
        let found = self.admit(topic, || self.route_at(cell, topic, payload));
        match found {
            Ok(Some(route)) => self.emit_on(&route, offer, company, version, inside),
            Ok(None) => self.met_nobody(topic),
            Err(error) => self.refuse(error),
        }
    }

    #[cold]
    #[inline(never)]
    fn emit_unchecked_named<O: Offer>(
        &self,
        topic: &str,
        hash: u64,
        offer: O,
        company: Option<&Company<'_>>,
        inside: &Inside,
    ) -> Delivery {
        let version = self.stamps.version();
        let found = self.admit(topic, || self.route_named(topic, hash, offer.payload_type()));
        match found {
            Ok(Some(route)) => self.emit_on(&route, offer, company, version, inside),
            Ok(None) => self.met_nobody(topic),
            Err(error) => self.refuse(error),
        }
    }

    /// Emits on a route that is right. What most emits need is inlined where they stand: one quiet handler.
    #[inline(always)]
    fn emit_on<O: Offer>(
        &self,
        route: &Route,
        offer: O,
        company: Option<&Company<'_>>,
        version: u64,
        inside: &Inside,
    ) -> Delivery {
        if let Some(slot) = route.only_quiet()
            && company.is_none()
            && inside.depth() <= self.easy_depth
        {
            return offer.give(false, |payload, kept| {
                match catch_unwind(AssertUnwindSafe(|| slot.invoke_quiet(payload))) {
                    Ok(Called::Done) => Delivery::called_quietly(1),
                    unusual => self.end_unusual(route, (payload, kept), version, inside.depth(), slot, unusual),
                }
            });
        }
        self.emit_to_many(route, offer, company, version, inside)
    }

    /// The same for any number of handlers: without an event if nobody can tell.
    #[inline(never)]
    fn emit_to_many<O: Offer>(
        &self,
        route: &Route,
        offer: O,
        company: Option<&Company<'_>>,
        version: u64,
        inside: &Inside,
    ) -> Delivery {
        if company.is_some() || inside.depth() > self.easy_depth {
            return self.emit_loudly(route, offer, company, version, inside);
        }
        let offer = match route.only_keeping() {
            None => offer,
            Some(slot) => match offer.own() {
                Ok(payload) => return self.hand_over(route, payload, version, inside, slot),
                Err(offer) => offer,
            },
        };
        // Whether a payload that is still to be made has listeners above is found out on the other way.
        let unheard_here = O::IS_MADE && route.is_idle_here();
        let rises = route.up.is_some() && route.is_quiet_here() && !unheard_here && !self.ancestors_retain();
        if !route.is_quiet() && !rises {
            return self.emit_loudly(route, offer, company, version, inside);
        }
        offer.give(route.retains, |payload, kept| {
            let errand = Errand::new(self, payload, kept, version, inside.depth());
            self.call_quietly(route, &errand);
            match errand.called.get() {
                called if called > 0 && errand.emission().is_none() => Delivery::called_quietly(called),
                _ => self.end_eventful(route, &errand),
            }
        })
    }

    /// Gives a payload away to the only handler, which keeps it: no count of those who share it is touched, which who takes it from
    /// a queue may be at already.
    #[inline]
    fn hand_over(
        &self,
        route: &Route,
        payload: Arc<Erased>,
        version: u64,
        inside: &Inside,
        slot: &dyn Slot,
    ) -> Delivery {
        let mut place = Some(payload);
        match catch_unwind(AssertUnwindSafe(|| slot.invoke_owning(&mut place))) {
            Ok(Called::Done) => Delivery::called_quietly(1),
            unusual => self.end_handover(route, place, version, inside.depth(), slot, unusual),
        }
    }

    /// Calls quiet handlers here, and on the buses above as long as they are quiet there too.
    #[inline(never)]
    fn call_quietly(&self, route: &Route, errand: &Errand<'_>) {
        route.parts.run_quiet(&Quiet::new(self, &route.topic, errand));
        if let Some(up) = &route.up
            && !(errand.emission().is_none() && up.parent.rise_quietly(up, errand))
        {
            errand.with_event(&route.topic, |event| {
                if !event.emission().bubbling_is_stopped() {
                    errand.note_visits(self, event);
                    up.parent.receive(&up.topic, up.hash, event, route.payload);
                }
            });
        }
    }

    /// Takes an errand from a child, if the topic's route is at hand and quiet.
    #[inline]
    fn rise_quietly(&self, up: &Up, errand: &Errand<'_>) -> bool {
        let version = self.stamps.version();
        let Some(cell) = self.cache.get(up.hash) else { return false };
        let guard = cell.route.load();
        let Some(route) = &*guard else { return false };
        let fits = route.is_for(&up.topic, up.hash)
            && route.is_checked_at(version)
            && route.is_quiet_here()
            && route.payload.id == errand.payload.type_id();
        if fits {
            self.call_quietly(route, errand);
        }
        fits
    }

    /// The end of an errand in which something happened besides calls, or nobody was called.
    #[cold]
    #[inline(never)]
    fn end_eventful(&self, route: &Route, errand: &Errand<'_>) -> Delivery {
        let Some(emission) = errand.emission() else { return self.met_nobody(&route.topic) };
        emission.add_called(errand.called.get());
        self.finish(route, emission);
        Delivery::of(emission)
    }

    /// The same for a route with one handler, which was not just called.
    #[cold]
    #[inline(never)]
    fn end_unusual(
        &self,
        route: &Route,
        (payload, kept): (&Erased, &Kept),
        version: u64,
        depth: u32,
        slot: &dyn Slot,
        unusual: Caught<Called>,
    ) -> Delivery {
        let errand = Errand::new(self, payload, kept, version, depth);
        let round = Quiet::new(self, &route.topic, &errand);
        round.pattern.set(route.parts.iter().next().map(|part| part.node().pattern()));
        let _ = match unusual {
            Ok(called) => round.note(called, slot),
            Err(panic) => round.panicked(panic, slot),
        };
        self.end_eventful(route, &errand)
    }

    /// The same for one that was to have the payload.
    #[cold]
    #[inline(never)]
    fn end_handover(
        &self,
        route: &Route,
        place: Option<Arc<Erased>>,
        version: u64,
        depth: u32,
        slot: &dyn Slot,
        unusual: Caught<Called>,
    ) -> Delivery {
        match place {
            Some(payload) => {
                let kept = Kept::shared(payload);
                self.end_unusual(route, (kept.expect_shared(), &kept), version, depth, slot, unusual)
            }
            // It has it, and panicked then: nobody looks at the payload any more.
            None => self.end_unusual(route, (&(), &Kept::borrowed()), version, depth, slot, unusual),
        }
    }

    /// Emits on a route that is right, with an event.
    #[inline(never)]
    fn emit_loudly<O: Offer>(
        &self,
        route: &Route,
        offer: O,
        company: Option<&Company<'_>>,
        version: u64,
        inside: &Inside,
    ) -> Delivery {
        if inside.depth() > self.easy_depth
            && let Some(error) = self.too_deep(route, inside)
        {
            return self.refuse(error);
        }
        if route.is_idle() || (O::IS_MADE && route.is_idle_here() && self.nobody_above(route, offer.payload_type())) {
            return self.met_nobody(&route.topic);
        }
        offer.give(self.retains_on(route), |payload, kept| {
            let emission = Emission::new(self, self.at(version), inside.depth());
            let emission = match company.and_then(|company| company.identity) {
                None => emission,
                Some((id, stamp)) => {
                    self.ids.seen(id);
                    emission.with_identity(id, stamp)
                }
            };
            let envelope = company.and_then(|company| company.envelope);
            let event = Event::new(&route.topic, payload, kept, &emission).with_envelope(envelope);
            if route.is_plain() {
                route.parts.run(self, &event);
            } else {
                self.deliver_around(route, &event);
            }
            if emission.is_eventful() || emission.tally().called == 0 {
                self.finish(route, &emission);
            }
            Delivery::of(&emission)
        })
    }

    /// Whether an event of a route may meet somebody who keeps its payload.
    fn retains_on(&self, route: &Route) -> bool {
        // A layer may send the event to another topic, whose handlers the route does not know.
        let by_redirect = !route.layers.is_empty() && self.retainers.load(Ordering::Acquire) > 0;
        route.retains || by_redirect || (route.up.is_some() && self.ancestors_retain())
    }

    /// Whether an event of a route would meet nobody on the buses above.
    fn nobody_above(&self, route: &Route, payload: PayloadType) -> bool {
        let Some(up) = &route.up else { return true };
        match up.parent.route_named(&up.topic, up.hash, payload) {
            Ok(Some(route)) => route.is_idle_here() && up.parent.nobody_above(&route, payload),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Takes an event that comes from another bus: a child, a parent, a bridge. Each bus takes it once.
    pub(crate) fn receive(&self, topic: &Topic, hash: u64, event: &Event<'_>, payload: PayloadType) {
        let emission = event.emission();
        if !emission.visit(self.id) {
            return;
        }
        let version = self.stamps.version();
        let before = emission.enter_level(self.at(version));
        self.receive_at(version, topic, hash, event, payload);
        emission.leave_level(before);
    }

    #[inline]
    fn receive_at(&self, version: u64, topic: &Topic, hash: u64, event: &Event<'_>, payload: PayloadType) {
        if let Some(cell) = self.cache.get(hash) {
            let guard = cell.route.load();
            if let Some(route) = &*guard
                && route.is_for(topic, hash)
                && route.is_checked_at(version)
            {
                return self.deliver(route, event, payload);
            }
        }
        match self.route_named(topic, hash, payload) {
            Ok(Some(route)) if route.life == Life::Closed => {
                self.refuse_received(Error::shutting_down(&self.name), event);
            }
            Ok(Some(route)) => self.deliver(&route, event, payload),
            Ok(None) => {}
            Err(error) => self.refuse_received(error, event),
        }
    }

    /// Refuses an event that comes from another bus.
    #[cold]
    fn refuse_received(&self, error: Error, event: &Event<'_>) {
        event.emission().discard(format!("bus `{}` refused it: {error}", self.name).into());
        self.refuse(error);
    }

    fn deliver(&self, route: &Route, event: &Event<'_>, payload: PayloadType) {
        if payload.id != route.payload.id {
            return self.refuse_received(Error::type_mismatch(&route.topic, route.payload.name, payload.name), event);
        }
        let event = event.with_topic(&route.topic);
        if route.is_plain() { route.parts.run(self, &event) } else { self.deliver_around(route, &event) }
    }

    /// Delivers through layers, with mutes, down to sinks and up to the parent.
    fn deliver_around(&self, route: &Route, event: &Event<'_>) {
        self.deliver_through(&route.layers, route, event);
    }

    /// The same through other layers than the route's.
    #[inline]
    pub(crate) fn deliver_through(&self, layers: &Stack, route: &Route, event: &Event<'_>) {
        let end = End { core: self, route, layers };
        if layers.is_empty() {
            return end.deliver(event);
        }
        let run = || Next::run_routed(layers.layers(), &end, event);
        let caught = catch_unwind(AssertUnwindSafe(run));
        if let Some(error) = event.emission().take_error() {
            layer_failed(self, Cause::Error(error), event);
        }
        match caught {
            Err(panic) => layer_panicked(self, panic, event),
            Ok(()) if !event.emission().has_arrived() && !event.emission().is_held() => self.filtered(route, event),
            Ok(()) => {}
        }
    }

    /// Calls the handlers of the topic a layer sent an event to, and nothing else.
    fn deliver_redirected(&self, event: &Event<'_>, payload: PayloadType) {
        let topic = event.topic();
        match self.route_named(topic, hash(topic), payload) {
            Ok(Some(route)) if route.muted => event.emission().add_muted(route.parts.handlers() as u32),
            Ok(Some(route)) => self.run_parts(&route.parts, event),
            Ok(None) => {}
            Err(error) => drop(self.refuse(error)),
        }
    }

    /// The error if an emit is too deep; the topics of deep emits are noted for it.
    #[cold]
    pub(crate) fn too_deep(&self, route: &Route, inside: &Inside) -> Option<Error> {
        thread::note_deep(inside.depth(), &route.topic);
        (inside.depth() > self.depth_limit)
            .then(|| Error::too_deep(self.depth_limit, &thread::deep_chain(inside.depth() + 1)))
    }

    /// Refuses an emit: counted, reported, and in the delivery.
    #[cold]
    pub(crate) fn refuse(&self, error: Error) -> Delivery {
        self.counters.count_refused();
        tracing::debug!(target: "sigtree::dispatch", bus = %self.name, "refused: {error}");
        let error = Arc::new(error);
        if !error.is_too_deep() {
            self.report(sys::REFUSED, || sys::Refused { bus: self.name.clone(), error: error.clone() });
        }
        Delivery::refused(error)
    }

    #[cold]
    fn met_nobody(&self, topic: &str) -> Delivery {
        self.report_dead(topic);
        Delivery::default()
    }

    fn report_dead(&self, topic: &str) {
        if is_reserved(topic) {
            return;
        }
        self.report(sys::DEAD, || sys::Dead { bus: self.name.clone(), topic: Topic::from_trusted(topic.into()) });
    }

    #[cold]
    fn filtered(&self, route: &Route, event: &Event<'_>) {
        event.emission().discard("a layer did not go on".into());
        if let Some(row) = &route.row {
            row.count_filtered();
        }
        self.report(sys::FILTERED, || sys::Filtered {
            bus: self.name.clone(),
            topic: route.topic.clone(),
            reason: event.emission().reason().unwrap_or_default().as_ref().into(),
        });
    }

    /// The end of an emit that was out of the ordinary: nobody was called, or something failed.
    #[cold]
    pub(crate) fn finish(&self, route: &Route, emission: &Emission<'_>) {
        let tally = emission.tally();
        if tally.called + tally.skipped + tally.muted == 0
            && emission.reason().is_none()
            && !emission.is_stopped()
            && !emission.ended().is_held()
        {
            self.report_dead(&route.topic);
        }
        self.pass_panic_on(emission);
    }

    /// Lets the panic go on that a handler is to propagate, if there was one.
    pub(crate) fn pass_panic_on(&self, emission: &Emission<'_>) {
        if let Some(panic) = emission.take_panic() {
            resume_unwind(panic);
        }
    }

    /// Makes a report on this bus and those above, wherever somebody listens.
    pub(crate) fn report<T: Send + Sync + Clone + 'static>(&self, report: Report, make: impl FnOnce() -> T) {
        self.report_offer(report, || Owned(make()));
    }

    /// The same with a payload that is to be offered.
    pub(crate) fn report_offer<O: Offer + Clone>(&self, report: Report, make: impl FnOnce() -> O) {
        if !self.wants(report) {
            return;
        }
        let offer = make();
        for core in self.upwards() {
            if core.interest.load(Ordering::Relaxed) & report.bit() != 0 {
                core.emit_report(report, offer.clone());
            }
        }
    }

    fn emit_report<O: Offer>(&self, report: Report, offer: O) {
        let Some((topic, cell)) = self.reports[report.place()].get() else { return };
        if Inside::enter().depth() <= self.depth_limit {
            self.emit_at(cell, topic, offer, None);
        }
    }
}

/// The end of a bus's chain: its handlers, then the ways down and up.
struct End<'r> {
    core: &'r Core,
    route: &'r Route,
    layers: &'r Stack,
}

impl End<'_> {
    /// Delivers an event that was held, redirected, or carries advice.
    #[cold]
    fn deliver_off_the_way(&self, event: &Event<'_>) {
        event.emission().end_resuming();
        if event.is_redirected() {
            return self.core.deliver_redirected(event, self.route.payload);
        }
        if self.admits(event) {
            self.core.run_parts(&self.route.parts, event);
        }
        self.pass_on(event);
    }

    /// Whether the handlers are to be called: no layer stopped this level, and the topic is not muted.
    #[inline]
    fn admits(&self, event: &Event<'_>) -> bool {
        let emission = event.emission();
        if emission.level_is_stopped() {
            return false;
        }
        if self.route.muted {
            emission.add_muted(self.route.parts.handlers() as u32);
        }
        !self.route.muted
    }

    /// The ways down and up.
    #[inline(never)]
    fn pass_on(&self, event: &Event<'_>) {
        let Self { core, route, .. } = self;
        for Sink { child, topic, hash } in &route.sinks {
            match child.upgrade() {
                Some(child) => child.receive(topic, *hash, event, route.payload),
                None => core.try_forget_sinks(),
            }
        }
        if let Some(up) = &route.up
            && !event.emission().bubbling_is_stopped()
        {
            up.parent.receive(&up.topic, up.hash, event, route.payload);
        }
    }
}

impl Terminal for End<'_> {
    fn deliver(&self, event: &Event<'_>) {
        event.emission().note_arrived();
        if !event.is_straight() {
            return self.deliver_off_the_way(event);
        }
        if self.admits(event) {
            self.route.parts.run(self.core, event);
        }
        if self.route.goes_on() {
            self.pass_on(event);
        }
    }

    fn retains(&self) -> bool {
        self.core.retains_on(self.route)
    }

    fn place(&self) -> Place<'_> {
        Place::Bus
    }

    fn host(&self) -> Option<&dyn Host> {
        Some(self.core)
    }

    fn home(&self, mark: Mark, behind: usize) -> Option<Arc<dyn Home>> {
        let core = self.core.me.upgrade()?;
        let (topic, layers) = (self.route.topic.clone(), self.layers.with_gap(mark, behind));
        let _token = core.backstage.home_token();
        Some(Arc::new(BusHome { core, topic, layers, _token }))
    }
}
