//! The place where a topic's route is kept, and the fixed-size cache of such places for emits by name.

use std::sync::{Arc, OnceLock};

use slotmap::new_key_type;

use super::route::Route;
use super::snap::Snap;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

new_key_type! {
    /// A place in the writer's books, once a route was published there.
    pub(crate) struct CellKey;
}

/// A place for a route: a signal has one of its own, emits by name share those of the cache.
pub(crate) struct Cell {
    pub(crate) route: Snap<Route>,
    /// The version at which the topic was found to have no handlers; then an emit needs no guard.
    empty_at: AtomicU64,
    /// Set once, under the writer's lock.
    pub(crate) key: OnceLock<CellKey>,
    /// How many signals there are, if it is a signal's.
    handles: AtomicUsize,
}

impl Cell {
    pub(crate) fn new() -> Self {
        Self { route: Snap::new(None), empty_at: AtomicU64::new(0), key: OnceLock::new(), handles: AtomicUsize::new(0) }
    }

    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds one if there is one; a signal whose last handle is gone is about to be forgotten.
    pub(crate) fn try_add_handle(&self) -> bool {
        let add = |handles: usize| (handles > 0).then(|| handles + 1);
        self.handles.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
    }

    /// Whether that was the last one.
    pub(crate) fn drop_handle(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(crate) fn has_handles(&self) -> bool {
        self.handles.load(Ordering::Acquire) > 0
    }

    /// Whether nobody listened at this version, which then is so still: versions only grow.
    #[inline]
    pub(crate) fn is_empty_at(&self, version: u64) -> bool {
        self.empty_at.load(Ordering::Relaxed) == version
    }

    pub(crate) fn set_empty_at(&self, version: u64) {
        self.empty_at.store(version, Ordering::Relaxed);
    }
}

/// Places for the routes of emits by name: sets of four by hash.
///
/// A topic is admitted when it is seen a second time while its mark stands in the doorkeeper, so topics with ids in them do
/// not push hot ones out, and memory is bounded whatever is emitted. Made with the first emit by name.
pub(crate) struct Cache {
    sets: OnceLock<Sets>,
    capacity: usize,
}

struct Sets {
    sets: Box<[CacheSet]>,
    door: Box<[AtomicU32]>,
}

const WAYS: usize = 4;

#[derive(Default)]
struct CacheSet {
    tags: [AtomicU32; WAYS],
    /// Where the next admission goes when all places are taken.
    hand: AtomicU32,
    cells: [OnceLock<Arc<Cell>>; WAYS],
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { sets: OnceLock::new(), capacity: capacity.max(WAYS).next_power_of_two() }
    }

    /// The place that may hold the topic of this hash.
    #[inline]
    pub(crate) fn get(&self, hash: u64) -> Option<&Arc<Cell>> {
        let set = self.sets.get()?.set(hash);
        let tag = tag(hash);
        let way = set.tags.iter().position(|other| other.load(Ordering::Relaxed) == tag)?;
        set.cells[way].get()
    }

    /// A place for a topic that [`get`](Cache::get) did not find, if it was seen before.
    #[cold]
    pub(crate) fn admit(&self, hash: u64) -> Option<&Arc<Cell>> {
        let sets = self.sets.get_or_init(|| Sets::new(self.capacity));
        let tag = tag(hash);
        let door = &sets.door[(hash >> 16) as usize & (sets.door.len() - 1)];
        if door.load(Ordering::Relaxed) != tag {
            door.store(tag, Ordering::Relaxed);
            return None;
        }
        let set = sets.set(hash);
        let free = set.tags.iter().position(|tag| tag.load(Ordering::Relaxed) == 0);
        let way = free.unwrap_or_else(|| set.hand.fetch_add(1, Ordering::Relaxed) as usize % WAYS);
        let cell = set.cells[way].get_or_init(|| Arc::new(Cell::new()));
        set.tags[way].store(tag, Ordering::Relaxed);
        Some(cell)
    }

    /// How many names it remembers at most.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The places that were used so far, whatever they hold.
    pub(crate) fn used(&self) -> impl Iterator<Item = &Arc<Cell>> {
        let sets = self.sets.get().into_iter().flat_map(|sets| &sets.sets);
        sets.flat_map(|set| set.cells.iter().filter_map(OnceLock::get))
    }

    /// The places of a hash's set, whatever they hold.
    pub(crate) fn near(&self, hash: u64) -> impl Iterator<Item = &Arc<Cell>> {
        self.sets.get().into_iter().flat_map(move |sets| sets.set(hash).cells.iter().filter_map(OnceLock::get))
    }
}

impl Sets {
    fn new(capacity: usize) -> Self {
        Self {
            sets: (0..capacity / WAYS).map(|_| CacheSet::default()).collect(),
            door: (0..capacity * 4).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    #[inline]
    fn set(&self, hash: u64) -> &CacheSet {
        &self.sets[hash as usize & (self.sets.len() - 1)]
    }
}

/// The upper half of the hash, never 0, which stands for a free place.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}
