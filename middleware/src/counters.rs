//! [`Counters`]: counts what happens, by pattern.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::rows::{MOST, Rows};
use crate::{
    Advice, Answer, Event, HandlerCall, IntoPattern, Limits, Middleware, Next, ParseError, Pattern, Place, table,
};

/// Counts events and calls: of everything, of the [patterns of topics](Counters::topics) you name, and of the pattern of
/// each handler.
///
/// It is a handle: give a bus a clone, keep one, and print its [snapshot](Counters::snapshot). A setter makes a piece
/// of its own, which starts anew. Reach for it to see what a bus does without a tool. There is never a row for a
/// concrete topic, so topics with ids in them cost nothing; and of more than 1,000 [patterns of
/// handlers](Counters::room) the further ones share a row.
///
/// Handlers of parents and of other buses are not this bus's, and are not counted. What runs inside the calls of a
/// handler is: a handler that emits counts as one call, and what it emits as another event.
///
/// ```
/// use sigtree::{Bus, Filter};
/// use sigtree::middleware::Counters;
///
/// let bus = Bus::new();
/// let counters = Counters::new().topics("radar.**")?;
/// bus.layer(counters.clone());
/// bus.layer(Filter::payload(|n: &u32| *n < 10));
/// let _tracks = bus.connect("radar.*", |n: &u32| if *n == 7 { Err("no sevens") } else { Ok(()) })?;
/// for n in [5_u32, 7, 12] {
///     bus.emit("radar.track", n);
/// }
///
/// let snapshot = counters.snapshot();
/// assert_eq!((snapshot.all.emitted, snapshot.all.filtered), (3, 1));
/// assert_eq!((snapshot.all.called, snapshot.all.failed), (2, 1));
/// assert_eq!(
///     format!("\n{snapshot}"),
///     "
///                     emitted  called  failed  skipped  filtered
/// everything                3       2       1        0         1
/// topics `radar.**`         3       2       1        0         1
/// handlers `radar.*`        -       2       1        0         -
/// "
/// );
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Each handler is called by itself, as with any [`Advice`]. Then a shared counter for each row that an event or a call
/// counts in, and for each call one look into a map of patterns, behind a lock that is taken for writing only when a
/// pattern is new. So threads that emit on one bus touch the same counters.
///
/// # Concurrency
///
/// A snapshot is taken while events flow: its figures are each right, but not of one moment.
///
/// # Place
///
/// It counts what happens behind it. First it counts every event, and sees what layers end; behind a filter it does not
/// know of what that ended. Behind a layer that calls handlers again it counts each call, before it each outcome:
///
/// ```
/// use sigtree::{Bus, Event, Stack};
/// use sigtree::middleware::{Counters, Filter};
///
/// let even = || Filter::payload(|n: &u32| n % 2 == 0);
/// let (right, wrong) = (Counters::new(), Counters::new());
/// let bus = Bus::new();
///
/// bus.set_stack(Stack::new().with(right.clone()).with(even()));
/// bus.emit("n", 1_u32);
/// assert_eq!(right.snapshot().all.filtered, 1);
///
/// bus.set_stack(Stack::new().with(even()).with(wrong.clone()));
/// bus.emit("n", 1_u32);
/// assert_eq!(wrong.snapshot().all.emitted, 0);
/// ```
#[derive(Clone)]
#[doc(alias = "metrics")]
#[doc(alias = "statistics")]
pub struct Counters {
    all: Arc<Row>,
    topics: Arc<[(Pattern, Arc<Row>)]>,
    room: usize,
    handlers: Arc<Rows<Row>>,
}

#[derive(Default)]
struct Row {
    emitted: AtomicU64,
    called: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    filtered: AtomicU64,
}

/// One row of a [`CountersSnapshot`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that came by; always 0 for a pattern of handlers.
    pub emitted: u64,
    /// Calls of handlers, the failed ones included.
    pub called: u64,
    /// Calls that panicked or returned an error.
    pub failed: u64,
    /// Handlers that were passed over: muted, gone, or not meant by their own conditions.
    pub skipped: u64,
    /// Events that a layer further on ended; always 0 for a pattern of handlers.
    pub filtered: u64,
}

/// What was counted until now, from [`Counters::snapshot`]; it prints as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct CountersSnapshot {
    /// All events, and all calls of this bus's handlers.
    pub all: Counts,
    /// Events by the patterns of topics that were asked for, and the calls they led to.
    pub topics: Vec<(Pattern, Counts)>,
    /// Calls by the patterns of handlers; `(others)` is all patterns beyond the limit.
    pub handlers: Vec<(Arc<str>, Counts)>,
}

impl Counters {
    /// Counters that are all zero.
    #[must_use]
    pub fn new() -> Self {
        Self::with([], MOST)
    }

    /// Counts also the events on the topics of a pattern, and the calls they lead to, in a row of their own.
    ///
    /// An event counts in every row whose pattern it matches.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn topics(self, pattern: impl IntoPattern) -> Result<Self, ParseError> {
        let pattern = pattern.into_pattern(&Limits::new())?;
        Ok(Self::with(self.patterns().chain([pattern]), self.room))
    }

    /// Tells at most so many patterns of handlers apart; 1,000 unless said otherwise.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        Self::with(self.patterns(), most)
    }

    fn with(topics: impl IntoIterator<Item = Pattern>, room: usize) -> Self {
        let topics = topics.into_iter().map(|pattern| (pattern, Arc::default())).collect();
        Self { all: Arc::default(), topics, room, handlers: Arc::new(Rows::new(room)) }
    }

    fn patterns(&self) -> impl Iterator<Item = Pattern> {
        self.topics.iter().map(|(pattern, _)| pattern.clone())
    }

    /// What was counted until now.
    #[must_use]
    pub fn snapshot(&self) -> CountersSnapshot {
        CountersSnapshot {
            all: self.all.read(),
            topics: self.topics.iter().map(|(pattern, row)| (pattern.clone(), row.read())).collect(),
            handlers: self.handlers.all().into_iter().map(|(pattern, row)| (pattern, row.read())).collect(),
        }
    }

    /// The rows that an event counts in.
    fn rows_of(&self, event: &Event<'_>) -> SmallVec<[&Row; 4]> {
        let topics = self.topics.iter().filter(|(pattern, _)| pattern.matches(event.topic()));
        std::iter::once(&*self.all).chain(topics.map(|(_, row)| &**row)).collect()
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Counters {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let around = Around { rows: &self.rows_of(event), handlers: &self.handlers, asked: AtomicBool::new(false) };
        // What was held further on was counted when it first came by.
        if event.emission().resuming().is_none() {
            around.count(|row| &row.emitted);
        }
        let place = next.place();
        next.run_each(event, &around);
        let arrived = match place {
            Place::Bus => event.emission().has_arrived(),
            Place::Connection { .. } => around.asked.load(Ordering::Relaxed),
        };
        if !arrived && !event.emission().is_held() {
            around.count(|row| &row.filtered);
        }
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        match &*self.topics {
            [] => Cow::Borrowed("counters"),
            topics => {
                let patterns: Vec<_> = topics.iter().map(|(pattern, _)| format!("`{pattern}`")).collect();
                format!("counters, of {}", patterns.join(" and ")).into()
            }
        }
    }
}

/// Counts what becomes of each handler in one emit.
struct Around<'c> {
    rows: &'c [&'c Row],
    handlers: &'c Rows<Row>,
    /// Whether a handler was to be called: around a connection, whether its layers let the event through.
    asked: AtomicBool,
}

impl Around<'_> {
    fn count(&self, counter: impl Fn(&Row) -> &AtomicU64) {
        self.rows.iter().for_each(|row| add_one(counter(row)));
    }
}

impl Advice for Around<'_> {
    fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
        self.asked.store(true, Ordering::Relaxed);
        let answer = handler.call();
        if !answer.is_of_another_type() {
            self.rows.iter().for_each(|row| row.count(&answer));
            self.handlers.get(handler.pattern(), |_| Row::default()).count(&answer);
        }
        answer
    }
}

impl Row {
    fn count(&self, answer: &Answer) {
        match answer {
            Answer::Done => add_one(&self.called),
            Answer::Failed(_) => {
                add_one(&self.called);
                add_one(&self.failed);
            }
            Answer::Skipped(_) => add_one(&self.skipped),
        }
    }

    fn read(&self) -> Counts {
        let [emitted, called, failed, skipped, filtered] =
            [&self.emitted, &self.called, &self.failed, &self.skipped, &self.filtered]
                .map(|counter| counter.load(Ordering::Relaxed));
        Counts { emitted, called, failed, skipped, filtered }
    }
}

/// Relaxed: counters order nothing.
fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A table: a line for everything, then one a pattern.
impl fmt::Display for CountersSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = ("everything".to_owned(), self.all.columns());
        let topics = self.topics.iter().map(|(pattern, counts)| (format!("topics `{pattern}`"), counts.columns()));
        let handlers = self.handlers.iter().map(|(pattern, counts)| {
            let Counts { called, failed, skipped, .. } = counts;
            let columns = [&"-" as &dyn fmt::Display, called, failed, skipped, &"-"];
            (format!("handlers `{pattern}`"), columns.map(ToString::to_string).to_vec())
        });
        let headings = ["emitted", "called", "failed", "skipped", "filtered"];
        table::write(f, &headings, std::iter::once(all).chain(topics).chain(handlers))
    }
}

impl Counts {
    fn columns(self) -> Vec<String> {
        let Self { emitted, called, failed, skipped, filtered } = self;
        [emitted, called, failed, skipped, filtered].map(|count| count.to_string()).to_vec()
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("all", &self.all.read()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    #[test]
    fn counts_events_in_every_row_they_match() {
        let rig = Rig::new();
        let counters = Counters::new().topics("a.**").unwrap().topics("**.b").unwrap();
        let even = |event: &Event<'_>, next: Next<'_>| match event.payload::<u32>() {
            Some(n) if n.is_multiple_of(2) => next.run(event),
            _ => {}
        };
        for (topic, n) in [("a", 1_u32), ("a.b", 2), ("b", 3), ("c", 4)] {
            rig.emit(&(counters.clone(), even), topic, n);
        }
        let CountersSnapshot { all, topics, handlers } = counters.snapshot();
        let of = |counts: Counts| (counts.emitted, counts.filtered);
        assert_eq!((of(all), of(topics[0].1), of(topics[1].1)), ((4, 2), (2, 1), (2, 1)));
        assert!(handlers.is_empty(), "the rig has no handlers that can be told apart");
    }

    #[test]
    fn says_what_it_counts() {
        assert_eq!(Counters::new().describe(), "counters");
        assert_eq!(Counters::new().topics("a.*").unwrap().describe(), "counters, of `a.*`");
        assert!(Counters::new().topics("a..b").is_err());
    }
}
