//! An event's deadline can be asked for, and whoever is not done by then is told of, with the place it was connected at.

mod support;

use std::sync::Arc;
use std::time::Duration;

use sigtree::middleware::Timeout;
use sigtree::{Bus, Clock, Event, History, ManualClock, Scoped, Stack, sys};
use support::Recorder;

const SECOND: Duration = Duration::from_secs(1);

fn timed() -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    (Bus::builder().name("site").clock(clock.clone()).build(), clock)
}

/// A handler that takes so many seconds.
fn taking(seconds: u32, clock: &ManualClock) -> impl Fn(&u32) + Clone + Send + Sync + 'static {
    let clock = clock.clone();
    move |_: &u32| clock.sleep(seconds * SECOND)
}

/// A handler that writes down its deadline and the time left.
fn asking(seen: &Recorder) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let seen = seen.clone();
    move |event: &Event<'_>| seen.note(format_args!("{:?} {:?}", event.deadline(), event.time_left()))
}

fn listen(bus: &Bus, seen: &Recorder) {
    let seen = seen.clone();
    let report = move |late: &sys::HandlerLate| {
        let sys::HandlerLate { bus, topic, pattern, name, deadline, began, ended, .. } = late;
        let whose = if late.began_late() { "others'" } else { "its own" };
        seen.note(format_args!(
            "{bus}: {pattern} {name:?} on {topic}, due {deadline:?}: {began:?} to {ended:?}, {whose} fault"
        ));
    };
    bus.connect("$sys.late", report).unwrap().detach();
}

#[test]
fn handlers_ask_for_the_deadline_and_the_time_left() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    let _slow = bus.on("a").priority(1).connect(taking(2, &clock)).unwrap();
    let _asks = bus.connect("a", asking(&seen)).unwrap();
    bus.emit("a", 1_u32);
    bus.set_stack(Stack::new().with(Timeout::new(5 * SECOND)));
    bus.emit("a", 1_u32);
    bus.event("a").deadline(6 * SECOND).emit(1_u32);
    bus.event("a").deadline(7 * SECOND).emit(1_u32);
    assert_eq!(seen.take(), ["None None", "Some(7s) Some(3s)", "Some(6s) Some(0ns)", "Some(7s) Some(0ns)"]);
}

#[test]
fn late_handlers_are_counted_and_reported_with_their_place() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    listen(&bus, &seen);
    let timeout = Timeout::new(3 * SECOND);
    bus.layer(timeout.clone());
    let _punctual = bus.on("a").priority(2).connect(taking(3, &clock)).unwrap();
    let _slow = bus.on("*").named("slow").priority(1).connect(taking(1, &clock)).unwrap();
    let _held_up = bus.on("a").connect(taking(0, &clock)).unwrap();
    let late = clock.clone();
    let _fails = bus.on("a").priority(-1).connect(move |_: &u32| {
        late.sleep(SECOND);
        Err("no")
    });
    let muted = bus.on("a").priority(-2).connect(taking(0, &clock)).unwrap();
    let _silence = muted.mute();
    assert_eq!(bus.emit("a", 1_u32).called(), 4);
    assert_eq!(
        seen.take(),
        [
            r#"site: * Some("slow") on a, due 3s: 3s to 4s, others' fault"#,
            "site: a None on a, due 3s: 4s to 4s, others' fault",
            "site: a None on a, due 3s: 4s to 5s, others' fault",
        ]
    );
    assert_eq!((timeout.stats().late, timeout.stats().left_out), (3, 0));
}

#[test]
fn the_report_says_where_the_handler_was_connected() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    bus.layer(Timeout::new(SECOND));
    let list = seen.clone();
    let _lines = bus
        .connect("$sys.late", move |late: &sys::HandlerLate| {
            list.note(format_args!("{} {} {}", late.site.file(), late.site.line(), late.began_late()));
        })
        .unwrap();
    let (_slow, line) = (bus.connect("a", taking(2, &clock)).unwrap(), line!());
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), [format!("{} {line} false", file!())]);
}

#[test]
fn those_whose_turn_comes_too_late_can_be_left_out() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    listen(&bus, &seen);
    let timeout = Timeout::new(SECOND).leave_out();
    bus.layer(timeout.clone());
    let _slow = bus.on("a").priority(1).connect(taking(1, &clock)).unwrap();
    let _left_out = bus.connect("a", seen.label("called")).unwrap();
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.skipped()), (1, 1));
    assert_eq!(seen.take(), [""; 0]);
    assert_eq!((timeout.stats().late, timeout.stats().left_out), (0, 1));
}

#[test]
fn a_handler_that_is_not_called_is_not_late() {
    let (bus, clock) = timed();
    let timeout = Timeout::new(SECOND);
    bus.layer(timeout.clone());
    let slow = clock.clone();
    let refuses = move |_: &Event<'_>| {
        slow.advance(2 * SECOND);
        false
    };
    let _refused = bus.on("a").filter(refuses).connect(taking(2, &clock)).unwrap();
    assert_eq!((bus.emit("a", 1_u32).skipped(), timeout.stats().late), (1, 0));
}

#[test]
fn it_can_be_about_some_topics_or_one_handler() {
    let (bus, clock) = timed();
    let (scoped, own) = (Timeout::new(SECOND), Timeout::new(SECOND));
    bus.layer(Scoped::new("b", scoped.clone()).unwrap());
    let _one = bus.on("*").middleware(own.clone()).connect(taking(2, &clock)).unwrap();
    let _other = bus.connect("*", taking(0, &clock)).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!((scoped.stats().late, own.stats().late), (0, 1));
    bus.emit("b", 1_u32);
    assert_eq!((scoped.stats().late, own.stats().late), (2, 2));
}

#[test]
fn parents_see_the_deadline_and_are_not_watched() {
    let seen = Recorder::new();
    let (bus, clock) = timed();
    let child = bus.child("c").unwrap();
    let timeout = Timeout::new(SECOND);
    child.layer(timeout.clone());
    let _slow = bus.on("c.a").connect(taking(2, &clock)).unwrap();
    let _asks = bus.on("c.a").priority(1).connect(asking(&seen)).unwrap();
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["Some(1s) Some(1s)"]);
    assert_eq!(timeout.stats().late, 0);
}

#[test]
fn a_replay_has_no_deadline_because_it_has_passed() {
    let seen = Recorder::new();
    let (bus, _) = timed();
    let history = History::new();
    bus.set_stack(Stack::new().with(Timeout::new(SECOND)).with(history.clone()));
    bus.emit("a", 1_u32);
    assert_eq!(history.entries()[0].envelope().unwrap().deadline, Some(SECOND));
    bus.set_stack(Stack::new());
    let _late = bus.on("a").replay_last(&history, 1).connect(asking(&seen)).unwrap();
    history.replay().run(&bus);
    assert_eq!(seen.take(), ["None None"; 2]);
}

#[test]
fn a_handle_counts_for_all_its_clones() {
    let (bus, clock) = timed();
    let timeout = Timeout::new(SECOND);
    let _slow = bus.connect("a", taking(2, &clock)).unwrap();
    bus.layer(Arc::new(timeout.clone()));
    bus.layer(timeout.clone());
    bus.emit("a", 1_u32);
    assert_eq!(timeout.stats().late, 2);
}

#[test]
fn what_is_late_is_told_of_where_the_layer_stands() {
    let ((here, clock), (there, _)) = (timed(), timed());
    there.layer(Timeout::new(SECOND));
    let seen = Recorder::new();
    let list = seen.clone();
    let _late = there.connect("$sys.late", move |late: &sys::HandlerLate| list.note(&late.topic)).unwrap();
    let _slow = there.connect("a", taking(2, &clock)).unwrap();
    let _bridge = here.bridge("**", &there).unwrap();
    here.emit("a", 1_u32);
    assert_eq!(seen.take(), ["a"]);
}
