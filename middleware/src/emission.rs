use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;

use crate::{Clock, Erased, EventId, Failure, Held, Mark};

/// What an emit asks of its bus, and only when somebody asks the event.
pub trait Host {
    /// The bus's name.
    fn name(&self) -> &str;

    /// The bus's clock.
    fn clock(&self) -> &dyn Clock;

    /// The same for keeping: for layers that ask for the time when no event comes by.
    fn share_clock(&self) -> Arc<dyn Clock>;

    /// A new id for an event of this time.
    fn next_id(&self, stamp: Stamp) -> EventId;

    /// Makes one of the bus's own reports, such as `$sys.breaker`, if anybody listens; only then the payload is made.
    fn report(&self, topic: &str, make: &mut dyn FnMut() -> Arc<Erased>) {
        let _ = (topic, make);
    }
}

/// When an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Time on the bus's clock, which never goes back.
    pub offset: Duration,
    /// Wall-clock time.
    pub wall: SystemTime,
}

/// Where an event is: on which bus, and as of which of its changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct At {
    /// The bus, by a number no other bus of this process has.
    pub bus: u64,
    /// The bus's count of changes when the event came there.
    pub version: u64,
}

/// How many handlers one emit met, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Called, the failed ones included.
    pub called: u32,
    /// Not called: disconnected meanwhile, filtered for this connection, or another source or target.
    pub skipped: u32,
    /// Not called because they were muted.
    pub muted: u32,
    /// Called, and panicked or returned an error.
    pub failed: u32,
}

impl Tally {
    /// What was added since an earlier tally of the same emit.
    #[inline]
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            called: self.called - earlier.called,
            skipped: self.skipped - earlier.skipped,
            muted: self.muted - earlier.muted,
            failed: self.failed - earlier.failed,
        }
    }
}

/// The state of one emit, in the emitter's frame: for those who write a bus, not for handlers.
///
/// All levels an event bubbles through share it. Nothing here is made before somebody asks: no id, no clock, no list.
pub struct Emission<'e> {
    host: &'e dyn Host,
    at: Cell<At>,
    /// The bus it was emitted on.
    origin: u64,
    depth: u32,
    id: OnceCell<EventId>,
    stamp: OnceCell<Stamp>,
    called: Cell<u32>,
    skipped: Cell<u32>,
    muted: Cell<u32>,
    failed: Cell<u32>,
    stop: Cell<u8>,
    /// The layer that held it, until the event has come by there.
    resuming: Cell<Option<Mark>>,
    reason: Cell<Option<&'static str>>,
    /// The buses it has been on, beyond the one it was emitted on.
    visited: RefCell<SmallVec<[u64; 4]>>,
    notes: OnceCell<Box<Notes>>,
}

/// Ids of buses; most events have been on one or two.
pub(crate) type Visited = SmallVec<[u64; 2]>;

/// What few emits have: failures, a computed reason, a panic to pass on.
#[derive(Default)]
struct Notes {
    failures: RefCell<Vec<Arc<Failure>>>,
    reason: RefCell<Option<Cow<'static, str>>>,
    error: RefCell<Option<Box<dyn Error + Send + Sync>>>,
    panic: RefCell<Option<Box<dyn Any + Send>>>,
    /// Set if handlers are asked for answers; inside, the answer of the handler that just returned.
    question: RefCell<Option<Option<Box<dyn Any>>>>,
}

const STOP_LEVEL: u8 = 1;
const STOP_BUBBLING: u8 = 2;
const STOP_FAILED: u8 = 4;
/// Set with the others and never cleared.
const STOPPED: u8 = 8;
/// Not stopped, but not here now either; never cleared.
const HELD: u8 = 16;
/// The layers of this level let it through.
const ARRIVED: u8 = 32;
/// A layer of this level holds it.
const HELD_HERE: u8 = 64;

/// Where an event was before it went on to another bus, and what was said of it there.
#[derive(Debug)]
#[must_use = "the event must be brought back to where it was"]
pub struct Level {
    at: At,
    stop: u8,
    reason: Reason,
}

/// What was said of an event before it came to the layers of one connection.
#[derive(Debug)]
#[must_use = "what was said must be put back"]
pub struct Aside {
    held: u8,
    reason: Reason,
}

/// Why a layer did not go on, if one said so.
#[derive(Debug, Default)]
#[must_use = "a reason that was taken must be put back"]
pub struct Reason {
    fixed: Option<&'static str>,
    computed: Option<Cow<'static, str>>,
}

impl<'e> Emission<'e> {
    /// The state of a new emit; `at` is where it begins, `depth` how many emits of this thread it is inside of, itself
    /// included.
    #[inline]
    #[must_use]
    pub fn new(host: &'e dyn Host, at: At, depth: u32) -> Self {
        Self {
            host,
            at: Cell::new(at),
            origin: at.bus,
            depth,
            id: OnceCell::new(),
            stamp: OnceCell::new(),
            called: Cell::new(0),
            skipped: Cell::new(0),
            muted: Cell::new(0),
            failed: Cell::new(0),
            stop: Cell::new(0),
            resuming: Cell::new(None),
            reason: Cell::new(None),
            visited: RefCell::new(SmallVec::new()),
            notes: OnceCell::new(),
        }
    }

    /// The same for an event that already has an id and a time: a replay.
    #[must_use]
    pub fn with_identity(self, id: EventId, stamp: Stamp) -> Self {
        Self { id: OnceCell::from(id), stamp: OnceCell::from(stamp), ..self }
    }

    /// The same for an event that was held: it goes on behind the layer that held it, and has been where it was.
    #[must_use]
    pub fn with_held(self, held: &Held) -> Self {
        for bus in held.visited() {
            self.visit(*bus);
        }
        Self { resuming: Cell::new(Some(held.mark())), ..self.with_identity(held.id(), held.stamp()) }
    }

    /// Whether the event was held by this layer, which now lets it by. From here on it is an event like others.
    pub fn resumes(&self, mark: Mark) -> bool {
        let resumes = self.resuming.get() == Some(mark);
        if resumes {
            self.resuming.set(None);
        }
        resumes
    }

    /// Ends the search for the layer that held the event, because the chain ends here.
    #[inline]
    pub fn end_resuming(&self) {
        self.resuming.set(None);
    }

    /// The layer it is on its way to, where it was held.
    #[inline]
    #[must_use]
    pub fn resuming(&self) -> Option<Mark> {
        self.resuming.get()
    }

    /// Notes that the layers of the bus it is on let it through.
    #[inline]
    pub fn note_arrived(&self) {
        self.stop.set(self.stop.get() | ARRIVED);
    }

    /// Whether the layers of the bus it is on let it through.
    #[inline]
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.stop.get() & ARRIVED != 0
    }

    /// Notes that a layer holds the event.
    pub fn note_held(&self) {
        self.stop.set(self.stop.get() | HELD | HELD_HERE);
    }

    /// Whether a layer around the bus it is on holds the event, or around the connection whose layers it is in;
    /// [`ended`](Self::ended) tells whether any does.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.stop.get() & HELD_HERE != 0
    }

    /// Begins the layers of one connection, which say for themselves whether they hold the event and why they end it;
    /// what was said before, to be given to [`leave_connection`](Self::leave_connection).
    pub fn enter_connection(&self) -> Aside {
        let held = self.stop.get() & HELD_HERE;
        self.stop.set(self.stop.get() & !HELD_HERE);
        Aside { held, reason: self.take_reason() }
    }

    /// Ends the layers of one connection: what they said is not why the event ended, for it did not.
    pub fn leave_connection(&self, aside: Aside) {
        self.stop.set(self.stop.get() & !HELD_HERE | aside.held);
        self.put_reason(aside.reason);
    }

    /// The event's id, made now if nobody asked before.
    pub fn id(&self) -> EventId {
        *self.id.get_or_init(|| self.host.next_id(self.stamp()))
    }

    /// The event's time, read now if nobody asked before.
    pub fn stamp(&self) -> Stamp {
        *self.stamp.get_or_init(|| {
            let clock = self.host.clock();
            Stamp { offset: clock.elapsed(), wall: clock.wall() }
        })
    }

    /// The bus the event is on, and its count of changes when the event came there.
    #[inline]
    pub fn at(&self) -> At {
        self.at.get()
    }

    /// How many emits of this thread it is inside of, itself included.
    #[inline]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The bus the event was emitted on, or goes on from if it was held; [`Next::host`](crate::Next::host) is a layer's own.
    #[inline]
    pub fn host(&self) -> &'e dyn Host {
        self.host
    }

    /// The handlers met so far.
    #[inline]
    pub fn tally(&self) -> Tally {
        Tally {
            called: self.called.get(),
            skipped: self.skipped.get(),
            muted: self.muted.get(),
            failed: self.failed.get(),
        }
    }

    /// Adds calls that went well.
    #[inline]
    pub fn add_called(&self, n: u32) {
        self.called.set(self.called.get() + n);
    }

    /// Counts handlers that were passed over.
    #[inline]
    pub fn add_skipped(&self, n: u32) {
        self.skipped.set(self.skipped.get() + n);
    }

    /// Counts handlers that were muted.
    #[inline]
    pub fn add_muted(&self, n: u32) {
        self.muted.set(self.muted.get() + n);
    }

    /// Records a handler or layer that failed.
    pub fn add_failure(&self, failure: Arc<Failure>) {
        self.failed.set(self.failed.get() + 1);
        self.notes().failures.borrow_mut().push(failure);
    }

    /// The failures so far.
    pub fn failures(&self) -> Vec<Arc<Failure>> {
        self.notes.get().map_or_else(Vec::new, |notes| notes.failures.borrow().clone())
    }

    /// Ends the handlers of this level.
    #[inline]
    pub fn stop_level(&self) {
        self.stop.set(self.stop.get() | STOP_LEVEL | STOPPED);
    }

    /// Ends the event's way up after this level.
    #[inline]
    pub fn stop_bubbling(&self) {
        self.stop.set(self.stop.get() | STOP_BUBBLING | STOPPED);
    }

    /// Ends everything, because a handler failed.
    pub fn stop_failed(&self) {
        self.stop.set(self.stop.get() | STOP_LEVEL | STOP_BUBBLING | STOP_FAILED | STOPPED);
    }

    /// Whether no further handler of this level is to be called.
    #[inline]
    pub fn level_is_stopped(&self) -> bool {
        self.stop.get() & STOP_LEVEL != 0
    }

    /// Whether the event is not to go up.
    #[inline]
    pub fn bubbling_is_stopped(&self) -> bool {
        self.stop.get() & STOP_BUBBLING != 0
    }

    /// Whether a failure ended it.
    #[inline]
    pub fn is_stopped_by_failure(&self) -> bool {
        self.stop.get() & STOP_FAILED != 0
    }

    /// Whether anything ended it early.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.ended().is_stopped()
    }

    /// What ended it early, or keeps it back.
    #[inline]
    pub fn ended(&self) -> Ended {
        Ended(self.stop.get())
    }

    /// Begins the level of another bus; where the event was before.
    ///
    /// What a handler stopped was that level, and so was what a layer gave as its reason; only a failure that ends
    /// everything goes on.
    #[inline]
    pub fn enter_level(&self, at: At) -> Level {
        let stop = self.stop.get();
        self.stop.set(beyond_a_level(stop));
        Level { at: self.at.replace(at), stop, reason: self.take_reason() }
    }

    /// Brings the event back to where it was.
    #[inline]
    pub fn leave_level(&self, level: Level) {
        self.at.set(level.at);
        if level.reason.is_given() {
            self.put_reason(level.reason);
        }
        self.stop.set(level.stop | beyond_a_level(self.stop.get()));
    }

    /// Says why a layer did not go on; the first reason stands.
    pub fn discard(&self, reason: Cow<'static, str>) {
        if self.reason.get().is_some() || self.notes.get().is_some_and(|notes| notes.reason.borrow().is_some()) {
            return;
        }
        match reason {
            Cow::Borrowed(text) => self.reason.set(Some(text)),
            owned @ Cow::Owned(_) => *self.notes().reason.borrow_mut() = Some(owned),
        }
    }

    /// Takes the reason out, so that another one can stand for a while.
    #[inline]
    pub fn take_reason(&self) -> Reason {
        let computed = self.notes.get().and_then(|notes| notes.reason.borrow_mut().take());
        Reason { fixed: self.reason.take(), computed }
    }

    /// Puts a reason back, in the place of whatever stands there.
    #[inline]
    pub fn put_reason(&self, reason: Reason) {
        self.reason.set(reason.fixed);
        if reason.computed.is_some() || self.notes.get().is_some() {
            *self.notes().reason.borrow_mut() = reason.computed;
        }
    }

    /// Why a layer did not go on, if one said so.
    pub fn reason(&self) -> Option<Cow<'static, str>> {
        match self.reason.get() {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.notes.get().and_then(|notes| notes.reason.borrow().clone()),
        }
    }

    /// The same, as long as no reason was computed: without a look at the notes.
    #[inline]
    pub fn static_reason(&self) -> Option<&'static str> {
        self.reason.get()
    }

    /// Hands a handler's error to whoever called the handler.
    pub fn set_error(&self, error: Box<dyn Error + Send + Sync>) {
        *self.notes().error.borrow_mut() = Some(error);
    }

    /// Whether an error waits to be taken.
    pub fn has_error(&self) -> bool {
        self.notes.get().is_some_and(|notes| notes.error.borrow().is_some())
    }

    /// Takes the error of the handler that just returned.
    pub fn take_error(&self) -> Option<Box<dyn Error + Send + Sync>> {
        self.notes.get().and_then(|notes| notes.error.borrow_mut().take())
    }

    /// Keeps a panic that is to go on in the emitter; the first one stands.
    pub fn set_panic(&self, panic: Box<dyn Any + Send>) {
        self.notes().panic.borrow_mut().get_or_insert(panic);
    }

    /// Takes the panic that is to go on in the emitter.
    pub fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.notes.get().and_then(|notes| notes.panic.borrow_mut().take())
    }

    /// Makes it a question: handlers that answer are called, and no others.
    pub fn ask(&self) {
        *self.notes().question.borrow_mut() = Some(None);
    }

    /// Whether handlers are asked for answers.
    pub fn is_question(&self) -> bool {
        self.notes.get().is_some_and(|notes| notes.question.borrow().is_some())
    }

    /// Hands a handler's answer to whoever asked.
    pub fn set_answer(&self, answer: Box<dyn Any>) {
        let before = self.notes().question.borrow_mut().replace(Some(answer));
        // The answer of an earlier try, whose destructor may be anything.
        drop(before);
    }

    /// Takes the answer of the handler that just returned.
    pub fn take_answer(&self) -> Option<Box<dyn Any>> {
        self.notes.get().and_then(|notes| notes.question.borrow_mut().as_mut().and_then(Option::take))
    }

    /// Marks a bus as visited; `false` if the event has been there. It was emitted where it has been first.
    pub fn visit(&self, bus: u64) -> bool {
        let fresh = !self.has_visited(bus);
        if fresh {
            self.visited.borrow_mut().push(bus);
        }
        fresh
    }

    /// Whether a bus was visited.
    pub fn has_visited(&self, bus: u64) -> bool {
        bus == self.origin || self.visited.borrow().contains(&bus)
    }

    /// The buses visited so far, the one it was emitted on first.
    pub(crate) fn visited(&self) -> Visited {
        [self.origin].into_iter().chain(self.visited.borrow().iter().copied()).collect()
    }

    /// Whether anything but calls happened: failures, a reason, a panic.
    #[inline]
    pub fn is_eventful(&self) -> bool {
        self.notes.get().is_some()
    }

    fn notes(&self) -> &Notes {
        self.notes.get_or_init(Box::default)
    }
}

/// What of all that ended an event also counts on other buses.
#[inline]
fn beyond_a_level(stop: u8) -> u8 {
    stop & if stop & STOP_FAILED == 0 { STOPPED | HELD } else { !(ARRIVED | HELD_HERE) }
}

/// What ended an event early, or keeps it back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended(u8);

impl Ended {
    /// Whether a handler or a failure stopped it.
    #[inline]
    #[must_use]
    pub fn is_stopped(self) -> bool {
        self.0 & !(HELD | ARRIVED | HELD_HERE) != 0
    }

    /// Whether a layer holds it.
    #[inline]
    #[must_use]
    pub fn is_held(self) -> bool {
        self.0 & HELD != 0
    }
}

impl Reason {
    /// Whether there is one.
    #[inline]
    fn is_given(&self) -> bool {
        self.fixed.is_some() || self.computed.is_some()
    }
}

impl fmt::Debug for Emission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission")
            .field("id", &self.id.get())
            .field("tally", &self.tally())
            .field("stop", &self.stop.get())
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("failures", &self.failures).finish_non_exhaustive()
    }
}
