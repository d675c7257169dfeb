//! Under every schedule with at most two preemptions an emit sees one version, and waits and counts are exact.
//!
//! The bus itself runs here, on loom's locks, atomics and threads:
//!
//! ```text
//! RUSTFLAGS="--cfg sigtree_loom" cargo test --release --test loom
//! ```
//!
//! `LOOM_MAX_PREEMPTIONS=3` looks further and takes minutes.
//!
//! What loom does not see: arc-swap, for which a mutex stands in (`src/dispatch/snap.rs`), so its own memory orderings are
//! not judged here; the standard library's `Arc`, `OnceLock` and `LazyLock`, which are taken to be right, and whose operations
//! are no points to switch threads at; the lock around the map of gates; and what is in `sigtree-middleware`, a history's
//! lock and queue among it.
#![cfg(sigtree_loom)]

#[path = "support/models/mod.rs"]
mod models;

/// How many threads emit.
const EMITTERS: usize = 2;

/// How many emit in the scene that takes the most steps; two would take many minutes.
const EMITTERS_OF_THE_LONGEST: usize = 1;

fn check(scene: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.max_branches = 10_000;
    builder.check(scene);
}
