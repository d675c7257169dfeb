//! What layers on the buses of a test did not let on, and why: that is often where an expected event went.

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::{Event, Home, Host, Layer, Mark, Middleware, Next, OneLine, Pattern, Place, Terminal, Topic};

use super::emitted::times;
use crate::bus::Bus;
use crate::dispatch::core::{Core, Lens};
use crate::inspection::{Inspection, LayerSeen};

/// The events that layers ended or held, counted by layer, topic and reason; clones share it.
#[derive(Clone, Default)]
pub(super) struct KeptBack(Arc<Mutex<Vec<Note>>>);

/// How many notes are kept; what comes then is not noted.
const KEPT: usize = 1_000;
/// How many of them a failure shows.
const LISTED: usize = 10;

struct Note {
    what: What,
    /// How often, without the times that it went on after all.
    times: isize,
}

/// What tells notes apart.
#[derive(PartialEq)]
struct What {
    bus: Arc<str>,
    /// The layer as its stack prints it.
    layer: Arc<str>,
    topic: Topic,
    /// The names under which it would have come to the buses above.
    above: Vec<Topic>,
    became: Became,
}

#[derive(PartialEq)]
enum Became {
    Ended(Option<Box<str>>),
    Held,
}

impl KeptBack {
    /// For a bus and its children, so that each layer is watched.
    pub(super) fn lens(&self) -> Lens {
        let notes = self.clone();
        Arc::new(move |core, layers| {
            let prefixes = prefixes(core);
            layers.wrapped_by(|layer| Watched {
                name: layer.to_string().into(),
                layer: layer.clone(),
                bus: core.name.clone(),
                prefixes: prefixes.clone(),
                notes: notes.clone(),
            })
        })
    }

    /// A line for each layer that kept events of these patterns back, and what it did with them.
    pub(super) fn lines(&self, wanted: &[Pattern], bus: &Bus) -> Vec<String> {
        // Looked at without the lock, because layers are asked what they hold.
        let seen = bus.inspect();
        let notes = self.0.lock();
        let matching = notes.iter().filter(|note| note.times > 0 && note.what.is_wanted(wanted));
        let mut lines: Vec<_> = matching.map(|note| format!("  {}", note.line(&seen))).collect();
        let more = lines.len().saturating_sub(LISTED);
        lines.truncate(LISTED);
        lines.extend((more > 0).then(|| format!("  ... and {more} more such lines")));
        lines
    }

    /// Counts an event, or no longer: one that fills a batch goes on before its layer is done with it.
    fn count(&self, what: What, by: isize) {
        let mut notes = self.0.lock();
        if let Some(note) = notes.iter_mut().rfind(|note| note.what == what) {
            note.times += by;
        } else if notes.len() < KEPT {
            notes.push(Note { what, times: by });
        }
    }
}

/// What the buses above put before the topics of a bus, one above the other.
fn prefixes(core: &Core) -> Vec<Topic> {
    core.upwards()
        .filter_map(|core| Some(core.parent.as_ref().filter(|parent| parent.bubbles)?.prefix.clone()))
        .collect()
}

impl What {
    fn is_wanted(&self, wanted: &[Pattern]) -> bool {
        let matches = |topic: &Topic| wanted.iter().any(|pattern| pattern.matches(topic));
        matches(&self.topic) || self.above.iter().any(matches)
    }
}

impl Note {
    /// ``filter, else `too far` (tests/radar.rs:7) ended `range` twice: too far``.
    fn line(&self, seen: &Inspection) -> String {
        let Self { what: What { bus, layer, topic, became, .. }, times: n } = self;
        let of_bus = if *bus == seen.bus { String::new() } else { format!(" of bus `{}`", OneLine(bus)) };
        let (topic, often) = (OneLine(topic), times(n.unsigned_abs()));
        match became {
            Became::Ended(Some(reason)) => format!("{layer} ended `{topic}`{of_bus} {often}: {}", OneLine(reason)),
            Became::Ended(None) => format!("{layer} ended `{topic}`{of_bus} {often}, and gave no reason"),
            Became::Held => format!("{layer} held `{topic}`{of_bus} {often}, {}", self.what.holds_now(seen)),
        }
    }
}

impl What {
    /// An event that was held and did not go on is held still, or a newer one took its place.
    fn holds_now(&self, seen: &Inspection) -> String {
        let bus = seen.buses().into_iter().find(|bus| bus.bus == self.bus);
        let layer = bus.and_then(|bus| bus.layers.iter().find(|layer| self.is_of(layer)));
        match layer.map(|layer| layer.held) {
            None => "and is gone".into(),
            Some(0) => "and holds nothing now".into(),
            Some(1) => "and holds 1 event now: let time pass, or flush the bus".into(),
            Some(held) => format!("and holds {held} events now: let time pass, or flush the bus"),
        }
    }

    fn is_of(&self, layer: &LayerSeen) -> bool {
        let bare = LayerSeen { held: 0, notes: Vec::new(), ..layer.clone() };
        bare.to_string() == *self.layer
    }
}

/// A layer in its place on the way of an event.
struct Watched {
    layer: Layer,
    name: Arc<str>,
    bus: Arc<str>,
    prefixes: Vec<Topic>,
    notes: KeptBack,
}

impl Watched {
    fn what(&self, topic: &Topic, became: Became) -> What {
        let above = self.prefixes.iter().scan(topic.clone(), |name, prefix| {
            *name = Topic::from_trusted(format!("{prefix}.{name}").into());
            Some(name.clone())
        });
        What { bus: self.bus.clone(), layer: self.name.clone(), topic: topic.clone(), above: above.collect(), became }
    }
}

impl Middleware for Watched {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let (layer, emission) = (self.layer.middleware(), event.emission());
        if emission.resuming().is_some_and(|mark| layer.holds(mark)) {
            self.notes.count(self.what(event.topic(), Became::Held), -1);
        }
        let door = Door { next, passed: Cell::new(false) };
        layer.handle(event, Next::new(&[], &door));
        if !door.passed.get() {
            let ended = || Became::Ended(emission.reason().map(|reason| reason.as_ref().into()));
            let became = if emission.is_held() { Became::Held } else { ended() };
            self.notes.count(self.what(event.topic(), became), 1);
        }
    }

    fn retains(&self) -> bool {
        self.layer.middleware().retains()
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.layer.middleware().applies_to(topic)
    }

    fn holds(&self, mark: Mark) -> bool {
        self.layer.middleware().holds(mark)
    }

    fn stands_around(&self) -> bool {
        self.layer.middleware().stands_around()
    }
}

/// What stands behind a layer, which notes whether the layer let the event on.
struct Door<'n> {
    next: Next<'n>,
    passed: Cell<bool>,
}

impl Terminal for Door<'_> {
    fn deliver(&self, event: &Event<'_>) {
        self.passed.set(true);
        self.next.deliver(event);
    }

    fn retains(&self) -> bool {
        Terminal::retains(&self.next)
    }

    fn place(&self) -> Place<'_> {
        Terminal::place(&self.next)
    }

    fn host(&self) -> Option<&dyn Host> {
        Terminal::host(&self.next)
    }

    fn home(&self, mark: Mark, behind: usize) -> Option<Arc<dyn Home>> {
        Terminal::home(&self.next, mark, behind)
    }
}
