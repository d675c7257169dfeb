//! The slowest handlers.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree_middleware::Pattern;

use super::nanos;
use crate::connection::ConnectionId;
use crate::dispatch::slot::Slot;
use crate::metrics::SlowHandler;

/// Handlers that were found slow, as many as are to be remembered.
pub(crate) struct Slow {
    /// In nanoseconds. Relaxed: it stands for itself.
    threshold: AtomicU64,
    most: usize,
    found: Mutex<Vec<(ConnectionId, SlowHandler)>>,
}

impl Slow {
    pub(crate) fn new(threshold: Duration, most: usize) -> Self {
        Self { threshold: nanos(threshold).into(), most, found: Mutex::default() }
    }

    /// Calls those slow from now on that take longer.
    pub(crate) fn set_threshold(&self, threshold: Duration) {
        self.threshold.store(nanos(threshold), Ordering::Relaxed);
    }

    /// Takes note of a call, if it was slow. When there is no room, the handler whose worst call is the least bad makes room.
    #[inline]
    pub(crate) fn see(&self, slot: &dyn Slot, pattern: &Pattern, took: Duration) {
        if nanos(took) > self.threshold.load(Ordering::Relaxed) {
            self.note(slot, pattern, took);
        }
    }

    #[cold]
    fn note(&self, slot: &dyn Slot, pattern: &Pattern, took: Duration) {
        let id = slot.header().id();
        let mut found = self.found.lock();
        if let Some((_, slow)) = found.iter_mut().find(|(known, _)| *known == id) {
            slow.calls += 1;
            slow.last = took;
            slow.worst = slow.worst.max(took);
            let (slow, calls) = (slow.clone(), slow.calls);
            drop(found);
            // The first, the second, the fourth, ...: so a slow handler is no flood of words.
            if calls.is_power_of_two() {
                warn(&slow);
            }
            return;
        }
        let (name, site) = (slot.name().cloned(), slot.header().site());
        let slow = SlowHandler { pattern: pattern.clone(), name, site, calls: 1, last: took, worst: took };
        if found.len() >= self.most {
            let mildest = found.iter().enumerate().min_by_key(|(_, (_, slow))| slow.worst);
            match mildest.map(|(at, (_, mildest))| (at, mildest.worst)) {
                Some((at, worst)) if worst < took => drop(found.swap_remove(at)),
                _ => return,
            }
        }
        found.push((id, slow.clone()));
        drop(found);
        warn(&slow);
    }

    /// The slowest first.
    pub(crate) fn read(&self) -> Vec<SlowHandler> {
        let mut all: Vec<_> = self.found.lock().iter().map(|(_, slow)| slow.clone()).collect();
        all.sort_by_key(|slow| Reverse(slow.worst));
        all
    }
}

fn warn(slow: &SlowHandler) {
    tracing::warn!(target: "sigtree::dispatch", "slow: {slow}");
}
