//! Threads and tasks that sleep until something happens to a queue. This is the only file that names event-listener.
//!
//! Who waits says so first (`nap`), then looks once more, then sleeps. Who changes the queue changes it first, then looks whether
//! anybody sleeps (`wake`). The count of sleepers and the places of the queue are sequentially consistent: if the change
//! comes first, the second look finds it; if the second look comes first, the count was up before, and the change sees it.
//! The fences, where nothing is hot, say the same to the model checkers, which take no access but a fence for that strong.

use std::sync::Arc;

use crate::sync::{AtomicUsize, Ordering, fence};

/// Those who wait for one thing: that there is something to take, or a place.
pub(crate) struct Waiters {
    asleep: AtomicUsize,
    bell: Bell,
}

/// What is waited for: it has those who wait in it, so that who changes it finds them where he is.
pub(crate) trait Awaited: Send + Sync {
    fn waiters(&self) -> &Waiters;
}

/// Somebody who is about to sleep, or asleep, until dropped.
pub(crate) struct Nap {
    awaited: Arc<dyn Awaited>,
    ear: Ear,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { asleep: AtomicUsize::new(0), bell: Bell::new() }
    }

    /// See [`Nap::begin`].
    pub(crate) fn nap(self: &Arc<Self>) -> Nap {
        Nap::begin(self.clone())
    }

    /// Wakes one more of those who sleep, if any does. The change stands before this.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) > 0 {
            self.ring_for_one();
        }
    }

    #[cold]
    #[inline(never)]
    fn ring_for_one(&self) {
        self.bell.ring_for_one();
    }

    /// Wakes all of them.
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            self.bell.ring_for_all();
        }
    }
}

impl Default for Waiters {
    fn default() -> Self {
        Self::new()
    }
}

impl Awaited for Waiters {
    fn waiters(&self) -> &Waiters {
        self
    }
}

impl Nap {
    /// Says that somebody is about to sleep. Look once more before sleeping.
    pub(crate) fn begin(awaited: Arc<dyn Awaited>) -> Self {
        let waiters = awaited.waiters();
        waiters.asleep.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let ear = waiters.bell.listen();
        Self { awaited, ear }
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        self.awaited.waiters().asleep.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
use real::*;

#[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
mod real {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Instant;

    use event_listener::{Event, EventListener, Listener};

    use super::Nap;

    pub(super) struct Bell(Event);

    /// `None` once it has heard.
    pub(super) struct Ear(Option<EventListener>);

    impl Bell {
        pub(super) fn new() -> Self {
            Self(Event::new())
        }

        pub(super) fn listen(&self) -> Ear {
            Ear(Some(self.0.listen()))
        }

        /// One more, beside those who were woken and have not looked yet.
        pub(super) fn ring_for_one(&self) {
            self.0.notify_additional(1);
        }

        pub(super) fn ring_for_all(&self) {
            self.0.notify(usize::MAX);
        }
    }

    impl Nap {
        /// Sleeps until woken; `false` if `deadline` came first.
        pub(crate) fn sleep(mut self, deadline: Option<Instant>) -> bool {
            match (self.ear.0.take(), deadline) {
                (Some(ear), Some(deadline)) => ear.wait_deadline(deadline).is_some(),
                (Some(ear), None) => {
                    ear.wait();
                    true
                }
                (None, _) => true,
            }
        }

        /// Whether it was woken; if not, the task is.
        pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
            let Some(ear) = &mut self.ear.0 else { return Poll::Ready(()) };
            let heard = Pin::new(ear).poll(context);
            if heard.is_ready() {
                self.ear.0 = None;
            }
            heard
        }
    }
}

#[cfg(any(sigtree_loom, sigtree_shuttle))]
mod model {
    use std::time::Instant;

    use super::Nap;
    use crate::sync::{Condvar, Mutex, wait};

    pub(super) struct Bell {
        rings: Mutex<u64>,
        rung: Condvar,
    }

    pub(super) struct Ear(u64);

    impl Bell {
        pub(super) fn new() -> Self {
            Self { rings: Mutex::new(0), rung: Condvar::new() }
        }

        pub(super) fn listen(&self) -> Ear {
            Ear(*self.rings.lock())
        }

        pub(super) fn ring_for_one(&self) {
            self.ring_for_all();
        }

        pub(super) fn ring_for_all(&self) {
            *self.rings.lock() += 1;
            self.rung.notify_all();
        }
    }

    impl Nap {
        pub(crate) fn sleep(self, _deadline: Option<Instant>) -> bool {
            let bell = &self.awaited.waiters().bell;
            let mut rings = bell.rings.lock();
            while *rings == self.ear.0 {
                wait(&bell.rung, &mut rings, None);
            }
            true
        }

        pub(crate) fn poll(&mut self, _context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            unreachable!("models have no tasks")
        }
    }
}

#[cfg(any(sigtree_loom, sigtree_shuttle))]
use model::*;
