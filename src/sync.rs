//! The locks and atomics of the dispatch, with twins that the model checkers loom and shuttle can watch.

#[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
mod real {
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use std::thread::{sleep as nap, yield_now};

    use std::time::Duration;

    /// Lets others run, once.
    pub(crate) use std::thread::yield_now as give_way;

    /// Reads a flag in the destructor of what an `Arc` shared: the last one to let go sees what all others did.
    pub(crate) fn last_look(flags: &AtomicU32) -> u32 {
        flags.load(Ordering::Acquire)
    }

    /// Waits for a notification; `false` if `timeout` ran out first.
    pub(crate) fn wait<T>(condvar: &Condvar, guard: &mut MutexGuard<'_, T>, timeout: Option<Duration>) -> bool {
        match timeout {
            Some(timeout) => !condvar.wait_for(guard, timeout).timed_out(),
            None => {
                condvar.wait(guard);
                true
            }
        }
    }
}

#[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
pub(crate) use real::*;

#[cfg(any(sigtree_loom, sigtree_shuttle))]
mod model {
    #[cfg(sigtree_loom)]
    use loom::{sync, thread};
    #[cfg(sigtree_shuttle)]
    use shuttle::{sync, thread};

    pub(crate) use sync::atomic::{AtomicBool, AtomicIsize, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use thread::yield_now;

    use std::ops::{Deref, DerefMut};
    use std::time::Duration;

    /// Sleeps for a while; models have no time.
    pub(crate) fn nap(_pause: Duration) {
        yield_now();
    }

    /// Models try whoever else could run anyway.
    pub(crate) fn give_way() {}

    /// Reads a flag in a destructor. The checkers do not see what an `Arc` orders, so this asks for the latest value.
    pub(crate) fn last_look(flags: &AtomicU32) -> u32 {
        flags.fetch_or(0, Ordering::AcqRel)
    }

    /// A modelled mutex with the manners of the real one: no poison.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    #[derive(Debug)]
    pub(crate) struct MutexGuard<'a, T>(Option<sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap()))
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    #[derive(Debug)]
    pub(crate) struct Condvar(sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(sync::Condvar::new())
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    impl Default for Condvar {
        fn default() -> Self {
            Self::new()
        }
    }

    /// Waits for a notification; models have no time, so a timeout never runs out.
    pub(crate) fn wait<T>(condvar: &Condvar, guard: &mut MutexGuard<'_, T>, _timeout: Option<Duration>) -> bool {
        guard.0 = guard.0.take().map(|guard| condvar.0.wait(guard).unwrap());
        true
    }
}

#[cfg(any(sigtree_loom, sigtree_shuttle))]
pub(crate) use model::*;
