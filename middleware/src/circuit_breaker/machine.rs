//! [`Machine`]: the states of one circuit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::CircuitState;
use super::window::Window;

/// When a circuit opens, and how it closes again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) threshold: Threshold,
    pub(super) open_for: Duration,
    /// At least one.
    pub(super) trials: u32,
}

/// What is too much.
#[derive(Debug, Clone, Copy)]
pub(super) enum Threshold {
    /// So many failures one after the other.
    Consecutive(u32),
    /// This share of the calls within a window, if there were so many.
    Rate { share: f64, window: Duration, least: u32 },
}

/// When a call began, or a circuit changed its state: a call that began before the last change tells nothing about the
/// state since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Turn(u64);

/// Counts the changes of all circuits of a breaker; changed under their lock, read by everybody.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU64);

/// What a call tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
    /// The handler was not called, or failed in a way that does not count.
    Neither,
}

/// One circuit. It is told the time, and asks no clock.
#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    /// When the phase began.
    since: Duration,
    /// Since when it is not closed, if it is not.
    broken_since: Duration,
    /// Of the last change; a new one has had none.
    turn: Turn,
}

#[derive(Debug)]
enum Phase {
    Closed(Record),
    Open {
        until: Duration,
    },
    /// `left` trials may still begin; if those that began are not back by `until`, as many begin again.
    HalfOpen {
        left: u32,
        succeeded: u32,
        until: Duration,
    },
}

#[derive(Debug)]
enum Record {
    Consecutive(u32),
    Window(Box<Window>),
}

impl Turns {
    /// Which one it is now.
    pub(super) fn latest(&self) -> Turn {
        // Relaxed: too early a turn makes a call tell nothing about a change that happened beside it.
        Turn(self.0.load(Ordering::Relaxed))
    }

    fn advance(&self) -> Turn {
        Turn(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Machine {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            phase: Phase::Closed(rules.record()),
            since: Duration::ZERO,
            broken_since: Duration::ZERO,
            turn: Turn::default(),
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed(_) => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Lets a call begin, or not.
    pub(super) fn admit(&mut self, rules: &Rules, now: Duration, turns: &Turns) -> Option<Turn> {
        if matches!(self.phase, Phase::Open { until } if now >= until) {
            let until = now.saturating_add(rules.open_for);
            self.enter(Phase::HalfOpen { left: rules.trials, succeeded: 0, until }, now, turns);
        }
        match &mut self.phase {
            Phase::Closed(_) => {}
            Phase::Open { .. } => return None,
            Phase::HalfOpen { left, succeeded, until } => {
                if *left == 0 && now >= *until {
                    *left = rules.trials - *succeeded;
                    *until = now.saturating_add(rules.open_for);
                }
                *left = left.checked_sub(1)?;
            }
        }
        Some(turns.latest())
    }

    /// Takes note of a call that is back.
    pub(super) fn settle(&mut self, turn: Turn, outcome: Outcome, rules: &Rules, now: Duration, turns: &Turns) {
        if turn < self.turn {
            return;
        }
        let open = Phase::Open { until: now.saturating_add(rules.open_for) };
        match (&mut self.phase, outcome) {
            (Phase::Closed(_), Outcome::Neither) | (Phase::Open { .. }, _) => {}
            (Phase::Closed(record), outcome) => {
                record.add(outcome == Outcome::Failed, now);
                if record.is_too_much(&rules.threshold, now) {
                    self.enter(open, now, turns);
                }
            }
            (Phase::HalfOpen { .. }, Outcome::Failed) => self.enter(open, now, turns),
            (Phase::HalfOpen { left, .. }, Outcome::Neither) => *left += 1,
            (Phase::HalfOpen { succeeded, .. }, Outcome::Succeeded) => {
                *succeeded += 1;
                if *succeeded == rules.trials {
                    self.enter(Phase::Closed(rules.record()), now, turns);
                }
            }
        }
    }

    /// Whether it is closed, and nothing has failed lately.
    pub(super) fn is_at_rest(&self, now: Duration) -> bool {
        match &self.phase {
            Phase::Closed(Record::Consecutive(failures)) => *failures == 0,
            Phase::Closed(Record::Window(window)) => window.totals(now).0 == 0,
            Phase::Open { .. } | Phase::HalfOpen { .. } => false,
        }
    }

    /// Whether it was never anything but closed. One that was is still to tell which calls began before.
    pub(super) fn is_unchanged(&self) -> bool {
        self.turn == Turn::default()
    }

    /// From when on it is not much of a loss, unless it changes until then: it is at rest, or nobody asked since a trial was
    /// due.
    pub(super) fn spent_at(&self) -> Duration {
        match &self.phase {
            Phase::Closed(Record::Consecutive(0)) => Duration::ZERO,
            Phase::Closed(Record::Consecutive(_)) => Duration::MAX,
            Phase::Closed(Record::Window(window)) => window.empty_at(),
            Phase::Open { until } | Phase::HalfOpen { until, .. } => *until,
        }
    }

    /// For people: how long it has not been closed, trials that failed included, and when the next call is tried; `None` if
    /// it is closed.
    pub(super) fn trouble(&self, now: Duration) -> Option<String> {
        let age = now.saturating_sub(self.broken_since);
        match self.phase {
            Phase::Closed(_) => None,
            Phase::Open { until } if now >= until => Some(format!("open for {age:?}, a trial with the next event")),
            Phase::Open { until: Duration::MAX } => Some(format!("open for {age:?}, for good")),
            Phase::Open { until } => Some(format!("open for {age:?}, a trial in {:?}", until - now)),
            Phase::HalfOpen { .. } => {
                Some(format!("half-open for {:?}, not closed for {age:?}", now.saturating_sub(self.since)))
            }
        }
    }

    fn enter(&mut self, phase: Phase, now: Duration, turns: &Turns) {
        let broken_since = if matches!(self.phase, Phase::Closed(_)) { now } else { self.broken_since };
        *self = Self { phase, since: now, broken_since, turn: turns.advance() };
    }
}

impl Rules {
    fn record(&self) -> Record {
        match self.threshold {
            Threshold::Consecutive(_) => Record::Consecutive(0),
            Threshold::Rate { window, .. } => Record::Window(Box::new(Window::new(window))),
        }
    }
}

impl Record {
    fn add(&mut self, failed: bool, now: Duration) {
        match self {
            Self::Consecutive(failures) if failed => *failures = failures.saturating_add(1),
            Self::Consecutive(failures) => *failures = 0,
            Self::Window(window) => window.add(failed, now),
        }
    }

    fn is_too_much(&self, threshold: &Threshold, now: Duration) -> bool {
        match (self, threshold) {
            (Self::Consecutive(failures), Threshold::Consecutive(limit)) => failures >= limit,
            (Self::Window(window), Threshold::Rate { share, least, .. }) => {
                let (calls, failures) = window.totals(now);
                calls >= u64::from(*least) && failures as f64 >= share * calls as f64
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Failed, Neither, Succeeded};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A circuit that opens after two failures, for ten seconds.
    struct Bench {
        rules: Rules,
        machine: Machine,
        turns: Turns,
    }

    impl Bench {
        fn new(trials: u32) -> Self {
            let rules = Rules { threshold: Threshold::Consecutive(2), open_for: 10 * SECOND, trials };
            Self { machine: Machine::new(&rules), rules, turns: Turns::default() }
        }

        fn admit(&mut self, seconds: u32) -> Option<Turn> {
            self.machine.admit(&self.rules, seconds * SECOND, &self.turns)
        }

        fn settle(&mut self, turn: Option<Turn>, outcome: Outcome, seconds: u32) -> CircuitState {
            let turn = turn.expect("a call that was admitted");
            self.machine.settle(turn, outcome, &self.rules, seconds * SECOND, &self.turns);
            self.machine.state()
        }

        fn call(&mut self, outcome: Outcome, seconds: u32) -> CircuitState {
            let turn = self.admit(seconds);
            self.settle(turn, outcome, seconds)
        }
    }

    #[test]
    fn opens_after_failures_in_a_row_and_closes_after_a_trial() {
        let mut bench = Bench::new(1);
        for outcome in [Failed, Succeeded, Failed, Neither] {
            assert_eq!(bench.call(outcome, 0), CircuitState::Closed);
        }
        assert_eq!(bench.call(Failed, 1), CircuitState::Open);
        assert_eq!(bench.admit(10), None);
        assert_eq!(bench.call(Failed, 11), CircuitState::Open);
        assert_eq!(bench.admit(20), None);
        assert_eq!(bench.call(Succeeded, 21), CircuitState::Closed);
        assert_eq!(bench.call(Failed, 21), CircuitState::Closed);
    }

    #[test]
    fn half_open_lets_so_many_try_and_one_failure_opens_it() {
        let mut bench = Bench::new(2);
        bench.call(Failed, 0);
        bench.call(Failed, 0);
        let trials = [bench.admit(10), bench.admit(10), bench.admit(10)];
        assert_eq!(trials[2], None);
        assert_eq!(bench.settle(trials[0], Succeeded, 10), CircuitState::HalfOpen);
        assert_eq!(bench.admit(10), None);
        assert_eq!(bench.settle(trials[1], Failed, 10), CircuitState::Open);
        assert_eq!(bench.call(Succeeded, 20), CircuitState::HalfOpen);
        assert_eq!(bench.call(Neither, 20), CircuitState::HalfOpen);
        assert_eq!(bench.call(Succeeded, 20), CircuitState::Closed);
    }

    #[test]
    fn trials_that_do_not_come_back_are_given_again() {
        let mut bench = Bench::new(1);
        bench.call(Failed, 0);
        bench.call(Failed, 0);
        let hangs = bench.admit(10);
        assert_eq!(bench.admit(19), None);
        assert_eq!(bench.call(Succeeded, 20), CircuitState::Closed);
        assert_eq!(bench.settle(hangs, Failed, 30), CircuitState::Closed);
    }

    #[test]
    fn calls_of_an_earlier_state_tell_nothing_about_this_one() {
        let mut bench = Bench::new(1);
        let early = [bench.admit(0), bench.admit(0)];
        bench.call(Failed, 0);
        bench.call(Failed, 0);
        assert_eq!(bench.settle(early[0], Succeeded, 1), CircuitState::Open);
        let trial = bench.admit(10);
        assert_eq!(bench.settle(early[1], Succeeded, 10), CircuitState::HalfOpen);
        assert_eq!(bench.settle(trial, Succeeded, 10), CircuitState::Closed);
    }

    #[test]
    fn a_rate_needs_enough_calls() {
        let threshold = Threshold::Rate { share: 0.5, window: 10 * SECOND, least: 4 };
        let mut bench = Bench::new(1);
        bench.rules.threshold = threshold;
        bench.machine = Machine::new(&bench.rules);
        for (outcome, seconds) in [(Failed, 0), (Failed, 1), (Failed, 2), (Succeeded, 11), (Succeeded, 11)] {
            assert_eq!(bench.call(outcome, seconds), CircuitState::Closed);
        }
        // One failure of the first is still in the window.
        assert_eq!(bench.call(Failed, 11), CircuitState::Open);
        assert_eq!(bench.machine.spent_at(), 21 * SECOND);
        assert_eq!(bench.call(Succeeded, 21), CircuitState::Closed);
        assert!(bench.machine.is_at_rest(21 * SECOND));
    }
}
