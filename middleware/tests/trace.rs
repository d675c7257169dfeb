//! What `Trace` tells. One test at a time, because `tracing` notes who listens for all threads at once.

mod support;

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::{Event, Next, Trace};
use support::Rig;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber, subscriber};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn trace_puts_a_span_around_an_emit() {
    let _alone = ONE_AT_A_TIME.lock();
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
fn a_span_names_the_bus_it_is_around_also_where_an_event_comes_from_a_child() {
    let _alone = ONE_AT_A_TIME.lock();
    let root = sigtree::Bus::builder().name("root").build();
    let child = root.child("radar").unwrap();
    root.layer(Trace::new());
    child.layer(Trace::new());
    let log = traced(Level::TRACE, || drop(child.emit("track", 1_u32)));
    let spans: Vec<_> = log.iter().filter_map(|line| line.split_once("span emit: ")?.1.split_once(" id=")).collect();
    let names: Vec<_> = spans.iter().map(|(names, _)| *names).collect();
    assert_eq!(names, [r#"bus="root.radar" topic="track""#, r#"bus="root" topic="radar.track""#]);
}

#[test]
fn trace_puts_a_span_around_a_handler() {
    let _alone = ONE_AT_A_TIME.lock();
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
    let _alone = ONE_AT_A_TIME.lock();
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
    let _alone = ONE_AT_A_TIME.lock();
    let rig = Rig::new();
    rig.emit(&Trace::at(Level::ERROR), "a", 1_u32);
    assert_eq!(rig.ids_made(), 0);

    let log = traced(Level::INFO, || drop(rig.emit(&Trace::new(), "a", 2_u32)));
    assert_eq!(log, [""; 0]);
    assert_eq!(rig.ids_made(), 0);
    assert_eq!(rig.seen(), ["a 1", "a 2"]);
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
