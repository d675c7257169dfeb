//! Each assertion lets pass what holds, and fails with a message that says why.

use std::time::Duration;

use sigtree::testing::TestBus;

use crate::{KLM, SECOND, Ticker, Track, failure, flight};

#[test]
fn what_holds_is_let_pass() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    flight(&bus);
    seen.emitted("climb").times(2).at_least(2).at_most(2).with_payloads([900_u32, 1_800]).between("take.*", "land");
    seen.emitted("land").once().with(&7_u32).once().after("climb").at([Duration::ZERO]);
    seen.emitted("*").times(3).that("is high", |seen| seen.payload() > Some(&1_000_u32)).once();
    assert_eq!(seen.emitted("climb").events().len(), 2);
    seen.not_emitted("crash");
    seen.in_order(["take.off", "climb", "climb", "land"]);
    seen.in_order(["take.**", "land"]);
    seen.in_order([""; 0]);
    seen.exactly(["take.off 7", "climb 900", "climb 1800", "land 7"]);
    seen.nothing_but("take.* | climb | land");
    bus.record("**").nothing();
}

#[test]
fn emitted_and_counts() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    assert_eq!(failure(|| drop(seen.emitted("land"))), "`land` never came\nnothing was seen on `**`");
    flight(&bus);
    let list = "seen on `**`:\n     1  take.off 7\n  >  2  climb 900\n  >  3  climb 1800\n     4  land 7";
    assert_eq!(failure(|| drop(seen.emitted("climb").once())), format!("`climb` came twice, not once\n{list}"));
    assert_eq!(failure(|| drop(seen.emitted("climb").times(3))), format!("`climb` came twice, not 3 times\n{list}"));
    let message = failure(|| drop(seen.emitted("climb").at_least(3)));
    assert_eq!(message, format!("`climb` came twice, not at least 3 times\n{list}"));
    assert_eq!(
        failure(|| drop(seen.emitted("climb").at_most(1))),
        format!("`climb` came twice, not at most once\n{list}")
    );
    assert_eq!(failure(|| seen.not_emitted("climb")), format!("`climb` came twice, not never\n{list}"));
    assert_eq!(
        failure(|| drop(seen.emitted("a..b"))),
        "invalid pattern `a..b`: empty segment at byte 2: remove one dot"
    );
}

#[test]
fn payloads() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    flight(&bus);
    assert_eq!(
        failure(|| drop(seen.emitted("climb").with(&1_000_u32))),
        "`climb` did not come with 1000\nseen on `**`:\n     1  take.off 7\n  >  2  climb 900\n  >  3  climb 1800\n     4  land 7"
    );
    let message = failure(|| drop(seen.emitted("climb").with(&900_i32)));
    assert!(message.starts_with("`climb` came, but not with a `i32`\n"), "{message}");
    let message = failure(|| drop(seen.emitted("climb").with_payloads([900_u32, 1_000, 1_800])));
    let difference = "  (- expected, + seen)\n    900\n  - 1000\n    1800";
    assert!(message.starts_with(&format!("`climb` came with other payloads\n{difference}\nseen on")), "{message}");
    let message = failure(|| drop(seen.emitted("climb").with_payloads([900_u64, 1_800])));
    assert!(
        message.starts_with("`climb` came with payloads that are written alike but are not the same `u64`s\n"),
        "{message}"
    );
    let message = failure(|| drop(seen.emitted("climb").that("is low", |seen| seen.payload() < Some(&100_u32))));
    assert!(message.starts_with("`climb` came, but none that is low\nseen on"), "{message}");
    let message = failure(|| drop(seen.emitted("*").with(&900_u32).that("is first", |_| true).times(2)));
    assert!(message.starts_with("`*` with 900 that is first came once, not twice\n"), "{message}");
}

#[test]
fn a_payload_with_fields_is_compared_field_by_field() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    bus.emit("track", KLM);
    assert_eq!(seen.to_string(), "track ?");
    assert_eq!(
        failure(|| drop(seen.emitted("track").with(&Track { id: 8, ..KLM }))),
        "`track` came with another payload\n  (- expected, + seen)\n    Track {\n  -     id: 8,\n  +     id: 7,\n\
         \x20       name: \"KLM1023\",\n    }\nseen on `**`:\n  >  1  track Track { id: 7, name: \"KLM1023\" }"
    );
}

#[test]
fn order_and_between() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    flight(&bus);
    assert_eq!(
        failure(|| seen.in_order(["take.off", "land", "climb"])),
        "`climb` did not come in this order\n  (- expected, + seen)\n    take.off\n  - land\n    climb\n  + climb\n  + land"
    );
    let list = "seen on `**`:\n     1  take.off 7\n  >  2  climb 900\n  >  3  climb 1800\n     4  land 7";
    let message = failure(|| drop(seen.emitted("climb").before("take.off")));
    assert_eq!(message, format!("`climb` did not come before `take.off`\n{list}"));
    assert_eq!(
        failure(|| drop(seen.emitted("climb").after("land"))),
        format!("`climb` did not come after `land`\n{list}")
    );
    let message = failure(|| drop(seen.emitted("climb").between("land", "take.off")));
    assert_eq!(message, format!("`climb` did not come after `land`\n{list}"));
    let message = failure(|| drop(seen.emitted("climb").before("crash")));
    assert_eq!(message, format!("`climb` came, but `crash` never did\n{list}"));
    // One of them before the other pattern is not all of them.
    let message = failure(|| drop(seen.emitted("climb | land").before("land")));
    assert!(message.starts_with("`climb | land` did not come before `land`\n"), "{message}");
}

#[test]
fn times_on_the_clock() {
    let bus = TestBus::new();
    let seen = bus.record("tick");
    let _ticker = Ticker::start(&bus);
    bus.advance(2 * SECOND);
    seen.emitted("tick").at([SECOND, 2 * SECOND]);
    assert_eq!(
        failure(|| drop(seen.emitted("tick").at([SECOND, Duration::from_millis(1_500)]))),
        "`tick` came at other times\n  (- expected, + seen)\n    1s\n  - 1.5s\n  + 2s\nseen on `tick`:\n  >  1  tick ()\n  >  2  tick ()"
    );
}

#[test]
fn all_and_nothing_else() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    flight(&bus);
    assert_eq!(
        failure(|| seen.exactly(["take.off 7", "climb 900", "land 7"])),
        "what was seen is not what was expected\n  (- expected, + seen)\n    take.off 7\n    climb 900\n  + climb 1800\n    land 7"
    );
    assert_eq!(
        failure(|| seen.nothing_but("climb")),
        "something else than `climb` came\nseen on `**`:\n  >  1  take.off 7\n     2  climb 900\n     3  climb 1800\n  >  4  land 7"
    );
    let message = failure(|| seen.nothing());
    assert!(message.starts_with("something came\nseen on `**`:\n  >  1  take.off 7\n"), "{message}");
}

#[test]
fn of_many_events_the_last_are_shown() {
    let bus = TestBus::new();
    let seen = bus.record("n");
    (0..100_u32).for_each(|n| drop(bus.emit("n", n)));
    let message = failure(|| drop(seen.emitted("m")));
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 3 + 40);
    assert_eq!(lines[2..4], ["    ... (60 earlier, 0 forgotten)", "    61  n 60"]);
}

#[test]
fn a_failing_assertion_says_what_was_refused_and_what_failed() {
    let bus = TestBus::new();
    let _typed = bus.connect("n", |n: &u32| if *n > 1 { Err("too much") } else { Ok(()) }).unwrap();
    let seen = bus.record("n");
    bus.emit("n", 7);
    bus.emit("n", 2_u32);
    let message = failure(|| drop(seen.emitted("n").with(&7_u32)));
    assert!(
        message.contains("\non the bus failed or was refused:\n  handler of `n` (tests/testing/assertions.rs:"),
        "{message}"
    );
    assert!(message.contains(") on `n`: too much\n  refused: topic `n` carries `u32`, not `i32`: "), "{message}");
    assert_eq!((bus.take_failures().len(), bus.take_refusals().len()), (1, 1));
}
