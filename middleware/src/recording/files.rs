//! Files of lines: appended to, rotated, bounded.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::parts::{self, Part};
use super::stats::Counts;
use super::{LONGEST_LINE, Record, Sink, Unwritten, cloud_event};

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
    /// The full parts, the oldest first.
    full: VecDeque<Part>,
    /// Lines that are not in the file yet, and how many.
    buffer: Vec<u8>,
    buffered: u64,
    /// Lines that could not be written, until somebody is told.
    lost: u64,
    /// Whether the file ends within a line.
    torn: bool,
    last_sequence: u64,
    counts: Arc<Counts>,
}

impl Files {
    pub(super) fn open(path: &Path, bounds: Bounds, counts: Arc<Counts>) -> io::Result<Self> {
        let full: VecDeque<Part> = parts::list(path)?.into();
        let file = append_to(path)?;
        let bytes = file.metadata()?.len();
        let mut files = Self {
            path: path.to_owned(),
            bounds,
            file,
            bytes,
            events: 0,
            full,
            buffer: Vec::new(),
            buffered: 0,
            lost: 0,
            torn: false,
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
        if self.bounds.part_events < u64::MAX && self.bytes > 0 {
            let lines = BufReader::new(File::open(&self.path)?).split(b'\n');
            self.events = lines.count() as u64;
        }
        Ok(())
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
        if self.torn && !self.buffer.is_empty() {
            self.buffer.insert(0, b'\n');
        }
        let (length, events) = (self.buffer.len() as u64, std::mem::take(&mut self.buffered));
        let result = self.file.write_all(&self.buffer);
        self.buffer.clear();
        if result.is_ok() {
            self.bytes += length;
            self.events += events;
            self.torn &= length == 0;
        } else {
            self.lost += events;
            self.torn |= self.file.set_len(self.bytes).is_err();
        }
        result
    }

    /// Gives the full part its number and begins another; if that cannot be, the full one goes on.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let number = self.full.back().map_or(1, |part| part.number + 1);
        let part = parts::path_of(&self.path, number);
        fs::rename(&self.path, &part)?;
        match append_to(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                fs::rename(&part, &self.path)?;
                return Err(error);
            }
        }
        self.full.push_back(Part { number, bytes: self.bytes });
        (self.bytes, self.events, self.torn) = (0, 0, false);
        self.counts.parts.add(1);
        Ok(())
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
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("a line of {} bytes", line.len())));
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
        self.file.sync_data()
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
        let sequences = end.rsplit(|byte| *byte == b'\n').filter_map(sequence_of);
        Ok(Self { torn: end.last() != Some(&b'\n'), last_sequence: { sequences }.next().unwrap_or(0) })
    }
}

fn sequence_of(line: &[u8]) -> Option<u64> {
    Some(cloud_event::read(str::from_utf8(line).ok()?).ok()?.sequence())
}
