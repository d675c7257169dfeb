//! [`FlowStats`]: what became of the events.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Held;

/// What became of the events that came by a piece which governs their flow.
///
/// Each event is in one of the first three, also while its handlers are called: then it has passed. Beside threads that
/// emit, the figures are not of one moment. A piece without a use for a field leaves it at 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowStats {
    /// Went on, at once or later.
    pub passed: u64,
    /// Never go on: ended with a reason, held and replaced by a newer event, or held for a handler that was gone, or muted,
    /// when their time came.
    pub dropped: u64,
    /// Are held now.
    pub held: u64,
    /// Of those that passed: went on before their time, because the piece was full, or could not keep the event.
    pub early: u64,
    /// Keys that were pushed out because there were too many; the next event of such a key is like a first one.
    pub forgotten: u64,
}

/// The counts behind [`FlowStats`].
///
/// Relaxed everywhere: they only count.
#[derive(Default)]
pub(crate) struct Counts {
    passed: AtomicU64,
    dropped: AtomicU64,
    held: AtomicU64,
    early: AtomicU64,
}

impl Counts {
    pub(crate) fn pass(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
    }

    /// The same for an event that goes on before its time.
    pub(crate) fn pass_early(&self) {
        self.pass();
        self.hurry(1);
    }

    /// Notes that so many events will go on before their time.
    pub(crate) fn hurry(&self, n: usize) {
        self.early.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts an event as held, until it is released or dropped from there.
    pub(crate) fn hold(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets an event go on that was held, and counts what became of it.
    pub(crate) fn release(&self, held: &Held) {
        // First, so that whoever looks on the way finds it counted.
        self.pass();
        self.held.fetch_sub(1, Ordering::Relaxed);
        if !held.resume() {
            self.passed.fetch_sub(1, Ordering::Relaxed);
            self.drop();
        }
    }

    pub(crate) fn drop(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// The same for an event that was held.
    pub(crate) fn drop_held(&self) {
        self.drop();
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> FlowStats {
        FlowStats {
            passed: self.passed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            early: self.early.load(Ordering::Relaxed),
            ..FlowStats::default()
        }
    }
}
