//! [`Store`]: a recording in a database.

mod query;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use query::{Query, Records};

use redb::{Database, ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};

use super::{MADE_UP, Record, Sink, Unwritten, cloud_event};

/// The most bytes of pages that the database keeps in memory; its own default is a gigabyte.
const CACHE: usize = 64 << 20;

/// The line of a record, by its sequence.
const EVENTS: TableDefinition<'static, u64, &str> = TableDefinition::new("events");
/// Nanoseconds since 1970, sequence.
const BY_TIME: TableDefinition<'static, (u64, u64), ()> = TableDefinition::new("by_time");
/// Topic, nanoseconds since 1970, sequence.
const BY_TOPIC: TableDefinition<'static, (&str, u64, u64), ()> = TableDefinition::new("by_topic");

/// A recording in one [redb](https://docs.rs/redb) file, with an index by topic and by time.
///
/// Reach for it rather than for files of lines when a few topics, or a few minutes, are to be found in a long past: what does
/// not match is not read. It is a handle: give a [`Recording`](crate::Recording) a clone as its sink, and query the other
/// meanwhile.
///
/// It takes less than twice the room of lines and is written about a third as fast. A million events whose lines have
/// 285 bytes each, in batches of up to 1,024, took 470 MB of the disk and about 9 s on two cores, where files took 285 MB
/// and 3 s; they were read in 2 s (`cargo test --release --features redb --test large_recordings -- --nocapture` measures it,
/// by the blocks that the system says the file has). The file is longer than that, 540 to 810 MB there, for redb makes it
/// larger in leaps; what was never written takes no room on most disks. Events that come one by one leave its pages half
/// empty, and take twice as much. Of all that, 64 MiB may be in memory.
///
/// Each batch is one transaction, safe from failures of power when it is written, whatever the [`Flush`](crate::Flush)
/// policy; a crash never leaves half of one, and a batch that the disk refuses is lost as a whole. After that redb wants the
/// database to be opened anew; until then everything is refused, and counted. It numbers the records itself, so several
/// recordings may write to it.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
/// use sigtree::middleware::{Codec, Fact, Projection, Recording, Store};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("flight.redb");
/// let codec = Codec::new().with::<u32>("**")?;
/// let store = Store::open(&path)?;
/// let recording = Recording::builder(&codec).open_sink(store.clone())?;
/// let bus = Bus::new();
/// bus.layer(recording.clone());
/// bus.emit("radar.track", 7_u32);
/// bus.emit("sonar.ping", 8_u32);
/// recording.sync()?;
///
/// let tracks = store.query().matching("radar.**")?.records()?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!((tracks.len(), tracks[0].decode::<u32>()?), (1, 7));
///
/// let sum = Projection::of(0).on("**", |sum, n: &Fact<u32>| *sum += **n)?;
/// sum.try_catch_up(store.query().records()?.entries(&codec))?;
/// assert_eq!(sum.state(), 15);
///
/// let fresh = Bus::new();
/// assert_eq!(store.query().player(&codec).run(&fresh).replayed, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    database: Database,
    path: Arc<str>,
    most: u64,
    removed: AtomicU64,
}

impl Store {
    /// Opens the database of this path, or makes one, without a bound.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, is no database, or is open elsewhere.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, u64::MAX)
    }

    /// The same, and keeps the last `events` only: the oldest are thrown away in the transaction that writes others.
    ///
    /// The file does not become smaller by it; the room is used again.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn bounded(path: impl AsRef<Path>, events: u64) -> Result<Self, StoreError> {
        Self::open_with(path, events)
    }

    fn open_with(path: impl AsRef<Path>, most: u64) -> Result<Self, StoreError> {
        let name: Arc<str> = path.as_ref().display().to_string().into();
        Self::begin(path.as_ref(), &name, most).map_err(|error| error.at(&name))
    }

    fn begin(path: &Path, name: &Arc<str>, most: u64) -> Result<Self, StoreError> {
        // The newer format is the one that later versions of redb read.
        let mut builder = Database::builder();
        builder.create_with_file_format_v3(true).set_cache_size(CACHE);
        let database = builder.create(path).map_err(StoreError::of)?;
        let store = Self(Arc::new(Inner { database, path: name.clone(), most, removed: AtomicU64::new(0) }));
        store.write_with(|_| Ok(()))?;
        Ok(store)
    }

    /// Chooses what is to be read.
    pub fn query(&self) -> Query {
        Query::of(self.clone())
    }

    /// How many records there are.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn len(&self) -> Result<u64, StoreError> {
        self.count().map_err(|error| error.at(&self.0.path))
    }

    fn count(&self) -> Result<u64, StoreError> {
        let read = self.0.database.begin_read().map_err(StoreError::of)?;
        read.open_table(EVENTS).map_err(StoreError::of)?.len().map_err(StoreError::of)
    }

    /// Whether there is no record.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// How many records this handle and its clones threw away to keep the bound.
    #[must_use]
    pub fn removed(&self) -> u64 {
        // Relaxed: it only counts.
        self.0.removed.load(Ordering::Relaxed)
    }

    fn write_with(&self, work: impl FnOnce(&mut Tables<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let transaction = self.0.database.begin_write().map_err(StoreError::of)?;
        work(&mut Tables::of(&transaction)?)?;
        transaction.commit().map_err(StoreError::of)
    }

    fn append(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut removed = 0;
        self.write_with(|tables| {
            let first = tables.last_sequence()? + 1;
            for place in filling_pages(records.len()) {
                tables.insert(&records[place].clone().numbered(first + place as u64))?;
            }
            removed = tables.shrink_to(self.0.most)?;
            Ok(())
        })?;
        self.0.removed.fetch_add(removed, Ordering::Relaxed);
        Ok(())
    }
}

/// The places of so many records, in the order in which they are inserted.
///
/// redb splits a full page into two halves. If keys only grow, nothing is ever added to the first one, and the file is
/// half empty. So two of five records are left out at first, and fill what the others left behind.
fn filling_pages(records: usize) -> impl Iterator<Item = usize> {
    let is_first = |place: &usize| matches!(place % 5, 0 | 2 | 4);
    (0..records).filter(is_first).chain((0..records).filter(move |place| !is_first(place)))
}

/// The tables, open for writing.
struct Tables<'t> {
    events: Table<'t, u64, &'static str>,
    by_time: Table<'t, (u64, u64), ()>,
    by_topic: Table<'t, (&'static str, u64, u64), ()>,
}

impl<'t> Tables<'t> {
    fn of(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            events: transaction.open_table(EVENTS).map_err(StoreError::of)?,
            by_time: transaction.open_table(BY_TIME).map_err(StoreError::of)?,
            by_topic: transaction.open_table(BY_TOPIC).map_err(StoreError::of)?,
        })
    }

    fn last_sequence(&self) -> Result<u64, StoreError> {
        let last = self.events.range(..MADE_UP).map_err(StoreError::of)?.next_back().transpose();
        Ok(last.map_err(StoreError::of)?.map_or(0, |(sequence, _)| sequence.value()))
    }

    fn insert(&mut self, record: &Record) -> Result<(), StoreError> {
        let (sequence, time) = (record.sequence(), nanoseconds(record.time()));
        self.events.insert(sequence, &*record.line()?).map_err(StoreError::of)?;
        self.by_time.insert((time, sequence), ()).map_err(StoreError::of)?;
        self.by_topic.insert((record.topic().as_str(), time, sequence), ()).map_err(StoreError::of)?;
        Ok(())
    }

    /// Removes the oldest until so many are left; how many it removed.
    fn shrink_to(&mut self, most: u64) -> Result<u64, StoreError> {
        let surplus = self.events.len().map_err(StoreError::of)?.saturating_sub(most);
        for _ in 0..surplus {
            self.remove_first()?;
        }
        Ok(surplus)
    }

    fn remove_first(&mut self) -> Result<(), StoreError> {
        let Some((sequence, line)) = self.events.pop_first().map_err(StoreError::of)? else { return Ok(()) };
        let sequence = sequence.value();
        let record = read_line(sequence, line.value())?;
        let time = nanoseconds(record.time());
        self.by_time.remove((time, sequence)).map_err(StoreError::of)?;
        self.by_topic.remove((record.topic().as_str(), time, sequence)).map_err(StoreError::of)?;
        Ok(())
    }
}

/// The record of a line that this very database has.
fn read_line(sequence: u64, line: &str) -> Result<Record, StoreError> {
    cloud_event::read(line).map_err(|fault| StoreError::of_record(sequence, format!("not an event: {fault}")))
}

/// Since 1970; what was before, and after the year 2554, is at either end.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Sink for Store {
    fn write(&mut self, records: &[Record]) -> Result<(), Unwritten> {
        self.append(records).map_err(|error| Unwritten { lost: records.len(), error: error.into() })
    }

    /// Nothing is left to do: each transaction is safe when it is over.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn describe(&self) -> String {
        self.0.path.to_string()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// A database that could not be opened, read or written, or a record in it that could not be read; it names the file.
pub struct StoreError {
    /// `None` on its way to a recording, which names the file itself.
    path: Option<Arc<str>>,
    error: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    fn of(error: impl Into<redb::Error>) -> Self {
        Self { path: None, error: error.into().into() }
    }

    /// A record that could not be read, and why.
    fn of_record(sequence: u64, why: impl fmt::Display) -> Self {
        Self { path: None, error: format!("record {sequence}: {why}").into() }
    }

    /// The same, of the database of this path.
    fn at(self, path: &Arc<str>) -> Self {
        Self { path: Some(path.clone()), ..self }
    }

    fn kind(&self) -> io::ErrorKind {
        match self.error.downcast_ref() {
            Some(redb::Error::Io(error)) => error.kind(),
            _ => io::ErrorKind::Other,
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::of(redb::Error::Io(error))
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        io::Error::new(error.kind(), error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        self.error.fmt(f)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreError").field(&self.to_string()).finish()
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Codec, Entry, EventId, Limits, Stamp, Topic};

    fn record(n: u32) -> Record {
        let offset = Duration::from_millis(n.into());
        let stamp = Stamp { offset, wall: UNIX_EPOCH + offset };
        let id = EventId::from_bits(n.into());
        let entry = Entry::new(n.into(), Topic::new("n").unwrap(), Arc::new(n), id, stamp);
        Record::of(&entry, &Codec::new().with::<u32>("n").unwrap()).unwrap()
    }

    #[test]
    fn a_sequence_that_nobody_counted_up_to_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("flight.redb")).unwrap();
        let record = record(7);
        store.append(std::slice::from_ref(&record)).unwrap();
        store.write_with(|tables| tables.insert(&record.clone().numbered(u64::MAX))).unwrap();
        store.append(&[record.clone(), record]).unwrap();
        let sequences: Vec<_> = store.query().records().unwrap().map(|record| record.unwrap().sequence()).collect();
        assert_eq!(sequences, [1, 2, 3, u64::MAX]);
    }

    #[test]
    fn a_topic_beyond_the_default_limits_makes_room_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::bounded(folder.path().join("flight.redb"), 1).unwrap();
        let topic = Topic::with_limits(&"a".repeat(1_000), &Limits::new().bytes(1_000)).unwrap();
        let stamp = Stamp { offset: Duration::ZERO, wall: UNIX_EPOCH };
        let entry = Entry::new(1, topic, Arc::new(1_u32), EventId::from_bits(1), stamp);
        let long = Record::of(&entry, &Codec::new().with::<u32>("**").unwrap()).unwrap();
        store.append(&[long]).unwrap();
        store.append(&[record(2)]).unwrap();
        assert_eq!((store.len().unwrap(), store.removed()), (1, 1));
    }

    #[test]
    fn each_record_is_inserted_once() {
        let mut places: Vec<_> = filling_pages(12).collect();
        assert_eq!(places, [0, 2, 4, 5, 7, 9, 10, 1, 3, 6, 8, 11]);
        places.sort_unstable();
        assert_eq!(places, (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn pages_are_filled_although_keys_only_grow() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("flight.redb")).unwrap();
        let records: Vec<_> = (0..4_096).map(record).collect();
        records.chunks(1_024).for_each(|batch| store.append(batch).unwrap());
        let read = store.0.database.begin_read().unwrap();
        let tables = [
            read.open_table(EVENTS).unwrap().stats().unwrap(),
            read.open_table(BY_TIME).unwrap().stats().unwrap(),
            read.open_table(BY_TOPIC).unwrap().stats().unwrap(),
        ];
        for stats in tables {
            let (empty, used) = (stats.fragmented_bytes(), stats.stored_bytes() + stats.metadata_bytes());
            assert!(empty * 2 < used, "{empty} bytes are empty beside {used}");
        }
        let sequences: Vec<_> = store.query().records().unwrap().map(|record| record.unwrap().sequence()).collect();
        assert_eq!(sequences, (1..=4_096).collect::<Vec<_>>());
    }
}
