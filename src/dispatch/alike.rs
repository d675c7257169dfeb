//! Handlers of one kind in a leaf: what all of them do with a payload is done once.

use std::any::Any;
use std::sync::Arc;

use super::failure::Flow;
use super::round::{Loud, Quiet};
use super::slot::{CallShared, Called, Entry, Holder, Slot, TypedSlot};
use super::table::{run_slots, with_push, with_set};

/// A leaf of such handlers, whatever their kind.
pub trait Uniform: Send + Sync {
    fn run(&self, call: &Loud<'_>) -> Flow;
    fn run_quiet(&self, call: &Quiet<'_, '_>) -> Flow;
    fn len(&self) -> usize;
    fn get(&self, at: usize) -> &dyn Slot;
    fn entry(&self, at: usize) -> Entry;
    /// With one more, if it is of the same kind.
    fn with(&self, entry: &Entry) -> Option<Box<dyn Uniform>>;
    fn without(&self, at: usize) -> Box<dyn Uniform>;
    fn share(&self) -> Box<dyn Uniform>;
}

/// The slots of one kind.
pub(crate) trait Kind: Slot {
    fn run_all(slots: &[Arc<Self>], call: &Loud<'_>) -> Flow;
    fn run_all_quiet(slots: &[Arc<Self>], call: &Quiet<'_, '_>) -> Flow;
    fn into_entry(self: Arc<Self>) -> Entry;
}

/// The one implementation of [`Uniform`].
pub(crate) struct Alike<S: ?Sized>(Box<[Arc<S>]>);

impl<S: Kind + ?Sized + 'static> Alike<S> {
    pub(crate) fn of(slot: Arc<S>) -> Box<dyn Uniform> {
        Box::new(Self(Box::new([slot])))
    }
}

impl<S: Kind + ?Sized + 'static> Uniform for Alike<S> {
    fn run(&self, call: &Loud<'_>) -> Flow {
        S::run_all(&self.0, call)
    }

    fn run_quiet(&self, call: &Quiet<'_, '_>) -> Flow {
        S::run_all_quiet(&self.0, call)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, at: usize) -> &dyn Slot {
        self.0[at].seen()
    }

    fn entry(&self, at: usize) -> Entry {
        self.0[at].clone().into_entry()
    }

    fn with(&self, entry: &Entry) -> Option<Box<dyn Uniform>> {
        let mut place: Option<Arc<S>> = None;
        entry.clone().offer(&mut place);
        place.map(|slot| Box::new(Self(with_push(&self.0, slot))) as Box<dyn Uniform>)
    }

    fn without(&self, at: usize) -> Box<dyn Uniform> {
        Box::new(Self(with_set(&self.0, at, None)))
    }

    fn share(&self) -> Box<dyn Uniform> {
        Box::new(Self(self.0.clone()))
    }
}

/// Those that take the same payload type by reference: the type is looked at once.
impl<T: Any> Kind for dyn TypedSlot<T> {
    #[inline]
    fn run_all(slots: &[Arc<Self>], call: &Loud<'_>) -> Flow {
        match call.event.payload::<T>() {
            Some(payload) => run_slots(slots, call, |slot| slot.call(payload, call.event)),
            None => Flow::Go,
        }
    }

    #[inline]
    fn run_all_quiet(slots: &[Arc<Self>], call: &Quiet<'_, '_>) -> Flow {
        match call.errand.payload.downcast_ref::<T>() {
            Some(payload) => run_slots(slots, call, |slot| slot.call_quiet(payload)),
            None => Flow::Go,
        }
    }

    fn into_entry(self: Arc<Self>) -> Entry {
        self
    }
}

/// Those that keep payloads in the same form, such as queues of one type: it is made once.
impl<C: CallShared> Kind for Holder<C> {
    #[inline]
    fn run_all(slots: &[Arc<Self>], call: &Loud<'_>) -> Flow {
        run_slots(slots, call, |slot| slot.invoke(call.event))
    }

    #[inline]
    fn run_all_quiet(slots: &[Arc<Self>], call: &Quiet<'_, '_>) -> Flow {
        match C::share(call.errand.payload, call.errand.kept) {
            Some(share) => run_slots(slots, call, |slot| slot.invoke_shared(&share)),
            // Connected since the emit began.
            None => run_slots(slots, call, |_| Called::Skipped),
        }
    }

    fn into_entry(self: Arc<Self>) -> Entry {
        self
    }
}
