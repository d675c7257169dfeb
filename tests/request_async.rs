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

/// Requests, gatherings and questions of tasks, whatever runs these.
async fn everything(bus: Bus) {
    let weak = bus.downgrade();
    let sum = move |n: Received<u64>| {
        let bus = weak.upgrade().unwrap();
        async move {
            let rest = if *n == 0 { 0 } else { bus.request::<u64, u64>("sum", *n - 1).timeout(MINUTE).await? };
            Ok::<_, sigtree::RequestError>(*n + rest)
        }
    };
    let _sum = bus.try_reply_async("sum", sum).unwrap();
    let _never = bus.on("sum").named("never").reply_async(|_: Received<u64>| pending::<u64>()).unwrap();
    // Deeper than emits may nest: each is made in a task of its own.
    assert_eq!(bus.request::<u64, u64>("sum", 100).timeout(MINUTE).await.unwrap(), 5_050);
    // Of all who are asked, one is missing when the time is up.
    let all = bus.gather::<u64, u64>("sum", 0).timeout(Duration::from_millis(50)).await.unwrap();
    assert_eq!((all.timed_out(), all.missing().last().and_then(|by| by.name())), (true, Some("never")));

    // Tasks take questions from a queue, and the last of them ends with the handle of the queue.
    let questions = bus.questions::<u64, u64>("twice").unwrap();
    let serve = async {
        for _ in 0..10 {
            let question = questions.recv().await.unwrap();
            let n = *question;
            assert!(question.answer(2 * n));
        }
    };
    let ask = async {
        let mut all = 0;
        for n in 0..10_u64 {
            all += bus.request::<u64, u64>("twice", n).timeout(MINUTE).await.unwrap();
        }
        all
    };
    let ((), all) = futures_util::future::join(serve, ask).await;
    assert_eq!(all, 90);
    drop(questions);
    assert!(bus.request::<u64, u64>("twice", 1).timeout(MINUTE).await.unwrap_err().is_unheard());
}

#[cfg(feature = "tokio")]
#[test]
fn on_tokio_with_several_threads_and_with_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(everything(Bus::new()));
    pollster::block_on(everything(Bus::builder().spawner(runtime.handle().clone()).build()));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(everything(Bus::new()));
}

#[test]
fn on_smol_with_its_threads_and_on_one_executor() {
    smol::block_on(everything(Bus::builder().spawner(|task: Task| smol::spawn(task).detach()).build()));
    let executor = Arc::new(smol::Executor::new());
    let spawns = executor.clone();
    let bus = Bus::builder().spawner(move |task: Task| spawns.spawn(task).detach()).build();
    smol::block_on(executor.run(everything(bus)));
}

#[test]
fn one_at_a_time_answers_in_the_order_of_the_requests() {
    let executor = Arc::new(smol::Executor::new());
    let spawns = executor.clone();
    let bus = Bus::builder().spawner(move |task: Task| spawns.spawn(task).detach()).build();
    let seen = Recorder::new();
    let notes = seen.clone();
    let answers = move |n: Received<u32>| {
        let notes = notes.clone();
        async move {
            notes.note(format!("{} begins", *n));
            smol::future::yield_now().await;
            notes.note(format!("{} ends", *n));
            if *n == 1 { Err("not 1") } else { Ok(*n) }
        }
    };
    let _serial = bus.on("a").serial().try_reply_async(answers).unwrap();
    let asked: Vec<_> = (0..4).map(|n| bus.request::<u32, u32>("a", n).timeout(MINUTE).send()).collect();
    let answers = smol::block_on(executor.run(futures_util::future::join_all(asked)));
    assert_eq!(answers.iter().flatten().copied().collect::<Vec<_>>(), [0, 2, 3]);
    let in_order: Vec<_> = (0..4).flat_map(|n| [format!("{n} begins"), format!("{n} ends")]).collect();
    assert_eq!(seen.take(), in_order);
}

#[test]
#[should_panic(expected = "a responder has no other mode")]
fn a_responder_with_a_mode_is_refused() {
    drop(Bus::new().on("a").mode(sigtree::Mode::LatestOnly).reply_async(|n: Received<u32>| async move { *n }));
}
