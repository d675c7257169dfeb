//! Whether a bus is well, and if not, why.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{Counted, OneLine, Pattern};

use crate::bus::Bus;
use crate::metrics::{BusMetrics, ConnectionMetrics, MetricsSnapshot};

/// Whether a bus and those below it are well, from [`Bus::health`]; it prints its reasons, a line each.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Queue};
///
/// let bus = Bus::new();
/// let screen = bus.on("frame").named("screen").queue(Queue::bounded(10)).subscribe::<u32>()?;
/// assert!(bus.health().is_healthy());
/// for n in 0..8_u32 {
///     bus.emit("frame", n);
/// }
/// let health = bus.health();
/// assert!(!health.is_healthy());
/// assert_eq!(health.to_string(), "unhealthy\nqueue `screen` of `frame` on bus `bus`: 8 of 10 wait, 80 % or more\n");
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[must_use = "it says whether the bus is well"]
#[non_exhaustive]
pub struct Health {
    /// What is not as it should be.
    pub reasons: Vec<HealthReason>,
}

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HealthReason {
    /// A queue is nearly full.
    QueueDepth {
        /// Its bus.
        bus: Arc<str>,
        /// Its pattern.
        pattern: Pattern,
        /// The name of the subscription, or where it was made.
        connection: String,
        /// How many events wait.
        depth: usize,
        /// The places of the queue, or of each lane.
        capacity: usize,
        /// The share that is allowed to be filled.
        limit: f64,
    },
    /// Handlers take long.
    Latency {
        /// Their bus.
        bus: Arc<str>,
        /// The handler, by its name or the place where it was connected; `None` for all handlers of an event together.
        connection: Option<String>,
        /// 95 % of what was timed lately took at most this long.
        p95: Duration,
        /// What is allowed.
        limit: Duration,
    },
    /// Events did not get through.
    DeadLetters {
        /// Their bus.
        bus: Arc<str>,
        /// How many are kept.
        letters: u64,
        /// How many are allowed.
        limit: u64,
    },
}

/// Up to where a bus is healthy, for [`Bus::health_within`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, HealthLimits, Metering};
///
/// let bus = Bus::builder().metered(Metering::new()).build();
/// let limits = HealthLimits::new().queue_depth(0.5).p95(Duration::from_millis(10)).dead_letters(100);
/// assert!(bus.health_within(&limits).is_healthy());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use = "limits do nothing until they are given to `health_within`"]
pub struct HealthLimits {
    queue_depth: f64,
    p95: Duration,
    dead_letters: u64,
}

impl HealthLimits {
    /// Queues less than 80 % full, a P95 of less than 100 ms, no dead letters.
    pub const fn new() -> Self {
        Self { queue_depth: 0.8, p95: Duration::from_millis(100), dead_letters: 0 }
    }

    /// The share of a queue, from 0 to 1, below which its depth is to be.
    pub const fn queue_depth(mut self, share: f64) -> Self {
        self.queue_depth = share;
        self
    }

    /// What the 95th percentile of latencies, [lately](crate::metrics::Latency::recent_p95), is to be below.
    pub const fn p95(mut self, limit: Duration) -> Self {
        self.p95 = limit;
        self
    }

    /// How many dead letters there may be on each bus.
    pub const fn dead_letters(mut self, most: u64) -> Self {
        self.dead_letters = most;
        self
    }
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus {
    /// Whether this bus and those below are well, within the default [`HealthLimits`].
    ///
    /// Queues and dead letters are looked at always. Latency is looked at where the bus is [measured](Bus::measure), and with the feature
    /// `hdrhistogram`: that of the last one to two [`metrics_interval`](crate::BusConfig::metrics_interval)s, by default half a minute to a
    /// minute, so a bus that was slow once recovers.
    pub fn health(&self) -> Health {
        self.health_within(&HealthLimits::new())
    }

    /// The same within other limits.
    pub fn health_within(&self, limits: &HealthLimits) -> Health {
        self.metrics().health(limits)
    }
}

impl MetricsSnapshot {
    /// What these figures say of a bus's health.
    pub fn health(&self, limits: &HealthLimits) -> Health {
        Health { reasons: self.buses.iter().flat_map(|bus| limits.reasons(bus)).collect() }
    }
}

impl HealthLimits {
    fn reasons(&self, bus: &BusMetrics) -> Vec<HealthReason> {
        let connections =
            || bus.patterns.iter().flat_map(|seen| seen.connections.iter().map(|one| (&seen.pattern, one)));
        let queues = connections().filter_map(|(pattern, connection)| self.queue(bus, pattern, connection));
        let own = self.latency(bus, None, bus.total.latency.recent_p95);
        let slow = connections().filter_map(|(_, one)| self.latency(bus, Some(one), one.latency.recent_p95));
        let dead = (bus.dead_letters > self.dead_letters).then(|| HealthReason::DeadLetters {
            bus: bus.bus.clone(),
            letters: bus.dead_letters,
            limit: self.dead_letters,
        });
        queues.chain(own).chain(slow).chain(dead).collect()
    }

    fn queue(&self, bus: &BusMetrics, pattern: &Pattern, connection: &ConnectionMetrics) -> Option<HealthReason> {
        let queue = connection.queue?;
        (queue.depth as f64 >= queue.capacity as f64 * self.queue_depth).then(|| HealthReason::QueueDepth {
            bus: bus.bus.clone(),
            pattern: pattern.clone(),
            connection: connection.label(),
            depth: queue.depth,
            capacity: queue.capacity,
            limit: self.queue_depth,
        })
    }

    fn latency(
        &self,
        bus: &BusMetrics,
        connection: Option<&ConnectionMetrics>,
        p95: Option<Duration>,
    ) -> Option<HealthReason> {
        let p95 = p95.filter(|p95| *p95 >= self.p95)?;
        Some(HealthReason::Latency {
            bus: bus.bus.clone(),
            connection: connection.map(ConnectionMetrics::label),
            p95,
            limit: self.p95,
        })
    }
}

impl Health {
    /// Whether all is as it should be.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// `healthy`, or `unhealthy` and the reasons, a line each.
impl Display for Health {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.is_healthy() { "healthy" } else { "unhealthy" })?;
        self.reasons.iter().try_for_each(|reason| writeln!(f, "{reason}"))
    }
}

impl Display for HealthReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueDepth { bus, pattern, connection, depth, capacity, limit } => {
                let (bus, pattern, connection) = (OneLine(bus), OneLine(pattern), OneLine(connection));
                write!(f, "queue `{connection}` of `{pattern}` on bus `{bus}`: {depth} of {capacity} wait")?;
                write!(f, ", {:.0} % or more", limit * 100.0)
            }
            Self::Latency { bus, connection, p95, limit } => {
                match connection {
                    Some(connection) => write!(f, "handler `{}`", OneLine(connection))?,
                    None => f.write_str("all handlers together")?,
                }
                write!(f, " on bus `{}`: {p95:.1?} at P95, {limit:?} or more", OneLine(bus))
            }
            Self::DeadLetters { bus, letters, limit } => {
                write!(f, "bus `{}`: {}, more than {limit}", OneLine(bus), Counted(*letters, "dead letter"))
            }
        }
    }
}
