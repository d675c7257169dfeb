//! When what was written is safe, and what happens when writing is slower than emitting.

use std::time::Duration;

/// When a [`Recording`](crate::Recording) asks the disk to keep what was written.
///
/// Whatever the policy, an event is handed to the operating system as soon as the writing thread gets to it, so a crash of
/// the process costs no more than the queue and the line that was being written. The policy is about a failure of power,
/// which costs what was not yet synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flush {
    /// When the operating system sees fit, and when asked by [`sync`](crate::Recording::sync) or at the end.
    #[default]
    System,
    /// After each batch: the safest, and slow on disks that take a millisecond and more for it.
    Batch,
    /// Once so many events were written since the last time.
    Events(u64),
    /// Once so much time has passed since the first event that was not synced; later if
    /// [the clock's thread](crate::Clock::wake) is busy.
    Every(Duration),
}

/// What a [`Recording`](crate::Recording) does with an event when its queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Gives it up, and [counts](crate::RecordingStats::lost) it: emitting never waits for a disk.
    #[default]
    Lose,
    /// Makes the emitter wait. What the writing thread itself emits, from a payload's `Serialize`, is given up all the
    /// same, since it cannot wait for itself.
    Wait,
}
