//! [`Batch`]: events together.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Agenda, By, Counts, FlowStats, Hold, Holder, Key, Put, ROOM, holds, keyed};
use crate::panics::Panics;
use crate::text::Counted;
use crate::{Event, Held, Middleware, Next};

/// Holds events until there are `n` of them or a time has passed since the first, and lets them go on together, in order.
///
/// Reach for it where many at once are cheaper than one by one: rows into a database, lines into a file. Each topic
/// fills batches of its own unless told otherwise.
///
/// **Handlers still see one event at a time.** A topic has one payload type, so there is no handler of many payloads: the
/// events of a batch go on one after the other, in one thread, each as the event it was. What sees a batch whole are the
/// closures you give to [`before`](Self::before) and [`after`](Self::after): begin there and commit, or write all of it.
///
/// The emitter's delivery says that the event
/// [is held](https://docs.rs/sigtree/latest/sigtree/struct.Delivery.html#method.is_held), also if it filled the batch and
/// the handlers were called before `emit` returned. The bus's own reports (`$sys.**`) always pass.
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
/// use sigtree::middleware::Batch;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let written = Arc::new(Mutex::new(Vec::<Vec<u32>>::new()));
/// let file = written.clone();
/// bus.layer(Batch::new(3, Duration::from_secs(1)).after(move |events| {
///     file.lock().unwrap().push(events.iter().filter_map(|event| event.payload().copied()).collect());
/// }));
///
/// for n in 1..=5_u32 {
///     bus.emit("row", n);
/// }
/// assert_eq!(*written.lock().unwrap(), [vec![1, 2, 3]]);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(*written.lock().unwrap(), [vec![1, 2, 3], vec![4, 5]]);
/// ```
///
/// # What is not lost
///
/// An event that is held goes on with its id, its time and its envelope, behind this layer: with its batch, when the bus
/// is flushed, when the layer leaves its stack, or when its last handle is dropped. Around a connection it goes to that
/// handler, if that is still connected and not muted.
///
/// It keeps its bus alive until then: with a time that never comes, such as [`Duration::MAX`] or one on a clock that nobody
/// moves, a bus whose handles are gone stays for ever with what is in a batch that is not full. Flush it before.
///
/// An event that cannot be kept, because its payload was only lent and cannot be cloned, goes on at once, alone. The batch
/// before it goes on first, unless one is on its way, in another thread or further out in this one: it waits for nothing.
///
/// # When it is full
///
/// It holds [10,000 events](Self::room) at most, whether they wait for their batch or are on their way. Without room the
/// oldest batch goes on early, in the emitter's thread, and is counted. So one thread that emits is as slow as its handlers,
/// and loses nothing as long as batches go on because they are full; one whose time is up goes on in the clock's thread.
///
/// But batches go on one at a time. While one is on its way in another thread, or further out in this one because a handler
/// emits, emitters do not wait for it, and can outrun it. What finds no room then is lost: it ends with the reason
/// `batch is full`, and is [counted](Self::stats) as dropped; what is held stays as it is, in order. The emitter is told by
/// its delivery, and nothing behind this layer saw the event, so it may slow down and emit it again:
///
/// ```
/// use std::time::Duration;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use sigtree::Bus;
/// use sigtree::middleware::Batch;
///
/// static WRITTEN: AtomicU32 = AtomicU32::new(0);
/// let batch = Batch::new(2, Duration::from_secs(1)).room(3);
/// let bus = Bus::new();
/// bus.layer(batch.clone());
/// let again = bus.downgrade();
/// let _rows = bus.connect("row", move |n: &u32| {
///     WRITTEN.fetch_add(1, Relaxed);
///     if *n == 1 {
///         // Two are on their way, and there is room for one more.
///         let bus = again.upgrade().unwrap();
///         assert!(bus.emit("row", 3_u32).is_held());
///         assert_eq!(bus.emit("row", 4_u32).filtered(), Some("batch is full"));
///     }
/// })?;
///
/// bus.emit("row", 1_u32);
/// bus.emit("row", 2_u32);
/// assert_eq!((WRITTEN.load(Relaxed), batch.stats().dropped), (2, 1));
/// assert!(bus.emit("row", 4_u32).is_held());
/// assert_eq!(WRITTEN.load(Relaxed), 4);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// It does not make an emitter wait, since the one it would wait for may wait for it: two handlers that emit into each
/// other's full batches would wait for ever. Nor does it let go of a batch beside the one on its way, which would end the
/// order. Where emitters cannot try again, give it more [room](Self::room), let [`after`](Self::after) hand the rows to a
/// thread that writes, or have a [`DeadLetter`](crate::DeadLetter::refused) before it keep what it refuses.
///
/// # Cost
///
/// It keeps payloads, so each goes into one `Arc`. An event takes an id, a look at the clock, two hashes of the topic or
/// key, and a lock under which it is put into its batch. One alarm of the clock is set at a time.
///
/// # Concurrency
///
/// Batches go on one after the other, in the order in which they were full or due, and never two at a time: in the thread
/// that filled one, the clock's, the one that flushes, or the one that swaps the stack. That thread then also takes those
/// that others fill meanwhile, and the others go on at once; so does a flush from another thread, or from inside a
/// handler of a batch, which returns before all of it is done. Where emits are nested as deep as they may be, the events
/// of a batch go on when the outermost one ends, and [`after`](Self::after) is called before that.
/// The clock's thread is [one for all](crate::Clock::wake): a handler that takes long there delays what other pieces hold.
///
/// # Place
///
/// What layers before it see of events that it held is on the page of [pairs](crate::pairs#events-that-are-held).
///
/// It counts what comes by. So it belongs behind what ends events, or batches are not what they seem:
///
/// ```
/// use std::time::Duration;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Batch, Filter};
///
/// static ROWS: AtomicU32 = AtomicU32::new(0);
/// let odd = || Filter::payload(|n: &u32| n % 2 == 1);
/// let batch = || Batch::new(2, Duration::from_secs(1));
/// let bus = Bus::new();
/// let _rows = bus.connect("row", |_: &u32| { ROWS.fetch_add(1, Relaxed); })?;
/// let rows = || {
///     [1, 2, 3_u32].map(|n| bus.emit("row", n));
///     ROWS.swap(0, Relaxed)
/// };
///
/// bus.set_stack(Stack::new().with(odd()).with(batch()));
/// assert_eq!(rows(), 2);
///
/// // The wrong way round: the batch of two has one row.
/// bus.set_stack(Stack::new().with(batch()).with(odd()));
/// assert_eq!(rows(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[doc(alias = "buffer")]
#[derive(Clone)]
pub struct Batch(Arc<Holder<Settings>>);

#[derive(Clone)]
struct Settings {
    n: usize,
    time: Duration,
    by: By,
    room: usize,
    before: Option<Arc<Look>>,
    after: Option<Arc<Look>>,
}

type Look = dyn Fn(&[Held]) + Send + Sync;

#[derive(Default)]
struct Batches {
    /// Those that fill, by the time they are due.
    filling: Agenda<Vec<Held>>,
    /// Those that are full or due, in order.
    ready: VecDeque<Vec<Held>>,
    /// Whether one of them goes on now; the others come after it.
    leaving: bool,
    /// How many events take room: a batch on its way does until all of it is through.
    taken: usize,
}

keyed!(Batch);

impl Batch {
    /// Lets events go on when there are `n` of them, or this long after the first; each at once if `n` is 0 or 1.
    #[must_use]
    pub fn new(n: usize, time: Duration) -> Self {
        Self(Holder::new(Settings { n, time, by: By::Topic, room: ROOM, before: None, after: None }))
    }

    /// Looks at each batch before its events go on, which they do even if it panics; then the panic goes on.
    #[must_use]
    pub fn before(self, look: impl Fn(&[Held]) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.before = Some(Arc::new(look)))
    }

    /// Looks at each batch after its events went on, whatever the handlers made of them.
    #[must_use]
    pub fn after(self, look: impl Fn(&[Held]) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.after = Some(Arc::new(look)))
    }

    /// Holds about so many events at most; at least one, and 10,000 unless told otherwise.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        self.set(|settings| settings.room = most.max(1))
    }

    /// What became of the events that came by; those of a batch on its way are held until their turn comes.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        self.0.counts.stats()
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self(self.0.with(change))
    }
}

impl Middleware for Batch {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let holder = &*self.0;
        let Some(key) = holder.key_of(event) else { return next.run(event) };
        let mut panics = Panics::default();
        if !holder.makes_room(&mut panics) {
            holder.counts.drop();
            next.discard(event, "batch is full");
            return panics.resume();
        }
        match next.hold(event, holder.mark) {
            Some(held) => panics.catch(|| holder.hold(key, held, holder.clock(event, &next))),
            None => {
                panics.catch(|| holder.hurry(|batches| batches.filling.take(key)));
                holder.counts.pass_early();
                panics.catch(|| next.run(event));
            }
        }
        panics.resume();
    }

    holds!();

    fn describe(&self) -> Cow<'static, str> {
        let Settings { n, time, by, .. } = &self.0.settings;
        format!("batch of {} or {time:?}, {by}", Counted(*n, "event")).into()
    }
}

impl Holder<Settings> {
    /// Whether there is room for one more event, if need be after the oldest batch went on.
    fn makes_room(&self, panics: &mut Panics) -> bool {
        if self.has_room() {
            return true;
        }
        panics.catch(|| self.hurry(Batches::take_oldest));
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.lock().taken < self.settings.room
    }

    /// Lets a batch go on before its time.
    fn hurry(&self, take: impl FnOnce(&mut Batches) -> Option<Vec<Held>>) {
        {
            let mut batches = self.lock();
            let Some(early) = take(&mut batches) else { return };
            self.counts.hurry(early.len());
            batches.ready.push_back(early);
        }
        self.let_go();
    }
}

impl Batches {
    /// Takes out the batch that is due first, unless it would have to wait for one on its way, and make no room.
    fn take_oldest(&mut self) -> Option<Vec<Held>> {
        if self.leaving { None } else { self.filling.take_first().map(|(_, batch)| batch) }
    }

    /// Adds an event to the batch of its key, which is due at this time if it is new; how many there are in it now.
    fn add(&mut self, key: Key, held: Held, due: Duration) -> usize {
        if let Some((_, batch)) = self.filling.get_mut(key) {
            batch.push(held);
            return batch.len();
        }
        self.filling.put(key, due, vec![held]);
        1
    }
}

impl Hold for Settings {
    type State = Batches;
    type Waiting = Vec<Held>;
    type Ready = Vec<Held>;

    fn by(&self) -> &By {
        &self.by
    }

    fn put(&self, batches: &mut Batches, key: Key, held: Held, now: Duration, _counts: &Counts) -> Put {
        batches.taken += 1;
        let is_full = batches.add(key, held, now.saturating_add(self.time)) >= self.n;
        if is_full {
            let full = batches.filling.take(key);
            batches.ready.extend(full);
        }
        Put { replaced: None, is_ready: is_full }
    }

    fn waiting(batches: &mut Batches) -> &mut Agenda<Vec<Held>> {
        &mut batches.filling
    }

    fn make_ready(&self, batches: &mut Batches, _key: Key, due: Vec<Held>, _now: Duration) {
        batches.ready.push_back(due);
    }

    fn flush(batches: &mut Batches) {
        let all = batches.filling.take_all();
        batches.ready.extend(all.map(|(_, batch)| batch));
    }

    /// None while another one leaves: in another thread, or further out in this one.
    fn next_ready(batches: &mut Batches) -> Option<Vec<Held>> {
        if batches.leaving {
            return None;
        }
        let batch = batches.ready.pop_front();
        batches.leaving = batch.is_some();
        batch
    }

    fn let_go_of(&self, batch: &Vec<Held>, counts: &Counts, panics: &mut Panics) {
        if let Some(look) = &self.before {
            panics.catch(|| look(batch));
        }
        for held in batch {
            panics.catch(|| counts.release(held));
        }
        if let Some(look) = &self.after {
            panics.catch(|| look(batch));
        }
    }

    fn arrive(batches: &mut Batches, batch: &Vec<Held>) {
        batches.taken -= batch.len();
        batches.leaving = false;
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("n", &self.0.settings.n)
            .field("time", &self.0.settings.time)
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
        let batch = Batch::new(3, Duration::from_secs(1));
        rig.emit(&batch, "a", 1_u32);
        rig.emit(&batch, "$sys.dead", 2_u32);
        assert_eq!(rig.seen(), ["a 1", "$sys.dead 2"]);
        assert_eq!((batch.stats().passed, batch.stats().early, batch.stats().held), (1, 1, 0));
    }

    #[test]
    fn says_its_size() {
        assert_eq!(Batch::new(3, Duration::from_secs(1)).describe(), "batch of 3 events or 1s, per topic");
    }
}
