//! A request has one answer, or says at once that there will be none, and why.

mod support;

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{DeadLetter, Debounce, Job, Offload, Refused, Retry};
use sigtree::{
    Bus, Clock, Correlation, Event, Filter, History, ManualClock, Overflow, Pending, Question, Queue, RequestError,
    Silence, WorkerPool,
};
use support::{Recorder, quietly};

const MINUTE: Duration = Duration::from_secs(60);

/// What a request came to, if it has ended.
fn now<A: std::any::Any + Send>(pending: &mut Pending<A>) -> Option<Result<A, RequestError>> {
    match std::future::Future::poll(Pin::new(pending), &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}

/// An executor whose jobs wait until they are run or dropped.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<Vec<Job>>>);

impl Jobs {
    fn executor(&self) -> impl Fn(Job) -> Result<(), Refused> + Send + Sync + 'static {
        let jobs = self.0.clone();
        move |job| {
            jobs.lock().push(job);
            Ok(())
        }
    }

    fn take(&self) -> Vec<Job> {
        std::mem::take(&mut *self.0.lock())
    }
}

#[test]
fn the_answer_is_what_the_responder_returns() {
    let bus = Bus::new();
    let _plain = bus.reply("plain", |n: &u32| u64::from(*n) + 1).unwrap();
    let told = |n: &u32, event: &Event<'_>| format!("{} {n} from {}", event.topic(), event.source().unwrap());
    let _event = bus.reply("told.*", told).unwrap();
    let _result = bus.reply("result", |n: &u32| n.checked_sub(2).ok_or("too small")).unwrap();
    assert_eq!(bus.request::<u32, u64>("plain", 1).wait().unwrap(), 2);
    let text: String = bus.request("told.by", 7_u32).source("anna").wait().unwrap();
    assert_eq!(text, "told.by 7 from anna");
    // An `Err` is an answer like others.
    let result = bus.request::<u32, Result<u32, &str>>("result", 1).wait().unwrap();
    assert_eq!(result, Err("too small"));
}

#[test]
fn no_responder_is_known_at_once() {
    let bus = Bus::builder().clock(ManualClock::new()).build();
    let error = bus.request::<u32, u32>("a", 1).wait().unwrap_err();
    assert!(error.is_unheard() && error.unanswered().is_empty());
    assert_eq!(error.to_string(), "nobody answers requests on `a` (0 called): connect one with `reply`");

    // Those who only listen do not count, and one who is muted or filtered is not asked.
    let seen = Recorder::new();
    let _listens = bus.connect("a", seen.numbers()).unwrap();
    let muted = bus.reply("a", |n: &u32| *n).unwrap();
    let _mute = muted.mute();
    let _filtered = bus.on("a").filter(|_| false).reply(|n: &u32| *n).unwrap();
    let error = bus.request::<u32, u32>("a", 1).wait().unwrap_err();
    assert!(error.to_string().contains("1 called, 1 skipped, 1 muted"), "{error}");
    assert_eq!(seen.take(), ["a 1"]);

    bus.layer(Filter::new(|_: &Event<'_>| false).reason("quiet hours"));
    let error = bus.request::<u32, u32>("a", 1).wait().unwrap_err();
    assert!(error.is_unheard() && error.to_string().contains("quiet hours"), "{error}");
}

#[test]
fn emits_and_replays_pass_responders_by() {
    let (bus, seen, history) = (Bus::new(), Recorder::new(), History::new());
    bus.layer(history.clone());
    let asked = seen.clone();
    let once = bus.on("a").once().reply(move |n: &u32| asked.note(n)).unwrap();
    assert_eq!(bus.emit("a", 1_u32).called(), 0);
    bus.request::<u32, ()>("a", 2).wait().unwrap();
    assert_eq!(seen.take(), ["2"]);
    assert!(!once.is_connected());

    let asked = seen.clone();
    let _replies = bus.reply("a", move |n: &u32| asked.note(n)).unwrap();
    let _listens = bus.connect("a", seen.numbers()).unwrap();
    assert!(history.entries().iter().all(|entry| entry.envelope().is_none_or(|kept| kept.reply_to.is_none())));
    history.replay().run(&bus);
    assert_eq!(seen.take(), ["a 1*", "a 2*"]);
}

#[test]
fn the_first_that_answers_is_the_last_that_is_called() {
    let (bus, seen) = (Bus::new(), Recorder::new());
    let responder = |priority: i32, answer: Result<i32, &'static str>| {
        let seen = seen.clone();
        bus.on("a").priority(priority).try_reply(move |_: &u32| {
            seen.note(priority);
            answer
        })
    };
    let _fails = responder(3, Err("busy")).unwrap();
    let _answers = responder(2, Ok(2)).unwrap();
    let _late = responder(1, Ok(1)).unwrap();
    assert_eq!(bus.request::<u32, i32>("a", 1).wait().unwrap(), 2);
    assert_eq!(seen.take(), ["3", "2"]);
    assert_eq!(bus.failures(), 1);
}

#[test]
fn who_failed_and_why_is_told() {
    let bus = Bus::new();
    let _error = bus.on("a.*").named("clerk").try_reply(|_: &u32| Err::<u32, _>("out of paper")).unwrap();
    let _panics = bus.reply("a.b", |n: &u32| if *n > 0 { panic!("{n} is too many") } else { *n }).unwrap();
    let error = quietly(|| bus.request::<u32, u32>("a.b", 3).wait().unwrap_err());
    assert!(error.is_failed());
    let why: Vec<_> = error.unanswered().iter().map(|one| one.why.clone()).collect();
    assert_eq!(why, [Silence::Failed("panicked: 3 is too many".into()), Silence::Failed("out of paper".into())]);
    assert_eq!(error.unanswered()[0].by.location().line(), line!() - 5);
    let text = error.to_string();
    assert!(text.starts_with("no answer on `a.b`: responder of `a.b` (tests/request.rs:"), "{text}");
    assert!(text.contains("; responder of `a.*` named `clerk` (tests/request.rs:"), "{text}");
    assert!(text.ends_with(") failed: out of paper"), "{text}");
    assert_eq!(bus.failures(), 2);
}

#[test]
fn another_type_is_told() {
    let bus = Bus::new();
    let _text = bus.reply("a", |n: &u32| n.to_string()).unwrap();
    let error = bus.request::<u32, u32>("a", 3).wait().unwrap_err();
    assert!(error.is_other_type());
    assert!(error.to_string().ends_with("answered with `alloc::string::String`: ask for that type"), "{error}");
    let _number = bus.on("a").priority(-1).reply(|n: &u32| *n).unwrap();
    assert_eq!(bus.request::<u32, u32>("a", 3).wait().unwrap(), 3);
}

#[test]
fn what_the_bus_refuses_is_refused() {
    let bus = Bus::new();
    let _reply = bus.reply("a", |n: &u32| *n).unwrap();
    let bad = bus.request::<u32, u32>("a..b", 3).wait().unwrap_err();
    assert!(bad.is_refused() && bad.refusal().unwrap().is_bad_name());
    assert_eq!(bad.to_string(), "invalid topic `a..b`: empty segment at byte 2: remove one dot");
    let other = bus.request::<String, u32>("a", "3".into()).wait().unwrap_err();
    assert!(other.refusal().unwrap().is_type_mismatch());
}

#[test]
fn time_runs_out_on_the_clock_of_the_bus() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = kept.clone();
    let keep = move |question: Question<u32, u32>| keeps.lock().push(question);
    let _slow = bus.on("a").named("slow").reply_later(keep).unwrap();
    let mut pending = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    clock.advance(MINUTE - Duration::from_nanos(1));
    assert!(now(&mut pending).is_none());
    let question = kept.lock().pop().unwrap();
    assert!(question.is_wanted());
    clock.advance(Duration::from_nanos(1));
    assert!(!question.is_wanted());
    assert!(!question.answer(7), "too late");
    let error = now(&mut pending).unwrap().unwrap_err();
    assert!(error.is_timeout());
    assert_eq!((error.unanswered()[0].by.name(), &error.unanswered()[0].why), (Some("slow"), &Silence::Missing));
    assert!(error.to_string().starts_with("no answer on `a` in time: responder of `a` named `slow`"), "{error}");

    // Unless told otherwise, five seconds.
    let mut pending = bus.request::<u32, u32>("a", 1).send();
    clock.advance(Duration::from_millis(4_999));
    assert!(now(&mut pending).is_none());
    clock.advance(Duration::from_millis(1));
    assert!(now(&mut pending).unwrap().unwrap_err().is_timeout());
}

#[test]
fn a_thread_that_waits_is_woken_by_answer_or_alarm() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let (sends, questions) = mpsc::channel::<Question<u32, u32>>();
    let _later = bus.reply_later("a", move |question| sends.send(question).map_err(|_| "gone")).unwrap();
    let ask = || {
        let bus = bus.clone();
        thread::spawn(move || bus.request::<u32, u32>("a", 3).timeout(MINUTE).wait())
    };
    let asker = ask();
    assert!(questions.recv().unwrap().answer(4));
    assert_eq!(asker.join().unwrap().unwrap(), 4);

    let asker = ask();
    let question = questions.recv().unwrap();
    // The alarm is set when the emit is over, which is after the question came.
    while !asker.is_finished() {
        clock.advance(MINUTE);
        thread::yield_now();
    }
    assert!(asker.join().unwrap().unwrap_err().is_timeout());
    assert!(!question.answer(4));
}

#[test]
fn who_lets_go_of_a_request_ends_it() {
    let (bus, jobs) = (Bus::builder().clock(ManualClock::new()).build(), Jobs::default());
    let _drops = bus.on("dropped").reply_later(|_: Question<u32, u32>| {}).unwrap();
    assert!(bus.request::<u32, u32>("dropped", 1).wait().unwrap_err().is_dropped());
    let panics = |_: Question<u32, u32>| {
        if true {
            panic!("no")
        }
    };
    let _panics = bus.reply_later("panics", panics).unwrap();
    let error = quietly(|| bus.request::<u32, u32>("panics", 1).wait().unwrap_err());
    assert_eq!(error.unanswered()[0].why, Silence::Failed("panicked: no".into()));
    let _fails = bus.reply_later("fails", |question: Question<u32, u32>| question.fail("not today")).unwrap();
    assert!(bus.request::<u32, u32>("fails", 1).wait().unwrap_err().to_string().ends_with("failed: not today"));

    // An executor that runs it, drops it, refuses it.
    let _runs = bus.on("run").on(jobs.executor()).reply(|n: &u32| n + 1).unwrap();
    let mut pending = bus.request::<u32, u32>("run", 1).send();
    assert!(now(&mut pending).is_none());
    jobs.take().into_iter().for_each(Job::run);
    assert_eq!(now(&mut pending).unwrap().unwrap(), 2);
    let mut pending = bus.request::<u32, u32>("run", 1).send();
    drop(jobs.take());
    assert!(now(&mut pending).unwrap().unwrap_err().is_dropped());
    let refuses = |_: Job| Err(Refused::because("closed"));
    let _refused = bus.on("refused").on(refuses).reply(|n: &u32| n + 1).unwrap();
    assert!(bus.request::<u32, u32>("refused", 1).wait().unwrap_err().is_dropped());

    // One that was disconnected while its executor had the request.
    let gone = bus.on("gone").on(jobs.executor()).reply(|n: &u32| n + 1).unwrap();
    let mut pending = bus.request::<u32, u32>("gone", 1).send();
    drop(gone);
    jobs.take().into_iter().for_each(Job::run);
    assert!(now(&mut pending).unwrap().unwrap_err().is_dropped());
}

#[test]
fn those_who_only_listen_keep_nobody_waiting() {
    let (bus, jobs) = (Bus::builder().clock(ManualClock::new()).build(), Jobs::default());
    let history = History::new();
    bus.layer(history.clone());
    let _queue = bus.subscribe::<u32>("a").unwrap();
    let _held = bus.on("a").on(jobs.executor()).connect(|_: &u32| {}).unwrap();
    assert!(bus.request::<u32, u32>("a", 1).wait().unwrap_err().is_unheard());
    // Nor does a layer of its own that keeps what fails.
    let (letters, mine) = (DeadLetter::new(), DeadLetter::new());
    bus.layer(letters.clone());
    let on = bus.on("b").middleware(mine.clone()).middleware(history.clone());
    let _fails = on.try_reply(|_: &u32| Err::<u32, _>("busy")).unwrap();
    assert!(bus.request::<u32, u32>("b", 1).wait().unwrap_err().is_failed());
    assert_eq!((letters.letters().len(), mine.letters().len()), (1, 1));
}

#[test]
fn a_layer_of_the_bus_may_hold_it() {
    let clock = ManualClock::new();
    let (bus, jobs) = (Bus::builder().clock(clock.clone()).build(), Jobs::default());
    bus.layer(Offload::to(jobs.executor()));
    let _reply = bus.reply("a", |n: &u32| n + 1).unwrap();
    let mut pending = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    assert!(now(&mut pending).is_none());
    jobs.take().into_iter().for_each(Job::run);
    assert_eq!(now(&mut pending).unwrap().unwrap(), 2);
    let mut pending = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    drop(jobs.take());
    assert!(now(&mut pending).unwrap().unwrap_err().is_unheard());
    let mut pending = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    clock.advance(MINUTE);
    let error = now(&mut pending).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no answer on `a` in time: a layer holds the request");
    jobs.take().into_iter().for_each(Job::run);

    let bus = Bus::builder().clock(clock.clone()).build();
    bus.layer(Debounce::new(MINUTE));
    let _reply = bus.reply("a", |n: &u32| n + 1).unwrap();
    let mut replaced = bus.request::<u32, u32>("a", 1).timeout(Duration::MAX).send();
    let mut answered = bus.request::<u32, u32>("a", 2).timeout(Duration::MAX).send();
    assert!(now(&mut replaced).unwrap().unwrap_err().is_unheard());
    clock.advance(MINUTE);
    assert_eq!(now(&mut answered).unwrap().unwrap(), 3);
}

#[test]
fn one_that_is_tried_again_may_still_answer() {
    let tries = Arc::new(Mutex::new(0));
    let third_time = move |_: &u32| {
        let mut tries = tries.lock();
        *tries += 1;
        if *tries % 3 == 0 { Ok(*tries) } else { Err("busy") }
    };
    let bus = Bus::new();
    let own = bus.on("a").middleware(Retry::times(3)).try_reply(third_time.clone()).unwrap();
    assert_eq!(bus.request::<u32, i32>("a", 1).wait().unwrap(), 3);
    drop(own);
    bus.layer(Retry::times(3));
    let _reply = bus.try_reply("a", third_time).unwrap();
    assert_eq!(bus.request::<u32, i32>("a", 1).wait().unwrap(), 6);
}

#[test]
fn a_request_may_lead_to_requests() {
    let bus = Bus::new();
    let weak = bus.downgrade();
    let sum = move |n: &u64| -> Result<u64, RequestError> {
        let rest = if *n == 0 { 0 } else { weak.upgrade().unwrap().request::<u64, u64>("sum", n - 1).wait()? };
        Ok(n + rest)
    };
    let _sum = bus.try_reply("sum", sum).unwrap();
    assert_eq!(bus.request::<u64, u64>("sum", 10).wait().unwrap(), 55);
    let error = bus.request::<u64, u64>("sum", 1_000).wait().unwrap_err();
    assert!(error.is_failed());
    assert!(error.to_string().contains("emits within emits are more than 64 deep"), "{error}");
}

#[test]
fn nobody_waits_for_one_that_was_dropped() {
    let (bus, seen, jobs) = (Bus::new(), Recorder::new(), Jobs::default());
    let noted = seen.clone();
    let _runs = bus.on("a").on(jobs.executor()).reply(move |n: &u32| noted.note(n)).unwrap();
    drop(bus.request::<u32, ()>("a", 1).send());
    jobs.take().into_iter().for_each(Job::run);
    assert!(seen.take().is_empty(), "it is not even called");

    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let _keeps = bus.reply_later("b", move |question: Question<u32, Arc<u32>>| *keeps.lock() = Some(question)).unwrap();
    let pending = bus.request::<u32, Arc<u32>>("b", 1).send();
    let question = kept.lock().take().unwrap();
    drop(pending);
    let answer = Arc::new(7);
    assert!(!question.is_wanted() && !question.answer(answer.clone()));
    assert_eq!(Arc::strong_count(&answer), 1);
}

#[test]
fn responders_above_answer_too() {
    let site = Bus::new();
    let radar = site.child("radar").unwrap();
    let _above = site.reply("radar.range", |n: &u32| n * 10).unwrap();
    assert_eq!(radar.request::<u32, u32>("range", 7).wait().unwrap(), 70);
    let _own = radar.reply("range", |n: &u32| n + 1).unwrap();
    assert_eq!(radar.request::<u32, u32>("range", 7).wait().unwrap(), 8);
    assert_eq!(site.request::<u32, u32>("radar.range", 7).wait().unwrap(), 70);
}

#[test]
fn answers_come_from_a_pool() {
    let (bus, pool) = (Bus::new(), WorkerPool::builder().start().unwrap());
    let _root = bus.on("root").on(pool.clone()).reply(|n: &u64| n.isqrt()).unwrap();
    thread::scope(|scope| {
        for asker in 0..4_u64 {
            let bus = &bus;
            scope.spawn(move || {
                for n in 0..200_u64 {
                    let n = n * 4 + asker;
                    let root = bus.request::<u64, u64>("root", n * n).timeout(MINUTE).wait();
                    assert_eq!(root.unwrap(), n);
                }
            });
        }
    });
}

#[test]
fn questions_wait_in_a_queue() {
    let bus = Bus::builder().clock(ManualClock::new()).build();
    let questions = bus.on("a").queue(Queue::bounded(1)).questions::<u32, u32>().unwrap();
    assert!(questions.try_recv().unwrap_err().is_empty());
    let mut first = bus.request::<u32, u32>("a", 1).send();
    let second = bus.request::<u32, u32>("a", 2).wait().unwrap_err();
    assert!(second.to_string().ends_with("failed: its queue of questions is full"), "{second}");
    assert!(questions.try_recv().unwrap().answer(11));
    assert_eq!(now(&mut first).unwrap().unwrap(), 11);
    let mut waiting = bus.request::<u32, u32>("a", 3).send();
    drop(questions);
    assert!(now(&mut waiting).unwrap().unwrap_err().is_dropped());
    assert!(bus.request::<u32, u32>("a", 4).wait().unwrap_err().is_unheard());

    let newest = Queue::bounded(1).overflow(Overflow::DropOldest);
    let questions = bus.on("a").queue(newest).questions::<u32, u32>().unwrap();
    let mut oldest = bus.request::<u32, u32>("a", 1).send();
    let _newest = bus.request::<u32, u32>("a", 2).send();
    assert!(now(&mut oldest).unwrap().unwrap_err().is_dropped());
    assert_eq!((*questions.try_recv().unwrap(), questions.stats().dropped_oldest), (2, 1));
    drop(bus);
}

#[test]
fn what_a_responder_emits_is_tied_to_the_request() {
    let (bus, seen) = (Bus::new(), Recorder::new());
    bus.layer(Correlation::new());
    let notes = seen.clone();
    let tied = move |_: &u32, event: &Event<'_>| notes.note(event.correlation().unwrap());
    let _seen = bus.connect("looked.up", tied).unwrap();
    let weak = bus.downgrade();
    let emits = move |n: &u32| {
        weak.upgrade().unwrap().emit("looked.up", *n);
        *n
    };
    let _reply = bus.reply("now", emits.clone()).unwrap();
    let later = move |question: Question<u32, u32>| {
        let (emits, n) = (emits.clone(), *question);
        let emits = move || {
            assert_eq!(question.event().correlation(), Some("order 8"));
            question.follow(|| emits(&n));
            question.answer(n)
        };
        assert!(thread::spawn(emits).join().unwrap());
    };
    let _later = bus.reply_later("later", later).unwrap();
    bus.request::<u32, u32>("now", 1).correlation("order 7").wait().unwrap();
    bus.request::<u32, u32>("later", 1).correlation("order 8").wait().unwrap();
    assert_eq!(seen.take(), ["order 7", "order 8"]);
}

#[test]
fn responders_see_the_deadline() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    clock.advance(MINUTE);
    let _left = bus.reply("left", |_: &u32, event: &Event<'_>| event.time_left()).unwrap();
    let left = |request: sigtree::Request<'_, u32, Option<Duration>>| request.wait().unwrap();
    assert_eq!(left(bus.request("left", 1).timeout(MINUTE)), Some(MINUTE));
    assert_eq!(left(bus.request("left", 1)), None);
    assert_eq!(clock.elapsed(), MINUTE);
}

#[test]
fn it_is_sent_when_it_is_awaited_in_any_task() {
    let bus = Bus::new();
    let questions = bus.questions::<u32, u32>("a").unwrap();
    let server = thread::spawn(move || {
        for question in &questions {
            let n = *question;
            question.answer(n + 1);
        }
    });
    let ask = |n: u32| {
        let bus = bus.clone();
        async move { bus.request::<u32, u32>("a", n).timeout(MINUTE).await.unwrap() }
    };
    drop(bus.request::<u32, u32>("a", 0));
    assert_eq!(pollster::block_on(ask(1)), 2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let answers = runtime.block_on(async { tokio::spawn(ask(4)).await.unwrap() + ask(5).await });
    assert_eq!(answers, 11);
    drop(bus.request::<u32, u32>("a", 0).into_future());
    drop(bus);
    server.join().unwrap();
}
