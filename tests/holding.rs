//! A layer may take an event out of its chain and let it go on later: behind itself, as the event it was, and never lost.

mod support;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{Batch, Correlation, Counters, Debounce, FlowStats, Inspect, Latest, Timeout};
use sigtree::{Bus, Event, Filter, History, ManualClock, Middleware, Next, Scoped, Stack, Topic, sys};
use support::Recorder;
use support::hold::Hold;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_event_goes_on_behind_the_layer_that_held_it_as_the_event_it_was() {
    let seen = Recorder::new();
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let list = seen.clone();
    let _handler = bus.connect("a", move |n: &u32, event: &Event<'_>| {
        list.note(format_args!(
            "{n} {} {:?} {:?}",
            event.id().to_bits() != 0,
            event.offset(),
            event.source().map(ToString::to_string)
        ));
    });
    let ids = Arc::new(Mutex::new(Vec::new()));
    let note_id = |list: &Arc<Mutex<Vec<u128>>>| {
        let list = list.clone();
        move |event: &Event<'_>, next: Next<'_>| {
            list.lock().push(event.id().to_bits());
            next.run(event);
        }
    };
    bus.set_stack(
        Stack::new()
            .with(seen.layer("before"))
            .with(note_id(&ids))
            .with(Hold::new())
            .with(note_id(&ids))
            .with(seen.layer("behind")),
    );
    let delivery = bus.event("a").source("me").emit(7_u32);
    assert!(delivery.is_held());
    assert_eq!((delivery.called(), delivery.filtered(), delivery.is_stopped()), (0, None, false));
    assert_eq!(seen.take(), ["before"]);
    clock.advance(Duration::from_secs(4));
    assert_eq!(seen.take(), [""; 0]);
    clock.advance(Duration::from_secs(2));
    assert_eq!(seen.take(), ["behind", "7 true 0ns Some(\"me\")"]);
    let ids = ids.lock();
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn it_finds_its_way_wherever_the_layer_stands() {
    let topic = "a";
    let plain = |_: &Event<'_>| true;
    let stacks: [(&str, Stack); 6] = [
        ("first", Stack::new().with(Hold::new()).with(Filter::new(plain))),
        ("in a tuple", Stack::new().with((Filter::new(plain), Hold::new(), Filter::new(plain)))),
        ("first of a tuple", Stack::new().with((Hold::new(), Filter::new(plain)))),
        (
            "in a tuple of tuples",
            Stack::new().with(((Filter::new(plain), (Filter::new(plain), Hold::new())), Filter::new(plain))),
        ),
        ("in a stack", Stack::new().with(Filter::new(plain)).with(Stack::new().with(Some(Arc::new(Hold::new()))))),
        ("scoped", Stack::new().with(Scoped::new("a", Hold::new()).unwrap())),
    ];
    for (what, stack) in stacks {
        let seen = Recorder::new();
        let bus = Bus::new();
        let _handler = bus.connect("**", seen.events()).unwrap();
        let stack = Stack::new().with(seen.layer("before")).and(&stack).with(seen.layer("behind"));
        bus.set_stack(stack);
        assert!(bus.emit(topic, 1_u32).is_held(), "{what}");
        assert_eq!(seen.take(), ["before"], "{what}");
        bus.flush();
        assert_eq!(seen.take(), ["behind", "a 1"], "{what}");
    }
}

#[test]
fn it_finds_its_way_to_a_layer_of_topics_that_it_left_within() {
    let to = Topic::new("b").unwrap();
    let redirect = move |event: &Event<'_>, next: Next<'_>| next.redirect(event, &to);
    let seen = Recorder::new();
    let inner = seen.layer("inner");
    let stacks: [(&str, Stack); 3] = [
        ("a tuple", Stack::new().with(Scoped::new("a", (redirect.clone(), Hold::new(), inner.clone())).unwrap())),
        (
            "a stack",
            Stack::new().with(
                Scoped::new("a", Stack::new().with(redirect.clone()).with(Hold::new()).with(inner.clone())).unwrap(),
            ),
        ),
        (
            "a scope in a tuple",
            Stack::new().with((
                Filter::new(|_: &Event<'_>| true),
                Scoped::new("a", (redirect.clone(), Hold::new(), inner)).unwrap(),
            )),
        ),
    ];
    for (what, stack) in stacks {
        let bus = Bus::new();
        let _handler = bus.connect("**", seen.events()).unwrap();
        bus.set_stack(stack.with(seen.layer("behind")));
        assert!(bus.emit("a", 1_u32).is_held(), "{what}");
        bus.flush();
        assert_eq!(seen.take(), ["inner", "behind", "b 1"], "{what}");
    }
}

#[test]
fn two_layers_may_hold_it_one_after_the_other() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _handler = bus.connect("a", seen.events()).unwrap();
    let (first, second) = (Hold::new(), Hold::new());
    bus.set_stack(Stack::new().with(first.clone()).with(seen.layer("between")).with(second.clone()));
    bus.emit("a", 1_u32);
    first.flush();
    assert_eq!(seen.take(), ["between"]);
    second.flush();
    assert_eq!(seen.take(), ["a 1"]);
}

#[test]
fn nothing_is_lost_when_the_stack_is_swapped_or_the_bus_dropped() {
    let seen = Recorder::new();
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    bus.connect("a", seen.events()).unwrap().detach();
    bus.set_stack(Stack::new().with(Hold::new()).with(seen.layer("behind")));
    bus.emit("a", 1_u32);
    drop(bus.set_stack(Stack::new().with(seen.layer("new"))));
    // Its layer is gone, and the new ones are not behind it.
    assert_eq!(seen.take(), ["behind", "a 1"]);

    bus.set_stack(Stack::new().with(Hold::new()));
    bus.emit("a", 2_u32);
    let weak = bus.downgrade();
    drop(bus);
    assert!(weak.upgrade().is_some(), "what is held keeps the bus");
    clock.advance(Duration::from_secs(5));
    assert_eq!(seen.take(), ["a 2"]);
    assert!(weak.upgrade().is_none());
}

#[test]
fn on_a_connection_only_that_handler_waits() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let held = bus
        .on("a")
        .filter(|event| event.payload() != Some(&9_u32))
        .once()
        .middleware(Hold::new())
        .connect(seen.labelled("held"))
        .unwrap();
    let _other = bus.connect("a", seen.labelled("other")).unwrap();
    assert_eq!(bus.emit("a", 9_u32).called(), 1);
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.is_held()), (1, true));
    assert_eq!(seen.take(), ["other: a 9", "other: a 1"]);
    bus.flush();
    assert_eq!(seen.take(), ["held: a 1"]);
    assert!(!held.is_connected());

    let gone = bus.on("a").middleware(Hold::new()).connect(seen.labelled("gone")).unwrap();
    bus.emit("a", 2_u32);
    seen.take();
    drop(gone);
    bus.flush();
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn it_bubbles_when_it_goes_on_and_may_be_held_again_above() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    let _own = child.connect("a", seen.labelled("own")).unwrap();
    let _above = parent.connect("**", seen.labelled("above")).unwrap();
    child.layer(Hold::new());
    parent.layer(Hold::new());
    child.emit("a", 1_u32);
    child.flush();
    assert_eq!(seen.take(), ["own: a 1"]);
    parent.flush();
    assert_eq!(seen.take(), ["above: c.a 1"]);
}

#[test]
fn a_redirected_event_stays_redirected_and_a_circle_stays_broken() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let _original = bus.connect("a", seen.labelled("original")).unwrap();
    let _other = bus.connect("b", seen.labelled("redirected")).unwrap();
    let to = Topic::new("b").unwrap();
    let redirect = move |event: &Event<'_>, next: Next<'_>| next.redirect(event, &to);
    bus.set_stack(Stack::new().with(redirect).with(Hold::new()));
    bus.emit("a", 1_u32);
    bus.flush();
    assert_eq!(seen.take(), ["redirected: b 1"]);

    let (here, there) = (Bus::new(), Bus::new());
    let _to = here.bridge("**", &there).unwrap();
    let _back = there.bridge("**", &here).unwrap();
    let _seen = here.connect("a", seen.events()).unwrap();
    there.layer(Hold::new());
    here.emit("a", 1_u32);
    for _ in 0..3 {
        there.flush();
    }
    assert_eq!(seen.take(), ["a 1"]);
}

#[test]
fn nothing_is_lost_where_emits_are_as_deep_as_they_may_be() {
    let seen = Recorder::new();
    let bus = Bus::builder().depth_limit(8).build();
    let batch = Batch::new(2, SECOND);
    bus.layer(Scoped::new("row", batch.clone()).unwrap());
    let _rows = bus.connect("row", seen.events()).unwrap();
    let weak = bus.downgrade();
    let _deep = bus.connect("deep", move |n: &u32| {
        let bus = weak.upgrade().unwrap();
        let delivery = if *n < 7 { bus.emit("deep", n + 1) } else { bus.emit("row", 2_u32) };
        assert!(delivery.refusal().is_none());
    });
    bus.emit("row", 1_u32);
    let delivery = bus.emit("deep", 1_u32);
    assert_eq!(delivery.failed(), 0);
    assert_eq!(seen.take(), ["row 1", "row 2"]);
    assert_eq!((batch.stats().passed, batch.stats().held), (2, 0));
}

#[test]
fn a_late_connection_gets_it_from_the_past_or_from_the_layer_but_once() {
    for (what, stack) in [
        ("history first", (|history, hold| Stack::new().with(history).with(hold)) as fn(History, Hold) -> Stack),
        ("history behind", |history, hold| Stack::new().with(hold).with(history)),
    ] {
        let seen = Recorder::new();
        let bus = Bus::new();
        let history = History::new();
        bus.set_stack(stack(history.clone(), Hold::new()));
        bus.emit("n", 1_u32);
        let _late = bus.on("n").replay_last(&history, 10).connect(seen.labelled("late")).unwrap();
        bus.flush();
        bus.emit("n", 2_u32);
        bus.flush();
        let numbers: Vec<_> = seen.take().iter().map(|line| line.replace('*', "")).collect();
        assert_eq!(numbers, ["late: n 1", "late: n 2"], "{what}");
    }
}

#[test]
fn it_meets_the_layers_that_stood_behind_the_one_that_left() {
    let refusing = || Filter::new(|_: &Event<'_>| false).reason("refused");
    type Edit = fn(&Bus) -> Stack;
    let edits: [(&str, Edit); 4] = [
        ("without", |bus| bus.edit_stack(|stack| stack.without("hold")).unwrap()),
        ("replaced", |bus| bus.edit_stack(|stack| stack.with_replaced("hold", Hold::new())).unwrap()),
        ("emptied", |bus| bus.set_stack(Stack::new())),
        ("another", |bus| bus.set_stack(Stack::new().with_named("hold", Hold::new()))),
    ];
    for (what, edit) in edits {
        let seen = Recorder::new();
        let bus = Bus::new();
        let _handler = bus.connect("a", seen.events()).unwrap();
        let counters = Counters::new();
        bus.set_stack(
            Stack::new()
                .with(seen.layer("before"))
                .with(counters.clone())
                .with_named("hold", Hold::new())
                .with(seen.layer("behind"))
                .with(refusing()),
        );
        bus.emit("a", 1_u32);
        edit(&bus);
        assert_eq!(seen.take(), ["before", "behind"], "{what}");
        let all = counters.snapshot().all;
        assert_eq!((all.emitted, all.filtered), (1, 1), "{what}: the layer around it is still there");
    }
}

#[test]
fn what_is_on_its_way_meets_them_though_a_handler_takes_the_layer_out() {
    let seen = Recorder::new();
    let bus = Bus::new();
    bus.set_stack(Stack::new().with_named("batch", Batch::new(3, SECOND)).with(Filter::payload(|n: &u32| n % 2 == 1)));
    let (list, weak) = (seen.clone(), bus.downgrade());
    let _handler = bus.connect("a", move |n: &u32| {
        list.note(n);
        // Only the first one finds it.
        let _ = weak.upgrade().unwrap().edit_stack(|stack| stack.without("batch"));
    });
    (1..=3_u32).for_each(|n| drop(bus.emit("a", n)));
    assert_eq!(seen.take(), ["1", "3"]);
}

#[test]
fn a_piece_that_stays_keeps_what_it_holds() {
    let bus = Bus::new();
    let pieces = (Debounce::new(SECOND), Latest::new(SECOND), Batch::new(9, SECOND));
    let held = || [pieces.0.stats(), pieces.1.stats(), pieces.2.stats()].map(|stats: FlowStats| stats.held);
    let scoped = |topic, piece: Arc<dyn Middleware>| Scoped::new(topic, piece).unwrap();
    let all = || -> [Scoped<Arc<dyn Middleware>>; 3] {
        [
            scoped("a", Arc::new(pieces.0.clone())),
            scoped("b", Arc::new(pieces.1.clone())),
            scoped("c", Arc::new(pieces.2.clone())),
        ]
    };
    bus.set_stack(all().into_iter().collect());
    for topic in ["a", "b", "b", "c"] {
        bus.emit(topic, 1_u32);
    }
    assert_eq!(held(), [1, 1, 1]);
    let [a, b, c] = all();
    bus.set_stack(Stack::new().with((Inspect::new(|_: &Event<'_>| {}), a)).with(Stack::new().with(Some(b))).with(c));
    assert_eq!(held(), [1, 1, 1]);
    let [a, _, _] = all();
    bus.set_stack(Stack::new().with(a));
    assert_eq!(held(), [1, 0, 0]);
}

#[test]
fn that_a_connection_or_a_child_holds_it_says_nothing_of_the_bus() {
    let reports = Recorder::new();
    let (parent, counters) = (Bus::new(), Counters::new());
    let child = parent.child("c").unwrap();
    parent.set_stack(Stack::new().with(counters.clone()).with(Filter::new(|_: &Event<'_>| false).reason("no")));
    let list = reports.clone();
    let _reports = parent.connect("$sys.filtered", move |report: &sys::Filtered| list.note(&report.topic)).unwrap();
    let _held = child.on("a").middleware(Hold::new()).connect(|_: &u32| {}).unwrap();
    let around = Counters::new();
    let refused = Stack::new().with(around.clone()).with(Filter::new(|_: &Event<'_>| false));
    let _refused = child.on("a").middleware(refused).connect(|_: &u32| {}).unwrap();
    let delivery = child.emit("a", 1_u32);
    assert!(delivery.is_held(), "by one of them");
    assert_eq!(reports.take(), ["c.a"]);
    assert_eq!((counters.snapshot().all.filtered, around.snapshot().all.filtered), (1, 1));
}

#[test]
fn a_muted_pattern_is_silent_also_for_what_was_held_around_a_connection() {
    let seen = Recorder::new();
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let debounce = Debounce::new(SECOND);
    let _handler = bus.on("a").middleware(debounce.clone()).connect(seen.events()).unwrap();
    bus.emit("a", 1_u32);
    let mute = bus.mute("**").unwrap();
    clock.advance(SECOND);
    assert_eq!(seen.take(), [""; 0]);
    assert_eq!((debounce.stats().passed, debounce.stats().dropped), (0, 1));

    let history = History::new();
    bus.layer(history.clone());
    bus.emit("b", 1_u32);
    let _late = bus.on("b").replay_last(&history, 1).connect(seen.events()).unwrap();
    drop(mute);
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn what_nobody_waits_for_any_more_is_not_counted_as_passed() {
    let bus = Bus::new();
    let (debounce, latest, batch) = (Debounce::new(SECOND), Latest::new(SECOND), Batch::new(9, SECOND));
    let connections = [
        bus.on("n").middleware(debounce.clone()).connect(|_: &u32| {}).unwrap(),
        bus.on("n").middleware(latest.clone()).connect(|_: &u32| {}).unwrap(),
        bus.on("n").middleware(batch.clone()).connect(|_: &u32| {}).unwrap(),
    ];
    bus.emit("n", 1_u32);
    bus.emit("n", 2_u32);
    drop(connections);
    debounce.flush();
    latest.flush();
    batch.flush();
    let books = |stats: FlowStats| (stats.passed, stats.dropped, stats.held);
    assert_eq!([debounce.stats(), latest.stats(), batch.stats()].map(books), [(0, 2, 0), (1, 1, 0), (0, 2, 0)]);
}

#[test]
fn what_its_handlers_emit_is_tied_to_it_wherever_it_was_held() {
    let seen = Recorder::new();
    let parent = Bus::new();
    let child = parent.child("c").unwrap();
    child.layer(Correlation::new());
    let list = seen.clone();
    let _effects = child.connect("effect", move |cause: &u128, event: &Event<'_>| {
        list.note(event.causation().map(sigtree::EventId::to_bits) == Some(*cause));
    });
    let weak = child.downgrade();
    let _handler = parent.connect("c.a", move |_: &u32, event: &Event<'_>| {
        weak.upgrade().unwrap().emit("effect", event.id().to_bits());
    });
    child.emit("a", 1_u32);
    assert_eq!(seen.take(), ["true"]);
    parent.layer(Scoped::new("c.a", Hold::new()).unwrap());
    child.emit("a", 2_u32);
    // Who happens to flush is not what led to it.
    let weak = parent.downgrade();
    let _flushing = child.connect("flush", move |_: &u32| weak.upgrade().unwrap().flush()).unwrap();
    child.emit("flush", 3_u32);
    assert_eq!(seen.take(), ["true"]);
}

#[test]
fn its_deadline_is_kept_in_the_time_of_the_bus_where_it_goes_on() {
    let seen = Recorder::new();
    let (here_clock, there_clock) = (ManualClock::new(), ManualClock::new());
    let here = Bus::builder().clock(here_clock.clone()).build();
    let there = Bus::builder().clock(there_clock.clone()).build();
    here_clock.advance(100 * SECOND);
    here.layer(Timeout::new(10 * SECOND));
    let _bridge = here.bridge("**", &there).unwrap();
    let list = seen.clone();
    let _handler =
        there.connect("n", move |_: &u32, event: &Event<'_>| list.note(event.time_left().unwrap().as_secs()));
    there.layer(Hold::new());
    here.emit("n", 1_u32);
    there_clock.advance(3 * SECOND);
    there.flush();
    assert_eq!(seen.take(), ["7"]);
}

#[test]
fn each_event_is_in_one_of_the_books_also_while_handlers_see_it() {
    type Stats = Box<dyn Fn() -> FlowStats + Send + Sync>;
    let (debounce, latest, batch) = (Debounce::new(SECOND), Latest::new(SECOND), Batch::new(2, SECOND));
    let layers: [(Stack, Stats, &[&str]); 3] = [
        (Stack::new().with(debounce.clone()), Box::new(move || debounce.stats()), &["1 passed, 1 dropped, 0 held"]),
        (
            Stack::new().with(latest.clone()),
            Box::new(move || latest.stats()),
            &["1 passed, 0 dropped, 0 held", "2 passed, 0 dropped, 0 held"],
        ),
        (
            Stack::new().with(batch.clone()),
            Box::new(move || batch.stats()),
            &["1 passed, 0 dropped, 1 held", "2 passed, 0 dropped, 0 held"],
        ),
    ];
    for (stack, stats, books) in layers {
        let (bus, seen) = (Bus::builder().clock(ManualClock::new()).build(), Recorder::new());
        bus.set_stack(stack);
        let list = seen.clone();
        let _handler = bus.connect("a", move |_: &u32| {
            let FlowStats { passed, dropped, held, .. } = stats();
            list.note(format_args!("{passed} passed, {dropped} dropped, {held} held"));
        });
        (0..2_u32).for_each(|n| drop(bus.emit("a", n)));
        bus.flush();
        assert_eq!(seen.take(), books);
    }
}

#[test]
fn what_cannot_be_kept_does_not_wait_for_what_is_on_its_way() {
    for layer in [
        Arc::new(Debounce::new(SECOND)) as Arc<dyn Middleware>,
        Arc::new(Latest::new(SECOND)),
        Arc::new(Batch::new(1, SECOND)),
    ] {
        let (bus, seen) = (Bus::builder().clock(ManualClock::new()).build(), Recorder::new());
        bus.layer(layer);
        let signal = bus.signal::<u32>("a").unwrap();
        let (inside, list) = (bus.downgrade(), seen.clone());
        let _handler = bus.connect("a", move |n: &u32| {
            // What a query asks about is only lent.
            let signal = inside.upgrade().unwrap().signal::<u32>("a").unwrap();
            signal.query::<()>(&(n + 1)).for_each(drop);
            list.note(n);
        });
        let list = seen.clone();
        let _answers = bus.on("a").answer(move |n: &u32| list.note(n)).unwrap();
        signal.emit(1);
        bus.flush();
        assert_eq!(seen.take(), ["2", "1"]);
    }
}

#[test]
fn a_batch_in_the_clock_s_thread_can_be_outrun_by_one_emitter() {
    let (bus, batch) = (Bus::new(), Batch::new(10, SECOND / 1_000).room(2));
    bus.layer(batch.clone());
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let channels = Mutex::new((begun, may_go_on));
    let _slow = bus.connect("a", move |n: &u32| {
        let (begun, may_go_on) = &*channels.lock();
        begun.send(*n).unwrap();
        may_go_on.recv().unwrap();
    });
    let next = || has_begun.recv_timeout(SECOND * 60).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(next(), 1);
    assert!(bus.emit("a", 2_u32).is_held());
    assert_eq!(bus.emit("a", 3_u32).filtered(), Some("batch is full"));
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    assert_eq!((next(), batch.stats().dropped), (2, 1));
}
