//! What the pieces that govern the flow of events have in common: keys, what is remembered of them or held, counts, time.

mod agenda;
mod counts;
#[cfg(feature = "governor")]
mod gcra;
mod holder;
mod key;
mod line;
mod memory;
mod sifter;
mod time;

pub(crate) use agenda::Agenda;
pub(crate) use counts::Counts;
pub use counts::FlowStats;
#[cfg(feature = "governor")]
pub(crate) use gcra::Gcra;
pub(crate) use holder::{Hold, Holder, Put, holds};
pub(crate) use key::{By, Key, keyed};
pub(crate) use line::Line;
pub(crate) use memory::Memory;
pub(crate) use sifter::{Sift, Sifter};
use time::Time;

/// How many keys, or events held, a piece has room for unless told otherwise.
pub(crate) const ROOM: usize = 10_000;
