//! What a bus did, in figures: by topic, pattern, connection and queue.
//!
//! [`Bus::metrics`] takes them; print them, serialize them with the feature `serde`, or give them to the `metrics` facade with
//! `MetricsSnapshot::export` and the feature `metrics`.

#[cfg(feature = "metrics")]
mod export;
mod text;

use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{DeadLetter, Layer, Pattern, Topic};
#[cfg(feature = "serde")]
use slotmap::Key;

use crate::bus::Bus;
use crate::connection::ConnectionId;
use crate::dispatch::core::Core;
use crate::dispatch::node::Node;
use crate::dispatch::slot::Slot;
use crate::dispatch::table::Table;
use crate::executor::PoolStats;
use crate::metering::{CallRow, Counts, Meter, TopicRow};
use crate::queue::QueueStats;

/// The figures of a bus and of those below it, from [`Bus::metrics`]; it prints as a table.
///
/// # What is exact
///
/// | figure | is |
/// |---|---|
/// | `emitted` | exact: the events that came to handlers of this bus, and those that its layers ended; not those that met nobody, nor those muted |
/// | `failed`; `filtered` of topics and buses: what the bus's layers ended | exact |
/// | `dropped`, `depth`, all of [`QueueStats`] | exact; a topic has those of the queues of that very topic |
/// | `delivered`; `filtered` of patterns and connections: what their own conditions and layers kept from handlers | exact for the first 64 events of a topic on each thread; then an estimate from the events that were timed, which lags by up to one in 32 |
/// | `latency` | of the events that were timed, all of the first 64 and then fewer, as [`Metering`](crate::Metering) says; right to 1 % |
/// | slow handlers | of the events that were timed: one that is slow once in a thousand calls may go unseen |
///
/// Calls with what a layer around a connection held, by an executor among them, count for the pattern and the connection, and not for
/// the topic. Calls with the past, of a late connection, are not counted.
///
/// An estimate from one event in 1,024 is off by some 32 divided by the root of the count: by 3 % for a million calls, and more for one of
/// several handlers, which share the looks. With
/// [`every(1)`](crate::Metering::every) all is exact.
///
/// What is taken while events flow is right figure by figure, but not of one moment. A bus that is not
/// [measured](crate::Bus::measure) has exact figures only of its queues and failures; the others are 0.
///
/// # What is not here
///
/// Which events of a topic wait in, or were lost by, queues of patterns that are more than this topic: they count for the pattern.
/// What a connection's layer held and did not let go on, as an event that a newer one took the place of: it stands in that layer's
/// own figures. What [advice](crate::middleware::Advice) of the bus's layers kept from a handler. Events that met nobody or were
/// muted; [`Inspection`](crate::Inspection) tells of those who connect. Pools that are not the bus's
/// ([`WorkerPool::stats`](crate::WorkerPool::stats)), links ([`Link`](crate::Link) stands beside buses), requests under way, and what is given again
/// ([`ReliableStats`](crate::ReliableStats)) are counted where they are held. A batch counts as its events do: in its queue, one by one.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Filter, Metering};
///
/// let site = Bus::builder().name("site").metered(Metering::new()).build();
/// let radar = site.child("radar")?;
/// radar.layer(Filter::payload(|n: &u32| *n < 10));
/// let _log = radar.on("track.*").named("log").connect(|n: &u32| if *n == 7 { Err("no sevens") } else { Ok(()) })?;
/// let _screen = site.subscribe::<u32>("radar.**")?;
/// for n in [5_u32, 7, 12] {
///     radar.emit("track.new", n);
/// }
///
/// let metrics = site.metrics();
/// let below = &metrics.buses[1];
/// let track = &below.topics[0];
/// assert_eq!((track.figures.emitted, track.figures.delivered), (3, 2));
/// assert_eq!((track.figures.failed, track.figures.filtered), (1, 1));
/// let screen = &metrics.buses[0].patterns[0].connections[0];
/// assert_eq!(screen.queue.unwrap().depth, 2);
/// println!("{metrics}");
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// All buses together; an event that bubbles counts on each bus it comes to. Its latency is that of the bus whose P95 is
    /// the longest.
    pub total: Figures,
    /// The bus, and those below, each before its children.
    pub buses: Vec<BusMetrics>,
}

/// The figures of one bus.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BusMetrics {
    /// Its name.
    pub bus: Arc<str>,
    /// Whether it is [measured](crate::Bus::measure).
    pub measured: bool,
    /// All its topics together. Latency is how long all handlers of an event took, without those of the buses above.
    pub total: Figures,
    /// How many emits were refused.
    pub refused: u64,
    /// How many events its layers, and those of its connections, keep as [dead letters](crate::middleware::DeadLetter) now.
    pub dead_letters: u64,
    /// By topic: those that were emitted first, as many as there is [room](crate::Metering::room) for, by name; then all others.
    pub topics: Vec<TopicMetrics>,
    /// By pattern, those that have handlers now: exact ones first, then by creation.
    pub patterns: Vec<PatternMetrics>,
    /// What its own [pool](crate::Bus::pool) did, if that was started; its events and failures are counted above, too.
    pub pool: Option<PoolStats>,
    /// The slowest handlers, the worst first.
    pub slow: Vec<SlowHandler>,
}

/// The figures of one topic, or of all that have no place of their own.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TopicMetrics {
    /// The topic; `None` for all others together.
    pub topic: Option<Topic>,
    /// Its figures; `dropped` and `depth` of the queues that are connected to this very topic now.
    pub figures: Figures,
}

/// The figures of one pattern and its connections.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PatternMetrics {
    /// The pattern. Of more than there is [room](crate::Metering::room) for, the further ones have 0 events.
    pub pattern: Pattern,
    /// Its figures: events that came to its handlers, calls of those, and how often an event was kept from one by its own conditions
    /// or layers.
    pub figures: Figures,
    /// Its connections in the order of their calls.
    pub connections: Vec<ConnectionMetrics>,
}

/// The figures of one connection.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectionMetrics {
    /// Its id on its bus.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_id"))]
    pub id: ConnectionId,
    /// The name it was given.
    pub name: Option<Arc<str>>,
    /// Where it was connected.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::inspection::serialize_site"))]
    pub site: &'static Location<'static>,
    /// Calls.
    pub delivered: u64,
    /// Events that its own conditions and layers kept from it, for good.
    pub filtered: u64,
    /// Calls that failed, since it was connected.
    pub failed: u64,
    /// How long calls took, to put an event into a queue or hand it to an executor among them.
    pub latency: Latency,
    /// What became of its events, if it is a [`Subscription`](crate::Subscription).
    pub queue: Option<QueueStats>,
    /// How many dead letters it keeps now, if it is [`Reliable`](crate::Reliable); those who share a place have the same.
    pub dead_letters: Option<u64>,
    /// How many events a newer one took the place of before the handler was called, if its mode is
    /// [`LatestOnly`](crate::Mode::LatestOnly); a subscription has them in its queue's figures.
    pub replaced: Option<u64>,
}

/// A handler that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SlowHandler {
    /// The connection's pattern.
    pub pattern: Pattern,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Where it was connected.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::inspection::serialize_site"))]
    pub site: &'static Location<'static>,
    /// How many calls were found slow.
    pub calls: u64,
    /// How long the longest took.
    pub worst: Duration,
    /// How long the last slow one took.
    pub last: Duration,
}

/// What was counted and timed; [`MetricsSnapshot`] says what is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Figures {
    /// Events.
    pub emitted: u64,
    /// Calls of handlers, those that failed included.
    pub delivered: u64,
    /// Calls, and layers, that failed.
    pub failed: u64,
    /// Events that full queues lost, or that newer ones replaced there or before a handler that is called with the latest only.
    pub dropped: u64,
    /// Events that layers ended; of a pattern, that were kept from a handler by its own conditions and layers.
    pub filtered: u64,
    /// Events that wait in queues.
    pub depth: u64,
    /// How long it took.
    pub latency: Latency,
}

/// How long something took, when it was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Latency {
    /// How often it was timed.
    pub measured: u64,
    /// The mean.
    pub mean: Duration,
    /// Half of them took at most this long. This and the next two need the feature `hdrhistogram`.
    pub p50: Option<Duration>,
    /// 95 % of them took at most this long.
    pub p95: Option<Duration>,
    /// 99 % of them took at most this long.
    pub p99: Option<Duration>,
    /// The longest.
    pub max: Duration,
    /// 95 % of those of the last one to two [`metrics_interval`](crate::BusConfig::metrics_interval)s took at most this long, right to
    /// 10 %; `None` if there were none. It is known of buses and of connections, with the feature `hdrhistogram`.
    pub recent_p95: Option<Duration>,
}

impl Bus {
    /// The figures of this bus and of those below: see [`MetricsSnapshot`].
    ///
    /// # Concurrency
    ///
    /// As [`inspect`](Bus::inspect); emits that look their handlers up anew wait while the counters are added up.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        let mut buses = Vec::new();
        BusMetrics::collect(self.core(), &mut buses);
        let total = buses.iter().fold(Figures::default(), |sum, bus| sum.and(&bus.total));
        MetricsSnapshot { total, buses }
    }
}

impl BusMetrics {
    fn collect(core: &Core, buses: &mut Vec<Self>) {
        buses.push(Self::of(core));
        core.living_children().iter().for_each(|child| Self::collect(child, buses));
    }

    fn of(core: &Core) -> Self {
        let mut tables = core.writer.lock().tables();
        tables.sort_by_cached_key(|(node, ..)| node.rank());
        let meter = core.meter();
        let patterns = patterns(&tables, meter.as_deref());
        let topics = meter.as_deref().map(|meter| topics(meter, &patterns)).unwrap_or_default();
        Self {
            bus: core.name.clone(),
            measured: meter.is_some(),
            total: total(core, meter.as_deref(), &topics, &patterns),
            refused: core.counters.refused(),
            dead_letters: dead_letters(core, &tables),
            topics,
            patterns,
            pool: core.backstage.pool().map(|pool| pool.stats()),
            slow: meter.map(|meter| meter.slow.read()).unwrap_or_default(),
        }
    }
}

fn topics(meter: &Meter, patterns: &[PatternMetrics]) -> Vec<TopicMetrics> {
    let exact = patterns.iter().filter_map(|pattern| Some((pattern.pattern.as_topic()?, &pattern.figures)));
    let mut queued: HashMap<_, _> = exact.map(|(topic, figures)| (topic, (figures.dropped, figures.depth))).collect();
    let topic = |(topic, row, counts): (Option<Topic>, Arc<TopicRow>, Counts)| {
        // The others come last, and have what is left.
        let (dropped, depth) = match &topic {
            Some(topic) => queued.remove(topic).unwrap_or_default(),
            None => queued.drain().fold((0, 0), |sum, (_, queue)| (sum.0 + queue.0, sum.1 + queue.1)),
        };
        let figures = Figures {
            dropped,
            depth,
            emitted: counts.emitted,
            delivered: row.calls.delivered(),
            failed: counts.failed,
            filtered: counts.filtered,
            latency: row.calls.times.read(),
        };
        TopicMetrics { topic, figures }
    };
    meter.topics().into_iter().map(topic).collect()
}

type Tables = [(Arc<Node>, Arc<Table>, usize)];

fn patterns(tables: &Tables, meter: Option<&Meter>) -> Vec<PatternMetrics> {
    let mut ids = HashSet::new();
    for (_, table, _) in tables {
        table.for_each(&mut |slot| {
            ids.insert(slot.header().id());
        });
    }
    let rows = meter.map(|meter| meter.connections(|id| ids.contains(&id))).unwrap_or_default();
    let counted: HashMap<_, _> = meter
        .map(Meter::patterns)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, row, counts)| (name, (row, counts)))
        .collect();
    let pattern = |(node, table, _): &(Arc<Node>, Arc<Table>, usize)| {
        let mut connections = Vec::with_capacity(table.len());
        table.for_each(&mut |slot| connections.push(ConnectionMetrics::of(slot, rows.get(&slot.header().id()), meter)));
        let queues = || connections.iter().filter_map(|connection| connection.queue);
        let mut figures = Figures {
            dropped: connections.iter().filter_map(ConnectionMetrics::dropped).sum(),
            depth: queues().map(|queue| queue.depth as u64).sum(),
            failed: connections.iter().map(|connection| connection.failed).sum(),
            ..Figures::default()
        };
        if let Some((row, counts)) = counted.get(node.pattern().as_str()) {
            figures.emitted = counts.emitted;
            figures.failed = counts.failed;
            figures.delivered = row.calls.delivered();
            figures.filtered = row.calls.filtered();
            figures.latency = row.calls.times.read();
        }
        PatternMetrics { pattern: node.pattern().clone(), figures, connections }
    };
    tables.iter().map(pattern).collect()
}

impl ConnectionMetrics {
    fn of(slot: &dyn Slot, row: Option<&Arc<CallRow>>, meter: Option<&Meter>) -> Self {
        Self {
            id: slot.header().id(),
            name: slot.name().cloned(),
            site: slot.header().site(),
            delivered: row.map_or(0, |row| row.delivered()),
            filtered: row.map_or(0, |row| row.filtered()),
            failed: slot.header().failures().into(),
            latency: row.zip(meter).map(|(row, meter)| meter.latency_of(row)).unwrap_or_default(),
            queue: slot.queue_stats(),
            dead_letters: slot.dead_letters().map(|letters| letters.len() as u64),
            replaced: slot.replaced(),
        }
    }

    /// How many events its queue lost, or newer ones replaced, if it is such.
    fn dropped(&self) -> Option<u64> {
        self.queue.map(|queue| queue.dropped()).or(self.replaced)
    }

    /// Its name, or the place where it was connected.
    pub(crate) fn label(&self) -> String {
        let site = || format!("{}:{}", self.site.file(), self.site.line());
        self.name.as_ref().map_or_else(site, ToString::to_string)
    }
}

fn total(core: &Core, meter: Option<&Meter>, topics: &[TopicMetrics], patterns: &[PatternMetrics]) -> Figures {
    let sum = |of: fn(&Figures) -> u64| topics.iter().map(|topic| of(&topic.figures)).sum();
    Figures {
        emitted: sum(|figures| figures.emitted),
        delivered: sum(|figures| figures.delivered),
        failed: core.counters.failures(),
        filtered: sum(|figures| figures.filtered),
        dropped: patterns.iter().map(|pattern| pattern.figures.dropped).sum(),
        depth: patterns.iter().map(|pattern| pattern.figures.depth).sum(),
        latency: meter.map(Meter::latency).unwrap_or_default(),
    }
}

/// What layers and reliable connections keep as dead letters, each of them asked once.
fn dead_letters(core: &Core, tables: &Tables) -> u64 {
    let now = core.clock.elapsed();
    let of = |layer: &Layer| layer.middleware().standing(now).dead;
    let settings = core.settings.load_full();
    let mut dead: u64 = settings.iter().flat_map(|settings| settings.stack.layers()).map(of).sum();
    let mut reliable: Vec<DeadLetter> = Vec::new();
    for (_, table, _) in tables {
        table.for_each(&mut |slot| {
            dead += slot.layers().iter().map(of).sum::<u64>();
            let new = slot.dead_letters().filter(|letters| !reliable.iter().any(|seen| seen.shares_with(letters)));
            reliable.extend(new.cloned());
        });
    }
    dead + reliable.iter().map(|letters| letters.len() as u64).sum::<u64>()
}

impl Figures {
    fn and(self, other: &Self) -> Self {
        let rank = |latency: &Latency| (latency.p95, latency.max);
        Self {
            emitted: self.emitted + other.emitted,
            delivered: self.delivered + other.delivered,
            failed: self.failed + other.failed,
            dropped: self.dropped + other.dropped,
            filtered: self.filtered + other.filtered,
            depth: self.depth + other.depth,
            latency: if rank(&other.latency) > rank(&self.latency) { other.latency } else { self.latency },
        }
    }
}

/// The number that advice is told.
#[cfg(feature = "serde")]
fn serialize_id<S: serde::Serializer>(id: &ConnectionId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(id.data().as_ffi())
}
