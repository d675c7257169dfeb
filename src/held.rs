//! Where events go on that a layer held: behind that layer, on their bus or at their connection.

use std::cell::Cell;
use std::sync::{Arc, Weak};

use sigtree_middleware::{
    Emission, Envelope, Erased, Event, Held, Home, Kept, Middleware, Pattern, Sealed, Stack, Topic, Trail,
};

use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::failure::Caller;
use crate::dispatch::index::hash;
use crate::dispatch::measured::call_resumed;
use crate::dispatch::slot::{Called, Slot};
use crate::dispatch::thread::{self, Inside, Resuming};
use crate::payload::PayloadType;

impl Bus {
    /// Lets every event go on, now and in this thread, that a layer of this bus, of its connections or of its children
    /// holds back: a [`Debounce`](crate::middleware::Debounce), a [`Batch`](crate::middleware::Batch) that is not full.
    ///
    /// What goes on from a child's layer and is held again on the way up goes on, too, and so does what sinks.
    ///
    /// Call it before a program ends: what is held then is lost, because the clock's thread ends too. A bus that is
    /// dropped needs no flush; it lives until what its layers hold has gone on.
    pub fn flush(&self) {
        self.flush_rising();
        self.flush_sinking();
    }

    /// Flushes the children first: what goes on there bubbles, and may be held here.
    fn flush_rising(&self) {
        self.children().iter().for_each(Self::flush_rising);
        self.flush_own();
    }

    /// Flushes the children last: what goes on here may sink, and be held there.
    fn flush_sinking(&self) {
        self.flush_own();
        self.children().iter().for_each(Self::flush_sinking);
    }

    fn flush_own(&self) {
        self.stack().flush();
        for slot in self.core().slots() {
            slot.flush();
        }
    }
}

/// A bus that takes back what its layers held. It keeps the bus alive.
pub(crate) struct BusHome {
    pub(crate) core: Arc<Core>,
    /// The topic it came by with, before any layer sent it to another one.
    pub(crate) topic: Topic,
    /// What it meets if the layer that held it is taken out meanwhile: not that layer, which would keep itself alive.
    pub(crate) layers: Stack,
    /// That it is not through, for a bus that waits for its end.
    pub(crate) _token: Arc<()>,
}

impl Home for BusHome {
    fn resume(&self, held: &Held) -> bool {
        let _here = Resuming::on(self.core.id);
        self.core.resume(held, self)
    }
}

impl Core {
    fn resume(&self, held: &Held, home: &BusHome) -> bool {
        let inside = Inside::enter();
        if inside.depth() > self.depth_limit {
            // It is nobody's fault how deep this thread is: it goes on as soon as it is not.
            let held = held.again();
            thread::later(Box::new(move || {
                held.release();
            }));
            return true;
        }
        let payload = held.share_erased();
        let payload_type = PayloadType { id: (*payload).type_id(), name: "a held payload" };
        let route = match self.route_named(&home.topic, hash(&home.topic), payload_type) {
            Ok(Some(route)) => route,
            Ok(None) => return true,
            Err(error) => {
                self.refuse(error);
                return false;
            }
        };
        let kept = Kept::shared(payload.clone());
        let sealed = held.share_envelope().map(Sealed::from);
        let emission = Emission::new(self, held.at(), inside.depth()).with_held(held);
        let event = Event::new(&route.topic, &*payload, &kept, &emission).with_envelope(sealed.as_ref()).returning();
        let event = if held.is_redirected() { event.redirected_to(held.topic()) } else { event };
        let deliver = |layers: &Stack| Trail::lead(&event, || self.deliver_through(layers, &route, &event));
        if route.layers.holds(held.mark()) {
            deliver(&route.layers);
        } else {
            deliver(&home.layers);
        }
        self.finish(&route, &emission);
        true
    }
}

/// A connection that takes back what its own layers held. It keeps the bus alive, but not the connection.
pub(crate) struct ConnectionHome {
    pub(crate) core: Arc<Core>,
    pub(crate) slot: Weak<dyn Slot>,
    pub(crate) pattern: Pattern,
    /// As that of a bus's.
    pub(crate) _token: Arc<()>,
}

impl Home for ConnectionHome {
    fn resume(&self, held: &Held) -> bool {
        // A handler that was disconnected meanwhile is not called any more.
        let Some(slot) = self.slot.upgrade() else { return false };
        let _here = Resuming::on(self.core.id);
        let inside = Inside::enter();
        let emission = Emission::new(&*self.core, held.at(), inside.depth()).with_held(held);
        let parcel = Parcel {
            topic: held.topic(),
            payload: held.share_erased(),
            envelope: held.share_envelope(),
            is_redirected: held.is_redirected(),
        };
        let caller = Caller { core: &self.core, pattern: &self.pattern };
        // A panic is a call, too.
        let called = Cell::new(Called::Failed);
        let mut is_there = false;
        call_resumed(&self.core, &*slot, &self.pattern, || {
            is_there = parcel.hand_over(caller, &*slot, &emission, |event| {
                called.set(slot.invoke(event));
                called.get()
            });
            if is_there { called.get() } else { Called::Skipped }
        });
        self.core.pass_panic_on(&emission);
        is_there
    }
}

/// What was kept of an event for one handler, which gets it past the layers of the bus.
pub(crate) struct Parcel<'k> {
    pub(crate) topic: &'k Topic,
    pub(crate) payload: Arc<Erased>,
    pub(crate) envelope: Option<Arc<Envelope>>,
    pub(crate) is_redirected: bool,
}

impl Parcel<'_> {
    /// Calls the handler with it; `false` if that is muted or gone.
    pub(crate) fn hand_over(
        self,
        caller: Caller<'_>,
        slot: &dyn Slot,
        emission: &Emission<'_>,
        call: impl FnOnce(&Event<'_>) -> Called,
    ) -> bool {
        if slot.header().is_muted() || slot.header().is_dead() || caller.core.mutes(self.topic) {
            return false;
        }
        let kept = Kept::shared(self.payload.clone());
        let sealed = self.envelope.map(Sealed::from);
        let event = Event::new(self.topic, &*self.payload, &kept, emission).with_envelope(sealed.as_ref());
        let event = if emission.resuming().is_some() { event.returning() } else { event };
        let event = if self.is_redirected { event.redirected_to(self.topic) } else { event };
        Trail::lead(&event, || caller.call_one(slot, &event, || call(&event)));
        true
    }
}
