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

#[path = "support/models.rs"]
mod models;

fn check(scene: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("SHUTTLE_SCHEDULES").map_or(20_000, |text| text.parse().unwrap());
    let scene = std::sync::Arc::new(scene);
    let again = scene.clone();
    shuttle::check_random(move || scene(), schedules);
    shuttle::check_pct(move || again(), schedules, 3);
}

#[test]
fn connecting() {
    check(|| models::connecting(3));
}

#[test]
fn connecting_in_order() {
    check(|| models::connecting_in_order(3));
}

#[test]
fn disconnecting() {
    check(|| models::disconnecting(3));
}

#[test]
fn a_new_pattern_on_a_hot_topic() {
    check(|| models::new_pattern(3));
}

#[test]
fn a_new_pattern_on_a_hot_name() {
    check(|| models::new_pattern_by_name(3));
}

#[test]
fn the_first_handler() {
    check(|| models::first_handler(3));
}

#[test]
fn swapping_stacks() {
    check(|| models::swapping_stacks(3));
}

#[test]
fn joining_in_order() {
    check(|| models::joining_in_order(3));
}

#[test]
fn handlers_and_stack_on_a_hot_topic() {
    check(|| models::handlers_and_stack(3, true));
}

#[test]
fn handlers_and_stack_on_a_cold_topic() {
    check(|| models::handlers_and_stack(3, false));
}

#[test]
fn handlers_and_stack_by_name() {
    check(|| models::handlers_and_stack_by_name(3));
}

#[test]
fn waiting_for_a_running_call() {
    check(|| models::waiting(3));
}

#[test]
fn once_from_four_threads() {
    check(|| models::once(3));
}

#[test]
fn dropping_the_bus() {
    check(|| models::dropping(3));
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
