//! A counter that every thread has to itself, and that says now and then that it is time for a closer look.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

/// A count in lanes, one a thread.
///
/// Relaxed throughout: a lane has one writer at a time, and who reads wants figures, not an order. That a thread which is
/// given a lane sees what the last one wrote there is the doing of the lock of [`FREE`].
pub(crate) struct Lanes {
    own: Box<[CachePadded<Lane>]>,
    /// For threads that found no lane.
    shared: CachePadded<Lane>,
}

#[derive(Default)]
struct Lane {
    count: AtomicU64,
    /// The count at which the next look is due.
    next: AtomicU64,
    /// The count at the last look.
    looked: AtomicU64,
}

/// So many events of a lane are looked at before any is passed over, and so many times rarer than events looks become.
const FIRST: u64 = 64;

impl Lanes {
    pub(crate) fn new() -> Self {
        Self { own: (0..width()).map(|_| CachePadded::default()).collect(), shared: CachePadded::default() }
    }

    /// Counts one; whether it is time for a look, which [`weigh`](Self::weigh) begins.
    #[inline]
    pub(crate) fn tick(&self) -> bool {
        match self.own.get(LANE.get()) {
            Some(lane) => {
                let count = lane.count.load(Ordering::Relaxed) + 1;
                lane.count.store(count, Ordering::Relaxed);
                count > lane.next.load(Ordering::Relaxed)
            }
            None => self.tick_elsewhere(),
        }
    }

    /// The same for a thread that has no lane yet, or none to itself.
    #[cold]
    #[inline(never)]
    fn tick_elsewhere(&self) -> bool {
        if LANE.get() == UNKNOWN {
            LANE.set(LEASE.try_with(|lease| lease.0.unwrap_or(SHARED)).unwrap_or(SHARED));
            return self.tick();
        }
        self.shared.count.fetch_add(1, Ordering::Relaxed) + 1 > self.shared.next.load(Ordering::Relaxed)
    }

    /// Whether it is time for a look at the next one.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let lane = self.own.get(LANE.get()).unwrap_or(&self.shared);
        lane.count.load(Ordering::Relaxed) >= lane.next.load(Ordering::Relaxed)
    }

    /// Begins a look: how many events it stands for, itself and those passed over before it. The next one is due one event in
    /// `every` later, or sooner while there were few.
    pub(crate) fn weigh(&self, every: u64) -> u64 {
        let lane = self.own.get(LANE.get()).unwrap_or(&self.shared);
        let count = lane.count.load(Ordering::Relaxed);
        let gap = every.min(count / FIRST).max(1);
        lane.next.store(count + fastrand::u64(..2 * gap - 1), Ordering::Relaxed);
        count - lane.looked.swap(count, Ordering::Relaxed).min(count)
    }

    /// What all threads counted.
    pub(crate) fn sum(&self) -> u64 {
        self.own.iter().chain([&self.shared]).map(|lane| lane.count.load(Ordering::Relaxed)).sum()
    }
}

const UNKNOWN: usize = usize::MAX;
const SHARED: usize = usize::MAX - 1;

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(UNKNOWN) };
    static LEASE: Lease = Lease::take();
}

/// Lanes that were given back, and how many were ever given out.
static FREE: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

/// A thread's lane, given back when the thread ends.
struct Lease(Option<usize>);

impl Lease {
    fn take() -> Self {
        let (free, given) = &mut *FREE.lock();
        Self(free.pop().or_else(|| {
            let fresh = (*given < width()).then_some(*given);
            *given += usize::from(fresh.is_some());
            fresh
        }))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What this thread still emits from other destructors counts in the shared lane.
        LANE.set(SHARED);
        if let Some(lane) = self.0 {
            FREE.lock().0.push(lane);
        }
    }
}

/// How many threads have a lane to themselves.
fn width() -> usize {
    static WIDTH: OnceLock<usize> = OnceLock::new();
    *WIDTH.get_or_init(|| (2 * available_parallelism().map_or(4, usize::from)).clamp(8, 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_beyond_the_lanes_count_too() {
        let lanes = Lanes::new();
        let threads = width() + 8;
        let together = std::sync::Barrier::new(threads);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    lanes.tick();
                    together.wait();
                    for _ in 1..1_000 {
                        lanes.tick();
                    }
                });
            }
        });
        assert_eq!(lanes.sum(), threads as u64 * 1_000);
        assert!(lanes.shared.count.load(Ordering::Relaxed) >= 8_000);
    }

    #[test]
    fn the_first_are_all_looked_at_and_then_one_in_so_many() {
        let lanes = Lanes::new();
        let looks = |events: u64| {
            let mut weight = 0;
            let looks = (0..events)
                .filter(|_| {
                    lanes.tick() && {
                        weight += lanes.weigh(100);
                        true
                    }
                })
                .count();
            (looks, weight)
        };
        assert_eq!(looks(FIRST), (64, 64));
        let (looked, weight) = looks(1_000_000);
        assert!((9_500..11_500).contains(&looked), "{looked}");
        assert!((999_700..=1_000_000).contains(&weight), "{weight}");
    }
}
