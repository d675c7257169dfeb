//! One published value: readers take the current version without a lock, a writer swaps in the next.
//!
//! This is the only file that names arc-swap. A reader's guard keeps its version alive; a swap hands the old version
//! back, and memory is freed when the last guard on it goes. Under the model checkers a mutex stands in for arc-swap, whose
//! own atomics they cannot see.

#[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
mod real {
    use std::sync::Arc;

    use arc_swap::ArcSwapOption;

    /// A place for one version of `T`.
    pub(crate) struct Snap<T>(ArcSwapOption<T>);

    /// One version, borrowed without a shared counter.
    pub(crate) type Guard<T> = arc_swap::Guard<Option<Arc<T>>>;

    impl<T> Snap<T> {
        pub(crate) fn new(value: Option<Arc<T>>) -> Self {
            Self(ArcSwapOption::new(value))
        }

        /// Borrows the current version: lock-free, two atomic operations on memory of this thread.
        #[inline]
        pub(crate) fn load(&self) -> Guard<T> {
            self.0.load()
        }

        /// The current version as an `Arc` of one's own.
        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }

        /// Publishes the next version and hands back the old one.
        pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            self.0.swap(value)
        }
    }

    /// A guard on nothing, to put in the place of one that is to be given up.
    pub(crate) fn no_guard<T>() -> Guard<T> {
        Guard::from_inner(None)
    }
}

#[cfg(any(sigtree_loom, sigtree_shuttle))]
mod real {
    use std::ops::Deref;
    use std::sync::Arc;

    use crate::sync::Mutex;

    pub(crate) struct Snap<T>(Mutex<Option<Arc<T>>>);

    pub(crate) struct Guard<T>(Option<Arc<T>>);

    impl<T> Snap<T> {
        pub(crate) fn new(value: Option<Arc<T>>) -> Self {
            Self(Mutex::new(value))
        }

        pub(crate) fn load(&self) -> Guard<T> {
            Guard(self.load_full())
        }

        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            self.0.lock().clone()
        }

        pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            std::mem::replace(&mut *self.0.lock(), value)
        }
    }

    impl<T> Deref for Guard<T> {
        type Target = Option<Arc<T>>;

        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    pub(crate) fn no_guard<T>() -> Guard<T> {
        Guard(None)
    }
}

pub(crate) use real::{Guard, Snap, no_guard};
