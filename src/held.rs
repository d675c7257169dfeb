//! Where events go on that a layer held: behind that layer, on their bus or at their connection.

use std::sync::{Arc, Weak};

use sigtree_middleware::{Emission, Event, Held, Home, Kept, Middleware, Pattern, Sealed, Topic, Trail};

use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::failure::Caller;
use crate::dispatch::index::hash;
use crate::dispatch::slot::Slot;
use crate::dispatch::thread::Inside;
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
}

impl Home for BusHome {
    fn resume(&self, held: &Held) {
        self.core.resume(held, &self.topic);
    }
}

impl Core {
    fn resume(&self, held: &Held, topic: &Topic) {
        let inside = Inside::enter();
        let payload = held.share_erased();
        let payload_type = PayloadType { id: (*payload).type_id(), name: "a held payload" };
        let route = match self.route_named(topic, hash(topic), payload_type) {
            Ok(Some(route)) => route,
            Ok(None) => return,
            Err(error) => return drop(self.refuse(error)),
        };
        if let Some(error) = self.too_deep(&route, &inside) {
            return drop(self.refuse(error));
        }
        let kept = Kept::shared(payload.clone());
        let sealed = held.share_envelope().map(Sealed::from);
        let emission = Emission::new(self, self.at(self.stamps.version()), inside.depth()).with_held(held);
        let event = Event::new(&route.topic, &*payload, &kept, &emission).with_envelope(sealed.as_ref());
        let event = redirected_like(held, event);
        self.deliver_around(&route, &event);
        self.finish(&route, &emission);
    }
}

/// The event, with the topic that a layer before the one that held it gave it.
fn redirected_like<'e>(held: &'e Held, event: Event<'e>) -> Event<'e> {
    if held.is_redirected() { event.redirected_to(held.topic()) } else { event }
}

/// Calls a handler past the bus's stack: what it emits is tied to the event all the same.
pub(crate) fn follow_trail_of(event: &Event<'_>, call: impl FnOnce()) {
    match Trail::of(event) {
        Some(trail) => trail.follow(call),
        None => call(),
    }
}

/// A connection that takes back what its own layers held. It keeps the bus alive, but not the connection.
pub(crate) struct ConnectionHome {
    pub(crate) core: Arc<Core>,
    pub(crate) slot: Weak<dyn Slot>,
    pub(crate) pattern: Pattern,
}

impl Home for ConnectionHome {
    fn resume(&self, held: &Held) {
        // A handler that was disconnected meanwhile is not called any more.
        let Some(slot) = self.slot.upgrade() else { return };
        let inside = Inside::enter();
        let payload = held.share_erased();
        let kept = Kept::shared(payload.clone());
        let sealed = held.share_envelope().map(Sealed::from);
        let emission =
            Emission::new(&*self.core, self.core.at(self.core.stamps.version()), inside.depth()).with_held(held);
        let event = Event::new(held.topic(), &*payload, &kept, &emission).with_envelope(sealed.as_ref());
        let event = redirected_like(held, event);
        let call =
            || Caller { core: &self.core, pattern: &self.pattern }.call_one(&*slot, &event, || slot.invoke(&event));
        follow_trail_of(&event, call);
        self.core.pass_panic_on(&emission);
    }
}
