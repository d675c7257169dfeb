//! [`Book`]: the entries of a ledger, when each is due, and what becomes of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use slotmap::{SlotMap, new_key_type};

use super::{Late, ReliableStats};

new_key_type! {
    /// One event that was taken; a stale one names no other.
    pub(crate) struct Flight;
}

/// What stands under the lock. An event is a `P`.
pub(super) struct Book<P> {
    open: SlotMap<Flight, Open<P>>,
    /// When an attempt is over, or a pause.
    due: BTreeSet<(Duration, Flight)>,
    /// What is to be given again.
    ready: VecDeque<Flight>,
    /// For when alarms are set that did not ring yet.
    alarms: BTreeSet<Duration>,
    stats: ReliableStats,
    /// That nobody takes any more: what fails is not given again.
    ended: bool,
}

struct Open<P> {
    parcel: P,
    attempts: u32,
    state: State,
    /// Why the attempt before failed.
    error: Option<Arc<str>>,
    /// Who is at it, if he is to be told that he is late.
    watch: Option<Weak<dyn Late>>,
}

#[derive(Clone, Copy)]
enum State {
    /// Somebody is at it, until then.
    Given(Duration),
    /// Until then.
    Pausing(Duration),
    Ready,
}

/// An event as it is given.
pub(super) struct Given<P> {
    pub(super) flight: Flight,
    pub(super) attempt: u32,
    pub(super) parcel: P,
}

/// An event that is not given again.
pub(super) struct Dead<P> {
    pub(super) parcel: P,
    pub(super) attempts: u32,
    pub(super) why: Why,
}

/// Why an event is not given again.
pub(super) enum Why {
    /// It failed often enough; the last time because of this.
    Failed(Arc<str>),
    /// Nobody takes any more; its last error, if it had one.
    Ended(Option<Arc<str>>),
}

/// What is to be done when the lock is free.
pub(super) struct Todo<P> {
    pub(super) dead: Vec<Dead<P>>,
    /// How many became ready to be given again.
    pub(super) ready: usize,
    /// Who is to be told that he is late.
    pub(super) late: Vec<Weak<dyn Late>>,
}

impl<P> Default for Book<P> {
    fn default() -> Self {
        Self {
            open: SlotMap::with_key(),
            due: BTreeSet::new(),
            ready: VecDeque::new(),
            alarms: BTreeSet::new(),
            stats: ReliableStats::default(),
            ended: false,
        }
    }
}

impl<P> Default for Todo<P> {
    fn default() -> Self {
        Self { dead: Vec::new(), ready: 0, late: Vec::new() }
    }
}

impl<P: Clone> Book<P> {
    /// Notes that an event is given for the first time.
    pub(super) fn give(&mut self, parcel: P, until: Duration) -> Given<P> {
        let given = parcel.clone();
        let flight =
            self.open.insert(Open { parcel, attempts: 1, state: State::Given(until), error: None, watch: None });
        self.due.insert((until, flight));
        self.stats.delivered += 1;
        Given { flight, attempt: 1, parcel: given }
    }

    /// Gives one again that is ready to be.
    pub(super) fn give_again(&mut self, until: Duration) -> Option<Given<P>> {
        let flight = self.ready.pop_front()?;
        let open = self.open.get_mut(flight)?;
        (open.attempts, open.state, open.watch) = (open.attempts + 1, State::Given(until), None);
        self.due.insert((until, flight));
        self.stats.delivered += 1;
        self.stats.redelivered += 1;
        Some(Given { flight, attempt: open.attempts, parcel: open.parcel.clone() })
    }
}

impl<P> Book<P> {
    /// Whether this attempt is under way; if so, it is no longer due.
    fn take_attempt(&mut self, flight: Flight, attempt: u32) -> bool {
        let Some(Open { attempts, state: State::Given(until), .. }) = self.open.get(flight) else { return false };
        *attempts == attempt && self.due.remove(&(*until, flight))
    }

    /// The event of an attempt that is under way is done; `None` if it is late.
    pub(super) fn ack(&mut self, flight: Flight, attempt: u32) -> Option<P> {
        if !self.take_attempt(flight, attempt) {
            self.stats.late_acks += 1;
            return None;
        }
        self.stats.acked += 1;
        self.open.remove(flight).map(|open| open.parcel)
    }

    /// An attempt that is under way failed; `None` if it is late. `pause` says how long to wait after so many.
    pub(super) fn fail(
        &mut self,
        flight: Flight,
        attempt: u32,
        error: Arc<str>,
        now: Duration,
        pause: impl Fn(u32) -> Option<Duration>,
    ) -> Option<Todo<P>> {
        if !self.take_attempt(flight, attempt) {
            return None;
        }
        self.stats.failed += 1;
        let mut todo = Todo::default();
        self.put_off(flight, error, now, pause, &mut todo);
        Some(todo)
    }

    /// Ends what is due by now: attempts have failed, pauses are over.
    pub(super) fn ring(&mut self, now: Duration, late: &Arc<str>, pause: impl Fn(u32) -> Option<Duration>) -> Todo<P> {
        // Alarms ring in their order; one that rings too early is set again.
        self.alarms.pop_first();
        let mut todo = Todo::default();
        while let Some((_, flight)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.pop_first();
            match self.open.get_mut(flight) {
                Some(Open { state: State::Given(_), watch, .. }) => {
                    todo.late.extend(watch.take());
                    self.stats.timed_out += 1;
                    self.put_off(flight, late.clone(), now, &pause, &mut todo);
                }
                Some(open) => {
                    open.state = State::Ready;
                    self.ready.push_back(flight);
                    todo.ready += 1;
                }
                None => {}
            }
        }
        todo
    }

    /// Notes whom to tell when an attempt is late; whether it is under way.
    #[cfg(feature = "async")]
    pub(super) fn watch(&mut self, flight: Flight, attempt: u32, who: Weak<dyn Late>) -> bool {
        match self.open.get_mut(flight) {
            Some(Open { attempts, state: State::Given(_), watch, .. }) if *attempts == attempt => {
                *watch = Some(who);
                true
            }
            _ => false,
        }
    }

    /// Ends all pauses.
    #[cfg(feature = "async")]
    pub(super) fn end_pauses(&mut self) -> Todo<P> {
        let mut todo = Todo::default();
        for (flight, open) in &mut self.open {
            if let State::Pausing(until) = open.state {
                self.due.remove(&(until, flight));
                open.state = State::Ready;
                self.ready.push_back(flight);
                todo.ready += 1;
            }
        }
        todo
    }

    /// Lets an event that failed wait until it is given again, if it ever is.
    fn put_off(
        &mut self,
        flight: Flight,
        error: Arc<str>,
        now: Duration,
        pause: impl Fn(u32) -> Option<Duration>,
        todo: &mut Todo<P>,
    ) {
        let Some(open) = self.open.get_mut(flight) else { return };
        match pause(open.attempts) {
            Some(_) if self.ended => self.bury(flight, Why::Ended(Some(error)), todo),
            None => self.bury(flight, Why::Failed(error), todo),
            Some(Duration::ZERO) => {
                (open.state, open.error) = (State::Ready, Some(error));
                self.ready.push_back(flight);
                todo.ready += 1;
            }
            Some(pause) => {
                let until = now.saturating_add(pause);
                (open.state, open.error) = (State::Pausing(until), Some(error));
                self.due.insert((until, flight));
            }
        }
    }

    fn bury(&mut self, flight: Flight, why: Why, todo: &mut Todo<P>) {
        if let Some(Open { parcel, attempts, .. }) = self.open.remove(flight) {
            self.stats.dead += 1;
            todo.dead.push(Dead { parcel, attempts, why });
        }
    }

    /// Nobody takes any more: what waits to be given again is dead, what somebody is at is his.
    pub(super) fn end(&mut self) -> Todo<P> {
        self.ended = true;
        self.ready.clear();
        let mut todo = Todo::default();
        let waiting: Vec<_> = self.open.iter().filter(|(_, open)| !open.is_given()).map(|(flight, _)| flight).collect();
        for flight in waiting {
            let Some(open) = self.open.get_mut(flight) else { continue };
            if let State::Pausing(until) = open.state {
                self.due.remove(&(until, flight));
            }
            let why = Why::Ended(open.error.take());
            self.bury(flight, why, &mut todo);
        }
        todo
    }

    /// An event that was never given is dead.
    pub(super) fn bury_ungiven(&mut self, parcel: P) -> Dead<P> {
        self.stats.dead += 1;
        Dead { parcel, attempts: 0, why: Why::Ended(None) }
    }

    /// When to set an alarm, unless one is set that is early enough.
    pub(super) fn alarm(&mut self) -> Option<Duration> {
        let (due, _) = *self.due.first()?;
        if self.alarms.first().is_some_and(|set| *set <= due) {
            return None;
        }
        self.alarms.insert(due);
        Some(due)
    }

    /// How many are ready to be given again.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn stats(&self) -> ReliableStats {
        let in_flight = self.open.values().filter(|open| open.is_given()).count();
        ReliableStats { in_flight, waiting: self.open.len() - in_flight, ..self.stats }
    }
}

impl<P> Open<P> {
    fn is_given(&self) -> bool {
        matches!(self.state, State::Given(_))
    }
}
