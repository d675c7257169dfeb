//! [`Debounce`]: the last event of a burst, when it is over.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Agenda, By, Counts, FlowStats, Hold, Holder, Key, Line, Put, ROOM, holds, keyed};
use crate::panics::Panics;
use crate::{Event, Held, Middleware, Next};

/// Holds events until there was quiet for a time, and lets the last one go on; those before it are dropped, and counted.
///
/// Reach for it where only the end of a burst matters: a file that is written in pieces, a text that is typed. A burst
/// without an end holds its events for ever, unless you say [`at_latest`](Self::at_latest).
///
/// Each topic is debounced for itself unless told otherwise. The emitter's delivery says that the event
/// [is held](https://docs.rs/sigtree/latest/sigtree/struct.Delivery.html#method.is_held), also if a later one takes its
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
/// use sigtree::middleware::Debounce;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let debounce = Debounce::new(Duration::from_millis(300));
/// bus.layer(debounce.clone());
/// let searches = Arc::new(Mutex::new(Vec::new()));
/// let list = searches.clone();
/// let _search = bus.connect("search.text", move |text: &String| list.lock().unwrap().push(text.clone()))?;
///
/// for text in ["r", "ra", "rad"] {
///     assert!(bus.emit("search.text", text.to_owned()).is_held());
///     clock.advance(Duration::from_millis(100));
/// }
/// clock.advance(Duration::from_millis(200));
/// assert_eq!(*searches.lock().unwrap(), ["rad"]);
/// assert_eq!(debounce.stats().dropped, 2);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # What is not lost
///
/// An event that is held goes on with its id, its time and its envelope, behind this layer: after the quiet, when the bus
/// is flushed, when the layer leaves its stack, or when its last handle is dropped. It keeps its bus alive until then.
/// Around a connection it goes to that handler, if that is still connected and not muted.
///
/// When events of more than [10,000 topics or keys](Self::room) are held, the one whose quiet is next to end goes on
/// early, and is counted. An event that cannot be kept, because its payload was only lent and cannot be cloned, goes on at
/// once; so does not the one it follows, which is dropped.
///
/// # Cost
///
/// It keeps payloads, so each goes into one `Arc`. An event takes an id, a look at the clock, two hashes of the topic or
/// key, and a lock under which a map and a list by time are changed. One alarm of the clock is set at a time, whatever
/// the number of events.
///
/// # Concurrency
///
/// What is held goes on in the clock's thread, in the one that flushes, or in the one that swaps the stack. Events of
/// different topics or keys may go on at the same time, in different threads, in any order.
/// The clock's thread is [one for all](crate::Clock::wake): a handler that takes long there delays what other pieces hold.
///
/// Those of one topic or key go on one after the other, so the last of them is the last that handlers see. One that is due
/// while another is on its way goes on in the thread of that one; a flush from another thread, or from inside a handler,
/// returns before. An event takes the place of an older one that is due, but waits until others are through; then it goes
/// on without a quiet of its own. Only an event that cannot be kept waits for nothing.
///
/// # Place
///
/// What layers before it see of events that it held is on the page of [pairs](crate::pairs#events-that-are-held).
///
/// The last event counts, whatever becomes of it behind. So it belongs behind what ends events, or a burst may end with
/// nothing:
///
/// ```
/// use std::time::Duration;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Debounce, Filter};
///
/// static FOUND: AtomicU32 = AtomicU32::new(0);
/// let filled = || Filter::payload(|text: &&str| !text.is_empty());
/// let debounce = || Debounce::new(Duration::from_millis(300));
/// let bus = Bus::new();
/// let _search = bus.connect("search.text", |_: &&str| { FOUND.fetch_add(1, Relaxed); })?;
/// let searches = || {
///     ["rad", ""].map(|text| bus.emit("search.text", text));
///     bus.flush();
///     FOUND.swap(0, Relaxed)
/// };
///
/// bus.set_stack(Stack::new().with(filled()).with(debounce()));
/// assert_eq!(searches(), 1);
///
/// // The wrong way round: the burst ends with a text that is empty.
/// bus.set_stack(Stack::new().with(debounce()).with(filled()));
/// assert_eq!(searches(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Debounce(Arc<Holder<Settings>>);

#[derive(Clone)]
struct Settings {
    quiet: Duration,
    at_latest: Duration,
    by: By,
    room: usize,
}

/// The last event so far, and when its burst began.
struct Waiting {
    held: Held,
    since: Duration,
}

keyed!(Debounce);

impl Debounce {
    /// Lets the last event go on after so much quiet.
    #[must_use]
    pub fn new(quiet: Duration) -> Self {
        Self(Holder::new(Settings { quiet, at_latest: Duration::MAX, by: By::Topic, room: ROOM }))
    }

    /// Lets the last event so far go on when a burst has lasted this long.
    #[must_use]
    pub fn at_latest(self, most: Duration) -> Self {
        self.set(|settings| settings.at_latest = most)
    }

    /// Holds events of so many topics or keys at most; at least one, and 10,000 unless told otherwise.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        self.set(|settings| settings.room = most.max(1))
    }

    /// What became of the events that came by.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        self.0.counts.stats()
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self(self.0.with(change))
    }
}

impl Middleware for Debounce {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let holder = &*self.0;
        let Some(key) = holder.key_of(event) else { return next.run(event) };
        match next.hold(event, holder.mark) {
            Some(held) => holder.hold(key, held, holder.clock(event, &next)),
            None => holder.pass_early(key, || next.run(event)),
        }
    }

    holds!();

    fn describe(&self) -> Cow<'static, str> {
        let Settings { quiet, at_latest, by, .. } = &self.0.settings;
        match *at_latest {
            Duration::MAX => format!("debounce until {quiet:?} of quiet, {by}").into(),
            at_latest => format!("debounce until {quiet:?} of quiet, {at_latest:?} at most, {by}").into(),
        }
    }
}

impl Holder<Settings> {
    /// Lets an event go on at once that cannot be held, in the place of the one before it.
    fn pass_early(&self, key: Key, go_on: impl FnOnce()) {
        let mut panics = Panics::default();
        let older = self.lock().take(key);
        self.drop_older(older.map(|older| older.held), &mut panics);
        self.counts.pass_early();
        panics.catch(go_on);
        panics.resume();
    }
}

impl Settings {
    /// Puts an event in the place of the one before it, and into its burst.
    fn replace(&self, line: &mut Line<Waiting>, key: Key, held: Held, now: Duration) -> Option<Waiting> {
        if let Some(due) = line.due_mut(key) {
            return Some(std::mem::replace(due, Waiting { held, since: now }));
        }
        let older = line.waiting.take(key);
        let since = older.as_ref().map_or(now, |older| older.since);
        line.waiting.put(key, self.due(since, now), Waiting { held, since });
        older
    }

    fn due(&self, since: Duration, now: Duration) -> Duration {
        now.saturating_add(self.quiet).min(since.saturating_add(self.at_latest))
    }

    /// Ends the burst whose quiet is next to end if there are too many; whether an event is ready therefore.
    fn ends_early(&self, line: &mut Line<Waiting>, counts: &Counts) -> bool {
        if line.waiting.len() <= self.room {
            return false;
        }
        let Some((key, early)) = line.waiting.take_first() else { return false };
        counts.hurry(1);
        line.make_ready(key, early);
        true
    }
}

impl Hold for Settings {
    type State = Line<Waiting>;
    type Waiting = Waiting;
    type Ready = (Key, Waiting);

    fn by(&self) -> &By {
        &self.by
    }

    fn put(&self, line: &mut Line<Waiting>, key: Key, held: Held, now: Duration, counts: &Counts) -> Put {
        let older = self.replace(line, key, held, now);
        Put { replaced: older.map(|older| older.held), is_ready: self.ends_early(line, counts) }
    }

    fn waiting(line: &mut Line<Waiting>) -> &mut Agenda<Waiting> {
        &mut line.waiting
    }

    fn make_ready(&self, line: &mut Line<Waiting>, key: Key, waiting: Waiting, _now: Duration) {
        line.make_ready(key, waiting);
    }

    fn flush(line: &mut Line<Waiting>) {
        line.make_all_ready();
    }

    fn next_ready(line: &mut Line<Waiting>) -> Option<Self::Ready> {
        line.next_ready()
    }

    fn let_go_of(&self, (_, waiting): &Self::Ready, counts: &Counts, panics: &mut Panics) {
        panics.catch(|| counts.release(&waiting.held));
    }

    fn arrive(line: &mut Line<Waiting>, (key, _): &Self::Ready) {
        line.arrive(*key);
    }
}

impl fmt::Debug for Debounce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debounce")
            .field("quiet", &self.0.settings.quiet)
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
        let debounce = Debounce::new(Duration::from_secs(1));
        rig.emit(&debounce, "a", 1_u32);
        rig.emit(&debounce, "$sys.dead", 2_u32);
        assert_eq!(rig.seen(), ["a 1", "$sys.dead 2"]);
        assert_eq!((debounce.stats().passed, debounce.stats().early, debounce.stats().held), (1, 1, 0));
    }

    #[test]
    fn says_its_times() {
        let debounce = Debounce::new(Duration::from_secs(1));
        assert_eq!(debounce.describe(), "debounce until 1s of quiet, per topic");
        let debounce = debounce.at_latest(Duration::from_secs(9)).per_bus();
        assert_eq!(debounce.describe(), "debounce until 1s of quiet, 9s at most, per bus");
    }
}
