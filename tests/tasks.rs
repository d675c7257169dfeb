//! Async handlers run in the background, or in whoever waits; nothing is lost without a word.
#![cfg(feature = "async")]

use std::future::{Future, IntoFuture, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::{Bus, Cause, ManualClock, Mode, Policy, Received, Reliable, Task};

const MINUTE: Duration = Duration::from_secs(60);

/// A bus whose tasks each have a thread.
fn threaded() -> Bus {
    Bus::builder()
        .spawner(|task: Task| {
            thread::spawn(move || pollster::block_on(task));
        })
        .build()
}

type Log = Arc<Mutex<Vec<String>>>;

fn log() -> Log {
    Log::default()
}

fn bad(why: &str) {
    panic!("{why}")
}

/// Pending once, then ready.
async fn once_round() {
    let mut been = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut been, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn they_run_in_the_background() {
    let (bus, log) = (threaded(), log());
    let logs = log.clone();
    let _handler = bus
        .connect_async("n.*", move |n: Received<u32>| {
            let logs = logs.clone();
            async move {
                once_round().await;
                logs.lock().push(format!("{} {}", n.topic(), *n));
            }
        })
        .unwrap();
    assert_eq!(bus.emit("n.a", 1_u32).called(), 1);
    bus.emit("n.b", String::from("another type"));
    bus.drain(MINUTE).unwrap();
    assert_eq!((&**log.lock(), bus.running()), (&["n.a 1".to_owned()][..], 0));
}

#[test]
fn failures_and_panics_are_reported() {
    let (bus, told) = (threaded(), log());
    let tells = told.clone();
    let report = move |failed: &sigtree::sys::HandlerFailed| tells.lock().push(failed.failure.cause.to_string());
    let _report = bus.connect("$sys.handler.failed", report).unwrap();
    let _fails = bus.connect_async("n", |_: Received<u32>| async { Err::<(), _>("as told") }).unwrap();
    let _panics = bus.on("n").named("p").connect_async(|_: Received<u32>| async { bad("so long") }).unwrap();
    assert_eq!(bus.emit("n", 1_u32).failed(), 0);
    bus.drain(MINUTE).unwrap();
    let mut told = told.lock();
    told.sort();
    assert_eq!((&**told, bus.failures()), (&["as told".to_owned(), "panicked: so long".to_owned()][..], 2));
}

#[test]
fn an_emit_that_waits_has_every_failure() {
    let (bus, log) = (Bus::new(), log());
    for n in 0..3_u32 {
        let logs = log.clone();
        let handler = move |event: Received<u32>| {
            let logs = logs.clone();
            async move {
                logs.lock().push(format!("{n} begins"));
                once_round().await;
                logs.lock().push(format!("{n} ends"));
                if n == *event { Err("that is me") } else { Ok(()) }
            }
        };
        bus.connect_async("n", handler).unwrap().detach();
    }
    let _plain = bus.connect("n", |_: &u32| Err("plain")).unwrap();
    let delivery = pollster::block_on(bus.emit_and_wait("n", 1_u32));
    assert_eq!((delivery.called(), delivery.failed(), bus.failures()), (4, 2, 2));
    let failures: Vec<_> = delivery.failures().iter().map(|failure| failure.cause.to_string()).collect();
    assert_eq!(failures, ["plain", "that is me"]);
    assert_eq!(log.lock()[..3], ["0 begins", "1 begins", "2 begins"]);

    log.lock().clear();
    pollster::block_on(bus.emit_and_wait("n", 7_u32).serial());
    assert_eq!(*log.lock(), ["0 begins", "0 ends", "1 begins", "1 ends", "2 begins", "2 ends"]);
    assert_eq!(bus.running(), 0);
}

#[test]
fn who_cancels_is_told_what_had_not_begun() {
    let bus = Bus::new();
    let _first = bus.on("n").named("first").connect_async(|_: Received<u32>| pending::<()>()).unwrap();
    let _second = bus.on("n").named("second").connect_async(|_: Received<u32>| async {}).unwrap();
    let names = |unstarted: Vec<sigtree::Unstarted>| -> Vec<_> {
        unstarted.into_iter().map(|unstarted| unstarted.name.unwrap().to_string()).collect()
    };
    assert_eq!(names(bus.emit_and_wait("n", 1_u32).cancel()), ["first", "second"]);
    assert_eq!((bus.failures(), bus.running()), (0, 0));

    let mut waits = bus.emit_and_wait("n", 1_u32).serial();
    assert!(poll_once(&mut waits).is_pending());
    assert_eq!(bus.running(), 2);
    assert_eq!(names(waits.cancel()), ["second"]);
    // The one that had begun was ended where it was.
    assert_eq!((bus.failures(), bus.running()), (1, 0));

    drop(bus.emit_and_wait("n", 1_u32));
    assert_eq!((bus.failures(), bus.running()), (3, 0));
}

#[test]
fn without_a_spawner_the_emit_says_so() {
    let bus = Bus::new();
    let _handler = bus.connect_async("n", |_: Received<u32>| async {}).unwrap();
    let delivery = bus.emit("n", 1_u32);
    let told = delivery.failures()[0].to_string();
    assert!(told.ends_with("give the bus a spawner, or emit and wait"), "{told}");
    assert_eq!((bus.failures(), bus.running()), (1, 0));
}

#[test]
fn tasks_that_are_dropped_are_failures() {
    let bus = Bus::builder().spawner(drop::<Task>).build();
    let _handler = bus.connect_async("n", |_: Received<u32>| async {}).unwrap();
    bus.emit("n", 1_u32);
    assert_eq!((bus.failures(), bus.running()), (1, 0));
}

#[test]
fn what_is_emitted_inside_is_not_waited_for() {
    let (bus, inner) = (threaded(), Arc::new(AtomicUsize::new(0)));
    let counts = inner.clone();
    let _inner = bus
        .connect_async("inner", move |_: Received<u32>| {
            let counts = counts.clone();
            async move {
                _ = counts.fetch_add(1, SeqCst);
            }
        })
        .unwrap();
    let weak = bus.downgrade();
    let _outer = bus.connect("outer", move |n: &u32| drop(weak.upgrade().unwrap().emit("inner", *n))).unwrap();
    let delivery = pollster::block_on(bus.emit_and_wait("outer", 1_u32));
    assert_eq!((delivery.called(), delivery.failed()), (1, 0));
    bus.drain(MINUTE).unwrap();
    assert_eq!(inner.load(SeqCst), 1);
}

#[test]
fn a_subscription_is_awaited_and_streamed() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    let mut first = pin!(numbers.recv());
    assert!(poll_once(&mut first).is_pending());
    bus.emit("n", 1_u32);
    assert_eq!(*pollster::block_on(first).unwrap(), 1);

    let stream = numbers.clone();
    let reader = thread::spawn(move || pollster::block_on(futures_util::StreamExt::collect::<Vec<_>>(stream)));
    (2..5_u32).for_each(|n| drop(bus.emit("n", n)));
    drop(bus);
    let taken: Vec<_> = reader.join().unwrap().iter().map(|n| **n).collect();
    assert_eq!(taken, [2, 3, 4]);
}

#[test]
fn a_receive_that_is_given_up_wakes_another_in_its_place() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    let (mut one, mut two) = (pin!(numbers.recv()), Box::pin(numbers.recv()));
    assert!(poll_once(&mut two).is_pending());
    let other = numbers.clone();
    let taker = thread::spawn(move || pollster::block_on(other.recv()).map(|n| *n));
    while numbers.stats().received == 0 && !taker.is_finished() && bus.emit("n", 1_u32).called() == 0 {}
    // Whoever was woken may be the one that is given up: then the thread is.
    drop(two);
    assert_eq!(taker.join().unwrap().unwrap(), 1);
    assert!(poll_once(&mut one).is_pending());
}

#[test]
fn the_next_event_is_waited_for() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let mut waits = bus.wait_for::<u32>("n.*").filter_payload(|n| *n > 2).timeout(MINUTE).into_future();
    assert!(poll_once(&mut waits).is_pending());
    bus.emit("n.a", 1_u32);
    assert!(poll_once(&mut waits).is_pending());
    bus.emit("n.b", 3_u32);
    let Poll::Ready(Ok(event)) = poll_once(&mut waits) else { panic!("it waits on") };
    assert_eq!((event.topic().as_str(), *event), ("n.b", 3));

    let mut late = bus.wait_for::<u32>("n").filter(|event| event.source().is_some()).timeout(MINUTE).into_future();
    assert!(poll_once(&mut late).is_pending());
    clock.advance(MINUTE);
    assert!(matches!(poll_once(&mut late), Poll::Ready(Err(error)) if error.is_timeout()));

    let refused = pollster::block_on(bus.wait_for::<u32>("n..a").into_future());
    assert!(refused.unwrap_err().refusal().unwrap().is_bad_name());
    let mut gone = bus.wait_for::<u32>("n").into_future();
    drop(bus);
    assert!(matches!(poll_once(&mut gone), Poll::Ready(Err(error)) if error.is_closed()));
}

#[cfg(feature = "tokio")]
#[test]
fn tokio_runs_them() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (at_hand, given) = (Bus::new(), Bus::builder().spawner(runtime.handle().clone()).build());
    let done = Arc::new(AtomicUsize::new(0));
    for bus in [&at_hand, &given] {
        let counts = done.clone();
        let handler = move |_: Received<u32>| {
            let counts = counts.clone();
            async move {
                tokio::task::yield_now().await;
                counts.fetch_add(1, SeqCst);
            }
        };
        bus.connect_async("n", handler).unwrap().detach();
    }
    given.emit("n", 1_u32);
    assert_eq!(at_hand.emit("n", 1_u32).failed(), 1);
    runtime.block_on(async {
        assert_eq!(at_hand.emit("n", 1_u32).failed(), 0);
        at_hand.emit_and_wait("n", 2_u32).await;
    });
    for bus in [&at_hand, &given] {
        bus.drain(MINUTE).unwrap();
    }
    assert_eq!(done.load(SeqCst), 3);
}

#[test]
fn what_is_emitted_later_is_not_waited_for_either() {
    let tasks = Arc::new(Mutex::new(Vec::new()));
    let kept = tasks.clone();
    let bus = Bus::builder().spawner(move |task: Task| kept.lock().push(task)).build();
    let later = bus.clone();
    let _emits = bus.connect("n", move |n: &u32| later.emit_later("later", *n)).unwrap();
    let _later = bus.connect_async("later", |_: Received<u32>| async {}).unwrap();
    let _own = bus.connect_async("n", |_: Received<u32>| async {}).unwrap();
    let mut waits = bus.emit_and_wait("n", 1_u32);
    assert_eq!((tasks.lock().len(), bus.running()), (1, 2), "one is the spawner's, one is waited for");
    assert!(poll_once(&mut waits).is_ready());
    // An emit that is made later may wait for its own.
    let inside = bus.clone();
    let waits = move |n: &u32| {
        let others = inside.running();
        let delivery = pollster::block_on(inside.emit_and_wait("own", *n));
        assert_eq!((delivery.called(), inside.running()), (1, others));
    };
    let _own = bus.connect_async("own", |_: Received<u32>| async {}).unwrap();
    let _waits = bus.connect("later", waits).unwrap();
    bus.emit("n", 2_u32);
    assert_eq!(bus.failures(), 0);
    tasks.lock().clear();
}

#[test]
fn a_report_that_panics_keeps_nobody_waiting() {
    use sigtree::Policy;
    let (bus, tasks) = (Bus::builder(), Arc::new(Mutex::new(Vec::new())));
    let kept = tasks.clone();
    let bus = bus.spawner(move |task: Task| kept.lock().push(task)).build();
    let report = |_: &sigtree::sys::HandlerFailed| bad("the report, too");
    let _report = bus.on("$sys.handler.failed").policy(Policy::Propagate).connect(report).unwrap();
    let _fails = bus.on("n").serial().connect_async(|_: Received<u32>| async { Err::<(), _>("as told") }).unwrap();
    (0..3_u32).for_each(|n| drop(bus.emit("n", n)));
    // A task never panics: neither when it is run, nor when it is dropped.
    let [first, second, third] = <[Task; 3]>::try_from(std::mem::take(&mut *tasks.lock())).unwrap();
    pollster::block_on(first);
    drop(second);
    pollster::block_on(third);
    bus.drain(Duration::ZERO).unwrap();
    assert_eq!(bus.running(), 0);
}

#[test]
fn a_serial_handler_that_waits_for_its_own_next_call_is_told_so() {
    let bus = threaded();
    let (weak, (said, heard)) = (bus.downgrade(), mpsc::channel());
    let (relays, asks) = (weak.clone(), weak.clone());
    // By another serial handler, too.
    let relay = move |n: Received<u32>| {
        let bus = relays.upgrade().unwrap();
        async move {
            let inner = bus.emit_and_wait("own", *n).await;
            if inner.failed() > 0 { Err(inner.failures()[0].cause.to_string()) } else { Ok(()) }
        }
    };
    let _relay = bus.on("relay").serial().connect_async(relay).unwrap();
    let own = move |n: Received<u32>| {
        let (bus, said) = (asks.upgrade().unwrap(), said.clone());
        async move {
            let topic = ["", "own", "relay"][*n as usize];
            if *n > 0 {
                said.send(bus.emit_and_wait(topic, 0_u32).await).unwrap();
            }
        }
    };
    let _own = bus.on("own").serial().connect_async(own).unwrap();
    for n in [1_u32, 2] {
        bus.emit("own", n);
        let inner = heard.recv_timeout(MINUTE).expect("it does not wait");
        let Cause::Error(cause) = &inner.failures()[0].cause else { panic!("{inner}") };
        assert!(cause.to_string().contains("would wait for this very call"), "{cause}");
        // What the other handler tells of it is a text.
        assert_eq!(cause.downcast_ref().is_some_and(sigtree::Error::is_would_deadlock), n == 1);
        bus.drain(MINUTE).unwrap();
    }
    // A call that waits for another handler's does not wait for itself, and the line goes on.
    assert!(pollster::block_on(bus.emit_and_wait("relay", 0_u32)).ok().is_ok());
    assert!(pollster::block_on(bus.emit_and_wait("own", 0_u32)).ok().is_ok());
}

#[test]
fn an_async_handler_that_failed_often_enough_is_detached() {
    let bus = Bus::builder().spawner(pollster::block_on::<Task>).build();
    let reliable = Mode::Reliable(Reliable::new().retries(0));
    for on in [bus.on("n"), bus.on("n").serial(), bus.on("n").mode(Mode::LatestOnly), bus.on("n").mode(reliable)] {
        let policy = Policy::detach_after(2);
        let fails = on.policy(policy).connect_async(|_: Received<u32>| async { Err::<(), _>("broken") }).unwrap();
        assert_eq!(bus.emit("n", 1_u32).called(), 1);
        assert!(fails.is_connected());
        assert_eq!(bus.emit("n", 2_u32).called(), 1);
        assert!(!fails.is_connected());
        assert_eq!(bus.emit("n", 3_u32).called(), 0);
    }
    assert_eq!(bus.connections(), 0);
}

#[test]
fn a_shutdown_says_whose_calls_it_did_not_wait_for() {
    let bus = Bus::builder().spawner(std::mem::forget::<Task>).build();
    let never = |_: Received<u32>| async { pending::<()>().await };
    let on = |name: &str| bus.on("n").named(name);
    let _plain = on("plain").connect_async(never).unwrap();
    let _serial = on("serial").serial().connect_async(never).unwrap();
    let _newest = on("newest").mode(Mode::LatestOnly).connect_async(never).unwrap();
    let _reliable = on("reliable").mode(Mode::Reliable(Reliable::new())).connect_async(never).unwrap();
    let gone = on("gone").connect_async(never).unwrap();
    (0..2_u32).for_each(|n| assert_eq!(bus.emit("n", n).called(), 5));
    drop(gone);
    let report = bus.shutdown(Duration::ZERO).to_string();
    let calls = |line: &str| {
        let (_, calls) = line.split_once("async handlers run, ")?;
        Some(calls.split_once(" (").map_or(calls, |(calls, _)| calls).to_owned())
    };
    let told: Vec<_> = report.lines().filter_map(calls).collect();
    let named = ["2 calls of `plain`", "2 calls of `serial`", "1 call of `newest`", "2 calls of `reliable`"];
    assert_eq!(told, [&named[..], &["2 calls"]].concat(), "{report}");
}
