//! Conditions around one handler: made by the `on` builder, and paid for only by handlers that have them.

use std::any::TypeId;
use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use sigtree_middleware::{
    Advised, Answer, DeadLetter, Event, Home, Host, Layer, Mark, Middleware, Next, Pattern, Place, Problem, Source,
    Stack, Terminal,
};

use crate::dispatch::advised::{answer_of, site_of};
use crate::dispatch::core::Core;
use crate::dispatch::slot::{Call, Called, Slot};
use crate::handler::stopped_or;
use crate::held::ConnectionHome;
use crate::inspection::LayerSeen;
use crate::payload::PayloadType;
use crate::policy::Policy;
use crate::queue::QueueStats;
use crate::request;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

type Predicate = Box<dyn Fn(&Event<'_>) -> bool + Send + Sync>;

/// The conditions of one connection.
#[derive(Default)]
pub(crate) struct Conditions {
    pub(crate) times: Option<u64>,
    pub(crate) until: Option<Predicate>,
    pub(crate) filter: Option<Predicate>,
    /// Any of these; if there are none, everybody.
    pub(crate) from: Vec<Source>,
    pub(crate) owner: Option<Source>,
    pub(crate) target: Option<Arc<str>>,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) policy: Option<Policy>,
    pub(crate) layers: Stack,
    pub(crate) keeps: bool,
    /// Of a reliable one, which has a layer for it.
    pub(crate) dead: Option<Box<DeadLetter>>,
    /// What is replaced by newer events, of one that is called with the latest only and has a layer for it.
    pub(crate) newest: Option<Arc<AtomicU64>>,
}

impl Conditions {
    /// Whether there are none, so that the handler can stand in the table as it is.
    pub(crate) fn are_none(&self) -> bool {
        let Self { times, until, filter, from, owner, target, name, policy, layers, keeps, dead: _, newest: _ } = self;
        times.is_none()
            && until.is_none()
            && filter.is_none()
            && from.is_empty()
            && owner.is_none()
            && target.is_none()
            && name.is_none()
            && policy.is_none()
            && layers.is_empty()
            && !keeps
    }

    /// One note for each, for people.
    fn explain(&self, left: u64, now: Duration, notes: &mut Vec<String>) {
        let Self { times, until, filter, from, owner, target, name: _, policy, layers, keeps, dead: _, newest: _ } =
            self;
        let given = |note: &str, is_given: bool| is_given.then(|| note.to_owned());
        notes.extend(match times {
            None => None,
            Some(1) => Some("once".into()),
            Some(times) => Some(format!("{left} of {times} times left")),
        });
        notes.extend(given("until", until.is_some()));
        notes.extend(given("filter", filter.is_some()));
        let sources: Vec<_> = from.iter().map(|source| format!("`{source}`")).collect();
        notes.extend((!from.is_empty()).then(|| format!("from {}", sources.join(" or "))));
        notes.extend(owner.as_ref().map(|source| format!("owned by `{source}`")));
        notes.extend(target.as_ref().map(|target| format!("target `{target}`")));
        notes.extend(policy.map(|policy| format!("policy {policy:?}")));
        notes.extend(given("keeps", *keeps));
        notes.extend(layers.layers().iter().map(|layer| format!("inside {}", LayerSeen::of(layer, now))));
    }

    /// Whether the event is meant for this connection.
    fn admit(&self, event: &Event<'_>) -> bool {
        if !self.from.is_empty() && !event.source().is_some_and(|source| self.from.contains(source)) {
            return false;
        }
        if let Some(envelope) = event.envelope() {
            if envelope.no_echo && self.owner.is_some() && self.owner == envelope.source {
                return false;
            }
            if let Some(target) = &self.target
                && !envelope.targets.is_empty()
                && !envelope.targets.contains(target)
            {
                return false;
            }
        }
        self.filter.as_ref().is_none_or(|filter| filter(event))
    }
}

/// A handler with conditions.
pub(crate) struct Guarded<C> {
    call: C,
    conditions: Box<Conditions>,
    pattern: Pattern,
    core: Weak<Core>,
    /// Its own slot, for events that its layers hold.
    slot: OnceLock<Weak<dyn Slot>>,
    /// Asked of the layers once, when no lock is held.
    retains: bool,
    left: AtomicU64,
    over: AtomicBool,
}

impl<C: Call> Guarded<C> {
    pub(crate) fn new(call: C, conditions: Conditions, pattern: Pattern, core: &Arc<Core>) -> Self {
        let left = AtomicU64::new(conditions.times.unwrap_or(u64::MAX));
        let over = AtomicBool::new(conditions.times == Some(0));
        let retains = call.retains() || conditions.keeps || conditions.layers.retaining() > 0;
        Self {
            call,
            conditions: Box::new(conditions),
            pattern,
            core: Arc::downgrade(core),
            slot: OnceLock::new(),
            retains,
            left,
            over,
        }
    }

    /// Takes one of the calls that are left: whether there was one, and whether it is the last.
    fn take_call(&self) -> Option<bool> {
        if self.conditions.times.is_none() {
            return Some(false);
        }
        let take = |left: u64| left.checked_sub(1);
        let before = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some(before == 1)
    }

    /// Calls the handler, if a call is left: the last one is taken before it, because a handler that panics was called too.
    fn call_handler(&self, event: &Event<'_>) -> Called {
        let Some(mut last) = self.take_call() else { return Called::Dead };
        last |= self.conditions.until.as_ref().is_some_and(|until| until(event));
        if last && self.over.swap(true, Ordering::AcqRel) {
            return Called::Dead;
        }
        let called = match event.advised() {
            None => self.call.call(event),
            Some(advised) => self.call_advised(event, advised),
        };
        match called {
            Called::Done if last => Called::Last,
            called => called,
        }
    }

    /// Calls the handler through the advice of its own layers.
    fn call_advised(&self, event: &Event<'_>, advised: &Advised<'_>) -> Called {
        let event = event.with_advice(None);
        let Some(slot) = self.slot.get().and_then(Weak::upgrade) else { return self.call.call(&event) };
        let site = site_of(&*slot, &self.pattern);
        let is_reached = Cell::new(false);
        let call = || {
            is_reached.set(true);
            answer_of(catch_unwind(AssertUnwindSafe(|| self.call.call(&event))), &event)
        };
        match advised.run(site, &event, &call) {
            Answer::Done => stopped_or(Called::Done, &event),
            Answer::Skipped(_) if is_reached.get() => Called::Skipped,
            Answer::Skipped(_) => Called::Filtered,
            Answer::Failed(Problem::Error(error)) => {
                event.emission().set_error(error);
                Called::Failed
            }
            Answer::Failed(Problem::Panic(panic)) => resume_unwind(panic),
        }
    }

    /// Runs the connection's own layers around the handler.
    fn run_layers(&self, event: &Event<'_>) -> Called {
        let end = End { guarded: self, called: Cell::new(Called::Filtered), core: OnceCell::new() };
        let sealed = self.call.envelope_inside(event);
        let event = &sealed.as_ref().map_or(*event, |sealed| event.with_envelope(Some(sealed)));
        let aside = event.emission().enter_connection();
        Next::new(self.conditions.layers.layers(), &end).run(event);
        let is_held = event.emission().is_held();
        if C::REPLIES && !is_held {
            request::give_back(event);
        }
        event.emission().leave_connection(aside);
        if event.emission().has_error() {
            // A layer broke a rule, or the handler's own error is still to be taken.
            return Called::Failed;
        }
        match end.called.get() {
            // It comes later.
            Called::Filtered if is_held => Called::Skipped,
            called => called,
        }
    }
}

impl<C: Call> Call for Guarded<C> {
    const ANSWERS: bool = C::ANSWERS;
    const REPLIES: bool = C::REPLIES;

    fn call(&self, event: &Event<'_>) -> Called {
        if (C::ANSWERS && !event.emission().is_question()) || (C::REPLIES && !event.is_request()) {
            return Called::OtherType;
        }
        if C::REPLIES && !request::is_open(event) {
            return Called::Skipped;
        }
        if self.over.load(Ordering::Acquire) {
            return Called::Dead;
        }
        if !self.call.accepts(event.payload_type()) {
            return Called::OtherType;
        }
        // An event that one of its layers held was admitted before.
        if event.emission().resuming().is_none() && !self.conditions.admit(event) {
            return Called::Filtered;
        }
        let layered = !self.conditions.layers.is_empty();
        let called = if layered { self.run_layers(event) } else { self.call_handler(event) };
        if layered && called == Called::Done && event.emission().level_is_stopped() { Called::Stop } else { called }
    }

    fn accepts(&self, payload: TypeId) -> bool {
        self.call.accepts(payload)
    }

    fn retains(&self) -> bool {
        self.retains
    }

    fn policy(&self) -> Option<Policy> {
        self.conditions.policy
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.conditions.name.as_ref()
    }

    fn ends_itself(&self) -> bool {
        self.call.ends_itself() || self.conditions.times.is_some() || self.conditions.until.is_some()
    }

    fn answers() -> Option<PayloadType> {
        C::answers()
    }

    fn flush(&self) {
        self.conditions.layers.flush();
        self.call.flush();
    }

    fn ended(&self) {
        self.call.ended();
    }

    fn layers(&self) -> &[Layer] {
        self.conditions.layers.layers()
    }

    fn queue_stats(&self) -> Option<QueueStats> {
        self.call.queue_stats()
    }

    fn replaced(&self) -> Option<u64> {
        let newest = self.conditions.newest.as_ref();
        newest.map(|replaced| replaced.load(Ordering::Relaxed)).or_else(|| self.call.replaced())
    }

    fn undone_calls(&self) -> usize {
        self.call.undone_calls()
    }

    fn dead_letters(&self) -> Option<&DeadLetter> {
        self.conditions.dead.as_deref().or_else(|| self.call.dead_letters())
    }

    fn explain(&self, notes: &mut Vec<String>) {
        let now = self.core.upgrade().map_or(Duration::ZERO, |core| core.clock.elapsed());
        self.conditions.explain(self.left.load(Ordering::Relaxed), now, notes);
        self.call.explain(notes);
    }

    fn placed(&self, slot: Weak<dyn Slot>) {
        let _ = self.slot.set(slot.clone());
        self.call.placed(slot);
    }

    fn is_expired(&self) -> bool {
        self.over.load(Ordering::Acquire) || self.call.is_expired()
    }
}

/// The end of a connection's own chain: its handler.
struct End<'c, C> {
    guarded: &'c Guarded<C>,
    called: Cell<Called>,
    /// Its bus, once a layer asks for it.
    core: OnceCell<Option<Arc<Core>>>,
}

impl<C: Call> Terminal for End<'_, C> {
    fn deliver(&self, event: &Event<'_>) {
        event.emission().end_resuming();
        self.called.set(self.guarded.call_handler(event));
    }

    fn retains(&self) -> bool {
        self.guarded.call.retains() || self.guarded.conditions.keeps
    }

    fn place(&self) -> Place<'_> {
        Place::Connection { pattern: self.guarded.pattern.as_str(), name: self.guarded.conditions.name.as_deref() }
    }

    fn host(&self) -> Option<&dyn Host> {
        let core = self.core.get_or_init(|| self.guarded.core.upgrade());
        core.as_deref().map(|core| core as &dyn Host)
    }

    fn home(&self, _mark: Mark, _behind: usize) -> Option<Arc<dyn Home>> {
        let Guarded { core, slot, pattern, .. } = self.guarded;
        let (core, slot) = (core.upgrade()?, slot.get()?.clone());
        let _token = core.backstage.home_token();
        Some(Arc::new(ConnectionHome { core, slot, pattern: pattern.clone(), _token }))
    }
}
