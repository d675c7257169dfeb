//! A lane for each priority, and the order in which they are taken from.

use std::sync::OnceLock;

use sigtree_middleware::Priority;

use super::ring::Ring;
use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// Of so many events taken one is looked for in a lower lane first.
const TURN: u32 = 16;

/// In the order in which they are taken from.
const LANES: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

pub(crate) struct Lanes<I> {
    capacity: usize,
    normal: Ring<I>,
    /// The place of the normal lane stays empty.
    others: [OnceLock<Ring<I>>; 4],
    /// Whether there is any other. Set by `lane` before the first push to it: a consumer that then finds nothing either saw this,
    /// or said that it sleeps before the push looked for sleepers.
    has_others: AtomicBool,
    /// How many were taken since there are others.
    taken: AtomicU32,
}

impl<I> Lanes<I> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            normal: Ring::new(capacity),
            others: Default::default(),
            has_others: AtomicBool::new(false),
            taken: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn push(&self, item: I, priority: Priority) -> Result<(), I> {
        self.lane(priority).push(item)
    }

    /// Makes place by handing out the oldest of the lane.
    #[inline]
    pub(crate) fn force_push(&self, item: I, priority: Priority) -> Option<I> {
        self.lane(priority).force_push(item)
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<I> {
        if self.has_others.load(Ordering::SeqCst) { self.pop_by_rank() } else { self.normal.pop() }
    }

    pub(crate) fn len(&self) -> usize {
        let others = || self.others.iter().filter_map(OnceLock::get).map(Ring::len).sum::<usize>();
        self.normal.len() + if self.has_others.load(Ordering::Acquire) { others() } else { 0 }
    }

    #[inline]
    fn lane(&self, priority: Priority) -> &Ring<I> {
        if priority == Priority::Normal { &self.normal } else { self.other(priority) }
    }

    #[cold]
    fn other(&self, priority: Priority) -> &Ring<I> {
        let lane = self.others[place(priority)].get_or_init(|| Ring::new(self.capacity));
        self.has_others.store(true, Ordering::SeqCst);
        lane
    }

    fn pop_by_rank(&self) -> Option<I> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let first = first_in_turn(taken).and_then(|priority| self.pop_of(priority));
        first.or_else(|| LANES.iter().find_map(|priority| self.pop_of(*priority)))
    }

    fn pop_of(&self, priority: Priority) -> Option<I> {
        if priority == Priority::Normal { self.normal.pop() } else { self.others[place(priority)].get()?.pop() }
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
