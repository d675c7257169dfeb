//! The test kit: what recorders see, that each assertion fails with a message that says why, and that time and failures are the test's.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, Once, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::Alarm;
use sigtree::testing::{Recorder, Script, TestBus};
use sigtree::{Bus, Clock, Event, ManualClock, Policy, Priority, Stack, WeakBus, expect};

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static FILE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The message with which something panics, which is not printed.
fn panic_of(run: impl FnOnce()) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if CATCHING.get() {
                FILE.set(panic.location().map_or(String::new(), |at| at.file().replace('\\', "/")));
            } else {
                loud(panic);
            }
        }));
    });
    let before = CATCHING.replace(true);
    let panic = catch_unwind(AssertUnwindSafe(run));
    CATCHING.set(before);
    message(&*panic.expect_err("it should have failed"))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.expect("a text").to_owned()
}

/// The message with which an assertion fails; it fails in this file.
fn failure(run: impl FnOnce()) -> String {
    let message = panic_of(run);
    assert_eq!(FILE.take(), "tests/testing.rs", "{message}");
    message
}

/// A flight, in short.
fn flight(bus: &Bus) {
    bus.emit("take.off", 7_u32);
    bus.emit("climb", 900_u32);
    bus.emit("climb", 1_800_u32);
    bus.emit("land", 7_u32);
}

#[derive(Debug, Clone, PartialEq)]
struct Track {
    id: u32,
    name: &'static str,
}

const KLM: Track = Track { id: 7, name: "KLM1023" };

/// Emits `tick` each second.
struct Ticker {
    bus: WeakBus,
    me: Weak<Self>,
}

impl Ticker {
    fn start(bus: &Bus) -> Arc<Self> {
        let ticker = Arc::new_cyclic(|me: &Weak<Self>| Self { bus: bus.downgrade(), me: me.clone() });
        ticker.wind(bus);
        ticker
    }

    fn wind(&self, bus: &Bus) {
        bus.clock().wake(bus.clock().elapsed() + SECOND, self.me.clone());
    }
}

impl Alarm for Ticker {
    fn ring(&self) {
        let bus = self.bus.upgrade().unwrap();
        bus.emit("tick", ());
        self.wind(&bus);
    }
}

// What is recorded

#[test]
fn a_recorder_sees_topics_payloads_ids_times_and_company_in_order() {
    let bus = TestBus::new();
    let seen = bus.record("track.**");
    bus.show::<Track>();
    bus.emit("track.new", KLM);
    bus.emit("other", 1_u32);
    bus.advance(2 * SECOND);
    let first = seen.events()[0].id();
    bus.event("track.gone")
        .source("radar")
        .priority(Priority::High)
        .correlation("c")
        .causation(first)
        .targets(["screen"])
        .meta("unit", "m")
        .emit(KLM);

    assert_eq!(seen.topics(), ["track.new", "track.gone"]);
    assert_eq!(seen.payloads::<Track>(), [KLM, KLM]);
    assert_eq!(seen.payloads::<u32>(), [0; 0]);
    let [new, gone] = &seen.events()[..] else { panic!("two events") };
    assert_eq!((new.number(), new.id().to_bits(), new.payload()), (1, 1, Some(&KLM)));
    assert_eq!((gone.number(), gone.offset(), gone.source().unwrap().as_str()), (2, 2 * SECOND, "radar"));
    assert_eq!(gone.time(), std::time::UNIX_EPOCH + 2 * SECOND);
    assert_eq!(*gone.share::<Track>().unwrap(), KLM);
    assert_eq!(
        format!("{seen:#}"),
        "#1 0ns track.new Track { id: 7, name: \"KLM1023\" }\n\
         #2 2s track.gone Track { id: 7, name: \"KLM1023\" }, from radar, priority High, correlation c, caused by #1, to screen, unit=m"
    );
}

#[test]
fn an_event_stands_before_those_it_leads_to_whoever_connected_first() {
    let bus = TestBus::new();
    let weak = bus.downgrade();
    let _answer =
        bus.on("ask").priority(1_000).connect(move |n: &u32| drop(weak.upgrade().unwrap().emit("answer", n + 1)));
    let seen = bus.record("**");
    bus.emit("ask", 1_u32);
    seen.exactly(["ask 1", "answer 2"]);
}

#[test]
fn a_recorder_of_a_parent_sees_the_events_of_children_and_one_may_hear_several_buses() {
    let bus = TestBus::new();
    let child = bus.child("radar").unwrap();
    let other = Bus::new();
    let seen = bus.record("**").listen(&child, "on").listen(&other, ["a", "b"]);
    child.emit("on", true);
    other.emit("b", 'b');
    seen.exactly(["on true", "radar.on true", "b 'b'"]);
}

#[test]
fn its_connections_end_with_its_last_handle() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "a").listen(&bus, "b");
    let other = seen.clone();
    assert!(
        bus.explain("a").unwrap().to_string().contains("`a` named `recorder`, priority 2147483647 (tests/testing.rs:")
    );
    drop(seen);
    bus.emit("a", 1_u8);
    other.exactly(["a 1"]);
    assert_eq!(bus.connections(), 2);
    drop(other);
    assert_eq!(bus.connections(), 0);
}

#[test]
fn it_is_bounded_and_then_says_nothing_of_all() {
    let bus = TestBus::new();
    let seen = bus.record("n").room(2);
    (1..=5_u32).for_each(|n| drop(bus.emit("n", n)));
    assert_eq!((seen.payloads::<u32>(), seen.forgotten(), seen.len()), (vec![4, 5], 3, 2));
    assert_eq!(seen.to_string(), "(3 forgotten)\nn 4\nn 5");
    seen.emitted("n").with(&5_u32).at_least(1);
    let complaint = "the recorder forgot 3 events, so nothing can be said of all: raise `Recorder::room`\n\
                     seen on `n`:\n    ... (0 earlier, 3 forgotten)\n     4  n 4\n     5  n 5";
    assert_eq!(failure(|| drop(seen.emitted("n").times(2))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").at_most(2))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").before("n"))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").at([SECOND]))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").with_payloads([4_u32, 5]))), complaint);
    assert_eq!(failure(|| seen.not_emitted("m")), complaint);
    assert_eq!(failure(|| seen.exactly(["n 4", "n 5"])), complaint);
    assert_eq!(failure(|| seen.nothing_but("n")), complaint);
    assert_eq!(failure(|| Script::new(&seen).nothing()), complaint);
    seen.clear();
    assert_eq!((seen.is_empty(), seen.forgotten()), (true, 3));
}

#[test]
fn what_is_taken_is_gone_and_numbers_go_on() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    flight(&bus);
    assert_eq!(seen.take().len(), 4);
    seen.nothing();
    bus.emit("parked", ());
    assert_eq!(seen.events()[0].number(), 5);
    seen.exactly(["parked ()"]);
}

#[test]
fn payloads_are_dropped_and_written_with_no_lock_held() {
    struct Talker(Recorder, Bus);
    impl std::fmt::Debug for Talker {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "one of {}", self.0.len())
        }
    }
    impl Drop for Talker {
        fn drop(&mut self) {
            self.1.emit("dropped", self.0.len());
        }
    }
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "talker | dropped").room(1).show::<Talker>();
    bus.emit("talker", Talker(seen.clone(), bus.clone()));
    assert_eq!(seen.to_string(), "talker one of 1");
    bus.emit("talker", Talker(seen.clone(), bus.clone()));
    assert_eq!(seen.lines(), ["dropped 1"]);
}

// What assertions say

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
    assert!(message.contains("\non the bus failed or was refused:\n  handler of `n` (tests/testing.rs:"), "{message}");
    assert!(message.contains(") on `n`: too much\n  refused: topic `n` carries `u32`, not `i32`: "), "{message}");
    assert_eq!((bus.take_failures().len(), bus.take_refusals().len()), (1, 1));
}

// Waiting

#[test]
fn wait_for_wakes_when_another_thread_emits() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "**");
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            (1..=1_000_u32).for_each(|n| drop(bus.emit("n", n)));
        });
        start.wait();
        seen.wait_for("n").with(&1_u32);
        seen.wait_for_times("n", 1_000).times(1_000);
        assert!(seen.wait_until(|| seen.len() == 1_000));
    });
}

#[test]
fn wait_for_works_while_another_thread_moves_a_clock_that_stands_still() {
    let bus = TestBus::new();
    let seen = bus.record("tick");
    let _ticker = Ticker::start(&bus);
    let clock = bus.clock().clone();
    std::thread::scope(|scope| {
        scope.spawn(move || (0..3).for_each(|_| clock.advance(SECOND)));
        seen.wait_for_times("tick", 3).at([SECOND, 2 * SECOND, 3 * SECOND]);
    });
}

#[test]
fn wait_for_loses_patience() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "*").patience(Duration::ZERO);
    bus.emit("a", 1_u32);
    assert_eq!(failure(|| drop(seen.wait_for("b"))), "`b` did not come within 0ns\nseen on `*`:\n     1  a 1");
    let message = failure(|| drop(seen.wait_for_times("a", 2)));
    assert_eq!(message, "`a` came once, not twice, within 0ns\nseen on `*`:\n  >  1  a 1");
    assert!(!seen.wait_until(|| false));
}

#[test]
fn eventually_moves_a_clock_that_stands_still_and_stops_where_the_event_came() {
    let bus = TestBus::new();
    let seen = bus.record("*");
    let _ticker = Ticker::start(&bus);
    seen.eventually("tick", 60 * SECOND).once().at([SECOND]);
    assert_eq!(bus.clock().elapsed(), SECOND);
    // It is there already.
    seen.eventually("tick", 60 * SECOND);
    assert_eq!(bus.clock().elapsed(), SECOND);
    let message = failure(|| drop(seen.eventually("tock", 2 * SECOND)));
    assert_eq!(
        message,
        "`tock` did not come within 2s\nseen on `*`:\n     1  tick ()\n     2  tick ()\n     3  tick ()"
    );
    assert_eq!(bus.clock().elapsed(), 3 * SECOND);
    bus.advance_until(60 * SECOND, || seen.len() == 5);
    assert_eq!(bus.clock().elapsed(), 5 * SECOND);
    assert_eq!(failure(|| bus.advance_until(SECOND, || false)), "the condition did not come to hold within 1s");
}

#[test]
fn eventually_waits_on_other_clocks() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "*");
    std::thread::scope(|scope| {
        scope.spawn(|| bus.emit("a", 1_u32));
        seen.eventually("a", 60 * SECOND).once();
    });
    let message = failure(|| drop(seen.eventually("b", Duration::ZERO)));
    assert_eq!(message, "`b` did not come within 0ns\nseen on `*`:\n     1  a 1");
}

#[test]
fn a_clock_is_moved_from_alarm_to_alarm_until_a_condition_holds() {
    struct Note(Mutex<Vec<Duration>>, ManualClock);
    impl Alarm for Note {
        fn ring(&self) {
            self.0.lock().push(self.1.elapsed());
        }
    }
    let clock = ManualClock::new();
    let note = Arc::new(Note(Mutex::default(), clock.clone()));
    for seconds in [3, 1, 2, 9] {
        let alarm: Arc<dyn Alarm> = note.clone();
        clock.wake(seconds * SECOND, Arc::downgrade(&alarm));
    }
    assert!(clock.advance_until(5 * SECOND, || note.0.lock().len() == 2));
    assert_eq!((clock.elapsed(), note.0.lock().clone()), (2 * SECOND, vec![SECOND, 2 * SECOND]));
    assert!(!clock.advance_until(3 * SECOND, || note.0.lock().len() == 4));
    assert_eq!(clock.elapsed(), 5 * SECOND);
    assert!(clock.advance_until(Duration::MAX, || note.0.lock().len() == 4));
    assert_eq!(clock.elapsed(), 9 * SECOND);
}

// A bus for one test

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
    assert!(first.starts_with("failures and refusals on the bus of tests/testing.rs:"), "{message}");
    assert!(first.ends_with(" that the test did not take:"), "{message}");
    assert!(lines.next().unwrap().starts_with("  handler of `a` (tests/testing.rs:"), "{message}");
    assert!(message.contains("panicked: assertion `left != right` failed: not one\n"), "{message}");
    assert!(message.contains("handler of `a` named `jam` (tests/testing.rs:"), "{message}");
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

// Scripts

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
        run { flight(&bus) }
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

// Snapshots

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
                },
            ),
        },
    ]
    "#);
}

// Topics and patterns for property tests

#[cfg(feature = "proptest")]
mod strategies {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use sigtree::testing::strategies::*;
    use sigtree::{Pattern, Topic};

    fn cases() -> ProptestConfig {
        ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() }
    }

    fn with_topic(pattern: Pattern) -> impl Strategy<Value = (Pattern, Topic)> {
        let topics = topics_matching(&pattern);
        (Just(pattern), topics)
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn topics_are_topics_of_any_bus(topic in topics()) {
            prop_assert_eq!(Topic::new(&topic).unwrap(), topic.clone());
            prop_assert!(!topic.is_reserved());
        }

        #[test]
        fn patterns_are_patterns_of_any_bus(pattern in patterns()) {
            prop_assert_eq!(Pattern::new(&pattern).unwrap(), pattern);
        }

        #[test]
        fn what_matches_a_pattern_does((pattern, topic) in patterns().prop_flat_map(with_topic)) {
            prop_assert!(pattern.matches(&topic), "{} {}", pattern, topic);
            prop_assert!(Topic::new(&topic).is_ok(), "{} {}", pattern, topic);
        }

        #[test]
        fn a_pattern_for_a_topic_matches_it(
            (topic, pattern) in topics().prop_flat_map(|topic| { let patterns = patterns_matching(&topic); (Just(topic), patterns) })
        ) {
            prop_assert!(pattern.matches(&topic), "{} {}", pattern, topic);
        }

        #[test]
        fn segments_are_those_that_were_given(topic in topics_of(["a", "b"]), pattern in patterns_from(&topics_of(["a", "b"]))) {
            prop_assert!(topic.segments().all(|segment| matches!(segment, "a" | "b")));
            prop_assert!(Pattern::new(&pattern).is_ok());
        }
    }

    /// So many values of a strategy, the same in every run.
    fn values<S: Strategy>(strategy: &S, n: usize) -> Vec<S::Value> {
        let mut runner = TestRunner::deterministic();
        (0..n).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
    }

    #[test]
    fn patterns_at_the_edge_of_what_is_allowed_have_topics() {
        let long = "x".repeat(250);
        let nearly_full = format!("{}.**", "y".repeat(251));
        for text in [
            "**",
            "$sys.**",
            "**.a.**.b.**",
            "*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*",
            "**.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*",
            &format!("{long}.**"),
            &format!("*.{long}.*"),
            &nearly_full,
        ] {
            let pattern = Pattern::new(text).unwrap();
            for topic in values(&topics_matching(&pattern), 200) {
                assert!(pattern.matches(&topic) && Topic::new(&topic).is_ok(), "{pattern} {topic}");
            }
        }
    }

    #[test]
    fn regular_expressions_and_lists_have_topics_of_each_kind() {
        let pattern = Pattern::new(r"/zone-[0-9]{1,3}\.(on|off|a\/b)/ | lamp.*").unwrap();
        let topics = values(&topics_matching(&pattern), 500);
        assert!(topics.iter().all(|topic| pattern.matches(topic)));
        for sort in ["lamp.", ".on", ".off", ".a/b"] {
            assert!(topics.iter().any(|topic| topic.contains(sort)), "{sort}");
        }
        let slashes = Pattern::regex("a|b/").unwrap();
        let topics: HashSet<_> = values(&topics_matching(&slashes), 50).into_iter().collect();
        assert_eq!(topics, HashSet::from(["a", "b/"].map(|text| Topic::new(text).unwrap())));
        let anchored = Pattern::regex("^a$").unwrap();
        let message = super::panic_of(|| drop(topics_matching(&anchored)));
        assert!(message.starts_with("no texts can be made for `/^a$/`: "), "{message}");
    }

    #[test]
    fn a_reserved_topic_has_patterns_that_see_it() {
        let topic = Topic::new("$sys.handler.failed").unwrap();
        let patterns: HashSet<_> = values(&patterns_matching(&topic), 500).into_iter().collect();
        assert!(patterns.iter().all(|pattern| pattern.matches(&topic)));
        assert!(patterns.contains(&Pattern::new("$sys.*.*").unwrap()), "{patterns:?}");
    }

    #[test]
    fn all_sorts_of_patterns_come() {
        let patterns = values(&patterns(), 500);
        let kinds: HashSet<_> = patterns.iter().map(|pattern| std::mem::discriminant(&pattern.kind())).collect();
        assert_eq!(kinds.len(), 4);
        for wildcard in ["*.**", ".*", "**.", "|"] {
            assert!(patterns.iter().any(|pattern| pattern.as_str().contains(wildcard)), "{wildcard}");
        }
    }
}
