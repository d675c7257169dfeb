//! What layers on the buses of a test did not let on, and why: that is often where an expected event went.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use sigtree_middleware::{Layer, Middleware, OneLine, Pattern, Topic};

use super::emitted::times;
use super::watched::Watched;
use crate::dispatch::core::{Core, Lens};

/// The events that layers ended or held, counted by layer, topic and reason; clones share it.
#[derive(Clone)]
pub(super) struct KeptBack {
    /// The bus of the test, which goes without saying.
    bus: Arc<str>,
    notes: Arc<Mutex<Notes>>,
}

/// How many notes are kept; what comes then is only counted.
const KEPT: usize = 1_000;
/// How many of them a failure shows.
const LISTED: usize = 10;

#[derive(Default)]
struct Notes {
    by_what: HashMap<What, Note>,
    /// How many notes were ever made.
    made: u64,
    /// How many events are kept back for which there was no room.
    more: usize,
}

#[derive(Clone, Copy)]
struct Note {
    /// Which it was of all that were made.
    number: u64,
    /// How often, without the times that it went on after all.
    times: usize,
}

/// What tells notes apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct What {
    pub(super) spot: Arc<Spot>,
    pub(super) topic: Topic,
    pub(super) became: Became,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Became {
    Ended(Option<Cow<'static, str>>),
    Held,
}

/// A layer in its place on a bus; it keeps neither of them.
pub(super) struct Spot {
    core: Weak<Core>,
    layer: Weak<dyn Middleware>,
    bus: Arc<str>,
    /// What the buses above put before its topics, one above the other.
    prefixes: Vec<Topic>,
    /// The layer as its stack printed it, for when it is gone.
    printed: OnceLock<Box<str>>,
}

impl KeptBack {
    /// A book for the bus of a test, by its name.
    pub(super) fn of(bus: &Arc<str>) -> Self {
        Self { bus: bus.clone(), notes: Arc::default() }
    }

    /// For a bus and its children, so that each layer is watched.
    pub(super) fn lens(&self) -> Lens {
        let notes = self.clone();
        Arc::new(move |core, layers| {
            layers.wrapped_by(|layer| Watched::new(layer.clone(), Spot::of(core, layer), notes.clone()))
        })
    }

    /// A line for each layer that kept events of these patterns back, and what it did with them.
    pub(super) fn lines(&self, wanted: &[Pattern]) -> Vec<String> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let (notes, more) = self.look(wanted);
        // Without the lock, because layers are asked what they are and hold.
        let mut lines: Vec<_> =
            notes.iter().take(LISTED).map(|(what, note)| format!("  {}", what.line(note.times, &self.bus))).collect();
        let left = notes.len() - lines.len();
        lines.extend((left > 0).then(|| format!("  ... and {left} more such lines")));
        let no_room =
            || format!("  more was kept back on these or other topics, {}: there was no room to note it", times(more));
        lines.extend((more > 0).then(no_room));
        lines
    }

    /// The notes on these patterns in their order, and how many events there was no room for.
    fn look(&self, wanted: &[Pattern]) -> (Vec<(What, Note)>, usize) {
        let notes = self.notes.lock();
        let matching = notes.by_what.iter().filter(|(what, _)| what.is_wanted(wanted));
        let mut matching: Vec<_> = matching.map(|(what, note)| (what.clone(), *note)).collect();
        matching.sort_by_key(|(_, note)| note.number);
        (matching, notes.more)
    }

    /// Counts an event that was kept back.
    pub(super) fn count(&self, what: What) {
        let Notes { by_what, made, more } = &mut *self.notes.lock();
        if let Some(note) = by_what.get_mut(&what) {
            note.times += 1;
        } else if by_what.len() < KEPT {
            by_what.insert(what, Note { number: *made, times: 1 });
            *made += 1;
        } else {
            *more += 1;
        }
    }

    /// Takes back what was counted, because the event went on.
    pub(super) fn take_back(&self, what: &What) {
        let mut notes = self.notes.lock();
        match notes.by_what.get_mut(what) {
            Some(note) if note.times > 1 => note.times -= 1,
            Some(_) => drop(notes.by_what.remove(what)),
            None => notes.more -= 1,
        }
    }
}

impl What {
    fn is_wanted(&self, wanted: &[Pattern]) -> bool {
        let matches = |topic: &Topic| wanted.iter().any(|pattern| pattern.matches(topic));
        let mut above = self.spot.prefixes.iter().scan(self.topic.clone(), |name, prefix| {
            *name = Topic::from_trusted(format!("{prefix}.{name}").into());
            Some(name.clone())
        });
        matches(&self.topic) || above.any(|name| matches(&name))
    }

    /// ``filter, else `too far` (tests/radar.rs:7) ended `range` twice: too far``.
    fn line(&self, n: usize, own: &Arc<str>) -> String {
        let Self { spot, topic, became } = self;
        let of_bus = if spot.bus == *own { String::new() } else { format!(" of bus `{}`", OneLine(&spot.bus)) };
        let (topic, often) = (OneLine(topic), times(n));
        let (layer, holds_now) = spot.now();
        match became {
            Became::Ended(Some(reason)) => format!("{layer} ended `{topic}`{of_bus} {often}: {}", OneLine(reason)),
            Became::Ended(None) => format!("{layer} ended `{topic}`{of_bus} {often}, and gave no reason"),
            Became::Held => format!("{layer} held `{topic}`{of_bus} {often}, {holds_now}"),
        }
    }
}

impl Spot {
    fn of(core: &Core, layer: &Layer) -> Arc<Self> {
        let prefix = |core: &Core| Some(core.parent.as_ref().filter(|parent| parent.bubbles)?.prefix.clone());
        Arc::new(Self {
            core: core.me.clone(),
            layer: layer.downgrade(),
            bus: core.name.clone(),
            prefixes: core.upwards().filter_map(prefix).collect(),
            printed: OnceLock::new(),
        })
    }

    /// Notes what the layer says of itself while it is there. It may ask anything of the layer, so none of its calls may be under way.
    pub(super) fn print(&self, layer: &Layer) {
        self.printed.get_or_init(|| layer.to_string().into());
    }

    /// What the layer is, and what of those that it held it still holds: a newer one may have taken the place of an older one.
    fn now(&self) -> (String, String) {
        let printed = || self.printed.get().map_or("a layer", |printed| printed).into();
        let Some((layer, held)) = self.standing() else { return (printed(), "and is gone".into()) };
        let holds = match held {
            0 => "and holds nothing now".into(),
            1 => "and holds 1 event now: let time pass, or flush the bus".into(),
            held => format!("and holds {held} events now: let time pass, or flush the bus"),
        };
        (layer, holds)
    }

    /// The layer and how much it holds, if it still stands on its bus.
    fn standing(&self) -> Option<(String, u64)> {
        let core = self.core.upgrade()?;
        let settings = core.settings.load_full()?;
        let layer = settings.stack.layers().iter().find(|layer| layer.downgrade().ptr_eq(&self.layer))?;
        Some((layer.to_string(), layer.middleware().standing(core.clock.elapsed()).held))
    }

    /// Nobody else has these addresses as long as the spot remembers them.
    fn addresses(&self) -> (*const Core, *const ()) {
        (self.core.as_ptr(), self.layer.as_ptr().cast())
    }
}

impl PartialEq for Spot {
    fn eq(&self, other: &Self) -> bool {
        self.addresses() == other.addresses()
    }
}

impl Eq for Spot {}

impl Hash for Spot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.addresses().hash(state);
    }
}
