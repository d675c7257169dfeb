//! [`Letters`]: those that are there, the oldest first.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use super::Letter;
use crate::{EventId, Landing};

/// The letters of all clones of a [`DeadLetter`](super::DeadLetter), and what became of none.
#[derive(Default)]
pub(super) struct Store {
    pub(super) letters: Mutex<Letters>,
    pub(super) refused: AtomicU64,
    pub(super) unkept: AtomicU64,
}

#[derive(Default)]
pub(super) struct Letters {
    /// The oldest first; sequences grow.
    pub(super) list: VecDeque<Letter>,
    pub(super) bytes: usize,
    pub(super) kept: u64,
    pub(super) evicted: u64,
    /// Those whose event is being given.
    given: Vec<Letter>,
}

/// Which letters one replay took out while it gives their event.
pub(super) struct Given {
    event: EventId,
    sequences: Vec<u64>,
    /// The last letter there was before.
    newest: u64,
}

impl Store {
    /// Takes out the letters with these sequences that are still there.
    pub(super) fn take(&self, sequences: &HashSet<u64>) -> Vec<Letter> {
        let mut letters = self.letters.lock();
        let all = std::mem::take(&mut letters.list);
        let (taken, left): (Vec<_>, _) = all.into_iter().partition(|letter| sequences.contains(&letter.sequence()));
        letters.list = left.into();
        letters.bytes = taken.iter().fold(letters.bytes, |bytes, letter| bytes.saturating_sub(letter.bytes()));
        taken
    }
}

impl Letters {
    pub(super) fn add(&mut self, letter: Letter) {
        let earlier = self.given.iter().filter(|given| given.is_of_same(&letter)).map(Letter::attempts).max();
        self.kept += 1;
        self.bytes = self.bytes.saturating_add(letter.bytes());
        self.list.push_back(letter.after(earlier.unwrap_or(0)).numbered(self.kept));
    }

    /// Takes out the letters of an event that is to be given; `None` if there are none left.
    pub(super) fn begin_giving(&mut self, event: EventId, sequences: &[u64]) -> Option<Given> {
        let letters: Vec<_> = sequences.iter().filter_map(|sequence| self.remove(*sequence)).collect();
        if letters.is_empty() {
            return None;
        }
        let sequences = letters.iter().map(Letter::sequence).collect();
        self.given.extend(letters);
        Some(Given { event, sequences, newest: self.kept })
    }

    /// Puts the letters of an event back that came to nobody, unless new ones took their place; those that are settled.
    pub(super) fn end_giving(&mut self, Given { event, sequences, newest }: Given, landing: Landing) -> Vec<Letter> {
        let is_mine = |letter: &mut Letter| sequences.contains(&letter.sequence());
        let letters = self.given.extract_if(.., is_mine).collect();
        let mut new = self.list.iter().rev().take_while(|letter| letter.sequence() > newest);
        let is_settled = match landing {
            Landing::Called | Landing::Held => true,
            Landing::Unheard | Landing::Refused => new.any(|letter| letter.entry().id() == event),
        };
        if is_settled {
            return letters;
        }
        self.put_back(letters);
        Vec::new()
    }

    /// Whether an event comes from a letter that is being given.
    pub(super) fn are_given_of(&self, event: EventId) -> bool {
        self.given.iter().any(|letter| letter.entry().id() == event)
    }

    /// Puts letters back into their places.
    fn put_back(&mut self, letters: Vec<Letter>) {
        for letter in letters {
            self.bytes = self.bytes.saturating_add(letter.bytes());
            let place = self.list.partition_point(|other| other.sequence() < letter.sequence());
            self.list.insert(place, letter);
        }
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Letter> {
        let place = self.list.binary_search_by_key(&sequence, Letter::sequence).ok()?;
        let letter = self.list.remove(place)?;
        self.bytes = self.bytes.saturating_sub(letter.bytes());
        Some(letter)
    }

    /// Takes out the oldest, until there are no more than these.
    pub(super) fn evict(&mut self, count: usize, bytes: usize) -> Vec<Letter> {
        let mut evicted = Vec::new();
        while (self.list.len() > count || self.bytes > bytes)
            && let Some(oldest) = self.list.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
            self.evicted += 1;
            evicted.push(oldest);
        }
        evicted
    }
}
