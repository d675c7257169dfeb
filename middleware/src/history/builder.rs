//! [`HistoryBuilder`]: how much a history keeps, and of what.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::ring::Bounds;
use super::store::Store;
use super::weigh::Scales;
use super::{History, Inner, Weigh};
use crate::wanted::Wanted;
use crate::{Clock, Event, IntoPattern, ParseError};

/// Builds a [`History`]; begin with [`History::builder`].
///
/// Unless told otherwise it keeps the last 1,000 events, whatever their age and size, and no replays.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree_middleware::History;
///
/// let history = History::builder()
///     .count(10_000)
///     .age(Duration::from_secs(60))
///     .bytes(16 << 20)
///     .matching("radar.**")?
///     .build();
/// assert!(history.is_empty());
/// # Ok::<(), sigtree_middleware::ParseError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct HistoryBuilder {
    bounds: Bounds,
    scales: Scales,
    wanted: Wanted,
    clock: Option<Arc<dyn Clock>>,
}

impl HistoryBuilder {
    pub(super) fn new() -> Self {
        Self {
            bounds: Bounds { count: 1_000, age: Duration::MAX, bytes: usize::MAX },
            scales: Scales::default(),
            wanted: Wanted::default(),
            clock: None,
        }
    }

    /// Keeps at most this many entries; room for them, up to 65,536, is made in advance.
    pub fn count(mut self, most: usize) -> Self {
        self.bounds.count = most;
        self
    }

    /// Keeps entries until they are older than this on the bus's clock.
    ///
    /// Ages are looked at when an event is recorded: against its time, or the latest before it. Give the history the
    /// bus's [clock](Self::clock), and they are looked at when it is read, too.
    pub fn age(mut self, most: Duration) -> Self {
        self.bounds.age = most;
        self
    }

    /// Keeps at most this many bytes, as the payloads' types [weigh](Self::weigh) them, plus
    /// [`Entry::OVERHEAD`](crate::Entry::OVERHEAD) for each entry.
    ///
    /// An event larger than that alone is refused and counted, and pushes nothing out.
    pub fn bytes(mut self, most: usize) -> Self {
        self.bounds.bytes = most;
        self
    }

    /// Asks payloads of this type how many bytes they take.
    ///
    /// A payload whose type is not registered counts for its own size, without what it points to.
    pub fn weigh<T: Weigh>(mut self) -> Self {
        self.scales.register::<T>();
        self
    }

    /// Records only the topics that match; of several patterns given in turn, the last one counts.
    ///
    /// Without a pattern everything is recorded but the bus's own reports, as with `**`.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn matching(mut self, pattern: impl IntoPattern) -> Result<Self, ParseError> {
        self.wanted.set_pattern(pattern)?;
        Ok(self)
    }

    /// Records only the events for which `condition` says `true`; of several given in turn, the last one counts.
    pub fn filter(mut self, condition: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.wanted.set_condition(condition);
        self
    }

    /// Says whether replayed events are recorded again; they are not, unless asked for.
    pub fn replays(mut self, recorded: bool) -> Self {
        self.wanted.set_replays(recorded);
        self
    }

    /// Reads this clock when the history is read, to leave out what is [too old](Self::age) by then.
    ///
    /// It must be the bus's clock: a clone of what the bus was given.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The history, still empty.
    #[must_use]
    pub fn build(self) -> History {
        let Self { bounds, scales, wanted, clock } = self;
        let (refused, unkept) = (AtomicU64::new(0), AtomicU64::new(0));
        let store = Store::new(bounds);
        History(Arc::new(Inner { bounds, scales, wanted, clock, store, refused, unkept }))
    }
}

impl fmt::Debug for HistoryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryBuilder")
            .field("bounds", &self.bounds)
            .field("scales", &self.scales)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}
