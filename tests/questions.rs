//! A queue of questions: threads and tasks take from it, and it ends with its bus.

use std::thread;
use std::time::Duration;

use sigtree::{Bus, ManualClock, Questions};

const MINUTE: Duration = Duration::from_secs(60);

/// Answers until no question will come any more; how many came.
fn serve(questions: &Questions<u32, u32>) -> usize {
    let answer = |question: sigtree::Question<u32, u32>| {
        let n = *question;
        question.answer(n + 1)
    };
    questions.into_iter().map(answer).count()
}

#[test]
fn a_thread_that_answers_ends_when_the_bus_is_shut_down() {
    let bus = Bus::new();
    let questions = bus.questions::<u32, u32>("a").unwrap();
    let early = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    assert_eq!((questions.len(), questions.is_empty()), (1, false));
    let server = thread::spawn(move || serve(&questions));
    let report = bus.shutdown(MINUTE);
    assert!(report.is_clean(), "{report}");
    // What was accepted is answered, and who comes later can tell why it is not.
    assert_eq!((server.join().unwrap(), early.wait().unwrap()), (1, 2));
    let late = bus.request::<u32, u32>("a", 2).wait().unwrap_err();
    assert!(late.is_refused() && late.refusal().is_some_and(sigtree::Error::is_shutting_down), "{late}");
    let late = bus.gather::<u32, u32>("a", 2).wait().unwrap_err();
    assert!(late.refusal().is_some_and(sigtree::Error::is_shutting_down), "{late}");
    assert!(bus.questions::<u32, u32>("a").unwrap_err().is_shutting_down());
}

#[test]
fn a_disconnect_ends_all_who_take_and_what_waits_is_answered() {
    let bus = Bus::new();
    let questions = bus.questions::<u32, u32>("a").unwrap();
    assert_eq!(questions.id(), questions.clone().id());
    let early = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    let servers = [questions.clone(), questions.clone()].map(|questions| thread::spawn(move || serve(&questions)));
    questions.disconnect();
    assert_eq!(servers.map(|server| server.join().unwrap()).iter().sum::<usize>(), 1);
    assert_eq!(early.wait().unwrap(), 2);
    assert!(bus.request::<u32, u32>("a", 2).wait().is_err() && questions.try_recv().unwrap_err().is_closed());
}

#[test]
fn questions_that_nobody_takes_are_in_the_report_and_can_still_be_answered() {
    let bus = Bus::new();
    let questions = bus.on("a").named("desk").questions::<u32, u32>().unwrap();
    let asked = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    let report = bus.shutdown(Duration::ZERO);
    assert!(!report.is_clean() && report.to_string().contains("`desk`"), "{report}");
    assert_eq!((serve(&questions), asked.wait().unwrap()), (1, 2));
    assert!(questions.try_recv().unwrap_err().is_closed());
}

#[test]
fn who_waits_for_an_answer_from_itself_waits_no_longer_than_its_time() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let questions = bus.questions::<u32, u32>("a").unwrap();
    assert!(questions.try_recv().unwrap_err().is_empty());
    let asked = bus.request::<u32, u32>("a", 1).timeout(MINUTE).send();
    clock.advance(MINUTE);
    assert!(asked.wait().unwrap_err().is_timeout());
    assert!(!questions.try_recv().unwrap().answer(1));
}

#[test]
fn a_bus_that_is_dropped_while_an_answer_is_waited_for_takes_neither_answer_nor_time_away() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let questions = bus.questions::<u32, u32>("a").unwrap();
    let [first, second] = [1, 2].map(|n| bus.request::<u32, u32>("a", n).timeout(MINUTE).send());
    drop(bus);
    assert!(questions.recv_blocking().unwrap().answer(7));
    let _kept = questions.recv_blocking().unwrap();
    assert!(questions.recv_blocking().unwrap_err().is_closed());
    assert_eq!(first.wait().unwrap(), 7);
    clock.advance(MINUTE);
    assert!(second.wait().unwrap_err().is_timeout());
}

#[cfg(feature = "async")]
#[test]
fn tasks_take_from_it_and_one_that_gives_up_takes_nothing() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use futures_util::StreamExt;

    let bus = Bus::new();
    let mut questions = bus.questions::<u32, u32>("a").unwrap();
    let ask = |n: u32| bus.request::<u32, u32>("a", n).timeout(MINUTE).send();
    let noop = &mut Context::from_waker(Waker::noop());
    {
        let mut gives_up = Box::pin(questions.recv());
        let mut waits = pin!(questions.recv());
        assert!(gives_up.as_mut().poll(noop).is_pending() && waits.as_mut().poll(noop).is_pending());
        // The first of those who sleep is woken, and goes without a look.
        let asked = ask(1);
        drop(gives_up);
        let Poll::Ready(question) = waits.as_mut().poll(noop) else { panic!("it was not woken") };
        assert!(question.unwrap().answer(2));
        assert_eq!(asked.wait().unwrap(), 2);
    }
    let asked: Vec<_> = (0..3).map(ask).collect();
    drop(bus);
    pollster::block_on(async {
        while let Some(question) = questions.next().await {
            let n = *question;
            assert!(question.answer(n * 10));
        }
    });
    assert!(pollster::block_on(questions.next()).is_none());
    let answers: Vec<_> = asked.into_iter().map(|asked| asked.wait().unwrap()).collect();
    assert_eq!(answers, [0, 10, 20]);
}

#[test]
fn a_correlation_is_carried_to_who_answers_and_made_only_by_its_layer() {
    let bus = Bus::new();
    let correlation = |_: &u32, event: &sigtree::Event<'_>| event.correlation().map(str::to_owned);
    let _sync = bus.reply("sync", correlation).unwrap();
    let questions = bus.questions::<u32, Option<String>>("queue").unwrap();
    let server = thread::spawn(move || {
        for question in &questions {
            let seen = question.event().correlation().map(str::to_owned);
            question.answer(seen);
        }
    });
    let ask = |topic: &'static str| bus.request::<u32, Option<String>>(topic, 1).timeout(MINUTE);
    for topic in ["sync", "queue"] {
        assert_eq!(ask(topic).wait().unwrap(), None);
        assert_eq!(ask(topic).correlation("order 7").wait().unwrap().as_deref(), Some("order 7"));
    }
    bus.layer(sigtree::Correlation::new());
    for topic in ["sync", "queue"] {
        let [made, other] = [ask(topic).wait().unwrap(), ask(topic).wait().unwrap()];
        assert!(made.is_some() && made != other, "{made:?} {other:?}");
        assert_eq!(ask(topic).correlation("order 7").wait().unwrap().as_deref(), Some("order 7"));
    }
    drop(bus);
    server.join().unwrap();
}
