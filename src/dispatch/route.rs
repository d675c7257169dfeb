//! A route: the handler tables that match a topic, compiled for one bus.

use std::cmp::Reverse;
use std::sync::{Arc, Weak};

use sigtree_middleware::{Event, Stack, Topic};
use smallvec::SmallVec;

use super::core::Core;
use super::failure::Flow;
use super::measured::Measured;
use super::node::Node;
use super::round::{Loud, Quiet};
use super::slot::{Entry, Slot};
use super::stamps::Scope;
use super::table::{Table, run_each};
use crate::lifecycle::Life;
use crate::metering::{Meter, TopicRow};
use crate::payload::PayloadType;
use crate::sync::{AtomicU64, Ordering};

/// What an emit on a topic runs. Immutable but for the counts that say how long it has been right.
pub(crate) struct Route {
    pub(crate) topic: Topic,
    pub(crate) hash: u64,
    /// The type the topic's payloads have.
    pub(crate) payload: PayloadType,
    pub(crate) scope: Scope,
    /// The count of wildcard patterns in the scope when they were matched.
    scoped_at: AtomicU64,
    /// The version at which the route was last known to be right.
    checked_at: AtomicU64,
    /// The settings (stack, mutes, sinks) it was built with.
    pub(crate) settings: u64,
    /// The age of the youngest pattern when it was built.
    pub(crate) youngest: u64,
    pub(crate) parts: Parts,
    pub(crate) layers: Stack,
    pub(crate) muted: bool,
    /// Whether anything in it keeps payloads.
    pub(crate) retains: bool,
    retains_elsewhere: bool,
    /// How far the bus was on its way to its end; the bus's own reports do not ask.
    pub(crate) life: Life,
    /// That it lives, for a bus that waits for its emits to end.
    token: Option<Arc<()>>,
    pub(crate) sinks: Box<[Sink]>,
    pub(crate) up: Option<Up>,
    /// Nothing but parts: no layers, mutes, sinks or parent.
    plain: bool,
    /// Plain, with handlers that are all quiet, so that an emit needs no event.
    quiet: bool,
    /// Nothing on this bus but quiet handlers, or none; what is above has to be looked at.
    quiet_here: bool,
    /// The handler, if it is the only one, quiet, and keeps nothing: most routes are so.
    only_quiet: Option<Entry>,
    /// The same if it keeps payloads: a queue.
    only_keeping: Option<Entry>,
    /// Where is counted what layers end, if the bus is measured.
    pub(super) row: Option<Arc<TopicRow>>,
}

/// The handlers of one pattern and priority.
#[derive(Clone)]
pub(crate) struct Part {
    node: Arc<Node>,
    version: u64,
    table: Arc<Table>,
    priority: i32,
}

/// The parts in the order of their calls; many of them in chunks, so that a change copies one chunk.
#[derive(Clone)]
pub(crate) enum Parts {
    Few(SmallVec<[Part; 2]>),
    Many(Box<[Arc<Chunk>]>),
    /// Those of a bus that is measured.
    Measured(Box<Measured>),
}

/// Up to 32 parts in order.
pub(crate) struct Chunk {
    parts: Box<[Part]>,
    /// Whether a handler among them keeps payloads.
    retains: bool,
    /// Whether all of them are quiet.
    quiet: bool,
}

/// The way up: the parent and the name it gives the topic.
#[derive(Clone)]
pub(crate) struct Up {
    pub(crate) parent: Arc<Core>,
    pub(crate) topic: Topic,
    pub(crate) hash: u64,
}

/// A way down to a child made with `sink`.
#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) child: Weak<Core>,
    pub(crate) topic: Topic,
    pub(crate) hash: u64,
}

/// What is put into a route when it is built.
pub(crate) struct Plan {
    pub(crate) topic: Topic,
    pub(crate) hash: u64,
    pub(crate) payload: PayloadType,
    pub(crate) scope: Scope,
    pub(crate) scoped_at: u64,
    pub(crate) checked_at: u64,
    pub(crate) settings: u64,
    pub(crate) youngest: u64,
    pub(crate) parts: Parts,
    pub(crate) layers: Stack,
    pub(crate) muted: bool,
    pub(crate) sinks: Box<[Sink]>,
    pub(crate) up: Option<Up>,
    /// Whether anything else keeps payloads: a layer, or what an event that is redirected or sinks may meet.
    pub(crate) retains_elsewhere: bool,
    /// Where is counted what layers end, if the bus is measured.
    pub(crate) row: Option<Arc<TopicRow>>,
    pub(crate) life: Life,
    pub(crate) token: Option<Arc<()>>,
}

impl Route {
    pub(crate) fn build(plan: Plan) -> Self {
        let Plan { topic, hash, payload, scope, scoped_at, checked_at, settings, youngest, .. } = plan;
        let bare = plan.layers.is_empty() && !plan.muted && plan.sinks.is_empty();
        let plain = bare && plan.up.is_none();
        let retains = plan.retains_elsewhere || plan.parts.retain();
        let only = plan.parts.only().filter(|entry| plain && entry.is_quiet());
        let (only_keeping, only_quiet) = match only {
            Some(entry) if entry.retains() => (Some(entry), None),
            only => (None, only),
        };
        let quiet_here = bare && plan.parts.are_quiet();
        let quiet = quiet_here && plain && !plan.parts.is_empty();
        Self {
            topic,
            hash,
            payload,
            scope,
            scoped_at: AtomicU64::new(scoped_at),
            checked_at: AtomicU64::new(checked_at),
            settings,
            youngest,
            parts: plan.parts,
            layers: plan.layers,
            muted: plan.muted,
            retains,
            retains_elsewhere: plan.retains_elsewhere,
            life: plan.life,
            token: plan.token,
            sinks: plan.sinks,
            up: plan.up,
            plain,
            quiet,
            quiet_here,
            only_quiet,
            only_keeping,
            row: plan.row,
        }
    }

    /// The same route with other parts, known to be right at `checked_at` (0: to be checked).
    pub(crate) fn with_parts(&self, parts: Parts, scoped_at: u64, checked_at: u64, youngest: u64) -> Self {
        Self::build(Plan {
            topic: self.topic.clone(),
            hash: self.hash,
            payload: self.payload,
            scope: self.scope,
            scoped_at,
            checked_at,
            settings: self.settings,
            youngest,
            parts,
            layers: self.layers.clone(),
            muted: self.muted,
            sinks: self.sinks.clone(),
            up: self.up.clone(),
            retains_elsewhere: self.retains_elsewhere,
            row: self.row.clone(),
            life: self.life,
            token: self.token.clone(),
        })
    }

    /// Whether the route is known to be right at this version: one load.
    #[inline]
    pub(crate) fn is_checked_at(&self, version: u64) -> bool {
        self.checked_at.load(Ordering::Relaxed) == version
    }

    /// Notes that it is right at a version, which was read before what was looked at.
    pub(crate) fn set_checked_at(&self, version: u64) {
        self.checked_at.store(version, Ordering::Relaxed);
    }

    pub(crate) fn scoped_at(&self) -> u64 {
        self.scoped_at.load(Ordering::Relaxed)
    }

    /// Whether it is for this topic.
    #[inline]
    pub(crate) fn is_for(&self, topic: &str, hash: u64) -> bool {
        self.hash == hash && self.topic.as_str() == topic
    }

    /// Whether there are ways on to other buses.
    #[inline]
    pub(super) fn goes_on(&self) -> bool {
        self.up.is_some() || !self.sinks.is_empty()
    }

    /// Nothing but parts: no layers, mutes, sinks or parent.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Plain, with handlers that are all quiet.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Nothing on this bus but quiet handlers, or none.
    #[inline]
    pub(crate) fn is_quiet_here(&self) -> bool {
        self.quiet_here
    }

    /// The handler, if it is the only one, quiet, and keeps nothing.
    #[inline]
    pub(crate) fn only_quiet(&self) -> Option<&dyn Slot> {
        self.only_quiet.as_deref()
    }

    /// The handler, if it is the only one, quiet, and keeps payloads.
    #[inline]
    pub(crate) fn only_keeping(&self) -> Option<&dyn Slot> {
        self.only_keeping.as_deref()
    }

    /// Whether an emit would meet nobody at all.
    pub(crate) fn is_idle(&self) -> bool {
        self.plain && self.parts.is_empty()
    }

    /// Whether an emit would meet nobody on this bus.
    pub(crate) fn is_idle_here(&self) -> bool {
        self.parts.is_empty() && self.layers.is_empty() && self.sinks.is_empty()
    }
}

impl Part {
    fn order(&self) -> (Reverse<i32>, bool, u64) {
        order(self.priority, &self.node)
    }

    #[inline]
    fn is_current(&self) -> bool {
        self.node.version() == self.version
    }

    #[inline]
    fn run(&self, core: &Core, event: &Event<'_>) -> Flow {
        self.table.run(&Loud { core, pattern: self.node.pattern(), event })
    }

    #[inline]
    fn run_quiet<'r>(&'r self, round: &Quiet<'r, '_>) -> Flow {
        round.pattern.set(Some(self.node.pattern()));
        self.table.run_quiet(round)
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn priority(&self) -> i32 {
        self.priority
    }
}

/// Priority, high first; then exact before wildcard; then patterns by creation.
fn order(priority: i32, node: &Node) -> (Reverse<i32>, bool, u64) {
    let (wildcard, age) = node.rank();
    (Reverse(priority), wildcard, age)
}

const CHUNK: usize = 32;
/// More parts than this stand in chunks.
const FEW: usize = 2 * CHUNK;

impl Parts {
    /// The parts of these patterns, with the handlers they have now.
    pub(crate) fn of(nodes: &[Arc<Node>]) -> Self {
        let mut parts = SmallVec::new();
        for node in nodes {
            parts.extend(parts_of(node));
        }
        Self::ordered(parts)
    }

    fn ordered(mut parts: SmallVec<[Part; 2]>) -> Self {
        if !parts.is_sorted_by_key(Part::order) {
            parts.sort_by_cached_key(Part::order);
        }
        if parts.len() <= FEW { Self::Few(parts) } else { Self::Many(parts.chunks(CHUNK).map(Chunk::of).collect()) }
    }

    /// The same, each event counted and some timed.
    pub(crate) fn measured(self, topic: &Topic, meter: &Arc<Meter>) -> Self {
        if self.is_empty() {
            return self;
        }
        let nodes = nodes_of(self.iter());
        let stream = meter.stream(topic, nodes.iter().map(|node| node.pattern()));
        Self::Measured(Box::new(Measured::new(self, meter.clone(), stream)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(crate) fn is_many(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Part> {
        let (few, many): (&[Part], &[Arc<Chunk>]) = match self.plain() {
            Self::Few(parts) => (parts, &[]),
            Self::Many(chunks) => (&[], chunks),
            Self::Measured(_) => unreachable!("measured once"),
        };
        few.iter().chain(many.iter().flat_map(|chunk| chunk.parts.iter()))
    }

    /// Without what is measured.
    #[inline]
    fn plain(&self) -> &Self {
        match self {
            Self::Measured(measured) => &measured.parts,
            plain => plain,
        }
    }

    /// Whether no pattern's handlers changed.
    #[inline]
    pub(crate) fn are_current(&self) -> bool {
        match self {
            Self::Few(parts) => parts.iter().all(Part::is_current),
            Self::Many(chunks) => chunks.iter().all(|chunk| chunk.parts.iter().all(Part::is_current)),
            Self::Measured(measured) => measured.parts.are_current(),
        }
    }

    /// Whether a handler keeps payloads.
    fn retain(&self) -> bool {
        match self {
            Self::Few(parts) => parts.iter().any(|part| part.table.retains()),
            Self::Many(chunks) => chunks.iter().any(|chunk| chunk.retains),
            Self::Measured(measured) => measured.parts.retain(),
        }
    }

    /// How many handlers there are.
    pub(crate) fn handlers(&self) -> usize {
        self.iter().map(|part| part.table.len()).sum()
    }

    /// Calls the handlers in order.
    #[inline]
    pub(crate) fn run(&self, core: &Core, event: &Event<'_>) {
        match self {
            Self::Few(parts) => {
                run_each(parts, |part| part.run(core, event));
            }
            Self::Many(chunks) => {
                for chunk in chunks {
                    if run_each(&chunk.parts, |part| part.run(core, event)) == Flow::End {
                        return;
                    }
                }
            }
            Self::Measured(measured) if measured.counts() => measured.run_timed(core, event),
            Self::Measured(measured) => measured.parts.run(core, event),
        }
    }

    /// Calls handlers that are all quiet in order; no quiet handler can end the round, but a failure can.
    #[inline]
    pub(crate) fn run_quiet<'r>(&'r self, round: &Quiet<'r, '_>) {
        let run = |parts: &'r [Part]| run_each(parts, |part| part.run_quiet(round));
        match self {
            Self::Few(parts) => {
                run(parts);
            }
            Self::Many(chunks) => {
                for chunk in chunks {
                    if run(&chunk.parts) == Flow::End {
                        return;
                    }
                }
            }
            Self::Measured(measured) if measured.counts() => measured.run_quiet_timed(round),
            Self::Measured(measured) => measured.parts.run_quiet(round),
        }
    }

    /// The handler, if there is one alone.
    pub(super) fn only(&self) -> Option<Entry> {
        if let Self::Measured(measured) = self {
            return measured.only();
        }
        let mut parts = self.iter();
        match (parts.next().map(Part::table), parts.next()) {
            (Some(Table::One(entry)), None) => Some(entry.clone()),
            _ => None,
        }
    }

    /// Whether all handlers are quiet.
    fn are_quiet(&self) -> bool {
        match self {
            Self::Few(parts) => parts.iter().all(|part| part.table.is_quiet()),
            Self::Many(chunks) => chunks.iter().all(|chunk| chunk.quiet),
            Self::Measured(measured) => measured.parts.are_quiet(),
        }
    }

    /// The parts with the handlers their patterns have now; only chunks that changed are copied.
    pub(crate) fn refreshed(&self) -> Self {
        match self {
            Self::Few(parts) => Self::of(&nodes_of(parts)),
            Self::Many(chunks) => {
                let mut fresh = Vec::with_capacity(chunks.len());
                for chunk in chunks {
                    match refresh(chunk) {
                        Refresh::Same => fresh.push(chunk.clone()),
                        Refresh::Changed(chunk) => fresh.extend((!chunk.parts.is_empty()).then_some(chunk)),
                        Refresh::Moved => return Self::of(&nodes_of(self.iter())),
                    }
                }
                Self::packed(fresh)
            }
            Self::Measured(measured) => measured.parts.refreshed(),
        }
    }

    /// The same for one pattern that changed; `None` if that is no cheaper than building anew.
    pub(crate) fn refreshed_for(&self, node: &Node, old: Option<&Arc<Table>>) -> Option<Self> {
        let Self::Many(chunks) = self else { return None };
        let mut fresh = chunks.to_vec();
        for (priority, _) in old?.bands() {
            let key = order(priority, node);
            let at = fresh.partition_point(|chunk| chunk.parts[0].order() <= key).checked_sub(1)?;
            match refresh(&fresh[at]) {
                Refresh::Same => {}
                Refresh::Changed(chunk) if chunk.parts.is_empty() => drop(fresh.remove(at)),
                Refresh::Changed(chunk) => fresh[at] = chunk,
                Refresh::Moved => return None,
            }
        }
        Some(Self::packed(fresh))
    }

    /// The parts and those of a new pattern, which stands behind them; `None` if it does not.
    pub(crate) fn with_newest(&self, node: &Arc<Node>) -> Option<Self> {
        let Self::Many(chunks) = self else { return None };
        let mut chunks = chunks.to_vec();
        for part in parts_of(node) {
            let last = chunks.last_mut()?;
            if part.order() <= last.parts.last()?.order() {
                return None;
            }
            if last.parts.len() < CHUNK {
                let parts: Vec<_> = last.parts.iter().cloned().chain([part]).collect();
                *last = Chunk::of(&parts);
            } else {
                chunks.push(Chunk::of(&[part]));
            }
        }
        Some(Self::Many(chunks.into()))
    }

    /// Repacks chunks that have become too small, and goes back to a few parts when there are few.
    fn packed(chunks: Vec<Arc<Chunk>>) -> Self {
        let parts: usize = chunks.iter().map(|chunk| chunk.parts.len()).sum();
        if parts > FEW && chunks.len() <= 2 * parts.div_ceil(CHUNK) + 4 {
            return Self::Many(chunks.into());
        }
        Self::ordered(chunks.iter().flat_map(|chunk| chunk.parts.iter().cloned()).collect())
    }
}

impl Chunk {
    fn of(parts: &[Part]) -> Arc<Self> {
        Arc::new(Self {
            parts: parts.into(),
            retains: parts.iter().any(|part| part.table.retains()),
            quiet: parts.iter().all(|part| part.table.is_quiet()),
        })
    }
}

enum Refresh {
    /// Nothing changed.
    Same,
    /// The handlers of some patterns changed.
    Changed(Arc<Chunk>),
    /// A pattern has handlers of other priorities than before, so parts move.
    Moved,
}

fn refresh(chunk: &Chunk) -> Refresh {
    if chunk.parts.iter().all(Part::is_current) {
        return Refresh::Same;
    }
    let mut fresh = Vec::with_capacity(chunk.parts.len());
    for part in &chunk.parts {
        if part.is_current() {
            fresh.push(part.clone());
            continue;
        }
        let now = parts_of(&part.node);
        match &now[..] {
            [] => {}
            [only] if only.priority == part.priority => fresh.push(only.clone()),
            _ => return Refresh::Moved,
        }
    }
    Refresh::Changed(Chunk::of(&fresh))
}

/// One part for each priority of a pattern's handlers.
fn parts_of(node: &Arc<Node>) -> SmallVec<[Part; 2]> {
    // The version first: if the table changes in between, the part is taken for outdated, which is safe.
    let version = node.version();
    let Some(table) = node.table() else { return SmallVec::new() };
    let part =
        |(priority, table): (i32, &Arc<Table>)| Part { node: node.clone(), version, table: table.clone(), priority };
    table.bands().map(part).collect()
}

/// The patterns of parts, each once.
fn nodes_of<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Vec<Arc<Node>> {
    let mut nodes: Vec<_> = parts.into_iter().map(|part| part.node.clone()).collect();
    nodes.sort_by_cached_key(|node| node.rank());
    nodes.dedup_by(|a, b| Arc::ptr_eq(a, b));
    nodes
}
