//! Scenes for the model checkers: a few threads on the real bus, with what must hold whatever the schedule; and their broken
//! twins, the classic mistakes on the same primitives, which a checker that is worth its time must find.
//!
//! A scene is a test of each file that has this module, `loom.rs` and `shuttle.rs`. The file says how a scene is checked,
//! `check`, and how many threads emit while the main thread changes the bus, `EMITTERS`.

mod acks;
mod broken;
mod ends;
mod lives;
mod queues;
mod stage;
// How long loom takes for these is yet to be seen.
#[cfg(sigtree_shuttle)]
mod takers;
mod versions;
