//! [`BusConfig`]: what operators decide about a bus, and what a running bus takes over of it.

mod change;
#[cfg(feature = "config")]
mod error;
mod keys;
#[cfg(feature = "config")]
mod load;

use std::fmt;
use std::time::Duration;

use sigtree_middleware::Limits;

use crate::queue::{Overflow, Queue};

pub use change::Reconfigured;
#[cfg(feature = "config")]
pub use error::ConfigError;

/// What operators decide about a bus: sizes, times, limits. The program decides the rest, with [`Bus::builder`](crate::Bus::builder).
///
/// With the feature `config` it is read from environment variables and TOML files, by the names of its fields:
/// `APP_QUEUE_SIZE=10000` under the prefix `APP`, or `queue_size = 10_000` in a file. A key that is not known is an error.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, BusConfig, Overflow};
///
/// let config = BusConfig::new().queue_size(2).overflow(Overflow::Block(Duration::from_millis(5)));
/// let bus = Bus::with(&config);
/// let plots = bus.subscribe::<u32>("plot")?;
/// (1..=3_u32).for_each(|plot| drop(bus.emit("plot", plot)));
/// assert_eq!(plots.stats().timed_out, 1);
///
/// let report = bus.reconfigure(&config.clone().queue_size(10_000).depth_limit(8));
/// assert_eq!(plots.stats().capacity, 10_000);
/// assert_eq!(report.applied(), ["queue_size"]);
/// assert_eq!(report.refused().next().unwrap().0, "depth_limit");
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusConfig {
    /// The places of the queue of a [`Subscription`](crate::Subscription) that was given no other, and of the bus's
    /// [pool](crate::Bus::pool): 1,024; at least 1. A running bus changes it.
    pub queue_size: usize,
    /// What such a queue does when it is full: `drop_newest`. Others are `drop_oldest`, `latest`, `block` and `error`; the pool's, whose
    /// jobs have no topics, drops the oldest for `latest`. A running bus has it for queues to come.
    pub overflow: Overflow,
    /// How long an emit waits for a place, where it does: 1 s. A number of seconds, `0.5`, or `"500ms"`, or `"2s"`. A running bus changes it.
    pub block_timeout: Duration,
    /// How long somebody may be at an event of a [`Reliable`](crate::Reliable) connection or subscription that does not say so itself: 5 s. As
    /// a variable or in a file it may be called `timeout`. A running bus changes it, for attempts that begin then.
    pub delivery_timeout: Duration,
    /// How often such a one is given an event again: 3 times. A running bus changes it.
    pub retries: u32,
    /// How many dead letters such a one keeps: 1,000. A running bus has it for those to come.
    pub dead_letters: usize,
    /// How long a handler of a [measured](crate::Bus::measure) bus may take before it is called slow, where
    /// [`Metering::slow`](crate::Metering::slow) does not say so: 50 ms. A running bus changes it.
    pub slow_handler: Duration,
    /// For how long the latencies of a measured bus count in its [health](crate::Bus::health), from one to two of these: 30 s. A running
    /// bus changes it.
    pub metrics_interval: Duration,
    /// The threads of the bus's [pool](crate::Bus::pool): 4; at least 1. A running bus changes it.
    pub workers: usize,
    /// How deep emits may stand within emits: 64; see [`BusBuilder::depth_limit`](crate::BusBuilder::depth_limit).
    pub depth_limit: u32,
    /// How many names are remembered with their handlers: 4,096; see
    /// [`BusBuilder::cached_topics`](crate::BusBuilder::cached_topics).
    pub cached_topics: usize,
    /// The most segments of a name: 16.
    pub max_segments: usize,
    /// The most bytes of a name: 255.
    pub max_bytes: usize,
}

impl BusConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        let limits = Limits::new();
        Self {
            queue_size: Queue::CAPACITY,
            overflow: Overflow::DropNewest,
            block_timeout: Duration::from_secs(1),
            delivery_timeout: Duration::from_secs(5),
            retries: 3,
            dead_letters: 1_000,
            slow_handler: Duration::from_millis(50),
            metrics_interval: Duration::from_secs(30),
            workers: 4,
            depth_limit: 64,
            cached_topics: 4_096,
            max_segments: limits.segments,
            max_bytes: limits.bytes,
        }
    }

    /// Sets the places of queues.
    #[must_use]
    pub const fn queue_size(mut self, places: usize) -> Self {
        self.queue_size = places;
        self
    }

    /// Sets what full queues do; for [`Overflow::Block`] also how long.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        match overflow {
            Overflow::Block(timeout) => self.block_timeout(timeout),
            _ => self,
        }
    }

    /// Sets how long an emit waits for a place, where it does.
    #[must_use]
    pub const fn block_timeout(mut self, timeout: Duration) -> Self {
        self.block_timeout = timeout;
        if let Overflow::Block(_) = self.overflow {
            self.overflow = Overflow::Block(timeout);
        }
        self
    }

    /// Sets how long somebody may be at an event that is to be delivered reliably.
    #[must_use]
    pub const fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// Sets how often such an event is given again.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets how many dead letters are kept by each who keeps some.
    #[must_use]
    pub const fn dead_letters(mut self, most: usize) -> Self {
        self.dead_letters = most;
        self
    }

    /// Sets how long a handler may take before it is called slow.
    #[must_use]
    pub const fn slow_handler(mut self, threshold: Duration) -> Self {
        self.slow_handler = threshold;
        self
    }

    /// Sets for how long latencies count.
    #[must_use]
    pub const fn metrics_interval(mut self, interval: Duration) -> Self {
        self.metrics_interval = interval;
        self
    }

    /// Sets the threads of the pool.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets how deep emits may stand within emits.
    #[must_use]
    pub const fn depth_limit(mut self, limit: u32) -> Self {
        self.depth_limit = limit;
        self
    }

    /// Sets how many names are remembered.
    #[must_use]
    pub const fn cached_topics(mut self, topics: usize) -> Self {
        self.cached_topics = topics;
        self
    }

    /// Sets the most segments of a name.
    #[must_use]
    pub const fn max_segments(mut self, segments: usize) -> Self {
        self.max_segments = segments;
        self
    }

    /// Sets the most bytes of a name.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The queue of a subscription that was given no other.
    pub(crate) fn queue(&self) -> Queue {
        let overflow = match self.overflow {
            Overflow::Block(_) => Overflow::Block(self.block_timeout),
            other => other,
        };
        Queue::bounded(self.queue_size.max(1)).overflow(overflow)
    }

    /// The queue of the pool. Jobs have no topics, so the newest takes the oldest's place where a topic's newest takes its older's.
    pub(crate) fn pool_queue(&self) -> Queue {
        let queue = self.queue();
        if self.overflow == Overflow::Latest { queue.overflow(Overflow::DropOldest) } else { queue }
    }
}

impl Default for BusConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A TOML file that says the same.
impl fmt::Display for BusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        keys::KEYS.iter().try_for_each(|key| writeln!(f, "{} = {}", key.name, key.toml(self)))
    }
}
