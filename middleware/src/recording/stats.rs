//! What a recording did, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`Recording`](crate::Recording) did with the events that came by, in numbers.
///
/// When all is written, `taken` is `written` plus `unwritable` plus `failed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingStats {
    /// Events that were queued to be written.
    pub taken: u64,
    /// Events that were written.
    pub written: u64,
    /// Events given up because the queue was full.
    pub lost: u64,
    /// Events whose payload was only borrowed and cannot be cloned.
    pub unkept: u64,
    /// Events whose topic the codec does not know or is too long, or whose payload it could not write.
    pub unwritable: u64,
    /// Events that the disk refused, or that were larger than what a recording may take.
    pub failed: u64,
    /// Parts that became full.
    pub parts: u64,
    /// Bytes of old parts that were thrown away to make room.
    pub removed_bytes: u64,
}

/// The same, while it is being counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) taken: Count,
    pub(super) written: Count,
    pub(super) lost: Count,
    pub(super) unkept: Count,
    pub(super) unwritable: Count,
    pub(super) failed: Count,
    pub(super) parts: Count,
    pub(super) removed_bytes: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, n: u64) {
        // Relaxed: these only count, and nothing hangs on their order.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    pub(super) fn stats(&self) -> RecordingStats {
        RecordingStats {
            taken: self.taken.get(),
            written: self.written.get(),
            lost: self.lost.get(),
            unkept: self.unkept.get(),
            unwritable: self.unwritable.get(),
            failed: self.failed.get(),
            parts: self.parts.get(),
            removed_bytes: self.removed_bytes.get(),
        }
    }
}
