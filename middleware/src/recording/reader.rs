//! [`Reader`]: a recording, read line by line.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::late_start::{self, Skipped};
use super::line_error::{LineError, Reason};
use super::lines::{Line, Lines};
use super::{Codec, LONGEST_LINE, Record, cloud_event, parts};
use crate::Entry;
use crate::file_error::FileError;

/// Reads a recording, one line at a time, whatever is in it.
///
/// A line that cannot be read is an error with its number; the lines behind it are read. So a crash costs the line that
/// was being written ([`LineError::is_torn`]), and hostile lines cost themselves: no line longer than the longest allowed
/// (16 MiB) is kept in memory, and JSON that is nested deeper than 128 is refused where a payload is made of it. Memory is
/// bounded by the longest line, whatever the size of the recording. Empty lines are passed over.
///
/// CloudEvents of others are read as well, if their payloads are JSON, their types are topics, and those attributes that
/// [a line](crate::Recording#a-line) has are written as there. Attributes that `sigtree` does not know are passed over, and
/// lost if the record is written again. An id that is no ULID [is kept](Record::foreign_id), and an [`EventId`](crate::EventId)
/// is made of it and the source, the same in every run; a `causationid` that is no ULID names an event of the same source.
///
/// # Examples
///
/// ```
/// use sigtree_middleware::Reader;
///
/// let text = r#"
/// {"specversion":"1.0","id":"00000000000000000000000001","source":"/radar","type":"track","data":7}
/// {"specversion":"1.0","id":"00000000000000000000000002","source":"/radar","type":"track","da"#;
/// let mut reader = Reader::new(text.as_bytes());
/// let record = reader.next().unwrap()?;
/// assert_eq!((record.topic().as_str(), record.decode::<u32>()?), ("track", 7));
///
/// let error = reader.next().unwrap().unwrap_err();
/// assert_eq!(error.to_string(), "line 3: torn: the file ends within it");
/// assert_eq!((reader.stats().records, reader.stats().torn), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader {
    lines: Option<Lines<Box<dyn BufRead + Send>>>,
    file: Option<Arc<Path>>,
    /// The recording whose parts are read; `None` when there is nothing behind what is in hand.
    parts: Option<Parts>,
    following: bool,
    longest: usize,
    /// The byte of the next file to begin at, and what of the file in hand was passed over.
    start: u64,
    skipped: Option<Skipped>,
    stats: ReadStats,
}

/// The parts of a recording, as they were when its folder was looked at, and how far a reader is in them.
struct Parts {
    recording: PathBuf,
    /// The numbers of those that are to be read, the lowest first.
    next: VecDeque<u64>,
    /// The latest full part that was begun, or was there when the one being written was.
    latest: u64,
    /// Whether the one that is being written is in hand.
    current: bool,
}

/// What a [`Reader`] met, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadStats {
    /// Lines that were events.
    pub records: u64,
    /// Last lines without an end.
    pub torn: u64,
    /// Lines longer than the longest allowed.
    pub too_long: u64,
    /// Lines that were no UTF-8.
    pub not_utf8: u64,
    /// Lines that were no JSON, or no events.
    pub not_events: u64,
    /// Events whose payload the codec did not know, or which did not fit its type; they are among the records too.
    pub payloads: u64,
    /// Bytes of all these lines, with their ends, and of empty ones.
    pub bytes: u64,
}

impl ReadStats {
    /// Lines that could not be read, whatever the reason.
    ///
    /// A [failure](LineError::is_io) of the disk is none: it ends the reading, and only its error tells of it.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.torn + self.too_long + self.not_utf8 + self.not_events + self.payloads
    }

    fn count(&mut self, reason: &Reason) {
        match reason {
            Reason::Io(_) => {}
            Reason::Torn => self.torn += 1,
            Reason::TooLong { .. } => self.too_long += 1,
            Reason::NotUtf8 { .. } => self.not_utf8 += 1,
            Reason::NotAnEvent(_) => self.not_events += 1,
            Reason::Payload(_) => self.payloads += 1,
        }
    }
}

impl Reader {
    /// Reads a recording of this path: its full parts in their order, then the one that is being written.
    ///
    /// A recording may go on meanwhile; what is read is what stands there when the reader comes by.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::open_behind(path.as_ref(), (0, 0))?)
    }

    /// Reads the lines that begin within about the last `bytes` of a recording of this path.
    ///
    /// Reach for it to see the end of a large recording without reading all of it. The numbers of lines in errors are
    /// still those of the file.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); or if the file cannot be sought in, because it is a pipe.
    pub fn open_near_end(path: impl AsRef<Path>, bytes: u64) -> io::Result<Self> {
        let path = path.as_ref();
        Ok(Self::open_behind(path, late_start::find(path, bytes)?)?)
    }

    pub(super) fn open_behind(recording: &Path, (latest, start): (u64, u64)) -> Result<Self, FileError> {
        let mut reader = Self::with(None);
        let next = VecDeque::new();
        reader.parts = Some(Parts { recording: recording.to_owned(), next, latest, current: false });
        reader.start = start;
        reader.open_next()?;
        Ok(reader)
    }

    /// Reads whatever can be read.
    pub fn new(input: impl Read + Send + 'static) -> Self {
        Self::with(Some(Box::new(BufReader::with_capacity(BUFFER, input))))
    }

    fn with(input: Option<Box<dyn BufRead + Send>>) -> Self {
        let lines = input.map(|input| Lines::new(input, LONGEST_LINE));
        Self {
            lines,
            file: None,
            parts: None,
            following: false,
            longest: LONGEST_LINE,
            start: 0,
            skipped: None,
            stats: ReadStats::default(),
        }
    }

    /// Goes on with what is written meanwhile: `None` then means that there is nothing more yet, and asking again later
    /// reads on, over the rotation of the files too.
    ///
    /// A last line without an end is being written, and is given when it is whole. It does not wait; whoever follows a
    /// recording asks again when they please. Files that are truncated or replaced by others than a
    /// [`Recording`](crate::Recording) are not followed.
    ///
    /// ```
    /// use std::fs::OpenOptions;
    /// use std::io::Write;
    /// use sigtree_middleware::Reader;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("flight.jsonl");
    /// let line = r#"{"specversion":"1.0","id":"00000000000000000000000001","source":"/radar","type":"track","data":7}"#;
    /// let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    /// let mut reader = Reader::open(&path)?.following();
    /// assert!(reader.next().is_none());
    ///
    /// file.write_all(line.as_bytes())?;
    /// assert!(reader.next().is_none());
    /// file.write_all(b"\n")?;
    /// assert_eq!(reader.next().unwrap()?.topic().as_str(), "track");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "tail")]
    pub fn following(mut self) -> Self {
        self.following = true;
        self.tell_whether_it_grows();
        self
    }

    /// Sets the longest line it takes, in bytes; 16 MiB unless said otherwise.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        if let Some(lines) = &mut self.lines {
            lines.set_most(bytes);
        }
        self
    }

    /// What it met so far.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        self.stats
    }

    /// The line of the latest record as it stands in the file, without its end: for tools that copy lines.
    ///
    /// A [`Record`] that is written again has lost the attributes that `sigtree` does not know.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        self.lines.as_ref().map_or(&[], Lines::latest)
    }

    /// Makes entries of the records, one at a time, which can be replayed, or folded in little memory:
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::middleware::{Codec, Fact, LineError, Projection, Reader, Recording};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("account.jsonl");
    /// let codec = Codec::new().with::<i64>("account.*")?;
    /// let bus = Bus::new();
    /// bus.layer(Recording::open(&path, &codec)?);
    /// bus.emit("account.in", 100_i64);
    /// bus.emit("account.in", -30_i64);
    /// drop(bus);
    ///
    /// let balance = || Projection::of(0).on("account.*", |sum, amount: &Fact<i64>| *sum += **amount);
    /// let rebuilt = balance()?;
    /// assert_eq!(rebuilt.try_catch_up(Reader::open(&path)?.entries(&codec))?, 2);
    /// assert_eq!(rebuilt.state(), 70);
    ///
    /// // If the state may do without lines that cannot be read: pass over them, and look how many there were. A failure to
    /// // read is no line; it ends the reading, and what stands behind it would be missed unseen.
    /// let (lax, mut entries) = (balance()?, Reader::open(&path)?.entries(&codec));
    /// lax.try_catch_up(entries.by_ref().filter(|entry| entry.as_ref().err().is_none_or(LineError::is_io)))?;
    /// assert_eq!((lax.state(), entries.stats().skipped()), (70, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entries(self, codec: &Codec) -> Entries {
        Entries { reader: self, codec: codec.clone() }
    }

    /// Goes to the next part; `false` if there is none.
    fn open_next(&mut self) -> Result<bool, FileError> {
        match self.parts.take() {
            None => Ok(false),
            Some(parts) if parts.current => self.look_for_rotation(parts),
            Some(parts) => self.open_behind_latest(parts),
        }
    }

    fn open_behind_latest(&mut self, mut parts: Parts) -> Result<bool, FileError> {
        if let Some((file, path)) = parts.open_full() {
            self.parts = Some(parts);
            return self.begin(file, &path).map_err(FileError::at(&path));
        }
        // Opened before others are looked for: if it becomes full meanwhile, it is among them, or in hand.
        let current = File::open(&parts.recording);
        if parts.look_again()? {
            return self.open_behind_latest(parts);
        }
        let missing = matches!(&current, Err(error) if error.kind() == io::ErrorKind::NotFound);
        // Between two parts there is none for a moment.
        if missing && self.following && parts.latest > 0 {
            self.parts = Some(parts);
            return Ok(false);
        }
        let path = parts.recording.clone();
        parts.current = true;
        self.parts = Some(parts);
        self.begin(current, &path).map_err(FileError::at(&path))
    }

    /// The end of the part that is being written is the end, or that for now. When it became full, it is read to its
    /// end once more, for what was written before that.
    fn look_for_rotation(&mut self, mut parts: Parts) -> Result<bool, FileError> {
        let full = self.following && parts.look_again()?;
        if full {
            parts.pass_over_what_is_in_hand();
        }
        self.parts = self.following.then_some(parts);
        self.tell_whether_it_grows();
        Ok(full)
    }

    fn tell_whether_it_grows(&mut self) {
        // Full parts do not; what has no parts may.
        let growing = self.following && self.parts.as_ref().is_none_or(|parts| parts.current);
        if let Some(lines) = &mut self.lines {
            lines.set_growing(growing);
        }
    }

    fn begin(&mut self, file: io::Result<File>, path: &Path) -> io::Result<bool> {
        let mut file = file?;
        let start = std::mem::take(&mut self.start);
        // One byte before it tells whether a line begins there.
        let before = start.saturating_sub(1);
        if start > 0 {
            file.seek(SeekFrom::Start(before))?;
        }
        let handle = file.try_clone();
        let input: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(BUFFER, file));
        let mut lines = Lines::new(input, self.longest);
        self.skipped = None;
        if start > 0 {
            lines.skip_line()?;
            self.skipped = Some(Skipped::new(handle?, before + lines.take_bytes()));
        }
        (self.file, self.lines) = (Some(path.into()), Some(lines));
        self.tell_whether_it_grows();
        Ok(true)
    }

    /// Reads on; `None` at the end of the file.
    fn read_line(&mut self) -> Option<Result<Record, LineError>> {
        let lines = self.lines.as_mut()?;
        let record = loop {
            match lines.next_line() {
                Ok(Some(Line::Whole(line) | Line::Open(line))) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => break Some(parse(&line, self.longest)),
                Ok(None) => break None,
                Err(error) => break Some(Err(Reason::Io(error))),
            }
        };
        let number = lines.number();
        self.stats.bytes += lines.take_bytes();
        Some(record?.map_err(|reason| self.refuse(number, reason)))
    }

    fn refuse(&mut self, number: u64, reason: Reason) -> LineError {
        let number = number + self.skipped.as_mut().map_or(0, |skipped| skipped.lines().unwrap_or(0));
        if matches!(reason, Reason::Io(_)) {
            self.end();
        }
        self.stats.count(&reason);
        LineError::new(self.file.clone(), number, reason)
    }

    /// Nothing is read behind a failure of the disk.
    fn end(&mut self) {
        (self.lines, self.parts) = (None, None);
    }
}

impl Parts {
    /// Opens the next one that is there, and says which it is.
    fn open_full(&mut self) -> Option<(io::Result<File>, PathBuf)> {
        while let Some(number) = self.next.pop_front() {
            self.latest = number;
            let path = parts::path_of(&self.recording, number);
            match File::open(&path) {
                // The recording is bounded, and has just thrown it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => return Some((file, path)),
            }
        }
        None
    }

    /// Whether others became full since.
    fn look_again(&mut self) -> Result<bool, FileError> {
        let numbers = parts::list(&self.recording)?.into_iter().map(|part| part.number);
        self.next = numbers.filter(|number| *number > self.latest).collect();
        Ok(!self.next.is_empty())
    }

    /// What was being written became the next full part.
    fn pass_over_what_is_in_hand(&mut self) {
        (self.latest, self.current) = (self.latest + 1, false);
        self.next.retain(|number| *number > self.latest);
    }
}

/// The bytes read at a time.
const BUFFER: usize = 64 << 10;

fn parse(line: &Line<'_>, most: usize) -> Result<Record, Reason> {
    match line {
        Line::Whole(line) => parse_whole(line),
        // A line that only lacks its end is as good as any.
        Line::Open(line) => parse_whole(line).map_err(|_| Reason::Torn),
        Line::TooLong => Err(Reason::TooLong { most }),
    }
}

fn parse_whole(line: &[u8]) -> Result<Record, Reason> {
    let text = str::from_utf8(line).map_err(|error| Reason::NotUtf8 { byte: error.valid_up_to() })?;
    cloud_event::read(text).map_err(Reason::NotAnEvent)
}

impl Iterator for Reader {
    type Item = Result<Record, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.read_line() {
                self.stats.records += u64::from(record.is_ok());
                return Some(record);
            }
            match self.open_next() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.end();
                    return Some(Err(LineError::unopened(error)));
                }
            }
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("file", &self.file).field("stats", &self.stats).finish_non_exhaustive()
    }
}

/// Entries of a recording, from [`Reader::entries`]: records whose payloads a codec has read.
#[derive(Debug)]
pub struct Entries {
    reader: Reader,
    codec: Codec,
}

impl Entries {
    /// What it met so far.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        self.reader.stats()
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.reader.next()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let number = self.reader.lines.as_ref().map_or(0, Lines::number);
        let entry = record.entry(&self.codec);
        Some(entry.map_err(|error| self.reader.refuse(number, Reason::Payload(error))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_looked_at_once_and_again_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("flight.jsonl");
        let fill = |path: &Path| std::fs::write(path, "no event\n").unwrap();
        (1..=4).for_each(|number| fill(&parts::path_of(&recording, number)));
        fill(&recording);
        let mut reader = Reader::open(&recording).unwrap();
        let left = |reader: &Reader| reader.parts.as_ref().map(|parts| parts.next.clone());
        assert_eq!(left(&reader), Some([2, 3, 4].into()));
        assert_eq!(reader.by_ref().take(3).count(), 3);
        assert_eq!(left(&reader), Some([4].into()));
        fill(&parts::path_of(&recording, 5));
        assert_eq!((reader.by_ref().count(), left(&reader)), (3, None));
    }
}
