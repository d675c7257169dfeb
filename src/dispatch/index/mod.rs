//! Which patterns match a topic: exact ones by hash, wildcards by a trie, regular expressions in tiers.
//!
//! There are two copies of the index. Readers see the published one; the writer changes the other, swaps them, and brings
//! the old one up to date with the next change (the left-right technique of Ramalhete and Correia, 2015). So a topic seen for
//! the first time never waits for a connect.

mod exact;
mod regex_tiers;
mod segments;
mod trie;

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use sigtree_middleware::{Kind, Segment};
use smallvec::SmallVec;

use super::node::{Node, NodeKey};
use exact::Exact;
use regex_tiers::RegexTiers;
use trie::Trie;

/// The patterns of one topic, in the order of their calls.
pub(crate) type Nodes = SmallVec<[Arc<Node>; 8]>;

/// One copy of the index.
#[derive(Clone, Default)]
pub(crate) struct Index {
    exact: Exact,
    trie: Trie,
    regexes: Arc<RegexTiers>,
    /// The lists that a pattern is a member of, which are called whenever it matches.
    lists: HashMap<NodeKey, SmallVec<[Arc<Node>; 1]>, RandomState>,
    recent: VecDeque<Arc<Node>>,
    /// The age up to which `recent` is complete, backwards from the youngest pattern.
    recent_since: u64,
}

/// How many new patterns are remembered for [`Index::newer_than`].
const RECENT: usize = 64;

/// One change of the index, applied to both copies in turn.
#[derive(Clone)]
pub(crate) enum Change {
    Add(Arc<Node>),
    Remove(Arc<Node>),
    /// Regular expressions are compiled once and shared by both copies.
    Regexes(Arc<RegexTiers>),
    /// A pattern that was known as a member of a list only has handlers now.
    Renew(Arc<Node>),
    Link {
        member: NodeKey,
        list: Arc<Node>,
    },
    Unlink {
        member: NodeKey,
        list: Arc<Node>,
    },
}

impl Index {
    /// Applies a change that the other copy has or will have too.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Add(node) => self.add(node),
            Change::Remove(node) => self.remove(node),
            Change::Renew(node) => self.renew(node),
            Change::Regexes(regexes) => self.regexes = regexes.clone(),
            Change::Link { member, list } => self.lists.entry(*member).or_default().push(list.clone()),
            Change::Unlink { member, list } => {
                if let Some(lists) = self.lists.get_mut(member) {
                    lists.retain(|other| !Arc::ptr_eq(other, list));
                    if lists.is_empty() {
                        self.lists.remove(member);
                    }
                }
            }
        }
    }

    /// The changes that make a new pattern known. A list is known through its members, which are given.
    pub(crate) fn additions(&self, node: &Arc<Node>, members: &[Arc<Node>]) -> SmallVec<[Change; 2]> {
        let mut changes = SmallVec::new();
        if let Kind::Regex(_) = node.pattern().kind() {
            changes.push(Change::Regexes(Arc::new(self.regexes.with(node))));
        }
        changes.push(Change::Add(node.clone()));
        changes.extend(members.iter().map(|member| Change::Link { member: member.key(), list: node.clone() }));
        changes
    }

    /// The changes that make a pattern unknown.
    pub(crate) fn removals(&self, node: &Arc<Node>, members: &[Arc<Node>]) -> SmallVec<[Change; 2]> {
        let mut changes = SmallVec::new();
        if let Kind::Regex(_) = node.pattern().kind() {
            changes.push(Change::Regexes(Arc::new(self.regexes.without(node))));
        }
        changes.extend(members.iter().map(|member| Change::Unlink { member: member.key(), list: node.clone() }));
        changes.push(Change::Remove(node.clone()));
        changes
    }

    /// The exact pattern of this topic.
    pub(crate) fn exact(&self, topic: &str, hash: u64) -> Option<&Arc<Node>> {
        self.exact.get(topic, hash)
    }

    /// The node of a pattern with wildcards.
    pub(crate) fn wildcard<'s>(&self, segments: impl Iterator<Item = Segment<'s>>) -> Option<&Arc<Node>> {
        self.trie.get(segments)
    }

    /// The patterns that match a topic, in the order of their calls.
    ///
    /// A writer may renew a pattern meanwhile, so each one's age is read once.
    pub(crate) fn find(&self, topic: &str, hash: u64) -> Nodes {
        let mut found = Nodes::new();
        found.extend(self.exact.get(topic, hash).cloned());
        let wild = found.len();
        self.trie.find(topic, &mut found);
        self.regexes.find(topic, &mut found);
        if self.lists.is_empty() {
            if found.len() - wild > 1 {
                found[wild..].sort_by_cached_key(|node| node.age());
                found.dedup_by(|a, b| Arc::ptr_eq(a, b));
            }
        } else {
            for at in 0..found.len() {
                let lists = self.lists.get(&found[at].key()).cloned().unwrap_or_default();
                found.extend(lists);
            }
            found.sort_by_cached_key(|node| node.rank());
            found.dedup_by(|a, b| Arc::ptr_eq(a, b));
        }
        found
    }

    /// The patterns created after `age`, the oldest first, if they are few enough to be remembered.
    pub(crate) fn newer_than(&self, age: u64) -> Option<impl Iterator<Item = &Arc<Node>>> {
        (age >= self.recent_since).then(|| self.recent.iter().filter(move |node| node.age() > age))
    }

    fn add(&mut self, node: &Arc<Node>) {
        match node.pattern().kind() {
            Kind::Exact(topic) => return self.exact.add(topic, node),
            Kind::Wildcard(segments) => self.trie.add(segments, node),
            Kind::Regex(_) | Kind::List(_) => {}
        }
        self.remember(node);
    }

    fn renew(&mut self, node: &Arc<Node>) {
        self.recent.retain(|other| !Arc::ptr_eq(other, node));
        self.remember(node);
    }

    fn remember(&mut self, node: &Arc<Node>) {
        if self.recent.len() == RECENT {
            let forgotten = self.recent.pop_front();
            self.recent_since = forgotten.map_or(self.recent_since, |node| node.age());
        }
        self.recent.push_back(node.clone());
    }

    fn remove(&mut self, node: &Arc<Node>) {
        match node.pattern().kind() {
            Kind::Exact(topic) => return self.exact.remove(topic),
            Kind::Wildcard(segments) => self.trie.remove(segments),
            Kind::Regex(_) | Kind::List(_) => {}
        }
        self.recent.retain(|other| !Arc::ptr_eq(other, node));
    }
}

/// The hash of a topic; the same everywhere in this process, so that it can be passed from bus to bus.
#[inline]
pub(crate) fn hash(topic: &str) -> u64 {
    use std::hash::BuildHasher;
    use std::sync::LazyLock;

    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    STATE.hash_one(topic.as_bytes())
}

/// Whether a topic is one of the bus's own.
pub(crate) fn is_reserved(topic: &str) -> bool {
    topic == "$sys" || topic.starts_with("$sys.")
}
