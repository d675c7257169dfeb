//! `Bus::explain` and a printed `Stack` tell what an event meets, in order, with call sites, conditions and mutes.

use std::panic::Location;
use std::sync::Arc;

use sigtree::{Bus, Event, Filter, Policy, Receiver, Scoped, Stack, Trace};

/// The place of the line before the call, as it is printed.
#[track_caller]
fn line_before() -> String {
    let here = Location::caller();
    format!("({}:{})", here.file(), here.line() - 1)
}

/// What is explained, a line each.
fn explained(bus: &Bus, topic: &str) -> Vec<String> {
    bus.explain(topic).unwrap().to_string().lines().map(str::to_owned).collect()
}

struct Screen;

impl Screen {
    fn show(&self, _: &u32) {}
}

#[test]
fn layers_and_handlers_stand_in_order_with_their_call_sites() {
    let bus = Bus::new();
    bus.layer(Trace::new());
    let trace = line_before();
    bus.edit_stack(|stack| Ok::<_, ()>(stack.clone().with_named("quiet", Filter::new(|_: &Event<'_>| true)))).unwrap();
    let quiet = line_before();
    bus.layer(Scoped::new("elsewhere", Trace::new()).unwrap());
    let _all = bus.connect("**", |_: &Event<'_>| {}).unwrap();
    let all = line_before();
    let _exact = bus.connect("a.b", |_: &Event<'_>| {}).unwrap();
    let exact = line_before();
    let _first = bus.on("a.*").priority(5).named("first").connect(|_: &Event<'_>| {}).unwrap();
    let first = line_before();
    assert_eq!(
        explained(&bus, "a.b"),
        [
            "`a.b` on bus `bus`".to_owned(),
            format!("  layer trace at TRACE {trace}"),
            format!("  layer quiet: filter, else `filtered` {quiet}"),
            format!("  1. `a.*` named `first`, priority 5 {first}"),
            format!("  2. `a.b` {exact}"),
            format!("  3. `**` {all}"),
        ]
    );
}

#[test]
fn a_handler_tells_its_conditions() {
    let bus = Bus::builder().name("site").build();
    let _once = bus.on("a").once().connect(|_: &u32| {}).unwrap();
    let once = line_before();
    let _times = bus.on("a").times(3).until(|_| false).filter(|_| true).connect(|_: &u32| {}).unwrap();
    let times = line_before();
    let _tied =
        bus.on("a").from("radar").from("sonar").owned_by("screen").target("x").keeps().connect(|_: &u32| {}).unwrap();
    let tied = line_before();
    let layered = bus.on("a").policy(Policy::FailFast).middleware(Trace::new());
    let inside = line_before();
    let _layered = layered.connect(|_: &u32| {}).unwrap();
    let outside = line_before();
    bus.event("a").source("radar").emit(1_u32);
    assert_eq!(
        explained(&bus, "a"),
        [
            "`a` on bus `site`".to_owned(),
            format!("  1. `a` {times}, 2 of 3 times left, until, filter"),
            format!("  2. `a` {tied}, from `radar` or `sonar`, owned by `screen`, target `x`, keeps"),
            format!("  3. `a` {outside}, policy FailFast, inside trace at TRACE {inside}"),
        ]
    );
    assert!(!explained(&bus, "a").concat().contains(&once), "it was called once, and is gone");
    let _again = bus.on("b").once().connect(|_: &u32| {}).unwrap();
    let again = line_before();
    assert_eq!(explained(&bus, "b")[1], format!("  1. `b` {again}, once"));
}

#[test]
fn receivers_bridges_sinks_and_mutes_are_told() {
    let (bus, archive) = (Bus::new(), Bus::builder().name("archive").build());
    let weak = Arc::new(Screen);
    bus.connect_weak("c.a", &weak, Screen::show).unwrap();
    let weakly = line_before();
    let receiver = Receiver::new(Screen);
    receiver.connect(&bus, "c.a", Screen::show).unwrap();
    let shared = line_before();
    let _bridge = bus.bridge("c.a", &archive).unwrap();
    let plain = line_before();
    let _under = bus.bridge_under("c.a", &archive, "x").unwrap();
    let under = line_before();
    let muted = bus.connect("c.a", |_: &u32| {}).unwrap();
    let silent = line_before();
    let _silence = (muted.mute(), bus.mute("c.*").unwrap(), bus.mute("d").unwrap());
    let child = bus.child_builder("c").sink().build().unwrap();
    let screen = std::any::type_name::<Screen>();
    assert_eq!(
        explained(&bus, "c.a"),
        [
            "`c.a` on bus `bus`".to_owned(),
            "  handlers muted by `c.*`".to_owned(),
            format!("  1. `c.a` {weakly}, weak receiver `{screen}`"),
            format!("  2. `c.a` {shared}, receiver `{screen}`"),
            format!("  3. `c.a` {plain}, bridge to `archive`"),
            format!("  4. `c.a` {under}, bridge to `archive` under `x`"),
            format!("  5. `c.a` {silent}, muted"),
            "  then `a` on bus `bus.c`".to_owned(),
        ]
    );
    assert_eq!(explained(&child, "a")[..3], ["`a` on bus `bus.c`", "  no handlers", "`c.a` on bus `bus`"]);
    drop((weak, archive));
    let gone = explained(&bus, "c.a");
    assert!(gone[2].ends_with(", gone"), "{gone:?}");
    assert!(gone[4].ends_with("bridge to a bus that is gone, gone"), "{gone:?}");
}

#[test]
fn reports_meet_no_layers_and_keep_their_name_on_the_way_up() {
    let bus = Bus::new();
    let child = bus.child("c").unwrap();
    child.layer(Trace::new());
    let _dead = bus.connect("$sys.dead", |_: &Event<'_>| {}).unwrap();
    let dead = line_before();
    assert_eq!(
        explained(&child, "$sys.dead"),
        [
            "`$sys.dead` on bus `bus.c`".to_owned(),
            "  no handlers".to_owned(),
            "`$sys.dead` on bus `bus`".to_owned(),
            format!("  1. `$sys.dead` {dead}"),
        ]
    );
}

#[test]
fn a_stack_prints_its_layers_in_order_with_names_and_call_sites() {
    let stack = Stack::new().with(Trace::new());
    let trace = line_before();
    let stack = stack.with_before("none", "x", Trace::new()).unwrap_or(stack).with_named("last", Trace::new());
    let last = line_before();
    let stack = stack.with_before("last", "middle", Trace::new()).unwrap();
    let middle = line_before();
    assert_eq!(
        stack.to_string(),
        format!("1. trace at TRACE {trace}\n2. middle: trace at TRACE {middle}\n3. last: trace at TRACE {last}\n")
    );
    let collected: Stack = [Trace::new()].into_iter().collect();
    assert_eq!(collected.to_string(), "1. trace at TRACE\n");
}
