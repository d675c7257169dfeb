//! A lane for each priority, and the order in which they are taken from.
//!
//! Each lane is a ring. When the queue gets another size, what comes from then on goes into lists behind a lock, which can have
//! any size; what is in the rings is taken first. Nobody who uses the rings waits for that, or takes the lock:
//!
//! - Who takes and has not seen the new size takes from the rings, where the oldest events are; if there is none, he looks once
//!   more before he sleeps, and sees it then.
//! - Who puts something into a ring looks once more whether the size changed, and if so takes the lock and gives it back.
//!   Whoever took from the lists while the event was not in the ring yet is through by then. So no later event of this thread
//!   overtakes it. The flag, the places of the rings and the fences in a `pop` that finds nothing are sequentially
//!   consistent: if that second look saw the old size, no `pop` that saw the new one can have missed the event.

use std::sync::OnceLock;

use sigtree_middleware::Priority;

use super::lists::Lists;
use super::ring::Ring;
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering};

/// Of so many events taken one is looked for in a lower lane first.
const TURN: u32 = 16;

/// In the order in which they are taken from.
const LANES: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

/// What a push looks at stands together in front.
#[repr(C)]
pub(crate) struct Lanes<I> {
    normal: Box<Ring<I>>,
    /// Whether there is more than the normal ring. Set before the first push to anything else: a consumer that then finds
    /// nothing either saw this, or said that it sleeps before the push looked for sleepers.
    has_others: AtomicBool,
    /// Whether the lists are in use, for good. Set before `has_others`, and before the first push to them.
    is_resized: AtomicBool,
    /// How many were taken since there are others.
    taken: AtomicU32,
    /// The places of a ring.
    capacity: usize,
    /// Never held while code of others runs.
    lists: OnceLock<Box<Mutex<Lists<I>>>>,
    /// The place of the normal lane stays empty.
    others: [OnceLock<Box<Ring<I>>>; 4],
}

impl<I> Lanes<I> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            normal: Box::new(Ring::new(capacity)),
            has_others: AtomicBool::new(false),
            is_resized: AtomicBool::new(false),
            taken: AtomicU32::new(0),
            capacity,
            lists: OnceLock::new(),
            others: Default::default(),
        }
    }

    #[inline(always)]
    pub(crate) fn push(&self, item: I, priority: Priority) -> Result<(), I> {
        if self.is_resized() {
            return self.push_to_list(item, priority);
        }
        self.lane(priority).push(item)?;
        self.let_takers_see();
        Ok(())
    }

    /// Makes place by handing out the oldest of the lane.
    #[inline]
    pub(crate) fn force_push(&self, item: I, priority: Priority) -> Option<I> {
        if self.is_resized() {
            return self.force_push_to_list(item, priority);
        }
        let oldest = self.lane(priority).force_push(item);
        self.let_takers_see();
        oldest
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<I> {
        if self.has_others.load(Ordering::SeqCst) { self.pop_by_rank() } else { self.normal.pop() }
    }

    /// The places of a ring.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether more can wait than there are places in a ring.
    #[inline]
    pub(crate) fn has_others(&self) -> bool {
        self.has_others.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        if self.has_others() { self.len_of_all() } else { self.normal.len() }
    }

    /// Has so many places from now on; what is in stays in, also where it is more.
    pub(crate) fn resize(&self, capacity: impl FnOnce() -> usize) {
        {
            let mut lists = self.lists.get_or_init(|| Box::new(Mutex::new(Lists::new(self.capacity)))).lock();
            lists.set_capacity(capacity());
        }
        self.is_resized.store(true, Ordering::SeqCst);
        self.has_others.store(true, Ordering::SeqCst);
    }

    #[inline]
    fn is_resized(&self) -> bool {
        self.is_resized.load(Ordering::SeqCst)
    }

    #[inline]
    fn lane(&self, priority: Priority) -> &Ring<I> {
        if priority == Priority::Normal { &self.normal } else { self.other(priority) }
    }

    #[cold]
    fn other(&self, priority: Priority) -> &Ring<I> {
        let lane = self.others[place(priority)].get_or_init(|| Box::new(Ring::new(self.capacity)));
        self.has_others.store(true, Ordering::SeqCst);
        lane
    }

    /// The ring of a lane, if it has one.
    fn ring(&self, priority: Priority) -> Option<&Ring<I>> {
        if priority == Priority::Normal {
            Some(&self.normal)
        } else {
            self.others[place(priority)].get().map(|ring| &**ring)
        }
    }

    /// See the head of this file.
    #[inline]
    fn let_takers_see(&self) {
        if self.is_resized() {
            self.wait_for_takers();
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_for_takers(&self) {
        if let Some(lists) = self.lists.get() {
            drop(lists.lock());
        }
    }

    #[cold]
    #[inline(never)]
    fn push_to_list(&self, item: I, priority: Priority) -> Result<(), I> {
        let Some(lists) = self.lists.get() else { return Err(item) };
        lists.lock().push(item, place(priority), self.ring(priority).map_or(0, Ring::len))
    }

    #[cold]
    #[inline(never)]
    fn force_push_to_list(&self, item: I, priority: Priority) -> Option<I> {
        let Some(lists) = self.lists.get() else { return Some(item) };
        let mut lists = lists.lock();
        let ring = self.ring(priority);
        match lists.push(item, place(priority), ring.map_or(0, Ring::len)) {
            Ok(()) => None,
            Err(item) => {
                let oldest = ring.and_then(Ring::pop).or_else(|| lists.pop(place(priority)));
                lists.push_beyond(item, place(priority));
                oldest
            }
        }
    }

    #[cold]
    fn len_of_all(&self) -> usize {
        let rings = LANES.iter().filter_map(|priority| self.ring(*priority)).map(Ring::len).sum::<usize>();
        rings + self.lists.get().map_or(0, |lists| lists.lock().len())
    }

    fn pop_by_rank(&self) -> Option<I> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let lists = if self.is_resized() { self.lists.get() } else { None };
        // Held until the event is out: from the look into the ring to that into the list.
        let mut lists = lists.map(|lists| lists.lock());
        let mut pop_of = |priority| {
            let from_ring = self.ring(priority).and_then(Ring::pop);
            from_ring.or_else(|| lists.as_mut()?.pop(place(priority)))
        };
        let first = first_in_turn(taken).and_then(&mut pop_of);
        first.or_else(|| LANES.iter().find_map(|priority| pop_of(*priority)))
    }
}

/// The lane that is looked into first this time, if it is a lower one's turn.
fn first_in_turn(taken: u32) -> Option<Priority> {
    match taken % (3 * TURN) {
        turn if turn % TURN != TURN - 1 => None,
        turn if turn < TURN => Some(Priority::Low),
        turn if turn < 2 * TURN => Some(Priority::Normal),
        _ => Some(Priority::High),
    }
}

pub(super) fn place(priority: Priority) -> usize {
    LANES.iter().position(|lane| *lane == priority).unwrap_or(0)
}
