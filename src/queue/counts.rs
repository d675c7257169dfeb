//! What a queue counts, and shows.

use std::fmt;

use super::high_water::HighWater;
use crate::sync::{AtomicU64, Ordering};

/// What became of the events that came to a queue. When nobody emits or takes, [`sent`](Self::sent) is what was received,
/// dropped and still waits, to the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct QueueStats {
    /// The places of the queue, or of each lane.
    pub capacity: usize,
    /// How many events wait.
    pub depth: usize,
    /// The most that ever waited. Of events that come while others are taken it may have seen one moment and not another.
    pub high_water: usize,
    /// Events that were taken.
    pub received: u64,
    /// Events lost because they found no place.
    pub dropped_newest: u64,
    /// Events lost because a newer one took their place in a full queue.
    pub dropped_oldest: u64,
    /// Events that a newer one of the same topic took the place of.
    pub replaced: u64,
    /// Events lost because no place came free within the time they waited.
    pub timed_out: u64,
    /// Events lost because they would have had to wait in the thread that takes them.
    pub would_deadlock: u64,
    /// Events that waited for a [batch](crate::OnBatch) when the connection ended while its handler was at another one.
    pub abandoned: u64,
}

impl QueueStats {
    /// Events that were lost or replaced, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_newest
            + self.dropped_oldest
            + self.replaced
            + self.timed_out
            + self.would_deadlock
            + self.abandoned
    }

    /// Events that came, whatever became of them.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.received + self.dropped() + self.depth as u64
    }

    /// The share of what came that was dropped, from 0 to 1; 0 if nothing came.
    #[must_use]
    pub fn drop_rate(&self) -> f64 {
        if self.sent() == 0 { 0.0 } else { self.dropped() as f64 / self.sent() as f64 }
    }
}

impl fmt::Display for QueueStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} wait, {} at most", self.depth, self.capacity, self.high_water)?;
        write!(f, "; {} received, {} dropped", self.received, self.dropped())
    }
}

/// Why an event was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Newest,
    Oldest,
    Replaced,
    TimedOut,
    WouldDeadlock,
    Abandoned,
}

/// What those who push count. What those who take count stands apart, or each would wait for the other's cache line.
#[derive(Default)]
pub(crate) struct Losses([AtomicU64; 6]);

/// What those who take count.
#[derive(Default)]
pub(crate) struct Takes(AtomicU64);

impl Losses {
    /// Counts one; how many there were for this reason.
    #[cold]
    pub(crate) fn count(&self, loss: Loss) -> u64 {
        self.0[loss as usize].fetch_add(1, Ordering::Relaxed) + 1
    }

    fn of(&self, loss: Loss) -> u64 {
        self.0[loss as usize].load(Ordering::Relaxed)
    }
}

impl Takes {
    #[inline]
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What there is to show.
pub(crate) fn stats(
    capacity: usize,
    depth: usize,
    high_water: &HighWater,
    losses: &Losses,
    takes: &Takes,
) -> QueueStats {
    high_water.see(depth);
    QueueStats {
        capacity,
        depth,
        high_water: high_water.get(),
        received: takes.0.load(Ordering::Relaxed),
        dropped_newest: losses.of(Loss::Newest),
        dropped_oldest: losses.of(Loss::Oldest),
        replaced: losses.of(Loss::Replaced),
        timed_out: losses.of(Loss::TimedOut),
        would_deadlock: losses.of(Loss::WouldDeadlock),
        abandoned: losses.of(Loss::Abandoned),
    }
}
