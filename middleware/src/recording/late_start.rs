//! Beginning to read near the end of a recording.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::lines::count_lines;
use super::parts;
use crate::file_error::FileError;

/// Where the last so many bytes of a recording begin: in the part after this one, at this byte; `(0, 0)` is its beginning.
pub(super) fn find(recording: &Path, bytes: u64) -> Result<(u64, u64), FileError> {
    let current = fs::metadata(recording).map_err(FileError::at(recording))?.len();
    let full = parts::list(recording)?;
    let mut rest = bytes;
    let mut size = current;
    for part in full.iter().rev() {
        if size >= rest {
            return Ok((part.number, size - rest));
        }
        rest -= size;
        size = part.bytes;
    }
    Ok((0, size.saturating_sub(rest)))
}

/// The beginning of a file, which was passed over.
pub(super) struct Skipped {
    /// Shares its place with the handle that is read, and puts it back.
    file: File,
    bytes: u64,
}

impl Skipped {
    pub(super) fn new(file: File, bytes: u64) -> Self {
        Self { file, bytes }
    }

    /// How many lines it has: they are counted when somebody needs the number of a line behind them.
    pub(super) fn lines(&mut self) -> io::Result<u64> {
        let place = self.file.stream_position()?;
        self.file.rewind()?;
        let lines = count_lines(BufReader::new(&self.file).take(self.bytes));
        self.file.seek(SeekFrom::Start(place))?;
        lines
    }
}
