//! The writer's books: what only writers look at, and what a change took out.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use sigtree_middleware::{Kind, Pattern, Topic};
use slotmap::SlotMap;
use smallvec::SmallVec;

use super::cell::{Cell, CellKey};
use super::core::Settings;
use super::index::{Change, Index, hash};
use super::node::{Node, NodeKey};
use super::route::Route;
use super::slot::Entry;
use super::table::Table;
use crate::connection::ConnectionId;
use crate::interest::{Post, Watch};
use crate::payload::PayloadType;
use crate::sys::{self, Report};

/// What only writers look at.
#[derive(Default)]
pub(crate) struct Writer {
    pub(super) connections: SlotMap<ConnectionId, Record>,
    pub(super) nodes: SlotMap<NodeKey, Book>,
    /// Lists and regular expressions by text; the index finds the others.
    pub(super) by_text: HashMap<Pattern, Arc<Node>, RandomState>,
    pub(super) cells: SlotMap<CellKey, Weak<Cell>>,
    /// The places of topics that have a `Signal`.
    pub(super) signals: HashMap<Topic, Weak<Cell>, RandomState>,
    /// Names of connections that are to be unique.
    pub(super) names: HashMap<Arc<str>, ConnectionId, RandomState>,
    /// Connections that may end by themselves, looked after two at a time.
    pub(super) self_ending: VecDeque<ConnectionId>,
    /// How many patterns see each of the reports.
    listeners: [u32; Report::COUNT],
    /// The copy of the index that is not published, and the changes it lacks.
    pub(super) spare: Option<Arc<Index>>,
    pub(super) pending: SmallVec<[Change; 2]>,
    pub(super) next_age: u64,
    /// Who is told when handlers come and go.
    pub(crate) posts: Vec<Post>,
}

/// What the writer knows of a connection.
pub(super) struct Record {
    pub(super) node: Arc<Node>,
    pub(super) age: u64,
}

/// What the writer knows of a pattern.
#[derive(Default)]
pub(super) struct Book {
    pub(super) handlers: u32,
    /// The lists it is a member of.
    pub(super) lists: u32,
    /// The places of the routes that hold it; most patterns of a large bus are in none.
    routes: Option<Box<Places>>,
}

/// A set of places of routes, small as a rule.
#[derive(Default)]
struct Places {
    few: SmallVec<[CellKey; 2]>,
    many: Option<HashSet<CellKey, RandomState>>,
}

/// What a change took out, dropped after the lock is given back.
#[derive(Default)]
pub(crate) struct Bin {
    pub(super) tables: SmallVec<[Arc<Table>; 2]>,
    pub(super) routes: SmallVec<[Arc<Route>; 4]>,
    pub(super) entries: SmallVec<[Entry; 2]>,
    pub(super) settings: Option<Arc<Settings>>,
    pub(super) disconnected: SmallVec<[sys::Disconnected; 1]>,
    /// Who may have to be told that the first handler came or the last one went.
    pub(super) watches: Vec<Arc<Watch>>,
}

impl Writer {
    /// The node of a pattern.
    pub(super) fn find(&self, index: &Index, pattern: &Pattern) -> Option<Arc<Node>> {
        match pattern.kind() {
            Kind::Exact(topic) => index.exact(topic, hash(topic)).cloned(),
            Kind::Wildcard(segments) => index.wildcard(segments).cloned(),
            Kind::Regex(_) | Kind::List(_) => self.by_text.get(pattern).cloned(),
        }
    }

    pub(super) fn entry(&self, id: ConnectionId) -> Option<Entry> {
        let record = self.connections.get(id)?;
        record.node.table()?.get(record.age)
    }

    /// The age of the youngest pattern or connection.
    pub(super) fn youngest(&self) -> u64 {
        self.next_age
    }

    /// The age of the next pattern or connection.
    pub(super) fn next_age(&mut self) -> u64 {
        self.next_age += 1;
        self.next_age
    }

    /// Puts a route in its place, or none, and keeps the books of the patterns that come and go with it.
    pub(super) fn put(&mut self, cell: &Arc<Cell>, route: Option<&Arc<Route>>, bin: &mut Bin) {
        let key = *cell.key.get_or_init(|| self.cells.insert(Arc::downgrade(cell)));
        let old = cell.route.swap(route.cloned());
        for part in old.iter().flat_map(|route| route.parts.iter()) {
            self.with_book(part.node(), |book| book.strike(key));
        }
        for part in route.iter().flat_map(|route| route.parts.iter()) {
            self.with_book(part.node(), |book| book.enter(key));
        }
        bin.routes.extend(old);
    }

    /// Puts a route in the place of one with the same patterns, but for some that are new.
    pub(super) fn put_patched<'n>(
        &mut self,
        cell: &Cell,
        route: Arc<Route>,
        new: impl IntoIterator<Item = &'n Arc<Node>>,
        bin: &mut Bin,
    ) {
        if let Some(key) = cell.key.get() {
            for node in new {
                self.with_book(node, |book| book.enter(*key));
            }
        }
        bin.routes.extend(cell.route.swap(Some(route)));
    }

    /// Takes the route out of a place.
    pub(super) fn clear(&mut self, cell: &Arc<Cell>, bin: &mut Bin) {
        cell.set_empty_at(0);
        if cell.key.get().is_some() {
            self.put(cell, None, bin);
        }
    }

    /// Takes out every route that has layers.
    pub(super) fn clear_layered(&mut self, bin: &mut Bin) {
        let layered = |cell: &Arc<Cell>| cell.route.load().as_ref().is_some_and(|route| !route.layers.is_empty());
        let layered: Vec<_> = self.cells.values().filter_map(Weak::upgrade).filter(layered).collect();
        for cell in layered {
            self.clear(&cell, bin);
        }
    }

    /// Takes out every route.
    pub(super) fn clear_all(&mut self, bin: &mut Bin) {
        let cells: Vec<_> = self.cells.values().filter_map(Weak::upgrade).collect();
        for cell in cells {
            self.clear(&cell, bin);
        }
    }

    /// Forgets a place that nobody can reach any more.
    pub(super) fn forget_place(&mut self, cell: &Arc<Cell>, bin: &mut Bin) {
        self.clear(cell, bin);
        if let Some(key) = cell.key.get() {
            self.cells.remove(*key);
        }
    }

    /// Counts a pattern that sees reports; the bits of those that nobody saw before.
    pub(super) fn add_listener(&mut self, pattern: &Pattern) -> u32 {
        let fresh = |listeners: &mut u32| {
            *listeners += 1;
            *listeners == 1
        };
        self.count_listener(pattern, fresh)
    }

    /// Takes a pattern out of the count; the bits of the reports that nobody sees any more.
    pub(super) fn drop_listener(&mut self, pattern: &Pattern) -> u32 {
        let last = |listeners: &mut u32| {
            *listeners -= 1;
            *listeners == 0
        };
        self.count_listener(pattern, last)
    }

    /// Counts for each report that a pattern sees; the bits of those for which `count` says so.
    fn count_listener(&mut self, pattern: &Pattern, count: impl Fn(&mut u32) -> bool) -> u32 {
        let listeners = &mut self.listeners;
        Report::seen_by(pattern).filter(|report| count(&mut listeners[report.place()])).map(Report::bit).sum()
    }

    /// Notes a new handler of a pattern in the posts that see it.
    pub(super) fn count_in(&mut self, pattern: &Pattern, bin: &mut Bin) {
        let seeing = self.posts.iter_mut().filter(|post| post.sees(pattern));
        bin.watches.extend(seeing.filter_map(Post::count_in));
    }

    /// Notes that a handler of a pattern went.
    pub(super) fn count_out(&mut self, pattern: &Pattern, bin: &mut Bin) {
        let seeing = self.posts.iter_mut().filter(|post| post.sees(pattern));
        bin.watches.extend(seeing.filter_map(Post::count_out));
    }

    /// How many handlers listen whose patterns are of these.
    pub(crate) fn listening(&self, wanted: impl Fn(&Pattern) -> bool) -> usize {
        let wanted = self.connections.values().filter(|record| wanted(record.node.pattern()));
        let entry = |record: &Record| record.node.table()?.get(record.age);
        wanted.filter_map(entry).filter(|entry| entry.listens()).count()
    }

    /// The patterns that have handlers, with their handlers as they are, and how many remembered routes call them.
    pub(crate) fn tables(&self) -> Vec<(Arc<Node>, Arc<Table>, usize)> {
        let mut seen = HashSet::with_hasher(RandomState::default());
        let nodes = self.connections.values().map(|record| &record.node);
        let fresh = nodes.filter(|node| seen.insert(node.key()));
        fresh.filter_map(|node| Some((node.clone(), node.table()?, self.nodes[node.key()].places()))).collect()
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// The topics that have a signal, and their payload types.
    pub(crate) fn signals(&self, index: &Index) -> Vec<(Topic, PayloadType)> {
        let payload = |topic: &Topic| index.exact(topic, hash(topic)).and_then(|node| node.payload());
        self.signals.keys().filter_map(|topic| Some((topic.clone(), payload(topic)?))).collect()
    }

    fn with_book(&mut self, node: &Node, change: impl FnOnce(&mut Book)) {
        if let Some(book) = self.nodes.get_mut(node.key()) {
            change(book);
        }
    }
}

impl Book {
    /// Notes a place whose route holds the pattern.
    pub(super) fn enter(&mut self, place: CellKey) {
        self.routes.get_or_insert_default().add(place);
    }

    /// Notes that the route of a place holds the pattern no more.
    fn strike(&mut self, place: CellKey) {
        if let Some(places) = &mut self.routes
            && places.remove(place)
        {
            self.routes = None;
        }
    }

    /// How many places there are.
    fn places(&self) -> usize {
        self.routes.as_ref().map_or(0, |places| places.few.len() + places.many.as_ref().map_or(0, HashSet::len))
    }

    /// Takes out all places.
    pub(super) fn take_places(&mut self) -> impl Iterator<Item = CellKey> + use<> {
        self.routes.take().into_iter().flat_map(|places| places.into_iter())
    }
}

impl Places {
    const FEW: usize = 16;

    fn add(&mut self, key: CellKey) {
        match &mut self.many {
            Some(many) => drop(many.insert(key)),
            None if self.few.contains(&key) => {}
            None if self.few.len() < Self::FEW => self.few.push(key),
            None => self.many = Some(self.few.drain(..).chain([key]).collect()),
        }
    }

    /// Whether none are left.
    fn remove(&mut self, key: CellKey) -> bool {
        match &mut self.many {
            None => self.few.retain(|other| *other != key),
            Some(many) => {
                many.remove(&key);
                if many.len() <= Self::FEW / 2 {
                    self.few = many.drain().collect();
                    self.many = None;
                }
            }
        }
        self.few.is_empty() && self.many.is_none()
    }

    fn into_iter(self) -> impl Iterator<Item = CellKey> {
        self.few.into_iter().chain(self.many.into_iter().flatten())
    }
}
