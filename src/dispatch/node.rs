//! A distinct pattern and its handlers.

use std::sync::Arc;

use parking_lot::RwLock;
use sigtree_middleware::Pattern;
use slotmap::new_key_type;

use super::snap::Snap;
use super::table::Table;
use crate::payload::PayloadType;
use crate::sync::{AtomicU64, Ordering};

new_key_type! {
    /// A pattern in the writer's books.
    pub(crate) struct NodeKey;
}

/// A distinct pattern. Routes hold it to see whether its handlers changed since they were built.
pub(crate) struct Node {
    key: NodeKey,
    pattern: Pattern,
    /// Patterns by creation: the order of calls after priority and exactness. A member of a list is created when it gets a handler
    /// of its own.
    age: AtomicU64,
    /// Grows with every new table. Written under the writer's lock after the table; read before it is trusted.
    version: AtomicU64,
    table: Snap<Table>,
    /// The payload type of an exact pattern's topic, fixed by the first signal or the first handler that names one.
    ///
    /// Written under the writer's lock; an emit that finds it being written takes it for not fixed.
    payload: RwLock<Option<fn() -> PayloadType>>,
}

impl Node {
    pub(crate) fn new(key: NodeKey, pattern: Pattern, age: u64) -> Self {
        Self {
            key,
            pattern,
            age: AtomicU64::new(age),
            version: AtomicU64::new(0),
            table: Snap::new(None),
            payload: RwLock::new(None),
        }
    }

    pub(crate) fn key(&self) -> NodeKey {
        self.key
    }

    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    pub(crate) fn age(&self) -> u64 {
        self.age.load(Ordering::Relaxed)
    }

    /// Makes it as young as its first handler; only under the writer's lock, while no route holds it.
    pub(crate) fn renew(&self, age: u64) {
        self.age.store(age, Ordering::Relaxed);
    }

    /// Where the pattern stands among others of one topic: exact ones first, then by creation.
    pub(crate) fn rank(&self) -> (bool, u64) {
        (!self.pattern.is_exact(), self.age())
    }

    /// The count of tables so far. Pairs with `publish`: equal counts mean the same table.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The payload type of the topic, if a handler fixed it.
    pub(crate) fn payload(&self) -> Option<PayloadType> {
        self.payload.try_read().and_then(|payload| *payload).map(|of| of())
    }

    /// Fixes the payload type, unless that was done.
    pub(crate) fn fix_payload(&self, of: fn() -> PayloadType) {
        self.payload.write().get_or_insert(of);
    }

    /// Gives the type up with the last handler and signal.
    pub(crate) fn free_payload(&self) {
        *self.payload.write() = None;
    }

    /// The current handlers, if there are any.
    pub(crate) fn table(&self) -> Option<Arc<Table>> {
        self.table.load_full()
    }

    /// Publishes the next table and hands back the old one; only under the writer's lock.
    pub(crate) fn publish(&self, table: Option<Arc<Table>>) -> Option<Arc<Table>> {
        let old = self.table.swap(table);
        self.version.store(self.version.load(Ordering::Relaxed) + 1, Ordering::Release);
        old
    }
}
