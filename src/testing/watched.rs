//! A layer on the bus of a test, which notes what it does not let on.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sigtree_middleware::{Event, Held, Home, Host, Layer, Mark, Middleware, Next, Place, Terminal, Topic};

use super::kept_back::{Became, KeptBack, Spot, What};

/// A layer in its place on the way of an event.
pub(super) struct Watched {
    layer: Layer,
    spot: Arc<Spot>,
    notes: KeptBack,
}

impl Watched {
    pub(super) fn new(layer: Layer, spot: Arc<Spot>, notes: KeptBack) -> Self {
        Self { layer, spot, notes }
    }

    fn what(&self, event: &Event<'_>, became: Became) -> What {
        What { spot: self.spot.clone(), topic: event.topic().clone(), became }
    }
}

impl Middleware for Watched {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let door = Door { next, watched: self, event, passed: Cell::new(false), held: Cell::new(false) };
        self.layer.middleware().handle(event, Next::new(&[], &door));
        if door.held.get() || !door.passed.get() {
            self.spot.print(&self.layer);
        }
        if !door.held.get() && !door.passed.get() {
            self.notes.count(self.what(event, Became::Ended(event.emission().reason())));
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

/// What stands behind a layer, which notes whether the layer let the event on or held it.
struct Door<'n, 'e> {
    next: Next<'n>,
    watched: &'n Watched,
    event: &'n Event<'e>,
    passed: Cell<bool>,
    held: Cell<bool>,
}

impl Terminal for Door<'_, '_> {
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

    /// Whoever asks holds the event, unless it cannot be kept.
    fn home(&self, mark: Mark, behind: usize) -> Option<Arc<dyn Home>> {
        let home = Terminal::home(&self.next, mark, behind)?;
        if self.event.share_erased().is_none() {
            return Some(home);
        }
        let Self { watched, .. } = self;
        let what = watched.what(self.event, Became::Held);
        watched.notes.count(what.clone());
        self.held.set(true);
        Some(Arc::new(WayHome { home, what, notes: watched.notes.clone(), gone: AtomicBool::new(false) }))
    }
}

/// Where a held event goes on, which then takes back the note that it was held.
struct WayHome {
    home: Arc<dyn Home>,
    what: What,
    notes: KeptBack,
    /// Whether it went on: its bus may put off what comes too deep, and it then comes by again.
    gone: AtomicBool,
}

impl Home for WayHome {
    fn resume(&self, held: &Held) -> bool {
        // Relaxed: who resumes an event has it from who did before.
        if !self.gone.swap(true, Ordering::Relaxed) {
            self.notes.take_back(&self.what);
        }
        let goes_on = self.home.resume(held);
        if !goes_on && self.gone.swap(false, Ordering::Relaxed) {
            self.notes.count(self.what.clone());
        }
        goes_on
    }
}
