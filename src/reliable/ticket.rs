//! [`Ticket`]: what somebody holds who took an event.

use std::fmt::Display;
use std::sync::Arc;

use super::Ledger;
use super::book::Flight;
use crate::subscription::Receives;
use crate::sync::{AtomicBool, Ordering};

/// One attempt at an event. Dropped before the taker said how it went, it failed.
pub(crate) struct Ticket<T: Receives + ?Sized> {
    ledger: Arc<Ledger<T>>,
    flight: Flight,
    attempt: u32,
    /// Whether the taker said how it went: the first of several who share the ticket.
    used: AtomicBool,
}

impl<T: Receives + ?Sized> Ticket<T> {
    pub(super) fn new(ledger: Arc<Ledger<T>>, flight: Flight, attempt: u32) -> Arc<Self> {
        Arc::new(Self { ledger, flight, attempt, used: AtomicBool::new(false) })
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The event is done; whether it was in time, and the first to say so.
    pub(crate) fn ack(&self) -> bool {
        !self.used.swap(true, Ordering::AcqRel) && self.ledger.ack(self.flight, self.attempt)
    }

    /// The attempt failed; whether it was in time, and the first to say so.
    pub(crate) fn fail(&self, why: impl Display) -> bool {
        !self.used.swap(true, Ordering::AcqRel) && self.ledger.fail(self.flight, self.attempt, why)
    }
}

impl<T: Receives + ?Sized> Drop for Ticket<T> {
    fn drop(&mut self) {
        let panics = std::thread::panicking();
        self.fail(if panics { "its consumer panicked" } else { "dropped before it was done" });
    }
}
