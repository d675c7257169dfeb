//! [`Metrics`]: tells the `metrics` facade.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::clock::Stopwatch;
use crate::rows::{MOST, Rows};
use crate::{Advice, Answer, Clock, Event, HandlerCall, Middleware, Next, Place, Problem};

/// Tells the [`metrics`](https://docs.rs/metrics) facade what happens, for an exporter such as Prometheus's.
///
/// | metric | labels | what it is |
/// |---|---|---|
/// | `sigtree_emitted_total` | `bus` | events that came by |
/// | `sigtree_delivered_total` | `bus`, `pattern` | calls of handlers, the failed ones included |
/// | `sigtree_handler_errors_total` | `bus`, `pattern` | calls that returned an error |
/// | `sigtree_handler_panics_total` | `bus`, `pattern` | calls that panicked |
/// | `sigtree_slow_handlers_total` | `bus`, `pattern` | calls that took longer than [50 ms](Metrics::slow) |
/// | `sigtree_dropped_total` | `bus`, `reason` | events that a layer further on ended |
/// | `sigtree_dispatch_seconds` | `bus` | how long the rest of the chain took, parents included |
/// | `sigtree_handler_seconds` | `bus`, `pattern` | how long a call took |
///
/// Reach for it when there is an exporter; without one, [`Counters`](crate::Counters) and `Latency` keep the same figures
/// themselves. A `pattern` is that of a handler, never a concrete topic; a `reason` is one that a layer has as a literal,
/// and `computed` for those made at run time. Each bus has at most 1,000 patterns and 1,000 reasons: the further ones
/// are `(others)`. What the exporter keeps is its own affair.
///
/// Install the recorder before the first event: the metrics of a bus and of a pattern are registered once, with the
/// recorder that is there when the first event comes by.
///
/// ```
/// use sigtree::Bus;
/// use sigtree::middleware::Metrics;
///
/// let bus = Bus::builder().name("radar").build();
/// bus.layer(Metrics::new());
/// let _tracks = bus.connect("track.*", |_: &u32| {})?;
/// bus.emit("track.new", 7_u32);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Each handler is called by itself, as with any [`Advice`]. Then what the recorder costs, for two metrics of an event and
/// two of each call; two readings of the clock for each; and for each call a look into a map of patterns.
///
/// # Place
///
/// Around a connection it tells of the calls of that handler only. Around a bus it tells of what happens behind it: first,
/// it sees what other layers end; behind a filter it does not.
///
/// ```
/// use sigtree::{Bus, Filter, Stack};
/// use sigtree::middleware::Metrics;
///
/// let even = || Filter::payload(|n: &u32| n % 2 == 0);
/// let bus = Bus::new();
///
/// // Right: 1 is emitted, and dropped as `filtered`.
/// bus.set_stack(Stack::new().with(Metrics::new()).with(even()));
/// bus.emit("n", 1_u32);
///
/// // Wrong: nothing is told of 1.
/// bus.set_stack(Stack::new().with(even()).with(Metrics::new()));
/// bus.emit("n", 1_u32);
/// ```
#[derive(Clone)]
#[doc(alias = "prometheus")]
pub struct Metrics {
    slow: Duration,
    buses: Arc<Rows<OfBus>>,
}

/// What is registered for one bus.
struct OfBus {
    emitted: Counter,
    dispatch: Histogram,
    dropped: Rows<Counter>,
    patterns: Rows<OfPattern>,
}

/// What is registered for one pattern of handlers.
struct OfPattern {
    delivered: Counter,
    errors: Counter,
    panics: Counter,
    slow: Counter,
    seconds: Histogram,
}

impl Metrics {
    /// Tells the recorder that is installed, by then, for the whole process or for the thread.
    #[must_use]
    pub fn new() -> Self {
        Self { slow: Duration::from_millis(50), buses: Arc::new(Rows::new(MOST)) }
    }

    /// Calls a handler slow that takes longer; than 50 ms unless said otherwise.
    #[must_use]
    pub fn slow(self, slow: Duration) -> Self {
        Self { slow, ..self }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Metrics {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let host = next.host(event);
        let bus = self.buses.get(host.name(), OfBus::new);
        // What was held further on was told of when it first came by.
        let is_new = event.emission().resuming().is_none();
        let is_around_bus = next.place() == Place::Bus;
        let clock = host.clock();
        let stopwatch = Stopwatch::start(clock);
        next.run_each(event, &Around { bus: &bus, name: host.name(), slow: self.slow, clock });
        if is_new && is_around_bus {
            bus.emitted.increment(1);
            bus.dispatch.record(stopwatch.elapsed());
        }
        if is_around_bus && !event.emission().has_arrived() && !event.emission().is_held() {
            bus.tell_dropped(host.name(), event);
        }
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("metrics, slow above {:?}", self.slow).into()
    }
}

/// Tells of each handler in one emit.
struct Around<'m> {
    bus: &'m OfBus,
    name: &'m str,
    slow: Duration,
    clock: &'m dyn Clock,
}

impl Advice for Around<'_> {
    fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
        let (answer, took) = handler.call_timed(self.clock);
        if let Some(time) = took {
            let told = self.bus.patterns.get(handler.pattern(), |pattern| OfPattern::new(self.name, pattern));
            told.tell(&answer, time, self.slow);
        }
        answer
    }
}

impl OfBus {
    fn new(bus: &str) -> Self {
        describe();
        Self {
            emitted: counter!("sigtree_emitted_total", "bus" => bus.to_owned()),
            dispatch: histogram!("sigtree_dispatch_seconds", "bus" => bus.to_owned()),
            dropped: Rows::new(MOST),
            patterns: Rows::new(MOST),
        }
    }

    #[cold]
    fn tell_dropped(&self, bus: &str, event: &Event<'_>) {
        let emission = event.emission();
        let reason = match (emission.static_reason(), emission.reason()) {
            (Some(literal), _) => literal,
            (None, Some(_)) => "computed",
            (None, None) => "a layer did not go on",
        };
        self.dropped.get(reason, |reason| dropped(bus, reason)).increment(1);
    }
}

fn dropped(bus: &str, reason: &str) -> Counter {
    counter!("sigtree_dropped_total", "bus" => bus.to_owned(), "reason" => reason.to_owned())
}

impl OfPattern {
    fn new(bus: &str, pattern: &str) -> Self {
        let labels = [("bus", bus.to_owned()), ("pattern", pattern.to_owned())];
        Self {
            delivered: counter!("sigtree_delivered_total", &labels),
            errors: counter!("sigtree_handler_errors_total", &labels),
            panics: counter!("sigtree_handler_panics_total", &labels),
            slow: counter!("sigtree_slow_handlers_total", &labels),
            seconds: histogram!("sigtree_handler_seconds", &labels),
        }
    }

    fn tell(&self, answer: &Answer, time: Duration, slow: Duration) {
        self.delivered.increment(1);
        self.seconds.record(time);
        match answer {
            Answer::Failed(Problem::Error(_)) => self.errors.increment(1),
            Answer::Failed(Problem::Panic(_)) => self.panics.increment(1),
            Answer::Done | Answer::Skipped(_) => {}
        }
        if time > slow {
            self.slow.increment(1);
        }
    }
}

/// Tells the recorder what the metrics are, for people.
fn describe() {
    describe_counter!("sigtree_emitted_total", "events that came by");
    describe_counter!("sigtree_delivered_total", "calls of handlers, the failed ones included");
    describe_counter!("sigtree_handler_errors_total", "calls of handlers that returned an error");
    describe_counter!("sigtree_handler_panics_total", "calls of handlers that panicked");
    describe_counter!("sigtree_slow_handlers_total", "calls of handlers that took long");
    describe_counter!("sigtree_dropped_total", "events that a layer ended");
    describe_histogram!("sigtree_dispatch_seconds", Unit::Seconds, "how long an event took in the chain");
    describe_histogram!("sigtree_handler_seconds", Unit::Seconds, "how long a call of a handler took");
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("slow", &self.slow).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    use ::metrics::{
        CounterFn, Gauge, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, with_local_recorder,
    };
    use parking_lot::Mutex;

    use super::*;
    use crate::support::Rig;
    use crate::{Advised, Filter, Host, Site, Terminal};

    /// Keeps the value of each counter, and how many values each histogram was given.
    #[derive(Default)]
    struct Book(Mutex<BTreeMap<String, Arc<Line>>>);

    #[derive(Default)]
    struct Line(AtomicU64);

    impl CounterFn for Line {
        fn increment(&self, value: u64) {
            self.0.fetch_add(value, Ordering::Relaxed);
        }

        fn absolute(&self, value: u64) {
            self.0.store(value, Ordering::Relaxed);
        }
    }

    impl HistogramFn for Line {
        fn record(&self, _value: f64) {
            self.increment(1);
        }
    }

    impl Book {
        fn line(&self, key: &Key) -> Arc<Line> {
            let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            self.0.lock().entry(format!("{} {}", key.name(), labels.join(" "))).or_default().clone()
        }

        /// The lines that are not zero.
        fn lines(&self) -> Vec<String> {
            let lines = self.0.lock();
            let values = lines.iter().map(|(name, line)| (name, line.0.load(Ordering::Relaxed)));
            values.filter(|(_, value)| *value > 0).map(|(name, value)| format!("{name}: {value}")).collect()
        }
    }

    impl Recorder for Book {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.line(key))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.line(key))
        }
    }

    /// A bus with three handlers: one is well, one slow, one fails.
    fn handlers(rig: &Rig) -> impl Middleware {
        let clock = rig.clock.clone();
        move |event: &Event<'_>, next: Next<'_>| {
            let call = |pattern: &'static str, call: &dyn Fn() -> Answer| {
                let site = Site { id: 1, pattern, name: None, location: std::panic::Location::caller() };
                let advised: &Advised<'_> = event.advised().unwrap();
                advised.run(site, event, call);
            };
            call("a.*", &|| Answer::Done);
            call("a.*", &|| {
                clock.advance(Duration::from_millis(51));
                Answer::Done
            });
            call("**", &|| Answer::Failed(Problem::Error("expected".into())));
            call("**", &|| Answer::Failed(Problem::Panic(Box::new("expected"))));
            call("gone", &|| Answer::Skipped("gone".into()));
            next.run(event);
        }
    }

    #[test]
    fn tells_of_events_calls_and_drops_by_pattern() {
        let (rig, book, metrics) = (Rig::new(), Book::default(), Metrics::new());
        let closed = |reason: &'static str| Filter::new(|_: &Event<'_>| false).reason(reason);
        with_local_recorder(&book, || {
            rig.emit(&(metrics.clone(), handlers(&rig)), "a.b", 1_u32);
            rig.emit(&(metrics.clone(), closed("closed")), "a.b", 1_u32);
            rig.emit(&(metrics.clone(), Filter::new(|_: &Event<'_>| false).reason(format!("at {}", 7))), "a.b", 1_u32);
            rig.emit(&(metrics.clone(), |_: &Event<'_>, _: Next<'_>| {}), "a.b", 1_u32);
        });
        assert_eq!(
            book.lines(),
            [
                "sigtree_delivered_total bus=rig pattern=**: 2",
                "sigtree_delivered_total bus=rig pattern=a.*: 2",
                "sigtree_dispatch_seconds bus=rig: 4",
                "sigtree_dropped_total bus=rig reason=a layer did not go on: 1",
                "sigtree_dropped_total bus=rig reason=closed: 1",
                "sigtree_dropped_total bus=rig reason=computed: 1",
                "sigtree_emitted_total bus=rig: 4",
                "sigtree_handler_errors_total bus=rig pattern=**: 1",
                "sigtree_handler_panics_total bus=rig pattern=**: 1",
                "sigtree_handler_seconds bus=rig pattern=**: 2",
                "sigtree_handler_seconds bus=rig pattern=a.*: 2",
                "sigtree_slow_handlers_total bus=rig pattern=a.*: 1",
            ]
        );
    }

    /// The end of a chain on a bus that the event was not emitted on.
    struct There<'r>(&'r Rig);

    impl Terminal for There<'_> {
        fn deliver(&self, event: &Event<'_>) {
            self.0.deliver(event);
        }

        fn retains(&self) -> bool {
            self.0.retains()
        }

        fn place(&self) -> Place<'_> {
            Place::Bus
        }

        fn host(&self) -> Option<&dyn Host> {
            Some(self.0)
        }
    }

    #[test]
    fn a_handler_is_slow_by_the_clock_of_the_bus_that_is_told_of() {
        let (here, there, book) = (Rig::new(), Rig::new(), Book::default());
        with_local_recorder(&book, || {
            here.run_at(Duration::ZERO, |event, _| {
                let layer = (Metrics::new(), handlers(&there));
                Next::before(&layer, &Next::new(&[], &There(&there))).run(event);
            });
        });
        let lines = book.lines();
        assert!(lines.contains(&"sigtree_slow_handlers_total bus=rig pattern=a.*: 1".to_owned()), "{lines:?}");
    }

    #[test]
    fn around_a_connection_it_tells_of_calls_only() {
        let (rig, book) = (Rig::new(), Book::default());
        rig.stand_around("a.*", None);
        let metrics = Metrics::new().slow(Duration::from_secs(1));
        assert_eq!(metrics.describe(), "metrics, slow above 1s");
        with_local_recorder(&book, || rig.emit(&(metrics, handlers(&rig)), "a.b", 1_u32));
        let lines = book.lines();
        assert_eq!(lines[0], "sigtree_delivered_total bus=rig pattern=**: 2");
        assert!(!lines.iter().any(|line| line.contains("emitted") || line.contains("slow")), "{lines:?}");
    }
}
