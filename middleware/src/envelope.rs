use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

use crate::{EventId, ReplyTo};

/// Who sent an event: a name, never an address; equal names are the same source.
///
/// A connection can listen to one source only, and a source need not hear its own events.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "sender")]
pub struct Source(Arc<str>);

impl Source {
    /// The source with this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// A source with a name of its own, `source-1`, `source-2`, ... in this process.
    #[must_use]
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(format!("source-{}", NEXT.fetch_add(1, Ordering::Relaxed)).into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Source {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<&Source> for Source {
    fn from(source: &Source) -> Self {
        source.clone()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({:?})", self.0)
    }
}

/// How urgent an event is, for those who queue it; handlers called at once ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Can wait.
    Low,
    /// Everyday.
    #[default]
    Normal,
    /// Before the everyday.
    High,
    /// Before everything else.
    Critical,
}

/// What travels with a payload: source, priority, correlation, targets, metadata, deadline.
///
/// A plain emit has none of it and pays for none of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Envelope {
    /// Who sent it.
    pub source: Option<Source>,
    /// How urgent it is.
    pub priority: Priority,
    /// Ties events of one conversation together.
    pub correlation: Option<Arc<str>>,
    /// The event that led to this one.
    pub causation: Option<EventId>,
    /// Whom it is meant for; empty is everyone.
    pub targets: SmallVec<[Arc<str>; 2]>,
    /// Keys and values, in the order they were given.
    pub meta: Vec<(Arc<str>, Arc<str>)>,
    /// When handlers are to be done, as time on the clock of the bus it was emitted on; a replay has none.
    pub deadline: Option<Duration>,
    /// Whether the source's own connections are left out.
    pub no_echo: bool,
    /// Whether this is a replay of an earlier event.
    pub replayed: bool,
    /// Where answers go, if it is a request; a replay has none.
    pub reply_to: Option<ReplyTo>,
}

impl Envelope {
    /// The value of a metadata key; of equal keys, the last.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.meta.iter().rev().find(|(k, _)| &**k == key).map(|(_, value)| &**value)
    }

    /// The same for keeping what happened: nobody who waits for an answer is kept with it.
    pub(crate) fn without_reply_to(envelope: Arc<Self>) -> Arc<Self> {
        if envelope.reply_to.is_none() {
            return envelope;
        }
        Arc::new(Self { reply_to: None, ..(*envelope).clone() })
    }
}

/// An envelope on its way: on the emitter's stack until somebody keeps it, then in one shared `Arc`.
#[derive(Debug, Default)]
pub struct Sealed {
    envelope: Envelope,
    shared: OnceCell<Arc<Envelope>>,
}

impl Sealed {
    /// Closes an envelope for one emit.
    #[must_use]
    pub fn new(envelope: Envelope) -> Self {
        Self { envelope, shared: OnceCell::new() }
    }

    /// What is inside.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The envelope for keeping: one allocation, whoever asks.
    #[must_use]
    pub fn share(&self) -> Arc<Envelope> {
        self.shared.get_or_init(|| Arc::new(self.envelope.clone())).clone()
    }
}

impl From<Arc<Envelope>> for Sealed {
    fn from(shared: Arc<Envelope>) -> Self {
        Self { envelope: (*shared).clone(), shared: OnceCell::from(shared) }
    }
}
