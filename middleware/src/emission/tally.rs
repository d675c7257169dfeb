//! [`Tally`]: how many handlers an emit met.

use super::Emission;

/// How many handlers one emit met, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Called, the failed ones included.
    pub called: u32,
    /// Not called: disconnected meanwhile, filtered for this connection, or another source or target.
    pub skipped: u32,
    /// Not called because they were muted.
    pub muted: u32,
    /// Called, and panicked or returned an error.
    pub failed: u32,
}

impl Tally {
    /// What was added since an earlier tally of the same emit.
    #[inline]
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            called: self.called - earlier.called,
            skipped: self.skipped - earlier.skipped,
            muted: self.muted - earlier.muted,
            failed: self.failed - earlier.failed,
        }
    }
}

impl Emission<'_> {
    /// The handlers met so far.
    #[inline]
    pub fn tally(&self) -> Tally {
        Tally {
            called: self.called.get(),
            skipped: self.skipped.get(),
            muted: self.muted.get(),
            failed: self.failed.get(),
        }
    }

    /// Adds calls that went well.
    #[inline]
    pub fn add_called(&self, n: u32) {
        self.called.set(self.called.get() + n);
    }

    /// Counts handlers that were passed over.
    #[inline]
    pub fn add_skipped(&self, n: u32) {
        self.skipped.set(self.skipped.get() + n);
    }

    /// Counts handlers that were muted.
    #[inline]
    pub fn add_muted(&self, n: u32) {
        self.muted.set(self.muted.get() + n);
    }
}
