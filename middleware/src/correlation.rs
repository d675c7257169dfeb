//! [`Correlation`]: ties events to those that led to them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::{Envelope, Event, EventId, Middleware, Next, Sealed, Topic};

/// Gives events a correlation and a causation, and passes them on to what is emitted while they are handled.
///
/// Reach for it to see which events belong together: in a log, in a history, in the tree that a replay is compared by.
///
/// An event that is emitted while another is handled, on the same thread and at whatever depth, gets that one's
/// [correlation](Event::correlation), and its id as the [causation](Event::causation). One that is emitted by itself
/// gets its own id, as text, as the correlation, and no causation. What the emitter gave an event is kept.
///
/// It makes no ids of its own: with injected [`Ids`](crate::Ids) the same program ties the same knots in every run.
/// A [replayed](Event::is_replayed) event is tied as it was, and not to whatever its replay was started by.
///
/// ```
/// use sigtree::{Bus, Event, SequentialIds};
/// use sigtree::middleware::Correlation;
///
/// let bus = Bus::builder().ids(SequentialIds::default()).build();
/// bus.layer(Correlation::new());
/// let weak = bus.downgrade();
/// let _plots = bus.connect("plot", move |n: &u32| {
///     if let Some(bus) = weak.upgrade() {
///         bus.emit("track", *n);
///     }
/// })?;
/// let _tracks = bus.connect("track", |event: &Event| {
///     assert_eq!(event.causation().unwrap().to_bits(), 1);
///     assert_eq!(event.correlation(), Some("00000000000000000000000001"));
/// })?;
/// bus.emit("plot", 7_u32);
/// assert_eq!(bus.failures(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// The event's id and time, and a copy of its envelope, for each event; the text of the correlation is made once for
/// all events that share it.
///
/// # Concurrency
///
/// What is being handled is known to each thread by itself. What another thread emits is tied to nothing, unless it
/// [follows a trail](Trail::follow); what is emitted with `emit_later` follows by itself.
///
/// # Place
///
/// First. What stands before it sees events as they were emitted, and a layer that holds events, before it, would let
/// them go on tied to what its thread happens to be doing then:
///
/// ```
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Correlation, History};
///
/// let (right, wrong) = (History::new(), History::new());
/// let bus = Bus::new();
///
/// bus.set_stack(Stack::new().with(Correlation::new()).with(right.clone()));
/// bus.emit("plot", 1_u32);
/// assert!(right.entries()[0].envelope().unwrap().correlation.is_some());
///
/// bus.set_stack(Stack::new().with(wrong.clone()).with(Correlation::new()));
/// bus.emit("plot", 1_u32);
/// assert!(wrong.entries()[0].envelope().is_none());
/// ```
///
/// One layer on a root bus does not tie what is emitted on a child while the child's own handlers run: give it to each
/// bus that emits. Two of them on an event's way tie it once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Correlation(());

/// What a thread is handling: take it to another thread, and what is emitted there is tied to it as well.
///
/// ```
/// use sigtree::{Bus, Event};
/// use sigtree::middleware::Correlation;
///
/// let bus = Bus::new();
/// bus.layer(Correlation::new());
/// let weak = bus.downgrade();
/// let _jobs = bus.connect("job", move |n: &u32| {
///     let (weak, n, trail) = (weak.clone(), *n, Correlation::trail());
///     let work = move || trail.unwrap().follow(|| weak.upgrade().unwrap().emit("done", n).ok().map(drop));
///     std::thread::spawn(work).join().unwrap()
/// })?;
/// let _done = bus.connect("done", |event: &Event| event.causation().map(drop).ok_or("tied to nothing"))?;
/// bus.emit("job", 1_u32).ok()?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct Trail {
    id: EventId,
    correlation: Arc<str>,
    /// Which emit it is, as long as that is on the stack: two buses may give two events one id.
    emission: usize,
}

thread_local! {
    static HANDLED: RefCell<Option<Trail>> = const { RefCell::new(None) };
}

impl Correlation {
    /// Ties every event that comes by.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }

    /// What this thread is handling behind a layer of this kind, if it is.
    #[must_use]
    pub fn trail() -> Option<Trail> {
        HANDLED.try_with(|handled| handled.borrow().clone()).ok().flatten()
    }
}

impl Trail {
    /// The trail of an event that has a correlation: for those who hand it to another thread, or handle it later.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Option<Self> {
        let correlation = event.envelope()?.correlation.clone()?;
        Some(Self { id: event.id(), correlation, emission: emission_of(event) })
    }

    /// Calls what handles an event that comes from nowhere, such as one that was held: what is emitted there is tied to that
    /// event, if it has a correlation, and not to what this thread was handling. For those who write a bus.
    pub fn lead<R>(event: &Event<'_>, handle: impl FnOnce() -> R) -> R {
        let _inside = Inside::enter(Self::of(event));
        handle()
    }

    /// The event that is being handled: what is emitted gets it as its causation.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The correlation of that event, and of what is emitted.
    #[must_use]
    pub fn correlation(&self) -> &str {
        &self.correlation
    }

    /// Runs a closure as if it were called by a handler of the event.
    pub fn follow<R>(&self, run: impl FnOnce() -> R) -> R {
        // The emit may be over, and another one stand where it stood.
        let _inside = Inside::enter(Some(Self { emission: 0, ..self.clone() }));
        run()
    }
}

impl Middleware for Correlation {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let tied = Sealed::new(tied(event));
        let event = event.with_envelope(Some(&tied));
        let _inside = Trail::of(&event).map(|trail| Inside::enter(Some(trail)));
        next.run(&event);
    }

    /// An event that a layer further on held is handled too, when it goes on.
    fn stands_around(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed("correlation")
    }
}

/// The event's envelope, with what was missing.
fn tied(event: &Event<'_>) -> Envelope {
    let mut envelope = event.envelope().cloned().unwrap_or_default();
    // A replayed event was emitted at another time than now: what is handled now did not lead to it.
    let leading = if event.is_replayed() { None } else { leading(event) };
    if envelope.causation.is_none() {
        envelope.causation = leading.as_ref().map(Trail::id);
    }
    if envelope.correlation.is_none() {
        let correlation = leading.map_or_else(|| event.id().share_text(), |leading| leading.correlation);
        envelope.correlation = Some(correlation);
    }
    envelope
}

/// What this thread is handling, unless it is this very event, on its way through another bus or [back](Trail::lead).
fn leading(event: &Event<'_>) -> Option<Trail> {
    Correlation::trail().filter(|trail| trail.emission != emission_of(event))
}

/// Tells this emit from all others that are on the stack.
fn emission_of(event: &Event<'_>) -> usize {
    std::ptr::from_ref(event.emission()).addr()
}

/// Marks an event as the one that this thread is handling while it lives; then the one before it is again.
struct Inside(Option<Trail>);

impl Inside {
    fn enter(trail: Option<Trail>) -> Self {
        Self(HANDLED.try_with(|handled| handled.replace(trail)).ok().flatten())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // A thread that is ending, and emits from a destructor, handles nothing.
        let _ = HANDLED.try_with(|handled| handled.replace(self.0.take()));
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("id", &self.id).field("correlation", &self.correlation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::support::Rig;

    type Ties = Arc<Mutex<Vec<(String, Option<u128>)>>>;

    /// Writes down correlation and causation of what comes by.
    fn note(list: &Ties) -> impl Middleware {
        let list = list.clone();
        crate::Inspect::new(move |event: &Event<'_>| {
            let correlation = event.correlation().unwrap_or("none").trim_start_matches('0').to_owned();
            list.lock().push((correlation, event.causation().map(EventId::to_bits)));
        })
    }

    #[test]
    fn gives_what_is_missing_and_keeps_what_is_there() {
        let (rig, list) = (Rig::new(), Ties::default());
        let stack = (Correlation::new(), note(&list));
        rig.emit(&stack, "a", 1_u32);
        let given = |correlation: Option<&str>, causation| Envelope {
            correlation: correlation.map(Arc::from),
            causation,
            ..Envelope::default()
        };
        rig.emit_in(&stack, "a", 1_u32, Some(given(Some("order 7"), None)));
        rig.emit_in(&stack, "a", 1_u32, Some(given(None, Some(EventId::from_bits(9)))));
        assert_eq!(*list.lock(), [("1".into(), None), ("order 7".into(), None), ("3".into(), Some(9))]);
    }

    #[test]
    fn ties_what_is_emitted_inside_and_forgets_it_after_a_panic() {
        let list = Arc::default();
        let (inner, stack) = (Arc::new((Correlation::new(), note(&list))), Correlation::new());
        let emits = move |_: &Event<'_>, _: Next<'_>| {
            // Its ids begin at 1 as well: what is handled is told apart by the emit, not by the id.
            Rig::new().emit(&inner, "b", 1_u32);
            std::panic::resume_unwind(Box::new("expected"));
        };
        let rig = Rig::new();
        let emit = || rig.emit(&(stack, emits), "a", 1_u32);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(emit)).is_err());
        assert_eq!(*list.lock(), [("1".into(), Some(1))]);
        assert!(Correlation::trail().is_none());
    }

    #[test]
    fn a_trail_is_followed_and_then_left() {
        let (rig, list) = (Rig::new(), Arc::default());
        let trail = Trail { id: EventId::from_bits(77), correlation: "order 7".into(), emission: 0 };
        trail.follow(|| rig.emit(&(Correlation::new(), note(&list)), "a", 1_u32));
        rig.emit(&(Correlation::new(), note(&list)), "a", 1_u32);
        assert_eq!(*list.lock(), [("order 7".into(), Some(77)), ("2".into(), None)]);
    }

    #[test]
    fn an_emit_where_one_stood_that_is_over_is_not_taken_for_it() {
        let (rig, list, saved) = (Rig::new(), Arc::default(), Arc::new(Mutex::new(None)));
        let slot = saved.clone();
        let save = crate::Inspect::new(move |_: &Event<'_>| *slot.lock() = Correlation::trail());
        let stack = (Correlation::new(), save, note(&list));
        let mut trail = Some(Trail { id: EventId::from_bits(77), correlation: "order 7".into(), emission: 0 });
        for _ in 0..3 {
            // Each has its place on the stack where the one before had it, whose trail it follows.
            trail.take().unwrap().follow(|| rig.emit(&stack, "a", 1_u32));
            trail = saved.lock().take();
        }
        let of_order = |id| ("order 7".to_owned(), Some(id));
        assert_eq!(*list.lock(), [of_order(77), of_order(1), of_order(2)]);
    }
}
