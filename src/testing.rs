//! For tests of what is built on a bus: record, assert, and let no time pass.
//!
//! With the feature `testing`, in `[dev-dependencies]`: `sigtree = { version = "0.1", features = ["testing"] }`.
//!
//! | to | see |
//! |---|---|
//! | have a bus on which time stands still, ids are 1, 2, 3, and no failure goes unseen | [`TestBus`] |
//! | write down what a pattern brings, with payloads | [`TestBus::record`], [`Recorder::on`] |
//! | say that something was emitted, how often, with what, when | [`Recorder::emitted`], [`Emitted`] |
//! | say that it came before, after or between others | [`Recorder::in_order`], [`Emitted::before`], [`Emitted::between`] |
//! | say all that was seen | [`Recorder::exactly`] |
//! | say that nothing else was, or nothing at all | [`Recorder::nothing_but`], [`Recorder::not_emitted`], [`Recorder::nothing`] |
//! | let time pass without waiting | [`TestBus::advance`], [`Recorder::eventually`], [`TestBus::advance_until`] |
//! | wait for another thread, without sleeping | [`Recorder::wait_for`], [`Recorder::wait_until`] |
//! | write emits and what they lead to as one script | [`expect!`], [`Script`] |
//! | compare with a snapshot | `{seen}` and `{seen:#}` of a [`Recorder`], [`Seen`] |
//! | agree with a failure | [`TestBus::take_failures`], [`TestBus::take_refusals`] |
//! | make topics and patterns for property tests | `strategies`, with the feature `proptest` |
//! | give the past again | [`History`](crate::History), [`Replay`](crate::Replay) |
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use sigtree::testing::TestBus;
//!
//! let bus = TestBus::new();
//! let seen = bus.record("track.**");
//!
//! bus.emit("track.new", 7_u32);
//! bus.advance(Duration::from_secs(5));
//! bus.emit("track.lost", 7_u32);
//!
//! seen.emitted("track.new").once().with(&7_u32).before("track.lost");
//! seen.emitted("track.lost").at([Duration::from_secs(5)]);
//! seen.nothing_but("track.new | track.lost");
//! ```
//!
//! # When an assertion fails
//!
//! It panics at the line of the test that calls it, and shows what was seen:
//!
//! ```text
//! `track.lost` came twice, not once
//! seen on `track.**`:
//!      1  track.new 7
//!   >  2  track.lost 7
//!   >  3  track.lost 7
//! ```
//!
//! On a [`TestBus`] it also shows what failed or was refused, because that is often why: a literal `7` is an `i32`, and refused on a topic
//! that carries `u32`. And where an event is missing, it shows which layers of the bus and its children ended or held such events:
//!
//! ```text
//! `range` never came
//! nothing was seen on `range`
//! layers did not let on:
//!   limit: filter, else `too far` (tests/radar.rs:7) ended `range` twice: too far
//!   debounce until 1s of quiet, per topic (tests/radar.rs:8) held `range` once, and holds 1 event now: let time pass, or flush the bus
//! ```
//!
//! It knows nothing of layers around one handler, and of those of buses that a bridge or a [`Route`](crate::middleware::Route) leads to.
//!
//! Payloads are written with their `Debug`. Numbers, texts and the like are known, and so is the type of a payload that an assertion
//! was given; of others the bus does not know how to write them, and they are `?` until [`TestBus::show`] names their type.
//!
//! # Snapshots
//!
//! What a recorder of a [`TestBus`] writes is the same in every run, ids and times included, as long as one thread emits:
//!
//! ```
//! # use sigtree::testing::TestBus;
//! # let bus = TestBus::new();
//! let seen = bus.record("**");
//! bus.event("greeting").source("me").emit("hello");
//! assert_eq!(seen.to_string(), "greeting \"hello\"");
//! assert_eq!(format!("{seen:#}"), "#1 0ns greeting \"hello\", from me");
//! ```
//!
//! With [insta](https://insta.rs): `insta::assert_snapshot!(seen)`, `insta::assert_snapshot!(format!("{seen:#}"))` or
//! `insta::assert_debug_snapshot!(seen)`.
//!
//! # Time and threads
//!
//! A [`TestBus`] makes tests of timers exact: whatever asks the bus's [`Clock`](crate::Clock) for the time or to be woken, as the
//! layers of this library do, sees only the time the test lets pass. Code that asks the machine's clock does not. Threads are as free as
//! ever; [`wait_for`](Recorder::wait_for) waits for them in real time, and what they emit has no certain order.

mod assertions;
mod books;
mod diff;
mod emitted;
mod kept_back;
mod recorder;
mod script;
mod seen;
mod shown;
#[cfg(feature = "proptest")]
pub mod strategies;
mod test_bus;
mod troubles;
mod view;
mod watched;

pub use emitted::Emitted;
pub use recorder::Recorder;
pub use script::Script;
pub use seen::Seen;
pub use test_bus::TestBus;

#[doc(no_inline)]
pub use crate::expect;
