//! Exact patterns: one hash table by topic.

use std::sync::Arc;

use hashbrown::HashTable;
use sigtree_middleware::Topic;

use super::super::node::Node;

/// Each entry carries its hash, so that growing the table does not visit every node.
#[derive(Clone, Default)]
pub(super) struct Exact(HashTable<(u64, Arc<Node>)>);

impl Exact {
    #[inline]
    pub(super) fn get(&self, topic: &str, hash: u64) -> Option<&Arc<Node>> {
        self.0.find(hash, |(other, node)| *other == hash && node.pattern().as_str() == topic).map(|(_, node)| node)
    }

    pub(super) fn add(&mut self, topic: &Topic, node: &Arc<Node>) {
        let hash = super::hash(topic);
        self.0.insert_unique(hash, (hash, node.clone()), |(hash, _)| *hash);
    }

    pub(super) fn remove(&mut self, topic: &Topic) {
        let hash = super::hash(topic);
        if let Ok(entry) = self.0.find_entry(hash, |(_, node)| node.pattern().as_str() == topic.as_str()) {
            entry.remove();
        }
    }
}
