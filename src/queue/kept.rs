//! Items that keep their place when they are taken, until whoever took them gives it back.

use sigtree_middleware::Priority;

use super::lanes::{Lanes, place};
use crate::sync::{AtomicUsize, Ordering, fence};

pub(crate) struct Kept<I> {
    lanes: Lanes<I>,
    /// How many places of each lane are held, by those who wait and those who were taken.
    held: [AtomicUsize; 4],
}

impl<I> Kept<I> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { lanes: Lanes::new(capacity), held: Default::default() }
    }

    /// Makes lanes of so many places; what is in stays in.
    pub(crate) fn resize(&self, capacity: impl Fn() -> usize) {
        self.lanes.resize(capacity);
    }

    /// Puts an item in, if fewer than `capacity` places of its lane are held. `given_back` is called if it held a place for a
    /// moment and then found none: somebody else may have gone to sleep over it.
    pub(crate) fn push(
        &self,
        item: I,
        priority: Priority,
        capacity: usize,
        given_back: impl FnOnce(),
    ) -> Result<(), I> {
        let held = &self.held[place(priority)];
        let claim = |held: usize| if held < capacity { Some(held + 1) } else { None };
        // Pairs with `give_back`: it is seen here, or the one that pushes is seen asleep there.
        if held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, claim).is_err() {
            return Err(item);
        }
        // A lane has no more items than places held, so it finds one, unless its size is changed just now.
        self.lanes.push(item, priority).inspect_err(|_| {
            self.give_back(priority);
            given_back();
        })
    }

    /// Takes what is next. Its place is still held.
    pub(crate) fn pop(&self) -> Option<I> {
        self.lanes.pop()
    }

    /// Gives back the place of an item that was taken. Then look whether anybody waits for one.
    pub(crate) fn give_back(&self, priority: Priority) {
        self.held[place(priority)].fetch_sub(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn lanes(&self) -> &Lanes<I> {
        &self.lanes
    }

    /// How many wait to be taken.
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// How many places are held.
    pub(crate) fn held(&self) -> usize {
        self.held.iter().map(|held| held.load(Ordering::SeqCst)).sum()
    }
}
