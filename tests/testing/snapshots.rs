//! What a recorder writes is a snapshot as it is, the same in every run.

use sigtree::testing::TestBus;

use crate::{SECOND, Ticker, flight};

#[test]
fn recordings_are_snapshots_as_they_are() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    bus.emit("note", "two\nlines");
    bus.advance(SECOND);
    bus.event("pi").source("me").emit(3.0_f64);
    insta::assert_snapshot!(seen, @r#"
    note "two\nlines"
    pi 3.0
    "#);
    insta::assert_snapshot!(format!("{seen:#}"), @r#"
    #1 0ns note "two\nlines"
    #2 1s pi 3.0, from me
    "#);
    insta::assert_debug_snapshot!(seen, @r#"
    [
        Seen {
            id: #1,
            offset: 0ns,
            topic: "note",
            payload: "two\nlines",
            envelope: None,
        },
        Seen {
            id: #2,
            offset: 1s,
            topic: "pi",
            payload: 3.0,
            envelope: Some(
                Envelope {
                    source: Some(
                        Source("me"),
                    ),
                    priority: Normal,
                    correlation: None,
                    causation: None,
                    targets: [],
                    meta: [],
                    deadline: None,
                    no_echo: false,
                    replayed: false,
                    reply_to: None,
                },
            ),
        },
    ]
    "#);
}

#[test]
fn two_runs_are_the_same() {
    let run = || {
        let bus = TestBus::new();
        let seen = bus.record("**");
        let _ticker = Ticker::start(&bus);
        flight(&bus);
        bus.advance(3 * SECOND);
        format!("{seen:#}\n{seen:#?}")
    };
    assert_eq!(run(), run());
}
