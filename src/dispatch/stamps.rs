//! What tells an emit that nothing changed since its route was built: counts that only grow.

use sigtree_middleware::{Kind, Pattern, Segment};

use super::index::hash;
use crate::sync::{AtomicU64, Ordering};

/// The counts of one bus. Written under the writer's lock, read without.
///
/// `version` grows with every change of anything, so an emit whose route was checked at this version looks no further. If
/// it moved, the scopes tell whether new wildcard patterns can concern the topic: there is a count for each first segment
/// and one for each pair of first segments (both by hash, so a scope may be told of another one's changes; that costs a
/// look, not a mistake).
pub(crate) struct Stamps {
    version: AtomicU64,
    firsts: Box<[AtomicU64]>,
    pairs: Box<[AtomicU64]>,
}

/// The two scopes of a topic.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    first: u32,
    pair: u32,
}

impl Stamps {
    pub(crate) fn new(firsts: usize, pairs: usize) -> Self {
        let counts = |n: usize| (0..n).map(|_| AtomicU64::new(1)).collect();
        Self { version: AtomicU64::new(1), firsts: counts(firsts), pairs: counts(pairs) }
    }

    /// The count of all changes. Pairs with `changed`: whoever reads a count sees the changes it counts.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Counts a change that is visible by now; only under the writer's lock.
    pub(crate) fn changed(&self) {
        grow(&self.version);
    }

    /// The count of wildcard patterns that can concern a topic of this scope.
    #[inline]
    pub(crate) fn of(&self, scope: Scope) -> u64 {
        let first = self.firsts[scope.first as usize].load(Ordering::Acquire);
        first.wrapping_add(self.pairs[scope.pair as usize].load(Ordering::Acquire))
    }

    pub(crate) fn scope(&self, topic: &str) -> Scope {
        let first = topic.find('.').unwrap_or(topic.len());
        let rest = topic.get(first + 1..).unwrap_or("");
        let pair = if rest.is_empty() { first } else { first + 1 + rest.find('.').unwrap_or(rest.len()) };
        Scope { first: place(&topic[..first], &self.firsts), pair: place(&topic[..pair], &self.pairs) }
    }

    /// Counts a pattern that came or went, for every topic it can match; only under the writer's lock.
    pub(crate) fn touch(&self, pattern: &Pattern) {
        match pattern.kind() {
            Kind::Exact(_) => {}
            Kind::Regex(_) => self.touch_all(),
            Kind::List(members) => self.touch_list(members),
            Kind::Wildcard(mut segments) => match (segments.next(), segments.next()) {
                (Some(Segment::Literal(first)), Some(Segment::Literal(second))) => {
                    grow(&self.pairs[place(&format!("{first}.{second}"), &self.pairs) as usize]);
                }
                (Some(Segment::Literal(first)), _) => grow(&self.firsts[place(first, &self.firsts) as usize]),
                _ => self.touch_all(),
            },
        }
    }

    /// Counts something that concerns every topic; only under the writer's lock.
    pub(crate) fn touch_all(&self) {
        self.firsts.iter().for_each(grow);
    }

    /// A list is called for its exact members too, whose routes are found by their scope.
    fn touch_list(&self, members: &[Pattern]) {
        for member in members {
            match member.as_topic() {
                Some(topic) => grow(&self.pairs[self.scope(topic).pair as usize]),
                None => self.touch(member),
            }
        }
    }
}

/// There is one writer at a time, so a load and a store do.
fn grow(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
}

fn place(text: &str, counts: &[AtomicU64]) -> u32 {
    hash(text) as u32 % counts.len() as u32
}
