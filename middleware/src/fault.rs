//! [`Fault`]: lets things go wrong on purpose.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::{Advice, Answer, Event, HandlerCall, Middleware, Next, Problem};

/// Lets things go wrong with some probability, as a seed decides: for tests.
///
/// Reach for it to see what a program does when a handler [fails](Self::fail) or [panics](Self::panic), when an event is
/// [late](Self::delay), comes [twice](Self::duplicate), or [not at all](Self::discard). Until told otherwise nothing goes
/// wrong.
///
/// Each kind has random numbers of its own, one for each event or call that it could happen to, so to switch one on changes
/// none of the others; but an event that is discarded makes no calls, and one that comes twice makes more. The same seed,
/// the same events and the same handlers in the same order go wrong in the same places. Where several threads emit, their
/// order decides who gets which number, but not how much goes wrong. Another version of this library may make another
/// choice of the same seed.
///
/// Failures happen to each handler by itself, after it was called: as if it failed in its last line, with all it did
/// done. So a [`Retry`](crate::Retry) before this layer meets what is hardest to bear. What happens to an event happens
/// when it first comes by, also if a layer further on holds it.
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which starts anew.
///
/// # Cost
///
/// Each handler is called by itself. Each kind that is switched on takes a lock for a few instructions.
///
/// # Place
///
/// What stands before it meets the faults, what stands behind it knows of none. So it belongs behind what is tested:
///
/// ```
/// use sigtree::{Bus, ManualClock, Stack};
/// use sigtree::middleware::{Fault, Retry};
///
/// let bus = Bus::builder().clock(ManualClock::new()).build();
/// let _handler = bus.connect("n", |_: &u32| {})?;
/// let half = || Fault::seeded(7).fail(0.5);
///
/// bus.set_stack(Stack::new().with(Retry::times(20)).with(half()));
/// assert_eq!((0..100_u32).filter(|n| bus.emit("n", *n).failed() > 0).count(), 0);
///
/// bus.set_stack(Stack::new().with(half()).with(Retry::times(20)));
/// assert!((0..100_u32).filter(|n| bus.emit("n", *n).failed() > 0).count() > 30);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
/// use sigtree::middleware::Fault;
///
/// let bus = Bus::new();
/// let fault = Fault::seeded(42).duplicate(0.2).discard(0.1);
/// bus.layer(fault.clone());
/// let _sum = bus.connect("n", |_: &u32| {})?;
/// let called: usize = (0..1_000_u32).map(|n| bus.emit("n", n).called()).sum();
///
/// let stats = fault.stats();
/// assert!(stats.duplicated > 0 && stats.discarded > 0);
/// assert_eq!(called as u64, 1_000 + stats.duplicated - stats.discarded);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Fault {
    seed: u64,
    /// How probable each kind is.
    odds: [f64; KINDS.len()],
    pause: Duration,
    dice: Arc<[Dice; KINDS.len()]>,
}

#[derive(Clone, Copy)]
enum Kind {
    Fail,
    Panic,
    Delay,
    Duplicate,
    Discard,
}

/// By their numbers, with their names for people.
const KINDS: [&str; 5] = ["fail", "panic", "delay", "duplicate", "discard"];

/// What a [`Fault`] let go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultStats {
    /// Calls that were made to fail.
    pub failed: u64,
    /// Calls that were made to panic.
    pub panicked: u64,
    /// Events that had to wait.
    pub delayed: u64,
    /// Events that went on twice.
    pub duplicated: u64,
    /// Events that were dropped.
    pub discarded: u64,
}

impl Fault {
    /// Lets nothing go wrong until told what.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, odds: Default::default(), pause: Duration::ZERO, dice: dice_of(seed) }
    }

    /// Lets a handler that was called return an error, with this probability from 0 to 1.
    ///
    /// # Panics
    ///
    /// If the probability is not from 0 to 1; so do the others.
    #[must_use]
    #[track_caller]
    pub fn fail(self, probability: f64) -> Self {
        self.set(Kind::Fail, probability)
    }

    /// Lets a handler that was called panic, with this probability; no panic hook hears of it.
    #[must_use]
    #[track_caller]
    pub fn panic(self, probability: f64) -> Self {
        self.set(Kind::Panic, probability)
    }

    /// Lets an event wait for so long, with this probability, by the clock of the bus it stands on; the emitter waits.
    #[must_use]
    #[track_caller]
    pub fn delay(self, probability: f64, pause: Duration) -> Self {
        Self { pause, ..self.set(Kind::Delay, probability) }
    }

    /// Lets an event go on twice, one after the other, with this probability; both have the same id.
    #[must_use]
    #[track_caller]
    pub fn duplicate(self, probability: f64) -> Self {
        self.set(Kind::Duplicate, probability)
    }

    /// Ends an event, with this probability.
    #[doc(alias = "drop")]
    #[must_use]
    #[track_caller]
    pub fn discard(self, probability: f64) -> Self {
        self.set(Kind::Discard, probability)
    }

    /// What went wrong so far.
    #[must_use]
    pub fn stats(&self) -> FaultStats {
        // Relaxed: they only count.
        let hits = |kind: Kind| self.dice[kind as usize].hits.load(Ordering::Relaxed);
        FaultStats {
            failed: hits(Kind::Fail),
            panicked: hits(Kind::Panic),
            delayed: hits(Kind::Delay),
            duplicated: hits(Kind::Duplicate),
            discarded: hits(Kind::Discard),
        }
    }

    #[track_caller]
    fn set(mut self, kind: Kind, probability: f64) -> Self {
        assert!((0.0..=1.0).contains(&probability), "a probability is from 0 to 1, not {probability}");
        self.odds[kind as usize] = probability;
        Self { dice: dice_of(self.seed), ..self }
    }

    /// Rolls the dice of a kind: whether it is to happen.
    fn falls(&self, kind: Kind) -> bool {
        let odds = self.odds[kind as usize];
        odds > 0.0 && self.dice[kind as usize].numbers.lock().f64() < odds
    }

    /// Counts that it happens.
    fn count(&self, kind: Kind) {
        self.dice[kind as usize].hits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Middleware for Fault {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if event.emission().resuming().is_some() {
            // It had its share when it first came by; what is left are its handlers.
            return next.run_each(event, self);
        }
        // All are rolled for each event, so that none disturbs the others.
        let [discard, delay, duplicate] = [Kind::Discard, Kind::Delay, Kind::Duplicate].map(|kind| self.falls(kind));
        if discard {
            self.count(Kind::Discard);
            return next.discard(event, "dropped by a fault");
        }
        if delay {
            self.count(Kind::Delay);
            next.host(event).clock().sleep(self.pause);
        }
        if duplicate {
            self.count(Kind::Duplicate);
            next.clone().run_each(event, self);
        }
        next.run_each(event, self);
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        let on = KINDS.iter().zip(self.odds).filter(|(_, odds)| *odds > 0.0);
        let on: Vec<_> = on.map(|(kind, odds)| format!(", {kind} {odds}")).collect();
        format!("fault with seed {}{}", self.seed, on.concat()).into()
    }
}

impl Advice for Fault {
    fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
        let answer = handler.call();
        if !matches!(answer, Answer::Done) {
            return answer;
        }
        match [Kind::Panic, Kind::Fail].map(|kind| self.falls(kind)) {
            [true, _] => {
                self.count(Kind::Panic);
                Answer::Failed(Problem::Panic(Box::new("a fault")))
            }
            [false, true] => {
                self.count(Kind::Fail);
                Answer::Failed(Problem::Error("a fault".into()))
            }
            [false, false] => answer,
        }
    }
}

/// What decides about one kind, and how often it happened.
struct Dice {
    numbers: Mutex<fastrand::Rng>,
    hits: AtomicU64,
}

/// The dice of all kinds as a seed makes them.
fn dice_of(seed: u64) -> Arc<[Dice; KINDS.len()]> {
    let mut seeds = fastrand::Rng::with_seed(seed);
    let numbers = [(); KINDS.len()].map(|()| Mutex::new(fastrand::Rng::with_seed(seeds.u64(..))));
    Arc::new(numbers.map(|numbers| Dice { numbers, hits: AtomicU64::new(0) }))
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault").field("is", &self.describe()).field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    /// How often each of so many events came through: 0, 1 or 2.
    fn counts(fault: &Fault, events: u32) -> Vec<usize> {
        let rig = Rig::new();
        let emit = |n| {
            let before = rig.seen().len();
            rig.emit(fault, "n", n);
            rig.seen().len() - before
        };
        (0..events).map(emit).collect()
    }

    #[test]
    fn nothing_goes_wrong_until_told() {
        let fault = Fault::seeded(1);
        assert_eq!(counts(&fault, 50), [1; 50]);
        assert_eq!(fault.stats(), FaultStats::default());
    }

    #[test]
    fn certain_faults_are_certain() {
        let rig = Rig::new();
        let fault = Fault::seeded(1).duplicate(1.0).delay(1.0, Duration::from_secs(2));
        rig.emit(&fault, "n", 1_u32);
        assert_eq!((rig.seen().len(), crate::Clock::elapsed(&rig.clock)), (2, Duration::from_secs(2)));
        let fault = Fault::seeded(1).discard(1.0);
        assert_eq!(rig.emit(&fault, "n", 1_u32).reason.as_deref(), Some("dropped by a fault"));
        assert_eq!(fault.stats(), FaultStats { discarded: 1, ..FaultStats::default() });
    }

    #[test]
    fn a_seed_decides_and_kinds_do_not_meddle() {
        let dropping = |seed| Fault::seeded(seed).discard(0.3);
        assert_eq!(counts(&dropping(1), 200), counts(&dropping(1), 200));
        assert_ne!(counts(&dropping(1), 200), counts(&dropping(2), 200));

        let dropped = |fault: &Fault| counts(fault, 200).iter().map(|count| *count == 0).collect::<Vec<_>>();
        assert_eq!(dropped(&dropping(1)), dropped(&dropping(1).duplicate(0.5)));

        // Of those that still come, the same ones come twice.
        let twice = counts(&Fault::seeded(1).duplicate(0.3), 200);
        let left = counts(&dropping(1).duplicate(0.3), 200);
        assert!(left.contains(&0) && left.contains(&2));
        assert!(left.iter().zip(&twice).all(|(left, all)| *left == 0 || left == all));
    }

    #[test]
    fn a_setter_makes_a_piece_of_its_own() {
        let first = Fault::seeded(1).discard(0.3);
        let second = first.clone().duplicate(0.0);
        assert_eq!(counts(&first, 50), counts(&second, 50));
        let (first, second) = (first.stats(), second.clone().duplicate(0.5).stats());
        assert!(first.discarded > 0);
        assert_eq!(second, FaultStats::default());
    }

    #[test]
    fn as_much_goes_wrong_as_is_probable() {
        let fault = Fault::seeded(3).discard(0.25).duplicate(0.5);
        counts(&fault, 2_000);
        let FaultStats { discarded, duplicated, .. } = fault.stats();
        assert!((400..600).contains(&discarded), "{discarded}");
        assert!((650..850).contains(&duplicated), "{duplicated}");
    }

    #[test]
    #[should_panic(expected = "a probability is from 0 to 1, not 50")]
    fn percents_are_no_probabilities() {
        let _ = Fault::seeded(1).fail(50.0);
    }

    #[test]
    fn says_what_may_go_wrong() {
        assert_eq!(Fault::seeded(7).describe(), "fault with seed 7");
        assert_eq!(Fault::seeded(7).fail(0.5).discard(0.1).describe(), "fault with seed 7, fail 0.5, discard 0.1");
    }
}
