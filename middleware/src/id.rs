use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ulid::Ulid;

use crate::Stamp;

/// Identifies one event: a [ULID](https://github.com/ulid/spec), 16 bytes, sorted by time of creation.
///
/// An event gets its id when somebody first asks for it ([`Event::id`](crate::Event::id)); an emit nobody asks about
/// makes none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Ulid);

impl EventId {
    /// Makes an id of its 128 bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(Ulid(bits))
    }

    /// The 128 bits of the id.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        self.0.0
    }

    /// Its text for keeping, in one allocation.
    pub(crate) fn share_text(self) -> Arc<str> {
        let mut text = [0; ulid::ULID_LEN];
        let text: &str = self.0.array_to_str(&mut text);
        text.into()
    }
}

/// Writes the 26 characters of the ULID's text form.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

/// Reads the 26 characters of the ULID's text form.
impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        // 26 characters have room for 130 bits; the first one must leave two of them out.
        let fits = text.as_bytes().first().is_some_and(|first| *first <= b'7');
        let id = Ulid::from_string(text).ok().filter(|_| fits);
        id.map(Self).ok_or_else(|| EventIdError { text: text.chars().take(26).collect() })
    }
}

/// A text that is no [`EventId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventIdError {
    text: String,
}

impl fmt::Display for EventIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid event id `{}`: an id is the 26 characters of a ULID", self.text.escape_debug())
    }
}

impl Error for EventIdError {}

/// Makes the ids of events; give a bus [`SequentialIds`] and its ids are the same in every run.
pub trait Ids: Send + Sync + 'static {
    /// A new id, different from all earlier ones, for an event of this time.
    fn next_id(&self, stamp: Stamp) -> EventId;

    /// Takes note of an id that an event brought along, because it is replayed: no new one is to be the same.
    ///
    /// Ids that are unique without that need not do anything.
    fn seen(&self, id: EventId) {
        let _ = id;
    }
}

/// Unique, time-ordered ids: 48 bits of wall clock in milliseconds, 80 random bits that grow within a thread.
///
/// Each thread has its own random start, so threads that make ids share no counter.
#[derive(Debug, Default, Clone, Copy)]
pub struct UniqueIds;

impl Ids for UniqueIds {
    fn next_id(&self, stamp: Stamp) -> EventId {
        thread_local! {
            static RANDOM: Cell<u128> = Cell::new(random_bits());
        }
        let random = RANDOM.get().wrapping_add(1);
        RANDOM.set(random);
        EventId(Ulid::from_parts(milliseconds(stamp.wall), random))
    }
}

/// Ids 1, 2, 3, ...: for tests and deterministic replays.
///
/// On a bus that is given a recording, replayed events keep the ids that they had, from 1 on as a rule. So with the first of
/// them the counting goes on at 2³² + 1, and what handlers emit has ids of its own; what is replayed from there, at 2 · 2³² + 1.
///
/// A program that goes on with a recording of its own after a restart begins [`after`](Self::after) its last id, or two events
/// have the same one, and neither an [`EventTree`](crate::EventTree) nor a [`Projection`](crate::Projection) can tell them apart.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

/// So many ids of a replay come before new ones.
const BLOCK: u64 = 1 << 32;

impl SequentialIds {
    /// Ids that go on after this one; after the first, if it is none of these.
    ///
    /// Give it to a bus whose recording goes on after a restart, with the last id that is in it.
    #[must_use]
    pub fn after(id: EventId) -> Self {
        Self(AtomicU64::new(u64::try_from(id.to_bits()).unwrap_or(1)))
    }
}

impl Ids for SequentialIds {
    fn next_id(&self, _stamp: Stamp) -> EventId {
        EventId::from_bits(u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }

    /// Goes on behind the block of this id, and of those that most likely follow it.
    fn seen(&self, id: EventId) {
        // Larger ones are none of these.
        if let Ok(id) = u64::try_from(id.to_bits()) {
            self.0.fetch_max((id / BLOCK).saturating_add(1).saturating_mul(BLOCK), Ordering::Relaxed);
        }
    }
}

fn random_bits() -> u128 {
    let word = || u128::from(RandomState::new().hash_one(0));
    word() << 64 | word()
}

fn milliseconds(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn now() -> Stamp {
        Stamp { offset: Duration::ZERO, wall: SystemTime::now() }
    }

    #[test]
    fn unique_ids_grow_within_a_thread_and_millisecond() {
        let stamp = now();
        let ids: Vec<_> = (0..100).map(|_| UniqueIds.next_id(stamp)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }

    #[test]
    fn threads_make_different_ids() {
        let make = || (0..1_000).map(|_| UniqueIds.next_id(now())).collect::<Vec<_>>();
        let other = std::thread::spawn(make).join().unwrap();
        let mut all = make();
        all.extend(other);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2_000);
    }

    #[test]
    fn sequential_ids_count_from_one() {
        let ids = SequentialIds::default();
        assert_eq!(ids.next_id(now()).to_bits(), 1);
        assert_eq!(ids.next_id(now()).to_bits(), 2);
        assert_eq!(SequentialIds::after(EventId::from_bits(41)).next_id(now()).to_bits(), 42);
    }

    #[test]
    fn sequential_ids_differ_from_those_that_were_seen() {
        let ids = SequentialIds::default();
        let next = || ids.next_id(now()).to_bits();
        assert_eq!(next(), 1);
        ids.seen(EventId::from_bits(7));
        assert_eq!((next(), next()), ((1 << 32) + 1, (1 << 32) + 2));
        ids.seen(EventId::from_bits(9));
        assert_eq!(next(), (1 << 32) + 3);
        ids.seen(EventId::from_bits((1 << 32) + 4));
        assert_eq!(next(), (2 << 32) + 1);
        ids.seen(EventId::from_bits(u128::MAX));
        assert_eq!(next(), (2 << 32) + 2);
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        for bits in [0, 1, u128::from(u64::MAX), u128::MAX] {
            assert_eq!(EventId::from_bits(bits).to_string().parse(), Ok(EventId::from_bits(bits)));
        }
        for text in ["", "7", "80000000000000000000000000", "0000000000000000000000000u", "\u{7f}"] {
            assert!(text.parse::<EventId>().unwrap_err().to_string().starts_with("invalid event id `"), "{text}");
        }
    }
}
