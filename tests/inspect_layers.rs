//! `inspect` and `explain` show what layers are in the middle of: how many events they hold, and which circuits are open.

use std::sync::Arc;
use std::time::Duration;

use sigtree::middleware::{Batch, CircuitBreaker, Debounce, Latest};
use sigtree::{Bus, Event, Filter, ManualClock, Scoped, Stack};

const SECOND: Duration = Duration::from_secs(1);

/// A bus on which time stands still, and its clock.
fn bench() -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    (Bus::builder().clock(clock.clone()).build(), clock)
}

/// The layers as `inspect` prints them, without call sites.
fn layers(bus: &Bus) -> Vec<String> {
    let seen = bus.inspect().to_string();
    seen.lines().filter(|line| line.contains("layer ")).map(|line| without_sites(line.trim())).collect()
}

/// The layers as `explain` prints them, without call sites.
fn explained(bus: &Bus, topic: &str) -> Vec<String> {
    let text = bus.explain(topic).unwrap().to_string();
    text.lines().skip(1).map(|line| without_sites(line.trim())).collect()
}

fn without_sites(line: &str) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some((before, behind)) = rest.split_once(" (tests/") {
        text += before;
        rest = behind.split_once(')').unwrap().1;
    }
    text + rest
}

#[test]
fn a_layer_that_is_seen_reads_as_in_its_stack() {
    let bus = Bus::new();
    let unnamed = Stack::new().with(Filter::new(|_: &Event<'_>| true).reason("a\nb"));
    bus.set_stack(
        unnamed.with_named("c\nd", Debounce::new(SECOND)).and(&[Batch::new(2, SECOND)].into_iter().collect()),
    );
    let seen: Vec<_> = bus.inspect().layers.iter().map(ToString::to_string).collect();
    assert_eq!(seen, bus.stack().layers().iter().map(ToString::to_string).collect::<Vec<_>>());
}

#[test]
fn held_events_are_counted_until_they_go_on() {
    let (bus, clock) = bench();
    bus.layer(Debounce::new(SECOND));
    bus.layer(Batch::new(1, SECOND));
    bus.layer(Latest::new(5 * SECOND));
    let _ = ["a", "b", "b", "c"].map(|topic| bus.emit(topic, 1_u32));
    let [debounce, batch, latest] =
        ["debounce until 1s of quiet, per topic", "batch of 1 event or 1s, per topic", "latest in 5s, per topic"];
    assert_eq!(
        layers(&bus),
        [format!("layer 1. {debounce}; holds 3 events"), format!("layer 2. {batch}"), format!("layer 3. {latest}")]
    );
    assert_eq!(explained(&bus, "a")[..2], [format!("layer {debounce}; holds 3 events"), format!("layer {batch}")]);

    clock.advance(SECOND);
    bus.emit("c", 2_u32);
    clock.advance(SECOND);
    assert_eq!(layers(&bus)[0], format!("layer 1. {debounce}"));
    assert_eq!(layers(&bus)[2], format!("layer 3. {latest}; holds 1 event"));
    assert_eq!(bus.inspect().layers.iter().map(|layer| layer.held).collect::<Vec<_>>(), [0, 0, 1]);
    bus.flush();
    assert_eq!(bus.inspect().layers[2].held, 0);
}

#[test]
fn layers_within_layers_and_around_one_handler_are_asked_too() {
    let (bus, _clock) = bench();
    let held = || Debounce::new(SECOND);
    let all = |_: &Event<'_>| true;
    bus.set_stack(
        Stack::new()
            .with(Scoped::new("a", Some(held())).unwrap())
            .with(Stack::new().with(Scoped::new("b", Arc::new(held())).unwrap()))
            .with((Filter::new(all), Scoped::new("c", held()).unwrap(), Scoped::new("d", held()).unwrap())),
    );
    let _own = bus.on("e").middleware(held()).connect(|_: &u32| {}).unwrap();
    let _ = ["a", "b", "c", "d", "e"].map(|topic| bus.emit(topic, 1_u32));
    let seen = bus.inspect();
    assert_eq!(seen.layers.iter().map(|layer| layer.held).collect::<Vec<_>>(), [1, 1, 2]);
    let own = "inside debounce until 1s of quiet, per topic; holds 1 event";
    assert_eq!(without_sites(&seen.patterns[0].connections[0].conditions[0]), own);
    assert!(explained(&bus, "e").last().unwrap().ends_with(own));
    assert!(seen.to_dot().contains("; holds 2 events"), "{}", seen.to_dot());
    assert!(seen.to_dot().contains("; holds 1 event\""), "{}", seen.to_dot());
}

#[test]
fn circuits_tell_whether_they_are_closed_open_or_half_open_and_since_when() {
    let (bus, clock) = bench();
    bus.layer(CircuitBreaker::consecutive(1).open_for(30 * SECOND).trials(2));
    let _mail = bus.on("mail").named("smtp").connect(|n: &u32| if *n < 9 { Err("down") } else { Ok(()) }).unwrap();
    let what = "circuit breaker per connection, open for 30s after 1 failure in a row";
    let state = || layers(&bus)[0].strip_prefix(&format!("layer 1. {what}; ")).unwrap().to_owned();
    assert_eq!(state(), "all circuits closed");
    bus.emit("mail", 9_u32);
    assert_eq!(state(), "all circuits closed");

    clock.advance(2 * SECOND);
    bus.emit("mail", 1_u32);
    assert_eq!(state(), "`mail` named `smtp` open for 0ns, a trial in 30s");
    clock.advance(4 * SECOND);
    assert_eq!(state(), "`mail` named `smtp` open for 4s, a trial in 26s");
    assert_eq!(explained(&bus, "mail")[0], format!("layer {what}; {}", state()));
    clock.advance(36 * SECOND);
    assert_eq!(state(), "`mail` named `smtp` open for 40s, a trial with the next event");
    bus.emit("mail", 9_u32);
    clock.advance(SECOND);
    assert_eq!(state(), "`mail` named `smtp` half-open for 1s, not closed for 41s");
    bus.emit("mail", 9_u32);
    assert_eq!(state(), "all circuits closed");
}

#[test]
fn trials_that_fail_do_not_make_an_outage_look_shorter() {
    let (bus, clock) = bench();
    bus.layer(CircuitBreaker::consecutive(1).per_pattern().open_for(10 * SECOND));
    let _mail = bus.connect("mail", |n: &u32| if *n < 9 { Err("down") } else { Ok(()) }).unwrap();
    let emit_after = |pause, n: u32| {
        clock.advance(pause);
        bus.emit("mail", n);
        bus.inspect().layers[0].notes[0].to_string()
    };
    assert_eq!(emit_after(5 * SECOND, 1), "`mail` open for 0ns, a trial in 10s");
    let seen = [(); 4].map(|()| emit_after(10 * SECOND, 1));
    assert_eq!(seen[3], "`mail` open for 40s, a trial in 10s");
    assert_eq!(emit_after(10 * SECOND, 9), "all circuits closed");
    assert_eq!(emit_after(SECOND, 1), "`mail` open for 0ns, a trial in 10s");
}

#[test]
fn of_many_circuits_the_first_are_told() {
    let (bus, _clock) = bench();
    bus.layer(CircuitBreaker::consecutive(1).per_pattern().open_for(Duration::MAX));
    let topics: Vec<_> = (10..22).map(|n| format!("t{n}")).collect();
    let _bad: Vec<_> = topics.iter().map(|topic| bus.connect(topic, |_: &u32| Err("down")).unwrap()).collect();
    topics.iter().for_each(|topic| drop(bus.emit(topic, 1_u32)));
    let notes = &bus.inspect().layers[0].notes;
    assert_eq!(notes.len(), 9);
    assert_eq!(
        (&*notes[0], &*notes[7], &*notes[8]),
        ("`t10` open for 0ns, for good", "`t17` open for 0ns, for good", "4 more not closed")
    );
}

#[cfg(feature = "serde")]
#[test]
fn it_serializes() {
    let (bus, _clock) = bench();
    bus.set_stack(Stack::new().with(Debounce::new(SECOND)).with(CircuitBreaker::consecutive(1)));
    bus.emit("a", 1_u32);
    let json = serde_json::to_value(bus.inspect()).unwrap();
    assert_eq!((&json["layers"][0]["held"], &json["layers"][1]["held"]), (&1.into(), &0.into()));
    assert_eq!(json["layers"][1]["notes"], serde_json::json!(["all circuits closed"]));
}
