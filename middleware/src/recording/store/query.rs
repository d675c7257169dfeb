//! [`Query`]: which records of a store are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use redb::{Range, ReadOnlyTable, ReadTransaction};

use super::{BY_TIME, BY_TOPIC, EVENTS, Store, StoreError, nanoseconds, read_line};
use crate::{Codec, Entry, IntoPattern, Limits, ParseError, Pattern, Player, Record};

/// Chooses records of a [`Store`] by topic and time; [`Store::query`] begins one.
///
/// They come in the order of their wall-clock times, those of the same time in the order of recording. A clock that was set
/// back makes that another order than the one of recording.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing until `records` or `player` is called"]
pub struct Query {
    store: Store,
    pattern: Option<Pattern>,
    since: u64,
    until: Option<u64>,
}

impl Query {
    pub(super) fn of(store: Store) -> Self {
        Self { store, pattern: None, since: 0, until: None }
    }

    /// Reads only the topics that match.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn matching(self, pattern: impl IntoPattern) -> Result<Self, ParseError> {
        Ok(Self { pattern: Some(pattern.into_pattern(&Limits::new())?), ..self })
    }

    /// Reads only what was emitted at this time or later.
    pub fn since(self, time: SystemTime) -> Self {
        Self { since: nanoseconds(time), ..self }
    }

    /// Reads only what was emitted before this time.
    pub fn until(self, time: SystemTime) -> Self {
        Self { until: Some(nanoseconds(time)), ..self }
    }

    /// Reads what the store has at this moment; what is written meanwhile is not seen.
    ///
    /// One record is in memory at a time, and a cursor for each topic that matches. The room of what is removed meanwhile
    /// is used again only when this is dropped.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn records(&self) -> Result<Records, StoreError> {
        self.open().map_err(|error| error.at(&self.store.0.path))
    }

    fn open(&self) -> Result<Records, StoreError> {
        let read = self.store.0.database.begin_read().map_err(StoreError::of)?;
        let events = read.open_table(EVENTS).map_err(StoreError::of)?;
        let cursors = match &self.pattern {
            Some(pattern) => self.cursors_by_topic(&read, pattern)?,
            None => vec![self.cursor_by_time(&read)?],
        };
        Records::begin(self.store.0.path.clone(), events, cursors)
    }

    /// Plays the records, from the earliest on; to seek back it queries again.
    pub fn player(self, codec: &Codec) -> Player {
        let codec = codec.clone();
        Player::try_of(move || {
            let (entries, error) = match self.records() {
                Ok(records) => (Some(records.entries(&codec)), None),
                Err(error) => (None, Some(error)),
            };
            entries.into_iter().flatten().chain(error.map(Err))
        })
    }

    fn cursor_by_time(&self, read: &ReadTransaction) -> Result<Cursor, StoreError> {
        let table = read.open_table(BY_TIME).map_err(StoreError::of)?;
        let until = self.until.map_or(Bound::Unbounded, |until| Bound::Excluded((until, 0)));
        let range = table.range::<(u64, u64)>((Bound::Included((self.since, 0)), until)).map_err(StoreError::of)?;
        Ok(Cursor::Time(range))
    }

    fn cursors_by_topic(&self, read: &ReadTransaction, pattern: &Pattern) -> Result<Vec<Cursor>, StoreError> {
        let table = read.open_table(BY_TOPIC).map_err(StoreError::of)?;
        let mut cursors = Vec::new();
        let mut next = topic_after(&table, None)?;
        while let Some(topic) = next {
            if pattern.matches(&topic) {
                cursors.push(self.cursor_of_topic(&table, &topic)?);
            }
            next = topic_after(&table, Some(&topic))?;
        }
        Ok(cursors)
    }

    fn cursor_of_topic(&self, table: &ByTopic, topic: &str) -> Result<Cursor, StoreError> {
        let until = match self.until {
            Some(until) => Bound::Excluded((topic, until, 0)),
            None => Bound::Included((topic, u64::MAX, u64::MAX)),
        };
        let range = table.range::<(&str, u64, u64)>((Bound::Included((topic, self.since, 0)), until));
        Ok(Cursor::Topic(range.map_err(StoreError::of)?))
    }
}

type ByTopic = ReadOnlyTable<(&'static str, u64, u64), ()>;

/// The topic that follows another in the index, without a look at the events between.
fn topic_after(table: &ByTopic, topic: Option<&str>) -> Result<Option<String>, StoreError> {
    let from = topic.map_or(Bound::Unbounded, |topic| Bound::Excluded((topic, u64::MAX, u64::MAX)));
    let mut range = table.range::<(&str, u64, u64)>((from, Bound::Unbounded)).map_err(StoreError::of)?;
    let first = range.next().transpose().map_err(StoreError::of)?;
    Ok(first.map(|(key, _)| key.value().0.to_owned()))
}

/// Walks through one of the indexes.
enum Cursor {
    Time(Range<'static, (u64, u64), ()>),
    Topic(Range<'static, (&'static str, u64, u64), ()>),
}

impl Cursor {
    /// The time and the sequence of the next record.
    fn next(&mut self) -> Result<Option<(u64, u64)>, StoreError> {
        let next = match self {
            Self::Time(range) => range.next().transpose().map(|entry| entry.map(|(key, _)| key.value())),
            Self::Topic(range) => range.next().transpose().map(|entry| {
                let (_, time, sequence) = entry?.0.value();
                Some((time, sequence))
            }),
        };
        next.map_err(StoreError::of)
    }
}

/// The records that a [`Query`] chose; an error where one of them cannot be read.
pub struct Records {
    path: Arc<str>,
    events: ReadOnlyTable<u64, &'static str>,
    cursors: Vec<Cursor>,
    /// The next record of each cursor, the earliest on top.
    next: BinaryHeap<Reverse<(u64, u64, usize)>>,
}

impl Records {
    fn begin(
        path: Arc<str>,
        events: ReadOnlyTable<u64, &'static str>,
        cursors: Vec<Cursor>,
    ) -> Result<Self, StoreError> {
        let mut records = Self { path, events, cursors, next: BinaryHeap::new() };
        for place in 0..records.cursors.len() {
            records.advance(place)?;
        }
        Ok(records)
    }

    fn advance(&mut self, place: usize) -> Result<(), StoreError> {
        if let Some((time, sequence)) = self.cursors[place].next()? {
            self.next.push(Reverse((time, sequence, place)));
        }
        Ok(())
    }

    fn read(&mut self, sequence: u64, place: usize) -> Result<Record, StoreError> {
        self.advance(place)?;
        let line = self.events.get(sequence).map_err(StoreError::of)?;
        let line = line.ok_or_else(|| StoreError::of_record(sequence, "it is in an index only"))?;
        read_line(sequence, line.value())
    }
}

impl Records {
    /// Makes entries of the records, which can be replayed or folded, one at a time; an error where the payload of one
    /// is not what the codec says.
    pub fn entries(self, codec: &Codec) -> impl Iterator<Item = Result<Entry, StoreError>> + Send + use<> {
        let (codec, path) = (codec.clone(), self.path.clone());
        self.map(move |record| {
            let record = record?;
            record.entry(&codec).map_err(|error| StoreError::of_record(record.sequence(), error).at(&path))
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, sequence, place)) = self.next.pop()?;
        Some(self.read(sequence, place).map_err(|error| error.at(&self.path)))
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("cursors", &self.cursors.len()).finish_non_exhaustive()
    }
}
