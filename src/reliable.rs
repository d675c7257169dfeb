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

use sigtree_middleware::Topic;

use crate::dispatch::failure::discard;
use crate::subscription::Label;

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

/// Somebody who is at an event, and can stop.
pub(crate) trait Late: Send + Sync {
    /// The time for this attempt is over.
    fn be_late(&self);
}

/// Somebody who counts the events of a queue until they are done or dead.
pub(crate) trait Settles: Send + Sync {
    /// One of them is.
    fn settled(&self);

    /// One is about to be dead, because its last attempt was late.
    fn gave_up(&self, topic: &Topic, label: &Arc<Label>, why: &str);
}

/// What became of an event whose attempt failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The attempt was over before.
    TooLate,
    /// It is given again.
    Again,
    /// It is a dead letter.
    Dead,
}
