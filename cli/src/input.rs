//! [`Input`]: a recording, read to its end.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
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
    ended: bool,
}

/// So many records are read between two looks at the bar.
pub(crate) const STEP: u64 = 1 << 10;

impl Input {
    /// Opens a recording with all its parts, or standard input for `-`.
    pub(crate) fn open(path: &Path, complaints: &Complaints) -> Result<Self, Trouble> {
        let reader = match is_stdin(path) {
            true => Reader::new(io::stdin()),
            false => open_file(path, |path| Reader::open(path))?,
        };
        Ok(Self {
            reader,
            name: path.display().to_string(),
            complaints: complaints.clone(),
            progress: Progress::none(),
            ended: false,
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

    /// Tells how far it is at once, for a reader that takes its time.
    pub(crate) fn tell_progress(&self) {
        self.progress.set(self.bytes());
    }

    /// All that was read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.reader.stats().bytes
    }

    /// Says once of an input without a single event that it is hardly a recording.
    fn end(&mut self) {
        let stats = self.reader.stats();
        if !std::mem::replace(&mut self.ended, true) && stats.records == 0 && stats.skipped() > 0 {
            self.progress.aside(|| self.complaints.note(&no_recording(&self.name)));
        }
    }

    /// Full parts were read, and then there was an error: most likely nobody copied the last one.
    fn trouble(&self, error: &LineError) -> Trouble {
        let name = &self.name;
        let only_parts = name != "-" && matches!(Path::new(name).try_exists(), Ok(false));
        Trouble::Input(match only_parts {
            true => format!("no `{name}`, only full parts before it: put it beside them, or give the parts one by one"),
            false => error.to_string(),
        })
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
            let Some(next) = self.reader.next() else {
                self.end();
                return None;
            };
            match next {
                Ok(record) => {
                    if self.reader.stats().records.is_multiple_of(STEP) {
                        self.tell_progress();
                    }
                    return Some(Ok(record));
                }
                Err(error) if error.is_io() => return Some(Err(self.trouble(&error))),
                Err(error) => self.complain(&error),
            }
        }
    }
}

pub(crate) fn no_recording(name: &str) -> String {
    format!("no line of `{name}` is an event: is it a recording, with one CloudEvents JSON object a line?")
}

/// What clap takes for the path of a recording.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|path| match path.is_empty() {
        true => Err("it is empty: give the path of a recording, or `-` for standard input"),
        false => Ok(PathBuf::from(path)),
    })
}

/// Opens a recording, unless it is something else.
pub(crate) fn open_file(path: &Path, open: impl FnOnce(&Path) -> io::Result<Reader>) -> Result<Reader, Trouble> {
    if let Some(what) = something_else(path) {
        return Err(Trouble::Input(format!("`{}` is {what}", path.display())));
    }
    open(path).map_err(|error| unreadable(path, &error))
}

/// What there is instead of a recording, and what to give instead of it.
fn something_else(path: &Path) -> Option<&'static str> {
    // What is not there may be between two parts; and what comes through a pipe comes once.
    let file = path.metadata().ok()?;
    if file.is_dir() {
        return Some("a folder: give a recording in it, a file like flight.jsonl");
    }
    let mut beginning = Vec::new();
    if file.is_file() {
        File::open(path).ok()?.take(4).read_to_end(&mut beginning).ok()?;
    }
    match *beginning {
        [0x1f, 0x8b, ..] => Some("compressed: unpack it, as in `gzip -dc FILE | sigtree stats -`"),
        [0x28, 0xb5, 0x2f, 0xfd] => Some("compressed: unpack it, as in `zstd -dc FILE | sigtree stats -`"),
        [b'r', b'e', b'd', b'b'] => Some(
            "a store (redb), not a recording: read it with the library, and write what `Store::query` finds with \
             `Record::write_to`",
        ),
        _ => None,
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
    let path = path.display();
    // Beyond these the error names the file, which may be a part of the recording.
    Trouble::Input(match error.kind() {
        io::ErrorKind::NotFound if path.to_string().contains('*') => {
            format!("no recording `{path}`: if it is a pattern, `sigtree filter FILE --pattern` takes it")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            format!("no recording `{path}`: give the path of one, or `-` for standard input")
        }
        io::ErrorKind::PermissionDenied => format!("may not read {error}: ask for the right to, or for a copy"),
        _ => format!("cannot read {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_says_what_to_do() {
        let error = io::Error::new(io::ErrorKind::PermissionDenied, "`x`: permission denied");
        let Trouble::Input(told) = unreadable(Path::new("x"), &error) else { panic!() };
        assert_eq!(told, "may not read `x`: permission denied: ask for the right to, or for a copy");
    }
}
