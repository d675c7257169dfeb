//! [`CatchUpError`]: why a projection could not catch up.

use std::error::Error;
use std::fmt;

/// None of the events that a projection folded last is among the entries it was to catch up with.
///
/// Fold a longer history, or begin anew with all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapError(());

impl GapError {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for GapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of the events folded last is among these entries: some may be missing in between")
    }
}

impl Error for GapError {}

/// Why a projection could not catch up with all that was to be [read](crate::Projection::try_catch_up).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchUpError<E>(Reason<E>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason<E> {
    Gap(GapError),
    Unread(E),
}

impl<E> CatchUpError<E> {
    pub(super) fn new(reason: Reason<E>) -> Self {
        Self(reason)
    }

    /// Whether some events may be missing before the first that it was given: see [`GapError`]. Nothing was folded.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        matches!(self.0, Reason::Gap(_))
    }

    /// Why an entry could not be read, if that was the trouble. What came before it was folded.
    #[must_use]
    pub fn unread(&self) -> Option<&E> {
        match &self.0 {
            Reason::Gap(_) => None,
            Reason::Unread(error) => Some(error),
        }
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_unread(self) -> Option<E> {
        match self.0 {
            Reason::Gap(_) => None,
            Reason::Unread(error) => Some(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for CatchUpError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Gap(error) => error.fmt(f),
            Reason::Unread(error) => error.fmt(f),
        }
    }
}

impl<E: Error> Error for CatchUpError<E> {
    /// What is shown is the error itself, so its cause is the cause.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Gap(error) => error.source(),
            Reason::Unread(error) => error.source(),
        }
    }
}
