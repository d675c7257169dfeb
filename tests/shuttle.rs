//! With four threads and many random schedules an emit sees one version, and waits and counts are exact.
//!
//! The twin of `loom.rs`: more threads, not every schedule, and no weak memory. The bus itself runs here, on shuttle's locks,
//! atomics and threads:
//!
//! ```text
//! RUSTFLAGS="--cfg sigtree_shuttle" cargo test --release --test shuttle
//! ```
//!
//! `SHUTTLE_SCHEDULES` says how many random schedules each scene gets, and as many again by PCT with three changes of
//! priority; 20,000 by default.
//!
//! What shuttle does not see: arc-swap, for which a mutex stands in (`src/dispatch/snap.rs`); the standard library's `Arc`,
//! `OnceLock` and `LazyLock`, whose operations are no points to switch threads at; the lock around the map of gates; and what
//! is in `sigtree-middleware`, a history's lock and queue among it.
#![cfg(sigtree_shuttle)]

#[path = "support/models/mod.rs"]
mod models;

/// How many threads emit.
const EMITTERS: usize = 3;

/// How many emit in the scene that takes the most steps.
const EMITTERS_OF_THE_LONGEST: usize = EMITTERS;

fn check(scene: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("SHUTTLE_SCHEDULES").map_or(20_000, |text| text.parse().unwrap());
    let scene = std::sync::Arc::new(scene);
    let again = scene.clone();
    shuttle::check_random(move || scene(), schedules);
    shuttle::check_pct(move || again(), schedules, 3);
}
