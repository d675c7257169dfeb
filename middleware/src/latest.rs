//! [`Latest`]: the newest event, once in an interval.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::flow::{Agenda, By, Counts, FlowStats, Key, ROOM, Time, keyed, release_all};
use crate::{Alarm, Clock, Event, Held, Mark, Middleware, Next, Topic};

/// Lets at most one event pass in an interval: the first at once, then the newest there is when the interval is over.
///
/// Reach for it where only the state of now matters and the end of it must not be missed: a position, a price, the
/// progress of something. Events that a newer one replaces are dropped, and counted.
///
/// An event that comes after a pause passes at once, and an interval begins. The newest of those that follow is held; it
/// goes on when the interval is over, and the next interval begins. If there is none, the next event passes at once.
///
/// Each topic has intervals of its own unless told otherwise. The emitter's delivery says that the event
/// [is held](https://docs.rs/sigtree/latest/sigtree/struct.Delivery.html#method.is_held), also if a newer one takes its
/// place. The bus's own reports (`$sys.**`) always pass.
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which holds nothing yet.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use std::sync::{Arc, Mutex};
/// use sigtree::{Bus, ManualClock};
/// use sigtree::middleware::Latest;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// bus.layer(Latest::new(Duration::from_secs(1)));
/// let shown = Arc::new(Mutex::new(Vec::new()));
/// let list = shown.clone();
/// let _chart = bus.connect("price", move |price: &u32| list.lock().unwrap().push(*price))?;
///
/// for price in [10, 11, 12_u32] {
///     bus.emit("price", price);
/// }
/// assert_eq!(*shown.lock().unwrap(), [10]);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(*shown.lock().unwrap(), [10, 12]);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # What is not lost
///
/// An event that is held goes on with its id, its time and its envelope, behind this layer: after the interval, when the
/// bus is flushed, when the layer leaves its stack, or when its last handle is dropped. It keeps its bus alive until
/// then. Around a connection it goes to that handler, if that is still connected.
///
/// When intervals of more than [10,000 topics or keys](Self::keys) run, the one that is next to end does so early: if an
/// event is held in it, that goes on and is counted as early; if not, the topic or key is counted as forgotten. An event
/// that cannot be kept, because its payload was only lent and cannot be cloned, goes on at once, and what was held before
/// it is dropped.
///
/// # Cost
///
/// It keeps payloads, so each goes into one `Arc`. An event takes a look at the clock, two hashes of the topic or key, and
/// a lock under which a map and a list by time are changed; one that is held takes an id, too. One alarm of the clock is
/// set at a time, and only if an event is held.
///
/// # Concurrency
///
/// What is held goes on in the clock's thread, in the one that flushes, or in the one that swaps the stack. Events of
/// different topics or keys may go on at the same time, in different threads, in any order.
///
/// # Place
///
/// What layers before it see of events that it held is on the page of [pairs](crate::pairs#events-that-are-held).
///
/// The newest event counts, whatever becomes of it behind. So it belongs behind what ends events:
///
/// ```
/// use std::time::Duration;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Filter, Latest};
///
/// static SHOWN: AtomicU32 = AtomicU32::new(0);
/// let valid = || Filter::payload(|price: &u32| *price > 0);
/// let latest = || Latest::new(Duration::from_secs(1));
/// let bus = Bus::new();
/// let _chart = bus.connect("price", |price: &u32| SHOWN.store(*price, Relaxed))?;
/// let shown = || {
///     [10, 11, 0_u32].map(|price| bus.emit("price", price));
///     bus.flush();
///     SHOWN.swap(0, Relaxed)
/// };
///
/// bus.set_stack(Stack::new().with(valid()).with(latest()));
/// assert_eq!(shown(), 11);
///
/// // The wrong way round: the newest price is none, and the one before it is gone.
/// bus.set_stack(Stack::new().with(latest()).with(valid()));
/// assert_eq!(shown(), 10);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[doc(alias = "conflate")]
#[derive(Clone)]
pub struct Latest(Arc<Inner>);

#[derive(Clone)]
struct Settings {
    interval: Duration,
    by: By,
    keys: usize,
}

struct Inner {
    settings: Settings,
    mark: Mark,
    time: Time,
    counts: Counts,
    forgotten: AtomicU64,
    /// The intervals that run, by their ends, each with the newest event in it that waits.
    running: Mutex<Agenda<Option<Held>>>,
    /// For the clock, which is not to keep it.
    me: Weak<Self>,
}

keyed!(Latest);

impl Latest {
    /// Lets at most one event pass in this interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self::of(Settings { interval, by: By::Topic, keys: ROOM })
    }

    /// Lets intervals of so many topics or keys run at most; at least one, and 10,000 unless told otherwise.
    #[must_use]
    pub fn keys(self, most: usize) -> Self {
        self.set(|settings| settings.keys = most.max(1))
    }

    /// What became of the events that came by.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        let held = self.0.running.lock().iter().filter(|(_, held)| held.is_some()).count() as u64;
        // Relaxed: it only counts.
        FlowStats { held, forgotten: self.0.forgotten.load(Ordering::Relaxed), ..self.0.counts.stats() }
    }

    fn of(settings: Settings) -> Self {
        Self(Arc::new_cyclic(|me| Inner {
            settings,
            mark: Mark::new(),
            time: Time::default(),
            counts: Counts::default(),
            forgotten: AtomicU64::new(0),
            running: Mutex::default(),
            me: me.clone(),
        }))
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.0.settings.clone();
        change(&mut settings);
        Self::of(settings)
    }
}

impl Middleware for Latest {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let inner = &*self.0;
        if event.resumes(inner.mark) {
            return next.run(event);
        }
        let Some(key) = inner.settings.by.key_of(event) else { return next.run(event) };
        let clock = &**inner.time.clock(event);
        if inner.begins_interval(key, clock.elapsed()) {
            inner.counts.pass();
            return next.run(event);
        }
        match next.hold(event, inner.mark) {
            Some(held) => inner.hold(key, held, clock),
            None => {
                inner.drop_older(key);
                inner.counts.pass_early();
                next.run(event);
            }
        }
    }

    fn retains(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.0.mark
    }

    fn flush(&self) {
        self.0.flush();
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("latest in {:?}, {}", self.0.settings.interval, self.0.settings.by).into()
    }
}

impl Inner {
    /// Whether no interval runs; then one begins now.
    fn begins_interval(&self, key: Key, now: Duration) -> bool {
        let surplus = {
            let mut running = self.running.lock();
            forget_ended(&mut running, now);
            if running.get_mut(key).is_some_and(|(end, held)| end > now || held.is_some()) {
                return false;
            }
            running.put(key, self.end(now), None);
            self.take_surplus(&mut running)
        };
        self.end_early(surplus);
        true
    }

    /// Holds an event in the place of an older one.
    fn hold(&self, key: Key, held: Held, clock: &dyn Clock) {
        let now = clock.elapsed();
        let (older, surplus, alarm) = {
            let mut running = self.running.lock();
            let older = match running.get_mut(key) {
                Some((_, place)) => place.replace(held),
                // The interval ended while the event was made ready for keeping: its time has come.
                None => running.put(key, now, Some(held)).flatten(),
            };
            let surplus = self.take_surplus(&mut running);
            (older, surplus, running.alarm_for(Option::is_some))
        };
        self.wake(clock, alarm);
        if let Some(older) = older {
            self.counts.drop();
            drop(older);
        }
        self.end_early(surplus);
    }

    fn take_surplus(&self, running: &mut Agenda<Option<Held>>) -> Option<Option<Held>> {
        if running.len() > self.settings.keys { running.take_first().map(|(_, held)| held) } else { None }
    }

    /// Ends an interval that there was no room for.
    fn end_early(&self, surplus: Option<Option<Held>>) {
        match surplus {
            Some(Some(held)) => {
                self.counts.pass_early();
                held.release();
            }
            Some(None) => drop(self.forgotten.fetch_add(1, Ordering::Relaxed)),
            None => (),
        }
    }

    fn end(&self, now: Duration) -> Duration {
        now.saturating_add(self.settings.interval)
    }

    fn drop_older(&self, key: Key) {
        let older = self.running.lock().get_mut(key).and_then(|(_, held)| held.take());
        if older.is_some() {
            self.counts.drop();
        }
    }

    fn flush(&self) {
        let all: Vec<_> = self.running.lock().take_all().flatten().collect();
        self.release(all);
    }

    fn release(&self, held: Vec<Held>) {
        held.iter().for_each(|_| self.counts.pass());
        release_all(held);
    }

    fn wake(&self, clock: &dyn Clock, alarm: Option<Duration>) {
        if let Some(at) = alarm {
            clock.wake(at, self.me.clone());
        }
    }
}

/// Forgets the intervals that ended with nothing held.
fn forget_ended(running: &mut Agenda<Option<Held>>, now: Duration) {
    while running.iter().next().is_some_and(|(end, held)| end <= now && held.is_none()) {
        running.take_first();
    }
}

impl Alarm for Inner {
    fn ring(&self) {
        let Some(clock) = self.time.known() else { return };
        let now = clock.elapsed();
        let (due, alarm) = {
            let mut running = self.running.lock();
            running.rang(now);
            let ended: Vec<_> = std::iter::from_fn(|| running.take_due(now)).collect();
            let mut due = Vec::new();
            for (key, held) in ended {
                if let Some(held) = held {
                    due.push(held);
                    running.put(key, self.end(now), None);
                }
            }
            (due, running.alarm_for(Option::is_some))
        };
        self.wake(&**clock, alarm);
        self.release(due);
    }
}

/// The last handle is gone: no stack has the layer any more.
impl Drop for Inner {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Latest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latest")
            .field("interval", &self.0.settings.interval)
            .field("by", &self.0.settings.by)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    // What it does with a bus that takes events back is in `tests/flow.rs`.

    #[test]
    fn what_cannot_be_held_goes_on_at_once() {
        let rig = Rig::new();
        let latest = Latest::new(Duration::from_secs(1));
        rig.emit(&latest, "a", 1_u32);
        rig.emit(&latest, "a", 2_u32);
        rig.emit(&latest, "$sys.dead", 3_u32);
        assert_eq!(rig.seen(), ["a 1", "a 2", "$sys.dead 3"]);
        assert_eq!((latest.stats().passed, latest.stats().early), (2, 1));
    }

    #[test]
    fn what_ended_is_forgotten() {
        let rig = Rig::new();
        let latest = Latest::new(Duration::from_secs(1));
        for n in 0..100_u32 {
            rig.emit(&latest, &format!("topic.{n}"), n);
            rig.clock.advance(Duration::from_millis(300));
        }
        assert_eq!(latest.0.running.lock().len(), 4);
        assert_eq!(latest.stats().forgotten, 0);
    }

    #[test]
    fn says_its_interval() {
        assert_eq!(Latest::new(Duration::from_secs(1)).describe(), "latest in 1s, per topic");
    }
}
