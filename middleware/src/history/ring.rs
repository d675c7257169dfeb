//! The bounds of a history, and what falls out of them.

use std::collections::VecDeque;
use std::time::Duration;

use smallvec::SmallVec;

use super::Entry;

/// How much a history keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) count: usize,
    pub(super) age: Duration,
    pub(super) bytes: usize,
}

/// What a [`History`](crate::History) did with the events that came by, in numbers.
///
/// `recorded` is what it still holds, plus what was evicted, plus what was cleared. An event that came by and is not
/// among the recorded ones is counted in `refused`, `unkept` or `lost`, unless the history was told not to record it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryStats {
    /// Events that became entries.
    pub recorded: u64,
    /// Entries that fell out because there were too many.
    pub evicted_by_count: u64,
    /// Entries that fell out because they were too old.
    pub evicted_by_age: u64,
    /// Entries that fell out because all together were too large.
    pub evicted_by_bytes: u64,
    /// Entries taken out by [`clear`](crate::History::clear).
    pub cleared: u64,
    /// Events larger than the whole history may be.
    pub refused: u64,
    /// Events whose payload was only borrowed and cannot be cloned.
    pub unkept: u64,
    /// Events given up because the history was busy for longer than its inbox could bridge.
    pub lost: u64,
}

impl HistoryStats {
    /// Entries that fell out, whatever the reason.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted_by_count + self.evicted_by_age + self.evicted_by_bytes
    }
}

/// Entries that left the ring; they are dropped when the lock is released, since a payload's `Drop` is foreign code.
///
/// One record usually pushes out one entry, so this usually allocates nothing.
pub(super) type Gone = SmallVec<[Entry; 4]>;

/// Entries in order of recording, the oldest in front.
#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    bounds: Bounds,
    /// The sum of the entries' bytes; wide enough for whatever a `Weigh` says.
    bytes: u128,
    /// The latest offset seen: what ages are measured against.
    now: Duration,
    stats: HistoryStats,
}

impl Ring {
    /// Room made in advance; a longer history grows on its way there.
    const PREPARED: usize = 1 << 16;

    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            entries: VecDeque::with_capacity(bounds.count.min(Self::PREPARED) + 1),
            bounds,
            bytes: 0,
            now: Duration::ZERO,
            stats: HistoryStats::default(),
        }
    }

    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The counts kept here: all but `refused`, `unkept` and `lost`, which happen outside.
    pub(super) fn stats(&self) -> HistoryStats {
        self.stats
    }

    /// Gives an entry its place in the order; [`push`](Self::push) it next.
    pub(super) fn number(&mut self, entry: Entry) -> Entry {
        self.stats.recorded += 1;
        entry.numbered(self.stats.recorded)
    }

    /// Takes an entry in, and what no longer fits out.
    pub(super) fn push(&mut self, entry: Entry, gone: &mut Gone) {
        self.expire(entry.offset(), gone);
        self.bytes += entry.bytes() as u128;
        self.entries.push_back(entry);
        while self.entries.len() > self.bounds.count {
            self.pop(gone);
            self.stats.evicted_by_count += 1;
        }
        while self.bytes > self.bounds.bytes as u128 {
            self.pop(gone);
            self.stats.evicted_by_bytes += 1;
        }
    }

    /// Takes out what is too old at a time on the bus's clock; the time never goes back.
    pub(super) fn expire(&mut self, now: Duration, gone: &mut Gone) {
        self.now = self.now.max(now);
        while self.front_is_expired() {
            self.pop(gone);
            self.stats.evicted_by_age += 1;
        }
    }

    pub(super) fn clear(&mut self, gone: &mut Gone) {
        self.stats.cleared += self.entries.len() as u64;
        self.bytes = 0;
        gone.extend(self.entries.drain(..));
    }

    fn front_is_expired(&self) -> bool {
        self.entries.front().is_some_and(|entry| self.now.saturating_sub(entry.offset()) > self.bounds.age)
    }

    fn pop(&mut self, gone: &mut Gone) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.bytes() as u128;
            gone.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::support::Rig;

    fn bounds(count: usize, age: u64, bytes: usize) -> Bounds {
        Bounds { count, age: Duration::from_secs(age), bytes }
    }

    /// An entry made at a time, that counts for some bytes.
    fn entry(rig: &Rig, at: u64, bytes: usize) -> Entry {
        let mut made = None;
        rig.run_at(Duration::from_secs(at), |event, _| made = Some(Entry::of(event, Arc::new(()), bytes)));
        made.unwrap()
    }

    /// The same rules, in the plainest words.
    struct Model {
        bounds: Bounds,
        kept: Vec<(u64, u64, usize)>,
        now: u64,
        stats: HistoryStats,
    }

    impl Model {
        fn expire(&mut self, now: u64) {
            self.now = self.now.max(now);
            let too_old = |(_, at, _): &(u64, u64, usize)| self.now.saturating_sub(*at) > self.bounds.age.as_secs();
            let expired = self.kept.iter().take_while(|entry| too_old(entry)).count();
            self.kept.drain(..expired);
            self.stats.evicted_by_age += expired as u64;
        }

        fn push(&mut self, at: u64, bytes: usize) {
            self.expire(at);
            self.stats.recorded += 1;
            self.kept.push((self.stats.recorded, at, bytes));
            let surplus = self.kept.len().saturating_sub(self.bounds.count);
            self.kept.drain(..surplus);
            self.stats.evicted_by_count += surplus as u64;
            while self.kept.iter().map(|(_, _, bytes)| bytes).sum::<usize>() > self.bounds.bytes {
                self.kept.remove(0);
                self.stats.evicted_by_bytes += 1;
            }
        }

        fn clear(&mut self) {
            self.stats.cleared += self.kept.len() as u64;
            self.kept.clear();
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push { at: u64, bytes: usize },
        Expire { now: u64 },
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0_u64..60, 0_usize..40).prop_map(|(at, bytes)| Step::Push { at, bytes }),
            1 => (0_u64..60).prop_map(|now| Step::Expire { now }),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_plain_list(
            count in 0_usize..8,
            age in 0_u64..40,
            bytes in 40_usize..200,
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let rig = Rig::new();
            let bounds = bounds(count, age, bytes);
            let mut ring = Ring::new(bounds);
            let mut model = Model { bounds, kept: Vec::new(), now: 0, stats: HistoryStats::default() };
            let mut gone = Gone::new();
            for step in steps {
                match step {
                    Step::Push { at, bytes } => {
                        let entry = ring.number(entry(&rig, at, bytes));
                        ring.push(entry, &mut gone);
                        model.push(at, bytes);
                    }
                    Step::Expire { now } => {
                        ring.expire(Duration::from_secs(now), &mut gone);
                        model.expire(now);
                    }
                    Step::Clear => {
                        ring.clear(&mut gone);
                        model.clear();
                    }
                }
                let kept: Vec<_> = ring.entries().map(|e| (e.sequence(), e.offset().as_secs(), e.bytes())).collect();
                prop_assert_eq!(&kept, &model.kept);
                prop_assert_eq!(ring.stats(), model.stats);
                prop_assert_eq!(ring.bytes, kept.iter().map(|(_, _, bytes)| *bytes as u128).sum::<u128>());
                prop_assert_eq!(gone.len() as u64, ring.stats().evicted() + ring.stats().cleared);
            }
        }
    }

    #[test]
    fn absurd_weights_do_not_overflow() {
        let rig = Rig::new();
        let mut ring = Ring::new(bounds(10, u64::MAX, usize::MAX));
        let mut gone = Gone::new();
        for _ in 0..3 {
            ring.push(entry(&rig, 0, usize::MAX), &mut gone);
        }
        assert_eq!(ring.entries().len(), 1);
        assert_eq!(ring.stats().evicted_by_bytes, 2);
    }

    #[test]
    fn room_is_made_in_advance_up_to_a_point() {
        assert!(Ring::new(bounds(1_000, 0, 0)).entries.capacity() > 1_000);
        assert!(Ring::new(bounds(usize::MAX, 0, 0)).entries.capacity() < 1 << 20);
    }
}
