//! [`CircuitBreaker`]: leaves a handler alone that keeps failing.

mod machine;
mod window;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::text::Counted;
use crate::{Advice, Answer, Event, HandlerCall, Host, Middleware, Next, Problem, Standing};

use machine::{Machine, Outcome, Rules, Threshold, Turn, Turns};

/// Leaves a handler alone that keeps failing, and tries it again after a while.
///
/// Reach for it when a handler that fails costs time, or harms what it calls by coming back at once. Each connection has
/// a circuit of its own, or each [pattern](Self::per_pattern):
///
/// | state | calls | becomes |
/// |---|---|---|
/// | closed | all | open, after too many failures: [in a row](Self::consecutive), or [of the latest](Self::rate) |
/// | open | none | half-open, with the first event after 30 seconds, or [as long as you say](Self::open_for) |
/// | half-open | one, or [as many as you say](Self::trials) | closed when all of them succeed, open when one fails |
///
/// **An event that comes while the circuit is open is lost for its handler**: it is skipped, and [counted](Self::stats).
/// A [`DeadLetter`](crate::DeadLetter) before the breaker can [keep](crate::DeadLetter::refused) it. Changes are reported on
/// `$sys.breaker` ([`BreakerChanged`]). A trial that hangs is repeated after the same time. When a call comes back after
/// the state has changed, what became of it does not count.
///
/// It keeps the time by the clock of the bus it stands on. It is a handle: give a bus a clone, keep one, and
/// read its [`stats`](Self::stats). A setter makes a piece of its own, which starts anew. Give each bus a breaker of
/// its own, since connections of two buses may look the same to it. It is bounded: at most 1,024 circuits, or [as many
/// as you say](Self::room), are known at a time. When there is no room, those that nobody asked for since a trial was
/// due are forgotten; if there is still none, a new handler is called without a breaker, and [counted](Self::stats).
///
/// # Cost
///
/// Each handler is called by itself. As long as nothing fails, counting in a row costs one atomic load more; a rate, and
/// failures, cost a look at the clock and a lock, twice for each handler. All circuits are looked at only when there is no
/// room for another, and one of them may be forgotten.
///
/// # Concurrency
///
/// The lock is held for a few instructions, never while a handler runs or a change is reported.
///
/// # Place
///
/// Behind a [`Retry`](crate::Retry) each try is a call for it, before one all of them are:
///
/// ```
/// use sigtree::{Bus, ManualClock, Stack};
/// use sigtree::middleware::{CircuitBreaker, CircuitState, Retry};
///
/// let bus = Bus::builder().clock(ManualClock::new()).build();
/// let _broken = bus.connect("job", |_: &u32| Err("broken"))?;
/// let (right, wrong) = (CircuitBreaker::consecutive(3), CircuitBreaker::consecutive(3));
///
/// bus.set_stack(Stack::new().with(right.clone()).with(Retry::times(2)));
/// bus.emit("job", 1_u32);
/// assert_eq!(right.circuits()[0].state, CircuitState::Closed);
///
/// // The wrong way round for three events: one is enough to open it.
/// bus.set_stack(Stack::new().with(Retry::times(2)).with(wrong.clone()));
/// bus.emit("job", 1_u32);
/// assert_eq!(wrong.circuits()[0].state, CircuitState::Open);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, ManualClock};
/// use sigtree::middleware::CircuitBreaker;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// bus.layer(CircuitBreaker::consecutive(2).open_for(Duration::from_secs(5)));
/// let _mail = bus.connect("mail", |n: &u32| if *n < 3 { Err("no network") } else { Ok(()) })?;
///
/// assert_eq!((bus.emit("mail", 1_u32).failed(), bus.emit("mail", 2_u32).failed()), (1, 1));
/// assert_eq!(bus.emit("mail", 3_u32).skipped(), 1);
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(bus.emit("mail", 4_u32).called(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    rules: Rules,
    per_pattern: bool,
    room: usize,
    when: Arc<dyn Fn(&Problem) -> bool + Send + Sync>,
    shared: Arc<Shared>,
}

/// Whether a circuit lets calls through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// All.
    Closed,
    /// None.
    Open,
    /// Some, to see how they go.
    HalfOpen,
}

/// One circuit of a [`CircuitBreaker`], as it was when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Circuit {
    /// The connection's pattern.
    pub pattern: Arc<str>,
    /// The connection's name, if it is one connection and has a name.
    pub name: Option<Arc<str>>,
    /// Where the handler was connected, if it is one connection.
    pub site: Option<&'static Location<'static>>,
    /// Its state. Open it stays until an event comes, however late.
    pub state: CircuitState,
}

/// What a [`CircuitBreaker`] did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreakerStats {
    /// Calls that open circuits prevented.
    pub left_out: u64,
    /// Calls that were made without a breaker, because there was no room for another circuit.
    pub unwatched: u64,
}

/// A circuit changed its state: the report on `$sys.breaker`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BreakerChanged {
    /// The name of the bus that the breaker stands on.
    pub bus: Arc<str>,
    /// The circuit, in its new state.
    pub circuit: Circuit,
    /// The state it was in before.
    pub from: CircuitState,
}

/// How many circuits that are not closed are told of.
const TOLD: usize = 8;

#[derive(Default)]
struct Shared {
    circuits: Mutex<Circuits>,
    /// How many of them are not at rest; without any, nothing has failed lately.
    restless: AtomicUsize,
    turns: Turns,
    left_out: AtomicU64,
    unwatched: AtomicU64,
}

#[derive(Default)]
struct Circuits {
    by_connection: HashMap<u64, Known>,
    by_pattern: HashMap<Arc<str>, Known>,
    restless: usize,
    /// Before then no circuit is spent, so there is no use in looking for one.
    spent_at: Duration,
}

/// A circuit with what it is called for people; its `state` there is as of the last report.
struct Known {
    machine: Machine,
    circuit: Circuit,
    /// As of the last call that came back.
    is_at_rest: bool,
}

impl CircuitBreaker {
    /// Opens after so many failures in a row, at least one.
    #[must_use]
    pub fn consecutive(failures: u32) -> Self {
        Self::new(Threshold::Consecutive(failures.max(1)))
    }

    /// Opens when this share of the calls within the latest `window` failed, if there were at least so many: 0.5 is half.
    ///
    /// The window moves in steps of a tenth of its length.
    ///
    /// # Panics
    ///
    /// If the share is not above 0 and at most 1.
    #[must_use]
    #[track_caller]
    pub fn rate(share: f64, window: Duration, at_least: u32) -> Self {
        assert!(share > 0.0 && share <= 1.0, "a rate of failures is above 0 and at most 1, not {share}");
        Self::new(Threshold::Rate { share, window, least: at_least })
    }

    fn new(threshold: Threshold) -> Self {
        let rules = Rules { threshold, open_for: Duration::from_secs(30), trials: 1 };
        Self { rules, per_pattern: false, room: 1_024, when: Arc::new(|_| true), shared: Arc::default() }
    }

    /// Stays open for so long.
    #[must_use]
    pub fn open_for(self, pause: Duration) -> Self {
        Self { rules: Rules { open_for: pause, ..self.rules }, ..self.anew() }
    }

    /// Closes after so many successes in the half-open state, at least one.
    #[must_use]
    pub fn trials(self, successes: u32) -> Self {
        Self { rules: Rules { trials: successes.max(1), ..self.rules }, ..self.anew() }
    }

    /// Gives all connections of a pattern one circuit.
    #[must_use]
    pub fn per_pattern(self) -> Self {
        Self { per_pattern: true, ..self.anew() }
    }

    /// Counts only problems for which `counts` says `true`; others are neither failures nor successes.
    #[must_use]
    pub fn when(self, counts: impl Fn(&Problem) -> bool + Send + Sync + 'static) -> Self {
        Self { when: Arc::new(counts), ..self.anew() }
    }

    /// Knows at most so many circuits; at least one, and 1,024 unless told otherwise.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        Self { room: most.max(1), ..self.anew() }
    }

    /// The circuits of handlers that failed lately, in the order of their patterns; those of all others are closed.
    #[must_use]
    pub fn circuits(&self) -> Vec<Circuit> {
        let circuits = self.shared.circuits.lock();
        let all = circuits.by_connection.values().chain(circuits.by_pattern.values());
        let restless = all.filter(|known| !known.is_at_rest);
        let mut all: Vec<_> =
            restless.map(|known| Circuit { state: known.machine.state(), ..known.circuit.clone() }).collect();
        drop(circuits);
        all.sort_by(|a, b| a.place().cmp(&b.place()));
        all
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> CircuitBreakerStats {
        let Shared { left_out, unwatched, .. } = &*self.shared;
        // Relaxed: they only count.
        let [left_out, unwatched] = [left_out, unwatched].map(|count| count.load(Ordering::Relaxed));
        CircuitBreakerStats { left_out, unwatched }
    }

    fn anew(self) -> Self {
        Self { shared: Arc::default(), ..self }
    }

    fn admit(&self, handler: &HandlerCall<'_>, host: &dyn Host) -> Option<Turn> {
        let Shared { circuits, restless, turns, .. } = &*self.shared;
        // Relaxed: who is told of a failure by other means sees its circuit too.
        if restless.load(Ordering::Relaxed) == 0 {
            return Some(turns.latest());
        }
        let now = host.clock().elapsed();
        let mut circuits = circuits.lock();
        let Some(known) = circuits.get(handler, self.per_pattern) else { return Some(turns.latest()) };
        let turn = known.machine.admit(&self.rules, now, turns);
        let change = known.take_change();
        let spent_at = known.machine.spent_at();
        circuits.note_spent_at(spent_at);
        drop(circuits);
        report(change, host);
        turn
    }

    fn settle(&self, turn: Turn, outcome: Outcome, handler: &HandlerCall<'_>, host: &dyn Host) {
        let Shared { circuits, restless, turns, unwatched, .. } = &*self.shared;
        let in_a_row = matches!(self.rules.threshold, Threshold::Consecutive(_));
        let tells = outcome == Outcome::Failed || (outcome == Outcome::Succeeded && !in_a_row);
        if !tells && restless.load(Ordering::Relaxed) == 0 {
            return;
        }
        let now = host.clock().elapsed();
        let mut circuits = circuits.lock();
        if tells && !circuits.make_room(handler, self, now) {
            unwatched.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some(known) = circuits.get(handler, self.per_pattern) else { return };
        known.machine.settle(turn, outcome, &self.rules, now, turns);
        let change = known.take_change();
        circuits.tidy(handler, self.per_pattern, now);
        restless.store(circuits.restless, Ordering::Relaxed);
        drop(circuits);
        report(change, host);
    }
}

/// Stands around the handlers of one event.
struct Around<'b> {
    breaker: &'b CircuitBreaker,
    host: &'b dyn Host,
}

impl Advice for Around<'_> {
    fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
        let Self { breaker, host } = *self;
        let Some(turn) = breaker.admit(handler, host) else {
            breaker.shared.left_out.fetch_add(1, Ordering::Relaxed);
            return Answer::Skipped(Cow::Borrowed("the circuit is open"));
        };
        let answer = handler.call();
        let outcome = match &answer {
            Answer::Done => Outcome::Succeeded,
            Answer::Failed(problem) if (breaker.when)(problem) => Outcome::Failed,
            Answer::Failed(_) | Answer::Skipped(_) => Outcome::Neither,
        };
        breaker.settle(turn, outcome, handler, host);
        answer
    }
}

impl Middleware for CircuitBreaker {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let host = next.host(event);
        next.run_each(event, &Around { breaker: self, host });
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    /// Which circuits are not closed, and for how long, trials that failed included; of very many, the first 8 in the order of
    /// their patterns.
    fn standing(&self, now: Duration) -> Standing {
        let mut broken: Vec<_> = {
            let circuits = self.shared.circuits.lock();
            let all = circuits.by_connection.values().chain(circuits.by_pattern.values());
            all.filter_map(|known| Some((known.circuit.clone(), known.machine.trouble(now)?))).collect()
        };
        broken.sort_by(|(a, _), (b, _)| a.place().cmp(&b.place()));
        let more = broken.len().saturating_sub(TOLD);
        let told = broken.iter().take(TOLD).map(|(circuit, trouble)| format!("{circuit} {trouble}"));
        let rest = match (broken.len(), more) {
            (0, _) => Some("all circuits closed".into()),
            (_, 0) => None,
            (_, more) => Some(format!("{more} more not closed")),
        };
        told.chain(rest).fold(Standing::default(), Standing::noting)
    }

    fn describe(&self) -> Cow<'static, str> {
        let Rules { threshold, open_for, .. } = &self.rules;
        let whose = if self.per_pattern { "pattern" } else { "connection" };
        match threshold {
            Threshold::Consecutive(failures) => {
                let failures = Counted(*failures, "failure");
                format!("circuit breaker per {whose}, open for {open_for:?} after {failures} in a row")
            }
            Threshold::Rate { share, window, least } => {
                let (percent, least) = (share * 100.0, Counted(*least, "call"));
                format!(
                    "circuit breaker per {whose}, open for {open_for:?} when {percent}% of {least} or more failed within {window:?}"
                )
            }
        }
        .into()
    }
}

impl Circuits {
    fn len(&self) -> usize {
        self.by_connection.len() + self.by_pattern.len()
    }

    fn get(&mut self, handler: &HandlerCall<'_>, per_pattern: bool) -> Option<&mut Known> {
        match per_pattern {
            true => self.by_pattern.get_mut(handler.pattern()),
            false => self.by_connection.get_mut(&handler.id()),
        }
    }

    /// Takes note of what became of a handler's circuit, and forgets it if a new one would know as much.
    fn tidy(&mut self, handler: &HandlerCall<'_>, per_pattern: bool, now: Duration) {
        let Some(known) = self.get(handler, per_pattern) else { return };
        let is_at_rest = known.machine.is_at_rest(now);
        let was_at_rest = std::mem::replace(&mut known.is_at_rest, is_at_rest);
        let (is_unchanged, spent_at) = (known.machine.is_unchanged(), known.machine.spent_at());
        self.restless = self.restless + usize::from(was_at_rest) - usize::from(is_at_rest);
        if is_at_rest && is_unchanged {
            self.remove(handler, per_pattern);
        } else {
            self.note_spent_at(spent_at);
        }
    }

    fn remove(&mut self, handler: &HandlerCall<'_>, per_pattern: bool) {
        match per_pattern {
            true => drop(self.by_pattern.remove(handler.pattern())),
            false => drop(self.by_connection.remove(&handler.id())),
        }
    }

    /// Sees that a handler has a circuit; `false` if there is no room for one.
    fn make_room(&mut self, handler: &HandlerCall<'_>, breaker: &CircuitBreaker, now: Duration) -> bool {
        if self.get(handler, breaker.per_pattern).is_some() {
            return true;
        }
        if self.len() >= breaker.room {
            self.forget_spent(now);
        }
        let has_room = self.len() < breaker.room;
        if has_room {
            let known = Known::new(handler, breaker);
            match breaker.per_pattern {
                true => drop(self.by_pattern.insert(known.circuit.pattern.clone(), known)),
                false => drop(self.by_connection.insert(handler.id(), known)),
            }
        }
        has_room
    }

    /// Forgets the circuits that are spent by now, and looks when the next one is.
    fn forget_spent(&mut self, now: Duration) {
        if now < self.spent_at {
            return;
        }
        self.by_connection.retain(|_, known| known.machine.spent_at() > now);
        self.by_pattern.retain(|_, known| known.machine.spent_at() > now);
        let all = self.by_connection.values().chain(self.by_pattern.values());
        self.restless = all.clone().filter(|known| !known.is_at_rest).count();
        self.spent_at = all.map(|known| known.machine.spent_at()).min().unwrap_or_default();
    }

    fn note_spent_at(&mut self, spent_at: Duration) {
        self.spent_at = self.spent_at.min(spent_at);
    }
}

impl Known {
    fn new(handler: &HandlerCall<'_>, breaker: &CircuitBreaker) -> Self {
        let one = !breaker.per_pattern;
        let circuit = Circuit {
            pattern: handler.pattern().into(),
            name: handler.name().filter(|_| one).map(Arc::from),
            site: one.then_some(handler.location()),
            state: CircuitState::Closed,
        };
        Self { machine: Machine::new(&breaker.rules), circuit, is_at_rest: true }
    }

    /// The change since the last time, if there was one: the circuit as it is now, and its state before.
    fn take_change(&mut self) -> Option<(Circuit, CircuitState)> {
        let from = std::mem::replace(&mut self.circuit.state, self.machine.state());
        (from != self.circuit.state).then(|| (self.circuit.clone(), from))
    }
}

impl Circuit {
    /// By what they are sorted.
    fn place(&self) -> impl Ord + '_ {
        (&self.pattern, &self.name, self.site)
    }
}

/// What it is a circuit of: `` `mail` named `smtp` (src/main.rs:7) ``.
impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.pattern)?;
        self.name.iter().try_for_each(|name| write!(f, " named `{name}`"))?;
        self.site.iter().try_for_each(|site| write!(f, " ({}:{})", site.file(), site.line()))
    }
}

fn report(change: Option<(Circuit, CircuitState)>, host: &dyn Host) {
    let Some((circuit, from)) = change else { return };
    host.report("$sys.breaker", &mut || {
        Arc::new(BreakerChanged { bus: host.name().into(), circuit: circuit.clone(), from })
    });
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("rules", &self.rules)
            .field("per_pattern", &self.per_pattern)
            .field("restless", &self.shared.restless)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A circuit that opened at this time, for ten seconds.
    fn open_since(now: Duration, turns: &Turns) -> Known {
        let rules = Rules { threshold: Threshold::Consecutive(1), open_for: 10 * SECOND, trials: 1 };
        let mut machine = Machine::new(&rules);
        machine.settle(Turn::default(), Outcome::Failed, &rules, now, turns);
        let circuit = Circuit { pattern: "a".into(), name: None, site: None, state: machine.state() };
        Known { machine, circuit, is_at_rest: false }
    }

    #[test]
    fn no_circuit_is_looked_at_before_one_can_be_forgotten() {
        let mut circuits = Circuits::default();
        for id in 1..=3 {
            let known = open_since(id as u32 * SECOND, &Turns::default());
            circuits.by_connection.insert(id, known);
        }
        circuits.forget_spent(5 * SECOND);
        assert_eq!((circuits.len(), circuits.spent_at), (3, 11 * SECOND));

        // Not even one that came in secret.
        circuits.by_connection.insert(4, open_since(Duration::ZERO, &Turns::default()));
        circuits.forget_spent(10 * SECOND);
        assert_eq!(circuits.len(), 4);
        circuits.forget_spent(12 * SECOND);
        assert_eq!((circuits.len(), circuits.spent_at), (1, 13 * SECOND));
    }
}
