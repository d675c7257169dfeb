//! A connection that first gets the past: the last events of a history or the latest of each topic, then everything since, each once.
//!
//! The handler is connected first, which makes it visible to emits as of some version of the bus. An emit that began at that
//! version or later calls it; one that began earlier is the history's: it is among its last entries, or is recorded afterwards
//! and then handed over. While the past is given, what comes meanwhile waits in a queue. No lock is held while the handler runs.

use std::any::{Any, TypeId};
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use sigtree_middleware::{
    At, DeadLetter, Emission, Entry, Envelope, Erased, Event, EventId, History, Late, Layer, Pattern, Stamp, Topic,
};

use crate::dispatch::core::Core;
use crate::dispatch::failure::{Caller, discard};
use crate::dispatch::slot::{Call, Called, Slot};
use crate::dispatch::thread::{AtDepth, Inside};
use crate::held::Parcel;
use crate::payload::PayloadType;
use crate::policy::Policy;
use crate::queue::QueueStats;

/// Where a late connection gets its past.
pub(crate) enum Past {
    /// The last so many entries of a history.
    History(History, usize),
    /// The latest event of each topic that the bus keeps.
    Last,
}

/// A handler that is catching up, or has caught up, with a history.
pub(crate) struct CatchUp<C> {
    call: C,
    core: Weak<Core>,
    pattern: Pattern,
    /// Its own slot, so that handing over an event takes no lock of the bus.
    slot: OnceLock<Weak<dyn Slot>>,
    /// The first version whose emits are the handler's own; all are before it is known.
    since: AtomicU64,
    caught_up: AtomicBool,
    waiting: Mutex<VecDeque<Waiting>>,
}

/// An event that waits for the past to be given.
struct Waiting {
    topic: Topic,
    payload: Arc<Erased>,
    envelope: Option<Arc<Envelope>>,
    id: EventId,
    stamp: Stamp,
    /// The version its emit began at, if it came from an emit.
    version: Option<u64>,
    /// How deep its emit stood within others.
    depth: u32,
}

impl<C: Call> CatchUp<C> {
    pub(crate) fn new(call: C, core: &Arc<Core>, pattern: Pattern) -> Arc<Self> {
        Arc::new(Self {
            call,
            core: Arc::downgrade(core),
            pattern,
            slot: OnceLock::new(),
            since: AtomicU64::new(0),
            caught_up: AtomicBool::new(false),
            waiting: Mutex::default(),
        })
    }

    /// Gives the handler its past, then what came meanwhile; from then on emits call it themselves.
    pub(crate) fn catch_up(self: &Arc<Self>, since: u64, past: &Past) {
        self.since.store(since, Ordering::Release);
        let Some(core) = self.core.upgrade() else { return };
        let since = core.at(since);
        let follower = Arc::new(Follower { of: Arc::downgrade(self), since, pattern: self.pattern.clone() });
        match past {
            Past::History(history, n) => history.follow(follower, *n),
            Past::Last => core.backstage.last.follow(follower),
        }
        drop(core);
        let mut panic = None;
        while let Some(waiting) = self.next_waiting() {
            panic = panic.or(self.deliver(&waiting));
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// The next event that waits; if there is none, the handler has caught up.
    fn next_waiting(&self) -> Option<Waiting> {
        let mut waiting = self.waiting.lock();
        let next = waiting.pop_front();
        if next.is_none() {
            self.caught_up.store(true, Ordering::Release);
        }
        next
    }

    /// Queues an event unless the handler has caught up; then it is handed back, to be dropped without the lock.
    fn queue(&self, event: Waiting) -> Result<(), Waiting> {
        let mut waiting = self.waiting.lock();
        if self.caught_up.load(Ordering::Acquire) {
            return Err(event);
        }
        waiting.push_back(event);
        Ok(())
    }

    /// Calls the handler; the panic, if it is to go on.
    fn deliver(&self, waiting: &Waiting) -> Option<Box<dyn Any + Send>> {
        let since = self.since.load(Ordering::Acquire);
        if waiting.version.is_some_and(|version| version < since) {
            // The history has it.
            return None;
        }
        let slot = self.slot.get().and_then(Weak::upgrade);
        let (core, slot) = (self.core.upgrade()?, slot?);
        // A handler that answers on its own topic comes deeper with each answer, as it would in an emit.
        let _deep = AtDepth::new(waiting.depth.saturating_sub(1));
        let inside = Inside::enter();
        let emission = Emission::new(&*core, core.at(since), inside.depth()).with_identity(waiting.id, waiting.stamp);
        let parcel = Parcel {
            topic: &waiting.topic,
            payload: waiting.payload.clone(),
            envelope: waiting.envelope.clone(),
            is_redirected: false,
        };
        let caller = Caller { core: &core, pattern: &self.pattern };
        parcel.hand_over(caller, &*slot, &emission, |event| self.call.call(event));
        emission.take_panic()
    }
}

impl Waiting {
    fn live(event: &Event<'_>) -> Option<Self> {
        Some(Self {
            topic: event.topic().clone(),
            payload: event.share_erased()?,
            envelope: event.share_envelope(),
            id: event.id(),
            stamp: event.emission().stamp(),
            version: Some(event.emission().at().version),
            depth: event.emission().depth(),
        })
    }

    fn past(entry: &Entry, replayed: bool) -> Self {
        let envelope = match (entry.envelope(), replayed) {
            (envelope, true) => Some(Envelope { replayed, deadline: None, ..envelope.cloned().unwrap_or_default() }),
            (envelope, false) => envelope.cloned(),
        };
        Self {
            topic: entry.topic().clone(),
            payload: entry.share_erased(),
            envelope: envelope.map(Arc::new),
            id: entry.id(),
            stamp: entry.stamp(),
            version: None,
            depth: 1,
        }
    }
}

impl<C: Call> Call for Arc<CatchUp<C>> {
    const RETAINS: bool = true;
    const ANSWERS: bool = C::ANSWERS;
    const REPLIES: bool = C::REPLIES;

    fn call(&self, event: &Event<'_>) -> Called {
        if !self.caught_up.load(Ordering::Acquire) {
            // Made before the lock is taken: it asks clock, ids and the payload's `Clone`.
            let Some(waiting) = Waiting::live(event) else { return Called::Skipped };
            if self.queue(waiting).is_ok() {
                return Called::Done;
            }
        }
        if event.emission().at().version < self.since.load(Ordering::Acquire) {
            // The history has it, and hands it over.
            return Called::Skipped;
        }
        self.call.call(event)
    }

    fn accepts(&self, payload: TypeId) -> bool {
        self.call.accepts(payload)
    }

    fn policy(&self) -> Option<Policy> {
        self.call.policy()
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.call.name()
    }

    fn ends_itself(&self) -> bool {
        self.call.ends_itself()
    }

    fn is_expired(&self) -> bool {
        self.call.is_expired()
    }

    fn answers() -> Option<PayloadType> {
        C::answers()
    }

    fn flush(&self) {
        self.call.flush();
    }

    fn ended(&self) {
        self.call.ended();
    }

    fn layers(&self) -> &[Layer] {
        self.call.layers()
    }

    fn queue_stats(&self) -> Option<QueueStats> {
        self.call.queue_stats()
    }

    fn replaced(&self) -> Option<u64> {
        self.call.replaced()
    }

    fn undone_calls(&self) -> usize {
        self.call.undone_calls()
    }

    fn dead_letters(&self) -> Option<&DeadLetter> {
        self.call.dead_letters()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        if !self.caught_up.load(Ordering::Acquire) {
            notes.push("catching up".into());
        }
        self.call.explain(notes);
    }

    fn placed(&self, slot: Weak<dyn Slot>) {
        let _ = self.slot.set(slot.clone());
        self.call.placed(slot);
    }
}

/// What the history knows of the connection; it does not keep the handler alive.
struct Follower<C> {
    of: Weak<CatchUp<C>>,
    since: At,
    pattern: Pattern,
}

impl<C: Call> Late for Follower<C> {
    fn before(&self) -> At {
        self.since
    }

    fn wants(&self, topic: &Topic) -> bool {
        self.pattern.matches(topic)
    }

    fn catch_up(&self, entries: Vec<Entry>) {
        if let Some(of) = self.of.upgrade() {
            let mut waiting = of.waiting.lock();
            // The past stands before what came meanwhile.
            for entry in entries.iter().rev() {
                waiting.push_front(Waiting::past(entry, true));
            }
        }
    }

    fn straggler(&self, entry: &Entry) {
        let Some(of) = self.of.upgrade() else { return };
        if let Err(caught_up) = of.queue(Waiting::past(entry, false)) {
            // The thread that happens to hand it over is not to suffer from it; the failure was reported.
            discard(of.deliver(&caught_up));
        }
    }

    fn is_done(&self) -> bool {
        self.of.strong_count() == 0
    }
}
