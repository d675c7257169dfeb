//! All who answer are heard, each by name; so are those who failed, and those who are missing when the time is up.

mod support;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::Retry;
use sigtree::{Answers, Bus, ManualClock, Question, Silence, WorkerPool};
use support::quietly;

const MINUTE: Duration = Duration::from_secs(60);

/// Name and answer of each.
fn told<A: Copy>(answers: &Answers<A>) -> Vec<(&str, A)> {
    answers.iter().map(|one| (one.by.name().unwrap(), one.answer)).collect()
}

fn missing<A>(answers: &Answers<A>) -> Vec<&str> {
    answers.missing().map(|by| by.name().unwrap()).collect()
}

#[test]
fn all_answer_in_the_order_in_which_they_were_asked() {
    let site = Bus::new();
    let radar = site.child("radar").unwrap();
    let _above = site.on("radar.*").priority(9).named("above").reply(|n: &u32| n + 4).unwrap();
    let _wild = radar.on("*").named("wild").reply(|n: &u32| n + 3).unwrap();
    let _exact = radar.on("range").named("exact").reply(|n: &u32| n + 2).unwrap();
    let _first = radar.on("**").priority(1).named("first").reply(|n: &u32| n + 1).unwrap();
    let answers = radar.gather::<u32, u32>("range", 10).wait().unwrap();
    assert_eq!(told(&answers), [("first", 11), ("exact", 12), ("wild", 13), ("above", 14)]);
    assert!(answers.is_complete() && !answers.timed_out());
    assert_eq!(answers.into_values().sum::<u32>(), 50);
}

#[test]
fn nobody_is_no_answer_and_a_refusal_is_an_error() {
    let bus = Bus::builder().clock(ManualClock::new()).build();
    let answers = bus.gather::<u32, u32>("a", 1).wait().unwrap();
    assert!(answers.is_empty() && answers.is_complete());
    assert!(bus.gather::<u32, u32>("a..b", 1).wait().unwrap_err().is_refused());
}

#[test]
fn who_failed_and_who_is_missing_is_told_by_name() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = || {
        let keeps = kept.clone();
        move |question: Question<u32, u32>| keeps.lock().push(question)
    };
    let _error = bus.on("a").named("error").try_reply(|_: &u32| Err::<u32, _>("busy")).unwrap();
    let _slow = bus.on("a").named("slow").reply_later(keep()).unwrap();
    let _panic = bus.on("a").named("panic").reply(|n: &u32| if *n > 0 { panic!("no") } else { *n }).unwrap();
    let _good = bus.on("a").named("good").reply(|n: &u32| n + 1).unwrap();
    let _slower = bus.on("a").named("slower").reply_later(keep()).unwrap();
    let _drops = bus.on("a").named("drops").reply_later(|_: Question<u32, u32>| {}).unwrap();
    let _text = bus.on("a").named("text").reply(|n: &u32| n.to_string()).unwrap();
    let gathering = quietly(|| bus.gather::<u32, u32>("a", 1).timeout(MINUTE).send());
    let slow = kept.lock().remove(0);
    assert!(slow.answer(9));
    clock.advance(MINUTE);
    assert!(!kept.lock().remove(0).answer(10), "too late");

    let answers = gathering.wait().unwrap();
    assert_eq!(told(&answers), [("slow", 9), ("good", 2)]);
    assert!(answers.timed_out() && !answers.is_complete());
    assert_eq!(missing(&answers), ["slower"]);
    let silent: Vec<_> = answers.unanswered().iter().map(|one| (one.by.name().unwrap(), one.why.clone())).collect();
    let failed = |why: &str| Silence::Failed(why.into());
    let expected = [
        ("error", failed("busy")),
        ("panic", failed("panicked: no")),
        ("slower", Silence::Missing),
        ("drops", Silence::Dropped),
        ("text", Silence::OtherType("alloc::string::String")),
    ];
    assert_eq!(silent, expected);
}

#[test]
fn it_ends_when_the_last_has_said_something() {
    let bus = Bus::builder().clock(ManualClock::new()).build();
    let pool = WorkerPool::builder().start().unwrap();
    let servers: Vec<_> = (0..4_u32)
        .map(|n| bus.on("a").named(&n.to_string()).on(pool.clone()).reply(move |by: &u32| by * n).unwrap())
        .collect();
    let questions = bus.on("a").named("queue").questions::<u32, u32>().unwrap();
    let server = thread::spawn(move || {
        for question in &questions {
            question.answer(99);
        }
    });
    for by in 0..50 {
        let answers = bus.gather::<u32, u32>("a", by).wait().unwrap();
        assert_eq!(told(&answers), [("0", 0), ("1", by), ("2", 2 * by), ("3", 3 * by), ("queue", 99)]);
    }
    let answers = pollster::block_on(async { bus.gather::<u32, u32>("a", 1).await }).unwrap();
    assert!(answers.is_complete() && answers.len() == 5);
    drop((servers, bus));
    server.join().unwrap();
}

#[test]
fn one_that_is_tried_again_is_one_responder() {
    let bus = Bus::new();
    bus.layer(Retry::times(3));
    let tries = Mutex::new(0);
    let second_time = move |_: &u32| {
        *tries.lock() += 1;
        if *tries.lock() == 2 { Ok(2) } else { Err("busy") }
    };
    let _twice = bus.on("a").named("twice").try_reply(second_time).unwrap();
    let _never = bus.on("a").named("never").try_reply(|_: &u32| Err::<i32, _>("busy")).unwrap();
    let answers = bus.gather::<u32, i32>("a", 1).wait().unwrap();
    assert_eq!(told(&answers), [("twice", 2)]);
    assert_eq!(answers.unanswered().len(), 1);
}

#[test]
fn dropped_nobody_waits_any_more() {
    let bus = Bus::new();
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let _keeps = bus.reply_later("a", move |question: Question<u32, u32>| *keeps.lock() = Some(question)).unwrap();
    drop(bus.gather::<u32, u32>("a", 1).send());
    assert!(!kept.lock().take().unwrap().answer(1));
}
