//! Emits that ask whether every queue had a place for the event.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::delivery::Delivery;
use crate::dispatch::thread;
use crate::error::{Error, QueueFull};

/// That an emit of this thread asks whether it was accepted, and how long it waits for that.
///
/// It stands beside the emit, not in it: an emit that does not ask pays nothing, and a queue looks only when it is full.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The depth of the emit that asks; what is emitted inside of it does not.
    depth: u32,
    until: Until,
    full: Option<QueueFull>,
}

/// How long an emit waits for a place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// Not at all.
    Now,
    /// Until then; a time too far off for the clock is none.
    Then(Option<Instant>),
}

std::thread_local! {
    static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
}

impl Asked {
    /// Emits, waiting so long for places in full queues, if at all; an error if there was none.
    pub(crate) fn about(timeout: Option<Duration>, emit: impl FnOnce() -> Delivery) -> Result<Delivery, Error> {
        let until = timeout.map_or(Until::Now, |timeout| Until::Then(Instant::now().checked_add(timeout)));
        let asking = Asking::new(Self { depth: thread::depth() + 1, until, full: None });
        let delivery = emit().into_result()?;
        match asking.end() {
            Some(full) => Err(Error::queue_full(full)),
            None => Ok(delivery),
        }
    }

    /// How long an emit of this depth waits for a place, if it asks.
    pub(super) fn until(depth: u32) -> Option<Until> {
        ASKED.with_borrow(|asked| asked.last().filter(|asked| asked.depth == depth).map(|asked| asked.until))
    }

    /// Tells an emit of this depth, which asks, of a queue without a place; it is told of the first.
    pub(super) fn answer(depth: u32, full: QueueFull) {
        ASKED.with_borrow_mut(|asked| {
            if let Some(asked) = asked.last_mut().filter(|asked| asked.depth == depth) {
                asked.full.get_or_insert(full);
            }
        });
    }
}

/// An emit that asks, until it ends, be it by a panic.
struct Asking;

impl Asking {
    fn new(asked: Asked) -> Self {
        ASKED.with_borrow_mut(|all| all.push(asked));
        Self
    }

    /// The first queue that had no place.
    fn end(self) -> Option<QueueFull> {
        std::mem::forget(self);
        ASKED.with_borrow_mut(Vec::pop)?.full
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let asked = ASKED.with_borrow_mut(Vec::pop);
        drop(asked);
    }
}
