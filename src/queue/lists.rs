//! What a queue of another size than it began with holds: a list for each lane, behind the lock of `lanes.rs`.

use std::collections::VecDeque;

pub(super) struct Lists<I> {
    /// The places of each lane, the ring's among them.
    capacity: usize,
    lanes: [VecDeque<I>; 4],
}

impl<I> Lists<I> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, lanes: Default::default() }
    }

    pub(super) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Puts an item into a lane, in whose ring so many are still.
    ///
    /// # Errors
    ///
    /// The item, if there is no place.
    pub(super) fn push(&mut self, item: I, lane: usize, in_ring: usize) -> Result<(), I> {
        if in_ring + self.lanes[lane].len() >= self.capacity {
            return Err(item);
        }
        self.push_beyond(item, lane);
        Ok(())
    }

    /// The same whether there is a place or not.
    pub(super) fn push_beyond(&mut self, item: I, lane: usize) {
        self.lanes[lane].push_back(item);
    }

    pub(super) fn pop(&mut self, lane: usize) -> Option<I> {
        self.lanes[lane].pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }
}
