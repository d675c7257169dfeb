//! Events of one piece that go on one at a time, in their order, whatever threads the executor has.

use std::collections::VecDeque;
use std::sync::Arc;

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
        let running = Running(Some(self.clone()));
        let (order, next) = (self.clone(), executor.clone());
        executor.execute(Job::new(move || order.turn(running, &next)))
    }

    /// Lets some go on; more of them in the next job.
    fn turn(&self, running: Running, executor: &Arc<dyn Executor>) {
        let mut panics = Panics::default();
        for _ in 0..TURN {
            let Some(ticket) = self.next() else {
                running.went_well();
                return panics.resume();
            };
            panics.catch(|| ticket.release());
        }
        running.went_well();
        // Refused, what waits was dropped, and is counted.
        let _ = self.begin(executor);
        panics.resume();
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
struct Running(Option<Order>);

impl Running {
    fn went_well(mut self) {
        self.0 = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(order) = self.0.take() else { return };
        let dropped = {
            let mut line = order.0.lock();
            line.running = false;
            std::mem::take(&mut line.waiting)
        };
        drop(dropped);
    }
}
