//! The one way to change a bus: under the writer's lock, and never with user code running under it.
//!
//! Whatever a change takes out (tables, routes, handlers) goes into a [`Bin`] that is dropped after the lock is given
//! back, because dropping it may run a destructor of the user's.

use std::collections::{HashSet, VecDeque};
use std::panic::Location;
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use sigtree_middleware::{Kind, Pattern, Topic};
use slotmap::SlotMap;
use smallvec::SmallVec;

use super::cell::{Cell, CellKey};
use super::core::{Core, Settings};
use super::gate::Gate;
use super::index::{Change, Index, hash};
use super::node::{Node, NodeKey};
use super::route::Route;
use super::slot::{Entry, Header};
use super::table::Table;
use crate::connection::ConnectionId;
use crate::error::Error;
use crate::payload::PayloadType;
use crate::sync::{MutexGuard, Ordering, yield_now};
use crate::sys::{self, Report};

/// What only writers look at.
#[derive(Default)]
pub(crate) struct Writer {
    connections: SlotMap<ConnectionId, Record>,
    nodes: SlotMap<NodeKey, Book>,
    /// Lists and regular expressions by text; the index finds the others.
    by_text: HashMap<Pattern, Arc<Node>, RandomState>,
    cells: SlotMap<CellKey, Weak<Cell>>,
    signals: HashMap<Topic, SignalBook, RandomState>,
    /// Names of connections that are to be unique.
    names: HashMap<Arc<str>, ConnectionId, RandomState>,
    /// Connections that may end by themselves, looked after two at a time.
    self_ending: VecDeque<ConnectionId>,
    /// The copy of the index that is not published, and the changes it lacks.
    spare: Arc<Index>,
    pending: SmallVec<[Change; 2]>,
    next_age: u64,
}

/// What the writer knows of a connection.
struct Record {
    node: Arc<Node>,
    age: u64,
}

/// What the writer knows of a pattern.
#[derive(Default)]
struct Book {
    handlers: u32,
    /// The lists it is a member of.
    lists: u32,
    /// The places of routes that may hold it; most patterns of a large bus are in none.
    routes: Option<Box<Places>>,
}

/// A set of places of routes, small as a rule.
#[derive(Default)]
struct Places {
    few: SmallVec<[CellKey; 2]>,
    many: Option<HashSet<CellKey, RandomState>>,
}

/// What the writer knows of a topic that has a `Signal`.
struct SignalBook {
    cell: Weak<Cell>,
    payload: PayloadType,
}

/// What a change took out, dropped after the lock is given back.
#[derive(Default)]
pub(crate) struct Bin {
    tables: SmallVec<[Arc<Table>; 2]>,
    routes: SmallVec<[Arc<Route>; 4]>,
    entries: SmallVec<[Entry; 2]>,
    settings: Option<Arc<Settings>>,
    disconnected: SmallVec<[sys::Disconnected; 1]>,
}

/// What a new connection is made of, besides its slot.
pub(crate) struct ConnectionSpec {
    pub(crate) pattern: Pattern,
    pub(crate) priority: i32,
    pub(crate) payload: Option<fn() -> PayloadType>,
    /// A name that no other connection may have.
    pub(crate) unique: Option<Arc<str>>,
    pub(crate) site: &'static Location<'static>,
}

const MEMBERS: usize = 16;
type Members = SmallVec<[Arc<Node>; MEMBERS]>;

impl Core {
    /// Connects a handler, whose slot `make` makes under the lock; the version as of which emits see it.
    pub(crate) fn connect(
        &self,
        new: ConnectionSpec,
        make: impl FnOnce(Header) -> Entry,
    ) -> Result<(ConnectionId, u64), Error> {
        // It holds the handler: if it is refused, it is dropped after the lock is given back.
        let mut make = Some(make);
        let mut bin = Bin::default();
        let pattern = new.pattern.clone();
        let site = new.site;
        let connected = self.connect_locked(&mut self.writer.lock(), new, &mut make, &mut bin);
        self.empty(bin);
        let (id, version) = connected?;
        tracing::debug!(target: "sigtree::dispatch", bus = %self.name, %pattern, ?id, "connected at {site}");
        self.report(sys::CONNECTED, || sys::Connected { bus: self.name.clone(), id, pattern, site });
        Ok((id, version))
    }

    /// Disconnects; `false` if it was disconnected already.
    pub(crate) fn disconnect(&self, id: ConnectionId) -> bool {
        let mut bin = Bin::default();
        let cut = self.cut(&mut self.writer.lock(), id, &mut bin);
        self.empty(bin);
        cut
    }

    /// Disconnects and hands out the gate that opens when no call is running any more.
    pub(crate) fn disconnect_gated(&self, id: ConnectionId) -> Option<Arc<Gate>> {
        let mut bin = Bin::default();
        let gate = {
            let mut writer = self.writer.lock();
            let gate = writer.entry(id).map(|entry| {
                let gate = entry.header().gate();
                bin.entries.push(entry);
                gate
            });
            self.cut(&mut writer, id, &mut bin);
            gate
        };
        self.empty(bin);
        gate
    }

    /// Takes out a connection that ended by itself, unless a writer is busy; then the next writer does it.
    pub(crate) fn try_reap(&self, id: ConnectionId) {
        let mut bin = Bin::default();
        if let Some(mut writer) = self.writer.try_lock() {
            self.cut(&mut writer, id, &mut bin);
        }
        self.empty(bin);
    }

    /// Takes out every connection that ended by itself; how many there were.
    pub(crate) fn prune(&self) -> usize {
        let mut bin = Bin::default();
        let mut pruned = 0;
        {
            let mut writer = self.writer.lock();
            for _ in 0..writer.self_ending.len() {
                pruned += usize::from(self.look_after_one(&mut writer, &mut bin));
            }
        }
        self.empty(bin);
        pruned
    }

    /// Looks at a connection's slot, if it is connected.
    pub(crate) fn with_entry<R>(&self, id: ConnectionId, look: impl FnOnce(&Entry) -> R) -> Option<R> {
        let entry = self.writer.lock().entry(id)?;
        Some(look(&entry))
    }

    /// How many handlers are connected.
    pub(crate) fn connection_count(&self) -> usize {
        self.writer.lock().connections.len()
    }

    /// The place of a topic that has a signal, made with the first one.
    pub(crate) fn signal_cell(&self, topic: &Topic, payload: PayloadType) -> Result<Arc<Cell>, Error> {
        let mut bin = Bin::default();
        let cell = self.signal_cell_locked(&mut self.writer.lock(), topic, payload, &mut bin);
        self.empty(bin);
        cell
    }

    fn signal_cell_locked(
        &self,
        writer: &mut Writer,
        topic: &Topic,
        payload: PayloadType,
        bin: &mut Bin,
    ) -> Result<Arc<Cell>, Error> {
        let known = writer.signals.get(topic).map(|book| book.payload);
        let fixed = known.or_else(|| self.index_now().exact(topic, hash(topic)).and_then(|node| node.payload()));
        if let Some(fixed) = fixed.filter(|fixed| fixed.id != payload.id) {
            return Err(Error::type_mismatch(topic, fixed.name, payload.name));
        }
        if let Some(cell) = writer.signals.get(topic).and_then(|book| book.cell.upgrade()) {
            cell.add_handle();
            return Ok(cell);
        }
        let cell = Arc::new(Cell::new());
        cell.add_handle();
        writer.signals.insert(topic.clone(), SignalBook { cell: Arc::downgrade(&cell), payload });
        // A route emitted by name may have taken another type, which was nobody's.
        self.cache.near(hash(topic)).for_each(|cell| clear(cell, bin));
        self.stamps.changed();
        Ok(cell)
    }

    /// Forgets the place of a topic whose last signal is about to go; `cell` is that signal's.
    pub(crate) fn release_signal(&self, topic: &Topic, cell: &Arc<Cell>) {
        let mut bin = Bin::default();
        self.release_signal_locked(&mut self.writer.lock(), topic, cell, &mut bin);
        self.empty(bin);
    }

    fn release_signal_locked(&self, writer: &mut Writer, topic: &Topic, cell: &Arc<Cell>, bin: &mut Bin) {
        // Handles are added under the lock or from a handle, so none can come now if there is none.
        if cell.has_handles() {
            return;
        }
        self.cache.near(hash(topic)).for_each(|cell| clear(cell, bin));
        if writer.signals.get(topic).is_some_and(|book| std::ptr::eq(book.cell.as_ptr(), Arc::as_ptr(cell))) {
            writer.signals.remove(topic);
        }
        if let Some(key) = cell.key.get() {
            writer.cells.remove(*key);
        }
    }

    /// Changes the settings and tells every route; `change` runs under the lock, so it must not call user code.
    pub(crate) fn change_settings<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        let mut bin = Bin::default();
        let result = {
            let _writer = self.writer.lock();
            let mut settings = self.settings.load_full().map(|settings| (*settings).clone()).unwrap_or_default();
            settings.version += 1;
            let before = settings.retaining_layers + settings.sinks.len();
            let result = change(&mut settings);
            let after = settings.retaining_layers + settings.sinks.len();
            self.retainers.fetch_add(after.wrapping_sub(before), Ordering::AcqRel);
            bin.settings = self.settings.swap(Some(Arc::new(settings)));
            self.stamps.touch_all();
            self.stamps.changed();
            result
        };
        self.empty(bin);
        result
    }

    /// The published index.
    pub(crate) fn index_now(&self) -> Arc<Index> {
        self.index.load_full().unwrap_or_default()
    }

    fn connect_locked(
        &self,
        writer: &mut MutexGuard<'_, Writer>,
        new: ConnectionSpec,
        make: &mut Option<impl FnOnce(Header) -> Entry>,
        bin: &mut Bin,
    ) -> Result<(ConnectionId, u64), Error> {
        let writer = &mut **writer;
        if let Some(name) = &new.unique
            && let Some(id) = writer.names.get(name).copied()
            && let Some(entry) = writer.entry(id)
        {
            let expired = entry.is_expired();
            bin.entries.push(entry);
            if !expired {
                return Err(Error::not_unique(name));
            }
            self.cut(writer, id, bin);
        }
        let known = writer.find(&self.index_now(), &new.pattern);
        self.check_payload(writer, known.as_ref(), &new.pattern, new.payload)?;
        self.look_after_one(writer, bin);
        self.look_after_one(writer, bin);
        // Looking after others may have taken the node with them.
        let known = known.filter(|node| writer.nodes.contains_key(node.key()));

        let node = match known {
            Some(node) => self.renewed(writer, node),
            None => self.create(writer, &new.pattern),
        };
        if let Some(payload) = new.payload.filter(|_| new.pattern.is_exact()) {
            node.fix_payload(payload);
        }
        writer.next_age += 1;
        let age = writer.next_age;
        let id = writer.connections.insert(Record { node: node.clone(), age });
        let make = make.take().expect("taken once");
        let entry = make(Header::new(id, age, new.site));
        let retains = entry.retains();
        if entry.ends_itself() {
            writer.self_ending.push_back(id);
        }
        if let Some(name) = new.unique {
            writer.names.insert(name, id);
        }
        writer.nodes[node.key()].handlers += 1;

        let old = node.table();
        let table = Table::with(old.as_deref(), new.priority, entry);
        bin.tables.extend(node.publish(Some(Arc::new(table))));
        if old.is_none() {
            // Routes do not know a pattern without handlers, so they are told as of a new one.
            self.announce(writer, &node, bin);
        }
        bin.tables.extend(old);
        if retains {
            self.retainers.fetch_add(1, Ordering::AcqRel);
        }
        let interest = Report::seen_by(&new.pattern);
        if interest & !self.interest.fetch_or(interest, Ordering::AcqRel) != 0 {
            self.stamps.touch_all();
        }
        self.stamps.changed();
        Ok((id, self.stamps.version()))
    }

    fn check_payload(
        &self,
        writer: &Writer,
        node: Option<&Arc<Node>>,
        pattern: &Pattern,
        payload: Option<fn() -> PayloadType>,
    ) -> Result<(), Error> {
        let (Some(topic), Some(payload)) = (pattern.as_topic(), payload) else { return Ok(()) };
        let fixed = Report::payload_on(topic);
        let fixed = fixed.or_else(|| node.and_then(|node| node.payload()));
        let fixed = fixed.or_else(|| writer.signals.get(topic).map(|book| book.payload));
        match fixed {
            Some(fixed) if fixed.id != payload().id => Err(Error::type_mismatch(topic, fixed.name, payload().name)),
            _ => Ok(()),
        }
    }

    /// A known pattern, which becomes as young as its first handler if it was known as a member of lists only.
    fn renewed(&self, writer: &mut Writer, node: Arc<Node>) -> Arc<Node> {
        if writer.nodes[node.key()].handlers == 0 {
            writer.next_age += 1;
            node.renew(writer.next_age);
            self.publish(writer, SmallVec::from_iter([Change::Renew(node.clone())]));
        }
        node
    }

    /// Makes a pattern known, and the members of a list before it.
    fn create(&self, writer: &mut Writer, pattern: &Pattern) -> Arc<Node> {
        let members: Members = match pattern.kind() {
            Kind::List(members) => members.iter().map(|member| self.member(writer, member)).collect(),
            _ => Members::new(),
        };
        writer.next_age += 1;
        let age = writer.next_age;
        let key = writer.nodes.insert(Book::default());
        let node = Arc::new(Node::new(key, pattern.clone(), age));
        if matches!(pattern.kind(), Kind::List(_) | Kind::Regex(_)) {
            writer.by_text.insert(pattern.clone(), node.clone());
        }
        let changes = self.index_now().additions(&node, &members);
        self.publish(writer, changes);
        node
    }

    fn member(&self, writer: &mut Writer, pattern: &Pattern) -> Arc<Node> {
        let known = writer.find(&self.index_now(), pattern);
        let node = known.unwrap_or_else(|| self.create(writer, pattern));
        writer.nodes[node.key()].lists += 1;
        node
    }

    /// Forgets a pattern that nobody needs, and members of a list that nobody needs then.
    fn forget(&self, writer: &mut Writer, node: &Arc<Node>) {
        let members: Members = match node.pattern().kind() {
            Kind::List(members) => {
                let index = self.index_now();
                members.iter().filter_map(|member| writer.find(&index, member)).collect()
            }
            _ => Members::new(),
        };
        let changes = self.index_now().removals(node, &members);
        self.publish(writer, changes);
        writer.nodes.remove(node.key());
        writer.by_text.remove(node.pattern());
        for member in members {
            let book = &mut writer.nodes[member.key()];
            book.lists -= 1;
            if book.lists == 0 && book.handlers == 0 {
                self.forget(writer, &member);
            }
        }
    }

    /// Tells routes that a pattern has handlers now: those of the topic for an exact one, else those of the scope.
    fn announce(&self, writer: &mut Writer, node: &Node, bin: &mut Bin) {
        self.stamps.touch(node.pattern());
        if let Some(topic) = node.pattern().as_topic() {
            let signal = writer.signals.get(topic).and_then(|book| book.cell.upgrade());
            for cell in signal.iter().chain(self.cache.near(hash(topic))) {
                clear(cell, bin);
            }
        }
    }

    /// Takes a connection out of its table and of every route.
    fn cut(&self, writer: &mut Writer, id: ConnectionId, bin: &mut Bin) -> bool {
        let Some(Record { node, age }) = writer.connections.remove(id) else { return false };
        let Some(old) = node.table() else { return false };
        let Some(entry) = old.get(age) else { return false };
        entry.header().kill();
        if entry.retains() {
            self.retainers.fetch_sub(1, Ordering::AcqRel);
        }
        if let Some(name) = entry.name()
            && writer.names.get(name) == Some(&id)
        {
            writer.names.remove(name);
        }
        let before = self.stamps.version();
        bin.tables.extend(node.publish(old.without(age).map(Arc::new)));
        self.take_from_routes(writer, &node, &old, before, bin);
        let book = &mut writer.nodes[node.key()];
        book.handlers -= 1;
        if book.handlers == 0 {
            node.free_payload();
            if book.lists == 0 {
                self.forget(writer, &node);
            }
        }
        bin.disconnected.push(sys::Disconnected {
            bus: self.name.clone(),
            id,
            pattern: node.pattern().clone(),
            site: entry.header().site(),
        });
        bin.entries.push(entry);
        bin.tables.push(old);
        self.stamps.changed();
        true
    }

    /// Removes what a pattern lost from the routes that hold it, so that its memory is freed: a route of many parts is
    /// patched, others are built anew with the next emit.
    fn take_from_routes(&self, writer: &mut Writer, node: &Arc<Node>, old: &Arc<Table>, before: u64, bin: &mut Bin) {
        let Some(places) = writer.nodes[node.key()].routes.take() else { return };
        for key in places.into_iter() {
            let Some(cell) = writer.cells.get(key).and_then(Weak::upgrade) else {
                writer.cells.remove(key);
                continue;
            };
            let route = cell.route.load_full();
            let patched = route.as_ref().and_then(|route| {
                let parts = route.parts.refreshed_for(node, Some(old))?;
                // If it was right until now, it is right after this change.
                let checked_at = if route.is_checked_at(before) { before + 1 } else { 0 };
                Some(route.with_parts(parts, route.scoped_at(), checked_at, route.youngest))
            });
            match patched {
                Some(patched) => {
                    bin.routes.extend(cell.route.swap(Some(Arc::new(patched))));
                    writer.nodes[node.key()].add_route(key);
                }
                None => clear(&cell, bin),
            }
            bin.routes.extend(route);
        }
    }

    /// Looks whether the next of the connections that may end by themselves has ended.
    fn look_after_one(&self, writer: &mut Writer, bin: &mut Bin) -> bool {
        let Some(id) = writer.self_ending.pop_front() else { return false };
        match writer.entry(id) {
            None => false,
            Some(entry) if entry.is_expired() => {
                bin.entries.push(entry);
                self.cut(writer, id, bin)
            }
            Some(entry) => {
                bin.entries.push(entry);
                writer.self_ending.push_back(id);
                false
            }
        }
    }

    /// Brings the spare copy of the index up to date, publishes it, and keeps the other as the spare.
    fn publish(&self, writer: &mut Writer, changes: SmallVec<[Change; 2]>) {
        let missed = std::mem::take(&mut writer.pending);
        let index = self.own_spare(writer);
        for change in missed.iter().chain(&changes) {
            index.apply(change);
        }
        writer.pending = changes;
        let next = std::mem::take(&mut writer.spare);
        writer.spare = self.index.swap(Some(next)).unwrap_or_default();
    }

    /// The spare copy for changing. Readers of cold topics hold it for a microsecond; one that was suspended meanwhile is not
    /// waited for longer than a copy would take.
    fn own_spare<'w>(&self, writer: &'w mut Writer) -> &'w mut Index {
        for _ in 0..PATIENCE {
            if Arc::get_mut(&mut writer.spare).is_some() {
                break;
            }
            yield_now();
        }
        Arc::make_mut(&mut writer.spare)
    }

    /// Publishes a route in its place and notes where it is; only if nothing changed since `scoped_at` was read.
    pub(super) fn publish_route(&self, writer: &mut Writer, cell: &Arc<Cell>, route: &Arc<Route>, bin: &mut Bin) {
        let key = *cell.key.get_or_init(|| writer.cells.insert(Arc::downgrade(cell)));
        for part in route.parts.iter() {
            if let Some(book) = writer.nodes.get_mut(part.node().key()) {
                book.add_route(key);
            }
        }
        bin.routes.extend(cell.route.swap(Some(route.clone())));
    }

    /// Publishes a route that has the same patterns as the one before, or more of them.
    pub(super) fn publish_patched(
        &self,
        writer: &mut Writer,
        cell: &Cell,
        route: &Arc<Route>,
        new: &[Arc<Node>],
        bin: &mut Bin,
    ) {
        if let Some(key) = cell.key.get() {
            for node in new {
                if let Some(book) = writer.nodes.get_mut(node.key()) {
                    book.add_route(*key);
                }
            }
        }
        bin.routes.extend(cell.route.swap(Some(route.clone())));
    }

    /// The payload type of a topic, if a signal or a handler fixed it.
    pub(super) fn fixed_payload(&self, writer: &Writer, topic: &str, exact: Option<&Arc<Node>>) -> Option<PayloadType> {
        let handler = exact.and_then(|node| node.payload());
        handler.or_else(|| writer.signals.get(topic).map(|book| book.payload))
    }

    /// Drops what was taken out, and reports disconnects; without the lock.
    pub(super) fn empty(&self, bin: Bin) {
        let disconnected = bin.disconnected.clone();
        drop(bin);
        for report in disconnected {
            tracing::debug!(target: "sigtree::dispatch", bus = %self.name, pattern = %report.pattern, id = ?report.id, "disconnected");
            self.report(sys::DISCONNECTED, || report);
        }
    }
}

/// How often a writer looks whether readers have left the spare index before it copies it.
const PATIENCE: u32 = 1_000;

impl Writer {
    /// The node of a pattern.
    fn find(&self, index: &Index, pattern: &Pattern) -> Option<Arc<Node>> {
        match pattern.kind() {
            Kind::Exact(topic) => index.exact(topic, hash(topic)).cloned(),
            Kind::Wildcard(segments) => index.wildcard(segments).cloned(),
            Kind::Regex(_) | Kind::List(_) => self.by_text.get(pattern).cloned(),
        }
    }

    fn entry(&self, id: ConnectionId) -> Option<Entry> {
        let record = self.connections.get(id)?;
        record.node.table()?.get(record.age)
    }

    /// The age of the youngest pattern or connection.
    pub(super) fn youngest(&self) -> u64 {
        self.next_age
    }
}

impl Book {
    fn add_route(&mut self, place: CellKey) {
        self.routes.get_or_insert_default().add(place);
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

    fn into_iter(self) -> impl Iterator<Item = CellKey> {
        self.few.into_iter().chain(self.many.into_iter().flatten())
    }
}

/// Empties a route's place.
fn clear(cell: &Cell, bin: &mut Bin) {
    cell.set_empty_at(0);
    bin.routes.extend(cell.route.swap(None));
}
