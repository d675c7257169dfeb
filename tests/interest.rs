//! A producer is told when the first handler comes and the last one goes, wherever its events would meet one.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use parking_lot::Mutex;
use sigtree::{Bus, Connection, Event, Interest, InterestWatch, Pattern, Signal};
use support::{Recorder, quietly};

/// Writes down what a producer is told.
fn watch(bus: &Bus, pattern: &str, seen: &Recorder) -> InterestWatch {
    let seen = seen.clone();
    bus.on_interest(pattern, move |interest| seen.note(format_args!("{interest:?}"))).unwrap()
}

fn listen(bus: &Bus, pattern: &str) -> Connection {
    bus.connect(pattern, |_: &Event<'_>| {}).unwrap()
}

#[test]
fn the_first_comes_and_the_last_goes() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let watch = watch(&bus, "a", &seen);
    assert!(!watch.is_interested());
    let first = listen(&bus, "a");
    assert_eq!(seen.take(), ["Came"]);
    let second = listen(&bus, "*");
    drop(first);
    assert!(seen.take().is_empty());
    drop(second);
    assert_eq!(seen.take(), ["Gone"]);
    let again = listen(&bus, "a");
    assert_eq!(seen.take(), ["Came"]);
    assert!(watch.is_interested());
    drop(watch);
    drop(again);
    assert!(seen.take().is_empty());
}

#[test]
fn one_who_is_there_already_is_told_of_at_once() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let _there = listen(&bus, "a.**");
    let _watch = watch(&bus, "*.b", &seen);
    assert_eq!(seen.take(), ["Came"]);
}

#[test]
fn patterns_meet_if_they_have_a_topic_in_common() {
    let cases = [
        ("a.b", "a.*", true),
        ("a.*", "*.b", true),
        ("a.*", "a", false),
        ("a.**", "a", true),
        ("**", "$sys.dead", false),
        ("$sys.*", "$sys.dead", true),
        ("a.*.c", "**.b.*", true),
        ("a.*.c", "b.**", false),
    ];
    for (watched, connected, meet) in cases {
        let (seen, bus) = (Recorder::new(), Bus::new());
        let _watch = watch(&bus, watched, &seen);
        let _there = listen(&bus, connected);
        assert_eq!(seen.take().len(), usize::from(meet), "{watched} and {connected}");
    }
    let (seen, bus) = (Recorder::new(), Bus::new());
    let _watch = watch(&bus, "a.*", &seen);
    let list = bus.connect(["b", "*.c"], |_: &Event<'_>| {}).unwrap();
    drop(list);
    let _regex = bus.connect(Pattern::regex(r"a\.[0-9]").unwrap(), |_: &Event<'_>| {}).unwrap();
    let _other = bus.connect(Pattern::regex(r"b\.[0-9]").unwrap(), |_: &Event<'_>| {}).unwrap();
    assert_eq!(seen.take(), ["Came", "Gone", "Came"]);
}

#[test]
fn handlers_above_count_for_a_child_that_bubbles() {
    let (seen, site) = (Recorder::new(), Bus::new());
    let radar = site.child("radar").unwrap();
    let isolated = site.child_builder("sonar").isolated().build().unwrap();
    let _watches = [watch(&radar, "track.*", &seen), watch(&isolated, "track.*", &seen)];
    let not = listen(&site, "track.*");
    let above = listen(&site, "*.track.new");
    assert_eq!(seen.take(), ["Came"]);
    let own = listen(&radar, "track.new");
    drop((not, above));
    assert!(seen.take().is_empty());
    drop(own);
    assert_eq!(seen.take(), ["Gone"]);
}

#[test]
fn handlers_of_children_that_hear_the_bus_count() {
    let (seen, site) = (Recorder::new(), Bus::new());
    let early = site.child_builder("radar").sink().build().unwrap();
    let _watch = watch(&site, "**.new", &seen);
    let late = site.child_builder("sonar").sink().build().unwrap();
    let deep = late.child_builder("deep").sink().build().unwrap();
    let deaf = site.child("deaf").unwrap();
    let _not = listen(&deaf, "new");
    // Reports of a child stay its own.
    let _not = listen(&late, "$sys.connected");
    assert!(seen.take().is_empty());
    for child in [&early, &late, &deep] {
        let there = listen(child, "track.new");
        assert_eq!(seen.take(), ["Came"]);
        drop(there);
        assert_eq!(seen.take(), ["Gone"]);
    }
    // A sink's handlers hear nothing of another child's topics.
    let _there = listen(&early, "track.new");
    let other = Recorder::new();
    let _of_sonar = watch(&site, "sonar.**", &other);
    assert!(other.take().is_empty());
    let _there = listen(&deep, "ping");
    assert_eq!(other.take(), ["Came"]);
}

#[test]
fn a_child_that_ends_takes_its_handlers_with_it() {
    let (seen, site) = (Recorder::new(), Bus::new());
    let radar = site.child_builder("radar").sink().build().unwrap();
    let watch = watch(&site, "radar.track", &seen);
    listen(&radar, "track").detach();
    drop(radar);
    assert_eq!(seen.take(), ["Came", "Gone"]);
    assert!(!watch.is_interested());
}

#[test]
fn reports_are_watched_under_their_own_name() {
    let (seen, site) = (Recorder::new(), Bus::new());
    let radar = site.child("radar").unwrap();
    let _watch = watch(&radar, "$sys.dead", &seen);
    let _other = listen(&site, "radar.**");
    assert!(seen.take().is_empty());
    let _above = listen(&site, "$sys.dead");
    assert_eq!(seen.take(), ["Came"]);
}

#[test]
fn slots_that_end_by_themselves_count_until_they_are_taken_out() {
    struct Screen;
    impl Screen {
        fn show(&self, _: &u32) {}
    }
    let (seen, bus) = (Recorder::new(), Bus::new());
    let _watch = watch(&bus, "a", &seen);
    bus.on("a").once().connect(|_: &u32| {}).unwrap().detach();
    bus.emit("a", 1_u32);
    assert_eq!(seen.take(), ["Came", "Gone"]);
    let screen = Arc::new(Screen);
    bus.connect_weak("a", &screen, Screen::show).unwrap();
    drop(screen);
    assert_eq!(seen.take(), ["Came"]);
    bus.prune();
    assert_eq!(seen.take(), ["Gone"]);
}

#[test]
fn a_producer_may_do_anything_to_its_bus() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let (weak, list) = (bus.downgrade(), seen.clone());
    let own: Arc<Mutex<Option<Connection>>> = Arc::default();
    let kept = own.clone();
    let tell = move |interest| {
        list.note(format_args!("{interest:?}"));
        let bus = weak.upgrade().unwrap();
        if interest == Interest::Came {
            // It becomes a handler itself, emits, and watches something else for a moment.
            *kept.lock() = Some(listen(&bus, "a"));
            list.note(bus.emit("a", 1_u32).called());
            drop(bus.on_interest("b", |_| {}).unwrap());
        }
    };
    let watch = bus.on_interest("a", tell).unwrap();
    let first = listen(&bus, "a");
    assert_eq!(seen.take(), ["Came", "2"]);
    drop(first);
    assert!(watch.is_interested() && seen.take().is_empty());
    let last = own.lock().take();
    drop(last);
    assert_eq!(seen.take(), ["Gone"]);
}

#[test]
fn what_comes_and_goes_while_a_producer_is_told_is_not_told() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let (weak, list) = (bus.downgrade(), seen.clone());
    let tell = move |interest| {
        list.note(format_args!("{interest:?}"));
        if interest == Interest::Gone {
            listen(&weak.upgrade().unwrap(), "a").disconnect();
        }
    };
    let _watch = bus.on_interest("a", tell).unwrap();
    listen(&bus, "a").disconnect();
    assert_eq!(seen.take(), ["Came", "Gone"]);
    let _again = listen(&bus, "a");
    assert_eq!(seen.take(), ["Came"]);
}

#[test]
fn no_lock_is_held_while_a_producer_is_told() {
    let bus = Bus::new();
    let weak = bus.downgrade();
    let tell = move |_| {
        let bus = weak.upgrade().unwrap();
        // Another thread could not connect if this one held the lock.
        thread::spawn(move || listen(&bus, "b").disconnect()).join().unwrap();
    };
    let _watch = bus.on_interest("a", tell).unwrap();
    listen(&bus, "a").disconnect();
}

#[test]
fn a_panic_is_caught_and_counted() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let list = seen.clone();
    let tell = move |interest| {
        list.note(format_args!("{interest:?}"));
        std::panic::panic_any("bad");
    };
    let _watch = bus.on_interest("a", tell).unwrap();
    quietly(|| listen(&bus, "a").disconnect());
    assert_eq!(seen.take(), ["Came", "Gone"]);
    assert_eq!(bus.failures(), 2);
}

#[test]
fn the_guard_frees_what_the_producer_captured() {
    let site = Bus::new();
    let radar = site.child("radar").unwrap();
    let captured = Arc::new(());
    let kept = captured.clone();
    let watch = radar.on_interest("a", move |_| drop(kept.clone())).unwrap();
    assert_eq!(Arc::strong_count(&captured), 2);
    drop(watch);
    assert_eq!(Arc::strong_count(&captured), 1);
}

#[test]
fn a_guard_may_outlive_its_bus() {
    let (seen, bus) = (Recorder::new(), Bus::new());
    let watch = watch(&bus, "a", &seen);
    listen(&bus, "a").detach();
    drop(bus);
    assert_eq!(seen.take(), ["Came", "Gone"]);
    assert!(!watch.is_interested());
}

#[test]
fn a_signal_is_watched_like_its_topic() {
    let (seen, signal) = (Recorder::new(), Signal::<u32>::new());
    let list = seen.clone();
    let _watch = signal.on_interest(move |interest| list.note(format_args!("{interest:?}"))).unwrap();
    signal.connect(|_| {}).unwrap().disconnect();
    let _answers = signal.answer(|n| *n).unwrap();
    assert_eq!(seen.take(), ["Came", "Gone", "Came"]);
}

#[test]
fn a_bad_pattern_is_refused() {
    assert!(Bus::new().on_interest("a..b", |_| {}).is_err());
}

#[test]
fn threads_are_told_in_turn_and_the_last_word_is_right() {
    let bus = Bus::new();
    let radar = bus.child("radar").unwrap();
    let (told, wrong, inside) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, mistakes) = (told.clone(), wrong.clone());
    let tell = move |interest| {
        // Came is even, Gone is odd, and no two calls overlap.
        let overlaps = inside.swap(true, Ordering::SeqCst);
        let even = count.fetch_add(1, Ordering::SeqCst) % 2 == 0;
        if overlaps || even != (interest == Interest::Came) {
            mistakes.fetch_add(1, Ordering::SeqCst);
        }
        inside.store(false, Ordering::SeqCst);
    };
    let watch = radar.on_interest("a", tell).unwrap();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for at in 0..4 {
            let (start, bus, radar) = (&start, &bus, &radar);
            scope.spawn(move || {
                start.wait();
                for _ in 0..500 {
                    if at % 2 == 0 { listen(bus, "radar.a") } else { listen(radar, "*") }.disconnect();
                }
            });
        }
    });
    assert_eq!(wrong.load(Ordering::SeqCst), 0);
    assert!(!watch.is_interested());
    assert!(told.load(Ordering::SeqCst) >= 2 && told.load(Ordering::SeqCst) % 2 == 0);
}

#[test]
fn who_only_keeps_the_last_event_is_not_interested() {
    let bus = Bus::new();
    let before = bus.keep_last("n").unwrap();
    let seen = Recorder::new();
    let watch = watch(&bus, "n", &seen);
    assert!(!watch.is_interested());
    let later = bus.keep_last("n").unwrap();
    let listener = listen(&bus, "n");
    assert!(watch.is_interested());
    drop((before, later));
    assert!(watch.is_interested());
    drop(listener);
    assert!(!watch.is_interested());
    assert_eq!(seen.take(), ["Came", "Gone"]);
}
