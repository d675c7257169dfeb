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

#[path = "support/models.rs"]
mod models;

fn check(scene: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.max_branches = 10_000;
    builder.check(scene);
}

#[test]
fn connecting() {
    check(|| models::connecting(2));
}

#[test]
fn connecting_in_order() {
    check(|| models::connecting_in_order(2));
}

#[test]
fn disconnecting() {
    check(|| models::disconnecting(2));
}

#[test]
fn a_new_pattern_on_a_hot_topic() {
    check(|| models::new_pattern(2));
}

#[test]
fn a_new_pattern_on_a_hot_name() {
    check(|| models::new_pattern_by_name(2));
}

#[test]
fn the_first_handler() {
    check(|| models::first_handler(2));
}

#[test]
fn swapping_stacks() {
    check(|| models::swapping_stacks(2));
}

#[test]
fn joining_in_order() {
    check(|| models::joining_in_order(2));
}

#[test]
fn handlers_and_stack_on_a_hot_topic() {
    check(|| models::handlers_and_stack(2, true));
}

#[test]
fn handlers_and_stack_on_a_cold_topic() {
    check(|| models::handlers_and_stack(2, false));
}

#[test]
fn handlers_and_stack_by_name() {
    check(|| models::handlers_and_stack_by_name(1));
}

#[test]
fn waiting_for_a_running_call() {
    check(|| models::waiting(2));
}

#[test]
fn once_from_three_threads() {
    check(|| models::once(2));
}

#[test]
fn dropping_the_bus() {
    check(|| models::dropping(2));
}

#[test]
#[should_panic(expected = "a mixture of versions")]
fn finds_two_snapshots() {
    check(models::broken::two_snapshots);
}

#[test]
#[should_panic(expected = "a stale route was left behind")]
fn finds_an_unchecked_route() {
    check(models::broken::unchecked_route);
}

#[test]
#[should_panic(expected = "a call ran after the disconnect returned")]
fn finds_an_unwaited_disconnect() {
    check(models::broken::unwaited_disconnect);
}

#[test]
#[should_panic(expected = "once was twice")]
fn finds_a_load_then_store() {
    check(models::broken::load_then_store);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_calls_under_locks() {
    check(models::broken::calls_under_locks);
}
