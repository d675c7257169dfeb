//! [`LineError`]: what is wrong with which line.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::CodecError;
use super::cloud_event::Fault;
use crate::file_error::FileError;
use crate::text::Counted;

/// A line of a recording that could not be read; what stands behind it can be, unless reading itself [failed](Self::is_io).
pub struct LineError(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    file: Option<Arc<Path>>,
    line: u64,
    reason: Reason,
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum Reason {
    Io(io::Error),
    Torn,
    TooLong { most: usize },
    NotUtf8 { byte: usize },
    NotAnEvent(Fault),
    Payload(CodecError),
}

impl LineError {
    pub(super) fn new(file: Option<Arc<Path>>, line: u64, reason: Reason) -> Self {
        Self(Box::new(Refusal { file, line, reason }))
    }

    /// No line of a file could be read, because it could not be opened.
    pub(super) fn unopened(FileError { path, error }: FileError) -> Self {
        Self::new(Some(path.into()), 0, Reason::Io(error))
    }

    /// The number of the line in its file, from 1; 0 if the file could not be opened.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.0.line
    }

    /// The file, if it is known.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// Whether the file could not be read further. It is the last thing a reader says.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self.0.reason, Reason::Io(_))
    }

    /// Whether it is a last line without an end, as a crash leaves it.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        matches!(self.0.reason, Reason::Torn)
    }

    /// Whether it is longer than the reader takes.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        matches!(self.0.reason, Reason::TooLong { .. })
    }

    /// Whether it is no UTF-8.
    #[must_use]
    pub fn is_not_utf8(&self) -> bool {
        matches!(self.0.reason, Reason::NotUtf8 { .. })
    }

    /// Whether it is no JSON, or no event.
    #[must_use]
    pub fn is_not_an_event(&self) -> bool {
        matches!(self.0.reason, Reason::NotAnEvent(_))
    }

    /// What the codec said of the payload, if that was the trouble.
    #[must_use]
    pub fn payload(&self) -> Option<&CodecError> {
        match &self.0.reason {
            Reason::Payload(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file(), self.line()) {
            (Some(file), 0) => write!(f, "{}: ", file.display())?,
            (Some(file), line) => write!(f, "{}, line {line}: ", file.display())?,
            (None, line) => write!(f, "line {line}: ")?,
        }
        match &self.0.reason {
            Reason::Io(error) => error.fmt(f),
            Reason::Torn => f.write_str("torn: the file ends within it"),
            Reason::TooLong { most } => write!(f, "longer than {}", Counted(*most, "byte")),
            Reason::NotUtf8 { byte } => write!(f, "not UTF-8 at byte {byte}"),
            Reason::NotAnEvent(fault) => write!(f, "not an event: {fault}"),
            Reason::Payload(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LineError").field(&self.to_string()).finish()
    }
}

impl Error for LineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.reason {
            Reason::Io(error) => Some(error),
            Reason::Payload(error) => Some(error),
            _ => None,
        }
    }
}
