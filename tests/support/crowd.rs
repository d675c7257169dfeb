//! Threads for the concurrency tests: a crowd that starts together, and a watchdog for those that may hang.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

// Not the standard library's: ThreadSanitizer does not see what those order.
use parking_lot::{Condvar, Mutex};

/// How many threads emit in these tests.
pub(crate) const CROWD: usize = 4;

/// The count a test is to reach: all of it in release builds, a tenth in debug builds, which CI runs as well.
pub(crate) fn count(full: u64) -> u64 {
    if cfg!(debug_assertions) { full / 10 } else { full }
}

/// Runs `work` on each thread of a crowd, which starts together, and returns what each made.
pub(crate) fn crowd<R: Send>(work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let start = Meeting::new(CROWD);
    thread::scope(|scope| {
        let run = |i| {
            start.attend();
            work(i)
        };
        let threads: Vec<_> = (0..CROWD).map(|i| scope.spawn(move || run(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Runs `work` on a thread of its own: what it made, or `None` if it was not done within `patience`.
///
/// A thread that hangs is left to itself; it ends with the process.
pub(crate) fn watch<R: Send + 'static>(patience: Duration, work: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    let done = Arc::new((Mutex::new(false), Condvar::new()));
    let bell = Bell(done.clone());
    let thread = thread::spawn(move || {
        let _bell = bell;
        work()
    });
    let mut is_done = done.0.lock();
    done.1.wait_while_for(&mut is_done, |is_done| !*is_done, patience);
    // If it panicked, so does this one.
    is_done.then(|| thread.join().unwrap())
}

/// Rings when it is dropped, in whatever way its thread ends.
struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Drop for Bell {
    fn drop(&mut self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }
}

/// Where a number of threads wait for each other, again and again.
pub(crate) struct Meeting {
    size: usize,
    /// How many are there, and how many meetings there were.
    state: Mutex<(usize, usize)>,
    over: Condvar,
}

impl Meeting {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, state: Mutex::default(), over: Condvar::new() }
    }

    /// Waits for the others; whether this one came last.
    pub(crate) fn attend(&self) -> bool {
        let mut state = self.state.lock();
        let meeting = state.1;
        state.0 += 1;
        if state.0 == self.size {
            *state = (0, meeting + 1);
            self.over.notify_all();
            return true;
        }
        self.over.wait_while(&mut state, |state| state.1 == meeting);
        false
    }
}

/// Dice that fall the same way in every run.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: usize) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ (seed as u64 + 1) << 17)
    }

    /// A number below `n`.
    pub(crate) fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}
