//! A bounded queue between those who push and those who take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use sigtree_middleware::{Priority, Topic};

use super::counts::{Loss, Losses, QueueStats, Takes, stats};
use super::high_water::HighWater;
use super::kept::Kept;
use super::lanes::Lanes;
use super::latest::Latest;
use super::waiters::{Awaited, Nap, Waiters};
use super::{Overflow, Queue};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, give_way};

/// What an item is queued by.
#[derive(Clone, Copy)]
pub(crate) struct Rank<'r> {
    pub(crate) priority: Priority,
    /// What a newer one replaces it by.
    pub(crate) topic: &'r Topic,
}

/// What a push looks at stands in one cache line, so that an emit to many queues touches little memory of each. That is the second
/// line: the rings have what they look at in the first line of pairs (of 128 bytes), and all of many queues would be cached in the
/// same half of the sets.
#[repr(C)]
pub(crate) struct Pipe<I> {
    /// As it began.
    queue: Queue,
    capacity: AtomicUsize,
    /// How long a push into a full queue waits, in nanoseconds, if it waits.
    patience: AtomicU64,
    /// How many can take from it.
    handles: AtomicUsize,
    closed: AtomicBool,
    /// Those who wait for something to take.
    takers: Waiters,
    store: Store<I>,
    /// Those who wait for a place.
    pushers: Arc<Waiters>,
    /// Whether those who take look how many wait, because some who push do not.
    takers_look: AtomicBool,
    /// What those who push write.
    pushes: CachePadded<Pushes>,
    takes: CachePadded<Takes>,
    /// The thread that took last, or looked for something to take.
    taker: CachePadded<AtomicU64>,
}

#[derive(Default)]
struct Pushes {
    high_water: HighWater,
    losses: Losses,
}

enum Store<I> {
    /// Full is full.
    Lanes(Lanes<I>),
    /// The oldest of a full lane makes place.
    Rings(Lanes<I>),
    Latest(Latest<I>),
    /// Who takes an item holds its place.
    Kept(Kept<I>),
}

impl<I> Pipe<I> {
    pub(crate) fn new(queue: Queue) -> Arc<Self> {
        let store = match queue.when_full() {
            Overflow::Latest => Store::Latest(Latest::new(queue.capacity())),
            Overflow::DropOldest => Store::Rings(Lanes::new(queue.capacity())),
            _ => Store::Lanes(Lanes::new(queue.capacity())),
        };
        Self::of(queue, store)
    }

    /// One whose items hold their place, when they were taken, until it is [given back](Self::give_back).
    pub(crate) fn keeping(queue: Queue) -> Arc<Self> {
        Self::of(queue, Store::Kept(Kept::new(queue.capacity())))
    }

    fn of(queue: Queue, store: Store<I>) -> Arc<Self> {
        Arc::new(Self {
            queue,
            capacity: AtomicUsize::new(queue.capacity()),
            patience: AtomicU64::new(nanos(queue.patience().unwrap_or_default())),
            handles: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            takers: Waiters::new(),
            store,
            pushers: Arc::new(Waiters::new()),
            takers_look: AtomicBool::new(false),
            pushes: CachePadded::default(),
            takes: CachePadded::default(),
            taker: CachePadded::new(AtomicU64::new(0)),
        })
    }

    /// The queue as it is now.
    pub(crate) fn queue(&self) -> Queue {
        let patience = Duration::from_nanos(self.patience.load(Ordering::Relaxed));
        let overflow = match self.queue.when_full() {
            Overflow::Block(_) => Overflow::Block(patience),
            other => other,
        };
        self.queue.overflow(overflow).places(self.capacity())
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity.load(Ordering::Relaxed)
    }

    /// Has so many places from now on. What is in stays in; while it is more than there are places, nothing finds one.
    pub(crate) fn resize(&self, capacity: usize) {
        if self.capacity.swap(capacity, Ordering::Relaxed) == capacity {
            return;
        }
        // Read under their locks: of two who do this at once, the last one there reads the last capacity.
        match &self.store {
            Store::Lanes(lanes) | Store::Rings(lanes) => lanes.resize(|| self.capacity()),
            Store::Latest(latest) => latest.resize(|| self.capacity()),
            Store::Kept(kept) => kept.resize(|| self.capacity()),
        }
        // Who found nothing in the rings, and who found no place.
        self.takers.wake_all();
        self.pushers.wake_all();
    }

    /// How long a push waits from now on, if it waits at all.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.patience.store(nanos(patience), Ordering::Relaxed);
    }

    /// Puts an item in, if it finds or is given a place, and wakes somebody who waits for one.
    ///
    /// # Errors
    ///
    /// The item, if there is no place.
    #[inline(always)]
    pub(crate) fn push(&self, item: I, rank: Rank<'_>) -> Result<(), I> {
        self.put::<true>(item, rank)
    }

    /// The same for one who pushes into many queues, and leaves it to those who take to look how many wait.
    ///
    /// # Errors
    ///
    /// As with [`push`](Self::push).
    #[inline(always)]
    pub(crate) fn push_among(&self, item: I, rank: Rank<'_>) -> Result<(), I> {
        // Before the item is there: who takes after it was pushed sees this.
        if !self.takers_look.load(Ordering::Relaxed) {
            self.takers_look.store(true, Ordering::SeqCst);
        }
        self.put::<false>(item, rank)
    }

    #[inline(always)]
    fn put<const COUNTED: bool>(&self, item: I, rank: Rank<'_>) -> Result<(), I> {
        match &self.store {
            Store::Lanes(lanes) => {
                lanes.push(item, rank.priority)?;
                if COUNTED {
                    self.note_push(lanes);
                }
            }
            Store::Rings(lanes) => return self.put_for(self.force_push(lanes, item, rank.priority)),
            Store::Latest(latest) => return self.put_for(self.push_latest(latest, item, rank.topic)?),
            Store::Kept(kept) => self.push_kept(kept, item, rank.priority)?,
        }
        self.takers.wake();
        Ok(())
    }

    /// The end of a push for which another item may have made place. Its own drop may panic: all else is done by then.
    fn put_for(&self, other: Option<I>) -> Result<(), I> {
        self.takers.wake();
        drop(other);
        Ok(())
    }

    #[inline(never)]
    fn force_push(&self, lanes: &Lanes<I>, item: I, priority: Priority) -> Option<I> {
        let oldest = lanes.force_push(item, priority);
        if oldest.is_some() {
            self.pushes.losses.count(Loss::Oldest);
        }
        self.note_push(lanes);
        oldest
    }

    #[inline(never)]
    fn push_latest(&self, latest: &Latest<I>, item: I, topic: &Topic) -> Result<Option<I>, I> {
        let older = latest.push(item, topic)?;
        if older.is_some() {
            self.pushes.losses.count(Loss::Replaced);
        }
        Ok(older)
    }

    #[inline(never)]
    fn push_kept(&self, kept: &Kept<I>, item: I, priority: Priority) -> Result<(), I> {
        kept.push(item, priority, self.capacity(), || self.pushers.wake())?;
        self.note_push(kept.lanes());
        Ok(())
    }

    /// Notes that one more waits.
    #[inline]
    fn note_push(&self, lanes: &Lanes<I>) {
        if self.pushes.high_water.count_off() {
            self.look(lanes);
        }
    }

    #[cold]
    #[inline(never)]
    fn look(&self, lanes: &Lanes<I>) {
        if self.can_rise(lanes) {
            self.pushes.high_water.look(|| lanes.len());
        }
    }

    /// The same, and waits for a place until `deadline`.
    ///
    /// # Errors
    ///
    /// The item, and why it has no place: time ran out, or this thread would wait for itself.
    #[cold]
    pub(crate) fn push_until(&self, item: I, rank: Rank<'_>, deadline: Option<Instant>) -> Result<(), (I, Loss)> {
        self.push_unless(item, rank, deadline, || self.is_taken_from_here_only())
    }

    /// The same, where `in_vain` says that nobody would ever make a place. It is asked before each sleep, when who changes its answer
    /// and then [wakes those who wait](Self::wake_pushers) wakes this one, too.
    #[cold]
    pub(crate) fn push_unless(
        &self,
        mut item: I,
        rank: Rank<'_>,
        deadline: Option<Instant>,
        in_vain: impl Fn() -> bool,
    ) -> Result<(), (I, Loss)> {
        loop {
            let Err(back) = self.push(item, rank) else { return Ok(()) };
            let nap = self.pushers.nap();
            let Err(back) = self.push(back, rank) else { return Ok(()) };
            if in_vain() {
                return Err((back, Loss::WouldDeadlock));
            }
            if self.is_closed() || !nap.sleep(deadline) {
                return self.push(back, rank).map_err(|item| (item, Loss::TimedOut));
            }
            item = back;
        }
    }

    /// Takes what is next, and wakes somebody who waits for a place.
    #[inline]
    pub(crate) fn pop(&self) -> Option<I> {
        let item = self.take_out()?;
        self.takes.count();
        self.pushers.wake();
        Some(item)
    }

    /// Takes out what is next, to be dropped: nobody will have it.
    pub(crate) fn abandon(&self) -> Option<I> {
        let item = self.take_out()?;
        self.pushes.losses.count(Loss::Abandoned);
        self.pushers.wake();
        Some(item)
    }

    #[inline(always)]
    fn take_out(&self) -> Option<I> {
        match &self.store {
            Store::Lanes(lanes) | Store::Rings(lanes) => {
                if self.takers_look.load(Ordering::Acquire) {
                    self.look_before_take(lanes);
                }
                lanes.pop()
            }
            Store::Latest(latest) => {
                self.pushes.high_water.see(latest.len());
                latest.pop()
            }
            Store::Kept(kept) => kept.pop(),
        }
    }

    /// Between two takes the depth only grows, so the highest is there just before one.
    #[inline]
    fn look_before_take(&self, lanes: &Lanes<I>) {
        if self.can_rise(lanes) {
            self.pushes.high_water.see(lanes.len());
        }
    }

    /// Whether more can wait than ever did: a ring does not become fuller than full.
    #[inline]
    fn can_rise(&self, lanes: &Lanes<I>) -> bool {
        lanes.has_others() || self.pushes.high_water.get() < lanes.capacity()
    }

    /// Takes what is next, and sleeps until there is something; `None` when the time is over, or nothing will come any more.
    pub(crate) fn pop_until(self: &Arc<Self>, deadline: Option<Instant>) -> Option<I>
    where
        I: Send + 'static,
    {
        self.find_until(deadline, || self.pop(), || self.is_closed())
    }

    /// The same for somebody who may not be wanted any more: then it is `None`, and another one is woken in his place.
    pub(crate) fn pop_while(self: &Arc<Self>, deadline: Option<Instant>, is_wanted: impl Fn() -> bool) -> Option<I>
    where
        I: Send + 'static,
    {
        let next = || if is_wanted() { self.pop().map(Some) } else { Some(None) };
        let found = self.find_until(deadline, next, || self.is_closed());
        if let Some(None) = found {
            // The bell may have rung for this one only.
            self.takers.wake();
        }
        found.flatten()
    }

    /// Finds something, and sleeps until there is something to look at again, as long as it is not over.
    pub(crate) fn find_until<R>(
        self: &Arc<Self>,
        deadline: Option<Instant>,
        find: impl Fn() -> Option<R>,
        is_over: impl Fn() -> bool,
    ) -> Option<R>
    where
        I: Send + 'static,
    {
        loop {
            if let Some(found) = find() {
                return Some(found);
            }
            // Who pushes one after the other has pushed the next by then, and need not wake anybody.
            give_way();
            if let Some(found) = find() {
                return Some(found);
            }
            let nap = self.nap();
            let found = find();
            // What came before the end is there by now.
            if found.is_some() || is_over() {
                return found.or_else(find);
            }
            if !nap.sleep(deadline) {
                return find();
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

    /// Notes that others take, too.
    pub(crate) fn forget_taker(&self) {
        self.taker.store(0, Ordering::Relaxed);
    }

    /// Whether the only one who can take from it did so last in this thread, so that waiting here is waiting for oneself.
    pub(crate) fn is_taken_from_here_only(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 1 && self.taker.load(Ordering::Relaxed) == this_thread()
    }

    /// Notes one more who can take from it.
    pub(crate) fn open_handle(&self) {
        self.handles.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that one of them is gone; with the last it closes. Whether it was the last.
    pub(crate) fn close_handle(&self) -> bool {
        let was_last = self.handles.fetch_sub(1, Ordering::AcqRel) == 1;
        if was_last {
            self.close();
        }
        was_last
    }

    pub(crate) fn len(&self) -> usize {
        match &self.store {
            Store::Lanes(lanes) | Store::Rings(lanes) => lanes.len(),
            Store::Latest(latest) => latest.len(),
            Store::Kept(kept) => kept.len(),
        }
    }

    /// How many wait, or were taken and not given back.
    pub(crate) fn undone(&self) -> usize {
        match &self.store {
            Store::Kept(kept) => kept.held(),
            _ => self.len(),
        }
    }

    /// Says that one is about to sleep until there is something to take. Look once more before sleeping.
    pub(crate) fn nap(self: &Arc<Self>) -> Nap
    where
        I: Send + 'static,
    {
        Nap::begin(self.clone())
    }

    /// Wakes those who wait for something to take, to see whether they are wanted.
    pub(crate) fn wake_takers(&self) {
        self.takers.wake_all();
    }

    /// Wakes those who wait for a place, to see whether they still wait for somebody.
    pub(crate) fn wake_pushers(&self) {
        self.pushers.wake_all();
    }

    /// Ends it: what is in can still be taken, nobody waits any more. Who slept, or is about to, sees it.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.takers.wake_all();
        self.pushers.wake_all();
    }

    /// Gives back the place of an item that was taken, where such hold theirs.
    pub(crate) fn give_back(&self, priority: Priority) {
        let Store::Kept(kept) = &self.store else { return };
        kept.give_back(priority);
        self.pushers.wake();
        // Who waits for the last one to come back sees that it does not; or this was before the close, which wakes them all.
        if self.is_closed() {
            self.takers.wake_all();
        }
    }

    /// Whether nothing will come any more, not even what was taken and may come back.
    pub(crate) fn is_over(&self) -> bool {
        self.is_closed() && !matches!(&self.store, Store::Kept(kept) if kept.held() > 0)
    }

    /// Says that there is something to take that was not pushed.
    pub(crate) fn wake_taker(&self) {
        self.takers.wake();
    }

    /// Whether nobody can take from it any more.
    pub(crate) fn is_deserted(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Counts a loss that the pusher decided on; how many there were for this reason.
    pub(crate) fn count_loss(&self, loss: Loss) -> u64 {
        self.pushes.losses.count(loss)
    }

    pub(crate) fn stats(&self) -> QueueStats {
        stats(self.capacity(), self.len(), &self.pushes.high_water, &self.pushes.losses, &self.takes)
    }
}

impl<I: Send> Awaited for Pipe<I> {
    fn waiters(&self) -> &Waiters {
        &self.takers
    }
}

/// More than 584 years are as good as for ever.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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

#[cfg(all(test, not(any(sigtree_loom, sigtree_shuttle))))]
mod tests {
    use super::*;

    /// Where lines come in pairs.
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn what_a_push_looks_at_is_one_line() {
        use std::mem::offset_of;

        let (first, last) = (offset_of!(Pipe<[usize; 2]>, takers), offset_of!(Pipe<[usize; 2]>, store) + 32);
        assert_eq!((first, align_of::<Pipe<[usize; 2]>>()), (64, 128));
        assert!(last <= 128, "{last}");
    }

    #[test]
    fn a_queue_that_was_full_is_known_to_have_been_whoever_filled_it() {
        const ROUNDS: usize = if cfg!(miri) { 5 } else { 500 };
        let topic = Topic::try_from("n").unwrap();
        for _ in 0..ROUNDS {
            let pipe = Pipe::new(Queue::bounded(3).overflow(Overflow::DropOldest));
            let rank = Rank { priority: Priority::Normal, topic: &topic };
            std::thread::scope(|scope| {
                (0..4).for_each(|_| drop(scope.spawn(|| (0..4).for_each(|n| assert_eq!(pipe.push(n, rank), Ok(()))))));
            });
            assert_eq!((pipe.pushes.high_water.get(), pipe.len()), (3, 3));
        }
    }

    #[test]
    fn a_queue_that_is_to_be_larger_was_no_fuller_than_it_was() {
        let topic = Topic::try_from("n").unwrap();
        let pipe = Pipe::new(Queue::bounded(2).overflow(Overflow::DropOldest));
        // Between the two steps of `resize`.
        pipe.capacity.store(100, Ordering::Relaxed);
        (0..3).for_each(|n| assert_eq!(pipe.push(n, Rank { priority: Priority::Normal, topic: &topic }), Ok(())));
        assert_eq!((pipe.stats().dropped_oldest, pipe.stats().high_water), (1, 2));
    }

    #[test]
    fn what_is_abandoned_is_counted_as_lost_and_not_as_taken() {
        let topic = Topic::try_from("n").unwrap();
        for pipe in [Pipe::new(Queue::bounded(3)), Pipe::keeping(Queue::bounded(3))] {
            let rank = Rank { priority: Priority::Normal, topic: &topic };
            (0..3).for_each(|n| assert_eq!(pipe.push(n, rank), Ok(())));
            assert_eq!((pipe.pop(), pipe.abandon()), (Some(0), Some(1)));
            let stats = pipe.stats();
            assert_eq!((stats.received, stats.abandoned, stats.depth, stats.sent()), (1, 1, 1, 3));
        }
    }
}
