//! What a handler table stores: a handler with its liveness flag beside it, behind one virtual call.

use std::any::{Any, TypeId};
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

use sigtree_middleware::{DeadLetter, Erased, Event, Kept, Layer, Sealed};

use super::alike::Uniform;
use super::gate::{self, Gate};
use crate::connection::ConnectionId;
use crate::payload::PayloadType;
use crate::policy::Policy;
use crate::queue::QueueStats;
use crate::request;
use crate::sync::{AtomicU32, Ordering, last_look};

/// What became of one handler in one emit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Called {
    /// Called, and all is well.
    Done,
    /// Called for the last time: `once`, `times`, `until`.
    Last,
    /// Called, and it stopped the handlers of this level.
    Stop,
    /// Called, and returned an error, which the emission holds.
    Failed,
    /// Disconnected since the route was built.
    Dead,
    /// Muted.
    Muted,
    /// Not taken: its queue is full, or it needs what is not there.
    Skipped,
    /// Not meant for it: kept from it by its own conditions or layers.
    Filtered,
    /// A payload of another type than it takes.
    OtherType,
    /// Not called yet: this time it needs more than the payload.
    NeedsEvent,
}

impl Called {
    /// Whether the handler itself was called.
    pub(crate) fn is_call(self) -> bool {
        matches!(self, Self::Done | Self::Last | Self::Stop | Self::Failed)
    }
}

/// A handler in a table. The flag is tested inside the call, so a call touches one cache line.
pub trait Slot: Send + Sync {
    /// Calls the handler if it is alive.
    fn invoke(&self, event: &Event<'_>) -> Called;

    /// The same for a handler that is quiet: it sees the payload and nothing else.
    fn invoke_quiet(&self, payload: &Erased) -> Called;

    /// The same for one that may [keep](Self::retains) the payload.
    fn invoke_keeping(&self, payload: &Erased, kept: &Kept) -> Called;

    /// The same for one that keeps the payload, and is the only one: it takes the payload out of `place`, unless it was not called
    /// or needs an event.
    fn invoke_owning(&self, place: &mut Option<Arc<Erased>>) -> Called;

    /// Whether the handler needs no event to be called: it takes a payload by reference, or keeps it, and returns nothing.
    fn is_quiet(&self) -> bool;

    /// The slot without what more is known of it.
    fn seen(&self) -> &dyn Slot;

    /// Flags, age and call site.
    fn header(&self) -> &Header;

    /// Whether it takes payloads of this type.
    fn accepts(&self, payload: TypeId) -> bool;

    /// Whether the handler keeps payloads.
    fn retains(&self) -> bool;

    /// The handler's own failure policy.
    fn policy(&self) -> Option<Policy>;

    /// The handler's name.
    fn name(&self) -> Option<&Arc<str>>;

    /// Whether it may die by itself, so that writers look after it: a weak receiver, `once`, `until`.
    fn ends_itself(&self) -> bool;

    /// Whether its receiver is gone, so that it can be taken out.
    fn is_expired(&self) -> bool;

    /// A leaf for handlers that take the same payload type by reference, if this is one.
    fn uniform(self: Arc<Self>) -> Option<Box<dyn Uniform>>;

    /// Releases what layers around the handler hold.
    fn flush(&self);

    /// Does what is left to do, in the thread that disconnected it and without a lock: when that returns no new call starts.
    fn ended(&self);

    /// The layers around it.
    fn layers(&self) -> &[Layer];

    /// Whether a producer works for it: see [`Bus::on_interest`](crate::Bus::on_interest).
    fn listens(&self) -> bool;

    /// Where events go that it was not done with, if it is reliable.
    fn dead_letters(&self) -> Option<&DeadLetter>;

    /// What there is to tell people of it besides its pattern, name and call site.
    fn explain(&self, notes: &mut Vec<String>);

    /// What became of the events it was given, if it is a queue.
    fn queue_stats(&self) -> Option<QueueStats>;

    /// How many events a newer one took the place of before it was called, if it is called with the latest only.
    fn replaced(&self) -> Option<u64>;

    /// How many calls of it are not done, if it is async.
    fn undone_calls(&self) -> usize;

    /// Puts a typed pointer to itself into `place`, an `Option<Arc<dyn TypedSlot<T>>>`, if it takes a `&T`.
    fn offer(self: Arc<Self>, place: &mut dyn Any);

    /// What it answers queries with, if it does; then emits pass it by.
    fn answers(&self) -> Option<PayloadType>;
}

/// A handler that takes a `&T`: a leaf of these looks at the payload's type once for all.
pub(crate) trait TypedSlot<T>: Slot {
    /// Calls the handler if it is alive.
    fn call(&self, payload: &T, event: &Event<'_>) -> Called;

    /// The same for a handler that is quiet.
    fn call_quiet(&self, payload: &T) -> Called;
}

/// An entry of a table.
pub(crate) type Entry = Arc<dyn Slot>;

const DEAD: u32 = 1 << 31;
const GATED: u32 = 1 << 30;
const MUTES: u32 = GATED - 1;

/// What a table knows about a handler, stored behind it so that it is dropped last. The state is in front, beside the handler.
#[repr(C)]
pub struct Header {
    /// Zero for a handler that is alive and not muted; else `DEAD`, `GATED` and the number of mutes.
    state: AtomicU32,
    failures: AtomicU32,
    age: u64,
    id: ConnectionId,
    site: &'static Location<'static>,
}

impl Header {
    pub(crate) fn new(id: ConnectionId, age: u64, site: &'static Location<'static>) -> Self {
        Self { state: AtomicU32::new(0), failures: AtomicU32::new(0), age, id, site }
    }

    /// Whether it is to be called: one load. Pairs with `kill`: if the kill comes first the handler is not called; if the
    /// load comes first the emit began before the disconnect returned.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.state.load(Ordering::Acquire) == 0
    }

    /// Why it is not to be called.
    #[cold]
    pub(crate) fn why_not(&self) -> Called {
        if self.is_dead() { Called::Dead } else { Called::Muted }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state.load(Ordering::Acquire) & DEAD != 0
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.state.load(Ordering::Acquire) & MUTES != 0
    }

    /// No new call starts after this; read by `is_plain`. Whether it was alive.
    pub(crate) fn kill(&self) -> bool {
        self.state.fetch_or(DEAD, Ordering::AcqRel) & DEAD == 0
    }

    pub(crate) fn mute(&self) {
        self.state.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn unmute(&self) {
        self.state.fetch_sub(1, Ordering::AcqRel);
    }

    /// Counts a failure; the count with it.
    pub(crate) fn count_failure(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How often it failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The gate that opens when the handler is gone. The caller holds the slot, so it is not gone yet.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        let gate = gate::gate_for(self.address());
        self.state.fetch_or(GATED, Ordering::AcqRel);
        gate
    }

    /// Connections by age: the order of calls within a priority of a pattern.
    #[inline]
    pub(crate) fn age(&self) -> u64 {
        self.age
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn site(&self) -> &'static Location<'static> {
        self.site
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Drop for Header {
    fn drop(&mut self) {
        if last_look(&self.state) & GATED != 0 {
            gate::open_for(self.address());
        }
    }
}

/// What a slot calls: one of the handler forms, perhaps with conditions around it.
pub trait Call: Send + Sync + Sized + 'static {
    /// Whether it keeps payloads.
    const RETAINS: bool = false;

    /// See [`Slot::is_quiet`].
    const QUIET: bool = false;

    /// Whether it needs nothing of an event but a payload to keep. Always the same.
    fn keeps_quietly(&self) -> bool {
        false
    }

    /// Whether it answers queries, and is not called for anything else.
    const ANSWERS: bool = false;

    /// Whether it answers requests, and is not called for anything else.
    const REPLIES: bool = false;

    /// See [`Slot::listens`].
    const LISTENS: bool = true;

    /// Calls the handler with the event.
    fn call(&self, event: &Event<'_>) -> Called;

    /// Calls a handler that is quiet with its payload.
    fn call_quiet(&self, payload: &Erased) -> Called {
        let _ = payload;
        unreachable!("only quiet handlers are called without an event")
    }

    /// The same for one that may keep it.
    #[inline]
    fn call_keeping(&self, payload: &Erased, kept: &Kept) -> Called {
        let _ = kept;
        self.call_quiet(payload)
    }

    /// The same for one that [keeps](Self::keeps_quietly) it, and takes it out of `place` for that.
    fn call_owning(&self, place: &mut Option<Arc<Erased>>) -> Called {
        let _ = place;
        Called::NeedsEvent
    }

    /// The envelope with which a request goes through the connection's own layers, if it is another than it came with.
    fn envelope_inside(&self, event: &Event<'_>) -> Option<Sealed> {
        request::unticketed(event)
    }

    /// See [`Slot::accepts`].
    fn accepts(&self, payload: TypeId) -> bool {
        let _ = payload;
        true
    }

    /// See [`Slot::retains`].
    fn retains(&self) -> bool {
        Self::RETAINS
    }

    /// See [`Slot::policy`].
    fn policy(&self) -> Option<Policy> {
        None
    }

    /// See [`Slot::name`].
    fn name(&self) -> Option<&Arc<str>> {
        None
    }

    /// See [`Slot::ends_itself`].
    fn ends_itself(&self) -> bool {
        false
    }

    /// See [`Slot::is_expired`].
    fn is_expired(&self) -> bool {
        false
    }

    /// See [`Slot::flush`].
    fn flush(&self) {}

    /// See [`Slot::ended`].
    fn ended(&self) {}

    /// See [`Slot::layers`].
    fn layers(&self) -> &[Layer] {
        &[]
    }

    /// See [`Slot::dead_letters`].
    fn dead_letters(&self) -> Option<&DeadLetter> {
        None
    }

    /// See [`Slot::explain`].
    fn explain(&self, notes: &mut Vec<String>) {
        let _ = notes;
    }

    /// See [`Slot::queue_stats`].
    fn queue_stats(&self) -> Option<QueueStats> {
        None
    }

    /// See [`Slot::replaced`].
    fn replaced(&self) -> Option<u64> {
        None
    }

    /// See [`Slot::undone_calls`].
    fn undone_calls(&self) -> usize {
        0
    }

    /// Takes note of its own slot, before the first call.
    fn placed(&self, slot: Weak<dyn Slot>) {
        let _ = slot;
    }

    /// See [`Slot::uniform`].
    fn uniform(_slot: Arc<Holder<Self>>) -> Option<Box<dyn Uniform>> {
        None
    }

    /// See [`Slot::answers`].
    fn answers() -> Option<PayloadType> {
        None
    }

    /// See [`Slot::offer`].
    fn offer(_slot: Arc<Holder<Self>>, _place: &mut dyn Any) {}
}

/// A handler that keeps payloads, in a form that it shares with others of its kind.
pub trait CallShared: Call {
    /// What is kept.
    type Share;

    /// Makes it, once for all of them.
    fn share(payload: &Erased, kept: &Kept) -> Option<Self::Share>;

    /// Keeps it.
    fn call_shared(&self, share: &Self::Share) -> Called;
}

/// A handler that takes a `&T`.
pub(crate) trait CallTyped<T>: Call {
    /// Calls the handler with a payload whose type is known.
    fn call_typed(&self, payload: &T, event: &Event<'_>) -> Called;

    /// The same for a handler that is quiet.
    fn call_typed_quiet(&self, payload: &T) -> Called;
}

/// The slot of a handler form. The header is the last field: it is dropped when the handler is gone.
#[repr(C)]
pub struct Holder<C> {
    call: C,
    header: Header,
}

impl<C: Call> Holder<C> {
    pub(crate) fn entry(call: C, header: Header) -> Entry {
        let slot = Arc::new(Self { call, header });
        let entry: Entry = slot.clone();
        slot.call.placed(Arc::downgrade(&entry));
        entry
    }

    /// What it calls.
    pub(crate) fn inner(&self) -> &C {
        &self.call
    }
}

impl<C: CallShared> Holder<C> {
    /// Gives the handler what it shares with others, if it is alive.
    #[inline]
    pub(super) fn invoke_shared(&self, share: &C::Share) -> Called {
        if self.header.is_plain() { self.call.call_shared(share) } else { self.header.why_not() }
    }
}

impl<C: Call> Slot for Holder<C> {
    #[inline]
    fn invoke(&self, event: &Event<'_>) -> Called {
        if self.header.is_plain() { self.call.call(event) } else { self.header.why_not() }
    }

    #[inline]
    fn invoke_quiet(&self, payload: &Erased) -> Called {
        if self.header.is_plain() { self.call.call_quiet(payload) } else { self.header.why_not() }
    }

    #[inline]
    fn invoke_keeping(&self, payload: &Erased, kept: &Kept) -> Called {
        if self.header.is_plain() { self.call.call_keeping(payload, kept) } else { self.header.why_not() }
    }

    #[inline]
    fn invoke_owning(&self, place: &mut Option<Arc<Erased>>) -> Called {
        if self.header.is_plain() { self.call.call_owning(place) } else { self.header.why_not() }
    }

    fn is_quiet(&self) -> bool {
        C::QUIET || self.call.keeps_quietly()
    }

    fn seen(&self) -> &dyn Slot {
        self
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn accepts(&self, payload: TypeId) -> bool {
        self.call.accepts(payload)
    }

    fn retains(&self) -> bool {
        self.call.retains()
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
        self.header.is_dead() || self.call.is_expired()
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

    fn listens(&self) -> bool {
        C::LISTENS
    }

    fn dead_letters(&self) -> Option<&DeadLetter> {
        self.call.dead_letters()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        self.call.explain(notes);
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

    fn uniform(self: Arc<Self>) -> Option<Box<dyn Uniform>> {
        C::uniform(self)
    }

    fn offer(self: Arc<Self>, place: &mut dyn Any) {
        C::offer(self, place);
    }

    fn answers(&self) -> Option<PayloadType> {
        C::answers()
    }
}

impl<T, C: CallTyped<T>> TypedSlot<T> for Holder<C> {
    #[inline]
    fn call(&self, payload: &T, event: &Event<'_>) -> Called {
        if self.header.is_plain() { self.call.call_typed(payload, event) } else { self.header.why_not() }
    }

    #[inline]
    fn call_quiet(&self, payload: &T) -> Called {
        if self.header.is_plain() { self.call.call_typed_quiet(payload) } else { self.header.why_not() }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("id", &self.id).field("site", &self.site).finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Holder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder").field("header", &self.header).finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("id", &self.header().id()).field("site", &self.header().site()).finish()
    }
}
