//! The most that ever waited in a queue.
//!
//! Between two takes the depth only grows, so it is enough to look at it before each take. That makes those who push wait for their
//! cache line each time: it is done where an emit goes to many queues, and so to many who take. Where it goes to one, those who push
//! look: a depth of `d` is good for as many pushes as it is below the mark, whatever is taken meanwhile, so they count these off,
//! and look at the depth when they are used up.
//!
//! - What waits is never more than the mark less the slack, and as many as are pushed but not counted off yet: a push makes both
//!   sides one more, a take the left one less, and a look reads the slack before the depth and adds the difference, so what was
//!   counted off in between stays so.
//! - When a push ends with slack left, no more wait than the mark says. When it ends without, it has looked.
//! - A push of an emit to many queues is never counted off, so the slack promises nothing from the first one on. It says so before it
//!   pushes, for good, and each take looks.
//!
//! Either way the mark is exact for all pushes that ended before a take began. Of what goes on at the same time it may see less; and
//! more where there are several lanes, which are looked at one after the other.

use crate::sync::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};

#[derive(Default)]
pub(crate) struct HighWater {
    /// How many can be pushed before somebody has to look.
    slack: AtomicIsize,
    mark: AtomicUsize,
    /// One at a time adds to the slack.
    adding: AtomicBool,
}

impl HighWater {
    pub(crate) fn get(&self) -> usize {
        self.mark.load(Ordering::Relaxed)
    }

    /// Counts off a push, which is in the queue; whether it has to [look](Self::look).
    #[inline]
    pub(crate) fn count_off(&self) -> bool {
        self.slack.fetch_sub(1, Ordering::AcqRel) <= 0
    }

    /// Looks how many wait.
    pub(crate) fn look(&self, depth: impl FnOnce() -> usize) {
        // Who does not get to add finds out about his own push; the next one looks again.
        if self.adding.swap(true, Ordering::Acquire) {
            return self.see(depth());
        }
        let slack = self.slack.load(Ordering::Acquire);
        let depth = depth();
        self.see(depth);
        let above = self.get().saturating_sub(depth);
        self.slack.fetch_add(above.cast_signed().saturating_sub(slack), Ordering::AcqRel);
        self.adding.store(false, Ordering::Release);
    }

    /// Notes that so many wait.
    #[inline]
    pub(crate) fn see(&self, depth: usize) {
        if depth > self.get() {
            self.mark.fetch_max(depth, Ordering::Relaxed);
        }
    }
}
