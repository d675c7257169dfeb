//! Files of lines: appended to, rotated, bounded.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lines::{Line, Lines, count_lines};
use super::parts::{self, Part};
use super::stats::Counts;
use super::{LONGEST_LINE, MADE_UP, Record, Sink, Unwritten, cloud_event};
use crate::file_error::FileError;
use crate::folder;
use crate::text::Counted;

/// When a part is full, and how much all of them may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) part_bytes: u64,
    pub(super) part_events: u64,
    pub(super) bytes: u64,
}

impl Bounds {
    /// So many bytes make a part full; a bounded recording has at least two of them.
    fn part_bytes(&self) -> u64 {
        self.part_bytes.min(self.bytes / 2)
    }
}

/// The parts of a recording on a disk.
pub(super) struct Files {
    path: PathBuf,
    bounds: Bounds,
    file: File,
    /// The bytes and lines of the part that is being written.
    bytes: u64,
    events: u64,
    /// The full parts that may be thrown away, the oldest first.
    full: VecDeque<Part>,
    /// The number of the latest part that ever was, or a larger one.
    latest: u64,
    /// Lines that are not in the file yet, and how many.
    buffer: Vec<u8>,
    buffered: u64,
    /// Lines that could not be written, until somebody is told.
    lost: u64,
    /// Whether the file ends within a line.
    torn: bool,
    /// Whether files were made or renamed since the last sync.
    renamed: bool,
    last_sequence: u64,
    counts: Arc<Counts>,
}

impl Files {
    pub(super) fn open(path: &Path, bounds: Bounds, counts: Arc<Counts>) -> Result<Self, FileError> {
        let full = parts::list_own(path)?;
        Self::open_behind(full, path, bounds, counts).map_err(FileError::at(path))
    }

    fn open_behind(full: VecDeque<Part>, path: &Path, bounds: Bounds, counts: Arc<Counts>) -> io::Result<Self> {
        let file = append_to(path)?;
        let bytes = file.metadata()?.len();
        let mut files = Self {
            path: path.to_owned(),
            bounds,
            file,
            bytes,
            events: 0,
            full,
            latest: 0,
            buffer: Vec::new(),
            buffered: 0,
            lost: 0,
            torn: false,
            renamed: bytes == 0,
            last_sequence: 0,
            counts,
        };
        files.look_back()?;
        files.make_room(0)?;
        Ok(files)
    }

    /// Finds out what was written by those before.
    fn look_back(&mut self) -> io::Result<()> {
        let end = Ending::of(&self.path, self.bytes)?;
        self.torn = end.torn;
        self.last_sequence = end.last_sequence;
        if let (0, Some(part)) = (end.last_sequence, self.full.back()) {
            self.last_sequence = Ending::of(&parts::path_of(&self.path, part.number), part.bytes)?.last_sequence;
        }
        self.latest = match self.full.back() {
            Some(part) => part.number,
            // They may be in an archive. Each had an event at least, so none has a number as large as the next sequence.
            None => self.first_sequence()?.unwrap_or(self.last_sequence).saturating_sub(1),
        };
        if self.bounds.part_events < u64::MAX {
            self.events = count_lines(self.read_back()?)?;
        }
        Ok(())
    }

    /// The sequence of the first line, if it tells one.
    fn first_sequence(&self) -> io::Result<Option<u64>> {
        Ok(match Lines::new(self.read_back()?, LONGEST_LINE).next_line()? {
            Some(Line::Whole(line) | Line::Open(line)) => sequence_of(line),
            _ => None,
        })
    }

    /// Reads what is in the file, and nothing if it is a device, which may have no end.
    fn read_back(&self) -> io::Result<impl BufRead + use<>> {
        Ok(BufReader::new(File::open(&self.path)?.take(self.bytes)))
    }

    /// Appends a line to the buffer, in a new part if this one is full. The line is taken in whatever goes wrong.
    fn take_in(&mut self, line: &[u8]) -> io::Result<()> {
        let room = self.room_for(line.len() as u64);
        self.buffer.extend_from_slice(line);
        self.buffered += 1;
        room
    }

    fn room_for(&mut self, line: u64) -> io::Result<()> {
        let bytes = self.bytes + self.buffer.len() as u64;
        let full = self.events + self.buffered >= self.bounds.part_events || bytes + line > self.bounds.part_bytes();
        if bytes > 0 && !full {
            return Ok(());
        }
        if bytes > 0 {
            self.put()?;
            self.rotate()?;
        }
        self.make_room(line)
    }

    /// Writes the buffer. If that fails, its lines are lost, and the file is as it was or begins a new line next time.
    fn put(&mut self) -> io::Result<()> {
        let events = std::mem::take(&mut self.buffered);
        let result = self.append();
        self.buffer.clear();
        let counted = if result.is_ok() { &mut self.events } else { &mut self.lost };
        *counted += events;
        result
    }

    fn append(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.buffer.insert(0, b'\n');
        }
        // As the disk has it: after a write that failed half-way, to cut at what was counted would take good lines along.
        self.bytes = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&self.buffer) {
            self.torn |= self.file.set_len(self.bytes).is_err();
            return Err(error);
        }
        self.bytes += self.buffer.len() as u64;
        self.torn = false;
        Ok(())
    }

    /// Gives the full part its number and begins another; if that cannot be, the full one goes on.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let (number, part) = self.next_part()?;
        fs::rename(&self.path, &part)?;
        match append_to(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                fs::rename(&part, &self.path)?;
                return Err(error);
            }
        }
        self.latest = number;
        self.full.push_back(Part { number, bytes: self.bytes });
        (self.bytes, self.events, self.torn, self.renamed) = (0, 0, false, true);
        self.counts.parts.add(1);
        Ok(())
    }

    /// The next number that is free; somebody may have put a file there, and it is theirs.
    fn next_part(&self) -> io::Result<(u64, PathBuf)> {
        for number in self.latest + 1..MADE_UP {
            let part = parts::path_of(&self.path, number);
            if !part.try_exists()? {
                return Ok((number, part));
            }
        }
        Err(io::Error::other("no number is left for another part"))
    }

    /// Throws the oldest parts away until a whole part, or a line of this length, fits in.
    fn make_room(&mut self, length: u64) -> io::Result<()> {
        let part = self.bounds.part_bytes().max(length);
        while self.full_bytes().saturating_add(part) > self.bounds.bytes {
            let Some(oldest) = self.full.front() else { break };
            match fs::remove_file(parts::path_of(&self.path, oldest.number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.counts.removed_bytes.add(oldest.bytes),
            }
            self.full.pop_front();
        }
        Ok(())
    }

    fn full_bytes(&self) -> u64 {
        self.full.iter().map(|part| part.bytes).sum()
    }

    fn line_of(&self, record: &Record) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        record.append_to(&mut line)?;
        if line.len() as u64 > self.bounds.bytes || line.len() > LONGEST_LINE {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a line of {}", Counted(line.len(), "byte")),
            ));
        }
        Ok(line)
    }
}

impl Sink for Files {
    fn write(&mut self, records: &[Record]) -> Result<(), Unwritten> {
        let mut result = Ok(());
        for record in records {
            let taken = match self.line_of(record) {
                Ok(line) => self.take_in(&line),
                Err(error) => {
                    self.lost += 1;
                    Err(error)
                }
            };
            result = taken.and(result);
        }
        result = self.put().and(result);
        let lost = usize::try_from(std::mem::take(&mut self.lost)).unwrap_or(usize::MAX);
        result.map_err(|error| Unwritten { lost, error })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if std::mem::take(&mut self.renamed) {
            folder::sync_names(&self.path);
        }
        Ok(())
    }

    fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// How a file ends.
#[derive(Debug, Default, PartialEq)]
struct Ending {
    torn: bool,
    /// 0 if there is no line to tell it.
    last_sequence: u64,
}

impl Ending {
    /// Looks at the end only, and further back if the lines are long.
    fn of(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut ending = Self::default();
        for most in [64 << 10, 2 * LONGEST_LINE as u64] {
            ending = Self::within(path, bytes, most.min(bytes))?;
            if ending.last_sequence > 0 || most >= bytes {
                break;
            }
        }
        Ok(ending)
    }

    fn within(path: &Path, bytes: u64, most: u64) -> io::Result<Self> {
        if bytes == 0 {
            return Ok(Self::default());
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(bytes - most))?;
        let mut end = Vec::new();
        file.take(most).read_to_end(&mut end)?;
        // What is only the end of a line is no event.
        let mut sequences = end.rsplit(|byte| *byte == b'\n').filter_map(sequence_of);
        Ok(Self { torn: end.last() != Some(&b'\n'), last_sequence: sequences.next().unwrap_or(0) })
    }
}

/// The sequence of a line that a recording wrote.
fn sequence_of(line: &[u8]) -> Option<u64> {
    let record = cloud_event::read(str::from_utf8(line).ok()?).ok()?;
    Some(record.sequence()).filter(|sequence| (1..MADE_UP).contains(sequence))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::{Codec, Entry, EventId, Stamp, Topic};

    fn open(path: &Path) -> Files {
        let bounds = Bounds { part_bytes: u64::MAX, part_events: u64::MAX, bytes: u64::MAX };
        Files::open(path, bounds, Arc::default()).unwrap()
    }

    fn record(sequence: u64) -> Record {
        let stamp = Stamp { offset: Duration::ZERO, wall: UNIX_EPOCH };
        let id = EventId::from_bits(u128::from(sequence));
        let entry = Entry::new(sequence, Topic::new("n").unwrap(), Arc::new(sequence), id, stamp);
        Record::of(&entry, &Codec::new().with::<u64>("n").unwrap()).unwrap()
    }

    fn sequences(path: &Path) -> Vec<Option<u64>> {
        let text = fs::read(path).unwrap();
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(sequence_of).collect()
    }

    /// Writes with another handle in the place of the file, as if the disk had become another.
    fn write_through(files: &mut Files, other: File, sequence: u64) -> Option<io::ErrorKind> {
        let file = std::mem::replace(&mut files.file, other);
        let result = files.write(&[record(sequence)]);
        files.file = file;
        let unwritten = result.err()?;
        assert_eq!(unwritten.lost, 1);
        Some(unwritten.error.kind())
    }

    #[test]
    fn a_disk_that_becomes_read_only_costs_what_comes_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flight.jsonl");
        let mut files = open(&path);
        files.write(&[record(1), record(2)]).unwrap();
        files.sync().unwrap();
        assert!(write_through(&mut files, File::open(&path).unwrap(), 3).is_some());
        files.write(&[record(4)]).unwrap();
        assert_eq!(sequences(&path), [Some(1), Some(2), Some(4)]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_disk_that_becomes_full_costs_what_comes_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flight.jsonl");
        let mut files = open(&path);
        files.write(&[record(1)]).unwrap();
        let full = append_to(Path::new("/dev/full")).unwrap();
        assert_eq!(write_through(&mut files, full, 2), Some(io::ErrorKind::StorageFull));
        files.write(&[record(3)]).unwrap();
        assert_eq!(sequences(&path), [Some(1), Some(3)]);
    }

    #[test]
    fn what_could_not_be_cut_off_makes_no_good_line_shorter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flight.jsonl");
        let mut files = open(&path);
        files.write(&[record(1)]).unwrap();
        // Half a line that can be neither ended nor cut off.
        append_to(&path).unwrap().write_all(b"{\"specversion\":").unwrap();
        assert!(write_through(&mut files, File::open(&path).unwrap(), 2).is_some());
        files.write(&[record(3)]).unwrap();
        assert_eq!(files.bytes, fs::metadata(&path).unwrap().len(), "or the next failure cuts at the wrong place");
        assert_eq!(sequences(&path), [Some(1), None, Some(3)]);
    }
}
