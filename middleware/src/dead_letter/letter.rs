//! [`Letter`]: one event that did not get through.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::text::Counted;
use crate::{Entry, OneLine, Site, Topic};

/// One event that did not get through, and why: for one handler, or for all.
///
/// It shares the payload with all who kept the same event; a clone copies none of it.
#[derive(Clone)]
pub struct Letter {
    entry: Entry,
    reason: DeadReason,
    handler: Option<Addressee>,
}

/// Why an event did not get through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadReason {
    /// A handler panicked or returned an error; this is what the last one said.
    Failed(Arc<str>),
    /// A layer ended the event and gave this reason.
    Refused(Arc<str>),
    /// A layer did not let a handler be called and gave this reason: an open circuit, a deadline that has passed.
    LeftOut(Arc<str>),
    /// It met nobody.
    Unheard,
    /// The queue in which it waited, or from which it was taken, ended before it was done with; this is what is known of it.
    Abandoned(Arc<str>),
}

/// The handler it was for.
#[derive(Debug, Clone)]
struct Addressee {
    id: u64,
    pattern: Arc<str>,
    name: Option<Arc<str>>,
    site: &'static Location<'static>,
    attempts: u32,
}

impl Letter {
    /// For one handler that was called so often, or for all.
    pub(super) fn to(entry: Entry, reason: DeadReason, handler: Option<(Site<'_>, u32)>) -> Self {
        let handler = handler.map(|(Site { id, pattern, name, location: site }, attempts)| Addressee {
            id,
            pattern: pattern.into(),
            name: name.map(Arc::from),
            site,
            attempts,
        });
        Self { entry, reason, handler }
    }

    pub(super) fn numbered(self, sequence: u64) -> Self {
        Self { entry: self.entry.numbered(sequence), ..self }
    }

    /// Counts the calls of earlier emits, too.
    pub(super) fn after(mut self, earlier: u32) -> Self {
        if let Some(handler) = &mut self.handler {
            handler.attempts = handler.attempts.saturating_add(earlier);
        }
        self
    }

    /// Whether both are for the same handler, and of the same event.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        let same = |one: &Addressee, two: &Addressee| one.id == two.id && one.site == two.site;
        let pair = self.handler.as_ref().zip(other.handler.as_ref());
        self.entry.id() == other.entry.id() && pair.is_some_and(|(one, two)| same(one, two))
    }

    /// Its place in the order of keeping, from 1; it names the letter.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.entry.sequence()
    }

    /// Why it did not get through.
    #[must_use]
    pub fn reason(&self) -> &DeadReason {
        &self.reason
    }

    /// What the handler said when it failed the last time.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match &self.reason {
            DeadReason::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// How often the handler was called with the event.
    ///
    /// Each [replay](super::DeadLetter::replay) of the letter counts too, unless a layer held the event meanwhile; so a choice
    /// by this ends the tries of an event that never gets through.
    ///
    /// The tries of a [`Retry`](crate::Retry) count that stands behind the dead letters in the same stack; those of one
    /// around the connection itself are one call.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.handler.as_ref().map_or(0, |handler| handler.attempts)
    }

    /// The pattern of the connection whose handler it was for, if it was for one.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        Some(&self.handler.as_ref()?.pattern)
    }

    /// The name of that connection, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.handler.as_ref()?.name.as_deref()
    }

    /// Where that handler was connected.
    #[must_use]
    pub fn site(&self) -> Option<&'static Location<'static>> {
        Some(self.handler.as_ref()?.site)
    }

    /// The topic, as it was where the dead letters stand in the stack.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        self.entry.topic()
    }

    /// The payload, if it is a `T`.
    #[must_use]
    pub fn payload<T: Any>(&self) -> Option<&T> {
        self.entry.payload()
    }

    /// The event: topic, payload, envelope, id, times.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The same for keeping.
    #[must_use]
    pub fn into_entry(self) -> Entry {
        self.entry
    }

    /// The bytes it counts for: those of its event, and the reason's text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entry.bytes().saturating_add(self.reason.text().len())
    }
}

impl DeadReason {
    fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::Refused(text) | Self::LeftOut(text) | Self::Abandoned(text) => text,
            Self::Unheard => "",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::LeftOut(reason) => write!(f, "left out: {reason}"),
            Self::Unheard => f.write_str("met nobody"),
            Self::Abandoned(reason) => write!(f, "abandoned: {reason}"),
        }
    }
}

/// One line for people, whatever others wrote: [`OneLine`].
impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. `{}`", self.sequence(), self.topic())?;
        if let Some(Addressee { pattern, name, site, attempts, .. }) = &self.handler {
            write!(f, " for handler of `{}`", OneLine(pattern))?;
            if let Some(name) = name {
                write!(f, " named `{}`", OneLine(name))?;
            }
            write!(f, " ({}:{}), {}", site.file(), site.line(), Counted(*attempts, "attempt"))?;
        }
        write!(f, ", {}", OneLine(&self.reason))
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({self})")
    }
}
