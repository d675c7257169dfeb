//! Regular expressions: a few alone, more of them in sets that are searched at once.
//!
//! Up to 31 stand alone behind a test of their literal prefix. Then the oldest 16 are merged into one `RegexSet`, sixteen such
//! sets into a larger one, and so on: each expression is compiled into a set a logarithmic number of times (the
//! logarithmic method of Bentley and Saxe, 1980). All of it happens when a handler is connected, never in an emit.

use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};
use sigtree_middleware::Kind;

use super::super::node::Node;
use super::Nodes;

const FAN_IN: usize = 16;

/// Memory one set may take; expressions that do not fit together stay alone.
const SET_BYTES: usize = 64 << 20;

/// All regular expressions of a bus; a new version for each change.
#[derive(Clone, Default)]
pub(crate) struct RegexTiers {
    alone: Vec<Arc<Node>>,
    sets: Vec<Arc<Set>>,
}

struct Set {
    /// 0 for a set made of single expressions, 1 for one made of those, and so on.
    tier: u32,
    compiled: RegexSet,
    nodes: Vec<Arc<Node>>,
}

impl RegexTiers {
    pub(super) fn find(&self, topic: &str, found: &mut Nodes) {
        let reserved = super::is_reserved(topic);
        let sees = |node: &Node| !reserved || node.pattern().sees_reserved();
        for node in &self.alone {
            if topic.starts_with(node.pattern().literal_prefix()) && node.pattern().matches(topic) {
                found.push(node.clone());
            }
        }
        for set in &self.sets {
            let matches = set.compiled.matches(topic);
            found.extend(matches.iter().map(|at| &set.nodes[at]).filter(|node| sees(node)).cloned());
        }
    }

    pub(super) fn with(&self, node: &Arc<Node>) -> Self {
        let mut next = self.clone();
        next.alone.push(node.clone());
        next.merge();
        next
    }

    pub(super) fn without(&self, node: &Arc<Node>) -> Self {
        let mut next = self.clone();
        next.alone.retain(|other| !Arc::ptr_eq(other, node));
        if let Some(at) = next.sets.iter().position(|set| set.nodes.iter().any(|other| Arc::ptr_eq(other, node))) {
            // The rest of the set goes back to the smaller tiers, which are cheap to search and merge again when full.
            let set = next.sets.swap_remove(at);
            let rest: Vec<_> = set.nodes.iter().filter(|other| !Arc::ptr_eq(other, node)).cloned().collect();
            next.take_apart(set.tier, &rest);
        }
        next
    }

    fn take_apart(&mut self, tier: u32, nodes: &[Arc<Node>]) {
        if tier == 0 {
            return self.alone.extend_from_slice(nodes);
        }
        for part in nodes.chunks(FAN_IN.pow(tier)) {
            match Set::compile(tier - 1, part.to_vec()) {
                Some(set) => self.sets.push(Arc::new(set)),
                None => self.alone.extend_from_slice(part),
            }
        }
    }

    fn merge(&mut self) {
        if self.alone.len() >= 2 * FAN_IN {
            let batch = self.alone.drain(..FAN_IN).collect();
            self.merge_set(0, batch);
        }
        let mut tier = 0;
        while self.sets.iter().filter(|set| set.tier == tier).count() >= FAN_IN {
            let (full, rest) = std::mem::take(&mut self.sets).into_iter().partition(|set| set.tier == tier);
            let full: Vec<Arc<Set>> = full;
            self.sets = rest;
            let nodes: Vec<_> = full.iter().flat_map(|set| set.nodes.iter().cloned()).collect();
            match Set::compile(tier + 1, nodes) {
                Some(set) => self.sets.push(Arc::new(set)),
                None => {
                    // Too large together: they stay as they are.
                    self.sets.extend(full);
                    return;
                }
            }
            tier += 1;
        }
    }

    fn merge_set(&mut self, tier: u32, nodes: Vec<Arc<Node>>) {
        match Set::compile(tier, nodes.clone()) {
            Some(set) => self.sets.push(Arc::new(set)),
            None => self.alone.extend(nodes),
        }
    }
}

impl Set {
    fn compile(tier: u32, nodes: Vec<Arc<Node>>) -> Option<Self> {
        let sources = nodes.iter().map(|node| match node.pattern().kind() {
            Kind::Regex(regex) => regex.as_str(),
            _ => unreachable!("only regular expressions stand in the tiers"),
        });
        let compiled = RegexSetBuilder::new(sources).size_limit(SET_BYTES).build().ok()?;
        Some(Self { tier, compiled, nodes })
    }
}
