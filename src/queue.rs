//! [`Queue`]: what waits for somebody who takes it, how much of it, and what happens to more.

mod counts;
mod high_water;
mod kept;
mod lanes;
mod latest;
mod lists;
mod pipe;
mod ring;
mod waiters;

use std::time::Duration;

pub(crate) use counts::Loss;
pub use counts::QueueStats;
pub(crate) use pipe::{Pipe, Rank};
pub(crate) use waiters::{Nap, Waiters};

/// How a queue is: how many events it holds, and what happens to more.
///
/// Given to [`On::queue`](crate::On::queue) before [`subscribe`](crate::On::subscribe); a subscription without one has 1,024
/// places and drops the newest, or what the bus's [`BusConfig`](crate::BusConfig) says.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Overflow, Queue};
///
/// let bus = Bus::new();
/// let newest = bus.on("radar.frame").queue(Queue::bounded(2).overflow(Overflow::DropOldest)).subscribe::<u32>()?;
/// for frame in 1..=5_u32 {
///     bus.emit("radar.frame", frame);
/// }
/// assert_eq!(newest.drain().map(|frame| *frame).collect::<Vec<_>>(), [4, 5]);
/// assert_eq!(newest.stats().dropped_oldest, 3);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Priorities
///
/// Events of each [`Priority`](crate::Priority) have a lane of their own, with as many places as the queue: a flood of low ones
/// cannot keep a critical one out. Critical events are taken first, then high, normal and low ones; but of 48 events taken
/// one each is looked for in the low, the normal and the high lane first, so the `n`th event of a lane is taken after at
/// most 48 `n` others. Lanes other than the normal one take memory from their first event on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    capacity: usize,
    overflow: Overflow,
    stamped: bool,
}

/// What a queue does with an event that finds no place.
///
/// Whatever is lost is counted in [`QueueStats`], by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The event is lost; the emit says that it skipped one. Nothing waits.
    #[default]
    DropNewest,
    /// The oldest event of its lane is lost for it.
    #[doc(alias = "ring")]
    DropOldest,
    /// There is one event a topic: a newer one takes the place of the older, where that stood. The event of one topic more
    /// than there are places is lost. Priorities do not matter here.
    #[doc(alias = "conflate")]
    Latest,
    /// The emit waits so long for a place; if none came, the event is lost, and the emit says that it failed.
    ///
    /// It does not wait in the thread that takes from the queue, which would wait for itself. Who takes is known from the first take
    /// on; before it any thread waits, so a thread that emits first and drains afterwards is to give a time, or as many places.
    Block(Duration),
    /// The event is lost, and the emit says that it failed.
    Error,
}

impl Queue {
    /// The places of a queue that nobody chose otherwise: 1,024.
    pub const CAPACITY: usize = 1_024;

    /// A queue with so many places, which drops the newest event when it is full.
    ///
    /// # Panics
    ///
    /// If there are no places.
    #[must_use]
    #[track_caller]
    pub const fn bounded(capacity: usize) -> Self {
        assert!(capacity > 0, "a queue has at least one place");
        Self { capacity, overflow: Overflow::DropNewest, stamped: false }
    }

    /// What happens to an event that finds no place.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Gives each event its id and its time when it is queued; else it has them if somebody asked before.
    ///
    /// That reads the bus's clock once for an event and takes one more allocation.
    #[must_use]
    pub const fn stamped(mut self) -> Self {
        self.stamped = true;
        self
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The same with so many places.
    pub(crate) const fn places(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How long an emit waits for a place, if it waits.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self.overflow {
            Overflow::Block(timeout) => Some(timeout),
            _ => None,
        }
    }

    pub(crate) fn when_full(&self) -> Overflow {
        self.overflow
    }

    pub(crate) fn is_stamped(&self) -> bool {
        self.stamped
    }
}

impl Overflow {
    /// Whether both do the same, whatever the time.
    pub(crate) fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::bounded(Self::CAPACITY)
    }
}
