//! Handlers are called in one order: priority, exact before wildcard, patterns by creation, connections by age, own before parent.

mod support;

use sigtree::{Bus, Connection, Signal};
use support::Recorder;

#[test]
fn exact_comes_before_wildcard_and_age_decides_the_rest() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _connections: Vec<_> = ["**", "a.*", "a.b", r"/a\..*/", "a.b | x", "a.*", "**", "a.b"]
        .into_iter()
        .enumerate()
        .map(|(age, pattern)| bus.connect(pattern, seen.label(format_args!("{pattern} {age}"))).unwrap())
        .collect();
    let order = ["a.b 2", "a.b 7", "** 0", "** 6", "a.* 1", "a.* 5", r"/a\..*/ 3", "a.b | x 4"];
    let signal: Signal<u32> = bus.signal("a.b").unwrap();
    for n in 0..3 {
        bus.emit("a.b", n);
        assert_eq!(seen.take(), order);
        signal.emit(n);
        assert_eq!(seen.take(), order);
    }
}

#[test]
fn a_pattern_is_created_anew_when_its_last_handler_was_gone() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let first = bus.connect("**", seen.label("**")).unwrap();
    let _second = bus.connect("*", seen.label("*")).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["**", "*"]);
    drop(first);
    let again = bus.connect("**", seen.label("** again")).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["*", "** again"]);
    let _more = bus.connect("**", seen.label("** more")).unwrap();
    drop(again);
    let _star = bus.connect("*", seen.label("* more")).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["*", "* more", "** more"]);
}

#[test]
fn a_member_of_a_list_is_created_when_it_is_connected_by_itself() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _list = bus.connect(["a.*", "b.*"], seen.label("list")).unwrap();
    let _all = bus.connect("**", seen.label("**")).unwrap();
    let _member = bus.connect("a.*", seen.label("a.*")).unwrap();
    bus.emit("a.a", 1_u32);
    assert_eq!(seen.take(), ["list", "**", "a.*"]);
}

#[test]
fn the_order_survives_churn() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let mut connections: Vec<Option<Connection>> =
        (0..100).map(|age| Some(bus.connect("a", seen.label(age)).unwrap())).collect();
    for at in (0..100).filter(|at| at % 3 == 0 || (30..70).contains(at)) {
        connections[at] = None;
    }
    connections.extend((100..200).map(|age| Some(bus.connect("a", seen.label(age)).unwrap())));
    for at in (0..200).step_by(7) {
        connections[at] = None;
    }
    let living: Vec<_> =
        connections.iter().enumerate().filter(|(_, c)| c.is_some()).map(|(age, _)| age.to_string()).collect();
    for n in 0..3_u32 {
        assert_eq!(bus.emit("a", n).called(), living.len());
        assert_eq!(seen.take(), living);
    }
}

#[test]
fn typed_and_untyped_handlers_of_a_pattern_keep_their_order() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _connections: Vec<_> = (0..80)
        .map(|age| {
            let list = seen.clone();
            match age % 5 {
                0 => bus.connect("*", move |_: &sigtree::Event<'_>| list.note(age)),
                1 => bus.on("*").filter(|_| true).connect(move |_: &u32| list.note(age)),
                2 => bus.connect("*", move |_: std::sync::Arc<u32>| list.note(age)),
                _ => bus.connect("*", move |_: &u32| list.note(age)),
            }
            .unwrap()
        })
        .collect();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), (0..80).map(|age| age.to_string()).collect::<Vec<_>>());
}

#[test]
fn more_than_64_patterns_of_mixed_priorities_on_one_topic() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let signal: Signal<u32> = bus.signal("a").unwrap();
    let mut connections = Vec::new();
    let priority = |age: usize| [0, 0, 3, -2, 0, 3, 100][age % 7];
    let connect = |age: usize| {
        // Each list is a pattern of its own that matches `a`; some come twice with other priorities.
        let pattern = ["a".to_owned(), format!("x{}", age % 90)];
        bus.on(pattern).priority(priority(age)).connect(seen.label(age)).unwrap()
    };
    for age in 0..200 {
        connections.push(Some(connect(age)));
        let order = |connections: &[Option<Connection>]| {
            let mut living: Vec<usize> = (0..connections.len()).filter(|at| connections[*at].is_some()).collect();
            // No pattern loses all its handlers here, so its creation is the age of its first handler.
            living.sort_by_key(|age| (-priority(*age), age % 90, *age));
            living.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        signal.emit(1);
        assert_eq!(seen.take(), order(&connections), "after the connect of {age}");
        if age >= 90 && age % 2 == 0 {
            connections[age - 90] = None;
            bus.emit("a", 1_u32);
            assert_eq!(seen.take(), order(&connections), "after the disconnect of {}", age - 90);
        }
    }
}

#[test]
fn own_handlers_come_before_the_parents_whatever_the_priority() {
    let seen = Recorder::new();
    let root = Bus::new();
    let middle = root.child("m").unwrap();
    let leaf = middle.child("l").unwrap();
    let _connections = [
        root.on("m.l.a").priority(100).connect(seen.label("root exact")).unwrap(),
        root.on("**").priority(-1).connect(seen.label("root low")).unwrap(),
        middle.connect("**", seen.label("middle")).unwrap(),
        middle.on("*.a").priority(1).connect(seen.label("middle high")).unwrap(),
        leaf.on("**").priority(-100).connect(seen.label("leaf low")).unwrap(),
        leaf.connect("a", seen.label("leaf")).unwrap(),
    ];
    for _ in 0..3 {
        leaf.emit("a", 1_u32);
        assert_eq!(seen.take(), ["leaf", "leaf low", "middle high", "middle", "root exact", "root low"]);
    }
}

#[test]
fn events_of_one_emitter_arrive_in_order() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _handler = bus.connect("n.*", seen.events()).unwrap();
    let topics = ["n.a", "n.b", "n.c"];
    let expected: Vec<_> = (0..300_u32).map(|n| format!("{} {n}", topics[n as usize % 3])).collect();
    for n in 0..300_u32 {
        bus.emit(topics[n as usize % 3], n);
    }
    assert_eq!(seen.take(), expected);
}
