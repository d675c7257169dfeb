//! Handlers that keep payloads in the same form, such as queues of one type: it is made once for all of them.

use std::sync::Arc;

use super::failure::Flow;
use super::round::{Loud, Quiet};
use super::slot::{CallShared, Called, Entry, Holder, Slot};
use super::table::{Uniform, run_slots, with_push, with_set};

pub(crate) struct Sharing<C>(Box<[Arc<Holder<C>>]>);

impl<C: CallShared> Sharing<C> {
    pub(crate) fn of(slot: Arc<Holder<C>>) -> Box<dyn Uniform> {
        Box::new(Self(Box::new([slot])))
    }
}

impl<C: CallShared> Uniform for Sharing<C> {
    fn run(&self, call: &Loud<'_>) -> Flow {
        run_slots(&self.0, call, |slot| slot.invoke(call.event))
    }

    fn run_quiet(&self, call: &Quiet<'_, '_>) -> Flow {
        match C::share(call.errand.payload, call.errand.kept) {
            Some(share) => run_slots(&self.0, call, |slot| slot.invoke_shared(&share)),
            // Connected since the emit began.
            None => run_slots(&self.0, call, |_| Called::Skipped),
        }
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, at: usize) -> &dyn Slot {
        &*self.0[at]
    }

    fn entry(&self, at: usize) -> Entry {
        self.0[at].clone()
    }

    fn with(&self, entry: &Entry) -> Option<Box<dyn Uniform>> {
        let mut place: Option<Arc<Holder<C>>> = None;
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
