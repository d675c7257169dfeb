//! [`Desk`]: begins the attempts of a reliable async handler.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};

use super::attempt::{Attempt, Turns};
use super::handler::AsyncFn1;
use super::home::Home;
use super::running::CallOf;
use super::spawner::Task;
use crate::dispatch::core::Core;
use crate::dispatch::failure::discard;
use crate::dispatch::slot::Slot;
use crate::handler::Outcome;
use crate::reliable::{Ledger, Told};
use crate::subscription::{Label, Received, Receives};
use crate::sync::Mutex;

/// Takes events from the queue, and makes a task of each.
pub(super) struct Desk<T: Receives + ?Sized, F, O> {
    ledger: Arc<Ledger<T>>,
    handler: Arc<F>,
    label: Arc<Label>,
    core: Weak<Core>,
    pub(super) home: Home,
    /// How many calls there may be at once.
    most: usize,
    turns: Mutex<Calls>,
    /// Its connection's.
    slot: OnceLock<Weak<dyn Slot>>,
    me: Weak<Self>,
    of: PhantomData<fn() -> O>,
}

#[derive(Default)]
struct Calls {
    /// How many there are, or are about to be.
    running: usize,
    /// That somebody found no turn; who gives one back looks for what that one would have taken.
    missed: bool,
    ended: bool,
}

impl<T, F, O> Desk<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    pub(super) fn new(
        ledger: Arc<Ledger<T>>,
        label: Arc<Label>,
        handler: F,
        most: usize,
        core: &Arc<Core>,
    ) -> Arc<Self> {
        let desk = Arc::new_cyclic(|me: &Weak<Self>| Self {
            ledger,
            handler: Arc::new(handler),
            label,
            core: Arc::downgrade(core),
            home: Home::of(core),
            most,
            turns: Mutex::new(Calls::default()),
            slot: OnceLock::new(),
            me: me.clone(),
            of: PhantomData,
        });
        let told: Weak<Self> = Arc::downgrade(&desk);
        desk.ledger.tell(told);
        let settles: Weak<Core> = Arc::downgrade(core);
        desk.ledger.settle_with(settles);
        desk
    }

    /// Notes which slot it is behind.
    pub(super) fn placed(&self, slot: Weak<dyn Slot>) {
        self.label.placed(slot.clone());
        let _ = self.slot.set(slot);
    }

    /// Begins a call with each event that is there, as many as may be. Who put one in looks afterwards, and so does who ends a call.
    ///
    /// Inside a look of this thread, as where the spawner runs a task at once, it does nothing: that one looks again.
    pub(super) fn look(&self) {
        let Some(_here) = Here::enter(std::ptr::from_ref(self).addr()) else { return };
        while let Some(received) = self.next() {
            self.begin(received);
        }
    }

    /// Takes an event and a turn for it, if there are both.
    fn next(&self) -> Option<Received<T>> {
        loop {
            {
                let mut calls = self.turns.lock();
                if calls.ended {
                    return None;
                }
                if calls.running >= self.most {
                    calls.missed = true;
                    return None;
                }
                calls.running += 1;
                calls.missed = false;
            }
            if let Some(received) = self.ledger.take() {
                return Some(received);
            }
            let mut calls = self.turns.lock();
            calls.running -= 1;
            if !calls.missed {
                return None;
            }
        }
    }

    fn begin(&self, received: Received<T>) {
        let of = CallOf::new(received.topic(), self.label.clone());
        let Some(ticket) = received.ticket().cloned() else { return };
        let handler = self.handler.clone();
        // In the task: neither the emitter nor the clock runs code of the handler.
        let call = async move {
            let call = handler.begin(received);
            drop(handler);
            call.await
        };
        let desk: Weak<Self> = self.me.clone();
        let task = Task::of_call(Box::pin(Attempt::new(call, ticket, of, self.core.clone(), desk)));
        // The attempt failed with its task.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.home.spawn(task))) {
            discard(Some(panic));
        }
    }

    /// Has what waits for a pause given again now.
    pub(super) fn flush(&self) {
        self.ledger.end_pauses();
    }

    /// Begins no call any more: what waits is dead, what runs goes on.
    pub(super) fn end(&self) {
        self.turns.lock().ended = true;
        self.ledger.end();
    }

    /// What became of the events, for people.
    pub(super) fn explain(&self, notes: &mut Vec<String>) {
        let stats = self.ledger.stats();
        notes.push(if self.most == 1 { "async, one at a time" } else { "async" }.into());
        let crate::reliable::ReliableStats { in_flight, waiting, redelivered, dead, .. } = stats;
        notes.push(format!("reliable: {in_flight} running, {waiting} waiting, {redelivered} given again, {dead} dead"));
    }

    /// From a thread that is in no emit: keeps the handler connected to its slot, so that who waits for its end waits for this.
    fn look_from_outside(&self) {
        if let Some(_held) = self.slot.get().and_then(Weak::upgrade) {
            self.look();
        }
    }
}

/// Something is to be given again.
impl<T, F, O> Told for Desk<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    fn tell(&self) {
        self.look_from_outside();
    }
}

impl<T, F, O> Turns for Desk<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    fn end_turn(&self) {
        let missed = {
            let mut calls = self.turns.lock();
            calls.running -= 1;
            calls.missed
        };
        if missed {
            self.look_from_outside();
        }
    }
}

/// That this thread is in a look of a desk.
struct Here;

std::thread_local! {
    /// The desks that this thread is at, by their addresses.
    static HERE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Here {
    /// `None` if it is in one already.
    fn enter(desk: usize) -> Option<Self> {
        HERE.with_borrow_mut(|here| {
            let is_new = !here.contains(&desk);
            is_new.then(|| {
                here.push(desk);
                Self
            })
        })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.with_borrow_mut(Vec::pop);
    }
}
