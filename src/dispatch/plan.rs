//! Finding the route of a topic: the one that is there, mended or built anew.
//!
//! All of this is off the fast way. An emit never waits here: it takes the writer's lock only if nobody has it, and does without
//! otherwise. No user code runs under the lock, so layers are asked for their wishes before it is taken.

use std::sync::{Arc, Weak};

use sigtree_middleware::{Stack, Topic};

use super::books::{Bin, Writer};
use super::cell::Cell;
use super::core::{Core, Settings};
use super::index::{Nodes, hash, is_reserved};
use super::node::Node;
use super::route::{Parts, Plan, Route, Sink, Up};
use super::stamps::Scope;
use crate::error::Error;
use crate::lifecycle::Life;
use crate::metering::Meter;
use crate::payload::PayloadType;
use crate::sys;

/// A topic and payload type that a route is wanted for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'t> {
    topic: &'t str,
    /// The topic's name, if the emit has it.
    name: Option<&'t Topic>,
    hash: u64,
    payload: PayloadType,
    scope: Scope,
}

/// A route, or nothing if nobody listens and nothing else is to be done.
pub(crate) type Found = Result<Option<Arc<Route>>, Error>;

/// What is around the handlers of a topic: everything of a route that is not a part.
struct Surroundings {
    topic: Topic,
    settings: u64,
    layers: Stack,
    muted: bool,
    sinks: Box<[Sink]>,
    up: Option<Up>,
    /// Whether a layer keeps payloads, or anything else that an event may meet on its way.
    retains: bool,
    meter: Option<Arc<Meter>>,
    life: Life,
    /// What a route of the bus's own reports does not hold: such a one may be made while the bus waits for its end.
    token: Option<Arc<()>>,
}

/// How often a route for one emit is read anew because writers changed what it is made of, before it is taken as it is.
const COLLECTS: u32 = 64;

impl Core {
    /// The route of a topic by name: from the cache if the topic was admitted, else for this emit only.
    ///
    /// Every name that comes to the cache comes by here, so what the cache holds is well-formed and nobody's report.
    pub(crate) fn route_named(&self, topic: &str, hash: u64, payload: PayloadType) -> Found {
        Topic::check(topic, &self.limits)?;
        if is_reserved(topic) {
            return Err(Error::reserved(topic));
        }
        let wanted = Wanted { topic, name: None, hash, payload, scope: self.stamps.scope(topic) };
        match self.cache.get(hash).or_else(|| self.cache.admit(hash)) {
            Some(cell) => self.route_in(cell, &wanted),
            None => self.plan_anew(None, &wanted),
        }
    }

    /// The route of a topic whose place is known.
    pub(crate) fn route_at(&self, cell: &Arc<Cell>, topic: &Topic, payload: PayloadType) -> Found {
        let scope = self.stamps.scope(topic);
        self.route_in(cell, &Wanted { topic, name: Some(topic), hash: hash(topic), payload, scope })
    }

    /// The route in a place, if it is still right or can be mended, else a new one.
    fn route_in(&self, cell: &Arc<Cell>, wanted: &Wanted<'_>) -> Found {
        let version = self.stamps.version();
        let scoped_at = self.stamps.of(wanted.scope);
        let old = cell.route.load_full().filter(|route| route.is_for(wanted.topic, wanted.hash));
        let Some(old) = old else { return self.plan_anew(Some(cell), wanted) };
        if old.payload.id != wanted.payload.id {
            return self.plan_retyped(cell, wanted, old.payload);
        }
        if old.scoped_at() == scoped_at && old.parts.are_current() {
            old.set_checked_at(version);
            self.note_idle(cell, &old, version);
            return Ok(Some(old));
        }
        let patched = if old.parts.is_many() { self.patch(cell, &old, scoped_at) } else { None };
        patched.map_or_else(|| self.plan_anew(Some(cell), wanted), |route| Ok(Some(route)))
    }

    /// The route of a topic whose place holds one for another payload type, which stands unless somebody fixed this one.
    #[cold]
    fn plan_retyped(&self, cell: &Arc<Cell>, wanted: &Wanted<'_>, first: PayloadType) -> Found {
        let fixed = self.index_now().exact(wanted.topic, wanted.hash).and_then(|node| node.payload());
        wanted.check(fixed.unwrap_or(first))?;
        self.plan_anew(Some(cell), wanted)
    }

    /// Matches a topic and builds its route: for its place if there is one and no writer is busy, else for this emit only.
    ///
    /// Without the lock, what was read is looked at once more: every count only grows, so if none moved, all of it was current at
    /// one moment (a double collect, after Afek et al., 1993). If one moved, a writer got on, and it is read anew.
    fn plan_anew(&self, cell: Option<&Arc<Cell>>, wanted: &Wanted<'_>) -> Found {
        let mut collects = 0;
        loop {
            let scoped_at = self.stamps.of(wanted.scope);
            let nodes = self.find(wanted);
            if cell.is_none() && nodes.is_empty() && self.parent.is_none() && self.settings.load().is_none() {
                return Ok(None);
            }
            let around = self.surroundings(wanted);
            if let Some(cell) = cell
                && around.life == Life::Running
                && collects < COLLECTS
                && let Some(mut writer) = self.writer.try_lock()
            {
                // Writers are out now: what was read is right if nothing that concerns the topic changed since.
                if !self.is_unchanged(wanted, scoped_at, &nodes, around.settings) {
                    collects += 1;
                    continue;
                }
                wanted.check_against(&nodes)?;
                let mut bin = Bin::default();
                let plan = around.plan(wanted, scoped_at, &nodes);
                let route = self.publish_plan(&mut writer, cell, plan, &mut bin);
                drop(writer);
                self.empty(bin);
                return Ok(Some(route));
            }
            wanted.check_against(&nodes)?;
            let plan = around.plan(wanted, scoped_at, &nodes);
            collects += 1;
            let one_version = self.is_unchanged(wanted, scoped_at, &nodes, plan.settings) && plan.parts.are_current();
            if one_version || collects >= COLLECTS {
                return Ok(Some(Arc::new(Route::build(plan))));
            }
        }
    }

    /// Puts a new route in its place, under the lock.
    fn publish_plan(&self, writer: &mut Writer, cell: &Arc<Cell>, plan: Plan, bin: &mut Bin) -> Arc<Route> {
        let version = self.stamps.version();
        let route = Arc::new(Route::build(Plan { checked_at: version, youngest: writer.youngest(), ..plan }));
        writer.put(cell, Some(&route), bin);
        self.note_idle(cell, &route, version);
        route
    }

    /// Brings a route of many parts up to date without matching the topic anew.
    fn patch(&self, cell: &Arc<Cell>, old: &Arc<Route>, scoped_at: u64) -> Option<Arc<Route>> {
        let newer: Vec<Arc<Node>> = {
            let index = self.index_now();
            let newer = index.newer_than(old.youngest)?;
            newer.filter(|node| node.pattern().matches(&old.topic)).cloned().collect()
        };
        let mut bin = Bin::default();
        let route = {
            let mut writer = self.writer.try_lock()?;
            let in_place = cell.route.load().as_ref().is_some_and(|route| Arc::ptr_eq(route, old));
            if !in_place || self.stamps.of(old.scope) != scoped_at || old.settings != self.settings_version() {
                return None;
            }
            let mut parts = old.parts.refreshed();
            for node in &newer {
                parts = parts.with_newest(node)?;
            }
            let route = old.with_parts(parts, scoped_at, self.stamps.version(), writer.youngest());
            let route = Arc::new(route);
            writer.put_patched(cell, route.clone(), &newer, &mut bin);
            route
        };
        self.empty(bin);
        Some(route)
    }

    /// Whether nothing that concerns a topic has changed since it was read.
    fn is_unchanged(&self, wanted: &Wanted<'_>, scoped_at: u64, nodes: &Nodes, settings: u64) -> bool {
        let index = self.index_now();
        let now = index.exact(wanted.topic, wanted.hash);
        self.stamps.of(wanted.scope) == scoped_at
            && self.settings_version() == settings
            && now.map(Arc::as_ptr) == exact(nodes).map(Arc::as_ptr)
    }

    /// The patterns that match a topic.
    fn find(&self, wanted: &Wanted<'_>) -> Nodes {
        self.index_now().find(wanted.topic, wanted.hash)
    }

    fn settings_version(&self) -> u64 {
        self.settings.load().as_ref().map_or(0, |settings| settings.version)
    }

    /// What is around the handlers of a topic; asks the layers, so no lock may be held.
    fn surroundings(&self, wanted: &Wanted<'_>) -> Surroundings {
        let topic = wanted.name.cloned().unwrap_or_else(|| Topic::from_trusted(wanted.topic.into()));
        let settings = self.settings.load_full();
        let Some(settings) = settings.filter(|_| !is_reserved(&topic)) else {
            let up = if is_reserved(&topic) { None } else { self.up(&topic) };
            let settings = self.settings_version();
            let (layers, sinks) = Default::default();
            // Mutes of everything concern the bus's own reports too.
            let muted = is_reserved(&topic) && self.is_muted(&topic);
            let (life, meter, retains) = (Life::Running, None, false);
            let token = if is_reserved(&topic) { None } else { self.token() };
            return Surroundings { topic, settings, layers, muted, sinks, up, retains, meter, life, token };
        };
        let layers = settings.stack.for_topic(&topic);
        #[cfg(feature = "testing")]
        let layers = match &self.lens {
            None => layers,
            Some(lens) => lens(self, &layers),
        };
        let sinks = sinks(&settings, &topic);
        // A child may have handlers of its own.
        let retains = !sinks.is_empty() || layers.layers().iter().any(|layer| layer.may_retain(true));
        let muted = settings.mutes.iter().any(|pattern| pattern.matches(&topic));
        let up = self.up(&topic);
        let meter = settings.meter.clone();
        let (life, token) = (settings.life, self.token());
        Surroundings { topic, settings: settings.version, layers, muted, sinks, up, retains, meter, life, token }
    }

    fn token(&self) -> Option<Arc<()>> {
        Some(self.backstage.route_token())
    }

    /// What an emit may go on with: not a route of a bus that is closing. It is looked at before, too, so that one who emits again and
    /// again makes no routes, which such a bus would wait for.
    pub(crate) fn admit(&self, topic: &str, find: impl FnOnce() -> Found) -> Found {
        if self.life() > Life::Running && !is_reserved(topic) {
            return Err(Error::shutting_down(&self.name));
        }
        match find() {
            Ok(Some(route)) if route.life > Life::Running => Err(Error::shutting_down(&self.name)),
            found => found,
        }
    }

    fn is_muted(&self, topic: &Topic) -> bool {
        self.settings.load().as_ref().is_some_and(|settings| settings.mutes.iter().any(|mute| mute.matches(topic)))
    }

    fn up(&self, topic: &Topic) -> Option<Up> {
        let parent = self.parent.as_ref().filter(|parent| parent.bubbles)?;
        let topic = Topic::from_trusted(format!("{}.{topic}", parent.prefix).into());
        Some(Up { parent: parent.core.clone(), hash: hash(&topic), topic })
    }

    /// Lets emits on a topic without handlers go without a look at its route.
    fn note_idle(&self, cell: &Cell, route: &Route, version: u64) {
        if route.is_idle() && !self.wants(sys::DEAD) {
            cell.set_empty_at(version);
        }
    }
}

impl Wanted<'_> {
    /// An error if a handler or a signal fixed another payload type, given the patterns that match the topic.
    fn check_against(&self, nodes: &Nodes) -> Result<(), Error> {
        match exact(nodes).and_then(|node| node.payload()) {
            Some(fixed) => self.check(fixed),
            None => Ok(()),
        }
    }

    /// An error if the topic's payload type is another.
    fn check(&self, fixed: PayloadType) -> Result<(), Error> {
        if fixed.id == self.payload.id {
            return Ok(());
        }
        Err(Error::type_mismatch(self.topic, fixed.name, self.payload.name))
    }
}

impl Surroundings {
    /// The plan of a route with the handlers that these patterns have now.
    fn plan(self, wanted: &Wanted<'_>, scoped_at: u64, nodes: &Nodes) -> Plan {
        let parts = Parts::of(nodes);
        let (parts, row) = match &self.meter {
            None => (parts, None),
            Some(meter) => {
                (parts.measured(&self.topic, meter), (!self.layers.is_empty()).then(|| meter.topic(&self.topic)))
            }
        };
        Plan {
            topic: self.topic,
            hash: wanted.hash,
            payload: wanted.payload,
            scope: wanted.scope,
            scoped_at,
            checked_at: 0,
            settings: self.settings,
            youngest: 0,
            parts,
            layers: self.layers,
            muted: self.muted,
            sinks: self.sinks,
            up: self.up,
            retains_elsewhere: self.retains,
            row,
            life: self.life,
            token: self.token,
        }
    }
}

/// The exact pattern among those of a topic, which stands first.
fn exact(nodes: &Nodes) -> Option<&Arc<Node>> {
    nodes.first().filter(|node| node.pattern().is_exact())
}

/// The children a topic goes down to, with the names they give it.
pub(crate) fn sinks(settings: &Settings, topic: &Topic) -> Box<[Sink]> {
    let local = |(prefix, child): &(Topic, Weak<Core>)| {
        let name = topic.strip_prefix(prefix.as_str())?.strip_prefix('.').filter(|name| !is_reserved(name))?;
        Some(Sink { child: child.clone(), hash: hash(name), topic: Topic::from_trusted(name.into()) })
    };
    settings.sinks.iter().filter_map(local).collect()
}
