//! [`Calls`]: counts the calls of each handler, and the time they take.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::text::Counted;
use crate::{Advice, Answer, Clock, Event, HandlerCall, Middleware, Next};

/// Counts the calls of each handler behind it, those that failed, and the time they took.
///
/// Reach for it to find out which handler is slow or never called: put it into a running program's stack, look, take it out
/// again. [`Bus::inspect`](https://docs.rs/sigtree/latest/sigtree/struct.Bus.html#method.inspect) shows its figures beside
/// the connections. Around one connection it counts that one. A bus without it counts failures only.
///
/// It is a handle: give a bus a clone and keep one. A setter makes a piece of its own, which starts anew. Each bus
/// needs one of its own, because connections are told apart by their bus's ids. It counts up to [4,096
/// connections](Calls::room) unless told otherwise, also those that have ended meanwhile; calls of others are summed up
/// as [uncounted](Calls::uncounted). The time is that of the clock of the bus it stands on, and includes what a
/// handler waits for and emits itself.
///
/// # Cost
///
/// All handlers of the bus are called one by one, with an event, which is much slower than the fast way; and for each call the
/// clock is read twice, and a lock that threads share is taken for reading. So it is for looking, not for keeping.
///
/// # Place
///
/// Advice nests like the layers. In front of a layer that calls handlers again, it counts one call with the time of all
/// tries; behind it, it counts each try:
///
/// ```
/// use sigtree::{Bus, Event, Next, Stack};
/// use sigtree::middleware::{Advice, Answer, Calls, HandlerCall};
///
/// struct Twice;
///
/// impl Advice for Twice {
///     fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
///         if handler.call().is_failed() { handler.call() } else { Answer::Done }
///     }
/// }
///
/// let twice = |event: &Event, next: Next| next.run_each(event, &Twice);
/// let bus = Bus::new();
/// let broken = bus.connect("job", |_: &u32| Err("broken"))?;
/// let calls = || bus.inspect().connections().next().and_then(|connection| connection.calls).map(|calls| calls.calls);
///
/// bus.set_stack(Stack::new().with(Calls::new()).with(twice));
/// bus.emit("job", 1_u32);
/// assert_eq!(calls(), Some(1));
///
/// bus.set_stack(Stack::new().with(twice).with(Calls::new()));
/// bus.emit("job", 1_u32);
/// assert_eq!(calls(), Some(2));
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, ManualClock};
/// use sigtree::middleware::{Calls, Clock};
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// bus.layer(Calls::new());
/// let _slow = bus.connect("track", move |_: &u32| clock.advance(Duration::from_millis(3)))?;
/// bus.emit("track", 7_u32);
/// bus.emit("track", 8_u32);
/// let text = bus.inspect().to_string();
/// assert!(text.contains("2 calls in 6ms, 3ms at most"), "{text}");
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone, Default)]
#[doc(alias = "profiler")]
pub struct Calls {
    books: Arc<Books>,
}

/// What was counted of the calls through one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCount {
    /// How often the handler was called, failed calls included.
    pub calls: u64,
    /// How often it panicked or returned an error.
    pub failures: u64,
    /// The time of all calls.
    pub time: Duration,
    /// The time of the longest call.
    pub longest: Duration,
}

struct Books {
    most: usize,
    rows: RwLock<HashMap<u64, Arc<Row>>>,
    uncounted: AtomicU64,
}

#[derive(Default)]
struct Row {
    calls: AtomicU64,
    failures: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
}

impl Default for Books {
    fn default() -> Self {
        Self { most: 4096, rows: RwLock::default(), uncounted: AtomicU64::new(0) }
    }
}

impl Calls {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts at most this many connections.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        Self { books: Arc::new(Books { most, ..Books::default() }) }
    }

    /// What was counted of a connection, by its [id](HandlerCall::id).
    #[must_use]
    pub fn get(&self, connection: u64) -> Option<CallCount> {
        self.books.rows.read().get(&connection).map(|row| row.read())
    }

    /// How many calls were not counted, because there were too many connections.
    #[must_use]
    pub fn uncounted(&self) -> u64 {
        self.books.uncounted.load(Ordering::Relaxed)
    }

    /// Forgets all figures, and the connections that have ended.
    pub fn reset(&self) {
        self.books.rows.write().clear();
        self.books.uncounted.store(0, Ordering::Relaxed);
    }

    fn count(&self, connection: u64, failed: bool, took: Duration) {
        match self.row(connection) {
            Some(row) => row.add(failed, took),
            None => drop(self.books.uncounted.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The row of a connection, made with its first call.
    fn row(&self, connection: u64) -> Option<Arc<Row>> {
        if let Some(row) = self.books.rows.read().get(&connection) {
            return Some(row.clone());
        }
        let mut rows = self.books.rows.write();
        if rows.len() >= self.books.most && !rows.contains_key(&connection) {
            return None;
        }
        Some(rows.entry(connection).or_default().clone())
    }
}

impl Row {
    fn add(&self, failed: bool, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(failed.into(), Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
    }

    fn read(&self) -> CallCount {
        let time = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        CallCount {
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            time: time(&self.nanos),
            longest: time(&self.longest),
        }
    }
}

/// Stands around the handlers of one event.
struct Around<'c> {
    calls: &'c Calls,
    clock: &'c dyn Clock,
}

impl Advice for Around<'_> {
    fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
        let (answer, took) = handler.call_timed(self.clock);
        if let Some(took) = took {
            self.calls.count(handler.id(), answer.is_failed(), took);
        }
        answer
    }
}

impl Middleware for Calls {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let clock = next.host(event).clock();
        next.run_each(event, &Around { calls: self, clock });
    }

    fn calls_of(&self, connection: u64) -> Option<CallCount> {
        self.get(connection)
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("count the calls of at most {}", Counted(self.books.most, "connection")).into()
    }
}

/// `3 calls, 1 failed, in 5ms, 2ms at most`.
impl fmt::Display for CallCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, failures, time, longest } = self;
        write!(f, "{}", Counted(*calls, "call"))?;
        if *failures > 0 {
            write!(f, ", {failures} failed,")?;
        }
        write!(f, " in {time:?}, {longest:?} at most")
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("connections", &self.books.rows.read().len())
            .field("uncounted", &self.uncounted())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_bounded() {
        let calls = Calls::new().room(1);
        calls.row(1).unwrap().add(true, Duration::from_millis(3));
        calls.row(1).unwrap().add(false, Duration::from_millis(1));
        assert!(calls.row(2).is_none());
        let count = calls.get(1).unwrap();
        assert_eq!(count.to_string(), "2 calls, 1 failed, in 4ms, 3ms at most");
        calls.reset();
        assert_eq!(calls.get(1), None);
        assert!(calls.row(2).is_some());
    }

    #[test]
    fn says_how_many_it_counts() {
        assert_eq!(Calls::new().room(9).describe(), "count the calls of at most 9 connections");
    }
}
