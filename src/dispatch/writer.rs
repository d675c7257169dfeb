//! The one way to change a bus: under the writer's lock, and never with user code running under it.
//!
//! Whatever a change takes out (tables, routes, handlers) goes into a [`Bin`] that is dropped after the lock is given
//! back, because dropping it may run a destructor of the user's.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Arc, Weak};

use sigtree_middleware::{Kind, Pattern, Stack, Topic};
use smallvec::SmallVec;

use super::books::{Bin, Book, Record, Writer};
use super::cell::Cell;
use super::core::{Core, Settings};
use super::index::{Change, Index, hash};
use super::node::Node;
use super::slot::{Entry, Header, Slot};
use super::table::Table;
use crate::connection::ConnectionId;
use crate::error::Error;
use crate::lifecycle::Life;
use crate::payload::PayloadType;
use crate::policy::Policy;
use crate::sync::{MutexGuard, Ordering, yield_now};
use crate::sys::{self, Report};

/// What a new connection is made of, besides its slot.
pub(crate) struct ConnectionSpec {
    pub(crate) pattern: Pattern,
    pub(crate) priority: i32,
    pub(crate) payload: Option<fn() -> PayloadType>,
    /// A name that no other connection may have.
    pub(crate) unique: Option<Arc<str>>,
    pub(crate) site: &'static Location<'static>,
}

/// How often a writer looks whether readers have left the spare index before it copies it.
const PATIENCE: u32 = 1_000;

const MEMBERS: usize = 16;
type Members = SmallVec<[Arc<Node>; MEMBERS]>;

/// A connection that was made.
pub(crate) struct Joined {
    pub(crate) id: ConnectionId,
    /// The version as of which emits see it.
    pub(crate) since: u64,
    pub(crate) slot: Weak<dyn Slot>,
}

impl Core {
    /// Connects a handler, whose slot `make` makes under the lock.
    pub(crate) fn connect(&self, new: ConnectionSpec, make: impl FnOnce(Header) -> Entry) -> Result<Joined, Error> {
        // It holds the handler: if it is refused, it is dropped after the lock is given back.
        let mut make = Some(make);
        let mut make = |header| make.take().expect("a slot is made once")(header);
        let mut bin = Bin::default();
        let pattern = new.pattern.clone();
        let site = new.site;
        let joined = self.connect_locked(&mut self.writer.lock(), new, &mut make, &mut bin);
        self.empty(bin);
        let joined = joined?;
        let (id, slot) = (joined.id, joined.slot.clone());
        tracing::debug!(target: "sigtree::dispatch", bus = %self.name, %pattern, ?id, "connected at {site}");
        self.report(sys::CONNECTED, || {
            let name = slot.upgrade().and_then(|slot| slot.name().cloned());
            sys::Connected { bus: self.name.clone(), id, name, pattern, site }
        });
        Ok(joined)
    }

    /// Disconnects; `false` if it was disconnected already.
    pub(crate) fn disconnect(&self, id: ConnectionId) -> bool {
        let mut bin = Bin::default();
        let cut = self.cut(&mut self.writer.lock(), id, &mut bin);
        self.empty(bin);
        cut
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

    /// The slots of all connections.
    pub(crate) fn slots(&self) -> Vec<Entry> {
        let writer = self.writer.lock();
        writer.connections.keys().filter_map(|id| writer.entry(id)).collect()
    }

    /// How many handlers are connected.
    pub(crate) fn connection_count(&self) -> usize {
        self.writer.lock().connections.len()
    }

    /// The place of a topic that has a signal, made with the first one.
    pub(crate) fn signal_cell(&self, topic: &Topic, payload: fn() -> PayloadType) -> Result<Arc<Cell>, Error> {
        let mut bin = Bin::default();
        let cell = self.signal_cell_locked(&mut self.writer.lock(), topic, payload, &mut bin);
        self.empty(bin);
        cell
    }

    fn signal_cell_locked(
        &self,
        writer: &mut Writer,
        topic: &Topic,
        payload: fn() -> PayloadType,
        bin: &mut Bin,
    ) -> Result<Arc<Cell>, Error> {
        let known = self.index_now().exact(topic, hash(topic)).cloned();
        let fixed = known.as_ref().and_then(|node| node.payload());
        if let Some(fixed) = fixed.filter(|fixed| fixed.id != payload().id) {
            return Err(Error::type_mismatch(topic, fixed.name, payload().name));
        }
        if let Some(cell) = writer.signals.get(topic).and_then(Weak::upgrade) {
            cell.add_handle();
            return Ok(cell);
        }
        // The pattern is known while the signal lives, because it holds the topic's type, which every emit looks at.
        known.unwrap_or_else(|| self.create(writer, &topic.clone().into())).fix_payload(payload);
        let cell = Arc::new(Cell::new());
        cell.add_handle();
        writer.signals.insert(topic.clone(), Arc::downgrade(&cell));
        // A route emitted by name may have taken another type, which was nobody's.
        self.cache.near(hash(topic)).for_each(|cell| writer.clear(cell, bin));
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
        self.cache.near(hash(topic)).for_each(|cell| writer.clear(cell, bin));
        writer.forget_place(cell, bin);
        if writer.signals.get(topic).is_none_or(|known| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(cell))) {
            return;
        }
        writer.signals.remove(topic);
        let node = self.index_now().exact(topic, hash(topic)).cloned();
        if let Some(node) = node {
            self.let_go(writer, &node);
        }
    }

    /// Changes the settings and tells every route; `change` runs under the lock, so it must not call user code.
    pub(crate) fn change_settings<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        let mut bin = Bin::default();
        let result = self.change_settings_locked(&mut self.writer.lock(), change, &mut bin);
        self.empty(bin);
        result
    }

    fn change_settings_locked<R>(
        &self,
        _writer: &mut Writer,
        change: impl FnOnce(&mut Settings) -> R,
        bin: &mut Bin,
    ) -> R {
        let mut settings = self.settings.load_full().map(|settings| (*settings).clone()).unwrap_or_default();
        settings.version += 1;
        let before = settings.retaining();
        let result = change(&mut settings);
        self.retainers.fetch_add(settings.retaining().wrapping_sub(before), Ordering::AcqRel);
        bin.settings = self.settings.swap(Some(Arc::new(settings)));
        self.stamps.touch_all();
        self.stamps.changed();
        result
    }

    /// Takes a step towards the end, and every remembered route out of its place: from now on each emit asks for one, and is
    /// refused. It does not go back.
    pub(crate) fn close(&self, life: Life) {
        let mut bin = Bin::default();
        {
            let mut writer = self.writer.lock();
            let close = |settings: &mut Settings| settings.life = settings.life.max(life);
            self.change_settings_locked(&mut writer, close, &mut bin);
            writer.clear_all(&mut bin);
        }
        self.empty(bin);
    }

    /// The stack, and the version of the settings it belongs to.
    pub(crate) fn stack_now(&self) -> (u64, Stack) {
        let settings = self.settings.load();
        settings.as_ref().map(|settings| (settings.version, settings.stack.clone())).unwrap_or_default()
    }

    /// Swaps the stack, if the settings still have the version that is expected, and hands back the old one. That one is taken out
    /// of every route, so that its layers are the caller's alone once running emits end.
    pub(crate) fn swap_stack(&self, stack: Stack, expected: Option<u64>) -> Option<Stack> {
        let retaining = stack.retaining();
        let new = stack.clone();
        let mut bin = Bin::default();
        let old = {
            let mut writer = self.writer.lock();
            if expected.is_some_and(|expected| expected != self.stack_now().0) {
                // What was made for nothing is dropped after the lock is given back.
                drop(writer);
                return None;
            }
            let swap = |settings: &mut Settings| {
                settings.retaining_layers = retaining;
                std::mem::replace(&mut settings.stack, stack)
            };
            let old = self.change_settings_locked(&mut writer, swap, &mut bin);
            if !old.is_empty() {
                writer.clear_layered(&mut bin);
            }
            old
        };
        self.empty(bin);
        // Whoever keeps the old stack or a layer of it, what was held on its way here goes on now.
        old.flush_unless_in(&new);
        Some(old)
    }

    /// Forgets children that are gone, unless a writer is busy; then a later emit that meets one does it.
    #[cold]
    pub(super) fn try_forget_sinks(&self) {
        let mut bin = Bin::default();
        if let Some(mut writer) = self.writer.try_lock() {
            let forget = |settings: &mut Settings| settings.sinks.retain(|(_, child)| child.strong_count() > 0);
            self.change_settings_locked(&mut writer, forget, &mut bin);
        }
        self.empty(bin);
    }

    fn connect_locked(
        &self,
        writer: &mut MutexGuard<'_, Writer>,
        new: ConnectionSpec,
        make: &mut dyn FnMut(Header) -> Entry,
        bin: &mut Bin,
    ) -> Result<Joined, Error> {
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
        self.check_payload(&new.pattern, new.payload)?;
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
        let age = writer.next_age();
        let id = writer.connections.insert(Record { node: node.clone(), age });
        let entry = make(Header::new(id, age, new.site));
        let slot = Arc::downgrade(&entry);
        let (retains, listens) = (entry.retains(), entry.listens());
        let detaches = matches!(entry.policy().unwrap_or(self.policy), Policy::DetachAfter(_));
        if entry.ends_itself() || detaches {
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
        self.add_interest(writer, &new.pattern, bin);
        if listens {
            writer.count_in(&new.pattern, bin);
        }
        self.stamps.changed();
        Ok(Joined { id, since: self.stamps.version(), slot })
    }

    /// An error if a handler of this type would never be called on a topic that its pattern spells.
    fn check_payload(&self, pattern: &Pattern, payload: Option<fn() -> PayloadType>) -> Result<(), Error> {
        let Some(payload) = payload else { return Ok(()) };
        match pattern.kind() {
            Kind::Exact(topic) => self.check_payload_on(topic, payload()),
            Kind::List(members) => members.iter().try_for_each(|member| match member.as_topic() {
                Some(topic) => self.check_payload_on(topic, payload()),
                None => Ok(()),
            }),
            Kind::Wildcard(_) | Kind::Regex(_) => Ok(()),
        }
    }

    fn check_payload_on(&self, topic: &Topic, payload: PayloadType) -> Result<(), Error> {
        let of_node = || self.index_now().exact(topic, hash(topic)).and_then(|node| node.payload());
        match Report::payload_on(topic).or_else(of_node) {
            Some(fixed) if fixed.id != payload.id => Err(Error::type_mismatch(topic, fixed.name, payload.name)),
            _ => Ok(()),
        }
    }

    /// Notes that a pattern sees reports, which then are made.
    fn add_interest(&self, writer: &mut Writer, pattern: &Pattern, bin: &mut Bin) {
        let interest = writer.add_listener(pattern);
        for report in Report::ALL.iter().filter(|report| interest & report.bit() != 0) {
            let topic = Topic::from_trusted(report.topic().into());
            let place = &self.reports[report.place()];
            if place.get().is_none()
                && let Ok(cell) = self.signal_cell_locked(writer, &topic, report.payload, bin)
            {
                let _ = place.set((topic, cell));
            }
        }
        self.interest.fetch_or(interest, Ordering::AcqRel);
    }

    /// A known pattern, which becomes as young as its first handler if it was known as a member of lists only. An exact one
    /// is alone of its kind in a route, so its age says nothing.
    fn renewed(&self, writer: &mut Writer, node: Arc<Node>) -> Arc<Node> {
        if writer.nodes[node.key()].handlers == 0 && !node.pattern().is_exact() {
            node.renew(writer.next_age());
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
        let age = writer.next_age();
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

    /// Forgets a pattern, and members of a list that nobody needs then.
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
            writer.nodes[member.key()].lists -= 1;
            self.let_go(writer, &member);
        }
    }

    /// Gives up the type of a topic that has neither handlers nor a signal, and forgets the pattern unless a list needs it.
    fn let_go(&self, writer: &mut Writer, node: &Arc<Node>) {
        let Book { handlers, lists, .. } = writer.nodes[node.key()];
        let has_signal = || node.pattern().as_topic().is_some_and(|topic| writer.signals.contains_key(topic));
        if handlers > 0 || has_signal() {
            return;
        }
        node.free_payload();
        if lists == 0 {
            self.forget(writer, node);
        }
    }

    /// Tells routes that a pattern has handlers now: those of the topic for an exact one, else those of the scope.
    fn announce(&self, writer: &mut Writer, node: &Node, bin: &mut Bin) {
        self.stamps.touch(node.pattern());
        if let Some(topic) = node.pattern().as_topic() {
            let signal = writer.signals.get(topic).and_then(Weak::upgrade);
            for cell in signal.iter().chain(self.cache.near(hash(topic))) {
                writer.clear(cell, bin);
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
        let interest = writer.drop_listener(node.pattern());
        self.interest.fetch_and(!interest, Ordering::AcqRel);
        if entry.listens() {
            writer.count_out(node.pattern(), bin);
        }
        let before = self.stamps.version();
        bin.tables.extend(node.publish(old.without(age).map(Arc::new)));
        self.take_from_routes(writer, &node, &old, before, bin);
        writer.nodes[node.key()].handlers -= 1;
        self.let_go(writer, &node);
        bin.disconnected.push(sys::Disconnected {
            bus: self.name.clone(),
            id,
            name: entry.name().cloned(),
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
        for key in writer.nodes[node.key()].take_places() {
            let Some(cell) = writer.cells.get(key).and_then(Weak::upgrade) else { continue };
            let route = cell.route.load_full();
            let patched = route.as_ref().and_then(|route| {
                let parts = route.parts.refreshed_for(node, Some(old))?;
                // If it was right until now, it is right after this change.
                let checked_at = if route.is_checked_at(before) { before + 1 } else { 0 };
                Some(route.with_parts(parts, route.scoped_at(), checked_at, route.youngest))
            });
            match patched {
                Some(patched) => {
                    let left = node.table().is_some().then_some(node);
                    writer.put_patched(&cell, Arc::new(patched), left, bin);
                }
                None => writer.clear(&cell, bin),
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
        let next = writer.spare.take();
        writer.spare = self.index.swap(next);
    }

    /// The spare copy for changing. Readers of cold topics hold it for a microsecond; one that was suspended meanwhile is not
    /// waited for longer than a copy would take.
    fn own_spare<'w>(&self, writer: &'w mut Writer) -> &'w mut Index {
        let spare = writer.spare.get_or_insert_default();
        for _ in 0..PATIENCE {
            if Arc::get_mut(spare).is_some() {
                break;
            }
            yield_now();
        }
        Arc::make_mut(spare)
    }

    /// Drops what was taken out, reports disconnects, and tells who watches; without the lock.
    pub(super) fn empty(&self, mut bin: Bin) {
        let disconnected = std::mem::take(&mut bin.disconnected);
        let watches = std::mem::take(&mut bin.watches);
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            bin.entries.iter().filter(|entry| entry.header().is_dead()).for_each(|entry| entry.ended());
            drop(bin);
        }));
        for report in disconnected {
            tracing::debug!(target: "sigtree::dispatch", bus = %self.name, pattern = %report.pattern, id = ?report.id, "disconnected");
            self.report(sys::DISCONNECTED, || report);
        }
        for watch in watches {
            watch.tell();
        }
        if let Err(panic) = dropped {
            resume_unwind(panic);
        }
    }
}
