//! What the pieces that govern the flow of events have in common: keys, what is remembered of them, counts, time.

mod agenda;
#[cfg(feature = "governor")]
mod gcra;
mod key;
mod memory;
mod panics;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) use agenda::Agenda;
#[cfg(feature = "governor")]
pub(crate) use gcra::Gcra;
pub(crate) use key::{By, Key, keyed};
pub(crate) use memory::Memory;
pub(crate) use panics::Panics;

use crate::{Clock, Event, Held, Next};

/// How many keys, or events held, a piece has room for unless told otherwise.
pub(crate) const ROOM: usize = 10_000;

/// What became of the events that came by a piece which governs their flow.
///
/// Each event is in one of the first three; a piece without a use for a field leaves it at 0.
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

    /// Lets an event go on that was held, and counts what became of it; whether it went anywhere.
    pub(crate) fn release(&self, held: &Held) -> bool {
        // First, so that whoever looks on the way finds it counted.
        self.pass();
        let passes = held.resume();
        if !passes {
            self.passed.fetch_sub(1, Ordering::Relaxed);
            self.drop();
        }
        passes
    }

    /// The same before its time.
    pub(crate) fn release_early(&self, held: &Held) {
        if self.release(held) {
            self.hurry(1);
        }
    }

    /// Lets events go on one after the other; the panic of one waits for the others.
    pub(crate) fn release_all(&self, held: impl IntoIterator<Item = Held>) {
        let mut panics = Panics::default();
        for held in held {
            panics.catch(|| {
                self.release(&held);
            });
            panics.catch(|| drop(held));
        }
        panics.resume();
    }

    pub(crate) fn drop(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> FlowStats {
        FlowStats {
            passed: self.passed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            early: self.early.load(Ordering::Relaxed),
            ..FlowStats::default()
        }
    }
}

/// The time of a piece: that of the bus it stands on, the first one if it is a handle on several.
///
/// Not the time of the event, which may come from another bus, have been held, or be a replay.
#[derive(Default)]
pub(crate) struct Time(OnceLock<Arc<dyn Clock>>);

impl Time {
    pub(crate) fn clock(&self, event: &Event<'_>, next: &Next<'_>) -> &Arc<dyn Clock> {
        self.0.get_or_init(|| next.host(event).share_clock())
    }

    pub(crate) fn now(&self, event: &Event<'_>, next: &Next<'_>) -> Duration {
        self.clock(event, next).elapsed()
    }

    /// The clock, once an event came by.
    pub(crate) fn known(&self) -> Option<&Arc<dyn Clock>> {
        self.0.get()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.0.get().map(Clock::elapsed)).finish()
    }
}
