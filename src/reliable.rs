//! How a reliable subscription keeps track of what was taken from it; and [`Redeliver`], the layer around a reliable handler.
//!
//! [`Ledger`] has an entry for each event that was taken and is not done with; [`Ticket`] is what the taker holds; [`Book`]
//! is what stands under the lock, and says what becomes of an entry.

mod again;
mod book;
mod ledger;
mod rules;
mod stats;
mod ticket;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::dispatch::failure::discard;

pub(crate) use again::Redeliver;
pub(crate) use ledger::Ledger;
pub(crate) use rules::{Rules, Standards};
pub use stats::ReliableStats;
pub(crate) use ticket::Ticket;

/// What somebody says who failed; his own words may panic.
fn text_of(why: impl Display) -> Arc<str> {
    match catch_unwind(AssertUnwindSafe(|| why.to_string())) {
        Ok(text) => text.into(),
        Err(panic) => {
            discard(Some(panic));
            "an error that panicked when asked what it is".into()
        }
    }
}

/// Somebody who is told that something is to be given again.
pub(crate) trait Told: Send + Sync {
    /// Something is.
    fn tell(&self);
}
