//! The hot path. Patterns are the truth, routes are caches.
//!
//! | file | idea |
//! |---|---|
//! | `emit` | one emit, from the handle or the name to the handlers |
//! | `end` | where a bus's chain ends: handlers, then the ways down and up |
//! | `plan` | finding a topic's route: the one there is, mended or built anew |
//! | `route` | the compiled list of handler tables of a topic |
//! | `round` | calls with an event, and without one where nobody can tell |
//! | `table`, `slot` | the handlers of a pattern; one handler |
//! | `alike` | handlers of one kind in a leaf |
//! | `cell` | where routes are kept, and the by-name cache |
//! | `stamps` | counts that say whether a route is still right |
//! | `node`, `index` | distinct patterns, and which of them match a topic |
//! | `core`, `writer`, `books` | a bus's state, the one way to change it, and what only writers look at |
//! | `failure` | what happens when a handler fails |
//! | `advised` | handlers called each through the advice of layers |
//! | `measured` | handlers of a bus that is measured |
//! | `gate`, `thread` | waiting for running calls; what a thread is inside of |
//! | `snap` | the only file that names arc-swap |

pub(crate) mod advised;
pub(crate) mod alike;
pub(crate) mod books;
pub(crate) mod cell;
pub(crate) mod core;
pub(crate) mod emit;
pub(crate) mod end;
pub(crate) mod failure;
pub(crate) mod gate;
pub(crate) mod index;
pub(crate) mod measured;
pub(crate) mod node;
pub(crate) mod plan;
pub(crate) mod round;
pub(crate) mod route;
pub(crate) mod slot;
pub(crate) mod snap;
pub(crate) mod stamps;
pub(crate) mod table;
pub(crate) mod thread;
pub(crate) mod writer;
