//! [`Reader`]: a recording, read line by line.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::line_error::{LineError, Reason};
use super::lines::{Line, Lines};
use super::{Codec, LONGEST_LINE, Record, cloud_event, parts};
use crate::Entry;

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
    /// The parts that are still to be read, until the one that is being written is.
    parts: Option<Parts>,
    longest: usize,
    stats: ReadStats,
}

/// The parts of a recording, as they were when its folder was looked at.
struct Parts {
    recording: PathBuf,
    /// The numbers of those that are to be read, the lowest first.
    next: VecDeque<u64>,
    /// The one that was begun.
    latest: u64,
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
}

impl ReadStats {
    /// Lines that could not be read, whatever the reason.
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
        let mut reader = Self::with(None);
        reader.parts = Some(Parts { recording: path.as_ref().to_owned(), next: VecDeque::new(), latest: 0 });
        reader.open_next()?;
        Ok(reader)
    }

    /// Reads whatever can be read.
    pub fn new(input: impl Read + Send + 'static) -> Self {
        Self::with(Some(Box::new(BufReader::with_capacity(BUFFER, input))))
    }

    fn with(input: Option<Box<dyn BufRead + Send>>) -> Self {
        let lines = input.map(|input| Lines::new(input, LONGEST_LINE));
        Self { lines, file: None, parts: None, longest: LONGEST_LINE, stats: ReadStats::default() }
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

    /// Makes entries of the records, which can be replayed.
    pub fn entries(self, codec: &Codec) -> Entries {
        Entries { reader: self, codec: codec.clone() }
    }

    /// Goes to the next part; `false` if there is none.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some(mut parts) = self.parts.take() else { return Ok(false) };
        if let Some((file, path)) = parts.open_full() {
            self.parts = Some(parts);
            return self.begin(file, &path);
        }
        // Opened before others are looked for: if it becomes full meanwhile, it is among them, or in hand.
        let current = File::open(&parts.recording);
        if parts.look_again()? {
            self.parts = Some(parts);
            return self.open_next();
        }
        self.begin(current, &parts.recording)
    }

    fn begin(&mut self, file: io::Result<File>, path: &Path) -> io::Result<bool> {
        self.file = Some(path.into());
        let input: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(BUFFER, file?));
        self.lines = Some(Lines::new(input, self.longest));
        Ok(true)
    }

    /// Reads on; `None` at the end of the file.
    fn read_line(&mut self) -> Option<Result<Record, LineError>> {
        let lines = self.lines.as_mut()?;
        let record = loop {
            match lines.next_line() {
                Ok(Some(Line::Whole(line) | Line::Open(line))) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => break parse(&line, self.longest),
                Ok(None) => return None,
                Err(error) => break Err(Reason::Io(error)),
            }
        };
        let number = lines.number();
        Some(record.map_err(|reason| self.refuse(number, reason)))
    }

    fn refuse(&mut self, number: u64, reason: Reason) -> LineError {
        if matches!(reason, Reason::Io(_)) {
            (self.lines, self.parts) = (None, None);
        }
        self.stats.count(&reason);
        LineError::new(self.file.clone(), number, reason)
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
    fn look_again(&mut self) -> io::Result<bool> {
        let numbers = parts::list(&self.recording)?.into_iter().map(|part| part.number);
        self.next = numbers.filter(|number| *number > self.latest).collect();
        Ok(!self.next.is_empty())
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
                Err(error) => return Some(Err(self.refuse(0, Reason::Io(error)))),
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
