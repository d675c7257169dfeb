//! [`Deduplicate`]: lets an event pass once.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{By, FlowStats, Key, Memory, ROOM, Sift, Sifter};
use crate::{Clock, Event, Middleware, Next, Topic};

/// Lets the first of equal events pass, and ends those that follow within a time with the reason `duplicate`.
///
/// Reach for it where a sender tries again, or an event comes by two ways; [`within`](Self::within) makes one. Unless told otherwise, events are equal that
/// have the same [id](Event::id): one event, come again by a bridge or a replay. Say with [`by_key`](Self::by_key) or
/// [`by_payload`](Self::by_payload) what else makes two events equal; the topic is not part of a key unless you put it
/// there.
///
/// The time begins with the event that passed and is not prolonged by its duplicates. It is that of the bus's clock. The
/// bus's own reports (`$sys.**`) always pass.
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which starts anew.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, ManualClock};
/// use sigtree::middleware::Deduplicate;
///
/// struct Order { id: u64 }
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let once = Deduplicate::within(Duration::from_secs(60)).by_payload(|order: &Order| order.id);
/// bus.layer(once.clone());
/// let _orders = bus.connect("orders.new", |_: &Order| {})?;
///
/// assert_eq!(bus.emit("orders.new", Order { id: 7 }).called(), 1);
/// assert_eq!(bus.emit("orders.new", Order { id: 7 }).filtered(), Some("duplicate"));
/// assert_eq!(once.stats().dropped, 1);
///
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(bus.emit("orders.new", Order { id: 7 }).called(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// One call of your closure, two hashes of the key, a look at the clock, and a short lock on one shard of a cache. A key
/// takes about 100 bytes at most, however long it is: what is remembered is 128 bits of hash. The cache has room for
/// [10,000 keys](Self::room). When more come within the time, those that came first are forgotten, and counted: a
/// duplicate of theirs passes.
///
/// # Place
///
/// An event counts as seen when it comes by, whatever becomes of it behind. So it belongs behind what ends events, or
/// what was refused once is refused for good:
///
/// ```
/// use std::time::Duration;
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use sigtree::{Bus, Event, Stack};
/// use sigtree::middleware::{Deduplicate, Filter};
///
/// static OPEN: AtomicBool = AtomicBool::new(false);
/// let open = || Filter::new(|_: &Event| OPEN.load(Relaxed)).reason("closed");
/// let once = || Deduplicate::within(Duration::from_secs(60)).by_payload(|order: &u64| *order);
/// let bus = Bus::new();
/// let _orders = bus.connect("orders.new", |_: &u64| {})?;
/// let tries_again = || {
///     OPEN.store(false, Relaxed);
///     bus.emit("orders.new", 7_u64);
///     OPEN.store(true, Relaxed);
///     bus.emit("orders.new", 7_u64).called()
/// };
///
/// bus.set_stack(Stack::new().with(open()).with(once()));
/// assert_eq!(tries_again(), 1);
///
/// // The wrong way round: the order that was refused is a duplicate when it comes again.
/// bus.set_stack(Stack::new().with(once()).with(open()));
/// assert_eq!(tries_again(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[doc(alias = "distinct")]
#[derive(Clone)]
pub struct Deduplicate(Arc<Sifter<Settings>>);

#[derive(Clone)]
struct Settings {
    window: Duration,
    by: By,
    room: usize,
}

impl Deduplicate {
    /// Lets an event pass once in this time.
    #[must_use]
    pub fn within(window: Duration) -> Self {
        Self(Sifter::new(Settings { window, by: By::id(), room: ROOM }))
    }

    /// Takes events with the same key for equal, whatever their topics.
    #[must_use]
    pub fn by_key<K: Hash>(self, key: impl Fn(&Event<'_>) -> K + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.by = By::key(key))
    }

    /// Takes payloads with the same key for equal, whatever their topics; events with a payload of another type pass
    /// untouched and are not counted.
    #[must_use]
    pub fn by_payload<T: Any, K: Hash>(self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.by = By::payload(key))
    }

    /// Remembers about so many keys at most; at least one, and 10,000 unless told otherwise.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        self.set(|settings| settings.room = most)
    }

    /// What became of the events that came by.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        self.0.stats()
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self(self.0.with(change))
    }
}

impl Middleware for Deduplicate {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        self.0.sift(event, next);
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("deduplicate within {:?}", self.0.settings.window).into()
    }
}

impl Sift for Settings {
    /// Until when an event is a duplicate.
    type Memory = Memory<Duration>;

    const REASON: &'static str = "duplicate";

    fn by(&self) -> &By {
        &self.by
    }

    fn memory(&self) -> Self::Memory {
        Memory::of_latest(self.room)
    }

    fn takes(&self, until: &Self::Memory, key: Key, clock: &Arc<dyn Clock>) -> bool {
        let now = clock.elapsed();
        let end = now.saturating_add(self.window);
        until.change(key, |known| match known {
            Some(known) if now < known => (None, false),
            _ => (Some(end), true),
        })
    }

    fn forgotten(until: &Self::Memory) -> u64 {
        until.forgotten()
    }
}

impl fmt::Debug for Deduplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicate")
            .field("window", &self.0.settings.window)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    const SECOND: Duration = Duration::from_secs(1);

    fn numbers() -> Deduplicate {
        Deduplicate::within(SECOND).by_payload(|n: &u32| *n)
    }

    #[test]
    fn the_first_passes_and_time_runs_from_it() {
        let rig = Rig::new();
        let once = numbers();
        for pause in [0, 400, 599, 1] {
            rig.clock.advance(Duration::from_millis(pause));
            rig.emit(&once, "a", 1_u32);
        }
        let again = rig.emit(&once, "b", 1_u32);
        assert_eq!(again.reason.as_deref(), Some("duplicate"));
        assert_eq!(rig.seen(), ["a 1", "a 1"]);
        assert_eq!((once.stats().passed, once.stats().dropped), (2, 3));
    }

    #[test]
    fn other_keys_types_and_reports_pass() {
        let rig = Rig::new();
        let once = numbers();
        for n in [1_u32, 2, 1] {
            rig.emit(&once, "a", n);
            rig.emit(&once, "a", String::from("text"));
            rig.emit(&once, "$sys.dead", 1_u32);
        }
        let all = ["a 1", "a text", "$sys.dead 1", "a 2", "a text", "$sys.dead 1", "a text", "$sys.dead 1"];
        assert_eq!(rig.seen(), all);
        assert_eq!((once.stats().passed, once.stats().dropped), (2, 1));
    }

    #[test]
    fn an_id_is_the_key_unless_told_otherwise() {
        let rig = Rig::new();
        let once = Deduplicate::within(SECOND);
        rig.emit(&(once.clone(), once.clone()), "a", 1_u32);
        rig.emit(&once, "a", 1_u32);
        assert_eq!(rig.seen(), ["a 1"], "the first event met the same layer twice");
        assert_eq!((once.stats().passed, once.stats().dropped), (2, 1));
    }

    #[test]
    fn too_many_keys_are_forgotten_and_counted() {
        let rig = Rig::new();
        let once = numbers().room(10);
        (0..100_u32).for_each(|n| drop(rig.emit(&once, "a", n)));
        assert_eq!((once.stats().passed, once.stats().forgotten), (100, 90));
        assert_eq!(rig.emit(&once, "a", 99_u32).reason.as_deref(), Some("duplicate"));
        assert_eq!(rig.emit(&once, "a", 50_u32).reason, None);
    }

    #[test]
    fn of_equal_events_at_the_same_time_one_passes() {
        let once = numbers();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000_u32).for_each(|n| drop(Rig::new().emit(&once, "a", n))));
            }
        });
        assert_eq!((once.stats().passed, once.stats().dropped), (1_000, 3_000));
    }

    #[test]
    fn says_its_time() {
        assert_eq!(numbers().describe(), "deduplicate within 1s");
    }
}
