//! A history as a recording.

use std::io::{self, Write};

use super::{Codec, Record};
use crate::{Entry, History};

/// What became of the entries that were to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries that were written.
    pub written: usize,
    /// Entries whose topic the codec does not know, or whose payload it could not write.
    pub unwritable: usize,
}

impl History {
    /// Writes the entries of now as lines of a recording, the oldest first.
    ///
    /// Available with the feature `recording`.
    ///
    /// ```
    /// use sigtree::{Bus, History};
    /// use sigtree::middleware::{Codec, Player, Reader};
    ///
    /// let bus = Bus::new();
    /// let history = History::new();
    /// bus.layer(history.clone());
    /// bus.emit("count", 7_u32);
    ///
    /// let codec = Codec::new().with::<u32>("count")?;
    /// let mut text = Vec::new();
    /// assert_eq!(history.write_to(&codec, &mut text)?.written, 1);
    ///
    /// let fresh = Bus::new();
    /// let _seven = fresh.connect("count", |n: &u32| assert_eq!(*n, 7))?;
    /// let entries: Result<Vec<_>, _> = Reader::new(std::io::Cursor::new(text)).entries(&codec).collect();
    /// assert_eq!(sigtree::Replay::of(entries?).run(&fresh).replayed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_to(&self, codec: &Codec, out: impl Write) -> io::Result<Exported> {
        write_entries(&self.entries(), codec, out)
    }
}

fn write_entries(entries: &[Entry], codec: &Codec, mut out: impl Write) -> io::Result<Exported> {
    let mut exported = Exported::default();
    let mut line = Vec::new();
    for entry in entries {
        line.clear();
        match Record::of(entry, codec).map(|record| record.append_to(&mut line)) {
            Ok(Ok(())) => {
                out.write_all(&line)?;
                exported.written += 1;
            }
            Ok(Err(_)) | Err(_) => exported.unwritable += 1,
        }
    }
    out.flush()?;
    Ok(exported)
}
