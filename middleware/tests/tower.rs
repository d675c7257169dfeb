//! Services of `tower` as layers of a bus: what they refuse, and what they cannot do, is told like anything else.
#![cfg(feature = "tower")]

use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};

use sigtree::middleware::{Passing, Tally, Tower};
use sigtree::{Bus, Stack, sys};
use tower::{Service, service_fn};

#[test]
fn a_service_around_handlers_sees_what_became_of_them() {
    let bus = Bus::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    bus.layer(Tower::service(service_fn(move |passing: Passing<'_>| {
        let topic = passing.event().topic().to_string();
        let tally = passing.run();
        list.lock().unwrap().push((topic, tally.called, tally.failed));
        ready(Ok::<_, Infallible>(tally))
    })));
    let _good = bus.connect("**", |_: &u32| {}).unwrap();
    let _bad = bus.connect("a", |_: &u32| Err("expected")).unwrap();
    assert_eq!(bus.emit("a", 1_u32).called(), 2);
    assert_eq!(bus.emit("b", 1_u32).called(), 1);
    assert_eq!(*seen.lock().unwrap(), [("a".to_owned(), 2, 1), ("b".to_owned(), 1, 0)]);
}

#[test]
fn a_service_may_emit_and_be_called_inside_itself() {
    let bus = Bus::new();
    bus.layer(Tower::layer(tower::layer::layer_fn(|rest| {
        service_fn(move |passing: Passing<'_>| {
            let mut rest: sigtree::middleware::Rest = rest;
            rest.call(passing)
        })
    })));
    let weak = bus.downgrade();
    let _down = bus
        .connect("n", move |n: &u32| {
            if *n > 0 {
                weak.upgrade().unwrap().emit("n", n - 1);
            }
        })
        .unwrap();
    assert_eq!(bus.emit("n", 20_u32).failed(), 0);
    assert_eq!(bus.refusals(), 0);
}

#[test]
fn what_would_have_to_wait_is_a_failure_of_the_layer_and_a_refusal_is_none() {
    let bus = Bus::new();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let list = reports.clone();
    let report = move |failed: &sys::HandlerFailed| list.lock().unwrap().push(failed.failure.to_string());
    let _reports = bus.connect("$sys.handler.failed", report).unwrap();
    let _n = bus.connect("n", |_: &u32| {}).unwrap();

    bus.layer(Tower::service(service_fn(|_: Passing<'_>| pending::<Result<Tally, Infallible>>())));
    let delivery = bus.emit("n", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (0, 1));
    assert_eq!(delivery.filtered(), Some("the tower service was not done at once"));
    assert_eq!(
        *reports.lock().unwrap(),
        ["layer on `n`: the tower service was not done at once: an emit does not wait for its future"]
    );

    let closed = service_fn(|_: Passing<'_>| ready(Err::<Tally, _>("closed")));
    bus.set_stack(Stack::new().with(Tower::service(closed)));
    let delivery = bus.emit("n", 1_u32);
    assert_eq!((delivery.called(), delivery.failed(), delivery.filtered()), (0, 0, Some("closed")));
}

#[test]
fn a_service_that_panics_ends_that_event_only() {
    let bus = Bus::new();
    let _n = bus.connect("n", |_: &u32| {}).unwrap();
    // Without the hook's noise.
    let service = service_fn(|passing: Passing<'_>| match passing.event().payload::<u32>() {
        Some(1) => std::panic::resume_unwind(Box::new("in the service")),
        _ => ready(Ok::<_, Infallible>(passing.run())),
    });
    bus.layer(Tower::service(service));
    let delivery = bus.emit("n", 1_u32);
    assert_eq!(
        (delivery.called(), delivery.failures()[0].to_string()),
        (0, "layer on `n`: panicked: in the service".into())
    );
    assert_eq!((bus.emit("n", 2_u32).called(), bus.failures()), (1, 1));
}
