//! [`Input`]: a recording, read to its end.

use std::io;
use std::path::{Path, PathBuf};

use sigtree::middleware::{LineError, Reader, Record, Recording};

use crate::complaints::Complaints;
use crate::progress::Progress;
use crate::trouble::Trouble;

/// The records of a file or of standard input; lines that are none are complained of and passed over.
#[derive(Debug)]
pub(crate) struct Input {
    reader: Reader,
    name: String,
    complaints: Complaints,
    progress: Progress,
}

/// So many records are read between two looks at the bar.
const STEP: u64 = 1 << 10;

impl Input {
    /// Opens a recording with all its parts, or standard input for `-`.
    pub(crate) fn open(path: &Path, complaints: &Complaints) -> Result<Self, Trouble> {
        let reader = match is_stdin(path) {
            true => Ok(Reader::new(io::stdin())),
            false => Reader::open(path),
        };
        Ok(Self {
            reader: reader.map_err(|error| unreadable(path, &error))?,
            name: path.display().to_string(),
            complaints: complaints.clone(),
            progress: Progress::none(),
        })
    }

    /// The same, and tells how far it is.
    pub(crate) fn open_with_progress(path: &Path, complaints: &Complaints) -> Result<Self, Trouble> {
        let progress = Progress::of_bytes(bytes_of(path));
        Ok(Self { progress, ..Self::open(path, complaints)? })
    }

    /// The line of the latest record as it stands there.
    pub(crate) fn line(&self) -> &[u8] {
        self.reader.line()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All that was read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.reader.stats().bytes
    }

    fn complain(&self, error: &LineError) {
        let what = match error.file() {
            Some(_) => error.to_string(),
            None => format!("{}, {error}", self.name),
        };
        self.progress.aside(|| self.complaints.add(&what));
    }
}

impl Iterator for Input {
    type Item = Result<Record, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next()? {
                Ok(record) => {
                    let stats = self.reader.stats();
                    if stats.records.is_multiple_of(STEP) {
                        self.progress.set(stats.bytes);
                    }
                    return Some(Ok(record));
                }
                Err(error) if error.is_io() => return Some(Err(Trouble::Input(error.to_string()))),
                Err(error) => self.complain(&error),
            }
        }
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The bytes of all parts; `None` for what is no file.
pub(crate) fn bytes_of(path: &Path) -> Option<u64> {
    let size = |path: &PathBuf| path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    Recording::files(path).ok()?.iter().map(size).sum()
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Trouble {
    // The error names the file, which may be a part of the recording.
    Trouble::Input(match error.kind() {
        io::ErrorKind::NotFound => {
            format!("no recording `{}`: give the path of one, or `-` for standard input", path.display())
        }
        io::ErrorKind::PermissionDenied => format!("cannot read {error}: allow it, or copy the file"),
        _ => format!("cannot read {error}"),
    })
}
