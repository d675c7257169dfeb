//! Async handlers, waits and streams do the same on tokio, on smol and in a plain `block_on`, and none of them loses a call without
//! a word.
#![cfg(feature = "tokio")]

use std::future::{Future, IntoFuture, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sigtree::{Bus, Policy, Received, Task};

const MINUTE: Duration = Duration::from_secs(60);

type Log = Arc<Mutex<Vec<String>>>;

/// Gives others their turn, whatever runs it.
async fn once_round() {
    smol::future::yield_now().await;
}

/// An async handler that writes when it begins and when it ends, and fails with 13.
fn logging(log: &Log) -> impl Fn(Received<u32>) -> BoxFuture<'static, Result<(), &'static str>> + use<> {
    let log = log.clone();
    move |n| {
        let log = log.clone();
        Box::pin(async move {
            log.lock().push(format!("{} begins", *n));
            once_round().await;
            log.lock().push(format!("{} ends", *n));
            if *n == 13 { Err("not 13") } else { Ok(()) }
        })
    }
}

/// What every runtime has to do.
async fn everything(bus: Bus) {
    let log = Log::default();
    // One handler in any order, one in order.
    let _any = bus.connect_async("any", logging(&log)).unwrap();
    let _serial = bus.on("serial").serial().connect_async(logging(&log)).unwrap();

    // An emit returns at once; the calls end by themselves.
    let mut ends = pin!(bus.subscribe::<u32>("end").unwrap());
    let weak = bus.downgrade();
    let _ends = bus
        .connect_async("begin", move |n: Received<u32>| {
            let weak = weak.clone();
            async move {
                once_round().await;
                drop(weak.upgrade().map(|bus| bus.emit("end", *n)));
            }
        })
        .unwrap();
    for n in 0..10_u32 {
        assert_eq!((bus.emit("begin", n).called(), bus.emit("begin", n).failed()), (1, 0));
    }
    let mut ended: Vec<u32> = ends.by_ref().take(19).map(|n| *n).collect().await;
    ended.push(*ends.recv().await.unwrap());
    ended.sort_unstable();
    assert!(ended.into_iter().eq((0..10).flat_map(|n| [n, n])));

    // One that waits has all failures.
    let delivery = bus.emit_and_wait("any", 13_u32).await;
    assert_eq!((delivery.called(), delivery.failures()[0].cause.to_string()), (1, "not 13".to_owned()));
    assert_eq!(std::mem::take(&mut *log.lock()), ["13 begins", "13 ends"]);

    // In order, one at a time, the one that is waited for last.
    for n in 0..50_u32 {
        bus.emit("serial", n);
    }
    bus.emit_and_wait("serial", 50_u32).await;
    let in_order = (0..=50).flat_map(|n| [format!("{n} begins"), format!("{n} ends")]);
    assert!(log.lock().iter().cloned().eq(in_order), "{:?}", log.lock());

    // Cancelled before it began, it never does.
    let unstarted = bus.emit_and_wait("any", 1_u32).cancel();
    assert_eq!(unstarted[0].pattern.as_ref(), "any");

    // Waiting, with an event and without one.
    let mut waits = bus.wait_for::<u32>("next").filter_payload(|n| *n > 1).timeout(MINUTE).into_future();
    (1..3_u32).for_each(|n| drop(bus.emit("next", n)));
    assert_eq!(*(&mut waits).await.unwrap(), 2);
    let late = bus.wait_for::<u32>("never").timeout(Duration::from_millis(1)).await;
    assert!(late.unwrap_err().is_timeout());
}

/// Awaits all of it, and that nothing is left over.
async fn and_nothing_is_left(bus: Bus) {
    everything(bus.clone()).await;
    while bus.running() > 0 {
        once_round().await;
    }
    bus.drain(Duration::ZERO).unwrap();
    // Both handlers failed with 13, as told.
    assert_eq!(bus.failures(), 2);
}

#[test]
fn on_tokio_with_several_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(and_nothing_is_left(Bus::new()));
    // From outside, by its handle.
    pollster::block_on(and_nothing_is_left(Bus::builder().spawner(runtime.handle().clone()).build()));
}

#[test]
fn on_tokio_with_one_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(and_nothing_is_left(Bus::new()));
}

#[test]
fn on_smol() {
    smol::block_on(and_nothing_is_left(Bus::builder().spawner(|task: Task| smol::spawn(task).detach()).build()));
    // On an executor that only this thread runs.
    let executor = Arc::new(smol::Executor::new());
    let spawns = executor.clone();
    let bus = Bus::builder().spawner(move |task: Task| spawns.spawn(task).detach()).build();
    smol::block_on(executor.run(and_nothing_is_left(bus)));
}

#[test]
fn in_a_plain_block_on() {
    let threads = |task: Task| drop(thread::spawn(|| pollster::block_on(task)));
    pollster::block_on(and_nothing_is_left(Bus::builder().spawner(threads).build()));
}

/// Waits for what is told of failures.
fn reports(bus: &Bus) -> Log {
    let told = Log::default();
    let tells = told.clone();
    let report = move |failed: &sigtree::sys::HandlerFailed| tells.lock().push(failed.failure.cause.to_string());
    bus.connect("$sys.handler.failed", report).unwrap().detach();
    told
}

#[test]
fn a_runtime_that_is_shut_down_tells_of_each_call_that_was_not_done() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let bus = Bus::builder().spawner(runtime.handle().clone()).build();
    let told = reports(&bus);
    let begun = Arc::new(AtomicUsize::new(0));
    let begins = begun.clone();
    let hangs = move |_: Received<u32>| {
        let begins = begins.clone();
        async move {
            begins.fetch_add(1, SeqCst);
            pending::<()>().await;
        }
    };
    let _hangs = bus.connect_async("n", hangs.clone()).unwrap();
    let _serial = bus.on("n").serial().connect_async(hangs).unwrap();
    (0..3_u32).for_each(|n| drop(bus.emit("n", n)));
    while begun.load(SeqCst) < 4 {
        thread::yield_now();
    }
    assert!(bus.drain(Duration::ZERO).unwrap_err().is_timeout());
    runtime.shutdown_timeout(MINUTE);
    // Three of one handler, and of the other the first, were cancelled; two waited for their turn.
    let mut told = std::mem::take(&mut *told.lock());
    told.sort();
    assert_eq!(told[..4], ["it was cancelled"; 4], "{told:?}");
    assert_eq!(told[4..], ["it was dropped before it began"; 2], "{told:?}");
    assert_eq!((bus.running(), bus.failures()), (0, 6));
    // And what comes later is not lost without a word, either.
    bus.emit("n", 3_u32);
    assert_eq!((bus.running(), bus.failures()), (0, 8));
}

#[test]
fn a_call_that_panics_lets_the_next_begin() {
    let bus = Bus::builder().spawner(|task: Task| smol::spawn(task).detach()).build();
    let told = reports(&bus);
    let log = Log::default();
    let logs = log.clone();
    let handler = move |n: Received<u32>| {
        let logs = logs.clone();
        async move {
            once_round().await;
            logs.lock().push(n.to_string());
            if n.is_multiple_of(2) {
                std::panic::resume_unwind(Box::new("as told"));
            }
        }
    };
    let _serial = bus.on("n").serial().connect_async(handler).unwrap();
    (0..6_u32).for_each(|n| drop(bus.emit("n", n)));
    bus.drain(MINUTE).unwrap();
    assert_eq!(*log.lock(), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(*told.lock(), ["panicked: as told"; 3]);
}

#[test]
fn one_that_is_given_up_lets_the_next_begin() {
    let bus = Bus::builder().spawner(|task: Task| smol::spawn(task).detach()).build();
    let log = Log::default();
    let _serial = bus.on("n").serial().connect_async(logging(&log)).unwrap();
    let poll = |waits: &mut sigtree::Completion| {
        std::pin::Pin::new(waits).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    };
    // Nobody awaits the first, so it is not in line; the second is, and hangs in the middle.
    let first = bus.emit_and_wait("n", 1_u32);
    let mut second = bus.emit_and_wait("n", 2_u32);
    assert!(!poll(&mut second));
    bus.emit("n", 3_u32);
    let mut fourth = bus.emit_and_wait("n", 4_u32);
    assert!(!poll(&mut fourth));
    drop(second);
    drop(fourth);
    bus.emit("n", 5_u32);
    smol::block_on(first);
    bus.drain(MINUTE).unwrap();
    assert_eq!(*log.lock(), ["2 begins", "3 begins", "3 ends", "5 begins", "5 ends", "1 begins", "1 ends"]);
}

#[test]
fn a_bus_that_is_dropped_lets_its_calls_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bus = Bus::builder().spawner(runtime.handle().clone()).build();
    let log = Log::default();
    let token = Arc::new(());
    let (logs, held) = (logging(&log), token.clone());
    let handler = move |n: Received<u32>| {
        let _held = &held;
        logs(n)
    };
    bus.on("n").serial().policy(Policy::Isolate).connect_async(handler).unwrap().detach();
    (1..3_u32).for_each(|n| drop(bus.emit("n", n)));
    drop(bus);
    runtime.block_on(async {
        while log.lock().len() < 4 {
            once_round().await;
        }
    });
    assert_eq!(*log.lock(), ["1 begins", "1 ends", "2 begins", "2 ends"]);
    drop(runtime);
    assert_eq!(Arc::strong_count(&token), 1, "the handler is freed");
}

#[test]
fn a_wait_ends_with_its_bus() {
    let bus = Bus::new();
    let mut waits = pin!(bus.wait_for::<u32>("n").into_future());
    let poll = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    let ends = thread::spawn(move || drop(bus));
    assert!(pollster::block_on(waits).unwrap_err().is_closed());
    ends.join().unwrap();
}

#[test]
fn streams_of_one_queue_share_it() {
    let executor = smol::Executor::new();
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    let tasks: Vec<_> = (0..3).map(|_| executor.spawn(numbers.clone().map(|n| *n).collect::<Vec<_>>())).collect();
    let emits = thread::spawn(move || {
        for n in 0..1_000_u32 {
            while bus.try_emit("n", n).is_err() {}
        }
    });
    let taken = smol::block_on(executor.run(futures_util::future::join_all(tasks)));
    emits.join().unwrap();
    let mut taken = taken.concat();
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..1_000));
    assert!(matches!(pin!(numbers).poll_next_unpin(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
}
