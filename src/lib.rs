//! Hierarchical signals with middleware.
#![forbid(unsafe_code)]

mod builder;
mod bus;
mod connection;
mod delivery;
mod dispatch;
mod error;
mod event_builder;
mod explain;
mod guarded;
mod handler;
mod late;
mod on;
mod payload;
mod policy;
mod receiver;
mod signal;
mod sync;
pub mod sys;
mod tree;

pub use sigtree_middleware as middleware;
pub use sigtree_middleware::{
    Cause, Clock, Envelope, Event, EventId, Failure, Filter, History, Inspect, Limits, ManualClock, Middleware, Next,
    ParseError, Pattern, Priority, Replay, Scoped, SequentialIds, Source, Speed, Stack, Topic, Trace, Transform,
};

pub use builder::BusBuilder;
pub use bus::{Bus, WeakBus, global};
pub use connection::{Connection, ConnectionId, ConnectionSet, Mute};
pub use delivery::Delivery;
pub use error::Error;
pub use event_builder::EventBuilder;
pub use explain::Explanation;
pub use handler::{IntoHandler, IntoMethod, Outcome};
pub use on::On;
pub use policy::Policy;
pub use receiver::Receiver;
pub use signal::{Emittable, Pinned, Signal};
pub use tree::ChildBuilder;
