//! One event a topic: a newer one takes the place of the older.

use std::collections::VecDeque;

use hashbrown::HashMap;
use sigtree_middleware::Topic;

use super::pipe::Pushed;
use crate::sync::{AtomicUsize, Mutex, Ordering};

pub(crate) struct Latest<I> {
    capacity: usize,
    /// Held for a look into a table, never while code of others runs.
    waiting: Mutex<Waiting<I>>,
    /// Written under the lock, to be read without.
    len: AtomicUsize,
}

struct Waiting<I> {
    /// The topics, the one whose first event came first at the front.
    order: VecDeque<Topic>,
    newest: HashMap<Topic, I, foldhash::fast::RandomState>,
}

impl<I> Latest<I> {
    pub(crate) fn new(capacity: usize) -> Self {
        let waiting = Waiting { order: VecDeque::new(), newest: HashMap::default() };
        Self { capacity, waiting: Mutex::new(waiting), len: AtomicUsize::new(0) }
    }

    pub(crate) fn push(&self, item: I, topic: &Topic) -> Pushed<I> {
        let mut waiting = self.waiting.lock();
        if let Some(newest) = waiting.newest.get_mut(topic) {
            return Pushed::Instead(std::mem::replace(newest, item));
        }
        if waiting.order.len() == self.capacity {
            return Pushed::Full(item);
        }
        waiting.order.push_back(topic.clone());
        waiting.newest.insert(topic.clone(), item);
        self.len.store(waiting.order.len(), Ordering::Release);
        Pushed::In
    }

    pub(crate) fn pop(&self) -> Option<I> {
        let mut waiting = self.waiting.lock();
        let topic = waiting.order.pop_front()?;
        self.len.store(waiting.order.len(), Ordering::Release);
        waiting.newest.remove(&topic)
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}
