//! [`Redeliver`]: the layer around a handler in reliable mode.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sigtree_middleware::{
    Advice, Alarm, Answer, Clock, DeadLetter, DeadReason, Entry, Event, EventId, HandlerCall, Held, Mark, Middleware,
    Next, Offload, Panics, Problem, Refused, Site, Standing, Topic,
};

use super::{Rules, text_of};
use crate::dispatch::failure::discard;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// Calls a handler that failed again, later, and keeps what it never did as dead letters.
///
/// It holds the event meanwhile, so nobody waits for a pause; it then goes on where the handler runs, in the clock's thread or on
/// its executor.
pub(crate) struct Redeliver(Arc<Inner>);

struct Inner {
    mark: Mark,
    rules: Rules,
    dead: DeadLetter,
    /// How many may wait.
    room: usize,
    offload: Option<Offload>,
    clock: Arc<dyn Clock>,
    line: Mutex<Line>,
    /// How many calls were made again, and how many events became dead letters.
    again: AtomicU64,
    buried: AtomicU64,
    me: Weak<Self>,
}

#[derive(Default)]
struct Line {
    /// What waits, by the time it is due.
    waiting: BTreeMap<(Duration, u64), (Held, Attempted)>,
    /// Places that were promised to events which are about to wait.
    promised: usize,
    /// What is on its way to the handler.
    given: HashMap<EventId, Attempted>,
    next: u64,
    /// For when alarms are set that did not ring yet.
    alarms: BTreeSet<Duration>,
}

/// What is known of an event that failed.
struct Attempted {
    entry: Entry,
    attempts: u32,
    error: Arc<str>,
    handler: Handler,
}

/// Which handler it was.
struct Handler {
    id: u64,
    pattern: Arc<str>,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
}

impl Redeliver {
    pub(crate) fn new(
        rules: Rules,
        dead: DeadLetter,
        room: usize,
        offload: Option<Offload>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (mark, line) = (Mark::new(), Mutex::new(Line::default()));
        let (again, buried) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new_cyclic(|me| Inner {
            mark,
            rules,
            dead,
            room,
            offload,
            clock,
            line,
            again,
            buried,
            me: me.clone(),
        }))
    }
}

impl Inner {
    /// Whether there is to be another attempt, and room to wait for it; then the place is promised.
    fn promise(&self, attempts: u32) -> Option<Duration> {
        let pause = self.rules.pause_after(attempts)?;
        let mut line = self.line.lock();
        if line.waiting.len() + line.promised >= self.room {
            return None;
        }
        line.promised += 1;
        Some(pause)
    }

    /// Lets an event wait that a place was promised to.
    fn wait(&self, held: Held, attempted: Attempted, pause: Duration) {
        let due = self.clock.elapsed().saturating_add(pause);
        let alarm = {
            let mut line = self.line.lock();
            line.promised -= 1;
            line.next += 1;
            let place = (due, line.next);
            line.waiting.insert(place, (held, attempted));
            line.alarm()
        };
        self.set(alarm);
    }

    fn set(&self, alarm: Option<Duration>) {
        if let Some(at) = alarm {
            let me: Weak<Self> = self.me.clone();
            self.clock.wake(at, me);
        }
    }

    /// Lets what is due by then go on. A panic keeps none of the others from it.
    fn release_until(&self, now: Duration, panics: &mut Panics) {
        while let Some((held, attempted)) = self.take_due(now) {
            panics.catch(|| self.release(held, attempted));
        }
    }

    fn release(&self, held: Held, attempted: Attempted) {
        let id = held.id();
        let replaced = self.line.lock().given.insert(id, attempted);
        self.give_up(replaced, "it came twice");
        let refused = match &self.offload {
            None => (!held.release()).then_some(Cow::Borrowed("nobody is there to be called")),
            Some(offload) => offload.release(held).err().map(Refused::reason),
        };
        if let Some(reason) = refused {
            let attempted = self.line.lock().given.remove(&id);
            self.give_up(attempted, &reason);
        }
    }

    fn take_due(&self, now: Duration) -> Option<(Held, Attempted)> {
        let mut line = self.line.lock();
        let first = line.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// An event whose handler is not called again makes a dead letter.
    fn give_up(&self, attempted: impl IntoIterator<Item = Attempted>, why: &str) {
        for Attempted { entry, attempts, error, handler } in attempted {
            let reason = DeadReason::Abandoned(format!("{why}; last error: {error}").into());
            self.bury(entry, reason, handler.site(), attempts);
        }
    }

    fn bury(&self, entry: Entry, reason: DeadReason, site: Site<'_>, attempts: u32) {
        self.buried.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(target: "sigtree::reliable", topic = %entry.topic(), attempts, "gave up on an event: {reason}");
        // A payload may panic when it is weighed or dropped.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.dead.add(entry, reason, site, attempts))) {
            discard(Some(panic));
        }
    }
}

impl Line {
    /// When to set an alarm, unless one is set that is early enough.
    fn alarm(&mut self) -> Option<Duration> {
        let (due, _) = *self.waiting.first_key_value()?.0;
        if self.alarms.first().is_some_and(|set| *set <= due) {
            return None;
        }
        self.alarms.insert(due);
        Some(due)
    }
}

impl Handler {
    fn of(handler: &HandlerCall<'_>) -> Self {
        Self {
            id: handler.id(),
            pattern: handler.pattern().into(),
            name: handler.name().map(Arc::from),
            location: handler.location(),
        }
    }

    fn site(&self) -> Site<'_> {
        Site { id: self.id, pattern: &self.pattern, name: self.name.as_deref(), location: self.location }
    }
}

/// Looks at what becomes of the handler in one attempt.
struct Watch<'r> {
    inner: &'r Inner,
    before: u32,
    /// That there is to be another one, and the pause before it.
    again: RefCell<Option<(Attempted, Duration)>>,
}

impl Advice for Watch<'_> {
    fn around(&self, handler: &HandlerCall<'_>, event: &Event<'_>) -> Answer {
        let answer = handler.call();
        let Answer::Failed(problem) = &answer else { return answer };
        let Some(entry) = entry_of(event) else { return answer };
        let (attempts, error) = (self.before + 1, text_of(problem));
        match self.inner.promise(attempts) {
            Some(pause) => {
                let attempted = Attempted { entry, attempts, error, handler: Handler::of(handler) };
                self.again.replace(Some((attempted, pause)));
                forget(answer);
                Answer::Skipped(Cow::Borrowed("it failed, and will be called again"))
            }
            None => {
                let site = Handler::of(handler);
                self.inner.bury(entry, DeadReason::Failed(error), site.site(), attempts);
                answer
            }
        }
    }
}

fn entry_of(event: &Event<'_>) -> Option<Entry> {
    let payload = event.share_erased()?;
    let entry = Entry::new(0, event.topic().clone(), payload, event.id(), event.emission().stamp());
    Some(entry.with_envelope(event.share_envelope()))
}

/// What a panic carried may panic when it is dropped.
fn forget(answer: Answer) {
    match answer {
        Answer::Failed(Problem::Panic(panic)) => discard(Some(panic)),
        answer => {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(answer))) {
                discard(Some(panic));
            }
        }
    }
}

impl Middleware for Redeliver {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let inner = &*self.0;
        let earlier = if event.resumes(inner.mark) { inner.line.lock().given.remove(&event.id()) } else { None };
        let before = earlier.as_ref().map_or(0, |earlier| earlier.attempts);
        inner.again.fetch_add(u64::from(before > 0), Ordering::Relaxed);
        let watch = Watch { inner, before, again: RefCell::new(None) };
        next.clone().run_each(event, &watch);
        let Some((attempted, pause)) = watch.again.take() else { return };
        match next.hold(event, inner.mark) {
            Some(held) => inner.wait(held, attempted, pause),
            None => {
                inner.line.lock().promised -= 1;
                inner.give_up([attempted], "it cannot be kept");
            }
        }
    }

    fn retains(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.0.mark
    }

    /// The handler is called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn flush(&self) {
        let mut panics = Panics::default();
        self.0.release_until(Duration::MAX, &mut panics);
        panics.resume();
    }

    fn standing(&self, _now: Duration) -> Standing {
        let waiting = self.0.line.lock().waiting.len();
        let (again, buried) = (self.0.again.load(Ordering::Relaxed), self.0.buried.load(Ordering::Relaxed));
        Standing::holding(waiting as u64).noting(format!("{again} given again, {buried} dead"))
    }

    fn describe(&self) -> Cow<'static, str> {
        let (retries, backoff) = (self.0.rules.retries(), self.0.rules.backoff());
        format!("reliable, up to {retries} more attempts after {backoff}").into()
    }
}

impl Alarm for Inner {
    fn ring(&self) {
        // Alarms ring in their order; one that rings too early is set again.
        self.line.lock().alarms.pop_first();
        let mut panics = Panics::default();
        self.release_until(self.clock.elapsed(), &mut panics);
        let alarm = self.line.lock().alarm();
        self.set(alarm);
        panics.resume();
    }
}

/// The connection has ended.
impl Drop for Inner {
    fn drop(&mut self) {
        let Line { waiting, given, .. } = std::mem::take(&mut *self.line.lock());
        let left = waiting.into_values().map(|(_, attempted)| attempted).chain(given.into_values());
        self.give_up(left.collect::<Vec<_>>(), "the connection ended");
    }
}
