//! What a bus is made of can be seen, printed, drawn and serialized, while it works.

mod support;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sigtree::inspection::State;
use sigtree::middleware::Calls;
use sigtree::{Bus, Event, Filter, Inspection, ManualClock, Middleware, Next, Stack, WeakBus};
use support::{Recorder, quietly};

/// The text without call sites, whose lines move.
fn lines(seen: &Inspection) -> Vec<String> {
    seen.to_string().lines().map(without_site).collect()
}

/// ` (tests/inspect.rs:7)` taken out.
fn without_site(line: &str) -> String {
    match (line.find(" (tests/"), line.find(".rs:")) {
        (Some(from), Some(to)) => {
            let behind = line[to..].find(')').map_or("", |end| &line[to + end + 1..]);
            format!("{}{behind}", &line[..from])
        }
        _ => line.into(),
    }
}

/// A bus with some of everything.
fn everything() -> (Bus, Vec<Bus>, Vec<Box<dyn std::any::Any>>) {
    let site = Bus::builder().name("site").build();
    let radar = site.child_builder("radar").sink().build().unwrap();
    let own = site.child_builder("own").isolated().build().unwrap();
    site.set_stack(Stack::new().with_named("quiet", Filter::new(|_: &Event<'_>| true)));
    let signal = site.signal::<u32>("count").unwrap();
    let log = site.on("**").named("log").connect(|_: &Event<'_>| {}).unwrap();
    let first = site.on("count").priority(5).times(3).connect(|n: &u32| if *n > 9 { Err("big") } else { Ok(()) });
    let muted = site.connect("count", |_: &u32| {}).unwrap();
    let mute = muted.mute();
    let bridge = radar.bridge("track.*", &own).unwrap();
    let answer = own.on("size").answer(|_: &()| 7_u32).unwrap();
    let watch = site.on_interest("raw.*", |_| {}).unwrap();
    let silence = site.mute("noise.*").unwrap();
    signal.emit(10);
    let mut kept: Vec<Box<dyn std::any::Any>> = vec![Box::new(log), Box::new(first.unwrap()), Box::new(muted)];
    kept.extend([Box::new(mute) as Box<dyn std::any::Any>, Box::new(bridge), Box::new(answer), Box::new(watch)]);
    kept.extend([Box::new(silence) as Box<dyn std::any::Any>, Box::new(signal)]);
    (site, vec![radar, own], kept)
}

#[test]
fn it_prints_as_a_tree() {
    let (site, _children, _kept) = everything();
    assert_eq!(
        lines(&site.inspect()),
        [
            "bus `site`: 3 connections, 1 failure",
            "  mutes `noise.*`",
            "  layer 1. quiet: filter, else `filtered`",
            "  `count` of `u32`, in 1 route",
            "    live, priority 5, 2 of 3 times left; 1 failure",
            "    muted",
            "  `**`, in 1 route",
            "    live `log`",
            "  signal `count` of `u32`",
            "  watched `raw.*`",
            "  bus `site.radar`, child `radar`, hears its parent: 1 connection",
            "    `track.*`",
            "      live, bridge to `site.own`",
            "    watched `raw.*`",
            "  bus `site.own`, child `own`, isolated: 1 connection",
            "    `size` of `()`",
            "      live, answers with `u32`",
        ]
    );
}

#[test]
fn connections_have_their_call_sites() {
    let bus = Bus::new();
    let line = line!() + 1;
    let connection = bus.connect("a", |_: &u32| {}).unwrap();
    let seen = bus.inspect();
    let only = &seen.patterns[0].connections[0];
    assert_eq!((only.id, only.site.file(), only.site.line()), (connection.id(), file!(), line));
}

#[test]
fn it_draws_as_a_graph() {
    let bus = Bus::builder().name("a \"b\"\n\u{7}").build();
    let child = bus.child_builder("below").sink().build().unwrap();
    bus.layer(Filter::new(|_: &Event<'_>| true));
    let connection = bus.on("x.*").named("back\\slash").connect(|_: &u32| {}).unwrap();
    let _muted = child.connect("x", |_: &u32| {}).unwrap();
    let _mute = _muted.mute();
    let drawn = bus.inspect().to_dot();
    let site = connection_site(&bus);
    let expected = format!(
        r#"digraph sigtree {{
  rankdir=LR;
  compound=true;
  node [shape=box, fontname="sans-serif"];
  edge [fontname="sans-serif"];
  subgraph cluster_0 {{
    label="a \"b\"\\n\\u{{7}}";
    bus_0 [shape=folder, label="a \"b\"\\n\\u{{7}}\n1 connection"];
    layer_0_0 [shape=component, label="filter, else `filtered` (tests/inspect.rs:LINE)"];
    bus_0 -> layer_0_0;
    pattern_0_0 [shape=ellipse, label="x.*"];
    layer_0_0 -> pattern_0_0;
    connection_0_0_0 [label="back\\slash\n{site}"];
    pattern_0_0 -> connection_0_0_0;
  }}
  subgraph cluster_1 {{
    label="a \"b\"\\n\\u{{7}}.below";
    bus_1 [shape=folder, label="a \"b\"\\n\\u{{7}}.below\n1 connection"];
    pattern_1_0 [shape=ellipse, label="x"];
    bus_1 -> pattern_1_0;
    connection_1_0_0 [label="SITE", style=dashed];
    pattern_1_0 -> connection_1_0_0;
  }}
  bus_1 -> bus_0 [label="up as below", ltail=cluster_1, lhead=cluster_0];
  bus_0 -> bus_1 [label="down from below", ltail=cluster_0, lhead=cluster_1];
}}
"#
    );
    let layer = bus.stack().layers()[0].location().unwrap().line();
    let muted = connection_site(&child);
    assert_eq!(drawn, expected.replace("LINE", &layer.to_string()).replace("SITE", &muted));
    drop(connection);
}

fn connection_site(bus: &Bus) -> String {
    let seen = bus.inspect();
    let site = seen.patterns[0].connections[0].site;
    format!("{}:{}", site.file(), site.line())
}

#[cfg(feature = "serde")]
#[test]
fn it_serializes() {
    let (site, _children, _kept) = everything();
    let json = serde_json::to_value(site.inspect()).unwrap();
    assert_eq!(json["bus"], "site");
    assert_eq!(json["mutes"][0], "noise.*");
    assert_eq!(json["layers"][0]["name"], "quiet");
    assert_eq!(json["patterns"][0]["pattern"], "count");
    let first = &json["patterns"][0]["connections"][0];
    assert_eq!((&first["state"], &first["failures"]), (&"live".into(), &1.into()));
    assert!(first["site"].as_str().unwrap().starts_with("tests/inspect.rs:"), "{first}");
    assert!(first["calls"].is_null() && first["id"].is_u64());
    assert_eq!(json["patterns"][0]["connections"][1]["state"], "muted");
    assert_eq!(json["children"][0]["branch"]["sink"], true);
    assert_eq!(json["children"][1]["branch"]["bubbles"], false);
    assert_eq!(json["counters"]["failures"], 1);

    site.layer(Calls::new());
    site.emit("other", 1_u32);
    let json = serde_json::to_value(site.inspect()).unwrap();
    assert_eq!(json["patterns"][1]["connections"][0]["calls"]["calls"], 1);
}

#[test]
fn calls_are_counted_where_that_is_asked_for() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let slow = move |n: &u32| clock.advance(Duration::from_millis((*n).into()));
    let _slow = bus.connect("a", slow).unwrap();
    let _bad = bus.connect("a", |_: &u32| -> () { std::panic::panic_any("bad") }).unwrap();
    let _skips = bus.on("a").filter(|_| false).connect(|_: &u32| {}).unwrap();
    let _counted = bus.on("a").middleware(Calls::new()).connect(|_: &u32| {}).unwrap();
    let calls = |bus: &Bus| -> Vec<Option<String>> {
        bus.inspect().connections().map(|connection| connection.calls.map(|calls| calls.to_string())).collect()
    };
    quietly(|| bus.emit("a", 1_u32));
    assert_eq!(calls(&bus), [None, None, None, Some("1 call in 0ns, 0ns at most".into())]);

    let counting = Calls::new();
    let stack = bus.set_stack(Stack::new().with(counting.clone()));
    quietly(|| [2_u32, 3].map(|n| bus.emit("a", n)));
    assert_eq!(
        calls(&bus),
        [
            Some("2 calls in 5ms, 3ms at most".into()),
            Some("2 calls, 2 failed, in 0ns, 0ns at most".into()),
            None,
            Some("3 calls in 0ns, 0ns at most".into()),
        ]
    );
    bus.set_stack(stack);
    assert_eq!(calls(&bus)[0], None);
    assert_eq!(counting.uncounted(), 0);
}

#[test]
fn the_time_of_calls_is_that_of_the_bus_they_are_counted_on() {
    let clock = ManualClock::new();
    let (here, there) = (Bus::new(), Bus::builder().clock(clock.clone()).build());
    there.layer(Calls::new());
    let _bridge = here.bridge("**", &there).unwrap();
    let _slow = there.connect("a", move |_: &u32| clock.advance(Duration::from_millis(3))).unwrap();
    here.emit("a", 1_u32);
    let calls = there.inspect().connections().next().unwrap().calls.unwrap();
    assert_eq!(calls.to_string(), "1 call in 3ms, 3ms at most");
}

#[test]
fn more_connections_than_are_counted_are_summed_up() {
    let bus = Bus::new();
    let counting = Calls::new().room(2);
    bus.layer(counting.clone());
    let _connections = [(); 5].map(|()| bus.connect("a", |_: &u32| {}).unwrap());
    bus.emit("a", 1_u32);
    assert!(bus.inspect().to_dot().contains("\\n1 call in "), "{}", bus.inspect().to_dot());
    assert_eq!(counting.uncounted(), 3);
    assert_eq!(bus.inspect().connections().filter(|connection| connection.calls.is_some()).count(), 2);
}

#[test]
fn the_dead_are_seen_until_they_are_taken_out() {
    struct Screen;
    impl Screen {
        fn show(&self, _: &u32) {}
    }
    let bus = Bus::new();
    let screen = Arc::new(Screen);
    bus.connect_weak("a", &screen, Screen::show).unwrap();
    drop(screen);
    let seen = bus.inspect();
    assert_eq!(seen.patterns[0].connections[0].state, State::Dead);
    assert!(seen.to_string().contains("\n    dead, weak receiver `"), "{seen}");
    assert!(seen.to_dot().contains("`\", color=grey, fontcolor=grey];"), "{}", seen.to_dot());
    #[cfg(feature = "serde")]
    assert_eq!(serde_json::to_value(seen).unwrap()["patterns"][0]["connections"][0]["state"], "dead");
    bus.prune();
    assert!(bus.inspect().patterns.is_empty());
}

#[test]
fn the_order_is_that_of_calls() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let on = |pattern: &str, name: &str, priority| {
        bus.on(pattern).named(name).priority(priority).connect(seen.label(name)).unwrap()
    };
    let _connections = [on("a", "1", 0), on("a", "2", 7), on("a", "3", -1), on("a", "4", 0), on("a", "5", 7)];
    let names: Vec<_> = bus.inspect().connections().map(|connection| connection.name.clone().unwrap()).collect();
    bus.emit("a", 1_u32);
    assert_eq!(names.iter().map(|name| (**name).to_owned()).collect::<Vec<_>>(), seen.take());

    let many: Vec<_> = (0..2_000).map(|_| bus.connect("many", |_: &u32| {}).unwrap()).collect();
    let seen = bus.inspect();
    let ids = seen.patterns[1].connections.iter().map(|connection| connection.id);
    assert!(ids.eq(many.iter().map(sigtree::Connection::id)));
}

#[test]
fn the_cache_of_names_tells_how_full_it_is() {
    let bus = Bus::builder().cached_topics(64).build();
    assert_eq!((bus.inspect().cache.used, bus.inspect().cache.capacity), (0, 64));
    let connection = bus.connect("a", |_: &u32| {}).unwrap();
    for n in 0..4_u32 {
        bus.emit("a", n);
        bus.emit(format!("once.{n}"), n);
    }
    let seen = bus.inspect();
    assert_eq!((seen.cache.used, seen.cache.routes), (1, 1));
    let _mute = bus.mute("b.*").unwrap();
    let graph = bus.inspect().to_dot();
    let label = r#"label="bus\n1 connection\nmutes `b.*`\ncache: 1 route, 1 of 64 places used"];"#;
    assert!(graph.contains(label), "{graph}");
    #[cfg(feature = "serde")]
    assert_eq!(serde_json::to_value(seen).unwrap()["cache"]["routes"], 1);
    // A disconnect takes the route out of its place.
    drop(connection);
    let cache = bus.inspect().cache;
    assert_eq!((cache.used, cache.routes), (1, 0));
}

#[test]
fn it_keeps_nothing_alive() {
    let bus = Bus::new();
    let captured = Arc::new(());
    let kept = captured.clone();
    let connection = bus.connect("a", move |_: &u32| drop(kept.clone())).unwrap();
    let child = bus.child("child").unwrap();
    let seen = bus.inspect();
    drop((connection, child));
    assert_eq!(Arc::strong_count(&captured), 1);
    assert!(bus.children().is_empty());
    let weak = bus.downgrade();
    drop(bus);
    assert!(weak.upgrade().is_none());
    assert_eq!(seen.connections().count(), 1);
}

/// A layer that uses the bus when it is asked what it is.
struct Curious(WeakBus);

impl Middleware for Curious {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        next.run(event);
    }

    fn describe(&self) -> Cow<'static, str> {
        let bus = self.0.upgrade().unwrap();
        bus.connect("by.layer", |_: &u32| {}).unwrap().disconnect();
        format!("curious, on a bus with {} connections", bus.connections()).into()
    }
}

#[test]
fn no_lock_is_held_while_layers_are_asked() {
    let bus = Bus::new();
    bus.layer(Curious(bus.downgrade()));
    let _around = bus.on("a").middleware(Curious(bus.downgrade())).connect(|_: &u32| {}).unwrap();
    let seen = bus.inspect();
    assert_eq!(&*seen.layers[0].description, "curious, on a bus with 1 connections");
    assert!(seen.patterns[0].connections[0].conditions[0].starts_with("inside curious"));
}

#[test]
fn a_handler_may_look_at_its_own_bus() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let (weak, list) = (bus.downgrade(), seen.clone());
    let look = move |_: &u32| list.note(weak.upgrade().unwrap().inspect().connections().count());
    let _once = bus.on("a").once().connect(look).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["1"]);
}

#[test]
fn each_bus_is_seen_at_one_moment() {
    let bus = Bus::new();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // There is always one of them, and never more than two.
                let first = bus.connect("a", |_: &u32| {}).unwrap();
                let second = bus.connect("b", |_: &u32| {}).unwrap();
                drop(first);
                let third = bus.connect("c", |_: &u32| {}).unwrap();
                drop((second, third));
            }
        });
        for _ in 0..200 {
            let seen = bus.inspect();
            let count = seen.connections().count();
            assert!(count <= 2, "{seen}");
            assert_eq!(seen.counters.connections, count);
        }
        over.store(true, Ordering::Relaxed);
    });
}
