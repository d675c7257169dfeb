//! [`Retry`]: calls a handler that failed again.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::panics::discard;
use crate::text::Counted;
use crate::{Advice, Answer, Backoff, Clock, Event, HandlerCall, Middleware, Next, Problem};

/// Calls a handler that failed again, after a pause, up to so many times.
///
/// Reach for it when failures pass by themselves: a busy file, a peer that restarts. It stands around each handler by
/// itself, so one that succeeded is not called again because another failed. A panic counts as a failure. What a
/// handler did before it failed is done again, so it must bear that.
///
/// The first pause is 10 milliseconds, and each is twice the one before, up to a second: see
/// [`backoff`](Retry::backoff), [`every`](Retry::every) and [`jitter`](Retry::jitter). Pauses are kept by the clock of
/// the bus it stands on, so with a [`ManualClock`](crate::ManualClock) they take no time. The last failure is the one that
/// is reported; those before it are only [counted](Retry::stats). It gives up early when the handler is disconnected or left
/// out meanwhile, and when the next pause would last to the event's [deadline](Event::deadline) or longer. An event that a
/// layer further in [holds](Next::hold) is no failure; when it goes on, the handlers it meets are called again like any
/// others.
///
/// On a bus it concerns the handlers of that bus, in a [`Scoped`](crate::Scoped) those of some topics, on a connection
/// that handler. It is a handle: give a bus a clone, keep one, and read its [`stats`](Retry::stats). A setter makes a
/// piece of its own, which starts anew.
///
/// # Cost
///
/// Each handler is called by itself, rather than all in one go. **The emitter waits**, and so do the handlers whose turn
/// comes later: all pauses are spent in the emit. For an event that a layer held that is the clock's thread, where
/// [nothing else that is due](crate::Clock::wake) goes on meanwhile.
///
/// Each try is a call of the handler. So a connection that is for one call (`once`, `times(1)`) is over when the first try
/// failed, if the `Retry` stands on the bus; around the connection all tries are one call.
///
/// # Place
///
/// What stands before it sees the outcome, what stands behind it each try. So what should hear of lasting failures only
/// belongs before it:
///
/// ```
/// use sigtree::{Bus, ManualClock, Stack};
/// use sigtree::middleware::{DeadLetter, Retry};
///
/// let bus = Bus::builder().clock(ManualClock::new()).build();
/// let _broken = bus.connect("job", |_: &u32| Err("broken"))?;
/// let (right, wrong) = (DeadLetter::new(), DeadLetter::new());
///
/// bus.set_stack(Stack::new().with(right.clone()).with(Retry::times(2)));
/// bus.emit("job", 1_u32);
/// assert_eq!(right.letters().iter().map(|letter| letter.attempts()).collect::<Vec<_>>(), [3]);
///
/// bus.set_stack(Stack::new().with(Retry::times(2)).with(wrong.clone()));
/// bus.emit("job", 1_u32);
/// assert_eq!(wrong.letters().iter().map(|letter| letter.attempts()).collect::<Vec<_>>(), [1, 2, 3]);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use sigtree::Bus;
/// use sigtree::middleware::Retry;
///
/// let bus = Bus::new();
/// let retry = Retry::times(3).every(Duration::from_millis(1)).when(|problem| problem.to_string() == "busy");
/// bus.layer(retry.clone());
/// let calls = AtomicU32::new(0);
/// let _file = bus.connect("save", move |_: &u32| match calls.fetch_add(1, Ordering::Relaxed) {
///     0 | 1 => Err("busy"),
///     _ => Ok(()),
/// })?;
/// assert_eq!(bus.emit("save", 1_u32).failed(), 0);
/// assert_eq!((retry.stats().calls, retry.stats().recovered), (2, 1));
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Retry {
    pauses: Pauses,
    when: Arc<dyn Fn(&Problem) -> bool + Send + Sync>,
    counts: Arc<Counts>,
}

#[derive(Debug, Clone, Copy)]
struct Pauses {
    times: usize,
    backoff: Backoff,
}

/// What a [`Retry`] did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryStats {
    /// Calls beyond the first of each handler.
    pub calls: u64,
    /// Handlers that failed, were called again, and succeeded.
    pub recovered: u64,
    /// Handlers whose failure stood: called often enough, not worth another call, or gone.
    pub given_up: u64,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    recovered: AtomicU64,
    given_up: AtomicU64,
}

impl Retry {
    /// Calls a handler that failed up to so many times more.
    #[must_use]
    pub fn times(times: usize) -> Self {
        let backoff = Backoff::exponential(Duration::from_millis(10), Duration::from_secs(1));
        Self { pauses: Pauses { times, backoff }, when: Arc::new(|_| true), counts: Arc::default() }
    }

    /// Sets the first pause and the longest; each is twice the one before.
    #[must_use]
    pub fn backoff(self, first: Duration, most: Duration) -> Self {
        self.pausing(|backoff| backoff.spanning(first, most))
    }

    /// Makes all pauses the same.
    #[must_use]
    pub fn every(self, pause: Duration) -> Self {
        self.backoff(pause, pause)
    }

    /// Gives up rather than let the pauses of one handler and event add up to more than this.
    #[must_use]
    pub fn within(self, all: Duration) -> Self {
        self.pausing(|backoff| backoff.within(all))
    }

    /// Adds to each pause a random part of it, up to all of it, so that many who failed together do not come back together.
    #[must_use]
    pub fn jitter(self) -> Self {
        self.pausing(Backoff::jitter)
    }

    /// The same with numbers that this seed decides, the same for each handler that fails: for tests.
    #[must_use]
    pub fn jitter_from(self, seed: u64) -> Self {
        self.pausing(|backoff| backoff.jitter_from(seed))
    }

    /// Calls again only after problems for which `worth` says `true`; the first one that is not stands.
    #[must_use]
    pub fn when(self, worth: impl Fn(&Problem) -> bool + Send + Sync + 'static) -> Self {
        Self { when: Arc::new(worth), ..self.anew() }
    }

    fn pausing(self, change: impl FnOnce(Backoff) -> Backoff) -> Self {
        Self { pauses: Pauses { backoff: change(self.pauses.backoff), ..self.pauses }, ..self.anew() }
    }

    fn anew(self) -> Self {
        Self { counts: Arc::default(), ..self }
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> RetryStats {
        let Counts { calls, recovered, given_up } = &*self.counts;
        // Relaxed: they only count.
        let [calls, recovered, given_up] = [calls, recovered, given_up].map(|count| count.load(Ordering::Relaxed));
        RetryStats { calls, recovered, given_up }
    }

    /// Calls the handler again until it succeeds or the failure stands.
    fn call_again(
        &self,
        mut problem: Problem,
        handler: &HandlerCall<'_>,
        event: &Event<'_>,
        clock: &dyn Clock,
    ) -> Answer {
        let mut pauses = self.pauses.iter();
        while (self.when)(&problem)
            && let Some(pause) = pauses.next()
            && event.time_left().is_none_or(|left| pause < left)
        {
            clock.sleep(pause);
            match handler.call() {
                // Gone or left out meanwhile.
                Answer::Skipped(_) => break,
                Answer::Done => {
                    self.counts.calls.fetch_add(1, Ordering::Relaxed);
                    self.counts.recovered.fetch_add(1, Ordering::Relaxed);
                    discard(problem);
                    return Answer::Done;
                }
                Answer::Failed(latest) => {
                    self.counts.calls.fetch_add(1, Ordering::Relaxed);
                    discard(std::mem::replace(&mut problem, latest));
                }
            }
        }
        self.counts.given_up.fetch_add(1, Ordering::Relaxed);
        Answer::Failed(problem)
    }
}

/// Stands around the handlers of one event.
struct Around<'r> {
    retry: &'r Retry,
    clock: &'r dyn Clock,
}

impl Advice for Around<'_> {
    fn around(&self, handler: &HandlerCall<'_>, event: &Event<'_>) -> Answer {
        match handler.call() {
            Answer::Failed(problem) => self.retry.call_again(problem, handler, event, self.clock),
            answer => answer,
        }
    }
}

impl Middleware for Retry {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let clock = next.host(event).clock();
        next.run_each(event, &Around { retry: self, clock });
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        let Pauses { times, backoff } = self.pauses;
        format!("retry up to {} after {backoff}", Counted(times, "time")).into()
    }
}

impl Pauses {
    fn iter(self) -> impl Iterator<Item = Duration> {
        self.backoff.pauses(self.times)
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("pauses", &self.pauses).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn milliseconds(retry: &Retry) -> Vec<f64> {
        retry.pauses.iter().map(|pause| pause.as_secs_f64() * 1_000.0).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!(milliseconds(&Retry::times(8)), [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1000.0]);
        assert_eq!(milliseconds(&Retry::times(3).backoff(4 * MILLISECOND, MILLISECOND)), [4.0; 3]);
        assert_eq!(milliseconds(&Retry::times(2).every(MILLISECOND)), [1.0; 2]);
        assert_eq!(milliseconds(&Retry::times(2).every(Duration::ZERO)), [0.0; 2]);
        assert_eq!(Retry::times(2).every(Duration::MAX).jitter().within(Duration::MAX).pauses.iter().count(), 2);
        assert_eq!(milliseconds(&Retry::times(0)), [0.0; 0]);
    }

    #[test]
    fn together_they_stay_within_a_limit() {
        assert_eq!(milliseconds(&Retry::times(9).within(70 * MILLISECOND)), [10.0, 20.0, 40.0]);
        assert_eq!(milliseconds(&Retry::times(9).within(69 * MILLISECOND)), [10.0, 20.0]);
    }

    #[test]
    fn jitter_adds_up_to_the_pause_and_a_seed_decides_it() {
        let pauses = milliseconds(&Retry::times(100).every(MILLISECOND).jitter());
        assert!(pauses.iter().all(|pause| (1.0..=2.0).contains(pause)), "{pauses:?}");
        assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");

        let seeded = |seed| milliseconds(&Retry::times(9).jitter_from(seed));
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
    }

    #[test]
    fn says_how_it_is_set() {
        assert_eq!(Retry::times(3).describe(), "retry up to 3 times after 10ms to 1s");
        let all = Retry::times(2).every(MILLISECOND).jitter().within(Duration::from_secs(1));
        assert_eq!(all.describe(), "retry up to 2 times after 1ms and jitter, within 1s");
    }
}
