//! Segment texts as numbers, kept for as long as a pattern uses them.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// The number of a segment's text.
pub(super) type SegmentId = u32;

/// The number of a text that no pattern spells.
pub(super) const UNKNOWN: SegmentId = u32::MAX;
/// Stands for `*` on the way from a trie node to its parent.
pub(super) const ONE: SegmentId = u32::MAX - 1;
/// Stands for a `**` with more behind it.
pub(super) const DEEP: SegmentId = u32::MAX - 2;

/// The texts in use, each with the number of trie edges that spell it.
#[derive(Clone, Default)]
pub(super) struct Segments {
    ids: HashMap<Box<str>, (SegmentId, u32), RandomState>,
    free: Vec<SegmentId>,
}

impl Segments {
    #[inline]
    pub(super) fn get(&self, text: &str) -> SegmentId {
        self.ids.get(text).map_or(UNKNOWN, |(id, _)| *id)
    }

    /// The number for one more use of the text.
    pub(super) fn acquire(&mut self, text: &str) -> SegmentId {
        if let Some((id, uses)) = self.ids.get_mut(text) {
            *uses += 1;
            return *id;
        }
        let id = self.free.pop().unwrap_or(self.ids.len() as SegmentId);
        self.ids.insert(text.into(), (id, 1));
        id
    }

    /// Takes one use back.
    pub(super) fn release(&mut self, text: &str) {
        let Some((id, uses)) = self.ids.get_mut(text) else { return };
        *uses -= 1;
        if *uses == 0 {
            self.free.push(*id);
            self.ids.remove(text);
        }
    }
}
