//! [`History`]: a bounded past.

mod builder;
mod entry;
mod late;
mod ring;
mod store;
mod weigh;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use builder::HistoryBuilder;
pub use entry::Entry;
pub use late::Late;
pub use ring::HistoryStats;
pub use weigh::Weigh;

use ring::{Bounds, Ring};
use store::Store;
pub(crate) use weigh::Scales;

use crate::text::Counted;
use crate::wanted::Wanted;
use crate::{Clock, Erased, Event, IntoPattern, Limits, Middleware, Next, ParseError, Replay, Topic};

/// Records the events that come by, and forgets the oldest when it is full.
///
/// It is a handle: give a bus a clone and keep one. Reach for it to look back, to give a late connection what it missed,
/// or to [replay](Self::replay). It is bounded by count (1,000), age and bytes; see [`HistoryBuilder`]. What falls out
/// is gone, and [counted](Self::stats).
///
/// An event is recorded before the layers and handlers behind the history see it, whatever becomes of it there.
/// [Replayed](Event::is_replayed) events and the bus's own reports (`$sys.**`) are not recorded unless asked for.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
/// use sigtree::middleware::History;
///
/// let bus = Bus::new();
/// let history = History::builder().count(2).build();
/// bus.layer(history.clone());
/// for n in 1..=3_u32 {
///     bus.emit("n", n);
/// }
///
/// let kept: Vec<u32> = history.entries().iter().filter_map(|entry| entry.payload().copied()).collect();
/// assert_eq!(kept, [2, 3]);
/// assert_eq!(history.stats().evicted_by_count, 1);
/// ```
///
/// # Cost
///
/// Recording asks for the event's id and time, copies a few pointers, and goes through a queue and a lock that it only
/// tries. Since the history [keeps](Middleware::retains) payloads, the bus puts each payload into one `Arc`, which all
/// who keep the event share. Recording allocates nothing else, unless
/// more than four entries fall out at once or a late connection is following.
///
/// # Concurrency
///
/// Recording never waits for a lock. While somebody reads, records gather in an inbox of 256, and whoever has the lock
/// next takes them in, in order; when the inbox is full, a record is lost, and counted in [`HistoryStats::lost`].
/// Reading waits for other readers. Payloads are dropped outside the lock.
///
/// Entries are in the order of recording. One thread's events are in the order it emitted them; those of several threads
/// stand in the order in which they reached the history.
///
/// # Place
///
/// It keeps what reaches it, as it is there. So it belongs behind what removes secrets, and before what answers to the
/// state of the moment, such as a rate limit, if the past is to be complete:
///
/// ```
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{History, Transform};
///
/// let redact = || Transform::new(|_: &String| String::from("***"));
/// let (right, wrong) = (History::new(), History::new());
/// let bus = Bus::new();
///
/// bus.set_stack(Stack::new().with(redact()).with(right.clone()));
/// bus.emit("password", String::from("secret"));
/// assert_eq!(right.entries()[0].payload::<String>().unwrap(), "***");
///
/// bus.set_stack(Stack::new().with(wrong.clone()).with(redact()));
/// bus.emit("password", String::from("secret"));
/// assert_eq!(wrong.entries()[0].payload::<String>().unwrap(), "secret");
/// ```
#[derive(Clone)]
pub struct History(Arc<Inner>);

struct Inner {
    bounds: Bounds,
    scales: Scales,
    wanted: Wanted,
    clock: Option<Arc<dyn Clock>>,
    store: Store,
    refused: AtomicU64,
    unkept: AtomicU64,
}

impl History {
    /// A history of the last 1,000 events.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Says how much is kept, and of what.
    pub fn builder() -> HistoryBuilder {
        HistoryBuilder::new()
    }

    /// All entries, the oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.read(|ring| ring.entries().cloned().collect())
    }

    /// The last `n` entries, or as many as there are, the oldest first.
    #[must_use]
    pub fn last(&self, n: usize) -> Vec<Entry> {
        self.read(|ring| ring.entries().skip(ring.entries().len().saturating_sub(n)).cloned().collect())
    }

    /// The entries whose topics match, the oldest first.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn matching(&self, pattern: impl IntoPattern) -> Result<Vec<Entry>, ParseError> {
        let pattern = pattern.into_pattern(&Limits::new())?;
        Ok(self.read(|ring| ring.entries().filter(|entry| pattern.matches(entry.topic())).cloned().collect()))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read(|ring| ring.entries().len())
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequence of the latest entry ever recorded; 0 if there was none.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.read(|ring| ring.stats().recorded)
    }

    /// What became of the events that came by.
    #[must_use]
    pub fn stats(&self) -> HistoryStats {
        HistoryStats {
            // Relaxed: both only count.
            refused: self.0.refused.load(Ordering::Relaxed),
            unkept: self.0.unkept.load(Ordering::Relaxed),
            ..self.0.store.stats(self.clock())
        }
    }

    /// Forgets all entries; sequences go on from where they were.
    pub fn clear(&self) {
        self.0.store.clear();
    }

    /// The entries of now, to be emitted once more.
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::middleware::History;
    ///
    /// let bus = Bus::new();
    /// let history = History::new();
    /// bus.layer(history.clone());
    /// bus.emit("radar.track", 1_u32);
    ///
    /// let _late = bus.connect("radar.**", |_: &u32| {})?;
    /// let report = history.replay().matching("radar.**")?.run(&bus);
    /// assert_eq!(report.replayed, 1);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn replay(&self) -> Replay {
        Replay::of(self.entries())
    }

    /// Hands a late connection the last `n` entries it wants, and from then on its stragglers: for those who write a bus.
    ///
    /// Both are settled in one critical section, so every entry comes exactly once; see [`Late`].
    pub fn follow(&self, late: Arc<dyn Late>, n: usize) {
        self.0.store.follow(late, n);
    }

    fn read<R>(&self, look: impl FnOnce(&Ring) -> R) -> R {
        self.0.store.read(self.clock(), look)
    }

    fn clock(&self) -> Option<&dyn Clock> {
        self.0.clock.as_deref()
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for History {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if self.0.wanted.has(event) {
            self.0.record(event);
        }
        next.run(event);
    }

    fn retains(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.0.wanted.has_topic(topic)
    }

    fn describe(&self) -> Cow<'static, str> {
        let Bounds { count, age, bytes } = self.0.bounds;
        let mut line = format!("history of at most {}", Counted(count, "event"));
        if age < Duration::MAX {
            let _ = write!(line, ", {age:?}");
        }
        if bytes < usize::MAX {
            let _ = write!(line, ", {}", Counted(bytes, "byte"));
        }
        let _ = write!(line, "{}", self.0.wanted);
        line.into()
    }
}

impl Inner {
    fn record(&self, event: &Event<'_>) {
        let Some(payload) = event.share_erased() else {
            self.unkept.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let bytes = self.bytes_of(&*payload);
        if bytes > self.bounds.bytes {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.store.record(Entry::of(event, payload, bytes));
    }

    fn bytes_of(&self, payload: &Erased) -> usize {
        self.scales.weigh(payload).saturating_add(Entry::OVERHEAD)
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("bounds", &self.0.bounds).field("store", &self.0.store).finish_non_exhaustive()
    }
}
