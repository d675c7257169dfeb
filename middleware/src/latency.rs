//! [`Latency`]: how long handlers take.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::rows::Rows;
use crate::text::Counted;
use crate::{Advice, Answer, Clock, Event, HandlerCall, Middleware, Next, table};

/// Measures how long the rest of the chain takes, and each handler in it, and keeps percentiles by handler pattern.
///
/// It is a handle: give a bus a clone, keep one, and print its [snapshot](Latency::snapshot). A setter makes a piece of
/// its own, which starts anew. Reach for it to find the slow handler. Times are read on the clock of the bus it
/// stands on. A call that fails counts like any other; a handler that is not called does not count. The time of a handler
/// includes what it emits itself.
///
/// Memory is bounded: times above [one minute](Latency::max) count as one minute (and as [`over`](Percentiles::over)),
/// and of more than 256 [patterns](Latency::room) the further ones share a row. A row has some 30 KB, and its figures
/// are right to 1 %.
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Clock, ManualClock};
/// use sigtree::middleware::Latency;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let latency = Latency::new();
/// bus.layer(latency.clone());
/// let _slow = bus.connect("job.*", move |ms: &u64| clock.sleep(Duration::from_millis(*ms)))?;
/// for ms in 1..=100_u64 {
///     bus.emit("job.print", ms);
/// }
///
/// let snapshot = latency.snapshot();
/// let (pattern, times) = &snapshot.handlers[0];
/// assert_eq!((&**pattern, times.count), ("job.*", 100));
/// assert!(times.p95 >= Duration::from_millis(95) && times.p95 < Duration::from_millis(96));
/// println!("{snapshot}");
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Each handler is called by itself, as with any [`Advice`]. The clock is read twice for the chain and twice for each
/// handler; then one look into a map of patterns and one histogram, whose lock is only tried: while somebody has it,
/// times gather in an inbox of 64, and are [lost](Percentiles::lost) and counted when that is full.
///
/// # Place
///
/// It measures what stands behind it. First, its chain includes all other layers; further in, it does not see what the
/// layers before it cost. Behind a layer that calls handlers again it measures each call, before it all of them together:
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Clock, Event, ManualClock, Next, Stack};
/// use sigtree::middleware::Latency;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let slow = move |event: &Event, next: Next| {
///     clock.sleep(Duration::from_millis(5));
///     next.run(event);
/// };
/// let (right, wrong) = (Latency::new(), Latency::new());
///
/// bus.set_stack(Stack::new().with(right.clone()).with(slow.clone()));
/// bus.emit("job", 1_u32);
/// assert!(right.snapshot().chain.max >= Duration::from_millis(5));
///
/// bus.set_stack(Stack::new().with(slow).with(wrong.clone()));
/// bus.emit("job", 1_u32);
/// assert!(wrong.snapshot().chain.max < Duration::from_millis(1));
/// ```
#[derive(Clone)]
#[doc(alias = "timing")]
#[doc(alias = "percentile")]
pub struct Latency {
    max: Duration,
    most: usize,
    times: Arc<Times>,
}

struct Times {
    chain: Track,
    handlers: Rows<Track>,
}

/// The times of one row. The histogram's lock is only tried by those who record. For those who write a bus.
#[doc(hidden)]
pub struct Track {
    histogram: Mutex<Histogram<u64>>,
    inbox: ArrayQueue<u64>,
    max: u64,
    over: AtomicU64,
    lost: AtomicU64,
}

/// How long it took, of one row of a [`LatencySnapshot`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// How many times were measured, without those that were lost.
    pub count: u64,
    /// The shortest.
    pub min: Duration,
    /// The mean.
    pub mean: Duration,
    /// Half of them took at most this long.
    pub p50: Duration,
    /// 90 % of them took at most this long.
    pub p90: Duration,
    /// 95 % of them took at most this long.
    pub p95: Duration,
    /// 99 % of them took at most this long.
    pub p99: Duration,
    /// 99.9 % of them took at most this long.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
    /// How many took longer than the [maximum](Latency::max), and count as that.
    pub over: u64,
    /// How many were lost because others were recording or reading.
    pub lost: u64,
}

/// What was measured until now, from [`Latency::snapshot`]; it prints as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencySnapshot {
    /// The whole chain behind the layer, parents included.
    pub chain: Percentiles,
    /// Single calls, by the patterns of handlers; `(others)` is all patterns beyond the limit.
    pub handlers: Vec<(Arc<str>, Percentiles)>,
}

impl Latency {
    /// Measures times up to one minute, of up to 256 patterns of handlers.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Duration::from_secs(60), 256)
    }

    /// Takes times above this for this: more takes more memory.
    #[must_use]
    pub fn max(self, max: Duration) -> Self {
        Self::with(max, self.most)
    }

    /// Tells at most so many patterns of handlers apart.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        Self::with(self.max, most)
    }

    fn with(max: Duration, most: usize) -> Self {
        Self { max, most, times: Arc::new(Times { chain: Track::new(max), handlers: Rows::new(most) }) }
    }

    /// What was measured until now.
    #[must_use]
    pub fn snapshot(&self) -> LatencySnapshot {
        let handlers = self.times.handlers.all().into_iter();
        LatencySnapshot {
            chain: self.times.chain.percentiles(),
            handlers: handlers.map(|(pattern, track)| (pattern, track.percentiles())).collect(),
        }
    }

    /// How many bytes the histograms take, all together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rows = self.times.handlers.all();
        let all = rows.iter().map(|(_, track)| &**track).chain([&self.times.chain]);
        all.map(|track| track.histogram.lock().distinct_values() * size_of::<u64>()).sum()
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Latency {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        // What was held further on took longer than anybody worked on it.
        let is_whole = event.emission().resuming().is_none();
        let clock = next.host(event).clock();
        let stopwatch = Stopwatch::start(clock);
        next.run_each(event, &Around { latency: self, clock });
        if is_whole {
            self.times.chain.record(stopwatch.elapsed());
        }
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("latency of up to {:?}, by at most {}", self.max, Counted(self.most, "pattern")).into()
    }
}

/// Stands around the handlers of one event.
struct Around<'l> {
    latency: &'l Latency,
    clock: &'l dyn Clock,
}

impl Advice for Around<'_> {
    fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
        let (answer, took) = handler.call_timed(self.clock);
        if let Some(time) = took {
            let Latency { max, times, .. } = self.latency;
            times.handlers.get(handler.pattern(), |_| Track::new(*max)).record(time);
        }
        answer
    }
}

impl Track {
    const INBOX: usize = 64;

    /// Times up to `max`; longer ones count as that.
    #[must_use]
    pub fn new(max: Duration) -> Self {
        Self::right_to(2, max)
    }

    /// The same, to 10 % only, in a sixth of the memory.
    #[must_use]
    pub fn coarse(max: Duration) -> Self {
        Self::right_to(1, max)
    }

    fn right_to(digits: u8, max: Duration) -> Self {
        let max = nanoseconds(max).max(2);
        let histogram = Histogram::new_with_bounds(1, max, digits).expect("a maximum of twice the minimum or more");
        let (over, lost) = Default::default();
        Self { histogram: Mutex::new(histogram), inbox: ArrayQueue::new(Self::INBOX), max, over, lost }
    }

    /// Takes note of one; never waits.
    pub fn record(&self, time: Duration) {
        let time = nanoseconds(time);
        if time > self.max {
            self.over.fetch_add(1, Ordering::Relaxed);
        }
        let time = time.min(self.max);
        match self.histogram.try_lock() {
            Some(mut histogram) => {
                self.empty_inbox(&mut histogram);
                histogram.saturating_record(time);
            }
            // Whoever has the lock next takes it in.
            None if self.inbox.push(time).is_ok() => {}
            None => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn empty_inbox(&self, histogram: &mut Histogram<u64>) {
        // No more than it holds: others may go on filling it.
        for time in std::iter::from_fn(|| self.inbox.pop()).take(Self::INBOX) {
            histogram.saturating_record(time);
        }
    }

    /// How they are spread.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let mut histogram = self.histogram.lock();
        self.empty_inbox(&mut histogram);
        self.read(&histogram)
    }

    /// How these are spread and those of another one together, which is as exact as this one.
    #[must_use]
    pub fn percentiles_with(&self, other: &Self) -> Percentiles {
        let mut all = {
            let mut histogram = self.histogram.lock();
            self.empty_inbox(&mut histogram);
            histogram.clone()
        };
        let mut others = other.histogram.lock();
        other.empty_inbox(&mut others);
        all.add(&*others).expect("both have the same bounds");
        drop(others);
        self.read(&all)
    }

    fn read(&self, histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile).min(histogram.max()));
        Percentiles {
            count: histogram.len(),
            min: Duration::from_nanos(histogram.min()),
            mean: Duration::from_nanos(histogram.mean() as u64),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_nanos(histogram.max()),
            over: self.over.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }
}

/// Five hundred years are enough.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A table: a line for the chain, then one a pattern.
impl fmt::Display for LatencySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = ("chain".to_owned(), self.chain.columns());
        let handlers = self.handlers.iter().map(|(pattern, times)| (format!("handlers `{pattern}`"), times.columns()));
        let headings = ["count", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
        table::write(f, &headings, std::iter::once(chain).chain(handlers))
    }
}

impl Percentiles {
    fn columns(self) -> Vec<String> {
        let Self { count, min, mean, p50, p90, p95, p99, p999, max, over: _, lost: _ } = self;
        let times = [min, mean, p50, p90, p95, p99, p999, max].map(|time| format!("{time:.1?}"));
        std::iter::once(count.to_string()).chain(times).collect()
    }
}

impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track").field("times", &self.percentiles()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency").field("chain", &self.times.chain.percentiles()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;
    use crate::support::Rig;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Lets as many milliseconds pass as the payload says.
    fn passing(clock: &ManualClock) -> impl Middleware {
        let clock = clock.clone();
        move |event: &Event<'_>, next: Next<'_>| {
            clock.advance(MS(event.payload::<u32>().copied().unwrap_or(0).into()));
            next.run(event);
        }
    }

    #[test]
    fn keeps_percentiles_of_the_chain() {
        let rig = Rig::new();
        let latency = Latency::new();
        for ms in 1..=1_000_u32 {
            rig.emit(&(latency.clone(), passing(&rig.clock)), "a", ms);
        }
        let chain = latency.snapshot().chain;
        assert_eq!((chain.count, chain.over, chain.lost), (1_000, 0, 0));
        let near = |time: Duration, ms| time >= MS(ms) && time <= MS(ms) * 101 / 100;
        let all = [(chain.p50, 500), (chain.p90, 900), (chain.p95, 950), (chain.p99, 990), (chain.p999, 999)];
        assert!(all.into_iter().all(|(time, ms)| near(time, ms)), "{all:?}");
        assert!(chain.mean >= MS(495) && chain.mean <= MS(506), "{:?}", chain.mean);
    }

    #[test]
    fn what_takes_longer_than_the_maximum_counts_as_that() {
        let rig = Rig::new();
        let latency = Latency::new().max(MS(10)).room(1);
        for ms in [1_u32, 11, 60_000] {
            rig.emit(&(latency.clone(), passing(&rig.clock)), "a", ms);
        }
        let chain = latency.snapshot().chain;
        assert_eq!((chain.count, chain.over), (3, 2));
        assert!(chain.max <= MS(11) && chain.max >= MS(10), "{:?}", chain.max);
        assert_eq!(latency.describe(), "latency of up to 10ms, by at most 1 pattern");
    }

    #[test]
    fn what_comes_while_somebody_reads_waits_in_the_inbox_until_it_is_full() {
        let track = Track::new(MS(10));
        let reading = track.histogram.lock();
        (0..70).for_each(|_| track.record(MS(1)));
        drop(reading);
        track.record(MS(1));
        let times = track.percentiles();
        assert_eq!((times.count, times.lost), (65, 6));
    }

    #[test]
    fn two_are_read_as_one_and_coarse_ones_are_right_to_a_tenth() {
        let (one, other) = (Track::coarse(MS(1_000)), Track::coarse(MS(1_000)));
        (1..=50).for_each(|n| one.record(MS(n)));
        (51..=100).for_each(|n| other.record(MS(n)));
        let all = one.percentiles_with(&other);
        assert_eq!((all.count, one.percentiles().count), (100, 50));
        assert!(all.p95 >= MS(95) && all.p95 <= MS(95) * 110 / 100, "{:?}", all.p95);
        let bytes = one.histogram.lock().distinct_values() * size_of::<u64>();
        assert!(bytes < 31_000 / 6, "{bytes}");
    }

    #[test]
    fn memory_is_bounded_by_the_maximum_and_the_number_of_patterns() {
        let latency = Latency::new().room(8);
        for n in 0..1_000 {
            latency.times.handlers.get(&format!("p{n}"), |_| Track::new(latency.max)).record(MS(n));
        }
        assert_eq!(latency.snapshot().handlers.len(), 9);
        assert!(latency.bytes() <= 10 * 31_000, "{}", latency.bytes());
        assert_eq!(latency.snapshot().handlers[8].1.count, 992);
    }

    #[test]
    fn prints_as_a_table() {
        let rig = Rig::new();
        let latency = Latency::new();
        rig.emit(&(latency.clone(), passing(&rig.clock)), "a", 2_u32);
        let table = latency.snapshot().to_string();
        let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(lines[0], ["count", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"]);
        assert_eq!(lines[1][..2], ["chain", "1"]);
        assert!(lines[1][3..].iter().all(|time| time.starts_with("2.0")), "{table}");
    }
}
