use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sigtree_middleware::{Event, IntoPattern, Limits, ManualClock, Pattern, Topic};

use super::emitted::{Emitted, times};
use super::seen::Seen;
use super::shown::Shown;
use super::troubles::Troubles;
use super::view::View;
use crate::bus::Bus;
use crate::connection::Connection;

/// Writes down what the topics of a pattern bring: topics, payloads, ids, times, in order.
///
/// It is a handle: clones write into one list, and its connections end with the last of them. It is called before other handlers of
/// its bus, so an event stands before those that handlers emit in answer to it. What a layer ends before the handlers, or a
/// [mute](Bus::mute) silences, it does not see; on a [`TestBus`](super::TestBus) a failing assertion names the layer.
///
/// It keeps the last 10,000 events unless [told otherwise](Self::room); what it forgets is [counted](Self::forgotten), and
/// assertions about all there was (`times`, `exactly`, `not_emitted`, ...) then fail rather than guess.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
/// use sigtree::testing::Recorder;
///
/// let bus = Bus::new();
/// let seen = Recorder::on(&bus, "order.**");
/// bus.emit("order.new", 7_u32);
/// bus.emit("order.note", "by mail");
///
/// seen.exactly(["order.new 7", "order.note \"by mail\""]);
/// assert_eq!(seen.payloads::<u32>(), [7]);
/// ```
///
/// # Assertions
///
/// They panic at the line that calls them, with what was expected, what was seen, and a diff where there are two lists to compare.
///
/// ```should_panic
/// # use sigtree::Bus;
/// # use sigtree::testing::Recorder;
/// # let bus = Bus::new();
/// # let seen = Recorder::on(&bus, "**");
/// bus.emit("a", 1_u32);
/// bus.emit("b", 2_u32);
/// bus.emit("c", 4_u32);
/// // what was seen is not what was expected
/// //   (- expected, + seen)
/// //     a 1
/// //     b 2
/// //   - c 3
/// //   + c 4
/// seen.exactly(["a 1", "b 2", "c 3"]);
/// ```
///
/// # Cost
///
/// Each event it sees takes its id, time and payload into an `Arc`, and waits for a lock. It is made for tests; a
/// [`History`](crate::History) is what a program keeps.
#[derive(Clone)]
pub struct Recorder {
    log: Arc<Log>,
    connections: Arc<Mutex<Vec<Connection>>>,
}

/// What the handlers write into; they do not keep the connections alive.
struct Log {
    state: Mutex<State>,
    came: Condvar,
    shown: Shown,
}

struct State {
    events: VecDeque<Seen>,
    /// How many ever came.
    count: u64,
    forgotten: u64,
    bound: usize,
    patience: Duration,
    clock: Option<ManualClock>,
    heard: Vec<Pattern>,
    troubles: Option<Troubles>,
}

impl Recorder {
    /// A recorder that hears nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::showing(Shown::default())
    }

    /// A recorder of the topics of a pattern on a bus.
    ///
    /// # Panics
    ///
    /// If `pattern` is not a pattern.
    #[must_use]
    #[track_caller]
    pub fn on(bus: &Bus, pattern: impl IntoPattern) -> Self {
        Self::new().listen(bus, pattern)
    }

    pub(super) fn showing(shown: Shown) -> Self {
        let state = State {
            events: VecDeque::new(),
            count: 0,
            forgotten: 0,
            bound: 10_000,
            patience: Duration::from_secs(10),
            clock: None,
            heard: Vec::new(),
            troubles: None,
        };
        Self {
            log: Arc::new(Log { state: Mutex::new(state), came: Condvar::new(), shown }),
            connections: Arc::default(),
        }
    }

    /// Hears the topics of one more pattern, of this or another bus; an event that two of its patterns match is recorded twice.
    ///
    /// # Panics
    ///
    /// If `pattern` is not a pattern.
    #[must_use]
    #[track_caller]
    pub fn listen(self, bus: &Bus, pattern: impl IntoPattern) -> Self {
        let pattern = pattern_of(pattern);
        let log = self.log.clone();
        let first = bus.on(&pattern).priority(i32::MAX).keeps().named("recorder");
        match first.connect(move |event: &Event<'_>| log.record(event)) {
            Ok(connection) => self.connections.lock().push(connection),
            Err(error) => panic!("{error}"),
        }
        self.log.state.lock().heard.push(pattern);
        self
    }

    /// Keeps this many events, at least 1; by default 10,000. The oldest are forgotten first.
    #[must_use]
    pub fn room(self, events: usize) -> Self {
        let forgotten = self.log.state.lock().set_bound(events.max(1));
        drop(forgotten);
        self
    }

    /// Waits so long, in real time, for [other threads](Self::wait_for); by default 10 seconds.
    #[must_use]
    pub fn patience(self, time: Duration) -> Self {
        self.log.state.lock().patience = time;
        self
    }

    /// Lets [`eventually`](Self::eventually) move this clock instead of waiting.
    #[must_use]
    pub fn clock(self, clock: &ManualClock) -> Self {
        self.log.state.lock().clock = Some(clock.clone());
        self
    }

    /// Writes payloads of this type with their `Debug`, also those that came already.
    ///
    /// Numbers, texts and the like need not be named, nor the types of payloads that an assertion was given.
    #[must_use]
    pub fn show<T: Any + fmt::Debug>(self) -> Self {
        self.log.shown.learn::<T>();
        self
    }

    // Looking

    /// What was seen, the oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Seen> {
        self.log.state.lock().events.iter().cloned().collect()
    }

    /// What was seen, the oldest first, which is then gone from here.
    #[must_use]
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.log.state.lock().events).into()
    }

    /// Forgets what was seen on purpose: it does not count as [forgotten](Self::forgotten).
    pub fn clear(&self) {
        drop(self.take());
    }

    /// The topics of what was seen.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        self.log.state.lock().events.iter().map(|seen| seen.topic().clone()).collect()
    }

    /// The payloads that are a `T`.
    #[must_use]
    pub fn payloads<T: Any + Clone>(&self) -> Vec<T> {
        self.events().iter().filter_map(|seen| seen.payload().cloned()).collect()
    }

    /// Topic and payload of what was seen, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.events().iter().map(ToString::to_string).collect()
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.log.state.lock().events.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events fell out because there was no [room](Self::room).
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.log.state.lock().forgotten
    }

    // Waiting

    /// Waits until another thread has emitted a matching event; at once if there is one.
    ///
    /// It sleeps until something is recorded and looks again. The time is real, whatever clock the bus has: see
    /// [`eventually`](Self::eventually) for what only needs the time to move.
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::testing::Recorder;
    ///
    /// let bus = Bus::new();
    /// let seen = Recorder::on(&bus, "job.*");
    /// let worker = std::thread::spawn(move || drop(bus.emit("job.done", 7_u32)));
    /// seen.wait_for("job.done").with(&7_u32);
    /// # worker.join().unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// If none comes within the recorder's [patience](Self::patience), or `pattern` is not a pattern.
    #[track_caller]
    pub fn wait_for(&self, pattern: impl IntoPattern) -> Emitted {
        self.wait_for_times(pattern, 1)
    }

    /// The same for so many matching events, those included that came already.
    ///
    /// # Panics
    ///
    /// As [`wait_for`](Self::wait_for).
    #[track_caller]
    pub fn wait_for_times(&self, pattern: impl IntoPattern, n: usize) -> Emitted {
        let pattern = pattern_of(pattern);
        let patience = self.log.state.lock().patience;
        let came = self.wait(patience, || self.count(&pattern) >= n);
        let emitted = Emitted::of(self.view(), &pattern);
        if !came {
            let came =
                if n == 1 { "did not come".into() } else { format!("came {}, not {},", emitted.count(), times(n)) };
            emitted.fail_missing(&format!("{emitted} {came} within {patience:?}"));
        }
        emitted
    }

    /// Waits until a condition holds, which is checked each time something is recorded; `false` if the recorder's
    /// [patience](Self::patience) ends first.
    #[must_use]
    pub fn wait_until(&self, condition: impl FnMut() -> bool) -> bool {
        let patience = self.log.state.lock().patience;
        self.wait(patience, condition)
    }

    /// Lets time pass on the bus's clock, `within` at most, until a matching event is there.
    ///
    /// A recorder that knows its [`ManualClock`], as those of a [`TestBus`](super::TestBus) do, moves it from alarm to alarm and looks
    /// after each: no real time passes, and the clock stands where the event came. On other clocks it waits.
    ///
    /// # Panics
    ///
    /// If none comes, or `pattern` is not a pattern.
    #[track_caller]
    pub fn eventually(&self, pattern: impl IntoPattern, within: Duration) -> Emitted {
        let pattern = pattern_of(pattern);
        let clock = self.log.state.lock().clock.clone();
        let is_there = || self.count(&pattern) > 0;
        let came = match clock {
            Some(clock) => clock.advance_until(within, is_there),
            None => self.wait(within, is_there),
        };
        let emitted = Emitted::of(self.view(), &pattern);
        if !came {
            emitted.fail_missing(&format!("{emitted} did not come within {within:?}"));
        }
        emitted
    }

    /// Checks the condition after each event that is recorded, until it holds or the time is over.
    fn wait(&self, time: Duration, mut condition: impl FnMut() -> bool) -> bool {
        // A time too far off for the clock never comes.
        let end = Instant::now().checked_add(time);
        loop {
            let count = self.log.state.lock().count;
            // Checked without the lock, because it may be the user's code.
            if condition() {
                return true;
            }
            let mut state = self.log.state.lock();
            while state.count == count {
                let Some(end) = end else {
                    self.log.came.wait(&mut state);
                    continue;
                };
                if self.log.came.wait_until(&mut state, end).timed_out() {
                    drop(state);
                    return condition();
                }
            }
        }
    }

    // For the other files

    fn count(&self, pattern: &Pattern) -> usize {
        self.log.state.lock().events.iter().filter(|seen| pattern.matches(seen.topic())).count()
    }

    /// How many events ever came.
    pub(super) fn came(&self) -> u64 {
        self.log.state.lock().count
    }

    /// What was seen up to now, to be looked at by an assertion.
    pub(super) fn view(&self) -> View {
        let state = self.log.state.lock();
        View {
            events: state.events.iter().cloned().collect(),
            forgotten: state.forgotten,
            heard: state.heard.clone(),
            shown: self.log.shown.clone(),
            troubles: state.troubles.clone(),
        }
    }

    /// Has failing assertions also say what went wrong on the bus.
    pub(super) fn troubles(self, troubles: &Troubles) -> Self {
        self.log.state.lock().troubles = Some(troubles.clone());
        self
    }
}

/// A pattern that a test spells out.
#[track_caller]
pub(super) fn pattern_of(pattern: impl IntoPattern) -> Pattern {
    // A bus may have larger limits than the default.
    let limits = Limits::new().segments(usize::MAX).bytes(usize::MAX);
    match pattern.into_pattern(&limits) {
        Ok(pattern) => pattern,
        Err(error) => panic!("{error}"),
    }
}

impl Log {
    fn record(&self, event: &Event<'_>) {
        let seen = Seen::of(event, &self.shown);
        let forgotten = self.state.lock().push(seen);
        self.came.notify_all();
        // Outside the lock, because payloads are dropped with it.
        drop(forgotten);
    }
}

impl State {
    /// Adds an event, and hands back what there is no room for.
    fn push(&mut self, seen: Seen) -> VecDeque<Seen> {
        self.count += 1;
        self.events.push_back(seen.numbered(self.count));
        self.make_room()
    }

    fn set_bound(&mut self, bound: usize) -> VecDeque<Seen> {
        self.bound = bound;
        self.make_room()
    }

    fn make_room(&mut self) -> VecDeque<Seen> {
        let excess = self.events.len().saturating_sub(self.bound);
        self.forgotten += excess as u64;
        self.events.drain(..excess).collect()
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

/// A line for each event, as [`Seen`] writes it, for snapshots; the same in every run on a [`TestBus`](super::TestBus).
impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forgotten = self.forgotten();
        let mut lines = Vec::new();
        if forgotten > 0 {
            lines.push(format!("({forgotten} forgotten)"));
        }
        for seen in self.events() {
            lines.push(if f.alternate() { format!("{seen:#}") } else { seen.to_string() });
        }
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events()).finish()
    }
}
