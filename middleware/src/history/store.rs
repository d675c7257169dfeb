//! Recording that never waits: an inbox before the ring.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crossbeam_queue::ArrayQueue;
use parking_lot::Mutex;

use super::late::{Fallout, Followers};
use super::ring::{Bounds, Ring};
use super::{Entry, HistoryStats, Late};
use crate::Clock;

/// How many records the inbox bridges while the ring is busy.
const INBOX: usize = 256;

/// The ring behind a lock that recording only ever tries, and the inbox in front of it.
///
/// Every record goes through the inbox, so records keep their order; whoever holds the lock moves the inbox into the
/// ring. No foreign code but [`Late`]'s runs under the lock.
pub(super) struct Store {
    inbox: ArrayQueue<Entry>,
    shelf: Mutex<Shelf>,
    lost: AtomicU64,
}

struct Shelf {
    ring: Ring,
    followers: Followers,
}

impl Store {
    pub(super) fn new(bounds: Bounds) -> Self {
        let shelf = Shelf { ring: Ring::new(bounds), followers: Followers::default() };
        Self { inbox: ArrayQueue::new(INBOX), shelf: Mutex::new(shelf), lost: AtomicU64::new(0) }
    }

    /// Takes an entry in without waiting for anyone; if the inbox is full, the entry is lost and counted.
    pub(super) fn record(&self, entry: Entry) {
        if self.inbox.push(entry).is_err() {
            // Relaxed: a count that `stats` reads, and nothing hangs on it.
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        let mut fallout = Fallout::default();
        self.sweep(&mut fallout);
        fallout.settle();
    }

    /// Looks at the ring as it is now, everything recorded so far in it, and nothing too old by the clock.
    pub(super) fn read<R>(&self, clock: Option<&dyn Clock>, look: impl FnOnce(&Ring) -> R) -> R {
        let now = clock.map(Clock::elapsed);
        self.open(|shelf, fallout| {
            if let Some(now) = now {
                shelf.ring.expire(now, &mut fallout.gone);
            }
            look(&shelf.ring)
        })
    }

    pub(super) fn clear(&self) {
        self.open(|shelf, fallout| shelf.ring.clear(&mut fallout.gone));
    }

    pub(super) fn follow(&self, late: Arc<dyn Late>, last: usize) {
        self.open(|shelf, fallout| shelf.followers.admit(late, last, shelf.ring.entries(), fallout));
    }

    /// The counts kept by the ring, and the losses.
    pub(super) fn stats(&self, clock: Option<&dyn Clock>) -> HistoryStats {
        self.read(clock, |ring| HistoryStats { lost: self.lost.load(Ordering::Relaxed), ..ring.stats() })
    }

    /// Waits for the lock, moves the inbox in, and hands over the shelf; sees to the fallout when it is unlocked.
    fn open<R>(&self, work: impl FnOnce(&mut Shelf, &mut Fallout) -> R) -> R {
        let mut fallout = Fallout::default();
        let result = {
            let mut shelf = self.shelf.lock();
            self.drain(&mut shelf, &mut fallout);
            work(&mut shelf, &mut fallout)
        };
        self.sweep(&mut fallout);
        fallout.settle();
        result
    }

    /// Moves the inbox into the ring unless somebody else is about to.
    ///
    /// It runs after every push into the inbox and after every release of the lock, so no entry is left behind. One
    /// thread pushes, fences, and tries the lock; another one releases the lock, fences, and looks into the inbox. If
    /// the first fence comes first, the second thread sees the entry. If the second comes first, the first thread finds
    /// the lock free, or taken by a third, who will come by here as well.
    fn sweep(&self, fallout: &mut Fallout) {
        loop {
            fence(Ordering::SeqCst);
            if self.inbox.is_empty() {
                return;
            }
            let Some(mut shelf) = self.shelf.try_lock() else {
                return;
            };
            self.drain(&mut shelf, fallout);
        }
    }

    /// Moves at most one inboxful, so that a holder of the lock is never kept by others' pushing.
    fn drain(&self, shelf: &mut Shelf, fallout: &mut Fallout) {
        for entry in std::iter::from_fn(|| self.inbox.pop()).take(INBOX) {
            let entry = shelf.ring.number(entry);
            shelf.followers.notice(&entry, fallout);
            shelf.ring.push(entry, &mut fallout.gone);
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Store");
        shown.field("inbox", &self.inbox.len());
        // Whoever has the lock may be the one who asks.
        if let Some(shelf) = self.shelf.try_lock() {
            shown.field("entries", &shelf.ring.entries().len());
        }
        shown.finish_non_exhaustive()
    }
}
