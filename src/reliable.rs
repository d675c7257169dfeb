//! How a reliable subscription keeps track of what was taken from it.
//!
//! [`Ledger`] has an entry for each event that was taken and is not done with; [`Ticket`] is what the taker holds; [`Book`]
//! is what stands under the lock, and says what becomes of an entry.

mod book;
mod ledger;
mod stats;
mod ticket;

pub(crate) use ledger::Ledger;
pub use stats::ReliableStats;
pub(crate) use ticket::Ticket;

/// Somebody who is told that something is to be given again.
pub(crate) trait Told: Send + Sync {
    /// Something is.
    fn tell(&self);
}
