//! A failure that the test did not take fails it, wherever on the bus it happened.

use sigtree::testing::TestBus;
use sigtree::{Bus, Event, Policy, Stack};

use crate::{failure, panic_of};

#[test]
fn a_failure_that_nobody_took_fails_the_test_at_its_end() {
    let message = panic_of(|| {
        let bus = TestBus::new();
        let _bad = bus.connect("a", |n: &u32| assert_ne!(*n, 1, "not one")).unwrap();
        let _worse = bus.on("a").named("jam").connect(|_: &u32| Err("out of paper")).unwrap();
        assert_eq!(bus.emit("a", 1_u32).called(), 2);
        bus.emit("a..b", 1_u32);
    });
    let mut lines = message.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with("failures and refusals on the bus of tests/testing/failures.rs:"), "{message}");
    assert!(first.ends_with(" that the test did not take:"), "{message}");
    assert!(lines.next().unwrap().starts_with("  handler of `a` (tests/testing/failures.rs:"), "{message}");
    assert!(message.contains("panicked: assertion `left != right` failed: not one\n"), "{message}");
    assert!(message.contains("handler of `a` named `jam` (tests/testing/failures.rs:"), "{message}");
    assert!(
        message.ends_with("\n  refused: invalid topic `a..b`: empty segment at byte 2: remove one dot"),
        "{message}"
    );
}

#[test]
fn finish_fails_at_the_line_of_the_test_and_only_once() {
    let bus = TestBus::new();
    bus.connect("a", |_: &u32| Err("broken")).unwrap().detach();
    bus.emit("a", 1_u32);
    let message = failure(|| bus.finish());
    assert!(message.ends_with(" on `a`: broken"), "{message}");
}

#[test]
fn failures_of_layers_children_and_handlers_of_reports_count_too() {
    let layers =
        TestBus::with(Bus::builder().stack(Stack::new().with(|_: &Event<'_>, _: sigtree::Next<'_>| panic!("layer"))));
    panic_of(|| {
        layers.emit("a", 1_u32);
        panic!("caught");
    });
    assert_eq!(layers.take_failures()[0].cause.to_string(), "panicked: layer");

    let tree = TestBus::new();
    let child = tree.child("c").unwrap();
    let _bad = child.connect("a", |_: &u32| Err("in the child")).unwrap();
    child.emit("a", 1_u32);
    assert!(panic_of(|| tree.finish()).ends_with("in the child"));

    let reports = TestBus::new();
    let _bad = reports.connect("$sys.dead", |_: &sigtree::sys::Dead| Err("unheard")).unwrap();
    reports.emit("a", 1_u32);
    assert!(panic_of(|| reports.finish()).ends_with("\n  1 that the bus could not report"));
}

#[test]
fn what_was_taken_is_agreed_with_and_a_panic_is_not_doubled() {
    let bus = TestBus::with(Bus::builder().policy(Policy::FailFast));
    let _bad = bus.connect("a", |_: &u32| Err("broken")).unwrap();
    let _never = bus.connect("a", |_: &u32| ()).unwrap();
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    assert_eq!(bus.take_failures()[0].cause.to_string(), "broken");
    assert!(bus.try_emit("a", "text").is_err());
    assert!(bus.take_refusals()[0].is_type_mismatch());
    bus.finish();

    let message = panic_of(|| {
        let bus = TestBus::new();
        bus.emit("a..b", 1_u32);
        panic!("the test's own");
    });
    assert_eq!(message, "the test's own");
}
