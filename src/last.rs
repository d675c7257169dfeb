//! The latest event of each topic, kept for those who come late.
//!
//! What keeps them is a handler, called before the others; late connections get the past from it in the way of `late.rs`, which
//! needs of it what a history does: every event whose emit began before the connection is either given as the past, or was
//! replaced by a later one, or comes as a straggler; no other one is.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use parking_lot::Mutex;
use sigtree_middleware::{Entry, Event, IntoPattern, Late, Pattern, Topic};

use crate::bus::Bus;
use crate::connection::Connection;
use crate::dispatch::core::Core;
use crate::dispatch::slot::{Call, Called};
use crate::error::Error;
use crate::signal::Signal;

/// How many topics are kept of a pattern unless told otherwise.
const TOPICS: usize = 1_024;

impl Bus {
    /// Keeps the latest event of each topic of a pattern while the guard lives: for connections that come late and for
    /// [`last`](Bus::last). Of more than 1,024 topics, the one is forgotten whose latest event is oldest.
    ///
    /// It is what handlers are called with: what a layer ends or a mute silences is not kept, nor what was emitted before.
    /// It does not count as [interest](Bus::on_interest).
    /// Where several patterns match a topic, the one that had it first keeps it.
    ///
    /// # Errors
    ///
    /// If the pattern is malformed.
    ///
    /// # Concurrency
    ///
    /// An event of such a topic takes a lock for a look into a table, and its payload is shared.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let _kept = bus.keep_last("status.*")?;
    /// bus.emit("status.radar", "warming up");
    /// bus.emit("status.radar", "ready");
    ///
    /// let late = bus.on("status.*").with_last().subscribe::<&str>()?;
    /// bus.emit("status.radar", "tracking");
    /// assert_eq!(late.drain().map(|status| *status).collect::<Vec<_>>(), ["ready", "tracking"]);
    /// assert_eq!(*bus.last::<&str>("status.radar").unwrap(), "tracking");
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[track_caller]
    #[doc(alias = "retain")]
    pub fn keep_last(&self, pattern: impl IntoPattern) -> Result<LastKept, Error> {
        self.keep(pattern.into_pattern(&self.core().limits)?, TOPICS, Location::caller())
    }

    /// The same for so many topics, at least one.
    ///
    /// # Errors
    ///
    /// As [`keep_last`](Bus::keep_last).
    #[track_caller]
    pub fn keep_last_of(&self, pattern: impl IntoPattern, topics: usize) -> Result<LastKept, Error> {
        self.keep(pattern.into_pattern(&self.core().limits)?, topics, Location::caller())
    }

    /// The payload of a topic's latest event, if that is [kept](Bus::keep_last), and is a `T`.
    #[must_use]
    pub fn last<T: Any + Send + Sync>(&self, topic: impl AsRef<str>) -> Option<Arc<T>> {
        self.core().backstage.last.entry(topic.as_ref())?.share()
    }

    fn keep(&self, pattern: Pattern, topics: usize, site: &'static Location<'static>) -> Result<LastKept, Error> {
        let keeper = self.core().backstage.last.add_keeper(topics.max(1));
        let call = Keep { core: Arc::downgrade(self.core()), keeper };
        // Before the others: what they emit in answer comes later than what they answer to.
        let connection = self.on(pattern).priority(i32::MAX).connect_call(call, None, site)?;
        Ok(LastKept { core: Arc::downgrade(self.core()), keeper, connection: Some(connection) })
    }
}

impl<T: Any + Send + Sync> Signal<T> {
    /// The payload of the latest event, if that is [kept](Bus::keep_last).
    #[must_use]
    pub fn last(&self) -> Option<Arc<T>> {
        self.bus().last(self.topic())
    }
}

/// Keeps the latest events of a pattern's topics while it lives: from [`Bus::keep_last`]. Dropped, it forgets them.
#[must_use = "nothing is kept when this is dropped"]
pub struct LastKept {
    core: Weak<Core>,
    keeper: u64,
    connection: Option<Connection>,
}

impl LastKept {
    /// How many topics it has.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.core.upgrade().map_or(0, |core| core.backstage.last.topics(self.keeper))
    }

    /// How many topics it forgot for others.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.core.upgrade().map_or(0, |core| core.backstage.last.forgotten(self.keeper))
    }

    /// Keeps them as long as the bus lives.
    pub fn detach(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.detach();
        }
        self.core = Weak::new();
    }
}

impl Drop for LastKept {
    fn drop(&mut self) {
        drop(self.connection.take());
        if let Some(core) = self.core.upgrade() {
            core.backstage.last.forget(self.keeper);
        }
    }
}

impl fmt::Debug for LastKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastKept").field("topics", &self.topics()).finish_non_exhaustive()
    }
}

/// The handler that keeps.
struct Keep {
    core: Weak<Core>,
    keeper: u64,
}

impl Call for Keep {
    const RETAINS: bool = true;
    const LISTENS: bool = false;

    fn call(&self, event: &Event<'_>) -> Called {
        if let Some(core) = self.core.upgrade()
            && !event.topic().is_reserved()
            && let Some(payload) = event.share_erased()
        {
            let stamp = event.emission().stamp();
            let entry = Entry::new(0, event.topic().clone(), payload, event.id(), stamp);
            let kept =
                Kept { version: event.emission().at().version, entry: entry.with_envelope(event.share_envelope()) };
            core.backstage.last.record(self.keeper, kept);
        }
        // It is nobody's handler: an event that only it has met nobody.
        Called::OtherType
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push("keeps the last".into());
    }
}

/// An event, and the version that its emit began at.
#[derive(Clone)]
struct Kept {
    version: u64,
    entry: Entry,
}

/// What is kept on a bus.
#[derive(Default)]
pub(crate) struct LastValues(Mutex<Values>);

#[derive(Default)]
struct Values {
    keepers: HashMap<u64, Keeper, foldhash::fast::RandomState>,
    /// By keeper and the time of recording, the oldest of each keeper first.
    kept: BTreeMap<(u64, u64), Kept>,
    topics: HashMap<Topic, (u64, u64), foldhash::fast::RandomState>,
    /// How many keepers there were, and how many events were recorded.
    keepers_so_far: u64,
    recorded: u64,
    /// Connections that may still have stragglers.
    late: Vec<Arc<dyn Late>>,
    /// The first version that all of them see by themselves.
    settled: u64,
}

/// What has to be seen to without the lock.
#[derive(Default)]
struct Fallout {
    gone: Vec<Kept>,
    /// Whom the event is a straggler for.
    followers: Vec<Arc<dyn Late>>,
}

struct Keeper {
    most: usize,
    topics: usize,
    forgotten: u64,
}

impl LastValues {
    fn add_keeper(&self, most: usize) -> u64 {
        let mut values = self.0.lock();
        values.keepers_so_far += 1;
        let keeper = values.keepers_so_far;
        values.keepers.insert(keeper, Keeper { most, topics: 0, forgotten: 0 });
        keeper
    }

    fn entry(&self, topic: &str) -> Option<Entry> {
        let values = self.0.lock();
        let place = values.topics.get(topic)?;
        Some(values.kept.get(place)?.entry.clone())
    }

    fn topics(&self, keeper: u64) -> usize {
        self.0.lock().keepers.get(&keeper).map_or(0, |keeper| keeper.topics)
    }

    fn forgotten(&self, keeper: u64) -> u64 {
        self.0.lock().keepers.get(&keeper).map_or(0, |keeper| keeper.forgotten)
    }

    /// Keeps an event, and hands it to late connections that it concerns; without the lock.
    fn record(&self, keeper: u64, kept: Kept) {
        let entry = kept.entry.clone();
        let fallout = self.0.lock().record(keeper, kept);
        drop(fallout.gone);
        for late in fallout.followers {
            late.straggler(&entry);
        }
    }

    /// Forgets what a keeper has.
    fn forget(&self, keeper: u64) {
        let gone = {
            let mut values = self.0.lock();
            values.keepers.remove(&keeper);
            let mut rest = values.kept.split_off(&(keeper, 0));
            let mut others = rest.split_off(&(keeper + 1, 0));
            values.kept.append(&mut others);
            for kept in rest.values() {
                values.topics.remove(kept.entry.topic());
            }
            rest
        };
        drop(gone);
    }

    /// Hands a late connection what is kept for it, and from then on its stragglers.
    pub(crate) fn follow(&self, late: Arc<dyn Late>) {
        let mut values = self.0.lock();
        let done: Vec<_> = values.late.extract_if(.., |late| late.is_done()).collect();
        let before = late.before().version;
        let wanted = |(place, kept): (&(u64, u64), &Kept)| {
            let wanted = kept.version < before && late.wants(kept.entry.topic());
            wanted.then(|| (place.1, kept.entry.clone()))
        };
        let mut past: Vec<_> = values.kept.iter().filter_map(wanted).collect();
        past.sort_unstable_by_key(|(recorded, _)| *recorded);
        late.catch_up(past.into_iter().map(|(_, entry)| entry).collect());
        values.settled = values.settled.max(before);
        values.late.push(late);
        drop(values);
        drop(done);
    }
}

impl Values {
    /// Keeps an event, unless another keeper has the topic, or this one is gone.
    fn record(&mut self, keeper: u64, kept: Kept) -> Fallout {
        let topic = kept.entry.topic().clone();
        let known = self.topics.get(&topic).copied();
        let Some(book) = self.keepers.get_mut(&keeper) else {
            return Fallout { gone: vec![kept], ..Fallout::default() };
        };
        if known.is_some_and(|(owner, _)| owner != keeper) {
            return Fallout { gone: vec![kept], ..Fallout::default() };
        }
        self.recorded += 1;
        let mut gone: Vec<_> = known.and_then(|place| self.kept.remove(&place)).into_iter().collect();
        if known.is_none() && book.topics < book.most {
            book.topics += 1;
        } else if known.is_none() {
            book.forgotten += 1;
            let oldest = self.kept.range((keeper, 0)..=(keeper, u64::MAX)).next().map(|(place, _)| *place);
            let oldest = oldest.and_then(|place| self.kept.remove(&place));
            if let Some(oldest) = oldest {
                self.topics.remove(oldest.entry.topic());
                gone.push(oldest);
            }
        }
        let place = (keeper, self.recorded);
        let followers = self.followers_of(&kept, &topic);
        self.topics.insert(topic, place);
        self.kept.insert(place, kept);
        Fallout { gone, followers }
    }

    /// The late connections that an event is a straggler for.
    fn followers_of(&self, kept: &Kept, topic: &Topic) -> Vec<Arc<dyn Late>> {
        if kept.version >= self.settled {
            return Vec::new();
        }
        let concerned = self.late.iter().filter(|late| kept.version < late.before().version && late.wants(topic));
        concerned.cloned().collect()
    }
}
