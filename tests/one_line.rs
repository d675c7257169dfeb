//! Whatever others called their buses, layers, handlers and sources: what a bus says of itself has a line for each thing.

use std::borrow::Cow;

use sigtree::{Bus, Event, Mailbox, Middleware, Next, Signal, Stack, sys};

/// Breaks lines, forges one, clears the screen, turns the text around.
const HOSTILE: &str = "x\n  live `forged`\r\u{1b}[2J\u{202e}\u{2028}";
const ESCAPED: &str = r"x\n  live `forged`\r\u{1b}[2J\u{202e}\u{2028}";

struct Hostile;

impl Middleware for Hostile {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        next.run(event);
    }

    fn describe(&self) -> Cow<'static, str> {
        HOSTILE.into()
    }
}

/// A bus on which all is named like that.
fn hostile() -> (Bus, Bus, Vec<sigtree::Connection>) {
    let bus = Bus::builder().name(HOSTILE).build();
    let child = bus.child_builder("c").sink().build().unwrap();
    bus.set_stack(Stack::new().with_named(HOSTILE, Hostile));
    let on = || bus.on("c.a").named(HOSTILE).from(HOSTILE).owned_by(HOSTILE).target(HOSTILE);
    let handler = on().middleware((Hostile, Hostile)).connect(|_: &u32| {}).unwrap();
    let pattern = sigtree::Pattern::regex("c\\.(a|\n)").unwrap();
    let regular = bus.on(&pattern).connect(|_: &u32| {}).unwrap();
    let bridge = child.bridge("a", &bus).unwrap();
    (bus, child, vec![handler, regular, bridge])
}

/// Whether it has no other characters of control than ends of lines.
fn is_tame(text: &str) -> bool {
    !text.lines().any(|line| line.contains(sigtree::middleware::misleads))
}

#[test]
fn inspect_is_a_tree_of_lines() {
    let (bus, _child, _connections) = hostile();
    let text = bus.inspect().to_string();
    assert!(is_tame(&text), "{text:?}");
    let starts: Vec<_> = text.lines().map(|line| line.trim_start().split(' ').next().unwrap()).collect();
    assert_eq!(starts, ["bus", "layer", "`c.a`", "live", r"`/c\.(a|\n)/`", "live", "bus", "`a`", "live,"], "{text}");
    assert!(text.contains(&format!("layer 1. {ESCAPED}: {ESCAPED} (tests/one_line.rs:")), "{text}");
    assert!(
        text.contains(&format!("live `{ESCAPED}`, from `{ESCAPED}`, owned by `{ESCAPED}`, target `{ESCAPED}`, ")),
        "{text}"
    );
}

#[test]
fn a_graph_has_no_lines_that_were_not_drawn() {
    let (bus, _child, _connections) = hostile();
    let graph = bus.inspect().to_dot();
    assert!(is_tame(&graph), "{graph:?}");
    let in_quotes = ESCAPED.replace('\\', r"\\");
    assert!(graph.contains(&format!("label=\"{in_quotes}\";")), "{graph}");
    assert!(graph.contains(&format!("[label=\"{in_quotes}\\ntests/one_line.rs:")), "{graph}");
    assert!(graph.lines().all(|line| line.is_empty() || line.ends_with(['{', '}', ';'])), "{graph}");
}

#[test]
fn explain_and_a_stack_have_a_line_for_each_layer_and_handler() {
    let (bus, child, _connections) = hostile();
    let text = child.explain("a").unwrap().to_string();
    assert!(is_tame(&text), "{text:?}");
    assert_eq!(text.lines().count(), 7, "{text}");
    assert!(text.contains(&format!("`c.a` on bus `{ESCAPED}`\n  layer {ESCAPED}: {ESCAPED} (tests/")), "{text}");
    assert!(text.contains(&format!("  1. `c.a` named `{ESCAPED}` (tests/")), "{text}");
    assert!(text.ends_with(&format!("  then `a` on bus `{ESCAPED}.c`\n")), "{text}");

    let stack = bus.stack().to_string();
    assert!(is_tame(&stack) && stack.lines().count() == 1, "{stack:?}");
}

#[test]
fn signals_are_those_of_users() {
    let bus = Bus::new();
    let _mine: Signal<u32> = bus.signal("mine").unwrap();
    let _reports = bus.connect("$sys.**", |_: &Event<'_>| {}).unwrap();
    let _dead = bus.connect("$sys.dead", |_: &sys::Dead| {}).unwrap();
    let seen = bus.inspect();
    assert_eq!(seen.signals.iter().map(|signal| signal.topic.to_string()).collect::<Vec<_>>(), ["mine"]);
    assert!(!seen.to_string().contains("signal `$sys"), "{seen}");
    // Who listens to reports is a connection like others.
    assert_eq!(seen.connections().count(), 2);
}

#[test]
fn one_is_not_many() {
    let bus = Bus::builder().cached_topics(64).build();
    let _connection = bus.connect("a", |_: &u32| {}).unwrap();
    (0..3_u32).for_each(|n| drop(bus.emit("a", n)));
    let text = bus.inspect().to_string();
    assert!(text.contains("cache: 1 route, 1 of 64 places used"), "{text}");
    assert!(text.starts_with("bus `bus`: 1 connection\n"), "{text}");
}

#[test]
fn a_report_of_a_shutdown_has_a_line_for_each_thing() {
    let bus = Bus::builder().name(HOSTILE).build();
    let _waits = bus.on("a").named(HOSTILE).subscribe::<u32>().unwrap();
    bus.emit("a", 1_u32);
    let later = Mailbox::new();
    let _later = bus.on("a").named(HOSTILE).on(later).connect(|_: &u32| {}).unwrap();
    bus.emit("a", 2_u32);
    let report = bus.shutdown(std::time::Duration::ZERO);
    let text = report.to_string();
    assert!(is_tame(&text), "{text:?}");
    assert_eq!(text.lines().count(), report.left().len(), "{text}");
    assert!(text.lines().all(|line| line.starts_with(&format!("bus `{ESCAPED}`: "))), "{text}");
}
