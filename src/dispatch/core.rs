//! The state of one bus.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, Weak};

use sigtree_middleware::{At, Clock, Erased, EventId, Host, Ids, Limits, Pattern, Stack, Stamp, Topic};

use super::books::Writer;
use super::cell::{Cache, Cell};
use super::index::Index;
use super::snap::{Guard, Snap};
use super::stamps::Stamps;
use crate::backstage::Backstage;
use crate::lifecycle::Life;
use crate::metering::Meter;
use crate::payload::SharedErased;
use crate::policy::Policy;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::sys;

/// One bus. Emits read it without a lock; every change goes through the writer.
pub(crate) struct Core {
    pub(crate) id: u64,
    /// Itself, for those who come back to it.
    pub(crate) me: Weak<Self>,
    pub(crate) name: Arc<str>,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) depth_limit: u32,
    /// Deeper than this, topics are noted for the message in case the limit is reached.
    pub(crate) easy_depth: u32,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    #[cfg(feature = "async")]
    pub(crate) spawner: Option<Arc<dyn crate::tasks::Spawner>>,
    #[cfg(feature = "async")]
    pub(crate) tasks: crate::tasks::Tasks,
    pub(crate) parent: Option<Parent>,
    /// Through what each route sees the layers, on the bus of a test.
    #[cfg(feature = "testing")]
    pub(crate) lens: Option<Lens>,
    pub(crate) stamps: Stamps,
    pub(crate) index: Snap<Index>,
    pub(crate) cache: Cache,
    pub(crate) settings: Snap<Settings>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) counters: Counters,
    /// Which reports somebody listens to, a bit each.
    pub(crate) interest: AtomicU32,
    /// The places of the reports' routes, each made when somebody first listens. Emits by name never see these.
    pub(crate) reports: [OnceLock<(Topic, Arc<Cell>)>; sys::Report::COUNT],
    /// Handlers and layers that keep payloads.
    pub(crate) retainers: AtomicUsize,
    /// The buses below, each for as long as somebody else holds it.
    pub(crate) children: Mutex<Vec<(Topic, Weak<Core>)>>,
    pub(crate) backstage: Backstage,
}

/// What a test kit puts around the layers that an event meets on a bus.
#[cfg(feature = "testing")]
pub(crate) type Lens = Arc<dyn Fn(&Core, &Stack) -> Stack + Send + Sync>;

/// The bus above, held by its children.
pub(crate) struct Parent {
    pub(crate) core: Arc<Core>,
    /// The child's name, which the parent puts before its topics.
    pub(crate) prefix: Topic,
    /// Whether events go up.
    pub(crate) bubbles: bool,
}

/// What is swapped together besides handlers.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// Grows with every change.
    pub(crate) version: u64,
    pub(crate) stack: Stack,
    /// How many of the layers keep payloads.
    pub(crate) retaining_layers: usize,
    /// Patterns whose topics are muted, once for each guard.
    pub(crate) mutes: Vec<Pattern>,
    /// What the bus is measured with, if it is.
    pub(crate) meter: Option<Arc<Meter>>,
    /// How far the bus is on its way to its end.
    pub(crate) life: Life,
    /// Children that events go down to.
    pub(crate) sinks: Vec<(Topic, Weak<Core>)>,
}

/// What a bus counts where nothing is hot.
#[derive(Default)]
pub(crate) struct Counters {
    failures: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Settings {
    /// How many of the layers and children keep payloads, or may.
    pub(super) fn retaining(&self) -> usize {
        self.retaining_layers + self.sinks.len()
    }
}

/// The published index, for a look: a writer waits a little for those who hold it.
pub(crate) struct IndexNow(Guard<Index>);

impl Deref for IndexNow {
    type Target = Index;

    fn deref(&self) -> &Index {
        self.0.as_deref().expect("a bus has an index from its first moment")
    }
}

impl Core {
    /// The index as it is.
    pub(crate) fn index_now(&self) -> IndexNow {
        IndexNow(self.index.load())
    }

    /// The children that are alive.
    pub(crate) fn living_children(&self) -> Vec<Arc<Self>> {
        self.children.lock().iter().filter_map(|(_, child)| child.upgrade()).collect()
    }

    /// Adds a child; the one of this name if it is alive already, and whether it is.
    pub(crate) fn add_child(&self, prefix: &Topic, child: Arc<Self>) -> (Arc<Self>, bool) {
        let mut children = self.children.lock();
        children.retain(|(_, child)| child.strong_count() > 0);
        if let Some(known) = find(&children, prefix) {
            return (known, true);
        }
        children.push((prefix.clone(), Arc::downgrade(&child)));
        (child, false)
    }

    /// The child of this name, if it is alive.
    pub(crate) fn living_child(&self, prefix: &Topic) -> Option<Arc<Self>> {
        find(&self.children.lock(), prefix)
    }

    /// Lets events under a child's name go down to it.
    pub(crate) fn add_sink(&self, prefix: &Topic, child: &Arc<Self>) {
        self.change_settings(|settings| {
            settings.sinks.retain(|(_, child)| child.strong_count() > 0);
            settings.sinks.push((prefix.clone(), Arc::downgrade(child)));
        });
        self.post_sink(prefix, child);
    }

    /// How far it is on its way to its end.
    pub(crate) fn life(&self) -> Life {
        self.settings.load().as_ref().map_or(Life::Running, |settings| settings.life)
    }

    /// Whether an emit is on its way over a route; only once it is closing, since routes are not remembered then.
    pub(crate) fn is_emitting(&self) -> bool {
        let is_emitting = self.backstage.routes() > 0;
        // What those emits did is seen by whoever looked: the counters of an `Arc` say nothing else.
        std::sync::atomic::fence(Ordering::Acquire);
        is_emitting
    }

    /// This bus at a version.
    #[inline]
    pub(crate) fn at(&self, version: u64) -> At {
        At { bus: self.id, version }
    }

    /// This bus and those its events go up to.
    pub(crate) fn upwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |core| {
            core.parent.as_ref().filter(|parent| parent.bubbles).map(|parent| &*parent.core)
        })
    }

    /// Whether a mute of patterns has this topic.
    pub(crate) fn mutes(&self, topic: &Topic) -> bool {
        let settings = self.settings.load();
        settings.as_ref().is_some_and(|settings| settings.mutes.iter().any(|pattern| pattern.matches(topic)))
    }

    /// What the bus is measured with, if it is.
    pub(crate) fn meter(&self) -> Option<Arc<Meter>> {
        self.settings.load().as_ref().and_then(|settings| settings.meter.clone())
    }

    /// Whether anything above keeps payloads.
    pub(crate) fn ancestors_retain(&self) -> bool {
        self.upwards().skip(1).any(|core| core.retainers.load(Ordering::Acquire) > 0)
    }

    /// Whether anybody here or above listens to a report.
    #[inline]
    pub(crate) fn wants(&self, report: sys::Report) -> bool {
        self.upwards().any(|core| core.interest.load(Ordering::Relaxed) & report.bit() != 0)
    }
}

fn find(children: &[(Topic, Weak<Core>)], prefix: &Topic) -> Option<Arc<Core>> {
    children.iter().find(|(name, _)| name == prefix).and_then(|(_, child)| child.upgrade())
}

impl Core {
    /// The id and time of an event that is emitted now.
    pub(crate) fn identify(&self) -> (EventId, Stamp) {
        let stamp = Stamp { offset: self.clock.elapsed(), wall: self.clock.wall() };
        (self.ids.next_id(stamp), stamp)
    }
}

impl Host for Core {
    fn name(&self) -> &str {
        &self.name
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn share_clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn next_id(&self, stamp: Stamp) -> EventId {
        self.ids.next_id(stamp)
    }

    fn report(&self, topic: &str, make: &mut dyn FnMut() -> Arc<Erased>) {
        if let Some(report) = sys::Report::on(topic) {
            self.report_offer(report, || SharedErased(make()));
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("name", &self.name).finish_non_exhaustive()
    }
}
