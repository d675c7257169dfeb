//! A bus pauses and goes on in order; it ends in good order, and says what did not end; and it can just be dropped.

mod support;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use sigtree::middleware::{Backoff, Debounce, Job};
use sigtree::{Bus, BusConfig, Event, Left, Mailbox, Mode, Next, Overflow, Queue, Reliable, Stack, WorkerPool, sys};
use support::Recorder;

/// Long enough for any machine; a test that fails by it hangs.
const LONG: Duration = Duration::from_secs(60);

fn numbers(bus: &Bus, pattern: &str) -> (Recorder, sigtree::Connection) {
    let seen = Recorder::new();
    let connection = bus.connect(pattern, seen.lines(|n: &u32| *n)).unwrap();
    (seen, connection)
}

// Pausing

#[test]
fn what_comes_in_a_pause_waits_and_goes_on_in_order() {
    let bus = Bus::new();
    let (seen, _numbers) = numbers(&bus, "n");
    assert!(!bus.is_paused());
    let pause = bus.pause();
    assert!((1..=3_u32).all(|n| bus.emit("n", n).is_held()));
    assert_eq!((bus.is_paused(), pause.waiting()), (true, 3));
    assert!(seen.take().is_empty());
    bus.start();
    assert_eq!(bus.emit("n", 4_u32).called(), 1);
    assert_eq!(seen.take(), ["1", "2", "3", "4"]);
    assert!(!bus.is_paused() && bus.stack().is_empty());
    drop(pause);
    bus.start();
    assert_eq!(bus.emit("n", 5_u32).called(), 1);
}

#[test]
fn a_bus_goes_on_when_the_last_pause_is_over() {
    let bus = Bus::new();
    let (seen, _numbers) = numbers(&bus, "n");
    let first = bus.pause();
    bus.emit("n", 1_u32);
    let second = bus.pause();
    bus.emit("n", 2_u32);
    drop(first);
    assert!(bus.is_paused());
    bus.emit("n", 3_u32);
    assert!(seen.take().is_empty());
    drop(second);
    assert_eq!(seen.take(), ["1", "2", "3"]);
}

#[test]
fn a_stack_that_replaces_that_of_a_pause_ends_it() {
    let bus = Bus::new();
    let (seen, _numbers) = numbers(&bus, "n");
    let pause = bus.pause();
    bus.emit("n", 1_u32);
    bus.set_stack(Stack::new());
    assert!(!bus.is_paused());
    assert_eq!(bus.emit("n", 2_u32).called(), 1);
    drop(pause);
    assert_eq!(seen.take(), ["1", "2"]);
}

#[test]
fn a_pause_has_so_many_places() {
    let bus = Bus::with(&BusConfig::new().queue_size(2));
    let (seen, _numbers) = numbers(&bus, "n");
    let pause = bus.pause();
    let filtered: Vec<_> = (1..=3_u32).map(|n| bus.emit("n", n).filtered().map(str::to_owned)).collect();
    assert_eq!(filtered, [None, None, Some("the bus is paused, and 2 events wait already".to_owned())]);
    drop(pause);
    assert_eq!(seen.take(), ["1", "2"]);
}

#[test]
fn what_was_accepted_before_a_pause_goes_on() {
    let bus = Bus::new();
    let queue = bus.subscribe::<u32>("n").unwrap();
    let mailbox = Mailbox::new();
    let _later = bus.on("n").on(mailbox.clone()).connect(|_: &u32| {}).unwrap();
    bus.emit("n", 1_u32);
    let _pause = bus.pause();
    assert_eq!((*queue.try_recv().unwrap(), mailbox.drain()), (1, 1));
}

#[test]
fn a_handler_of_what_goes_on_may_pause_again() {
    let bus = Bus::new();
    let seen = Recorder::new();
    let (weak, log, pauses) = (bus.downgrade(), seen.clone(), Arc::new(Mutex::new(None)));
    let kept = pauses.clone();
    let handler = move |n: &u32| {
        log.note(n);
        if *n == 1 {
            *kept.lock().unwrap() = weak.upgrade().map(|bus| bus.pause());
        }
    };
    let _numbers = bus.connect("n", handler).unwrap();
    let pause = bus.pause();
    (1..=2_u32).for_each(|n| drop(bus.emit("n", n)));
    drop(pause);
    bus.emit("n", 3_u32);
    assert!(bus.is_paused());
    let again = pauses.lock().unwrap().take();
    drop(again);
    assert_eq!(seen.take(), ["1", "2", "3"]);
}

#[test]
fn a_pause_that_ends_while_another_lets_its_events_by_is_over() {
    let bus = Bus::new();
    let pause = Arc::new(Mutex::new(None));
    let ends = pause.clone();
    let _ends = bus.connect("n", move |_: &u32| drop(ends.lock().unwrap().take())).unwrap();
    *pause.lock().unwrap() = Some(bus.pause());
    bus.emit("n", 1_u32);
    bus.emit("n", 2_u32);
    bus.flush();
    assert!(!bus.is_paused() && bus.stack().is_empty());
    assert_eq!(bus.emit("n", 3_u32).called(), 1);
}

#[test]
fn each_threads_events_stay_in_order_when_the_bus_goes_on() {
    let bus = Bus::with(&BusConfig::new().queue_size(1_000_000));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let _numbers = bus.connect("n", move |n: &u32| sink.lock().unwrap().push(*n)).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(SeqCst) {
                let pause = bus.pause();
                thread::yield_now();
                drop(pause);
            }
        });
        (0..2_000_u32).for_each(|n| drop(bus.emit("n", n)));
        over.store(true, SeqCst);
    });
    bus.start();
    assert!(seen.lock().unwrap().iter().copied().eq(0..2_000));
}

// Shutting down

#[test]
fn emits_are_refused_and_counted_and_reported() {
    let bus = Bus::builder().name("site").build();
    let (seen, _numbers) = numbers(&bus, "n");
    let refusals = Recorder::new();
    let _reports = bus.connect("$sys.refused", refusals.lines(|refused: &sys::Refused| refused.error.to_string()));
    let signal = bus.signal::<u32>("n").unwrap();
    let mut pinned = signal.pin();
    for emit in [signal.emit(1), bus.emit("n", 2_u32), bus.emit("n", 3_u32), pinned.emit(4)] {
        assert_eq!(emit.called(), 1);
    }
    drop(pinned);
    assert!(bus.shutdown(LONG).is_clean());

    let mut pinned = signal.pin();
    for refused in [signal.emit(1), bus.emit("n", 2_u32), bus.emit("unheard", 3_u32), pinned.emit(4), pinned.emit(5)] {
        assert!(refused.refusal().unwrap().is_shutting_down());
    }
    assert!(bus.event("n").emit(6_u32).refusal().is_some());
    assert!(bus.try_emit("n", 7_u32).unwrap_err().is_shutting_down());
    assert_eq!(
        signal.try_emit(8).unwrap_err().to_string(),
        "bus `site` is shut down: it takes nothing more; emit before its end, or on another bus"
    );
    assert!(signal.query::<u32>(&9).delivery().refusal().is_some());
    assert_eq!((bus.refusals(), refusals.take().len()), (9, 9));
    assert_eq!(seen.take().len(), 4);
    assert!(bus.is_shut_down());
    assert!(bus.subscribe::<u32>("n").unwrap_err().is_shutting_down());
    bus.start();
    assert!(bus.emit("n", 1_u32).refusal().is_some());
    assert!(bus.shutdown(LONG).is_clean(), "once more");
}

#[test]
fn what_was_held_goes_on() {
    let bus = Bus::new();
    bus.layer(Debounce::new(LONG));
    let (seen, _numbers) = numbers(&bus, "n");
    let pause = bus.pause();
    bus.emit("n", 1_u32);
    assert!(bus.shutdown(LONG).is_clean());
    assert_eq!((seen.take(), pause.waiting()), (vec!["1".to_owned()], 0));
}

#[test]
fn children_end_with_their_parent() {
    let bus = Bus::new();
    let child = bus.child("a").unwrap();
    let grandchild = child.child("b").unwrap();
    let queue = grandchild.subscribe::<u32>("n").unwrap();
    grandchild.emit("n", 1_u32);
    let consumer = thread::spawn(move || queue.into_iter().count());
    assert!(bus.shutdown(LONG).is_clean());
    assert_eq!(consumer.join().unwrap(), 1);
    assert!(grandchild.emit("n", 2_u32).refusal().unwrap().is_shutting_down());
    let elsewhere = Bus::new();
    let _bridge = elsewhere.bridge("n", &child).unwrap();
    elsewhere.emit("n", 3_u32);
    assert_eq!(child.refusals(), 1, "another bus's event comes too late");
}

#[test]
fn a_parent_goes_on_without_a_child() {
    let bus = Bus::new();
    let child = bus.child("a").unwrap();
    assert!(child.shutdown(LONG).is_clean());
    let (seen, _numbers) = numbers(&bus, "n");
    bus.emit("n", 1_u32);
    assert_eq!(seen.take(), ["1"]);
}

#[test]
fn jobs_of_pools_are_waited_for() {
    let bus = Bus::new();
    let seen = Recorder::new();
    let pool = WorkerPool::builder().max_workers(2).start().unwrap();
    let _slow = bus.on("n").on(pool.clone()).serial().connect(seen.lines(|n: &u32| *n)).unwrap();
    let _own = bus.on("n").on(bus.pool().unwrap()).connect(|_: &u32| thread::yield_now()).unwrap();
    (0..100_u32).for_each(|n| drop(bus.emit("n", n)));
    assert!(bus.shutdown(LONG).is_clean());
    assert_eq!(seen.take().len(), 100);
    assert!(bus.pool().unwrap().stats().run == 100);
    assert!(pool.stats().queue.depth == 0);
}

#[test]
fn a_handler_that_runs_elsewhere_is_waited_for() {
    let bus = Bus::new();
    let (inside, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (meets, goes) = (inside.clone(), go.clone());
    let slow = move |_: &u32| {
        meets.wait();
        goes.wait();
    };
    let _slow = bus.on("n").on(WorkerPool::builder().start().unwrap()).connect(slow).unwrap();
    bus.emit("n", 1_u32);
    inside.wait();
    let report = bus.shutdown(Duration::ZERO);
    assert_eq!(report.to_string(), "bus `bus`: handlers run, 1 event that was held");
    go.wait();
    assert!(bus.shutdown(LONG).is_clean());
}

#[test]
fn a_report_says_what_did_not_end() {
    let bus = Bus::builder().name("site").build();
    let jobs = Arc::new(Mutex::new(Vec::<Job>::new()));
    let kept = jobs.clone();
    let never = move |job: Job| {
        kept.lock().unwrap().push(job);
        Ok(())
    };
    let _later = bus.on("n").named("later").on(never).connect(|_: &u32| {}).unwrap();
    let queue =
        bus.on("n").named("q").queue(Queue::bounded(2).overflow(Overflow::DropOldest)).subscribe::<u32>().unwrap();
    (1..=3_u32).for_each(|n| drop(bus.emit("n", n)));
    let report = bus.shutdown(Duration::ZERO);
    let lines: Vec<_> = report.to_string().lines().map(without_places).collect();
    assert_eq!(
        lines,
        [
            "bus `site`: on an executor holds 3 for `later` (..)",
            "bus `site`: 2 wait in the queue of `n` named `q` (..)"
        ]
    );
    assert!(matches!(report.left(), [Left::Held { count: 3, .. }, Left::Events { count: 2, .. }]));
    let jobs = std::mem::take(&mut *jobs.lock().unwrap());
    jobs.into_iter().for_each(Job::run);
    assert_eq!(queue.drain().map(|n| *n).collect::<Vec<_>>(), [2, 3]);
    assert!(queue.try_recv().unwrap_err().is_closed());
    assert_eq!(bus.shutdown(LONG).to_string(), "everything ended");
}

/// The line with `..` for each place in a file.
fn without_places(line: &str) -> String {
    let mut parts = line.split('(');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| format!("{line}(..{}", part.split_once(')').map_or("", |(_, rest)| rest)) + ")")
}

#[test]
fn an_emit_that_runs_is_waited_for_and_delivered_wholly() {
    let bus = Bus::new();
    let (inside, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (meets, goes) = (inside.clone(), go.clone());
    let _slow = bus.on("n").priority(1).connect(move |_: &u32| {
        meets.wait();
        goes.wait();
    });
    let queue = bus.subscribe::<u32>("n").unwrap();
    let emitter = thread::spawn({
        let bus = bus.clone();
        move || bus.emit("n", 1_u32).called()
    });
    inside.wait();
    // It ends with the emit only, which goes on when others are refused already.
    let ends = thread::spawn({
        let bus = bus.clone();
        move || bus.shutdown(LONG).is_clean()
    });
    while !bus.is_shut_down() {
        thread::yield_now();
    }
    assert!(bus.emit("m", 2_u32).refusal().unwrap().is_shutting_down());
    assert!(!queue.is_closed(), "the emit is to reach it");
    go.wait();
    assert_eq!(emitter.join().unwrap(), 2);
    assert_eq!(*queue.recv_timeout(LONG).unwrap(), 1);
    assert!(ends.join().unwrap());
    assert!(queue.is_closed());
}

#[test]
fn an_emit_that_does_not_end_is_in_the_report() {
    let bus = Bus::new();
    let (inside, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (meets, goes) = (inside.clone(), go.clone());
    // A name that is emitted once only, so that its route is remembered nowhere.
    let _slow = bus.connect("n.*", move |_: &u32| {
        meets.wait();
        goes.wait();
    });
    let emits = bus.clone();
    let emitter = thread::spawn(move || emits.emit("n.1", 1_u32).called());
    inside.wait();
    assert_eq!(bus.shutdown(Duration::ZERO).to_string(), "bus `bus`: emits are running");
    go.wait();
    assert_eq!(emitter.join().unwrap(), 1);
    assert!(bus.shutdown(LONG).is_clean());
}

#[test]
fn a_handler_may_shut_down() {
    let bus = Bus::new();
    let weak = bus.downgrade();
    let _ends = bus.connect("end", move |_: &u32| assert!(weak.upgrade().unwrap().shutdown(LONG).is_clean())).unwrap();
    let (seen, _numbers) = numbers(&bus, "end");
    assert_eq!(bus.emit("end", 1_u32).failed(), 0);
    assert_eq!(seen.take(), ["1"], "an emit that began goes on");
    assert!(bus.emit("end", 2_u32).refusal().is_some());
}

#[test]
fn what_is_to_be_given_again_is_in_the_report() {
    for taken in [true, false] {
        let bus = Bus::new();
        let later = Reliable::new().backoff(Backoff::every(LONG));
        let queue = bus.on("n").mode(Mode::Reliable(later)).subscribe::<u32>().unwrap();
        bus.emit("n", 1_u32);
        let mut kept = Some(queue.try_recv().unwrap());
        if !taken {
            kept.take().unwrap().fail("out of paper");
        }
        let report = bus.shutdown(Duration::ZERO);
        assert!(matches!(report.left(), [Left::Events { count: 1, .. }]), "taken: {taken}; {report}");
    }
}

/// By a job of the bus's pool, or of another: such a job does not wait for itself.
#[test]
fn a_handler_on_an_executor_may_shut_down() {
    for own in [true, false] {
        let bus = Bus::new();
        let pool = if own { bus.pool().unwrap() } else { WorkerPool::builder().start().unwrap() };
        let (tells, told) = mpsc::channel();
        let (weak, tells) = (bus.downgrade(), Mutex::new(tells));
        let ends = move |_: &u32| tells.lock().unwrap().send(weak.upgrade().unwrap().shutdown(Duration::MAX)).unwrap();
        let _ends = bus.on("end").on(pool).connect(ends).unwrap();
        bus.emit("end", 1_u32);
        let report = told.recv_timeout(LONG).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn two_threads_may_shut_down() {
    let bus = Bus::new();
    let queue = bus.subscribe::<u32>("n").unwrap();
    (0..100_u32).for_each(|n| drop(bus.emit("n", n)));
    thread::scope(|threads| {
        let ends: Vec<_> = (0..3).map(|_| threads.spawn(|| bus.shutdown(LONG).is_clean())).collect();
        assert_eq!(queue.into_iter().count(), 100);
        assert!(ends.into_iter().all(|end| end.join().unwrap()));
    });
}

#[test]
fn events_of_many_threads_are_refused_or_delivered_wholly() {
    for _ in 0..20 {
        let bus = Bus::new();
        let first = bus.subscribe::<u32>("n").unwrap();
        let second = bus.on("n").priority(-1).queue(Queue::bounded(100_000)).subscribe::<u32>().unwrap();
        let first_count = thread::spawn(move || first.into_iter().count());
        let second_count = thread::spawn(move || second.into_iter().count());
        let signal = bus.signal::<u32>("n").unwrap();
        let emits = |by_name: bool| {
            let (bus, signal) = (bus.clone(), signal.clone());
            move || {
                let mut accepted = 0;
                loop {
                    let delivery = if by_name { bus.emit("n", 1_u32) } else { signal.emit(1) };
                    if delivery.refusal().is_some() {
                        return accepted;
                    }
                    // The first queue may be full; that is counted, and no refusal.
                    assert_eq!(delivery.called() + delivery.skipped(), 2);
                    accepted += delivery.called();
                }
            }
        };
        let emitters = [true, false].map(|by_name| thread::spawn(emits(by_name)));
        let _layer = |event: &Event<'_>, next: Next<'_>| next.run(event);
        assert!(bus.shutdown(LONG).is_clean());
        let accepted: usize = emitters.into_iter().map(|emitter| emitter.join().unwrap()).sum();
        assert_eq!(first_count.join().unwrap() + second_count.join().unwrap(), accepted);
    }
}

// Dropping

/// Tells when its thread ends.
struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

thread_local! {
    static TOLD: std::cell::RefCell<Option<Told>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn a_bus_may_be_dropped_in_a_job_of_its_own_pool_whose_threads_end() {
    let bus = Bus::with(&BusConfig::new().workers(1));
    let (tells, told) = mpsc::channel();
    let last = Arc::new(Mutex::new(None));
    let (kept, tells) = (last.clone(), Mutex::new(tells));
    let job = move |_: &u32| {
        TOLD.set(Some(Told(tells.lock().unwrap().clone())));
        let bus: Option<Bus> = kept.lock().unwrap().take();
        drop(bus);
    };
    bus.on("n").on(bus.pool().unwrap()).connect(job).unwrap().detach();
    *last.lock().unwrap() = Some(bus.clone());
    let weak = bus.downgrade();
    bus.emit("n", 1_u32);
    drop(bus);
    told.recv_timeout(LONG).unwrap();
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_bus_may_be_dropped_in_its_own_handler_and_frees_all() {
    let token = Arc::new(());
    let bus = Arc::new(Mutex::new(Some(Bus::new())));
    let (own, captured) = (bus.clone(), token.clone());
    let signal = {
        let guard = bus.lock().unwrap();
        let bus = guard.as_ref().unwrap();
        bus.connect("n", move |_: &u32| drop((own.lock().unwrap().take(), captured.clone()))).unwrap().detach();
        bus.signal::<u32>("n").unwrap()
    };
    signal.emit(1);
    drop(signal);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_bus_that_is_dropped_in_a_pause_ends_with_the_pause() {
    let bus = Bus::new();
    let (seen, numbers) = numbers(&bus, "n");
    let weak = bus.downgrade();
    numbers.detach();
    let pause = bus.pause();
    bus.emit("n", 1_u32);
    drop(bus);
    drop(pause);
    assert_eq!(seen.take(), ["1"]);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_child_of_a_bus_that_was_shut_down_is_so_too() {
    let bus = Bus::new();
    assert!(bus.shutdown(Duration::ZERO).is_clean());
    let child = bus.child("child").unwrap();
    let _handler = child.connect("n", |_: &u32| {}).unwrap();
    assert!(child.is_shut_down());
    assert!(child.try_emit("n", 1_u32).unwrap_err().is_shutting_down());
    assert!(bus.shutdown(Duration::ZERO).is_clean());
}
