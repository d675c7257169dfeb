//! [`Latest`]: the newest event, once in an interval.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Agenda, By, Counts, FlowStats, Hold, Holder, Key, Line, Put, ROOM, holds, keyed};
use crate::panics::Panics;
use crate::{Event, Held, Middleware, Next};

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
/// which starts anew.
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
/// then. Around a connection it goes to that handler, if that is still connected and not muted.
///
/// When intervals of more than [10,000 topics or keys](Self::room) run, the one that is next to end does so early: if an
/// event is held in it, that goes on and is counted as early; if not, the topic or key is counted as forgotten. An event
/// that cannot be kept, because its payload was only lent and cannot be cloned, goes on at once, and what was held before
/// it is dropped.
///
/// # Cost
///
/// It keeps payloads, so each goes into one `Arc`. An event takes a look at the clock, two hashes of the topic or key, and
/// a lock, twice, under which a map and a list by time are changed; one that is held takes an id, too. One alarm of the
/// clock is set at a time, and only if an event is held.
///
/// # Concurrency
///
/// What is held goes on in the clock's thread, in the one that flushes, or in the one that swaps the stack. Events of
/// different topics or keys may go on at the same time, in different threads, in any order.
/// The clock's thread is [one for all](crate::Clock::wake): a handler that takes long there delays what other pieces hold.
///
/// Those of one topic or key go on one after the other, so the newest is the last that handlers see. An event that comes
/// while another is on its way is held; if it is due before that is through, the thread of that one takes it along, and a
/// flush from another thread, or from inside a handler, returns before. It takes the place of an older one that is due, but
/// waits until others are through. Only an event that cannot be kept waits for nothing.
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
pub struct Latest(Arc<Holder<Settings>>);

#[derive(Clone)]
struct Settings {
    interval: Duration,
    by: By,
    room: usize,
}

#[derive(Default)]
struct State {
    /// The intervals that run, by their ends.
    intervals: Agenda<()>,
    /// The newest event of each; it is due when its interval ends.
    line: Line<Held>,
    forgotten: u64,
}

keyed!(Latest);

impl Latest {
    /// Lets at most one event pass in this interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self(Holder::new(Settings { interval, by: By::Topic, room: ROOM }))
    }

    /// Lets intervals of so many topics or keys run at most; at least one, and 10,000 unless told otherwise.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        self.set(|settings| settings.room = most.max(1))
    }

    /// What became of the events that came by.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        FlowStats { forgotten: self.0.lock().forgotten, ..self.0.counts.stats() }
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self(self.0.with(change))
    }
}

impl Middleware for Latest {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let holder = &*self.0;
        let Some(key) = holder.key_of(event) else { return next.run(event) };
        let clock = holder.clock(event, &next);
        let mut panics = Panics::default();
        if holder.begins_interval(key, clock.elapsed(), &mut panics) {
            return holder.pass(key, panics, || next.run(event));
        }
        match next.hold(event, holder.mark) {
            Some(held) => holder.hold(key, held, clock),
            None => holder.pass_early(key, || next.run(event)),
        }
    }

    holds!();

    fn describe(&self) -> Cow<'static, str> {
        format!("latest in {:?}, {}", self.0.settings.interval, self.0.settings.by).into()
    }
}

impl Holder<Settings> {
    /// Whether no interval runs, and nothing is held or on its way; then one begins now, and the event is on its way.
    ///
    /// If another interval ends early for it, what was held in that goes on first.
    fn begins_interval(&self, key: Key, now: Duration, panics: &mut Panics) -> bool {
        let is_ready = {
            let mut state = self.lock();
            state.forget_ended(now);
            if state.line.has(key) || state.intervals.get_mut(key).is_some_and(|(end, ())| end > now) {
                return false;
            }
            state.intervals.put(key, self.settings.end(now), ());
            state.line.leave(key);
            self.settings.ends_early(&mut state, &self.counts)
        };
        if is_ready {
            panics.catch(|| self.let_go());
        }
        true
    }

    /// Lets an event go on at once, and after it what was due meanwhile.
    fn pass(&self, key: Key, mut panics: Panics, go_on: impl FnOnce()) {
        self.counts.pass();
        panics.catch(go_on);
        if self.lock().line.arrive(key) {
            panics.catch(|| self.let_go());
        }
        panics.resume();
    }

    /// Lets an event go on at once that cannot be held, in the place of an older one.
    fn pass_early(&self, key: Key, go_on: impl FnOnce()) {
        let mut panics = Panics::default();
        let older = self.lock().line.take(key);
        self.drop_older(older, &mut panics);
        self.counts.pass_early();
        panics.catch(go_on);
        panics.resume();
    }
}

impl Settings {
    fn end(&self, now: Duration) -> Duration {
        now.saturating_add(self.interval)
    }

    /// Ends the interval that is next to end if there are too many; whether an event is ready therefore.
    fn ends_early(&self, state: &mut State, counts: &Counts) -> bool {
        if state.intervals.len() <= self.room {
            return false;
        }
        let Some((key, ())) = state.intervals.take_first() else { return false };
        let Some(held) = state.line.waiting.take(key) else {
            state.forgotten += 1;
            return false;
        };
        counts.hurry(1);
        state.line.make_ready(key, held);
        true
    }
}

impl State {
    /// Puts an event in the place of an older one, also of one that is due already.
    fn replace(&mut self, key: Key, held: Held, now: Duration) -> Option<Held> {
        if let Some(due) = self.line.due_mut(key) {
            return Some(std::mem::replace(due, held));
        }
        if let Some((_, waiting)) = self.line.waiting.get_mut(key) {
            return Some(std::mem::replace(waiting, held));
        }
        // Without an interval it goes on after the event that is on its way; or the interval ended while it was made
        // ready for keeping, and its time has come.
        let end = self.intervals.get_mut(key).map(|(end, ())| end);
        if end.is_none() {
            self.intervals.put(key, now, ());
        }
        self.line.waiting.put(key, end.unwrap_or(now), held)
    }

    /// Forgets the intervals that ended with nothing held.
    fn forget_ended(&mut self, now: Duration) {
        while let Some((end, key)) = self.intervals.first()
            && end <= now
            && !self.line.waiting.has(key)
        {
            self.intervals.take_first();
        }
    }
}

impl Hold for Settings {
    type State = State;
    type Waiting = Held;
    type Ready = (Key, Held);

    fn by(&self) -> &By {
        &self.by
    }

    fn put(&self, state: &mut State, key: Key, held: Held, now: Duration, counts: &Counts) -> Put {
        Put { replaced: state.replace(key, held, now), is_ready: self.ends_early(state, counts) }
    }

    fn waiting(state: &mut State) -> &mut Agenda<Held> {
        &mut state.line.waiting
    }

    /// The next interval begins.
    fn make_ready(&self, state: &mut State, key: Key, held: Held, now: Duration) {
        state.intervals.put(key, self.end(now), ());
        state.line.make_ready(key, held);
    }

    fn flush(state: &mut State) {
        state.intervals = Agenda::default();
        state.line.make_all_ready();
    }

    fn next_ready(state: &mut State) -> Option<Self::Ready> {
        state.line.next_ready()
    }

    fn let_go_of(&self, (_, held): &Self::Ready, counts: &Counts, panics: &mut Panics) {
        panics.catch(|| counts.release(held));
    }

    fn arrive(state: &mut State, (key, _): &Self::Ready) {
        state.line.arrive(*key);
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
        assert_eq!(latest.0.lock().intervals.len(), 4);
        assert_eq!(latest.stats().forgotten, 0);
    }

    #[test]
    fn says_its_interval() {
        assert_eq!(Latest::new(Duration::from_secs(1)).describe(), "latest in 1s, per topic");
    }
}
