use std::fmt;
use std::sync::Arc;

use sigtree_middleware::{Emission, Ended, EventId, Failure, Tally};

use crate::error::Error;

/// What became of one emit: how many handlers were called, who failed, whether and why it ended early.
///
/// An emit does not fail; what went wrong stands here. [`ok`](Delivery::ok) turns it into a `Result` for `?`.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// let _good = bus.connect("a", |_: &u32| {})?;
/// let _bad = bus.connect("a", |_: &u32| Err("out of paper"))?;
/// let delivery = bus.emit("a", 1_u32);
/// assert_eq!((delivery.called(), delivery.failed()), (2, 1));
/// assert!(delivery.failures()[0].to_string().ends_with("on `a`: out of paper"));
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Delivery {
    tally: Tally,
    ended: Ended,
    reason: Option<&'static str>,
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Default)]
struct Rare {
    failures: Vec<Arc<Failure>>,
    refused: Option<Arc<Error>>,
    id: Option<EventId>,
    /// A reason that was computed.
    reason: Option<Box<str>>,
}

impl Rare {
    #[cold]
    fn of(emission: &Emission<'_>) -> Option<Box<Self>> {
        let failures = emission.failures();
        let computed = emission.static_reason().is_none().then(|| emission.reason()).flatten();
        let is_any = !failures.is_empty() || computed.is_some();
        let reason = computed.map(|reason| reason.into_owned().into());
        is_any.then(|| Box::new(Self { failures, reason, ..Self::default() }))
    }
}

impl Delivery {
    #[inline]
    pub(crate) fn of(emission: &Emission<'_>) -> Self {
        let rare = if emission.is_eventful() { Rare::of(emission) } else { None };
        Self { tally: emission.tally(), ended: emission.ended(), reason: emission.static_reason(), rare }
    }

    /// Calls that just went well.
    #[inline]
    pub(crate) fn called_quietly(called: u32) -> Self {
        Self { tally: Tally { called, ..Tally::default() }, ..Self::default() }
    }

    /// The same with failures that came later.
    #[cfg(feature = "async")]
    pub(crate) fn with_failures(mut self, failures: Vec<Arc<Failure>>) -> Self {
        if !failures.is_empty() {
            self.tally.failed += failures.len() as u32;
            self.rare.get_or_insert_default().failures.extend(failures);
        }
        self
    }

    /// The same of an event that was given its id, unless it was refused.
    pub(crate) fn with_id(mut self, id: EventId) -> Self {
        if self.refusal().is_none() {
            self.rare.get_or_insert_default().id = Some(id);
        }
        self
    }

    pub(crate) fn refused(error: Arc<Error>) -> Self {
        Self { rare: Some(Box::new(Rare { refused: Some(error), ..Rare::default() })), ..Self::default() }
    }

    /// The event's id, if it was emitted [`stamped`](crate::EventBuilder::stamped) and not refused; an emit that nobody asks for one makes
    /// none.
    #[must_use]
    pub fn id(&self) -> Option<EventId> {
        self.rare.as_ref()?.id
    }

    /// How many handlers were called, those that failed included, on all buses the event reached.
    #[inline]
    #[must_use]
    pub fn called(&self) -> usize {
        self.tally.called as usize
    }

    /// How many were not called: disconnected meanwhile, or not meant by their own filter, source or target.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.tally.skipped as usize
    }

    /// How many were not called because they were muted.
    #[must_use]
    pub fn muted(&self) -> usize {
        self.tally.muted as usize
    }

    /// How many handlers and layers panicked or returned an error.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.tally.failed as usize
    }

    /// The failures, in the order they happened.
    #[must_use]
    pub fn failures(&self) -> &[Arc<Failure>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.failures)
    }

    /// Whether a layer holds the event back, for some handlers or for all: it goes on later, under another delivery.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.ended.is_held()
    }

    /// Whether a handler stopped it, or a failure did under [`Policy::FailFast`](crate::Policy::FailFast).
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.ended.is_stopped()
    }

    /// The reason a layer gave for ending it.
    #[must_use]
    pub fn filtered(&self) -> Option<&str> {
        self.reason.or_else(|| self.rare.as_ref()?.reason.as_deref())
    }

    /// Why it was refused before anybody saw it: a bad topic, another payload type, too deep, a bus that was [shut down](crate::Bus::shutdown).
    #[must_use]
    pub fn refusal(&self) -> Option<&Error> {
        self.rare.as_ref()?.refused.as_deref()
    }

    /// Whether nobody was called, for whatever reason.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.tally.called == 0
    }

    /// The delivery, if it was neither refused nor failed.
    ///
    /// # Errors
    ///
    /// The first failure's message, or the refusal.
    pub fn ok(self) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(error) = self.refusal() {
            return Err(Box::new(error.clone()));
        }
        match self.failures().first() {
            Some(failure) => Err(failure.to_string().into()),
            None => Ok(self),
        }
    }

    pub(crate) fn into_result(self) -> Result<Self, Error> {
        match self.refusal() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }
}

/// One line for people.
impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = self.refusal() {
            return write!(f, "refused: {error}");
        }
        let Tally { called, skipped, muted, failed } = self.tally;
        write!(f, "{called} called")?;
        for (count, what) in [(skipped, "skipped"), (muted, "muted"), (failed, "failed")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.is_held() {
            f.write_str(", held")?;
        }
        if self.is_stopped() {
            f.write_str(", stopped")?;
        }
        if let Some(reason) = self.filtered() {
            write!(f, ", filtered: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery({self})")
    }
}
