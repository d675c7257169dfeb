//! [`Ticket`]: what somebody holds who took an event.

use std::fmt::Display;
use std::sync::Arc;
#[cfg(feature = "async")]
use std::sync::Weak;

#[cfg(feature = "async")]
use super::Late;
use super::book::Flight;
use super::{Failed, Ledger};
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
        self.fails(why) != Failed::TooLate
    }

    /// The same, and what becomes of the event.
    pub(crate) fn fails(&self, why: impl Display) -> Failed {
        if self.used.swap(true, Ordering::AcqRel) {
            return Failed::TooLate;
        }
        self.ledger.fail(self.flight, self.attempt, why)
    }

    /// Notes who is to be told when the attempt is late; whether it is under way.
    #[cfg(feature = "async")]
    pub(crate) fn watch(&self, who: Weak<dyn Late>) -> bool {
        self.ledger.watch(self.flight, self.attempt, who)
    }
}

impl<T: Receives + ?Sized> Drop for Ticket<T> {
    fn drop(&mut self) {
        let panics = std::thread::panicking();
        self.fail(if panics { "its consumer panicked" } else { "dropped before it was done" });
    }
}
