//! [`Emission`]: the state of one emit.

mod details;
mod ended;
mod host;
mod level;
mod notes;
mod reason;
mod stamp;
mod tally;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

pub use details::Details;
pub use ended::Ended;
pub use host::Host;
pub use level::{Aside, At, Level};
pub use reason::Reason;
pub use stamp::Stamp;
pub use tally::Tally;

use notes::Notes;

use crate::{EventId, Held, Mark};

/// The state of one emit, in the emitter's frame: for those who write a bus, not for handlers.
///
/// All levels an event bubbles through share it. Nothing here is made before somebody asks: no id, no clock, no list.
pub struct Emission<'e> {
    host: &'e dyn Host,
    at: Cell<At>,
    /// The bus it was emitted on.
    origin: u64,
    depth: u32,
    id: OnceCell<EventId>,
    stamp: OnceCell<Stamp>,
    called: Cell<u32>,
    skipped: Cell<u32>,
    muted: Cell<u32>,
    failed: Cell<u32>,
    stop: Cell<u8>,
    /// The layer that held it, until the event has come by there.
    resuming: Cell<Option<Mark>>,
    reason: Cell<Option<&'static str>>,
    /// The buses it has been on, beyond the one it was emitted on.
    visited: RefCell<SmallVec<[u64; 4]>>,
    notes: OnceCell<Box<Notes>>,
    /// Once somebody keeps them.
    details: Cell<Option<Arc<Details>>>,
}

/// Ids of buses; most events have been on one or two.
pub(crate) type Visited = SmallVec<[u64; 2]>;

impl<'e> Emission<'e> {
    /// The state of a new emit; `at` is where it begins, `depth` how many emits of this thread it is inside of, itself
    /// included.
    #[inline]
    #[must_use]
    pub fn new(host: &'e dyn Host, at: At, depth: u32) -> Self {
        Self {
            host,
            at: Cell::new(at),
            origin: at.bus,
            depth,
            id: OnceCell::new(),
            stamp: OnceCell::new(),
            called: Cell::new(0),
            skipped: Cell::new(0),
            muted: Cell::new(0),
            failed: Cell::new(0),
            stop: Cell::new(0),
            resuming: Cell::new(None),
            reason: Cell::new(None),
            visited: RefCell::new(SmallVec::new()),
            notes: OnceCell::new(),
            details: Cell::new(None),
        }
    }

    /// The same for an event that already has an id and a time: a replay.
    #[must_use]
    pub fn with_identity(self, id: EventId, stamp: Stamp) -> Self {
        Self { id: OnceCell::from(id), stamp: OnceCell::from(stamp), ..self }
    }

    /// The same for an event that was held: it goes on behind the layer that held it, and has been where it was.
    #[must_use]
    pub fn with_held(self, held: &Held) -> Self {
        for bus in held.visited() {
            self.visit(*bus);
        }
        Self { resuming: Cell::new(Some(held.mark())), ..self.with_identity(held.id(), held.stamp()) }
    }

    /// Whether the event was held by this layer, which now lets it by. From here on it is an event like others.
    pub fn resumes(&self, mark: Mark) -> bool {
        let resumes = self.resuming.get() == Some(mark);
        if resumes {
            self.resuming.set(None);
        }
        resumes
    }

    /// Ends the search for the layer that held the event, because the chain ends here.
    #[inline]
    pub fn end_resuming(&self) {
        self.resuming.set(None);
    }

    /// The layer it is on its way to, where it was held.
    #[inline]
    #[must_use]
    pub fn resuming(&self) -> Option<Mark> {
        self.resuming.get()
    }

    /// The event's id, made now if nobody asked before.
    pub fn id(&self) -> EventId {
        *self.id.get_or_init(|| self.host.next_id(self.stamp()))
    }

    /// The event's time, read now if nobody asked before.
    pub fn stamp(&self) -> Stamp {
        *self.stamp.get_or_init(|| {
            let clock = self.host.clock();
            Stamp { offset: clock.elapsed(), wall: clock.wall() }
        })
    }

    /// How many emits of this thread it is inside of, itself included.
    #[inline]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The bus the event was emitted on, or goes on from if it was held; [`Next::host`](crate::Next::host) is a layer's own.
    #[inline]
    pub fn host(&self) -> &'e dyn Host {
        self.host
    }

    /// Marks a bus as visited; `false` if the event has been there. It was emitted where it has been first.
    pub fn visit(&self, bus: u64) -> bool {
        let fresh = !self.has_visited(bus);
        if fresh {
            self.visited.borrow_mut().push(bus);
        }
        fresh
    }

    /// Whether a bus was visited.
    pub fn has_visited(&self, bus: u64) -> bool {
        bus == self.origin || self.visited.borrow().contains(&bus)
    }

    /// The buses visited so far, the one it was emitted on first.
    pub(crate) fn visited(&self) -> Visited {
        [self.origin].into_iter().chain(self.visited.borrow().iter().copied()).collect()
    }
}

impl fmt::Debug for Emission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission")
            .field("id", &self.id.get())
            .field("tally", &self.tally())
            .field("stop", &self.stop.get())
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}
