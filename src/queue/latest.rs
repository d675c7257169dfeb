//! One event a topic: a newer one takes the place of the older.

use std::collections::VecDeque;

use hashbrown::HashMap;
use sigtree_middleware::Topic;

use crate::sync::{AtomicUsize, Mutex, Ordering};

pub(crate) struct Latest<I> {
    /// Held for a look into a table, never while code of others runs.
    waiting: Mutex<Waiting<I>>,
    /// Written under the lock, to be read without.
    len: AtomicUsize,
}

struct Waiting<I> {
    /// The most topics.
    capacity: usize,
    /// The topics, the one whose first event came first at the front.
    order: VecDeque<Topic>,
    newest: HashMap<Topic, I, foldhash::fast::RandomState>,
}

impl<I> Latest<I> {
    pub(crate) fn new(capacity: usize) -> Self {
        let waiting = Waiting { capacity, order: VecDeque::new(), newest: HashMap::default() };
        Self { waiting: Mutex::new(waiting), len: AtomicUsize::new(0) }
    }

    /// The item that it took the place of, if there was one.
    ///
    /// # Errors
    ///
    /// The item, if there is no place for its topic.
    pub(crate) fn push(&self, item: I, topic: &Topic) -> Result<Option<I>, I> {
        let mut waiting = self.waiting.lock();
        if let Some(newest) = waiting.newest.get_mut(topic) {
            return Ok(Some(std::mem::replace(newest, item)));
        }
        if waiting.order.len() >= waiting.capacity {
            return Err(item);
        }
        waiting.order.push_back(topic.clone());
        waiting.newest.insert(topic.clone(), item);
        self.len.store(waiting.order.len(), Ordering::Release);
        Ok(None)
    }

    pub(crate) fn pop(&self) -> Option<I> {
        let mut waiting = self.waiting.lock();
        let topic = waiting.order.pop_front()?;
        self.len.store(waiting.order.len(), Ordering::Release);
        waiting.newest.remove(&topic)
    }

    /// Has so many places from now on; what is in stays in, also where it is more.
    pub(crate) fn resize(&self, capacity: impl FnOnce() -> usize) {
        let mut waiting = self.waiting.lock();
        waiting.capacity = capacity();
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}
