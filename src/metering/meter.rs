//! The figures of one bus: rows for topics, patterns and connections, as many as there is room for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree_middleware::{Clock, Failure, Pattern, Rows, Topic};

use super::lanes::Lanes;
use super::recent::Recent;
use super::{Metering, Slow, Times, nanos};
use crate::config::BusConfig;
use crate::connection::ConnectionId;
use crate::dispatch::slot::Slot;
use crate::metrics::Latency;

/// The figures of one bus since it is measured.
pub(crate) struct Meter {
    metering: Metering,
    pub(crate) clock: Arc<dyn Clock>,
    topics: Mutex<Topics>,
    patterns: Rows<PatternRow>,
    connections: Mutex<HashMap<ConnectionId, Arc<CallRow>>>,
    /// Calls with what a layer around the connection held: an executor among them.
    pub(crate) resumed: Lanes,
    /// How long handlers took together, whatever the topic.
    deliveries: Times,
    recent: Recent,
    /// For how long figures are of lately, in nanoseconds. Relaxed: it stands for itself.
    span: AtomicU64,
    pub(crate) slow: Slow,
}

#[derive(Default)]
struct Topics {
    named: HashMap<Topic, OfTopic>,
    /// All topics beyond the room.
    rest: OfTopic,
}

/// A topic's row, and the streams of its events.
#[derive(Default)]
struct OfTopic {
    row: Arc<TopicRow>,
    /// By the rows of the patterns; a stream keeps those alive, so their places name them.
    streams: HashMap<Box<[usize]>, Arc<Stream>>,
    /// How many streams were left when those were last taken out that no route has any more.
    swept: usize,
}

/// What is counted for a topic besides its events.
#[derive(Default)]
pub(crate) struct TopicRow {
    /// Events of streams that are gone.
    gone: AtomicU64,
    filtered: AtomicU64,
    failed: AtomicU64,
    pub(crate) calls: CallRow,
}

/// What is counted for a pattern besides its events.
#[derive(Default)]
pub(crate) struct PatternRow {
    gone: AtomicU64,
    failed: AtomicU64,
    pub(crate) calls: CallRow,
}

/// Calls that were timed, and how many they stand for.
#[derive(Default)]
pub(crate) struct CallRow {
    delivered: AtomicU64,
    /// Kept from the handler by its own conditions or layers.
    filtered: AtomicU64,
    pub(crate) times: Times,
    /// Of a connection.
    recent: Recent,
}

/// The events of a topic as long as it meets handlers of the same patterns: what an emit counts in.
pub(crate) struct Stream {
    pub(crate) lanes: Lanes,
    pub(crate) topic: Arc<TopicRow>,
    patterns: Box<[Arc<PatternRow>]>,
}

/// What is read of a row.
pub(crate) struct Counts {
    pub(crate) emitted: u64,
    pub(crate) filtered: u64,
    pub(crate) failed: u64,
}

impl Meter {
    pub(crate) fn new(metering: Metering, clock: Arc<dyn Clock>, config: &BusConfig) -> Self {
        Self {
            metering,
            clock,
            topics: Mutex::default(),
            patterns: Rows::new(metering.room),
            connections: Mutex::default(),
            resumed: Lanes::new(),
            deliveries: Times::default(),
            recent: Recent::default(),
            span: nanos(config.metrics_interval).into(),
            slow: Slow::new(metering.slow.unwrap_or(config.slow_handler), metering.slowest),
        }
    }

    /// Takes over what the bus decides.
    pub(crate) fn take_over(&self, config: &BusConfig) {
        self.span.store(nanos(config.metrics_interval), Ordering::Relaxed);
        self.slow.set_threshold(self.metering.slow.unwrap_or(config.slow_handler));
    }

    fn span(&self) -> Duration {
        Duration::from_nanos(self.span.load(Ordering::Relaxed))
    }

    /// Notes how long all handlers of an event took that were done at that time.
    pub(crate) fn add_delivery(&self, took: Duration, at: Duration) {
        self.deliveries.record(took);
        self.recent.record(took, at, self.span());
    }

    /// Notes calls of a connection that took so long, were done at that time, and stand for so many.
    pub(crate) fn add_calls(&self, slot: &dyn Slot, delivered: u64, took: Duration, at: Duration) {
        if let Some(row) = self.connection(slot) {
            row.add(delivered, took);
            row.recent.record(took, at, self.span());
        }
    }

    /// Notes that an event, which stands for so many, was kept from a connection by its own conditions or layers.
    pub(crate) fn add_filtered(&self, slot: &dyn Slot, pattern: &Pattern, count: u64) {
        self.pattern(pattern).calls.filtered.fetch_add(count, Ordering::Relaxed);
        if let Some(row) = self.connection(slot) {
            row.filtered.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// How long all handlers of an event took.
    pub(crate) fn latency(&self) -> Latency {
        self.with_recent(self.deliveries.read(), &self.recent)
    }

    /// How long calls of a connection took.
    pub(crate) fn latency_of(&self, row: &CallRow) -> Latency {
        self.with_recent(row.times.read(), &row.recent)
    }

    fn with_recent(&self, latency: Latency, recent: &Recent) -> Latency {
        Latency { recent_p95: recent.p95(self.clock.elapsed(), self.span()), ..latency }
    }

    pub(crate) fn metering(&self) -> &Metering {
        &self.metering
    }

    /// The row of a topic.
    pub(crate) fn topic(&self, topic: &Topic) -> Arc<TopicRow> {
        self.topics.lock().of(topic, self.metering.room).row.clone()
    }

    /// What events of a topic count in that meets handlers of these patterns.
    pub(crate) fn stream<'p>(&self, topic: &Topic, patterns: impl Iterator<Item = &'p Pattern>) -> Arc<Stream> {
        let rows: Box<[_]> = patterns.map(|pattern| self.pattern(pattern)).collect();
        let key: Box<[_]> = rows.iter().map(|row| Arc::as_ptr(row).addr()).collect();
        let mut topics = self.topics.lock();
        let of = topics.of(topic, self.metering.room);
        if let Some(stream) = of.streams.get(&key) {
            return stream.clone();
        }
        of.sweep();
        let stream = Arc::new(Stream { lanes: Lanes::new(), topic: of.row.clone(), patterns: rows });
        of.streams.insert(key, stream.clone());
        stream
    }

    pub(crate) fn pattern(&self, pattern: &Pattern) -> Arc<PatternRow> {
        self.patterns.get(pattern.as_str(), |_| PatternRow::default())
    }

    /// The row of a connection, if there is one or room for one.
    fn connection(&self, slot: &dyn Slot) -> Option<Arc<CallRow>> {
        let mut connections = self.connections.lock();
        let id = slot.header().id();
        match connections.get(&id) {
            Some(row) => Some(row.clone()),
            None if connections.len() >= self.metering.room => None,
            None => Some(connections.entry(id).or_default().clone()),
        }
    }

    /// The rows of connections, without those that are gone.
    pub(crate) fn connections(&self, is_there: impl Fn(ConnectionId) -> bool) -> HashMap<ConnectionId, Arc<CallRow>> {
        let mut connections = self.connections.lock();
        connections.retain(|id, _| is_there(*id));
        connections.clone()
    }

    /// Counts a failure for its topic and pattern.
    #[cold]
    pub(crate) fn count_failure(&self, failure: &Failure) {
        self.topic(&failure.topic).failed.fetch_add(1, Ordering::Relaxed);
        if let Some(pattern) = &failure.pattern {
            self.patterns.get(pattern, |_| PatternRow::default()).failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The topics by name, then all others.
    pub(crate) fn topics(&self) -> Vec<(Option<Topic>, Arc<TopicRow>, Counts)> {
        let topics = self.topics.lock();
        let mut named: Vec<_> = topics.named.iter().collect();
        named.sort_by(|a, b| a.0.cmp(b.0));
        let named = named.into_iter().map(|(topic, of)| (Some(topic.clone()), of));
        let rest = (named.len() >= self.metering.room).then_some((None, &topics.rest));
        named.chain(rest).map(|(topic, of)| (topic, of.row.clone(), of.counts())).collect()
    }

    /// The patterns by name.
    pub(crate) fn patterns(&self) -> Vec<(Arc<str>, Arc<PatternRow>, Counts)> {
        let topics = self.topics.lock();
        let mut emitted: HashMap<usize, u64> = HashMap::new();
        for stream in topics.named.values().chain([&topics.rest]).flat_map(|of| of.streams.values()) {
            let sum = stream.lanes.sum();
            stream.patterns.iter().for_each(|row| *emitted.entry(Arc::as_ptr(row).addr()).or_default() += sum);
        }
        let counts = |row: &Arc<PatternRow>| Counts {
            emitted: row.gone.load(Ordering::Relaxed) + emitted.get(&Arc::as_ptr(row).addr()).unwrap_or(&0),
            filtered: 0,
            failed: row.failed.load(Ordering::Relaxed),
        };
        self.patterns.all().into_iter().map(|(name, row)| (name, row.clone(), counts(&row))).collect()
    }
}

impl Topics {
    fn of(&mut self, topic: &Topic, room: usize) -> &mut OfTopic {
        if self.named.contains_key(topic) || self.named.len() < room {
            return self.named.entry(topic.clone()).or_default();
        }
        &mut self.rest
    }
}

impl OfTopic {
    /// Takes out the streams that no route has any more, whenever they may have doubled.
    fn sweep(&mut self) {
        if self.streams.len() < 2 * self.swept.max(4) {
            return;
        }
        let gone = &self.row.gone;
        self.streams.retain(|_, stream| match Arc::get_mut(stream) {
            // Whoever counted in it has let go of it, so nothing more comes.
            Some(stream) => {
                let sum = stream.lanes.sum();
                for count in stream.patterns.iter().map(|row| &row.gone).chain([gone]) {
                    count.fetch_add(sum, Ordering::Relaxed);
                }
                false
            }
            None => true,
        });
        self.swept = self.streams.len();
    }

    fn counts(&self) -> Counts {
        let TopicRow { gone, filtered, failed, .. } = &*self.row;
        let [gone, filtered, failed] = [gone, filtered, failed].map(|count| count.load(Ordering::Relaxed));
        let streams = self.streams.values().map(|stream| stream.lanes.sum());
        Counts { emitted: gone + filtered + streams.sum::<u64>(), filtered, failed }
    }
}

impl TopicRow {
    /// Counts an event that a layer ended.
    #[cold]
    pub(crate) fn count_filtered(&self) {
        self.filtered.fetch_add(1, Ordering::Relaxed);
    }
}

impl CallRow {
    /// Notes calls that took so long and stand for so many.
    pub(crate) fn add(&self, delivered: u64, took: Duration) {
        self.delivered.fetch_add(delivered, Ordering::Relaxed);
        self.times.record(took);
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(crate) fn filtered(&self) -> u64 {
        self.filtered.load(Ordering::Relaxed)
    }
}
