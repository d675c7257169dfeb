//! [`Timeout`]: a deadline that handlers can ask for.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Advice, Answer, Envelope, Event, HandlerCall, Host, Middleware, Next, Sealed, Topic, clock};

/// Gives events a deadline, and tells of the handlers that are not done by then.
///
/// Reach for it to learn which handlers hold the emitters up, and to let those that work in steps give up in order: they
/// ask [`Event::time_left`]. It is cooperative. A handler is never interrupted, since nothing can stop a call safely; one
/// that does not ask is called to its end, and the emitter waits.
///
/// A handler that is done after the deadline is [counted](Timeout::stats) and reported on `$sys.late` with the place where it
/// was connected ([`HandlerLate`]). So is one whose turn came too late, because others took the time;
/// [`leave_out`](Timeout::leave_out) has those passed over. Handlers of a parent see the deadline, but are not watched. An
/// event that has an earlier deadline keeps it. What a handler emits has no deadline unless it
/// [passes its own on](https://docs.rs/sigtree/latest/sigtree/struct.EventBuilder.html#method.deadline).
///
/// The clock is that of the bus the event was emitted on. It is a handle: give a bus a clone, keep one, and read its
/// [`stats`](Self::stats). A setter makes a piece of its own, which starts anew.
///
/// # Cost
///
/// A look at the clock and a new envelope for each event, and two looks at the clock around each handler, which is called
/// by itself.
///
/// # Place
///
/// The time runs from where it stands. Before a slow layer, or one that holds events, it covers the layer, behind one it
/// does not:
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Clock, Event, ManualClock, Next, Stack};
/// use sigtree::middleware::Timeout;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let _handler = bus.connect("n", |_: &u32| {})?;
/// let slow = move |event: &Event, next: Next| {
///     clock.sleep(Duration::from_secs(2));
///     next.run(event);
/// };
/// let (right, wrong) = (Timeout::new(Duration::from_secs(1)), Timeout::new(Duration::from_secs(1)));
///
/// bus.set_stack(Stack::new().with(right.clone()).with(slow.clone()));
/// bus.emit("n", 1_u32);
/// assert_eq!(right.stats().late, 1);
///
/// bus.set_stack(Stack::new().with(slow).with(wrong.clone()));
/// bus.emit("n", 1_u32);
/// assert_eq!(wrong.stats().late, 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Event};
/// use sigtree::middleware::Timeout;
///
/// let bus = Bus::new();
/// bus.layer(Timeout::new(Duration::from_secs(30)));
/// let _rows = bus.connect("import", |rows: &Vec<u32>, event: &Event| {
///     for _row in rows {
///         if event.time_left() == Some(Duration::ZERO) {
///             return Err("out of time");
///         }
///     }
///     Ok(())
/// })?;
/// assert_eq!(bus.emit("import", vec![1_u32, 2, 3]).failed(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Timeout {
    limit: Limit,
    leaves_out: bool,
    counts: Arc<Counts>,
}

/// How much time there is.
#[derive(Clone)]
enum Limit {
    Fixed(Duration),
    Asked(Arc<dyn Fn() -> Duration + Send + Sync>),
}

impl Limit {
    fn now(&self) -> Duration {
        match self {
            Self::Fixed(limit) => *limit,
            Self::Asked(ask) => ask(),
        }
    }
}

#[derive(Default)]
struct Counts {
    late: AtomicU64,
    left_out: AtomicU64,
}

/// What became of the calls behind a [`Timeout`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeoutStats {
    /// Calls that were not done by their deadline.
    pub late: u64,
    /// Handlers that were passed over because their turn came too late.
    pub left_out: u64,
}

/// A handler was not done by an event's deadline: the report on `$sys.late`.
///
/// Times are those of the clock of the bus the event was emitted on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HandlerLate {
    /// The name of the bus that the timeout stands on.
    pub bus: Arc<str>,
    /// The event's topic.
    pub topic: Topic,
    /// The connection's pattern.
    pub pattern: Arc<str>,
    /// The name given to the connection, if any.
    pub name: Option<Arc<str>>,
    /// Where the handler was connected.
    pub site: &'static Location<'static>,
    /// When it was to be done.
    pub deadline: Duration,
    /// When it was called.
    pub began: Duration,
    /// When it was done.
    pub ended: Duration,
}

impl HandlerLate {
    /// Whether the deadline had passed before it was called: others were slow.
    #[must_use]
    pub fn began_late(&self) -> bool {
        self.began >= self.deadline
    }
}

impl Timeout {
    /// Gives each event this much time.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit: Limit::Fixed(limit), leaves_out: false, counts: Arc::default() }
    }

    /// Asks for each event how much time it has: for a limit that changes.
    #[must_use]
    pub fn asking(limit: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { limit: Limit::Asked(Arc::new(limit)), leaves_out: false, counts: Arc::default() }
    }

    /// Passes over the handlers whose turn comes when the deadline has passed: skipped, and [counted](Timeout::stats).
    #[must_use]
    pub fn leave_out(self) -> Self {
        Self { leaves_out: true, counts: Arc::default(), ..self }
    }

    /// What became of the calls so far.
    #[must_use]
    pub fn stats(&self) -> TimeoutStats {
        let Counts { late, left_out } = &*self.counts;
        // Relaxed: they only count.
        let [late, left_out] = [late, left_out].map(|count| count.load(Ordering::Relaxed));
        TimeoutStats { late, left_out }
    }
}

impl Middleware for Timeout {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let host = next.host(event);
        let deadline = clock::now(event).saturating_add(self.limit.now());
        match event.deadline() {
            Some(earlier) if earlier <= deadline => {
                next.run_each(event, &Watch { timeout: self, deadline: earlier, host });
            }
            _ => {
                let envelope = event.envelope().cloned().unwrap_or_default();
                let sealed = Sealed::new(Envelope { deadline: Some(deadline), ..envelope });
                next.run_each(&event.with_envelope(Some(&sealed)), &Watch { timeout: self, deadline, host });
            }
        }
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        let late = if self.leaves_out { "left out" } else { "called all the same" };
        format!("timeout after {:?}, then {late}", self.limit.now()).into()
    }
}

/// Looks at the clock around each handler of one event.
struct Watch<'t> {
    timeout: &'t Timeout,
    /// On the clock of the bus where the event was emitted.
    deadline: Duration,
    /// The bus that is told of what is late.
    host: &'t dyn Host,
}

impl Advice for Watch<'_> {
    fn around(&self, handler: &HandlerCall<'_>, event: &Event<'_>) -> Answer {
        let began = clock::now(event);
        let counts = &self.timeout.counts;
        if self.timeout.leaves_out && began >= self.deadline {
            counts.left_out.fetch_add(1, Ordering::Relaxed);
            return Answer::Skipped(Cow::Borrowed("the deadline has passed"));
        }
        let answer = handler.call();
        let ended = clock::now(event);
        if ended > self.deadline && !matches!(answer, Answer::Skipped(_)) {
            counts.late.fetch_add(1, Ordering::Relaxed);
            self.report(handler, event, began, ended);
        }
        answer
    }
}

impl Watch<'_> {
    fn report(&self, handler: &HandlerCall<'_>, event: &Event<'_>, began: Duration, ended: Duration) {
        let host = self.host;
        host.report("$sys.late", &mut || {
            Arc::new(HandlerLate {
                bus: host.name().into(),
                topic: event.topic().clone(),
                pattern: handler.pattern().into(),
                name: handler.name().map(Arc::from),
                site: handler.location(),
                deadline: self.deadline,
                began,
                ended,
            })
        });
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("limit", &self.limit.now())
            .field("leaves_out", &self.leaves_out)
            .field("stats", &self.stats())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::Inspect;
    use crate::support::Rig;

    const SECOND: Duration = Duration::from_secs(1);

    /// Writes down the deadlines that come by, and whether the rest of the envelope does.
    fn deadlines(seen: &Arc<Mutex<Vec<String>>>) -> impl Middleware + use<> {
        let seen = seen.clone();
        Inspect::new(move |event: &Event<'_>| {
            seen.lock().push(format!("{:?} {:?}", event.deadline(), event.correlation()));
        })
    }

    #[test]
    fn puts_a_deadline_into_the_envelope_and_leaves_the_rest() {
        let rig = Rig::new();
        let seen = Arc::default();
        let stack = (Timeout::new(3 * SECOND), deadlines(&seen));
        rig.clock.advance(2 * SECOND);
        rig.emit(&stack, "a", 1_u32);
        let correlated = Envelope { correlation: Some("c".into()), ..Envelope::default() };
        rig.emit_in(&stack, "a", 1_u32, Some(correlated));
        assert_eq!(*seen.lock(), ["Some(5s) None", "Some(5s) Some(\"c\")"]);
    }

    #[test]
    fn the_earlier_deadline_stands() {
        let rig = Rig::new();
        let seen = Arc::default();
        rig.emit(&(Timeout::new(3 * SECOND), Timeout::new(SECOND), deadlines(&seen)), "a", 1_u32);
        rig.emit(&(Timeout::new(SECOND), Timeout::new(3 * SECOND), deadlines(&seen)), "a", 1_u32);
        rig.emit(&(Timeout::new(SECOND), Timeout::new(Duration::MAX), deadlines(&seen)), "a", 1_u32);
        assert_eq!(*seen.lock(), ["Some(1s) None"; 3]);
    }

    #[test]
    fn says_what_becomes_of_the_late() {
        assert_eq!(Timeout::new(SECOND).describe(), "timeout after 1s, then called all the same");
        assert_eq!(Timeout::new(SECOND).leave_out().describe(), "timeout after 1s, then left out");
    }
}
