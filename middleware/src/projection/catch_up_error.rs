//! [`CatchUpError`]: why a projection could not catch up.

use std::error::Error;
use std::fmt;

use crate::EventId;

/// A projection cannot tell which of these entries it folded already, so that events may be missing in its state.
///
/// None of the events that it folded last is among them: fold a longer history, or begin anew with all there is. Or
/// [two events have the same id](Self::repeated): begin anew, and give the bus ids that do not repeat when the program starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapError {
    repeated: Option<EventId>,
}

impl GapError {
    pub(super) fn new() -> Self {
        Self { repeated: None }
    }

    pub(super) fn repeating(id: EventId) -> Self {
        Self { repeated: Some(id) }
    }

    /// The id that two events have, if that is the trouble; what came before the second one is folded. Else nothing is.
    #[must_use]
    pub fn repeated(&self) -> Option<EventId> {
        self.repeated
    }
}

impl fmt::Display for GapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.repeated {
            None => {
                f.write_str("none of the events folded last is among these entries: some may be missing in between")
            }
            Some(id) => write!(
                f,
                "two events have the id {id}, so one may be missing: do not begin sequential ids anew in every run"
            ),
        }
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

    /// Whether some events may be missing in the state: see [`GapError`].
    #[must_use]
    pub fn is_gap(&self) -> bool {
        matches!(self.0, Reason::Gap(_))
    }

    /// What is wrong with the events, if that is the trouble.
    #[must_use]
    pub fn gap(&self) -> Option<&GapError> {
        match &self.0 {
            Reason::Gap(error) => Some(error),
            Reason::Unread(_) => None,
        }
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
