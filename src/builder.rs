use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sigtree_middleware::{Clock, Ids, Limits, Stack, SystemClock, Topic, UniqueIds};

use crate::backstage::Backstage;
use crate::bus::Bus;
use crate::config::BusConfig;
use crate::dispatch::books::Writer;
use crate::dispatch::cell::Cache;
#[cfg(feature = "testing")]
use crate::dispatch::core::Lens;
use crate::dispatch::core::{Core, Counters, Parent, Settings};
use crate::dispatch::snap::Snap;
use crate::dispatch::stamps::Stamps;
use crate::metering::{Meter, Metering};
use crate::policy::Policy;
use crate::sync::{AtomicU32, AtomicUsize, Mutex};

/// The settings of a bus in the making, from [`Bus::builder`].
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, ManualClock, Policy};
///
/// let bus = Bus::builder().name("tests").clock(ManualClock::new()).policy(Policy::Propagate).build();
/// assert_eq!(bus.name(), "tests");
/// ```
#[must_use = "a builder makes nothing until `build`"]
pub struct BusBuilder {
    pub(crate) name: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) depth_limit: u32,
    pub(crate) policy: Policy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) stack: Stack,
    pub(crate) cached_topics: usize,
    pub(crate) metering: Option<Metering>,
    /// Queues and workers; what has a field of its own here is taken from there.
    pub(crate) config: BusConfig,
    #[cfg(feature = "async")]
    pub(crate) spawner: Option<Arc<dyn crate::tasks::Spawner>>,
    #[cfg(feature = "testing")]
    pub(crate) lens: Option<Lens>,
}

/// How finely changes are told apart: counts by first segment, and by first pair of segments.
const SCOPES: (usize, usize) = (256, 4096);
/// The same for buses of which there may be many.
const SMALL_SCOPES: (usize, usize) = (16, 256);
#[cfg(any(sigtree_loom, sigtree_shuttle))]
const MODEL_SCOPES: (usize, usize) = (1, 1);

impl BusBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: "bus".into(),
            limits: Limits::new(),
            depth_limit: 64,
            policy: Policy::default(),
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(UniqueIds),
            stack: Stack::new(),
            cached_topics: 4096,
            metering: None,
            config: BusConfig::new(),
            #[cfg(feature = "async")]
            spawner: None,
            #[cfg(feature = "testing")]
            lens: None,
        }
    }

    /// The settings a child takes over from its parent.
    pub(crate) fn of_child(parent: &Core, prefix: &Topic) -> Self {
        Self {
            name: format!("{}.{prefix}", parent.name).into(),
            limits: parent.limits,
            depth_limit: parent.depth_limit,
            policy: parent.policy,
            clock: parent.clock.clone(),
            ids: parent.ids.clone(),
            stack: Stack::new(),
            cached_topics: 1024,
            metering: parent.meter().map(|meter| *meter.metering()),
            config: parent.backstage.config(),
            #[cfg(feature = "async")]
            spawner: parent.spawner.clone(),
            #[cfg(feature = "testing")]
            lens: parent.lens.clone(),
        }
    }

    /// The same settings for a child, apart from what only its parent has to say.
    pub(crate) fn for_child(&self, of_parent: Self) -> Self {
        Self {
            name: of_parent.name,
            limits: self.limits,
            depth_limit: self.depth_limit,
            policy: self.policy,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            stack: self.stack.clone(),
            cached_topics: self.cached_topics,
            metering: self.metering.or(of_parent.metering),
            config: self.config.clone(),
            #[cfg(feature = "async")]
            spawner: self.spawner.clone(),
            #[cfg(feature = "testing")]
            lens: of_parent.lens,
        }
    }

    /// Its name, in reports and traces; `bus` by default.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// How long names may be; by default 16 segments and 255 bytes.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How deep emits may stand within emits on one thread; 64 by default, and at least 1.
    ///
    /// A deeper one is refused, with the topics that led there; those of the outer half of the limit are not kept for it.
    pub fn depth_limit(mut self, limit: u32) -> Self {
        self.depth_limit = limit.clamp(1, 1 << 20);
        self
    }

    /// What happens when a handler fails; by default the others are called all the same.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where events read the time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What makes the ids of events.
    pub fn ids(mut self, ids: impl Ids) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// The layers to begin with.
    pub fn stack(mut self, stack: Stack) -> Self {
        self.stack = stack;
        self
    }

    /// How many topics emitted by name are remembered with their handlers, rounded up to a power of two; 4,096 by default, 1,024
    /// for a child.
    ///
    /// More topics than that still work, at the price of a look-up per emit. Signals are not counted. A place that is used takes about
    /// 0.7 KiB.
    pub fn cached_topics(mut self, topics: usize) -> Self {
        self.cached_topics = topics.clamp(4, 1 << 24);
        self
    }

    /// What operators decide: limits, queues, workers. What is set behind this counts.
    pub fn config(mut self, config: &BusConfig) -> Self {
        self.config = config.clone();
        let limits = self.limits.segments(config.max_segments).bytes(config.max_bytes);
        self.limits(limits).depth_limit(config.depth_limit).cached_topics(config.cached_topics)
    }

    /// Where async handlers run; by default nowhere, or with the feature `tokio` on the runtime that an emit is made in.
    #[cfg(feature = "async")]
    pub fn spawner(mut self, spawner: impl crate::tasks::Spawner) -> Self {
        self.spawner = Some(Arc::new(spawner));
        self
    }

    /// Makes the bus.
    #[must_use]
    pub fn build(self) -> Bus {
        Bus::of(self.build_core(SCOPES, None))
    }

    pub(crate) fn build_small(mut self) -> Bus {
        self.cached_topics = 4;
        Bus::of(self.build_core((1, 1), None))
    }

    pub(crate) fn build_child(self, parent: Parent) -> Arc<Core> {
        self.build_core(SMALL_SCOPES, Some(parent))
    }

    fn build_core(self, scopes: (usize, usize), parent: Option<Parent>) -> Arc<Core> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        #[cfg(any(sigtree_loom, sigtree_shuttle))]
        let scopes = {
            let _ = scopes;
            MODEL_SCOPES
        };
        let retaining = self.stack.retaining();
        let meter = self.metering.map(|metering| Arc::new(Meter::new(metering, self.clock.clone(), &self.config)));
        let config = BusConfig {
            depth_limit: self.depth_limit,
            cached_topics: self.cached_topics,
            max_segments: self.limits.segments,
            max_bytes: self.limits.bytes,
            ..self.config
        };
        let settings = (!self.stack.is_empty() || meter.is_some()).then(|| {
            let (version, stack) = (1, self.stack);
            Arc::new(Settings { version, stack, retaining_layers: retaining, meter, ..Settings::default() })
        });
        Arc::new_cyclic(|me| Core {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            me: me.clone(),
            name: self.name,
            policy: self.policy,
            limits: self.limits,
            depth_limit: self.depth_limit,
            easy_depth: self.depth_limit / 2,
            clock: self.clock,
            ids: self.ids,
            #[cfg(feature = "async")]
            spawner: self.spawner,
            #[cfg(feature = "async")]
            tasks: crate::tasks::Tasks::default(),
            parent,
            #[cfg(feature = "testing")]
            lens: self.lens,
            stamps: Stamps::new(scopes.0, scopes.1),
            index: Snap::new(Some(Arc::default())),
            cache: Cache::new(self.cached_topics),
            settings: Snap::new(settings),
            writer: Mutex::new(Writer::default()),
            counters: Counters::default(),
            interest: AtomicU32::new(0),
            reports: Default::default(),
            retainers: AtomicUsize::new(retaining),
            children: Mutex::new(Vec::new()),
            backstage: Backstage::new(config),
        })
    }
}

impl fmt::Debug for BusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .field("depth_limit", &self.depth_limit)
            .field("policy", &self.policy)
            .field("stack", &self.stack)
            .finish_non_exhaustive()
    }
}
