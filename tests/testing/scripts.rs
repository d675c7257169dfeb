//! A script plays to its end, or says where it and the events part.

use sigtree::testing::{Recorder, TestBus};
use sigtree::{Bus, expect};

use crate::{KLM, SECOND, Ticker, failure, flight};

#[test]
fn a_script_plays_to_its_end() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    let _ticker = Ticker::start(&bus);
    bus.emit("before", ());
    expect!(bus, seen => {
        nothing;
        emit "a", 1_u32;
        see "a", 1_u32;
        advance SECOND / 2;
        nothing;
        advance SECOND / 2;
        see "tick";
        run { flight(&bus) };
        see "take.*", 7_u32;
        see "climb";
        see "climb", 1_800_u32;
        see "**";
    });
    // With any bus, as long as time is left alone.
    let plain = Bus::new();
    let seen = Recorder::on(&plain, "**");
    expect!(plain, seen => { emit "a", KLM; see "a", KLM; });
    expect!(plain, seen => {});
}

#[test]
fn a_script_says_where_it_and_the_events_part() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    #[expect(dead_code, reason = "the attribute and the macro have one name, and do not meet")]
    struct Unused;
    let script = |steps: &dyn Fn()| failure(steps);
    assert_eq!(
        script(&|| expect!(bus, seen => {
            emit "a", 1_u32;
            see "a", 1_u32;
            run { flight(&bus) }
            see "take.off";
            see "climb", 1_000_u32;
        })),
        "after 2 events: expected `climb 1000`, another event came\n  (- expected, + seen)\n    a 1\n    take.off 7\n  - climb 1000\n\
         \x20 + climb 900\n  + climb 1800\n  + land 7"
    );
    assert_eq!(
        script(&|| expect!(bus, seen => { emit "a", 1_u32; see "a"; see "b.*"; })),
        "after 1 event: expected `b.*`, nothing more came\n  (- expected, + seen)\n    a 1\n  - b.*"
    );
    assert_eq!(
        script(&|| expect!(bus, seen => { emit "a", 1_u32; see "a", 1_u64; })),
        "after 0 events: expected `a 1`, another event came, but not the same `u64`\n  (- expected, + seen)\n"
    );
    assert_eq!(
        script(&|| expect!(bus, seen => { emit "a", 1_u32; emit "b", 2_u32; see "a"; })),
        "after 1 event: something more came\n  (- expected, + seen)\n    a 1\n  + b 2"
    );
    assert_eq!(
        script(&|| expect!(bus, seen => { emit "a", 1_u32; nothing; see "a"; })),
        "after 0 events: something more came\n  (- expected, + seen)\n  + a 1"
    );
}
