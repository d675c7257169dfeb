//! The words and the contract of `sigtree`: [`Topic`], [`Pattern`], [`Event`], [`Middleware`], [`Next`], [`Stack`], and
//! one file for each stock piece.
//!
//! Write middleware against this small crate; it knows no bus. Applications depend on
//! [`sigtree`](https://docs.rs/sigtree), which re-exports all of it as `sigtree::middleware`.
#![forbid(unsafe_code)]

mod clock;
mod convert;
mod emission;
mod envelope;
mod event;
mod failure;
mod filter;
mod history;
mod id;
mod inspect;
mod limits;
mod middleware;
mod next;
mod parse_error;
mod pattern;
mod replay;
mod scoped;
#[cfg(feature = "serde")]
mod serde_impls;
mod stack;
mod topic;
mod trace;
mod transform;

pub use clock::{Clock, ManualClock, SystemClock};
pub use emission::{Emission, Host, Level, Stamp, Tally};
pub use envelope::{Envelope, Priority, Sealed, Source};
pub use event::{Erased, Event, Kept};
pub use failure::{Cause, Failure};
pub use filter::Filter;
pub use history::{Entry, History, HistoryBuilder, HistoryStats, Late, Weigh};
pub use id::{EventId, Ids, SequentialIds, UniqueIds};
pub use inspect::Inspect;
pub use limits::Limits;
pub use middleware::Middleware;
pub use next::{Next, Place, Terminal};
pub use parse_error::ParseError;
pub use pattern::{IntoPattern, Kind, Pattern, Segment, Segments};
pub use replay::{Replay, Replayed, Report, Speed, SpeedError, Target};
pub use scoped::Scoped;
pub use stack::{Layer, Stack};
pub use topic::Topic;
pub use trace::Trace;
pub use transform::Transform;

/// The tests at the foot of a file share their rig with those in `tests/`.
#[cfg(test)]
extern crate self as sigtree_middleware;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
