//! The words and the contract of `sigtree`: [`Topic`], [`Pattern`], [`Event`], [`Middleware`], [`Next`], [`Stack`], and
//! one file for each stock piece.
//!
//! Write middleware against this small crate; it knows no bus. Applications depend on
//! [`sigtree`](https://docs.rs/sigtree), which re-exports all of it as `sigtree::middleware`.
//!
//! # Words
//!
//! | to | see |
//! |---|---|
//! | name what happens, and what to listen to | [`Topic`], [`Pattern`], [`Limits`] |
//! | look at what is sent | [`Event`], [`Envelope`], [`Source`], [`EventId`] |
//! | know what went wrong | [`Failure`], [`Cause`], [`ParseError`] |
//! | tell the time, and make ids, as a test wants them | [`Clock`], [`ManualClock`], [`Ids`], [`SequentialIds`] |
//!
//! # Stock pieces
//!
//! | to | see |
//! |---|---|
//! | let some events pass | [`Filter`] |
//! | refuse payloads that are not in order | [`Validate`] |
//! | change payloads | [`Transform`] |
//! | look at what passes | [`Inspect`], [`Trace`] |
//! | let things go wrong on purpose, in tests | [`Fault`] |
//! | count the calls of each handler, and their time | [`Calls`] |
//! | put a layer around some topics only | [`Scoped`] |
//! | call a handler that failed again | [`Retry`], with a [`Backoff`] |
//! | leave a handler alone that keeps failing | [`CircuitBreaker`] |
//! | keep what failed, and give it again | [`DeadLetter`] |
//! | give handlers a deadline, and learn who is late | [`Timeout`] |
//! | let an event pass once | [`Deduplicate`] |
//! | let so many pass in a time | `RateLimit`, `Throttle`, with the feature `governor` |
//! | let one in so many pass | [`Sample`] |
//! | hold events, for the last of a burst or the newest in a time | [`Debounce`], [`Latest`] |
//! | hold events, to let them go on together | [`Batch`] |
//! | let events go on in another thread | [`Offload`] |
//! | tie events to those that led to them | [`Correlation`], [`Trail`] |
//! | send events to another topic or bus too | [`Route`] |
//! | count what happens, by pattern | [`Counters`] |
//! | know how long handlers take | `Latency` (feature `hdrhistogram`) |
//! | use what `tower` has, or be used by it | `Tower`, `TowerLayer` (feature `tower`) |
//! | tell the `metrics` facade | `Metrics` (feature `metrics`) |
//! | keep a bounded past, and give it again | [`History`], [`Replay`], [`Player`] |
//! | write what happens to files, and read it back | `Recording`, `Reader`, `Codec` (feature `recording`) |
//! | have a state that is folded from events | [`Projection`] |
//! | show that two runs led to the same events | [`EventTree`] |
//!
//! What the order of any two of them means is on the page of [`pairs`].
//!
//! # Middleware of one's own
//!
//! One trait, one method. `next.run(event)` goes on; returning without it ends the event, best with a reason.
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use sigtree::Bus;
//! use sigtree_middleware::{Event, Middleware, Next};
//!
//! /// Lets so many events through.
//! struct Quota(AtomicU32);
//!
//! impl Middleware for Quota {
//!     fn handle(&self, event: &Event<'_>, next: Next<'_>) {
//!         let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
//!         match left {
//!             Ok(_) => next.run(event),
//!             Err(_) => next.discard(event, "no quota left"),
//!         }
//!     }
//! }
//!
//! let bus = Bus::new();
//! bus.layer(Quota(AtomicU32::new(1)));
//! let _handler = bus.connect("job", |_: &u32| {})?;
//! assert_eq!(bus.emit("job", 1_u32).called(), 1);
//! assert_eq!(bus.emit("job", 2_u32).filtered(), Some("no quota left"));
//! # Ok::<(), sigtree::Error>(())
//! ```
//!
//! What a layer keeps of an event it [shares](Event::share); then it says so with [`Middleware::retains`], and the bus puts
//! each payload into one `Arc` for all who keep it. A layer that concerns few topics says so with [`Middleware::applies_to`],
//! and costs the others nothing.
//!
//! # Names of other systems
//!
//! [`Topic`] and [`Pattern`] convert from and to the names of NATS, MQTT, AMQP and Redis, exactly or not at all.
//!
//! # Features
//!
//! | feature | has |
//! |---|---|
//! | `hdrhistogram` | `Latency`: percentiles |
//! | `metrics` | `Metrics`: what happens, told to the `metrics` facade |
//! | `serde` | `Serialize` and `Deserialize` for the words |
//! | `tower` | `Tower` and `TowerLayer`: middleware of tower's services, and the other way round |
//! | `governor` | `RateLimit` and `Throttle` |
//! | `recording` | recordings in files, one CloudEvents JSON object a line |
//! | `redb` | recordings in a database with an index by topic and time |
#![forbid(unsafe_code)]

mod advice;
mod backoff;
mod batch;
mod calls;
mod circuit_breaker;
mod clock;
mod convert;
mod correlation;
mod counters;
mod dead_letter;
mod debounce;
mod deduplicate;
mod emission;
mod envelope;
mod event;
mod event_tree;
mod failure;
mod fault;
#[cfg(feature = "recording")]
mod file_error;
mod filter;
mod flow;
#[cfg(feature = "recording")]
mod folder;
mod held;
mod history;
mod id;
mod inspect;
#[cfg(feature = "hdrhistogram")]
mod latency;
mod latest;
mod limits;
#[cfg(feature = "metrics")]
mod metrics;
mod middleware;
mod next;
mod offload;
mod panics;
mod parse_error;
mod pattern;
mod projection;
#[cfg(feature = "governor")]
mod rate_limit;
#[cfg(feature = "recording")]
mod recording;
mod recording_failed;
mod replay;
mod reply_to;
mod retry;
mod route;
mod rows;
mod sample;
mod scoped;
#[cfg(feature = "serde")]
mod serde_impls;
mod stack;
mod standing;
mod table;
mod text;
#[cfg(feature = "governor")]
mod throttle;
mod timeout;
mod timer;
mod topic;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "tower")]
mod tower_layer;
mod trace;
mod transform;
mod until_error;
mod validate;
mod wanted;

#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
#[cfg(feature = "tower")]
pub use self::tower::{Passing, Rest, Tower};
pub use advice::{Advice, Advised, Answer, HandlerCall, Problem, Site};
pub use backoff::Backoff;
pub use batch::Batch;
pub use calls::{CallCount, Calls};
pub use circuit_breaker::{BreakerChanged, Circuit, CircuitBreaker, CircuitBreakerStats, CircuitState};
pub use clock::{Alarm, Clock, ManualClock, SystemClock};
pub use correlation::{Correlation, Trail};
pub use counters::{Counters, CountersSnapshot, Counts};
pub use dead_letter::{DeadLetter, DeadLetterStats, DeadReason, Letter};
pub use debounce::Debounce;
pub use deduplicate::Deduplicate;
pub use emission::{Aside, At, Details, Emission, Ended, Host, Level, Reason, Stamp, Tally};
pub use envelope::{Envelope, Priority, Sealed, Source};
pub use event::{Erased, Event, Kept};
pub use event_tree::{Difference, EventTree};
pub use failure::{Cause, Failure};
pub use fault::{Fault, FaultStats};
pub use filter::Filter;
pub use flow::FlowStats;
pub use held::{Held, Home, Mark};
pub use history::{Entry, History, HistoryBuilder, HistoryStats, Late, Weigh};
pub use id::{EventId, EventIdError, Ids, SequentialIds, UniqueIds};
pub use inspect::Inspect;
#[cfg(feature = "hdrhistogram")]
#[doc(hidden)]
pub use latency::Track;
#[cfg(feature = "hdrhistogram")]
pub use latency::{Latency, LatencySnapshot, Percentiles};
pub use latest::Latest;
pub use limits::Limits;
pub use middleware::Middleware;
pub use next::{Next, Place, Terminal};
pub use offload::{Executor, Job, Offload, Refused, Taken};
#[doc(hidden)]
pub use panics::Panics;
pub use parse_error::ParseError;
pub use pattern::{IntoPattern, Kind, Pattern, Segment, Segments};
pub use projection::{CatchUpError, Fact, GapError, Projection, Snapshot};
#[cfg(feature = "governor")]
pub use rate_limit::RateLimit;
#[cfg(feature = "recording")]
pub use recording::{
    Codec, CodecError, Entries, Exported, Flush, LineError, ReadStats, Reader, Record, Recording, RecordingBuilder,
    RecordingStats, Sink, Unwritten, WhenFull,
};
#[cfg(feature = "redb")]
pub use recording::{Query, Records, Store, StoreError};
pub use recording_failed::RecordingFailed;
pub use replay::{
    Landing, Moments, ParseSpeedError, Player, Replay, ReplayControl, ReplayReport, Replayed, Speed, SpeedError, Target,
};
pub use reply_to::ReplyTo;
pub use retry::{Retry, RetryStats};
pub use route::{Arrival, Destination, Route, RouteStats};
#[doc(hidden)]
pub use rows::Rows;
pub use sample::Sample;
pub use scoped::Scoped;
pub use stack::{Layer, Stack, StackError};
pub use standing::Standing;
#[doc(hidden)]
pub use table::write as write_table;
#[doc(hidden)]
pub use text::Counted;
pub use text::{OneLine, misleads};
#[cfg(feature = "governor")]
pub use throttle::Throttle;
pub use timeout::{HandlerLate, Timeout, TimeoutStats};
pub use topic::Topic;
#[cfg(feature = "tower")]
pub use tower_layer::{TowerError, TowerFuture, TowerLayer, TowerService};
pub use trace::Trace;
pub use transform::Transform;
pub use validate::{Validate, ValidateStats};

#[doc = include_str!("../PAIRS.md")]
pub mod pairs {}

/// The tests at the foot of a file share their rig with those in `tests/`.
#[cfg(test)]
extern crate self as sigtree_middleware;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

/// The examples of the README are run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
