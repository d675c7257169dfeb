//! Hierarchical signals with middleware.
//!
//! Connect handlers to topics, emit events, and let what happens in one part of a program reach the others without either
//! knowing the other.
//!
//! | to | see |
//! |---|---|
//! | make a bus, connect, emit | [`Bus`] |
//! | emit on one topic, fast and typed | [`Signal`], [`Signal::pin`] |
//! | know what a handler may look like | [`IntoHandler`] |
//! | call a handler once, first, or only sometimes | [`On`] |
//! | end, keep or silence a connection | [`Connection`], [`ConnectionSet`], [`Mute`] |
//! | let an object listen that the bus does not keep alive | [`Receiver`], [`Bus::connect_weak`] |
//! | know what became of an emit | [`Delivery`], [`Bus::explain`] |
//! | look inside a bus | [`Bus::inspect`], [`inspection`] |
//! | take events from a queue, when and where it suits | [`Bus::subscribe`], [`Subscription`], [`Queue`], [`Overflow`] |
//! | know whether a queue is full, or wait for a place | [`Bus::try_emit`], [`Bus::emit_timeout`] |
//! | run handlers in other threads, or in one that comes round | [`On::on`], [`WorkerPool`], [`Mailbox`], [`On::serial`] |
//! | handle events in tasks, wait for them or for the next one | `Bus::connect_async`, `Bus::emit_and_wait`, `Bus::wait_for` (feature `async`) |
//! | handle many events at once | [`On::batch`], [`Subscription::recv_batch_timeout`] |
//! | let two parties talk that know each other | [`Link`] |
//! | ask handlers for answers | [`Bus::request`], [`Bus::reply`]; in this thread, one by one: [`Signal::query`], [`Signal::answer`] |
//! | work only while somebody listens | [`Bus::on_interest`] |
//! | have each event done at least once, or only the latest | [`On::mode`], [`Reliable`] |
//! | see figures, and whether all is well | [`Bus::metrics`], [`Bus::measure`], [`Bus::health`] |
//! | know why something was refused | [`Error`] |
//! | decide what a failure does | [`Policy`] |
//! | keep the latest event of a topic for those who come late | [`Bus::keep_last`], [`On::with_last`] |
//! | pause a bus, end it in good order | [`Bus::pause`], [`Bus::shutdown`] |
//! | let operators decide sizes, times and limits | [`BusConfig`], [`Bus::reconfigure`] |
//! | send a source, a priority, metadata along | [`EventBuilder`] |
//! | put something around the handlers | [`Middleware`], [`Stack`], [`middleware`] |
//! | look back, or give the past again | [`History`], [`Replay`], [`Player`](middleware::Player), [`On::replay_last`] |
//! | write what happens to disk, and read it back | `Recording`, `Reader` in [`middleware`] (feature `recording`) |
//! | have a state that is folded from events | [`Projection`](middleware::Projection) |
//! | make a tree of buses | [`Bus::child`], [`ChildBuilder`], [`Bus::bridge`] |
//! | hear of what a bus does | [`sys`] |
//! | test what is built on a bus | [`testing`](testing/index.html), with the feature `testing` |
//!
//! # Topics and patterns
//!
//! A [`Topic`] is a name of segments with dots between. A [`Pattern`] is a topic; or has `*` for exactly one segment and `**` for any
//! number of them, anywhere; or is a list of such; or a regular expression.
//!
//! ```
//! use sigtree::{Bus, Event, Pattern};
//!
//! let bus = Bus::new();
//! let _any = bus.connect("radar.**", |_: &Event| {})?;
//! let _one = bus.connect("radar.*.new", |_: &Event| {})?;
//! let _two = bus.connect(["radar.track.new", "radar.track.lost"], |_: &Event| {})?;
//! let _odd = bus.connect(Pattern::regex("radar\\.[a-z]+\\.new")?, |_: &Event| {})?;
//!
//! assert_eq!(bus.emit("radar.track.new", 7_u32).called(), 4);
//! assert_eq!(bus.emit("radar", 7_u32).called(), 1);
//! # Ok::<(), sigtree::Error>(())
//! ```
//!
//! # Types
//!
//! A topic has one payload type, fixed by its first signal or its first typed handler. Another type is an error where it is connected
//! or emitted, never a silent miss: a literal `7` is an `i32`, so write `7_u32`. On a wildcard a typed handler sees the topics of
//! its type, and passes over the others in silence; `$sys.dead` tells of events that nobody was called for.
//!
//! ```
//! use sigtree::Bus;
//!
//! let bus = Bus::new();
//! let _number = bus.connect("count", |_: &u32| {})?;
//! assert!(bus.connect("count", |_: &String| {}).unwrap_err().is_type_mismatch());
//! assert!(bus.try_emit("count", "seven").unwrap_err().is_type_mismatch());
//!
//! let _texts = bus.connect("**", |_: &String| {})?;
//! assert_eq!(bus.emit("count", 7_u32).called(), 1);
//! # Ok::<(), sigtree::Error>(())
//! ```
//!
//! # Lives
//!
//! A [`Connection`] governs its handler: dropped, the handler is freed with all it captured. So it belongs into the struct
//! that listens, and the two end together. A bus lives as long as a [`Bus`] handle, a [`Signal`] or a child does; a handler that
//! emits on its own bus holds a [`WeakBus`] or a [`WeakSignal`].
//!
//! ```
//! use sigtree::{Bus, Connection};
//!
//! struct Screen {
//!     _tracks: Connection,
//! }
//!
//! let bus = Bus::new();
//! let screen = Screen { _tracks: bus.connect("track.*", |id: &u32| println!("track {id}"))? };
//! assert_eq!(bus.connections(), 1);
//! drop(screen);
//! assert_eq!(bus.connections(), 0);
//! # Ok::<(), sigtree::Error>(())
//! ```
//!
//! # Failures
//!
//! Emitting does not fail; it returns a [`Delivery`]. A handler that panics or returns an error stops no other one unless the
//! [`Policy`] says so, and is told of in the delivery, in a `tracing` event, in [`Bus::failures`], and on `$sys.handler.failed`.
//!
//! ```
//! use sigtree::Bus;
//!
//! let bus = Bus::new();
//! let _bad = bus.connect("job", |n: &u32| if *n > 9 { Err("too much") } else { Ok(()) })?;
//! let _good = bus.connect("job", |_: &u32| {})?;
//! let delivery = bus.emit("job", 10_u32);
//! assert_eq!((delivery.called(), delivery.failed()), (2, 1));
//! assert!(delivery.ok().is_err());
//! # Ok::<(), sigtree::Error>(())
//! ```
//!
//! # Middleware
//!
//! A layer sees each event before the handlers and may let it go on, changed or not, or end it with a reason. The first one
//! added sees it first. All layers are imported from [`sigtree::middleware`](middleware), a few also from the root; import them by
//! name, because a glob import brings common names such as `Alarm`, `Record` and `Route` along.
//!
//! ```
//! use sigtree::Bus;
//! use sigtree::middleware::{Filter, Transform};
//!
//! let bus = Bus::new();
//! bus.layer(Filter::payload(|metres: &f64| *metres < 400_000.0).reason("out of range"));
//! bus.layer(Transform::new(|metres: &f64| metres.round()));
//! let _screen = bus.connect("plot", |metres: &f64| assert_eq!(*metres, 1235.0))?;
//!
//! assert_eq!(bus.emit("plot", 1234.5678).failed(), 0);
//! assert_eq!(bus.emit("plot", 1e9).filtered(), Some("out of range"));
//! # Ok::<(), sigtree::Error>(())
//! ```
//!
//! # Threads
//!
//! Everything can be used from any thread and from inside handlers. Handlers run in the thread that emits, unless they were connected
//! with an [executor](On::on) or as tasks. An emit waits for no writer and no other emit: it sees one version of handlers and layers, which
//! writers replace beside it; it waits for a place in a queue where that [blocks](Overflow::Block), and for nobody else. Emitting through
//! a [`Signal`] or on a name that was emitted lately takes no lock and no memory; what a handler shares between threads is what
//! threads then wait for.
//!
//! # Ways to receive
//!
//! A handler is pushed, a [`Subscription`] pulls; both take conditions, layers and a [`Mode`] from [`On`]. The README has a table of when
//! to use which, what it costs, and what may be lost.
//!
//! Threads that sleep, for an event, a place, an end, do so in the machine's time. What else has a time has that of the
//! [bus's clock](Bus::clock), which a test may move: what is reliable, batches, requests, and whatever is awaited.
//!
//! ```
//! use std::time::Duration;
//! use sigtree::{Bus, Overflow, Queue};
//!
//! let bus = Bus::new();
//! let newest = bus.on("plot").queue(Queue::bounded(2).overflow(Overflow::DropOldest)).subscribe::<u32>()?;
//! (1..=3_u32).for_each(|plot| drop(bus.emit("plot", plot)));
//! let screen = std::thread::spawn(move || newest.into_iter().map(|plot| *plot).collect::<Vec<_>>());
//!
//! assert!(bus.shutdown(Duration::from_secs(60)).is_clean());
//! assert_eq!(screen.join().unwrap(), [2, 3]);
//! # Ok::<(), sigtree::Error>(())
//! ```
//!
//! # What is lost
//!
//! Nothing is lost in silence:
//!
//! - An event that meets no handler is gone; `$sys.dead` tells.
//! - What a full queue has no place for is counted by reason in [`QueueStats`]; with [`Overflow::Block`] and [`Overflow::Error`], and from
//!   [`Bus::try_emit`], the emitter is told as well.
//! - What an executor refuses, or drops unrun, is counted as dropped by its [`Offload`](middleware::Offload); a task that its runtime
//!   drops is a failure of its handler.
//! - In [reliable](Reliable) mode an event is done, or a dead letter. Of those the oldest go when there are too many
//!   ([`DeadLetterStats`](middleware::DeadLetterStats)).
//! - What a [`History`] forgets is gone ([`HistoryStats`](middleware::HistoryStats)), and so is the latest event of a topic beyond those
//!   that there is room for ([`LastKept::forgotten`]).
//! - What did not end in time at a [shutdown](Bus::shutdown) is in its report. Without one, what waits goes with the bus's last handle or
//!   the process; nothing is kept on disk but [recordings](middleware).
//!
//! With `panic = "abort"` a panic ends the process, as it does everywhere else.
//!
//! # Features
//!
//! | feature | has |
//! |---|---|
//! | `async` | async handlers, `emit_and_wait`, `wait_for`; a [`Subscription`] is a `Stream`; needs no runtime |
//! | `tokio` | with it, tokio's `Handle` runs async handlers, and the runtime at hand does where no other was given |
//! | `hdrhistogram` | percentiles of how long handlers take: `middleware::Latency`, and in [`Bus::metrics`] |
//! | `metrics` | what happens, told to the `metrics` facade: `middleware::Metrics`, [`MetricsSnapshot`]'s `export` |
//! | `serde` | `Serialize` and `Deserialize` for topics, patterns and the other words; `Serialize` for an [`Inspection`] |
//! | `tower` | `middleware::Tower` and `TowerLayer`: middleware of tower's services, and the other way round |
//! | `governor` | the layers `RateLimit` and `Throttle` |
//! | `testing` | a bus, recorders, assertions and scripts for tests |
//! | `config` | [`BusConfig`] from environment variables and TOML files |
//! | `proptest` | with them, strategies for topics and patterns |
//! | `recording` | recordings in files, one CloudEvents JSON object a line |
//! | `redb` | recordings in a database with an index by topic and time |
#![forbid(unsafe_code)]

mod backstage;
mod batches;
mod builder;
mod bus;
mod config;
mod connection;
mod delivery;
mod dispatch;
mod error;
mod event_builder;
mod executor;
mod explain;
mod guarded;
mod handler;
mod health;
mod held;
pub mod inspection;
mod interest;
mod last;
mod late;
mod lifecycle;
mod link;
mod metering;
pub mod metrics;
mod mode;
mod newest;
mod on;
mod overlap;
mod payload;
mod policy;
mod query;
mod queue;
mod receiver;
mod reliable;
mod request;
mod signal;
mod subscription;
mod sync;
pub mod sys;
#[cfg(feature = "async")]
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod tree;

pub use sigtree_middleware as middleware;
pub use sigtree_middleware::{
    Cause, Clock, Correlation, Envelope, Event, EventId, Executor, Failure, Filter, History, Inspect, IntoPattern, Job,
    Limits, ManualClock, Middleware, Next, ParseError, Pattern, Priority, Refused, Replay, ReplayReport, Scoped,
    SequentialIds, Source, Speed, SpeedError, Stack, Stamp, Topic, Trace, Transform,
};

pub use batches::OnBatch;
pub use builder::BusBuilder;
pub use bus::{Bus, WeakBus, global};
#[cfg(feature = "config")]
pub use config::ConfigError;
pub use config::{BusConfig, Reconfigured};
pub use connection::{Connection, ConnectionId, ConnectionSet, Mute};
pub use delivery::Delivery;
pub use error::{Error, QueueFull};
pub use event_builder::EventBuilder;
pub use executor::{Mailbox, PoolBuilder, PoolStats, WorkerPool};
pub use explain::Explanation;
pub use handler::{IntoHandler, IntoMethod, Outcome};
pub use health::{Health, HealthLimits, HealthReason};
pub use inspection::Inspection;
pub use interest::{Interest, InterestWatch};
pub use last::LastKept;
pub use lifecycle::{Left, Pause, ShutdownReport};
pub use link::{End, Flow, Link, LinkSendError, LinkStats, Transport};
pub use metering::Metering;
pub use metrics::MetricsSnapshot;
pub use mode::{Mode, Reliable};
pub use on::On;
pub use policy::Policy;
pub use query::Query;
pub use queue::{Overflow, Queue, QueueStats};
pub use receiver::Receiver;
pub use reliable::ReliableStats;
pub use request::{
    Answer, Answers, Gather, Gathering, IntoResponder, Pending, Question, Questions, RecvQuestion, Request,
    RequestError, Responder, Silence, Unanswered,
};
pub use signal::{Emittable, Pinned, Signal, WeakSignal};
#[cfg(feature = "async")]
pub use subscription::RecvBatch;
pub use subscription::{Received, Receives, Recv, RecvError, Subscription};
#[cfg(feature = "async")]
pub use tasks::{AsyncFn1, Completion, Spawner, Task, Unstarted, WaitError, WaitFor, WaitForFuture};
pub use tree::ChildBuilder;

/// The examples of the README are run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
