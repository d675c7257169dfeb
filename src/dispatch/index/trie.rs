//! Patterns with wildcards: a trie whose edges are one hash table, so that a node with a million children is no special case.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use sigtree_middleware::Segment;
use smallvec::SmallVec;

use super::super::node::Node;
use super::Nodes;
use super::segments::{DEEP, ONE, SegmentId, Segments, UNKNOWN};

type NodeId = u32;

const ROOT: NodeId = 0;

#[derive(Clone)]
pub(super) struct Trie {
    nodes: Vec<TrieNode>,
    edges: HashMap<(NodeId, SegmentId), NodeId, RandomState>,
    segments: Segments,
    free: Vec<NodeId>,
    /// How many `**` with more behind them there are; without any a match is a plain descent.
    deeps: u32,
}

#[derive(Clone, Default)]
struct TrieNode {
    /// The child for `*`; the root is nobody's child and stands for none.
    star: NodeId,
    /// How many children there are, and whether this node stands for a `**`.
    children: u32,
    /// The pattern that ends here.
    end: Option<Arc<Node>>,
    /// The pattern that ends here with one `**` more.
    tail: Option<Arc<Node>>,
}

/// Marks a node that stands for a `**` with more behind it, in its number of children.
const DEEP_NODE: u32 = 1 << 31;

type Ids = SmallVec<[SegmentId; 16]>;
type Path = SmallVec<[NodeId; 17]>;
type Spelling<'s> = SmallVec<[Segment<'s>; 16]>;

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![TrieNode::default()],
            edges: HashMap::default(),
            segments: Segments::default(),
            free: Vec::new(),
            deeps: 0,
        }
    }
}

impl Trie {
    pub(super) fn add<'s>(&mut self, segments: impl Iterator<Item = Segment<'s>>, node: &Arc<Node>) {
        let mut segments = segments.peekable();
        let mut at = ROOT;
        while let Some(segment) = segments.next() {
            at = match segment {
                Segment::Deep if segments.peek().is_none() => {
                    self.nodes[at as usize].tail = Some(node.clone());
                    return;
                }
                Segment::Deep => self.edge(at, DEEP, None),
                Segment::One => self.edge(at, ONE, None),
                Segment::Literal(text) => self.edge(at, self.segments.get(text), Some(text)),
            };
        }
        self.nodes[at as usize].end = Some(node.clone());
    }

    pub(super) fn get<'s>(&self, segments: impl Iterator<Item = Segment<'s>>) -> Option<&Arc<Node>> {
        let segments: Spelling<'s> = segments.collect();
        let (path, has_tail) = split_tail(&segments);
        let node = &self.nodes[end_of(&self.follow(path)?)];
        if has_tail { node.tail.as_ref() } else { node.end.as_ref() }
    }

    pub(super) fn remove<'s>(&mut self, segments: impl Iterator<Item = Segment<'s>>) {
        let segments: Spelling<'s> = segments.collect();
        let (path, has_tail) = split_tail(&segments);
        let Some(nodes) = self.follow(path) else { return };
        let node = &mut self.nodes[end_of(&nodes)];
        if has_tail {
            node.tail = None;
        } else {
            node.end = None;
        }
        self.prune(&nodes, path);
    }

    /// Adds the patterns that match, in any order, perhaps more than once.
    pub(super) fn find(&self, topic: &str, found: &mut Nodes) {
        if self.nodes[ROOT as usize].children == 0 && self.nodes[ROOT as usize].tail.is_none() {
            return;
        }
        let ids: Ids = spelled(topic).map(|text| self.segments.get(text)).collect();
        if super::is_reserved(topic) {
            // Only patterns that spell `$sys` see it: no wildcard stands for the first segment.
            if let Some(child) = self.child(ROOT, ids[0]) {
                self.walk(child, &ids[1..], found);
            }
        } else {
            self.walk(ROOT, &ids, found);
        }
    }

    fn walk(&self, from: NodeId, ids: &[SegmentId], found: &mut Nodes) {
        if self.deeps == 0 { self.descend(from, ids, found) } else { self.sweep(from, ids, found) }
    }

    /// A match without inner `**`: each trie node is reached in one way.
    fn descend(&self, at: NodeId, ids: &[SegmentId], found: &mut Nodes) {
        let node = &self.nodes[at as usize];
        if let Some(tail) = &node.tail {
            found.push(tail.clone());
        }
        let Some((id, rest)) = ids.split_first() else {
            if let Some(end) = &node.end {
                found.push(end.clone());
            }
            return;
        };
        if *id != UNKNOWN
            && let Some(child) = self.edges.get(&(at, *id))
        {
            self.descend(*child, rest, found);
        }
        if node.star != ROOT {
            self.descend(node.star, rest, found);
        }
    }

    /// A match with inner `**`: the set of trie nodes reached, segment by segment, so that the time is bounded by the nodes
    /// and not by the ways to reach them.
    fn sweep(&self, from: NodeId, ids: &[SegmentId], found: &mut Nodes) {
        let mut reached = SmallVec::<[NodeId; 32]>::new();
        let mut next = SmallVec::<[NodeId; 32]>::new();
        self.enter(from, &mut reached, found);
        for id in ids {
            for &at in &reached {
                let node = &self.nodes[at as usize];
                if node.children & DEEP_NODE != 0 {
                    next.push(at);
                }
                if *id != UNKNOWN
                    && let Some(child) = self.edges.get(&(at, *id))
                {
                    self.enter(*child, &mut next, found);
                }
                if node.star != ROOT {
                    self.enter(node.star, &mut next, found);
                }
            }
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut reached, &mut next);
            next.clear();
        }
        found.extend(reached.iter().filter_map(|&at| self.nodes[at as usize].end.clone()));
    }

    fn enter(&self, at: NodeId, reached: &mut SmallVec<[NodeId; 32]>, found: &mut Nodes) {
        reached.push(at);
        found.extend(self.nodes[at as usize].tail.clone());
        if let Some(deep) = self.edges.get(&(at, DEEP)) {
            self.enter(*deep, reached, found);
        }
    }

    /// The nodes along a path, the root first.
    fn follow(&self, path: &[Segment<'_>]) -> Option<Path> {
        let mut nodes = Path::from_slice(&[ROOT]);
        let mut at = ROOT;
        for segment in path {
            at = match segment {
                Segment::Deep => self.child(at, DEEP),
                Segment::One => self.child(at, ONE),
                Segment::Literal(text) => self.child(at, self.segments.get(text)),
            }?;
            nodes.push(at);
        }
        Some(nodes)
    }

    fn child(&self, at: NodeId, segment: SegmentId) -> Option<NodeId> {
        match segment {
            UNKNOWN => None,
            ONE => Some(self.nodes[at as usize].star).filter(|star| *star != ROOT),
            _ => self.edges.get(&(at, segment)).copied(),
        }
    }

    /// The child along an edge, made if there is none; a new literal edge takes a use of its text.
    fn edge(&mut self, at: NodeId, known: SegmentId, text: Option<&str>) -> NodeId {
        if let Some(child) = self.child(at, known) {
            return child;
        }
        let segment = text.map_or(known, |text| self.segments.acquire(text));
        let node = TrieNode { children: if segment == DEEP { DEEP_NODE } else { 0 }, ..TrieNode::default() };
        let child = match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as NodeId
            }
        };
        self.nodes[at as usize].children += 1;
        if segment == ONE {
            self.nodes[at as usize].star = child;
        } else {
            self.deeps += u32::from(segment == DEEP);
            self.edges.insert((at, segment), child);
        }
        child
    }

    /// Removes the last node of a path and those above it that nothing needs any more; `path` spells the way from the root.
    fn prune(&mut self, nodes: &[NodeId], path: &[Segment<'_>]) {
        for (way, segment) in nodes.windows(2).zip(path).rev() {
            let &[parent, at] = way else { unreachable!("windows of two") };
            let TrieNode { children, ref end, ref tail, .. } = self.nodes[at as usize];
            if children & !DEEP_NODE > 0 || end.is_some() || tail.is_some() {
                return;
            }
            match *segment {
                Segment::One => self.nodes[parent as usize].star = ROOT,
                Segment::Deep => {
                    self.edges.remove(&(parent, DEEP));
                    self.deeps -= 1;
                }
                Segment::Literal(text) => {
                    self.edges.remove(&(parent, self.segments.get(text)));
                    self.segments.release(text);
                }
            }
            self.nodes[parent as usize].children -= 1;
            self.free.push(at);
        }
    }
}

/// The segments of a topic; found by bytes, because a dot is one byte.
fn spelled(topic: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(topic);
    std::iter::from_fn(move || {
        let text = rest?;
        let dot = text.bytes().position(|byte| byte == b'.');
        rest = dot.map(|dot| &text[dot + 1..]);
        Some(dot.map_or(text, |dot| &text[..dot]))
    })
}

/// Where a path ends.
fn end_of(path: &[NodeId]) -> usize {
    path.last().map_or(ROOT, |at| *at) as usize
}

/// The segments before a last `**`, and whether there is one.
fn split_tail<'a, 's>(segments: &'a [Segment<'s>]) -> (&'a [Segment<'s>], bool) {
    match segments.split_last() {
        Some((Segment::Deep, path)) => (path, true),
        _ => (segments, false),
    }
}
