//! Children have their own handlers and stack, their events go up, and no connection is called twice for one event.

mod support;

use std::sync::Arc;

use parking_lot::Mutex;
use sigtree::{Bus, BusBuilder, Connection, Event, Filter, Policy, Stack};
use support::Recorder;

#[test]
fn events_go_up_under_the_childs_name() {
    let seen = Recorder::new();
    let root = Bus::builder().name("site").build();
    let middle = root.child("m").unwrap();
    let leaf = middle.child("l.x").unwrap();
    let _connections = [
        root.connect("**", seen.labelled("root")).unwrap(),
        root.connect("m.l.x.a", seen.labelled("root exact")).unwrap(),
        root.connect("m.*.x.*", seen.labelled("root wild")).unwrap(),
        root.connect("a", seen.labelled("never")).unwrap(),
        middle.connect("l.**", seen.labelled("middle")).unwrap(),
        leaf.connect("a", seen.labelled("leaf")).unwrap(),
    ];
    for _ in 0..3 {
        assert_eq!(leaf.emit("a", 1_u32).called(), 5);
        let order =
            ["leaf: a 1", "middle: l.x.a 1", "root exact: m.l.x.a 1", "root: m.l.x.a 1", "root wild: m.l.x.a 1"];
        assert_eq!(seen.take(), order);
    }
    assert_eq!((leaf.name(), middle.name()), ("site.m.l.x", "site.m"));
    assert!(leaf.parent().unwrap().is(&middle) && middle.parent().unwrap().is(&root) && root.parent().is_none());
}

#[test]
fn events_of_the_parent_stay_there() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let _own = child.connect("**", seen.label("child")).unwrap();
    for topic in ["a", "c.a", "c"] {
        parent.emit(topic, 1_u32);
    }
    assert!(seen.take().is_empty());
}

#[test]
fn a_signal_of_the_child_goes_up_too_and_sees_changes_above() {
    let root = Bus::new();
    let leaf = root.child("m").unwrap().child("l").unwrap();
    let signal = leaf.signal::<u32>("a").unwrap();
    assert_eq!(signal.emit(1).called(), 0);
    let first = root.connect("m.l.a", |_: &u32| {}).unwrap();
    assert_eq!(signal.emit(1).called(), 1);
    let _second = leaf.parent().unwrap().connect("**", |_: &u32| {}).unwrap();
    assert_eq!(signal.emit(1).called(), 2);
    drop(first);
    assert_eq!(signal.emit(1).called(), 1);
    root.layer(Filter::new(|_: &Event<'_>| false).reason("above"));
    assert_eq!(signal.emit(1).filtered(), Some("above"));
}

#[test]
fn asked_twice_the_child_is_the_same() {
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    assert!(child.is(&parent.child("c").unwrap()));
    let error = parent.child_builder("c").isolated().build().unwrap_err();
    assert!(error.is_child_exists(), "{error}");
    assert_eq!(error.to_string(), "a child named `c` is there already: take it with `bus.child` or use another name");
    assert!(!child.is(&parent.child("d").unwrap()));
    for bad in ["a..b", "*", "", "$sys", "$sys.x"] {
        assert!(parent.child(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_parent_holds_its_children_weakly() {
    let parent = Bus::new();
    let (first, second) = (parent.child("a").unwrap(), parent.child("b").unwrap());
    let names = || parent.children().iter().map(|child| child.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(), ["bus.a", "bus.b"]);
    let weak = first.downgrade();
    drop(first);
    assert!(weak.upgrade().is_none());
    assert_eq!(names(), ["bus.b"]);
    let again = parent.child("a").unwrap();
    assert_eq!((again.connections(), names()), (0, vec!["bus.b".to_owned(), "bus.a".to_owned()]));
    drop(second);
    assert!(parent.child_builder("b").isolated().build().is_ok());
}

#[test]
fn the_child_holds_its_parent() {
    let seen = Recorder::new();
    let parent = Bus::new();
    parent.connect("**", seen.events()).unwrap().detach();
    let child = parent.child("c").unwrap();
    let weak = parent.downgrade();
    drop(parent);
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["c.a 1"]);
    drop(child);
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_isolated_child_keeps_its_events() {
    let seen = Recorder::new();
    let root = Bus::new();
    let alone = root.child_builder("alone").isolated().build().unwrap();
    let below = alone.child("below").unwrap();
    let _connections =
        [root.connect("**", seen.labelled("root")).unwrap(), alone.connect("**", seen.labelled("alone")).unwrap()];
    below.emit("a", 1_u32);
    assert_eq!(seen.take(), ["alone: below.a 1"]);
}

#[test]
fn a_sink_hears_its_parent_after_the_parents_own() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let sink = parent.child_builder("c").sink().build().unwrap();
    let deep = parent.child_builder("c.d").sink().build().unwrap();
    let below = sink.child_builder("d").sink().build().unwrap();
    let _connections = [
        sink.connect("**", seen.labelled("sink")).unwrap(),
        deep.connect("**", seen.labelled("deep")).unwrap(),
        below.connect("**", seen.labelled("below")).unwrap(),
        parent.connect("**", seen.labelled("parent")).unwrap(),
    ];
    for _ in 0..3 {
        parent.emit("c.a", 1_u32);
        assert_eq!(seen.take(), ["parent: c.a 1", "sink: a 1"]);
        parent.emit("c.d.e", 2_u32);
        assert_eq!(seen.take(), ["parent: c.d.e 2", "sink: d.e 2", "below: e 2", "deep: e 2"]);
        parent.emit("c", 3_u32);
        parent.emit("cc.a", 4_u32);
        assert_eq!(seen.take(), ["parent: c 3", "parent: cc.a 4"]);
        sink.emit("a", 5_u32);
        assert_eq!(seen.take(), ["sink: a 5", "parent: c.a 5"]);
    }
}

#[test]
fn a_sink_passes_the_stacks_of_both() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let settings = Bus::builder().stack(Stack::new().with(seen.layer("sink layer")));
    let sink = parent.child_builder("c").sink().settings(settings).build().unwrap();
    parent.layer(Filter::payload(|n: &u32| *n != 2));
    let _own = sink.connect("*", seen.events()).unwrap();
    parent.emit("c.a", 1_u32);
    parent.emit("c.a", 2_u32);
    assert_eq!(seen.take(), ["sink layer", "a 1"]);
}

#[test]
fn a_child_takes_over_settings_or_gets_its_own() {
    let parent: BusBuilder = Bus::builder().name("p").policy(Policy::FailFast).depth_limit(3);
    let parent = parent.stack(Stack::new().with(Filter::new(|_: &Event<'_>| true))).build();
    let child = parent.child("c").unwrap();
    let _connections = [child.connect("a", |_: &u32| Err("x")).unwrap(), child.connect("a", |_: &u32| {}).unwrap()];
    assert_eq!((child.emit("a", 1_u32).called(), child.stack().len()), (1, 0));
    let own = parent.child_builder("d").settings(Bus::builder().name("other")).build().unwrap();
    let _connections = [own.connect("a", |_: &u32| Err("x")).unwrap(), own.connect("a", |_: &u32| {}).unwrap()];
    assert_eq!((own.emit("a", 1_u32).called(), own.name()), (2, "p.d"));
}

/// Buses, each with handlers that overlap: an exact one, two wildcards and a list.
fn watched<const N: usize>(seen: &Recorder) -> ([Bus; N], Vec<Connection>) {
    let buses: [Bus; N] = std::array::from_fn(|n| Bus::builder().name(&format!("bus{n}")).build());
    let connections = buses.iter().flat_map(|bus| watch(bus, seen)).collect();
    (buses, connections)
}

fn watch(bus: &Bus, seen: &Recorder) -> Vec<Connection> {
    let name = bus.name().to_owned();
    let pattern = ["**", "*.** | a", r"/.*a/"];
    pattern.map(|pattern| bus.connect(pattern, seen.label(format_args!("{name} {pattern}"))).unwrap()).into()
}

/// Each of these buses' three handlers was called once.
fn assert_each_once(seen: &Recorder, names: &[&str], what: &str) {
    let mut lines = seen.take();
    lines.sort();
    let mut expected: Vec<_> =
        names.iter().flat_map(|name| ["**", "*.** | a", r"/.*a/"].map(|pattern| format!("{name} {pattern}"))).collect();
    expected.sort();
    assert_eq!(lines, expected, "{what}");
}

#[test]
fn two_buses_bridged_both_ways() {
    let seen = Recorder::new();
    let ([one, two], _connections) = watched(&seen);
    let _bridges = [one.bridge("**", &two).unwrap(), two.bridge("**", &one).unwrap()];
    for _ in 0..3 {
        for bus in [&one, &two] {
            assert_eq!(bus.emit("a", 1_u32).called(), 6);
            assert_each_once(&seen, &["bus0", "bus1"], bus.name());
        }
    }
}

#[test]
fn a_triangle_and_a_diamond_of_bridges() {
    let seen = Recorder::new();
    let ([a, b, c], _connections) = watched(&seen);
    let _bridges: Vec<_> = [(&a, &b), (&b, &c), (&c, &a), (&b, &a), (&c, &b), (&a, &c)]
        .map(|(from, to)| from.bridge("**", to).unwrap())
        .into();
    for bus in [&a, &b, &c] {
        bus.emit("a", 1_u32);
        assert_each_once(&seen, &["bus0", "bus1", "bus2"], bus.name());
    }
    let ([top, left, right, bottom], _connections) = watched(&seen);
    let _bridges: Vec<_> = [(&top, &left), (&top, &right), (&left, &bottom), (&right, &bottom)]
        .map(|(from, to)| from.bridge("**", to).unwrap())
        .into();
    for _ in 0..3 {
        top.emit("a", 1_u32);
        assert_each_once(&seen, &["bus0", "bus1", "bus2", "bus3"], "diamond");
    }
}

#[test]
fn two_bridges_between_the_same_buses_are_one_way() {
    let seen = Recorder::new();
    let ([one, two], _connections) = watched(&seen);
    let _bridges = [one.bridge("**", &two).unwrap(), one.bridge("a", &two).unwrap()];
    one.emit("a", 1_u32);
    assert_each_once(&seen, &["bus0", "bus1"], "twice");
}

#[test]
fn bridges_among_parents_children_and_sinks() {
    let seen = Recorder::new();
    for layered in [false, true] {
        let ([root, other], mut connections) = watched(&seen);
        let leaf = root.child("m").unwrap();
        let sink = root.child_builder("s").sink().build().unwrap();
        connections.extend(watch(&leaf, &seen));
        connections.extend(watch(&sink, &seen));
        connections.extend([
            root.bridge("**", &other).unwrap(),
            other.bridge("**", &leaf).unwrap(),
            leaf.bridge("**", &sink).unwrap(),
            sink.bridge("**", &other).unwrap(),
        ]);
        if layered {
            for bus in [&root, &other, &leaf, &sink] {
                bus.layer(|event: &Event<'_>, next: sigtree::Next<'_>| next.run(event));
            }
        }
        for _ in 0..3 {
            for bus in [&root, &other, &leaf, &sink] {
                bus.emit("s.a", 1_u32);
                let all = ["bus0", "bus0.m", "bus0.s", "bus1"];
                assert_each_once(&seen, &all, &format!("from {}, layered: {layered}", bus.name()));
            }
        }
    }
}

#[test]
fn a_bridge_may_put_a_name_before_topics_and_passes_its_pattern_only() {
    let seen = Recorder::new();
    let (here, there) = (Bus::new(), Bus::new());
    let bridge = here.bridge_under("a.*", &there, "from.here").unwrap();
    let _there = there.connect("**", seen.events()).unwrap();
    here.emit("a.b", 1_u32);
    here.emit("b", 2_u32);
    assert_eq!(seen.take(), ["from.here.a.b 1"]);
    assert!(here.bridge_under("**", &there, "$sys").unwrap_err().is_reserved());
    assert!(here.bridge_under("**", &there, "a.*").unwrap_err().is_bad_name());
    drop(bridge);
    here.emit("a.b", 3_u32);
    assert!(seen.take().is_empty());
}

#[test]
fn a_bridge_whose_topic_grows_too_long_is_refused_there() {
    let (here, there) = (Bus::new(), Bus::new());
    let _bridge = here.bridge_under("**", &there, "x.y").unwrap();
    let _own = here.connect("**", |_: &u32| {}).unwrap();
    let deep = ["s"; 16].join(".");
    assert_eq!(here.emit(deep, 1_u32).called(), 1);
    assert_eq!((here.refusals(), there.refusals()), (0, 1));
}

#[test]
fn a_bridge_keeps_the_other_bus_not_alive() {
    let (here, there) = (Bus::new(), Bus::new());
    let weak = there.downgrade();
    let _bridge = here.bridge("**", &there).unwrap();
    drop(there);
    assert!(weak.upgrade().is_none());
    assert_eq!(here.emit("a", 1_u32).called(), 0);
    assert_eq!(here.connections(), 0);
}

#[test]
fn a_payload_that_somebody_across_a_bridge_keeps_can_be_kept() {
    struct NotClone;
    let (here, there) = (Bus::new(), Bus::new());
    let _bridge = here.bridge("**", &there).unwrap();
    let _keeper = there.child("x").unwrap();
    let _keeper = there.connect("**", |_: std::sync::Arc<NotClone>| {}).unwrap();
    assert_eq!(here.emit("a", NotClone).called(), 1);
    let root = Bus::new();
    let leaf = root.child("m").unwrap().child("l").unwrap();
    let keeper = root.connect("m.**", |_: std::sync::Arc<NotClone>| {}).unwrap();
    let signal = leaf.signal::<NotClone>("a").unwrap();
    for _ in 0..3 {
        assert_eq!((leaf.emit("a", NotClone).called(), signal.emit(NotClone).called()), (1, 1));
    }
    drop(keeper);
    assert_eq!(leaf.emit("a", NotClone).called(), 0);
}

#[test]
fn a_bus_elsewhere_changes_nothing_here() {
    let seen = Recorder::new();
    let twice = |event: &Event<'_>, next: sigtree::Next<'_>| {
        next.clone().run(event);
        next.run(event);
    };
    let run = || {
        let parent = Bus::new();
        let child = parent.child("c").unwrap();
        let _own = child.connect("a", seen.label("own")).unwrap();
        let _above = parent.connect("**", seen.label("above")).unwrap();
        child.layer(twice);
        child.emit("a", 1_u32);
        seen.take()
    };
    let before = run();
    assert_eq!(before, ["own", "above", "own"]);
    let (here, there) = (Bus::new(), Bus::new());
    let _bridge = here.bridge("**", &there).unwrap();
    assert_eq!(run(), before);
}

#[test]
fn a_bridge_made_inside_a_handler_makes_no_second_delivery() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let (up, down, list) = (parent.clone(), child.downgrade(), seen.clone());
    let bridges = Arc::new(Mutex::new(Vec::new()));
    let made = bridges.clone();
    let _own = child
        .connect("**", move |n: &u32| {
            list.note(n);
            made.lock().push(up.bridge("c.*", &down.upgrade().unwrap()).unwrap());
        })
        .unwrap();
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["1"]);
    bridges.lock().clear();
}

#[test]
fn names_keep_to_the_limits_of_the_bus_they_come_to() {
    let short = sigtree::Limits::new().segments(2);
    let parent = Bus::builder().limits(short).build();
    let child = parent.child_builder("c").settings(Bus::builder()).build().unwrap();
    let seen = Recorder::new();
    let _above = parent.connect("**", seen.events()).unwrap();
    for _ in 0..3 {
        assert_eq!(child.emit("a", 1_u32).called(), 1);
        assert!(child.emit("a.b", 1_u32).filtered().is_some_and(|reason| reason.contains("refused")));
    }
    assert_eq!((seen.take().len(), parent.refusals()), (3, 3));

    let long = sigtree::Limits::new().segments(40);
    let (from, to) = (Bus::builder().limits(long).build(), Bus::builder().limits(long).build());
    let _bridge = from.bridge_under("**", &to, "x").unwrap();
    let _there = to.connect("**", seen.label("there")).unwrap();
    assert_eq!(from.emit(["a"; 20].join("."), 1_u32).called(), 1);
}
