//! [`Record`]: one line of a recording.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::line_error::{LineError, Reason};
use super::{Codec, CodecError, cloud_event};
use crate::until_error::until_error;
use crate::{Entry, Envelope, EventId, EventTree, Source, Stamp, Topic};

/// One event of a recording: everything about it, and its payload as JSON.
///
/// It takes no [`Codec`] to have one, so tools that know no types can filter and copy recordings. With a codec it becomes an
/// [`Entry`], which can be replayed.
#[derive(Clone)]
pub struct Record {
    sequence: u64,
    topic: Topic,
    id: EventId,
    stamp: Stamp,
    envelope: Option<Arc<Envelope>>,
    data: Box<RawValue>,
    foreign_id: Option<Box<str>>,
}

impl Record {
    pub(super) fn new(
        sequence: u64,
        topic: Topic,
        id: EventId,
        stamp: Stamp,
        envelope: Option<Arc<Envelope>>,
        data: Box<RawValue>,
    ) -> Self {
        Self { sequence, topic, id, stamp, envelope, data, foreign_id: None }
    }

    pub(super) fn with_foreign_id(self, id: Box<str>) -> Self {
        Self { foreign_id: Some(id), ..self }
    }

    /// The record of an entry.
    ///
    /// # Errors
    ///
    /// If the codec does not know the topic, or its payload is of another type.
    pub fn of(entry: &Entry, codec: &Codec) -> Result<Self, CodecError> {
        let data = codec.write(entry.topic(), entry.erased())?;
        let (topic, envelope) = (entry.topic().clone(), entry.share_envelope());
        Ok(Self::new(entry.sequence(), topic, entry.id(), entry.stamp(), envelope, data))
    }

    /// The entry of a record, which can be replayed.
    ///
    /// # Errors
    ///
    /// If the codec does not know the topic, or the payload does not fit its type.
    pub fn entry(&self, codec: &Codec) -> Result<Entry, CodecError> {
        let payload = codec.read(&self.topic, self.data())?;
        let entry = Entry::new(self.sequence, self.topic.clone(), payload, self.id, self.stamp);
        Ok(entry.with_envelope(self.envelope.clone()))
    }

    /// Reads one line of a recording.
    ///
    /// # Errors
    ///
    /// If it is no CloudEvents 1.0 object as [recordings](crate::Recording) have them.
    pub fn from_line(line: &str) -> Result<Self, LineError> {
        cloud_event::read(line).map_err(|fault| LineError::new(None, 1, Reason::NotAnEvent(fault)))
    }

    /// Writes it as one line.
    ///
    /// # Errors
    ///
    /// Those of `out`; or if its time is before the year -9999 or after 9999.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = Vec::new();
        self.append_to(&mut line)?;
        out.write_all(&line)
    }

    pub(super) fn append_to(&self, line: &mut Vec<u8>) -> io::Result<()> {
        cloud_event::write(self, line).map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, &*fault))
    }

    /// The line, with its end.
    #[cfg(feature = "redb")]
    pub(super) fn line(&self) -> io::Result<String> {
        let mut line = Vec::new();
        self.append_to(&mut line)?;
        Ok(String::from_utf8(line).expect("JSON is UTF-8"))
    }

    #[cfg(feature = "redb")]
    pub(super) fn numbered(self, sequence: u64) -> Self {
        Self { sequence, ..self }
    }

    /// Its place in the recording, from 1. A store numbers what it is given itself, and has no gaps.
    ///
    /// A gap in the sequences of files is as many events that were ready as lines when the
    /// [disk refused them](crate::RecordingStats::failed). Events that never became lines have no place, and leave no
    /// gap: those that came while the queue was full, and those that the codec could not write. The
    /// [counts](crate::Recording::stats) tell of all.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The topic, as it was where the recording stands in the stack.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The id as somebody else wrote it, if it is no ULID; [`id`](Self::id) is made of it and of the
    /// source, and tells nothing of the time.
    ///
    /// It is written again with the record. An [`Entry`] has the other one only, and so has what is recorded of a replay.
    #[must_use]
    pub fn foreign_id(&self) -> Option<&str> {
        self.foreign_id.as_deref()
    }

    /// When it was emitted, on the bus's clock.
    #[must_use]
    pub fn offset(&self) -> Duration {
        self.stamp.offset
    }

    /// When it was emitted, in wall-clock time.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.stamp.wall
    }

    /// Both times.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Who sent it, if the emitter said so.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.envelope()?.source.as_ref()
    }

    /// The event that led to this one, if the emitter said so.
    #[must_use]
    pub fn causation(&self) -> Option<EventId> {
        self.envelope()?.causation
    }

    /// Everything that travelled with the payload, if anything did.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_deref()
    }

    /// The payload, as JSON.
    #[must_use]
    pub fn data(&self) -> &str {
        self.data.get()
    }

    /// The payload, as a `T`.
    ///
    /// # Errors
    ///
    /// If it does not fit the type, or is nested deeper than 128.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data())
    }

    pub(super) fn raw(&self) -> &RawValue {
        &self.data
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("sequence", &self.sequence)
            .field("topic", &self.topic)
            .field("id", &self.id)
            .field("stamp", &self.stamp)
            .field("envelope", &self.envelope)
            .field("data", &self.data())
            .field("foreign_id", &self.foreign_id)
            .finish()
    }
}

impl EventTree {
    /// The tree of these records, with their payloads as JSON.
    pub fn of_records(records: impl IntoIterator<Item = Record>) -> Self {
        Self::grow(records.into_iter().map(|record| {
            let text = format!("{} {}", record.topic, record.data());
            (record.id, record.causation(), text)
        }))
    }

    /// The same for records that are read as it goes, by a reader or from a store; one at a time is in memory, and its line
    /// stays.
    ///
    /// # Errors
    ///
    /// Why a record could not be read: the first that could not.
    ///
    /// # Examples
    ///
    /// What was recorded, without a type for it, and with the types that a [codec](crate::Codec) knows:
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::middleware::{Codec, EventTree, Reader, Recording};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.jsonl");
    /// let codec = Codec::new().with::<u32>("**")?;
    /// let bus = Bus::new();
    /// bus.layer(Recording::open(&path, &codec)?);
    /// bus.emit("order", 7_u32);
    /// drop(bus);
    ///
    /// let of_records = EventTree::try_of_records(Reader::open(&path)?)?;
    /// assert_eq!(of_records.to_string(), "order 7\n");
    ///
    /// let entries = Reader::open(&path)?.entries(&codec);
    /// let of_entries = EventTree::try_of(entries, |entry| entry.payload::<u32>().unwrap().to_string())?;
    /// of_records.compare(&of_entries)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_of_records<E>(records: impl IntoIterator<Item = Result<Record, E>>) -> Result<Self, E> {
        let mut unread = None;
        let tree = Self::of_records(until_error(records, &mut unread));
        unread.map_or(Ok(tree), Err)
    }
}
