//! The stock pieces together.

mod support;

use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::{Event, Filter, History, Inspect, Middleware, Scoped, Stack, Trace, Transform};
use support::Rig;
use tracing::Level;

#[test]
fn each_piece_sees_what_the_ones_before_it_left() {
    let rig = Rig::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = |place: &'static str| {
        let seen = seen.clone();
        Inspect::new(move |event: &Event<'_>| seen.lock().push((place, event.payload::<u32>().copied())))
    };
    let stack = Stack::new()
        .with(look("first"))
        .with(Filter::payload(|n: &u32| *n < 100))
        .with(look("filtered"))
        .with(Transform::new(|n: &u32| n * 10))
        .with(look("transformed"));

    rig.emit(&stack, "n", 7_u32);
    rig.emit(&stack, "n", 700_u32);

    assert_eq!(
        *seen.lock(),
        [("first", Some(7)), ("filtered", Some(7)), ("transformed", Some(70)), ("first", Some(700))]
    );
    assert_eq!(rig.seen(), ["n 70"]);
}

#[test]
fn a_scoped_history_keeps_its_topics_only() {
    let rig = Rig::new();
    let history = History::new();
    let stack = Stack::new().with(Scoped::new("radar.**", history.clone()).unwrap());
    rig.emit(&stack, "radar.track", 1_u32);
    rig.emit(&stack, "sonar.ping", 2_u32);
    assert_eq!(history.len(), 1);
    assert_eq!(rig.seen(), ["radar.track 1", "sonar.ping 2"]);
}

#[test]
fn a_stack_describes_its_pieces_in_order() {
    let stack = Stack::new()
        .with(Trace::at(Level::DEBUG))
        .with(Filter::new(|_: &Event<'_>| true).reason("closed"))
        .with(Scoped::new("a.*", Transform::new(|n: &u32| *n)).unwrap())
        .with_named("past", History::new());
    let printed = stack.to_string();
    // Without the call site at the end of each line.
    let lines: Vec<_> = printed.lines().filter_map(|line| Some(line.rsplit_once(" (")?.0)).collect();
    assert_eq!(
        lines,
        [
            "1. trace at DEBUG",
            "2. filter, else `closed`",
            "3. on `a.*`: transform of `u32`",
            "4. past: history of at most 1000 events",
        ]
    );
}

#[test]
fn boxed_and_shared_pieces_are_pieces() {
    let rig = Rig::new();
    let pieces: Vec<Box<dyn Middleware>> =
        vec![Box::new(Filter::payload(|n: &u32| *n > 1)), Box::new(Transform::new(|n: &u32| n + 1))];
    let stack: Stack = pieces.into_iter().collect();
    rig.emit(&stack, "a", 1_u32);
    rig.emit(&Arc::new(stack), "a", 2_u32);
    assert_eq!(rig.seen(), ["a 3"]);
}
