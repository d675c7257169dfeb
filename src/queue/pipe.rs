//! A bounded queue between those who push and those who take.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use sigtree_middleware::{Priority, Topic};

use super::counts::{Loss, Losses, QueueStats, Takes, stats};
use super::lanes::Lanes;
use super::latest::Latest;
use super::waiters::{Nap, Waiters};
use super::{Overflow, Queue};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, yield_now};

/// What an item is queued by.
#[derive(Clone, Copy)]
pub(crate) struct Rank<'r> {
    pub(crate) priority: Priority,
    /// What a newer one replaces it by.
    pub(crate) topic: &'r Topic,
}

/// How often somebody who finds nothing lets other threads run and looks again, before going to sleep. To be woken costs the one who
/// pushes more than a push, and it is often about to come.
const WAYS_GIVEN: u32 = if cfg!(any(sigtree_loom, sigtree_shuttle)) { 0 } else { 4 };

pub(crate) struct Pipe<I> {
    queue: Queue,
    store: Store<I>,
    /// Those who wait for something to take.
    takers: Arc<Waiters>,
    /// Those who wait for a place.
    pushers: Arc<Waiters>,
    closed: AtomicBool,
    /// How many can take from it.
    handles: AtomicUsize,
    losses: Losses,
    takes: CachePadded<Takes>,
    /// The thread that took last, or looked for something to take.
    taker: CachePadded<AtomicU64>,
}

enum Store<I> {
    /// Full is full.
    Lanes(Lanes<I>),
    /// The oldest of a full lane makes place.
    Rings(Lanes<I>),
    Latest(Latest<I>),
}

impl<I> Pipe<I> {
    pub(crate) fn new(queue: Queue) -> Arc<Self> {
        let store = match queue.when_full() {
            Overflow::Latest => Store::Latest(Latest::new(queue.capacity())),
            Overflow::DropOldest => Store::Rings(Lanes::new(queue.capacity())),
            _ => Store::Lanes(Lanes::new(queue.capacity())),
        };
        Arc::new(Self {
            queue,
            store,
            takers: Waiters::new(),
            pushers: Waiters::new(),
            closed: AtomicBool::new(false),
            handles: AtomicUsize::new(0),
            losses: Losses::default(),
            takes: CachePadded::default(),
            taker: CachePadded::new(AtomicU64::new(0)),
        })
    }

    pub(crate) fn queue(&self) -> Queue {
        self.queue
    }

    /// Puts an item in, if it finds or is given a place, and wakes somebody who waits for one.
    ///
    /// # Errors
    ///
    /// The item, if there is no place.
    #[inline(always)]
    pub(crate) fn push(&self, item: I, rank: Rank<'_>) -> Result<(), I> {
        match &self.store {
            Store::Lanes(lanes) => lanes.push(item, rank.priority)?,
            Store::Rings(lanes) => self.force_push(lanes, item, rank.priority),
            Store::Latest(latest) => self.push_latest(latest, item, rank.topic)?,
        }
        self.takers.wake();
        Ok(())
    }

    #[inline(never)]
    fn force_push(&self, lanes: &Lanes<I>, item: I, priority: Priority) {
        if lanes.force_push(item, priority).is_some() {
            self.losses.count(Loss::Oldest);
            self.takes.see(self.queue.capacity());
        }
    }

    #[inline(never)]
    fn push_latest(&self, latest: &Latest<I>, item: I, topic: &Topic) -> Result<(), I> {
        if latest.push(item, topic)?.is_some() {
            self.losses.count(Loss::Replaced);
        }
        Ok(())
    }

    /// The same, and waits for a place until `deadline`.
    ///
    /// # Errors
    ///
    /// The item, and why it has no place: time ran out, or this thread would wait for itself.
    #[cold]
    pub(crate) fn push_until(&self, mut item: I, rank: Rank<'_>, deadline: Option<Instant>) -> Result<(), (I, Loss)> {
        loop {
            let Err(back) = self.push(item, rank) else { return Ok(()) };
            if self.is_taken_from_here_only() {
                return Err((back, Loss::WouldDeadlock));
            }
            let nap = self.pushers.nap();
            let Err(back) = self.push(back, rank) else { return Ok(()) };
            if self.is_closed() || !nap.sleep(deadline) {
                return self.push(back, rank).map_err(|item| (item, Loss::TimedOut));
            }
            item = back;
        }
    }

    /// Takes what is next, and wakes somebody who waits for a place.
    #[inline]
    pub(crate) fn pop(&self) -> Option<I> {
        self.takes.see(self.len());
        let item = match &self.store {
            Store::Lanes(lanes) | Store::Rings(lanes) => lanes.pop(),
            Store::Latest(latest) => latest.pop(),
        }?;
        self.takes.count();
        self.pushers.wake();
        Some(item)
    }

    /// Takes what is next, and sleeps until there is something; `None` when the time is over, or nothing will come any more.
    pub(crate) fn pop_until(&self, deadline: Option<Instant>) -> Option<I> {
        let mut ways_given = 0;
        loop {
            if let Some(item) = self.pop() {
                return Some(item);
            }
            if ways_given < WAYS_GIVEN && !self.is_closed() {
                ways_given += 1;
                yield_now();
                continue;
            }
            let nap = self.takers.nap();
            let item = self.pop();
            // What came before the close is there by now.
            if item.is_some() || self.is_closed() {
                return item.or_else(|| self.pop());
            }
            if !nap.sleep(deadline) {
                return self.pop();
            }
        }
    }

    /// Notes that this thread takes; whether another one did before.
    #[inline]
    pub(crate) fn note_taker(&self) -> bool {
        let (me, before) = (this_thread(), self.taker.load(Ordering::Relaxed));
        if before != me {
            self.taker.store(me, Ordering::Relaxed);
        }
        before != me && before != 0
    }

    /// Whether the only one who can take from it did so last in this thread, so that waiting here is waiting for oneself.
    fn is_taken_from_here_only(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 1 && self.taker.load(Ordering::Relaxed) == this_thread()
    }

    /// Notes one more who can take from it.
    pub(crate) fn open_handle(&self) {
        self.handles.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that one of them is gone; with the last it closes.
    pub(crate) fn close_handle(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.store {
            Store::Lanes(lanes) | Store::Rings(lanes) => lanes.len(),
            Store::Latest(latest) => latest.len(),
        }
    }

    /// Says that one is about to sleep until there is something to take. Look once more before sleeping.
    pub(crate) fn nap(&self) -> Nap {
        self.takers.nap()
    }

    /// Ends it: what is in can still be taken, nobody waits any more. Who slept, or is about to, sees it.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.takers.wake_all();
        self.pushers.wake_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Counts a loss that the pusher decided on; how many there were for this reason.
    pub(crate) fn count_loss(&self, loss: Loss) -> u64 {
        self.losses.count(loss)
    }

    pub(crate) fn stats(&self) -> QueueStats {
        stats(self.queue.capacity(), self.len(), &self.losses, &self.takes)
    }
}

/// A number for this thread, never 0.
#[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    std::thread_local! { static ME: u64 = NEXT.fetch_add(1, Ordering::Relaxed); }
    ME.with(|me| *me)
}

/// Models run many threads in one: none is taken for another.
#[cfg(any(sigtree_loom, sigtree_shuttle))]
fn this_thread() -> u64 {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
