//! [`Complaints`]: lines that could not be read.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstyle::{AnsiColor, Style};

use crate::escape;

/// So many are told one by one; a file of another kind would fill the screen.
const TOLD: u64 = 20;

/// Tells of lines that could not be read, on standard error, and counts them. A clone has the same count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Complaints(Arc<Mutex<u64>>);

impl Complaints {
    /// Tells of one line.
    pub(crate) fn add(&self, what: &str) {
        let mut count = self.count_mut();
        *count += 1;
        if *count <= TOLD {
            warn(what);
        }
    }

    /// Counts lines that were told of elsewhere, or are too many to tell.
    pub(crate) fn add_untold(&self, lines: u64) {
        *self.count_mut() += lines;
    }

    /// Tells of something that is no line and is not counted.
    pub(crate) fn note(&self, what: &str) {
        let _one_at_a_time = self.count_mut();
        warn(what);
    }

    pub(crate) fn count(&self) -> u64 {
        *self.count_mut()
    }

    pub(crate) fn any(&self) -> bool {
        self.count() > 0
    }

    /// Says how many there were, if there were any.
    pub(crate) fn sum_up(&self) {
        match self.count() {
            0 => {}
            1 => warn("1 line could not be read and was passed over"),
            n if n <= TOLD => warn(&format!("{n} lines could not be read and were passed over")),
            n => warn(&format!("{n} lines could not be read and were passed over; {TOLD} of them are told above")),
        }
    }

    fn count_mut(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warn(what: &str) {
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    // If nobody hears it, there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{yellow}warning:{yellow:#} {}", escape::text(what));
}
