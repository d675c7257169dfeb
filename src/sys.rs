//! The bus's own reports, on topics that begin with `$sys.`; each costs nothing while nobody listens.
//!
//! Connect to them like to anything else, with a pattern that spells `$sys`; `**` does not see them. A report is made on the
//! bus where it happened and on those its events go up to, under the same name.
//!
//! | topic | payload | when |
//! |---|---|---|
//! | `$sys.refused` | [`Refused`] | an emit was refused: a bad topic, another payload type, too deep, a bus that was shut down |
//! | `$sys.dead` | [`Dead`] | an event met no handler |
//! | `$sys.filtered` | [`Filtered`] | a layer of the stack ended an event |
//! | `$sys.handler.failed` | [`HandlerFailed`] | a handler or layer panicked or returned an error |
//! | `$sys.late` | [`HandlerLate`] | a handler was not done by the deadline of a [`Timeout`](crate::middleware::Timeout) |
//! | `$sys.breaker` | [`BreakerChanged`] | a [`CircuitBreaker`](crate::middleware::CircuitBreaker) opened, closed, or lets a handler try again |
//! | `$sys.connected` | [`Connected`] | a handler was connected |
//! | `$sys.disconnected` | [`Disconnected`] | a handler was disconnected |
//! | `$sys.recording.failed` | [`RecordingFailed`] | a recording could not write |
//!
//! Failures of handlers of these reports are counted and traced, not reported.
//!
//! # Examples
//!
//! ```
//! use sigtree::{Bus, sys};
//!
//! let bus = Bus::new();
//! let _misses = bus.connect("$sys.dead", |dead: &sys::Dead| println!("nobody listens to {}", dead.topic))?;
//! bus.emit("radar.tarck", 1_u32);
//! # Ok::<(), sigtree::Error>(())
//! ```

use std::panic::Location;
use std::sync::Arc;

pub use sigtree_middleware::{BreakerChanged, HandlerLate, RecordingFailed};
use sigtree_middleware::{Failure, Pattern, Topic};

use crate::connection::ConnectionId;
use crate::error::Error;
use crate::payload::PayloadType;

/// An emit was refused.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Refused {
    /// The bus's name.
    pub bus: Arc<str>,
    /// Why; the message quotes the topic.
    pub error: Arc<Error>,
}

/// An event met no handler.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dead {
    /// The name of the bus it was emitted on.
    pub bus: Arc<str>,
    /// Its topic, as that bus names it.
    pub topic: Topic,
}

/// A layer of the stack ended an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Filtered {
    /// The name of the bus whose stack it was.
    pub bus: Arc<str>,
    /// The event's topic, as that bus names it.
    pub topic: Topic,
    /// The reason the layer gave.
    pub reason: Arc<str>,
}

/// A handler or layer failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HandlerFailed {
    /// The name of the bus it was connected to.
    pub bus: Arc<str>,
    /// What happened.
    pub failure: Arc<Failure>,
}

/// A handler was connected.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Connected {
    /// The bus's name.
    pub bus: Arc<str>,
    /// The connection.
    pub id: ConnectionId,
    /// The name given to the connection, if any.
    pub name: Option<Arc<str>>,
    /// Its pattern.
    pub pattern: Pattern,
    /// Where it was connected.
    pub site: &'static Location<'static>,
}

/// A handler was disconnected, by whatever means.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Disconnected {
    /// The bus's name.
    pub bus: Arc<str>,
    /// The connection.
    pub id: ConnectionId,
    /// The name given to the connection, if any.
    pub name: Option<Arc<str>>,
    /// Its pattern.
    pub pattern: Pattern,
    /// Where it was connected.
    pub site: &'static Location<'static>,
}

/// One of the reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    topic: &'static str,
    place: u32,
    pub(crate) payload: fn() -> PayloadType,
}

pub(crate) const REFUSED: Report = Report { topic: "$sys.refused", place: 0, payload: PayloadType::of::<Refused> };
pub(crate) const DEAD: Report = Report { topic: "$sys.dead", place: 1, payload: PayloadType::of::<Dead> };
pub(crate) const FILTERED: Report = Report { topic: "$sys.filtered", place: 2, payload: PayloadType::of::<Filtered> };
pub(crate) const HANDLER_FAILED: Report =
    Report { topic: "$sys.handler.failed", place: 3, payload: PayloadType::of::<HandlerFailed> };
pub(crate) const CONNECTED: Report =
    Report { topic: "$sys.connected", place: 4, payload: PayloadType::of::<Connected> };
pub(crate) const DISCONNECTED: Report =
    Report { topic: "$sys.disconnected", place: 5, payload: PayloadType::of::<Disconnected> };
/// Made by `Timeout`.
pub(crate) const LATE: Report = Report { topic: "$sys.late", place: 6, payload: PayloadType::of::<HandlerLate> };
/// Made by `CircuitBreaker`.
pub(crate) const BREAKER: Report =
    Report { topic: "$sys.breaker", place: 7, payload: PayloadType::of::<BreakerChanged> };
/// Made by `Recording`.
pub(crate) const RECORDING_FAILED: Report =
    Report { topic: "$sys.recording.failed", place: 8, payload: PayloadType::of::<RecordingFailed> };

impl Report {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// All of them, each at its place.
    pub(crate) const ALL: [Self; 9] =
        [REFUSED, DEAD, FILTERED, HANDLER_FAILED, CONNECTED, DISCONNECTED, LATE, BREAKER, RECORDING_FAILED];

    pub(crate) fn topic(self) -> &'static str {
        self.topic
    }

    /// The report of a topic.
    pub(crate) fn on(topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|report| report.topic == topic)
    }

    /// The payload type of a report's topic.
    pub(crate) fn payload_on(topic: &str) -> Option<PayloadType> {
        Self::on(topic).map(|report| (report.payload)())
    }

    pub(crate) fn bit(self) -> u32 {
        1 << self.place
    }

    pub(crate) fn place(self) -> usize {
        self.place as usize
    }

    /// The reports a pattern sees.
    pub(crate) fn seen_by(pattern: &Pattern) -> impl Iterator<Item = Self> {
        let all: &[Self] = if pattern.sees_reserved() { &Self::ALL } else { &[] };
        all.iter().filter(|report| pattern.matches(report.topic)).copied()
    }
}
