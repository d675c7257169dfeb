//! The bus reports about itself on `$sys.*`, to those who ask, and never in circles.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sigtree::middleware::Ids;
use sigtree::{Bus, Event, Filter, sys};
use support::{Recorder, boom, quietly};

/// Writes down every report of a bus.
fn listen(bus: &Bus, seen: &Recorder) {
    let refused = seen.lines(|r: &sys::Refused| format!("refused on {}: {}", r.bus, r.error));
    let dead = seen.lines(|r: &sys::Dead| format!("dead on {}: {}", r.bus, r.topic));
    let filtered = seen.lines(|r: &sys::Filtered| format!("filtered on {}: {}, {}", r.bus, r.topic, r.reason));
    let failed = seen.lines(|r: &sys::HandlerFailed| format!("failed on {}: {}", r.bus, r.failure.cause));
    let connected = seen.lines(|r: &sys::Connected| format!("connected on {}: {}", r.bus, r.pattern));
    let disconnected = seen.lines(|r: &sys::Disconnected| format!("disconnected on {}: {}", r.bus, r.pattern));
    let connections = [
        bus.connect("$sys.refused", refused),
        bus.connect("$sys.dead", dead),
        bus.connect("$sys.filtered", filtered),
        bus.connect("$sys.handler.failed", failed),
        bus.connect("$sys.connected", connected),
        bus.connect("$sys.disconnected", disconnected),
    ];
    for connection in connections {
        connection.unwrap().detach();
    }
    seen.take();
}

/// One of each, on a bus that is called `name`.
fn make_all(bus: &Bus) {
    bus.emit("a..b", 1_u32);
    bus.emit("nobody", 1_u32);
    let connection = bus.connect("a", |_: &u32| Err("broken")).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("a", String::from("text"));
    drop(connection);
    bus.layer(Filter::new(|_: &Event<'_>| false).reason("shut"));
    bus.emit("a", 1_u32);
}

const ALL: [&str; 7] = [
    "refused on NAME: invalid topic `a..b`: empty segment at byte 2: remove one dot",
    "dead on NAME: nobody",
    "connected on NAME: a",
    "failed on NAME: broken",
    "refused on NAME: topic `a` carries `u32`, not `alloc::string::String`: a topic has one payload type; use another topic or that type",
    "disconnected on NAME: a",
    "filtered on NAME: a, shut",
];

fn all(name: &str) -> Vec<String> {
    ALL.iter().map(|line| line.replace("NAME", name)).collect()
}

#[test]
fn each_report_is_made_once() {
    let seen = Recorder::new();
    let bus = Bus::builder().name("site").build();
    listen(&bus, &seen);
    make_all(&bus);
    assert_eq!(seen.take(), all("site"));
}

#[test]
fn reports_of_children_reach_the_parents_under_the_same_name() {
    let seen = Recorder::new();
    let root = Bus::builder().name("site").build();
    let leaf = root.child("m").unwrap().child("l").unwrap();
    listen(&root, &seen);
    make_all(&leaf);
    assert_eq!(seen.take(), all("site.m.l"));
    let own = Recorder::new();
    listen(&leaf, &own);
    leaf.set_stack(sigtree::Stack::new());
    seen.take();
    make_all(&leaf);
    assert_eq!(own.take(), all("site.m.l"));
    assert_eq!(seen.take(), all("site.m.l"));
}

#[test]
fn reports_of_isolated_children_stay_there() {
    let seen = Recorder::new();
    let root = Bus::new();
    listen(&root, &seen);
    let alone = root.child_builder("alone").isolated().build().unwrap();
    make_all(&alone);
    assert!(seen.take().is_empty());
}

#[test]
fn every_way_to_end_is_reported() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _ends = bus.connect("$sys.disconnected", seen.lines(|end: &sys::Disconnected| end.pattern.clone())).unwrap();
    drop(bus.connect("dropped", |_: &u32| {}).unwrap());
    let id = bus.connect("by.id", |_: &u32| {}).unwrap().detach();
    bus.disconnect(id);
    let _once = bus.on("once").once().connect(|_: &u32| {}).unwrap();
    bus.emit("once", 1_u32);
    let receiver = Arc::new(());
    bus.connect_weak("weak", &receiver, |_: &(), _: &u32| {}).unwrap();
    drop(receiver);
    bus.prune();
    assert_eq!(seen.take(), ["dropped", "by.id", "once", "weak"]);
}

#[test]
fn a_report_tells_where_the_connection_was_made() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let site = seen.lines(|report: &sys::Connected| format!("{}:{}", report.site.file(), report.site.line()));
    let _connects = bus.connect("$sys.connected", site).unwrap();
    seen.take();
    let line = line!() + 1;
    let _other = bus.connect("a", |_: &u32| {}).unwrap();
    assert_eq!(seen.take(), [format!("{}:{line}", file!())]);
}

#[test]
fn only_patterns_that_spell_it_see_it() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _blind = ["**", "*.dead", "**.dead", "*.*", r"/.*/", r"/.sys.*/"]
        .map(|pattern| bus.connect(pattern, seen.label(pattern)).unwrap());
    bus.emit("..", 1_u32);
    bus.connect("unheard", |_: &u32| {}).unwrap().disconnect();
    assert!(seen.take().is_empty());
    let _seeing = ["$sys.**", "$sys.*", r"/\$sys\..*/", "x | $sys.refused"]
        .map(|pattern| bus.connect(pattern, seen.label(pattern)).unwrap());
    seen.take();
    bus.emit("..", 1_u32);
    assert_eq!(seen.take(), ["$sys.**", "$sys.*", r"/\$sys\..*/", "x | $sys.refused"]);
}

#[test]
fn reports_pass_no_layer_and_meet_no_dead_end() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.layer(seen.layer("layer"));
    let _dead = bus.on("$sys.dead").filter(|_| false).connect(seen.lines(|_: &sys::Dead| "never")).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["layer"]);
}

#[test]
fn what_a_layer_or_condition_kept_back_is_not_dead() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _dead = bus.connect("$sys.dead", seen.lines(|dead: &sys::Dead| dead.topic.clone())).unwrap();
    let _skipped = bus.on("skipped").filter(|_| false).connect(|_: &u32| {}).unwrap();
    let muted = bus.connect("muted", |_: &u32| {}).unwrap();
    let _mute = muted.mute();
    let signal = bus.signal::<u32>("dead").unwrap();
    for n in 0..2_u32 {
        bus.emit("skipped", n);
        bus.emit("muted", n);
        signal.emit(n);
    }
    assert_eq!(seen.take(), ["dead", "dead"]);
    let child = bus.child("c").unwrap();
    let _parents = bus.connect("c.heard", |_: &u32| {}).unwrap();
    child.emit("heard", 1_u32);
    child.emit("dead", 1_u32);
    assert_eq!(seen.take(), ["dead"]);
}

#[test]
fn a_failing_report_handler_is_counted_and_not_reported() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = seen.clone();
    let failing = move |report: &sys::HandlerFailed| {
        list.note(&report.failure.topic);
        boom("report");
    };
    let _failing = bus.connect("$sys.handler.failed", failing).unwrap();
    let _dead = bus.connect("$sys.dead", |_: &sys::Dead| Err("dead")).unwrap();
    let _broken = bus.connect("a", |_: &u32| Err("broken")).unwrap();
    quietly(|| {
        for n in 0..10_u32 {
            assert_eq!(bus.emit("a", n).failed(), 1);
            assert_eq!(bus.emit("nobody", n).failed(), 0);
        }
    });
    assert_eq!(seen.take(), ["a"; 10]);
    assert_eq!(bus.failures(), 30);
}

#[test]
fn a_report_handler_may_cause_the_next_report() {
    let bus = Bus::builder().depth_limit(8).build();
    let (weak, calls) = (bus.downgrade(), Arc::new(AtomicU32::new(0)));
    let counted = calls.clone();
    let _circle = bus
        .connect("$sys.refused", move |_: &sys::Refused| {
            counted.fetch_add(1, Ordering::Relaxed);
            weak.upgrade().unwrap().emit("..", 1_u32);
        })
        .unwrap();
    bus.emit("..", 1_u32);
    assert!((1..=8).contains(&calls.load(Ordering::Relaxed)));
    assert_eq!(bus.emit("a", 1_u32).refusal().map(ToString::to_string), None);
}

/// Ids are made when an event is asked for its own; a report that nobody hears makes no event to ask.
#[derive(Clone, Default)]
struct Made(Arc<AtomicU32>);

impl Ids for Made {
    fn next_id(&self, _: sigtree::middleware::Stamp) -> sigtree::EventId {
        sigtree::EventId::from_bits(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

#[test]
fn a_report_is_made_only_for_those_who_listen() {
    let made = Made::default();
    let bus = Bus::builder().ids(made.clone()).build();
    let _other = bus.connect("$sys.refused", |event: &Event<'_>| drop(event.id().to_string())).unwrap();
    bus.emit("nobody", 1_u32);
    bus.connect("a", |_: &u32| {}).unwrap().disconnect();
    assert_eq!(made.0.load(Ordering::Relaxed), 0);
    bus.emit("..", 1_u32);
    assert_eq!(made.0.load(Ordering::Relaxed), 1);
}

#[test]
fn reports_cannot_be_forged_however_often_they_were_made() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _dead = bus.connect("$sys.dead", seen.lines(|dead: &sys::Dead| dead.topic.clone())).unwrap();
    let reports = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let kept = reports.clone();
    let _kept = bus.connect("$sys.dead", move |dead: Arc<sys::Dead>| kept.lock().push(dead)).unwrap();
    for _ in 0..5 {
        bus.emit("nobody", 1_u32);
    }
    assert_eq!(seen.take(), ["nobody"; 5]);
    let report = reports.lock()[0].clone();
    for _ in 0..5 {
        assert!(bus.emit_shared("$sys.dead", report.clone()).refusal().is_some());
        assert!(bus.emit("$sys.dead", (*report).clone()).refusal().is_some());
    }
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn reports_come_and_go_with_their_listeners() {
    let seen = Recorder::new();
    let bus = Bus::new();
    for round in 0..3 {
        assert_eq!(bus.emit("nobody", 1_u32).called(), 0);
        let one = bus.connect("$sys.dead", seen.lines(|dead: &sys::Dead| dead.topic.clone())).unwrap();
        let all = bus.connect("$sys.**", seen.label("all")).unwrap();
        seen.take();
        bus.emit("nobody", 1_u32);
        assert_eq!(seen.take(), ["nobody", "all"], "round {round}");
        drop(one);
        seen.take();
        bus.emit("nobody", 1_u32);
        assert_eq!(seen.take(), ["all"]);
        drop(all);
        bus.emit("nobody", 1_u32);
        assert_eq!(seen.take(), [""; 0]);
    }
}

#[test]
fn connections_are_reported_with_their_names() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let came = seen.lines(|report: &sys::Connected| format!("+{:?}", report.name));
    let went = seen.lines(|report: &sys::Disconnected| format!("-{:?}", report.name));
    let _both = [bus.connect("$sys.connected", came).unwrap(), bus.connect("$sys.disconnected", went).unwrap()];
    seen.take();
    drop(bus.on("a").named("printer").connect(|_: &u32| {}).unwrap());
    drop(bus.connect("a", |_: &u32| {}).unwrap());
    assert_eq!(seen.take(), ["+Some(\"printer\")", "-Some(\"printer\")", "+None", "-None"]);
}
