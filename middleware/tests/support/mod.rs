//! A bus of the smallest kind: one emit at a time through one layer, to an end that writes down what arrives.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

#[cfg(feature = "recording")]
pub mod recordings;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{
    At, Clock, Emission, Envelope, Erased, Event, EventId, Host, Ids, Kept, Landing, ManualClock, Middleware, Next,
    Place, Replayed, Sealed, SequentialIds, Stamp, Tally, Target, Terminal, Topic,
};

/// Emits, and writes down what comes through: `topic payload`, with a `*` if it was replayed.
pub struct Rig {
    pub clock: ManualClock,
    ids: SequentialIds,
    ids_made: Cell<u32>,
    version: Cell<u64>,
    depth: Cell<u32>,
    connection: Cell<Option<(&'static str, Option<&'static str>)>>,
    seen: RefCell<Vec<String>>,
}

/// A rig whose emits, and the replays onto it, go through a layer.
pub struct Layered<'r, M> {
    pub rig: &'r Rig,
    pub layer: M,
}

/// What became of one emit.
#[derive(Debug)]
pub struct Outcome {
    pub tally: Tally,
    pub reason: Option<String>,
}

impl Rig {
    pub fn new() -> Self {
        Self::with_clock(ManualClock::new())
    }

    pub fn with_clock(clock: ManualClock) -> Self {
        Self {
            clock,
            ids: SequentialIds::default(),
            ids_made: Cell::new(0),
            version: Cell::new(0),
            depth: Cell::new(0),
            connection: Cell::new(None),
            seen: RefCell::default(),
        }
    }

    /// Emits through a layer; the payload is put into an `Arc` if the layer keeps payloads.
    pub fn emit<T: Any + Send + Sync>(&self, layer: &dyn Middleware, topic: &str, payload: T) -> Outcome {
        self.emit_in(layer, topic, payload, None)
    }

    /// The same with an envelope.
    pub fn emit_in<T: Any + Send + Sync>(
        &self,
        layer: &dyn Middleware,
        topic: &str,
        payload: T,
        envelope: Option<Envelope>,
    ) -> Outcome {
        let topic = Topic::new(topic).unwrap();
        let sealed = envelope.map(Sealed::new);
        if layer.retains() {
            let shared: Arc<Erased> = Arc::new(payload);
            self.dispatch(layer, &topic, &*shared, &Kept::shared(shared.clone()), sealed.as_ref(), None)
        } else {
            self.dispatch(layer, &topic, &payload, &Kept::borrowed(), sealed.as_ref(), None)
        }
    }

    /// Emits a payload that stays on the stack, whatever the layer would like.
    pub fn emit_borrowed<T: Any + Send + Sync>(&self, layer: &dyn Middleware, topic: &str, payload: &T) -> Outcome {
        self.dispatch(layer, &Topic::new(topic).unwrap(), payload, &Kept::borrowed(), None, None)
    }

    /// Runs a closure on an event without content, emitted at some time on the clock.
    pub fn run_at(&self, offset: Duration, layer: impl FnOnce(&Event<'_>, Next<'_>)) {
        let stamp = Stamp { offset, wall: self.clock.wall() };
        let emission = Emission::new(self, At { bus: 1, version: self.version.get() }, self.depth.get())
            .with_identity(self.next_id(stamp), stamp);
        let (topic, kept) = (Topic::new("a").unwrap(), Kept::borrowed());
        layer(&Event::new(&topic, &(), &kept, &emission), Next::new(&[], self));
    }

    /// Emits go through the layers of a connection from now on, rather than those of a bus.
    pub fn stand_around(&self, pattern: &'static str, name: Option<&'static str>) {
        self.connection.set(Some((pattern, name)));
    }

    /// Emits begin at this version of the bus from now on.
    pub fn set_version(&self, version: u64) {
        self.version.set(version);
    }

    /// Emits are this deep in others from now on.
    pub fn set_depth(&self, depth: u32) {
        self.depth.set(depth);
    }

    /// What came through.
    pub fn seen(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    /// How many events were asked for their id.
    pub fn ids_made(&self) -> u32 {
        self.ids_made.get()
    }

    fn dispatch(
        &self,
        layer: &dyn Middleware,
        topic: &Topic,
        payload: &Erased,
        kept: &Kept,
        envelope: Option<&Sealed>,
        identity: Option<(EventId, Stamp)>,
    ) -> Outcome {
        let mut emission = Emission::new(self, At { bus: 1, version: self.version.get() }, self.depth.get());
        if let Some((id, stamp)) = identity {
            emission = emission.with_identity(id, stamp);
        }
        let event = Event::new(topic, payload, kept, &emission).with_envelope(envelope);
        Next::before(layer, &Next::new(&[], self)).run(&event);
        Outcome { tally: emission.tally(), reason: emission.reason().map(|reason| reason.to_string()) }
    }
}

impl<M: Middleware> Target for Layered<'_, M> {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        let payload = event.share_erased();
        let (kept, identity) = (Kept::shared(payload.clone()), (event.id(), event.stamp()));
        let outcome =
            self.rig.dispatch(&self.layer, event.topic(), &*payload, &kept, Some(event.sealed()), Some(identity));
        if outcome.tally.called > 0 { Landing::Called } else { Landing::Unheard }
    }
}

impl Host for Rig {
    fn name(&self) -> &str {
        "rig"
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn share_clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn next_id(&self, stamp: Stamp) -> EventId {
        self.ids_made.set(self.ids_made.get() + 1);
        self.ids.next_id(stamp)
    }
}

impl Terminal for Rig {
    fn deliver(&self, event: &Event<'_>) {
        event.emission().note_arrived();
        event.emission().add_called(1);
        let payload = match (event.payload::<u32>(), event.payload::<String>()) {
            (Some(number), _) => number.to_string(),
            (_, Some(text)) => text.clone(),
            _ => String::from("?"),
        };
        let mark = if event.is_replayed() { "*" } else { "" };
        self.seen.borrow_mut().push(format!("{} {payload}{mark}", event.topic()));
    }

    fn retains(&self) -> bool {
        false
    }

    fn place(&self) -> Place<'_> {
        match self.connection.get() {
            Some((pattern, name)) => Place::Connection { pattern, name },
            None => Place::Bus,
        }
    }
}
