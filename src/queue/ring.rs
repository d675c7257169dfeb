//! One lane: first in, first out, so many places. This is the only file that names crossbeam-queue.
//!
//! Beyond what its page says, `waiters.rs` needs of it that a push and a pop claim their place by a sequentially consistent
//! exchange, and that a pop which finds nothing, and a push which finds no place, looked after a sequentially consistent
//! fence: so somebody who said that he sleeps and then found nothing is seen by whoever pushes next. 0.3.12 and later do.

#[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
pub(crate) use crossbeam_queue::ArrayQueue as Ring;

#[cfg(any(sigtree_loom, sigtree_shuttle))]
pub(crate) use model::Ring;

#[cfg(any(sigtree_loom, sigtree_shuttle))]
mod model {
    use std::collections::VecDeque;

    use crate::sync::Mutex;

    /// A twin that the model checkers can watch.
    pub(crate) struct Ring<I> {
        items: Mutex<VecDeque<I>>,
        capacity: usize,
    }

    impl<I> Ring<I> {
        pub(crate) fn new(capacity: usize) -> Self {
            Self { items: Mutex::default(), capacity }
        }

        pub(crate) fn push(&self, item: I) -> Result<(), I> {
            let mut items = self.items.lock();
            if items.len() == self.capacity {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        }

        pub(crate) fn force_push(&self, item: I) -> Option<I> {
            let mut items = self.items.lock();
            let oldest = if items.len() == self.capacity { items.pop_front() } else { None };
            items.push_back(item);
            oldest
        }

        pub(crate) fn pop(&self) -> Option<I> {
            self.items.lock().pop_front()
        }

        pub(crate) fn len(&self) -> usize {
            self.items.lock().len()
        }
    }
}
