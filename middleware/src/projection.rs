//! [`Projection`]: a state folded from events.

mod catch_up_error;
mod desk;
mod fact;
mod met;
mod snapshot;

use std::any::Any;
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use catch_up_error::{CatchUpError, GapError};
pub use fact::Fact;
pub use snapshot::Snapshot;

use catch_up_error::Reason;
use desk::Desk;
use met::Met;
use snapshot::Recent;

use crate::until_error::until_error;
use crate::{Entry, Event, IntoPattern, Limits, Middleware, Next, ParseError, Pattern, Topic};

/// A state that is folded from events: live ones as a layer, and those of the past after a restart.
///
/// Say how each kind of event changes the state, and give a bus a clone. Reach for it to have the sum, the latest value or the
/// list of open things at hand without asking whoever emitted them. After a restart, fold what a history or a recording has
/// ([`catch_up`](Self::catch_up), [`try_catch_up`](Self::try_catch_up)); a [`Snapshot`] saves the way from the very beginning.
///
/// A fold sees a [`Fact`]: the payload, and what is known of its event. It should change the state and do nothing else, so that the
/// same events lead to the same state. Replayed events are passed over when they come by on a bus, since they were folded the
/// first time.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, History};
/// use sigtree::middleware::{Fact, Projection};
///
/// fn balance() -> Projection<i64> {
///     Projection::of(0)
///         .on("account.in", |balance, amount: &Fact<i64>| *balance += **amount).unwrap()
///         .on("account.out", |balance, amount: &Fact<i64>| *balance -= **amount).unwrap()
/// }
///
/// let (bus, history, live) = (Bus::new(), History::new(), balance());
/// bus.layer(history.clone());
/// bus.layer(live.clone());
/// bus.emit("account.in", 100_i64);
/// bus.emit("account.out", 30_i64);
/// assert_eq!(live.state(), 70);
///
/// let saved = live.snapshot();
/// bus.emit("account.out", 50_i64);
///
/// let rebuilt = balance().resume(saved);
/// assert_eq!(rebuilt.catch_up(history.entries())?, 1);
/// assert_eq!(rebuilt.state(), live.state());
/// # Ok::<(), sigtree::middleware::GapError>(())
/// ```
///
/// # Concurrency
///
/// One thread folds at a time, in the order in which events reach the projection, and no lock is held meanwhile: a fold may emit.
/// What other threads emit waits in an inbox of 1,024 and is folded by whoever is folding, so emitting never waits. If the inbox
/// is full, an event is lost, and [counted](Self::lost); then the state is to be rebuilt from a history. Reading the
/// state waits for the folding thread.
///
/// # Cost
///
/// A pattern to match for each kind of event, one `Arc` for the payload, as in a history, and the fold itself, in the
/// emitter's thread. An event that no fold concerns is left out of the route.
///
/// # Place
///
/// It folds what reaches it, as it is there, before the handlers are called. So it belongs behind what refuses and mends:
///
/// ```
/// use sigtree::{Bus, Filter, Stack};
/// use sigtree::middleware::{Fact, Projection};
///
/// let sum = || Projection::of(0).on("n", |sum, n: &Fact<i64>| *sum += **n).unwrap();
/// let positive = || Filter::payload(|n: &i64| *n > 0);
/// let (right, wrong) = (sum(), sum());
/// let bus = Bus::new();
///
/// bus.set_stack(Stack::new().with(positive()).with(right.clone()));
/// bus.emit("n", -5_i64);
/// assert_eq!(right.state(), 0);
///
/// bus.set_stack(Stack::new().with(wrong.clone()).with(positive()));
/// bus.emit("n", -5_i64);
/// assert_eq!(wrong.state(), -5);
/// ```
#[derive(Clone)]
#[doc(alias = "reducer")]
#[doc(alias = "aggregate")]
pub struct Projection<S>(Arc<Inner<S>>);

struct Inner<S> {
    rules: Vec<Rule<S>>,
    desk: Desk<Work<S>>,
    unkept: AtomicU64,
}

/// How the events of a pattern change the state.
struct Rule<S> {
    pattern: Pattern,
    fold: Fold<S>,
}

type Fold<S> = Box<dyn Fn(&mut S, &Entry) + Send + Sync>;

/// The state, and how it came to be.
#[derive(Clone)]
struct Work<S> {
    state: S,
    folded: u64,
    recent: Recent,
}

impl<S: Send + 'static> Projection<S> {
    /// A projection that begins with this state, and folds nothing yet.
    #[must_use]
    pub fn of(state: S) -> Self {
        Self::with(Vec::new(), Work { state, folded: 0, recent: Recent::default() })
    }

    fn with(rules: Vec<Rule<S>>, work: Work<S>) -> Self {
        Self(Arc::new(Inner { rules, desk: Desk::new(work), unkept: AtomicU64::new(0) }))
    }

    /// Says how the events of this pattern with this payload change the state; those with another payload do not.
    ///
    /// An event that several patterns match is folded by each of them, in the order in which they were given.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    ///
    /// # Panics
    ///
    /// If a bus or somebody else has a clone already: what it folds is settled by then.
    pub fn on<T: Any>(
        self,
        pattern: impl IntoPattern,
        fold: impl Fn(&mut S, &Fact<'_, T>) + Send + Sync + 'static,
    ) -> Result<Self, ParseError> {
        let pattern = pattern.into_pattern(&Limits::new())?;
        let fold = Box::new(move |state: &mut S, entry: &Entry| {
            if let Some(fact) = Fact::of(entry) {
                fold(state, &fact);
            }
        });
        let mut inner = self.into_inner();
        inner.rules.push(Rule { pattern, fold });
        Ok(Self(Arc::new(inner)))
    }

    /// Begins with a snapshot instead; then [`catch_up`](Self::catch_up) with what happened since.
    ///
    /// # Panics
    ///
    /// If a bus or somebody else has a clone already.
    #[must_use]
    pub fn resume(self, snapshot: Snapshot<S>) -> Self {
        let Snapshot { state, folded, recent } = snapshot;
        Self::with(self.into_inner().rules, Work { state, folded, recent })
    }

    fn into_inner(self) -> Inner<S> {
        Arc::into_inner(self.0).expect("a projection is set up before it is shared")
    }

    /// Folds what these entries tell, but what was folded already; how many it folded.
    ///
    /// It knows the last 256 events it folded, looks for them, and goes on behind the first it finds. A projection that has
    /// folded nothing folds all entries. It reads one entry at a time. Catch up before the bus emits: what comes by meanwhile is
    /// folded in between. An event that a thread had in hand between the history and the projection while more than 256
    /// others were folded is missed; so catch up with what was recorded when the emitters were done.
    ///
    /// # Errors
    ///
    /// If none of the events it knows is among the entries, so that some may be missing in between: nothing is folded then. If two
    /// entries have the same id and another time, so that it would take one for the other: this is noticed of the events it
    /// knew before, and of the last 256 that it met.
    ///
    /// # Panics
    ///
    /// If it is called from one of its own folds.
    pub fn catch_up<E: Borrow<Entry>>(&self, entries: impl IntoIterator<Item = E>) -> Result<u64, GapError> {
        let mut folded = 0;
        let known = self.0.work(|work| work.recent.clone());
        let mut found = known.is_empty();
        let mut met = Met::default();
        for entry in entries {
            let entry = entry.borrow();
            if !met.is_first_of_its_id(entry, &known) {
                return Err(GapError::repeating(entry.id()));
            }
            found |= known.contains(entry.id());
            if found && self.0.wants(entry.topic()) {
                folded += u64::from(self.0.work(|work| work.fold_once(&self.0.rules, entry, &known)));
            }
        }
        if found { Ok(folded) } else { Err(GapError::new()) }
    }

    /// The same for entries that are read as it goes, of which some may be unreadable: it stops at the first of those.
    ///
    /// So a recording of any size is folded in little memory, and no event is left out unnoticed.
    ///
    /// `Reader::entries` (feature `recording`) has an example.
    ///
    /// # Errors
    ///
    /// If an entry cannot be read: what came before it is folded, and stays so. Or as [`catch_up`](Self::catch_up).
    ///
    /// # Panics
    ///
    /// If it is called from one of its own folds.
    pub fn try_catch_up<E>(&self, entries: impl IntoIterator<Item = Result<Entry, E>>) -> Result<u64, CatchUpError<E>> {
        let mut unread = None;
        let folded = self.catch_up(until_error(entries, &mut unread));
        match unread {
            Some(error) => Err(CatchUpError::new(Reason::Unread(error))),
            None => folded.map_err(|gap| CatchUpError::new(Reason::Gap(gap))),
        }
    }

    /// Looks at the state, everything that came by so far in it.
    ///
    /// # Panics
    ///
    /// If it is called from one of its own folds.
    pub fn read<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        self.0.work(|work| look(&work.state))
    }

    /// A copy of the state.
    ///
    /// # Panics
    ///
    /// If it is called from one of its own folds.
    #[must_use]
    pub fn state(&self) -> S
    where
        S: Clone,
    {
        self.read(S::clone)
    }

    /// A copy of the state, with what it takes to go on from there.
    ///
    /// # Panics
    ///
    /// If it is called from one of its own folds.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<S>
    where
        S: Clone,
    {
        let Work { state, folded, recent } = self.0.work(|work| work.clone());
        Snapshot { state, folded, recent }
    }

    /// Events that are missing in the state: the inbox was full, or their payload was only borrowed and cannot be cloned.
    #[must_use]
    pub fn lost(&self) -> u64 {
        // Relaxed: it only counts.
        self.0.desk.lost() + self.0.unkept.load(Ordering::Relaxed)
    }
}

impl<S> Work<S> {
    /// Folds an entry unless it is known, or was when this began: what is folded meanwhile pushes out what was known.
    fn fold_once(&mut self, rules: &[Rule<S>], entry: &Entry, before: &Recent) -> bool {
        let fresh = !self.recent.contains(entry.id()) && !before.contains(entry.id());
        if fresh {
            self.fold(rules, entry);
        }
        fresh
    }

    fn fold(&mut self, rules: &[Rule<S>], entry: &Entry) {
        // Known before it is folded: if a fold panics, the event is not folded a second time.
        self.recent.add(entry.id());
        self.folded += 1;
        for rule in rules.iter().filter(|rule| rule.pattern.matches(entry.topic())) {
            (rule.fold)(&mut self.state, entry);
        }
    }
}

impl<S> Inner<S> {
    /// Does this with everything that came by so far folded.
    fn work<R>(&self, work: impl FnOnce(&mut Work<S>) -> R) -> R {
        self.desk.work(work, |work, entry| work.fold(&self.rules, entry))
    }

    fn record(&self, event: &Event<'_>) {
        match event.share_erased() {
            Some(payload) => {
                self.desk.take_in(Entry::of(event, payload, 0), |work, entry| work.fold(&self.rules, entry));
            }
            // Relaxed: it only counts.
            None => _ = self.unkept.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn wants(&self, topic: &Topic) -> bool {
        self.rules.iter().any(|rule| rule.pattern.matches(topic))
    }
}

impl<S: Send + 'static> Middleware for Projection<S> {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if !event.is_replayed() && self.0.wants(event.topic()) {
            self.0.record(event);
        }
        next.run(event);
    }

    fn retains(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.0.wants(topic)
    }

    fn describe(&self) -> Cow<'static, str> {
        let patterns: Vec<_> = self.0.rules.iter().map(|rule| format!("`{}`", rule.pattern)).collect();
        format!("projection of {}", patterns.join(", ")).into()
    }
}

impl<S> fmt::Debug for Projection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.0.rules.iter().map(|rule| &rule.pattern);
        f.debug_list().entries(patterns).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::OnceLock;
    use std::thread;

    use super::*;
    use crate::support::{Layered, Rig};
    use crate::{Envelope, History};

    /// What came by, in its order.
    fn list() -> Projection<Vec<u32>> {
        Projection::of(Vec::new()).on("n.*", |list: &mut Vec<u32>, n: &Fact<'_, u32>| list.push(**n)).unwrap()
    }

    #[test]
    fn it_folds_what_concerns_it() {
        let (rig, seen) = (Rig::new(), list());
        rig.emit(&seen, "n.a", 1_u32);
        rig.emit(&seen, "m", 2_u32);
        rig.emit(&seen, "n.b", String::from("no number"));
        rig.emit_in(&seen, "n.a", 3_u32, Some(Envelope { replayed: true, ..Envelope::default() }));
        rig.emit_borrowed(&seen, "n.a", &4_u32);
        assert_eq!((seen.state(), seen.lost()), (vec![1], 1));
        assert_eq!(rig.seen().len(), 5);
        assert_eq!(seen.describe(), "projection of `n.*`");
        assert!(Projection::of(0).on("a..b", |_, _: &Fact<'_, u32>| {}).is_err());
    }

    #[test]
    fn a_fact_knows_its_event() {
        let rig = Rig::new();
        let seen = Projection::of(String::new());
        let seen = seen
            .on("n.*", |line: &mut String, n: &Fact<'_, u32>| {
                *line = format!("{} {} {} {:?}", n.topic(), **n, n.id().to_bits(), n.source());
            })
            .unwrap();
        let envelope = Envelope { source: Some("tower".into()), ..Envelope::default() };
        rig.emit_in(&seen, "n.a", 7_u32, Some(envelope));
        assert_eq!(seen.state(), "n.a 7 1 Some(Source(\"tower\"))");
    }

    #[test]
    fn a_snapshot_and_the_rest_are_the_whole() {
        let (rig, history, live) = (Rig::new(), History::new(), list());
        let layers = (history.clone(), live.clone());
        let mut snapshots = vec![list().snapshot()];
        for n in 0..20_u32 {
            rig.emit(&layers, if n % 3 == 0 { "m" } else { "n.a" }, n);
            snapshots.push(live.snapshot());
        }
        for snapshot in snapshots {
            let folded = snapshot.folded();
            let rebuilt = list().resume(snapshot);
            assert_eq!(rebuilt.catch_up(history.entries()), Ok(13 - folded));
            assert_eq!(rebuilt.state(), live.state());
            assert_eq!(rebuilt.catch_up(history.entries()), Ok(0));
        }
    }

    #[test]
    fn events_in_another_order_are_folded_once() {
        let (rig, history, live) = (Rig::new(), History::new(), list());
        for n in 0..4_u32 {
            rig.emit(&(history.clone(), live.clone()), "n.a", n);
        }
        let mut entries = history.entries();
        entries.swap(0, 3);
        assert_eq!(live.catch_up(&entries), Ok(0));
        entries.push(entries[0].clone());
        assert_eq!(live.catch_up(&entries), Ok(0));
    }

    #[test]
    fn what_was_known_is_not_folded_twice_however_much_is_folded_between() {
        let (rig, history, whole) = (Rig::new(), History::new(), list());
        for n in 0..600_u32 {
            rig.emit(&(history.clone(), whole.clone()), "n.a", n);
        }
        let entries = history.entries();
        let late = list();
        late.catch_up(entries[..1].iter().chain(&entries[345..])).unwrap();
        assert_eq!(late.catch_up(&entries), Ok(344));
        assert_eq!(late.read(Vec::len), 600);
        let mut state = late.state();
        state.sort_unstable();
        assert_eq!(state, whole.state());
    }

    #[test]
    fn a_gap_is_an_error_and_changes_nothing() {
        let (rig, history, live) = (Rig::new(), History::builder().count(300).build(), list());
        rig.emit(&live, "n.a", 1_u32);
        for n in 0..10_u32 {
            rig.emit(&history, "n.a", n);
        }
        let error = live.catch_up(history.entries()).unwrap_err();
        assert!(error.to_string().contains("missing"));
        assert_eq!(live.state(), [1]);
    }

    #[test]
    fn it_stops_at_what_cannot_be_read_and_reads_no_further() {
        let (rig, history) = (Rig::new(), History::new());
        for n in 0..5_u32 {
            rig.emit(&history, "n.a", n);
        }
        let torn = |place: usize| {
            let entries = history.entries().into_iter().enumerate();
            entries.map(move |(i, entry)| if i == place { Err("torn") } else { Ok(entry) })
        };
        let seen = list();
        let mut entries = torn(2);
        let error = seen.try_catch_up(entries.by_ref()).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_gap(), error.unread()), ("torn", false, Some(&"torn")));
        assert_eq!(error.into_unread(), Some("torn"));
        assert_eq!((seen.state(), entries.len()), (vec![0, 1], 2));
        assert_eq!(seen.try_catch_up(torn(9)), Ok(3));
        assert_eq!(seen.state(), [0, 1, 2, 3, 4]);

        let other = list();
        Rig::new().emit(&other, "n.a", 7_u32);
        let gap = other.try_catch_up(torn(9).skip(1)).unwrap_err();
        assert_eq!((gap.to_string(), gap.is_gap(), gap.unread()), (GapError::new().to_string(), true, None));
        assert_eq!(gap.into_unread(), None);
    }

    #[test]
    fn a_replay_on_a_bus_is_not_folded_again() {
        let (rig, history, live) = (Rig::new(), History::new(), list());
        rig.emit(&(history.clone(), live.clone()), "n.a", 1_u32);
        history.replay().run(&Layered { rig: &rig, layer: live.clone() });
        assert_eq!(live.state(), [1]);
    }

    #[test]
    fn a_fold_may_emit_to_its_own_projection() {
        let own = Arc::new(OnceLock::<Projection<Vec<u32>>>::new());
        let inside = own.clone();
        let seen = Projection::of(Vec::new()).on("n", move |list: &mut Vec<u32>, n: &Fact<'_, u32>| {
            list.push(**n);
            if **n < 3 {
                Rig::new().emit(inside.get().unwrap(), "n", **n + 1);
            }
            list.push(10 * **n);
        });
        let seen = own.get_or_init(|| seen.unwrap());
        Rig::new().emit(seen, "n", 1_u32);
        assert_eq!(seen.state(), [1, 10, 2, 20, 3, 30]);
    }

    #[test]
    fn a_fold_that_asks_for_the_state_or_panics_ends_nothing_else() {
        let own = Arc::new(OnceLock::<Projection<u32>>::new());
        let inside = own.clone();
        let sum = Projection::of(0).on("n", move |sum: &mut u32, n: &Fact<'_, u32>| {
            *sum += **n;
            if **n == 2 {
                let _ = inside.get().unwrap().state();
            }
        });
        let sum = own.get_or_init(|| sum.unwrap());
        let rig = Rig::new();
        rig.emit(sum, "n", 1_u32);
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| rig.emit(sum, "n", 2_u32))).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "a fold asks its own projection for the state it is changing");
        rig.emit(sum, "n", 4_u32);
        assert_eq!(sum.state(), 7);
    }

    #[test]
    fn many_threads_lose_nothing_that_is_not_counted() {
        let sum = Projection::of(0_u64).on("n", |sum: &mut u64, n: &Fact<'_, u64>| *sum += **n).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let rig = Rig::new();
                    (0..2_000).for_each(|_| drop(rig.emit(&sum, "n", 1_u64)));
                });
            }
            scope.spawn(|| (0..100).for_each(|_| assert!(sum.state() <= 8_000)));
        });
        assert_eq!(sum.state() + sum.lost(), 8_000);
    }
}
