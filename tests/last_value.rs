//! A topic keeps its latest event for those who come late: no gap, no duplicate, and bounded memory.

#[path = "support/crowd.rs"]
mod crowd;
mod support;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use sigtree::{Bus, Event, Filter};
use support::Recorder;

#[test]
fn a_late_connection_gets_the_latest_of_each_topic_then_everything() {
    let bus = Bus::new();
    let _kept = bus.keep_last("status.*").unwrap();
    for (topic, n) in [("status.a", 1_u32), ("status.b", 2), ("status.a", 3), ("other", 4)] {
        bus.emit(topic, n);
    }
    let seen = Recorder::new();
    let _late = bus.on("**").with_last().connect(seen.numbers()).unwrap();
    assert_eq!(seen.take(), ["status.b 2*", "status.a 3*"]);
    bus.emit("status.a", 5_u32);
    assert_eq!(seen.take(), ["status.a 5"]);
    let queue = bus.on("status.b").with_last().subscribe::<u32>().unwrap();
    bus.emit("status.b", 6_u32);
    let taken: Vec<_> = queue.drain().map(|n| (n.topic().to_string(), *n)).collect();
    assert_eq!(taken, [("status.b".to_owned(), 2), ("status.b".to_owned(), 6)]);
}

#[test]
fn the_past_is_marked_and_bears_its_id() {
    let bus = Bus::new();
    let _kept = bus.keep_last("n").unwrap();
    let seen = Recorder::new();
    let handler = |seen: &Recorder| {
        let seen = seen.clone();
        move |event: &Event<'_>| seen.note(format!("{} {:?} {}", event.id(), event.source(), event.is_replayed()))
    };
    let _at_once = bus.connect("n", handler(&seen)).unwrap();
    bus.event("n").source("radar").emit(1_u32);
    let first = seen.take();
    let _late = bus.on("n").with_last().connect(handler(&seen)).unwrap();
    assert_eq!(seen.take(), [first[0].replace("false", "true")]);
}

#[test]
fn the_latest_can_be_read() {
    let bus = Bus::new();
    let count = bus.signal::<u32>("count").unwrap();
    let kept = bus.keep_last(["count", "name"]).unwrap();
    assert_eq!(count.last(), None);
    assert_eq!(count.emit(7).called(), 0, "what keeps is nobody's handler");
    bus.emit("name", String::from("seven"));
    assert_eq!((count.last().as_deref(), bus.last::<u32>("name")), (Some(&7), None));
    assert_eq!(bus.last::<String>("name").unwrap().as_str(), "seven");
    drop(kept);
    assert_eq!(count.last(), None, "forgotten with the guard");
    count.emit(8);
    assert_eq!(count.last(), None);
    bus.keep_last("count").unwrap().detach();
    count.emit(9);
    assert_eq!(count.last().as_deref(), Some(&9));
}

#[test]
fn what_a_layer_ends_or_a_mute_silences_is_not_kept() {
    let bus = Bus::new();
    bus.layer(Filter::payload(|n: &u32| *n < 10));
    let _kept = bus.keep_last("n").unwrap();
    bus.emit("n", 1_u32);
    bus.emit("n", 11_u32);
    let mute = bus.mute("n").unwrap();
    bus.emit("n", 2_u32);
    drop(mute);
    assert_eq!(bus.last::<u32>("n").as_deref(), Some(&1));
}

#[test]
fn a_parent_keeps_what_bubbles() {
    let bus = Bus::new();
    let _kept = bus.keep_last("radar.*").unwrap();
    let radar = bus.child("radar").unwrap();
    radar.emit("n", 1_u32);
    assert_eq!((bus.last::<u32>("radar.n").as_deref(), radar.last::<u32>("n")), (Some(&1), None));
}

#[test]
fn so_many_topics_are_kept_those_of_the_latest_events() {
    let bus = Bus::new();
    let kept = bus.keep_last_of("id.*", 3).unwrap();
    let token = Arc::new(());
    let emit = |n: u32| drop(bus.emit(format!("id.{n}"), (n, token.clone())));
    (0..3).for_each(emit);
    emit(0);
    (3..5).for_each(emit);
    let last = |n: u32| bus.last::<(u32, Arc<()>)>(format!("id.{n}")).is_some();
    let there: Vec<_> = (0..5).filter(|n| last(*n)).collect();
    assert_eq!(there, [0, 3, 4]);
    (0..10_000).for_each(emit);
    assert_eq!((kept.topics(), kept.forgotten(), Arc::strong_count(&token)), (3, 2 + 9_999, 4));
}

#[test]
fn a_topic_of_two_keepers_is_kept_once() {
    let bus = Bus::new();
    let first = bus.keep_last("a.*").unwrap();
    let second = bus.keep_last("a.b").unwrap();
    bus.emit("a.b", 1_u32);
    bus.emit("a.c", 2_u32);
    assert_eq!(first.topics() + second.topics(), 2);
    let seen = Recorder::new();
    let _late = bus.on("a.*").with_last().connect(seen.numbers()).unwrap();
    assert_eq!(seen.take(), ["a.b 1*", "a.c 2*"]);
    drop((first, second));
    assert_eq!(bus.last::<u32>("a.b"), None);
}

#[test]
fn nothing_kept_is_no_past() {
    let bus = Bus::new();
    let queue = bus.on("n").with_last().subscribe::<u32>().unwrap();
    assert!(queue.is_empty());
    bus.emit("n", 1_u32);
    assert_eq!(queue.drain().count(), 1);
}

/// While a thread counts up, others come late: each sees some number first, and then each one after it, once.
#[test]
fn no_gap_and_no_duplicate_while_others_emit() {
    let bus = Bus::new();
    let _kept = bus.keep_last("n").unwrap();
    let signal = bus.signal::<u64>("n").unwrap();
    let over = AtomicBool::new(false);
    let wrong = thread::scope(|threads| {
        threads.spawn(|| {
            for n in (0..).take_while(|_| !over.load(SeqCst)) {
                signal.emit(n);
            }
        });
        let once = || {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let sink = seen.clone();
            let late = bus.on("n").with_last().connect(move |n: &u64| sink.lock().unwrap().push(*n)).unwrap();
            thread::yield_now();
            let latest = signal.last().map(|n| *n);
            drop(late);
            let seen = std::mem::take(&mut *seen.lock().unwrap());
            let is_right =
                seen.windows(2).all(|pair| pair[0] + 1 == pair[1]) && latest.is_none_or(|_| !seen.is_empty());
            (!is_right).then_some(seen)
        };
        // Nothing is asserted before the other thread ends, which would not end then.
        let wrong = (0..crowd::count(20_000)).find_map(|_| once());
        over.store(true, SeqCst);
        wrong
    });
    assert_eq!(wrong, None);
}
