//! The stock pieces together, and what `Trace` tells.

mod support;

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::{Event, Filter, History, Inspect, Middleware, Next, Scoped, Stack, Trace, Transform};
use support::Rig;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber, subscriber};

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
fn trace_puts_a_span_around_an_emit() {
    let rig = Rig::new();
    rig.set_depth(2);
    let log = traced(Level::TRACE, || drop(rig.emit(&Trace::new(), "radar.track", 1_u32)));
    assert_eq!(
        log,
        [
            r#"TRACE sigtree::middleware span emit: bus="rig" topic="radar.track" id=00000000000000000000000001 depth=2"#,
            "enter",
            "record: fanout=1",
            "TRACE sigtree::middleware event: message=done called=1 skipped=0 muted=0 failed=0",
            "exit",
        ]
    );
}

#[test]
fn trace_puts_a_span_around_a_handler() {
    let rig = Rig::new();
    rig.stand_around("radar.*", Some("plot"));
    let log = traced(Level::TRACE, || drop(rig.emit(&Trace::at(Level::INFO), "radar.track", 1_u32)));
    assert_eq!(
        log,
        [
            r#"INFO sigtree::middleware span handle: handler="plot" pattern="radar.*""#,
            "enter",
            "INFO sigtree::middleware event: message=done called=1 skipped=0 muted=0 failed=0",
            "exit",
        ]
    );
    rig.stand_around("radar.*", None);
    let log = traced(Level::TRACE, || drop(rig.emit(&Trace::new(), "radar.track", 1_u32)));
    assert_eq!(log[0], r#"TRACE sigtree::middleware span handle: pattern="radar.*""#);
    assert_eq!(rig.ids_made(), 0);
}

#[test]
fn trace_tells_of_what_is_behind_it_only() {
    let rig = Rig::new();
    let earlier = |event: &Event<'_>, next: Next<'_>| {
        event.emission().add_skipped(3);
        next.run(event);
    };
    let log = traced(Level::TRACE, || drop(rig.emit(&(earlier, Trace::new()), "a", 1_u32)));
    assert_eq!(log[3], "TRACE sigtree::middleware event: message=done called=1 skipped=0 muted=0 failed=0");
}

#[test]
fn trace_makes_no_id_when_nobody_listens() {
    let rig = Rig::new();
    rig.emit(&Trace::at(Level::ERROR), "a", 1_u32);
    assert_eq!(rig.ids_made(), 0);

    let log = traced(Level::INFO, || drop(rig.emit(&Trace::new(), "a", 2_u32)));
    assert_eq!(log, [""; 0]);
    assert_eq!(rig.ids_made(), 0);
    assert_eq!(rig.seen(), ["a 1", "a 2"]);
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

/// What `tracing` was told while `work` ran, at this level and above.
fn traced(level: Level, work: impl FnOnce()) -> Vec<String> {
    let log = Arc::new(Mutex::new(Vec::new()));
    subscriber::with_default(Listener { level, log: log.clone() }, work);
    Arc::into_inner(log).map(Mutex::into_inner).unwrap_or_default()
}

struct Listener {
    level: Level,
    log: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn write(&self, line: String) {
        self.log.lock().push(line);
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let metadata = span.metadata();
        let mut line = format!("{} {} span {}:", metadata.level(), metadata.target(), metadata.name());
        span.record(&mut Fields(&mut line));
        self.write(line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = String::from("record:");
        values.record(&mut Fields(&mut line));
        self.write(line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = format!("{} {} event:", event.metadata().level(), event.metadata().target());
        event.record(&mut Fields(&mut line));
        self.write(line);
    }

    fn enter(&self, _: &Id) {
        self.write(String::from("enter"));
    }

    fn exit(&self, _: &Id) {
        self.write(String::from("exit"));
    }
}

struct Fields<'l>(&'l mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}
