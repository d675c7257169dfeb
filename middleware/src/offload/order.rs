//! Events of one piece that go on one at a time, in their order, whatever threads the executor has.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::AcqRel};

use parking_lot::Mutex;

use super::{Executor, Job, Refused, Ticket};
use crate::panics::Panics;

/// How many go on in one job, so that others of the executor have their turn.
const TURN: usize = 64;

/// The events that wait for their turn.
#[derive(Clone)]
pub(super) struct Order(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    waiting: VecDeque<Ticket>,
    /// Whether a job is under way that lets them go on.
    running: bool,
}

impl Order {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Puts an event at the end, and gives the executor a job if it has none.
    pub(super) fn submit(&self, ticket: Ticket, executor: &Arc<dyn Executor>) -> Result<(), Refused> {
        {
            let mut line = self.0.lock();
            line.waiting.push_back(ticket);
            if std::mem::replace(&mut line.running, true) {
                return Ok(());
            }
        }
        self.begin(executor)
    }

    fn begin(&self, executor: &Arc<dyn Executor>) -> Result<(), Refused> {
        self.give(Running { order: Some(self.clone()), offer: None }, executor)
    }

    fn give(&self, running: Running, executor: &Arc<dyn Executor>) -> Result<(), Refused> {
        let (order, next) = (self.clone(), executor.clone());
        executor.execute(Job::new(move || order.turn(running, &next)))
    }

    /// Lets some go on; more of them in the next job, or in this one if the executor takes no other: it may be full, or end with
    /// what it has, and these it has.
    fn turn(&self, running: Running, executor: &Arc<dyn Executor>) {
        if !running.is_wanted() {
            return running.went_well();
        }
        let mut panics = Panics::default();
        loop {
            for _ in 0..TURN {
                let Some(ticket) = self.next() else {
                    running.went_well();
                    return panics.resume();
                };
                panics.catch(|| ticket.release());
            }
            if self.pass_on(executor) {
                running.went_well();
                return panics.resume();
            }
        }
    }

    /// Whether the executor took a job that goes on in place of this one.
    fn pass_on(&self, executor: &Arc<dyn Executor>) -> bool {
        let offer = Arc::new(Offer::default());
        let given = self.give(Running { order: Some(self.clone()), offer: Some(offer.clone()) }, executor);
        let met = offer.0.swap(if given.is_ok() { TAKEN } else { REFUSED }, AcqRel);
        if given.is_ok() && met == DROPPED {
            self.clear();
        }
        // A job that runs, or ran, runs, whatever the executor says.
        given.is_ok() || met == TAKEN
    }

    /// Drops what waits: nobody lets it go on.
    fn clear(&self) {
        let dropped = {
            let mut line = self.0.lock();
            line.running = false;
            std::mem::take(&mut line.waiting)
        };
        drop(dropped);
    }

    /// The next one; if there is none, nothing runs any more.
    fn next(&self) -> Option<Ticket> {
        let mut line = self.0.lock();
        let next = line.waiting.pop_front();
        line.running = next.is_some();
        next
    }
}

/// That a job is under way. Dropped with a job that was not run, it drops what waits, which nobody would let go on.
struct Running {
    order: Option<Order>,
    /// There is one if whoever gives the job goes on in its place should it be refused.
    offer: Option<Arc<Offer>>,
}

/// What became of a job that was offered. Who offers it and the job itself each swap in what they know, once; whoever comes second
/// sees what the first did, and knows who is to let go on what waits.
#[derive(Default)]
struct Offer(AtomicU8);

const TAKEN: u8 = 1;
const REFUSED: u8 = 2;
const DROPPED: u8 = 3;

impl Running {
    /// Whether it is this job that goes on: not if it was refused, and kept all the same.
    fn is_wanted(&self) -> bool {
        self.offer.as_ref().is_none_or(|offer| offer.0.swap(TAKEN, AcqRel) != REFUSED)
    }

    fn went_well(mut self) {
        self.order = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(order) = self.order.take() else { return };
        // Dropped before the answer is known, it leaves the rest to the one who waits for that; refused, too.
        let met = self.offer.as_ref().map_or(TAKEN, |offer| offer.0.swap(DROPPED, AcqRel));
        if met == TAKEN {
            order.clear();
        }
    }
}
