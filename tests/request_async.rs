//! Async responders answer from any runtime, and whoever asks is told if they end without.
#![cfg(feature = "async")]

mod support;

use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::{Bus, Correlation, Event, ManualClock, Received, Silence, Task};
use support::{Recorder, quietly};

const MINUTE: Duration = Duration::from_secs(60);

/// A bus whose tasks each have a thread.
fn threaded() -> Bus {
    Bus::builder()
        .spawner(|task: Task| {
            thread::spawn(move || quietly(|| pollster::block_on(task)));
        })
        .build()
}

#[test]
fn the_answer_is_what_the_future_gives() {
    let bus = threaded();
    let _square = bus.reply_async("square", |n: Received<u32>| async move { *n * *n }).unwrap();
    let root = |n: Received<u32>| async move {
        let root = n.isqrt();
        if root * root == *n { Ok(root) } else { Err(format!("{} has no root", *n)) }
    };
    let _root = bus.try_reply_async("root", root).unwrap();
    assert_eq!(bus.request::<u32, u32>("square", 7).timeout(MINUTE).wait().unwrap(), 49);
    assert_eq!(pollster::block_on(async { bus.request::<u32, u32>("root", 49).timeout(MINUTE).await }).unwrap(), 7);
    let error = bus.request::<u32, u32>("root", 48).timeout(MINUTE).wait().unwrap_err();
    assert!(error.is_failed() && error.to_string().ends_with("failed: 48 has no root"), "{error}");
    bus.drain(MINUTE).unwrap();
    assert_eq!(bus.failures(), 1);
}

#[test]
fn who_ends_without_an_answer_is_told() {
    let tasks = Arc::new(Mutex::new(Vec::new()));
    let kept = tasks.clone();
    let bus = Bus::builder().clock(ManualClock::new()).spawner(move |task: Task| kept.lock().push(task)).build();
    let bad = |n: u32| if n > 0 { panic!("{n} is bad") } else { n };
    let _panics = bus.reply_async("panics", move |n: Received<u32>| async move { bad(*n) }).unwrap();
    let panicked = bus.request::<u32, u32>("panics", 1).send();
    let task = tasks.lock().remove(0);
    quietly(|| pollster::block_on(task));
    assert_eq!(panicked.wait().unwrap_err().unanswered()[0].why, Silence::Failed("panicked: 1 is bad".into()));

    let _never = bus.reply_async("never", |_: Received<u32>| pending::<u32>()).unwrap();
    let dropped = bus.request::<u32, u32>("never", 1).send();
    tasks.lock().clear();
    assert!(dropped.wait().unwrap_err().is_dropped());
}

#[test]
fn without_a_spawner_it_fails_at_once() {
    let bus = Bus::builder().clock(ManualClock::new()).build();
    let _square = bus.reply_async("square", |n: Received<u32>| async move { *n * *n }).unwrap();
    let error = bus.request::<u32, u32>("square", 7).wait().unwrap_err();
    assert!(error.is_failed() && error.to_string().contains("give the bus a spawner"), "{error}");
}

#[cfg(feature = "tokio")]
#[test]
fn on_tokio_all_of_it_is_async() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let bus = Bus::new();
    let weak = bus.downgrade();
    let sum = move |n: Received<u64>| {
        let bus = weak.upgrade().unwrap();
        async move {
            let rest = if *n == 0 { 0 } else { bus.request::<u64, u64>("sum", *n - 1).timeout(MINUTE).await? };
            Ok::<_, sigtree::RequestError>(*n + rest)
        }
    };
    let _sum = bus.try_reply_async("sum", sum).unwrap();
    // Deeper than emits may nest: each is made in a task of its own.
    let total = runtime.block_on(async { bus.request::<u64, u64>("sum", 200).timeout(MINUTE).await });
    assert_eq!(total.unwrap(), 20_100);
    let all = runtime.block_on(async { bus.gather::<u64, u64>("sum", 10).timeout(MINUTE).await }).unwrap();
    assert_eq!(all.into_values().collect::<Vec<_>>(), [55]);
}

#[test]
fn what_it_emits_is_tied_to_the_request() {
    let (bus, seen) = (threaded(), Recorder::new());
    bus.layer(Correlation::new());
    let notes = seen.clone();
    let tied = move |_: &u32, event: &Event<'_>| notes.note(event.correlation().unwrap());
    let _seen = bus.connect("looked.up", tied).unwrap();
    let weak = bus.downgrade();
    let emits = move |n: Received<u32>| {
        let bus = weak.upgrade().unwrap();
        async move { bus.emit("looked.up", *n).called() }
    };
    let _emits = bus.reply_async("a", emits).unwrap();
    assert_eq!(bus.request::<u32, usize>("a", 1).correlation("order 7").timeout(MINUTE).wait().unwrap(), 1);
    assert_eq!(seen.take(), ["order 7"]);
}
