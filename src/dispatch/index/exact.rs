//! Exact patterns: one hash table by topic.

use std::sync::Arc;

use hashbrown::HashTable;
use sigtree_middleware::Topic;

use super::super::node::Node;

/// The nodes alone: one word an entry, and a look at the pattern's text for each entry when the table grows.
#[derive(Clone, Default)]
pub(super) struct Exact(HashTable<Arc<Node>>);

impl Exact {
    #[inline]
    pub(super) fn get(&self, topic: &str, hash: u64) -> Option<&Arc<Node>> {
        self.0.find(hash, |node| node.pattern().as_str() == topic)
    }

    pub(super) fn add(&mut self, topic: &Topic, node: &Arc<Node>) {
        let hash_of = |node: &Arc<Node>| super::hash(node.pattern().as_str());
        self.0.insert_unique(super::hash(topic), node.clone(), hash_of);
    }

    pub(super) fn remove(&mut self, topic: &Topic) {
        if let Ok(entry) = self.0.find_entry(super::hash(topic), |node| node.pattern().as_str() == topic.as_str()) {
            entry.remove();
        }
    }
}
