//! [`Sink`]: where a recording goes.

use std::error::Error;
use std::fmt;
use std::io;

use super::Record;
use crate::text::Counted;

/// What a [`Recording`](crate::Recording) writes to, from a thread of its own: files, a database, or something of yours.
pub trait Sink: Send + 'static {
    /// Writes these records, in this order. They are numbered on from [`last_sequence`](Self::last_sequence).
    ///
    /// # Errors
    ///
    /// How many of them could not be written, and why. They are not given again; the next ones are. A panic is the failure
    /// of all.
    fn write(&mut self, records: &[Record]) -> Result<(), Unwritten>;

    /// Sees to it that what was written outlives a failure of power.
    ///
    /// # Errors
    ///
    /// If it might not.
    fn sync(&mut self) -> io::Result<()>;

    /// The sequence of the last record that was ever written to it; 0 if none was. One that nobody can have counted up to,
    /// of 2⁶² and more, is taken for none.
    fn last_sequence(&self) -> u64 {
        0
    }

    /// What it is, for people: a path, for instance.
    fn describe(&self) -> String;
}

/// So many records could not be written.
#[derive(Debug)]
pub struct Unwritten {
    /// How many; none, if what failed was something else, such as making room.
    pub lost: usize,
    /// Why: of several reasons, the last.
    pub error: io::Error,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} not written: {}", Counted(self.lost, "record"), self.error)
    }
}

impl Error for Unwritten {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
