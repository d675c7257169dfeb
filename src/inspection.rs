//! What a bus is made of at a moment: buses, patterns, connections, layers, caches, counters.
//!
//! [`Bus::inspect`] takes it; print it, draw it with [`Inspection::to_dot`], or serialize it with the feature `serde`.

mod dot;
mod text;

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{CallCount, Layer, Pattern, Stack, Standing, Topic};
use slotmap::Key;

use crate::bus::Bus;
use crate::connection::ConnectionId;
use crate::dispatch::core::{Core, Settings};
use crate::dispatch::node::Node;
use crate::dispatch::slot::Slot;
use crate::dispatch::table::Table;
use crate::payload::PayloadType;
use crate::queue::QueueStats;

/// A bus and its children as they were at a moment; it holds no handler and no bus alive.
///
/// What layers are in the middle of stands behind them, `; holds 3 events` or `` ; `mail` open for 4s, a trial in 26s ``, as it was
/// when each was asked.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Event};
///
/// let site = Bus::builder().name("site").build();
/// let radar = site.child("radar")?;
/// let _log = site.on("radar.**").named("log").priority(3).connect(|_: &Event| {})?;
/// let _once = radar.on("track.new").once().connect(|_: &u32| {})?;
///
/// let seen = site.inspect();
/// assert_eq!(seen.connections().count(), 2);
/// assert_eq!(seen.children[0].patterns[0].connections[0].conditions, ["once"]);
///
/// let text = seen.to_string();
/// assert!(text.starts_with("bus `site`: 1 connection\n"), "{text}");
/// assert!(text.contains("live `log`, priority 3"), "{text}");
/// assert!(seen.to_dot().starts_with("digraph"));
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Inspection {
    /// The bus's name.
    pub bus: Arc<str>,
    /// How it hangs below its parent, if it has one.
    pub branch: Option<Branch>,
    /// The patterns that are muted, once for each guard.
    pub mutes: Vec<Pattern>,
    /// The layers, the outermost first.
    pub layers: Vec<LayerSeen>,
    /// The patterns that have handlers: exact ones first, then by creation.
    pub patterns: Vec<PatternSeen>,
    /// The topics that somebody holds a signal of, by name; those of the bus's own reports, which it holds itself, are not among
    /// them.
    pub signals: Vec<SignalSeen>,
    /// What is [watched](Bus::on_interest) on this bus, by it or by buses whose events come here; as those name it.
    pub watched: Vec<Pattern>,
    /// What it remembers of topics emitted by name.
    pub cache: CacheSeen,
    /// What it counts.
    pub counters: CountersSeen,
    /// The buses below that are alive.
    pub children: Vec<Inspection>,
}

/// How a child hangs below its parent.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Branch {
    /// What its parent puts before its topics.
    pub name: Topic,
    /// Whether its events go up.
    pub bubbles: bool,
    /// Whether its parent's events come down to it.
    pub sink: bool,
}

/// A layer of a stack.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LayerSeen {
    /// The name it was given.
    pub name: Option<Box<str>>,
    /// What it says of itself.
    pub description: Box<str>,
    /// Where it was put into its stack.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_some_site"))]
    pub site: Option<&'static Location<'static>>,
    /// How many events it holds back.
    pub held: u64,
    /// What else it is in the middle of, a line each: which circuits are open, and for how long.
    pub notes: Vec<Box<str>>,
}

/// A pattern and its connections.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PatternSeen {
    /// The pattern.
    pub pattern: Pattern,
    /// The payload type, if it is a topic whose type a handler fixed.
    pub payload: Option<&'static str>,
    /// How many routes that are remembered, of signals or of names, call its handlers.
    pub routes: usize,
    /// The connections in the order of their calls.
    pub connections: Vec<ConnectionSeen>,
}

/// A handler and what is known of it.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectionSeen {
    /// Its id on its bus.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_id"))]
    pub id: ConnectionId,
    /// The name it was given.
    pub name: Option<Arc<str>>,
    /// Where it was connected.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_site"))]
    pub site: &'static Location<'static>,
    /// Its priority.
    pub priority: i32,
    /// Whether it is called.
    pub state: State,
    /// One line for each condition and layer around it, and for what else it is: a receiver, a bridge.
    pub conditions: Vec<String>,
    /// How often it failed.
    pub failures: u32,
    /// What became of the events it was given, if it is the queue of a [`Subscription`](crate::Subscription).
    pub queue: Option<QueueStats>,
    /// Its calls and their time, where a [`Calls`](crate::middleware::Calls) layer counts them.
    pub calls: Option<CallCount>,
}

/// Whether a handler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum State {
    /// It is.
    Live,
    /// It is muted by itself; mutes of patterns are listed with the bus.
    Muted,
    /// It has ended, or its receiver is gone, and nobody has taken it out yet.
    Dead,
}

/// A topic that somebody holds a signal of.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SignalSeen {
    /// The topic.
    pub topic: Topic,
    /// The payload type.
    pub payload: &'static str,
}

/// The cache of emits by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CacheSeen {
    /// How many topics it can remember.
    pub capacity: usize,
    /// How many of its places were ever used.
    pub used: usize,
    /// How many hold a route now, up to date or not.
    pub routes: usize,
}

/// What a bus counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CountersSeen {
    /// The handlers that are connected.
    pub connections: usize,
    /// The handlers and layers that failed so far.
    pub failures: u64,
    /// The emits that were refused so far.
    pub refusals: u64,
    /// The changes of handlers, layers, mutes and signals so far.
    pub changes: u64,
}

impl Bus {
    /// What this bus and its children are made of at this moment.
    ///
    /// # What is not counted
    ///
    /// Emits, what the cache of names hits and misses, and calls and their time: counting would cost every emit. A
    /// [`Calls`](crate::middleware::Calls) layer counts calls while it is there, and [`Bus::metrics`] has figures of a bus that is
    /// [measured](Bus::measure); failures are always counted.
    ///
    /// # Concurrency
    ///
    /// Each bus is seen at one moment, with its handlers, layers and mutes as they were then; its children are seen after
    /// it. The writer's lock is taken to note which patterns there are, as long as it takes to look at each connection once;
    /// emits go on. What is asked of layers is asked without a lock. Whether a connection is muted, and what it counts, is
    /// read after that.
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        Inspection::of(self.core())
    }
}

impl Inspection {
    /// All connections of the bus and of those below.
    pub fn connections(&self) -> impl Iterator<Item = &ConnectionSeen> {
        self.buses().into_iter().flat_map(|bus| &bus.patterns).flat_map(|pattern| &pattern.connections)
    }

    /// This bus and those below, each before its children.
    #[must_use]
    pub fn buses(&self) -> Vec<&Self> {
        let mut buses = vec![self];
        buses.extend(self.children.iter().flat_map(Self::buses));
        buses
    }

    /// A graph in the language of Graphviz: `dot -Tsvg` draws it.
    ///
    /// Each bus is a box with its counters, mutes and cache, its layers, patterns and connections in the order of calls; muted
    /// connections are dashed, dead ones grey. Arrows between the boxes show where events go up and down.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::draw(self)
    }

    fn of(core: &Core) -> Self {
        let Moment { settings, tables, signals, watched, connections, changes } = Moment::of(core);
        let now = core.clock.elapsed();
        let layers = settings.stack.layers().iter().map(|layer| LayerSeen::of(layer, now)).collect();
        Self {
            bus: core.name.clone(),
            branch: Branch::of(core),
            layers,
            patterns: patterns(tables, &settings.stack),
            mutes: settings.mutes.clone(),
            signals: SignalSeen::sorted(&signals),
            watched,
            cache: CacheSeen::of(core),
            counters: CountersSeen {
                connections,
                failures: core.counters.failures(),
                refusals: core.counters.refused(),
                changes,
            },
            children: core.living_children().iter().map(|child| Self::of(child)).collect(),
        }
    }
}

/// What is taken under the writer's lock; it is dropped without.
struct Moment {
    settings: Arc<Settings>,
    tables: Vec<(Arc<Node>, Arc<Table>, usize)>,
    signals: Vec<(Topic, PayloadType)>,
    watched: Vec<Pattern>,
    connections: usize,
    changes: u64,
}

impl Moment {
    fn of(core: &Core) -> Self {
        let writer = core.writer.lock();
        Self {
            settings: core.settings.load_full().unwrap_or_default(),
            tables: writer.tables(),
            signals: writer.signals(&core.index_now()),
            watched: writer.posts.iter().map(|post| post.pattern().clone()).collect(),
            connections: writer.connection_count(),
            // The first version is 1.
            changes: core.stamps.version() - 1,
        }
    }
}

impl Branch {
    fn of(core: &Core) -> Option<Self> {
        let parent = core.parent.as_ref()?;
        let settings = parent.core.settings.load_full().unwrap_or_default();
        let sink = settings.sinks.iter().any(|(_, child)| child.ptr_eq(&core.me));
        Some(Self { name: parent.prefix.clone(), bubbles: parent.bubbles, sink })
    }
}

impl LayerSeen {
    /// A layer at a time on the clock of its bus.
    pub(crate) fn of(layer: &Layer, now: Duration) -> Self {
        let Standing { held, notes, .. } = layer.middleware().standing(now);
        Self {
            name: layer.name().map(Box::from),
            description: layer.middleware().describe().into(),
            site: layer.location(),
            held,
            notes,
        }
    }
}

fn patterns(mut tables: Vec<(Arc<Node>, Arc<Table>, usize)>, stack: &Stack) -> Vec<PatternSeen> {
    tables.sort_by_cached_key(|(node, ..)| node.rank());
    let pattern = |(node, table, routes): &(Arc<Node>, Arc<Table>, usize)| PatternSeen {
        pattern: node.pattern().clone(),
        payload: node.payload().map(|payload| payload.name),
        routes: *routes,
        connections: connections(table, stack),
    };
    tables.iter().map(pattern).collect()
}

fn connections(table: &Arc<Table>, stack: &Stack) -> Vec<ConnectionSeen> {
    let mut connections = Vec::with_capacity(table.len());
    for (priority, band) in table.bands() {
        band.for_each(&mut |slot| connections.push(ConnectionSeen::of(slot, priority, stack)));
    }
    connections
}

impl ConnectionSeen {
    fn of(slot: &dyn Slot, priority: i32, stack: &Stack) -> Self {
        let header = slot.header();
        let mut conditions = Vec::new();
        slot.explain(&mut conditions);
        let number = header.id().data().as_ffi();
        let mut layers = slot.layers().iter().chain(stack.layers());
        Self {
            id: header.id(),
            name: slot.name().cloned(),
            site: header.site(),
            priority,
            state: State::of(slot),
            conditions,
            failures: header.failures(),
            queue: slot.queue_stats(),
            calls: layers.find_map(|layer| layer.middleware().calls_of(number)),
        }
    }
}

impl State {
    fn of(slot: &dyn Slot) -> Self {
        if slot.is_expired() {
            Self::Dead
        } else if slot.header().is_muted() {
            Self::Muted
        } else {
            Self::Live
        }
    }

    /// Its name, in small letters.
    fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Muted => "muted",
            Self::Dead => "dead",
        }
    }
}

impl SignalSeen {
    fn sorted(signals: &[(Topic, PayloadType)]) -> Vec<Self> {
        let of_users = signals.iter().filter(|(topic, _)| !topic.is_reserved());
        let mut seen: Vec<_> =
            of_users.map(|(topic, payload)| Self { topic: topic.clone(), payload: payload.name }).collect();
        seen.sort_by(|a, b| a.topic.cmp(&b.topic));
        seen
    }
}

impl CacheSeen {
    fn of(core: &Core) -> Self {
        let (mut used, mut routes) = (0, 0);
        for cell in core.cache.used() {
            used += 1;
            routes += usize::from(cell.route.load().is_some());
        }
        Self { capacity: core.cache.capacity(), used, routes }
    }
}

#[cfg(feature = "serde")]
pub(crate) fn serialize_site<S: serde::Serializer>(
    site: &&'static Location<'static>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(site)
}

#[cfg(feature = "serde")]
fn serialize_some_site<S: serde::Serializer>(
    site: &Option<&'static Location<'static>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match site {
        Some(site) => serialize_site(site, serializer),
        None => serializer.serialize_none(),
    }
}

/// The number that advice is told.
#[cfg(feature = "serde")]
fn serialize_id<S: serde::Serializer>(id: &ConnectionId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(id.data().as_ffi())
}
