//! Handlers run where they are told: on a pool, in a mailbox, on whatever runs jobs.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{Calls, Job, Offload, Refused};
use sigtree::{Bus, Event, Mailbox, Overflow, Policy, Queue, Stack, WorkerPool};

const MINUTE: Duration = Duration::from_secs(60);

fn pool(workers: usize) -> WorkerPool {
    WorkerPool::builder().name("test").max_workers(workers).start().unwrap()
}

/// What handlers were called with, and in which threads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u32, String)>>>);

impl Log {
    fn handler(&self) -> impl Fn(&u32) + Send + Sync + 'static {
        let log = self.0.clone();
        move |n: &u32| log.lock().push((*n, thread::current().name().unwrap_or("?").to_owned()))
    }

    fn numbers(&self) -> Vec<u32> {
        self.0.lock().iter().map(|(n, _)| *n).collect()
    }
}

#[test]
fn handlers_run_on_the_pool_and_the_emit_does_not_wait() {
    let (bus, pool, log) = (Bus::new(), pool(2), Log::default());
    let gate = Arc::new(Barrier::new(2));
    let opens = gate.clone();
    let _waits = bus.on("n").on(pool.clone()).connect(move |_: &u32| _ = opens.wait()).unwrap();
    let _logs = bus.on("n").on(pool.clone()).connect(log.handler()).unwrap();
    let delivery = bus.emit("n", 7_u32);
    assert_eq!((delivery.called(), delivery.is_held()), (0, true));
    gate.wait();
    pool.drain(MINUTE).unwrap();
    let log = log.0.lock();
    assert_eq!(log[0].0, 7);
    assert!(log[0].1.starts_with("test-"), "{log:?}");
    assert_eq!((pool.stats().run, pool.stats().panicked), (2, 0));
}

#[test]
fn one_at_a_time_keeps_the_order() {
    const ALL: u32 = 10_000;
    let (bus, pool, log) = (Bus::new(), pool(4), Log::default());
    let inside = Arc::new(AtomicUsize::new(0));
    let logs = log.handler();
    let handler = move |n: &u32| {
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two at once");
        logs(n);
        inside.fetch_sub(1, SeqCst);
    };
    let _serial = bus.on("n").on(pool.clone()).serial().connect(handler).unwrap();
    for n in 0..ALL {
        bus.emit("n", n);
    }
    pool.drain(MINUTE).unwrap();
    assert_eq!(log.numbers(), (0..ALL).collect::<Vec<_>>());
    assert_eq!(bus.failures(), 0);
}

#[test]
fn a_mailbox_is_emptied_by_whoever_comes_round() {
    let (bus, mailbox, log) = (Bus::new(), Mailbox::new(), Log::default());
    let _draws = bus.on("n").on(mailbox.clone()).connect(log.handler()).unwrap();
    let emitter = bus.clone();
    thread::spawn(move || (0..3_u32).for_each(|n| drop(emitter.emit("n", n)))).join().unwrap();
    assert_eq!((mailbox.len(), log.numbers().len()), (3, 0));
    assert!(mailbox.run_one());
    assert_eq!(log.numbers(), [0]);
    assert_eq!((mailbox.drain(), mailbox.drain()), (2, 0));
    assert!(!mailbox.run_one_within(Duration::ZERO));

    // What a job emits waits for the next time.
    let weak = bus.downgrade();
    let _again = bus.connect("again", move |n: &u32| drop(weak.upgrade().unwrap().emit("n", *n))).unwrap();
    let _first = bus.on("first").on(mailbox.clone()).connect({
        let weak = bus.downgrade();
        move |n: &u32| drop(weak.upgrade().unwrap().emit("again", *n))
    });
    bus.emit("first", 9_u32);
    assert_eq!((mailbox.drain(), mailbox.drain()), (1, 1));
    assert_eq!(log.numbers(), [0, 1, 2, 9]);
}

#[test]
fn what_is_refused_or_dropped_is_counted_and_says_why() {
    let (bus, mailbox, log) = (Bus::new(), Mailbox::with(Queue::bounded(1)), Log::default());
    let offload = Offload::to(mailbox.clone());
    bus.layer(offload.clone());
    let _logs = bus.connect("n", log.handler()).unwrap();
    assert!(bus.emit("n", 1_u32).is_held());
    let full = bus.emit("n", 2_u32);
    assert_eq!((full.is_held(), full.filtered()), (false, Some("the executor's queue is full")));
    assert_eq!((offload.stats().held, offload.stats().dropped), (1, 1));
    mailbox.close();
    assert_eq!(bus.emit("n", 3_u32).filtered(), Some("the executor is shut down"));
    mailbox.drain();
    assert_eq!((log.numbers(), offload.stats().passed, offload.stats().held), (vec![1], 1, 0));

    // An executor that drops its jobs.
    let drops = Offload::to(|job: Job| {
        drop(job);
        Ok(())
    });
    for offload in [drops.clone(), drops.serial()] {
        bus.set_stack(Stack::new().with(offload.clone()));
        (0..3_u32).for_each(|n| drop(bus.emit("n", n)));
        assert_eq!((offload.stats().dropped, offload.stats().held), (3, 0));
    }
    let refuses = Offload::to(|_: Job| Err(Refused::because("not today"))).serial();
    bus.set_stack(Stack::new().with(refuses.clone()));
    assert_eq!(bus.emit("n", 4_u32).filtered(), Some("not today"));
    assert_eq!((refuses.stats().dropped, refuses.stats().held, log.numbers()), (1, 0, vec![1]));
}

#[test]
fn failures_are_reported_and_panics_end_no_thread() {
    let (bus, pool) = (Bus::new(), pool(1));
    let _isolated = bus.on("n").on(pool.clone()).connect(|_: &u32| -> () { panic!("as told") }).unwrap();
    let through = |_: &u32| -> () { panic!("through") };
    let _through = bus.on("n").policy(Policy::Propagate).on(pool.clone()).connect(through).unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = said.clone();
    let report = move |failed: &sigtree::sys::HandlerFailed| hears.lock().push(failed.failure.cause.to_string());
    let _report = bus.connect("$sys.handler.failed", report).unwrap();
    for _ in 0..2 {
        bus.emit("n", 1_u32);
    }
    pool.drain(MINUTE).unwrap();
    assert_eq!(bus.failures(), 4);
    assert_eq!(said.lock().len(), 4);
    assert_eq!((pool.stats().run, pool.stats().panicked), (4, 2));
}

#[test]
fn layers_behind_run_where_the_handler_does() {
    let (bus, mailbox, calls) = (Bus::new(), Mailbox::new(), Calls::new());
    let on = bus.on("n").on(mailbox.clone()).middleware(calls.clone());
    let _fails = on.connect(|_: &u32, _: &Event<'_>| Err("as told")).unwrap();
    bus.emit("n", 1_u32);
    let seen = |bus: &Bus| bus.inspect().to_string();
    assert!(!seen(&bus).contains("1 call"), "{}", seen(&bus));
    mailbox.drain();
    assert!(seen(&bus).contains("1 call, 1 failed"), "{}", seen(&bus));
}

#[test]
fn a_disconnected_handler_is_not_called_from_the_queue() {
    let (bus, mailbox, log) = (Bus::new(), Mailbox::new(), Log::default());
    let connection = bus.on("n").on(mailbox.clone()).connect(log.handler()).unwrap();
    bus.emit("n", 1_u32);
    connection.disconnect_wait(MINUTE).unwrap();
    assert_eq!((mailbox.drain(), log.numbers().len()), (1, 0));
}

#[test]
fn a_stopped_pool_has_run_what_it_took() {
    let (bus, pool, log) = (Bus::new(), pool(3), Log::default());
    let _logs = bus.on("n").on(pool.clone()).connect(log.handler()).unwrap();
    (0..100_u32).for_each(|n| drop(bus.emit("n", n)));
    pool.stop(MINUTE).unwrap();
    let mut numbers = log.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    assert_eq!(bus.emit("n", 100_u32).called(), 0);
}

#[test]
fn a_dropped_bus_and_pool_end_their_threads() {
    let (done, ended) = mpsc::channel::<()>();
    {
        let (bus, pool) = (Bus::new(), pool(2));
        let holds = move |_: &u32| done.send(()).unwrap();
        bus.on("n").on(pool).connect(holds).unwrap().detach();
        bus.emit("n", 1_u32);
    }
    // The handler was called, and what it captured is freed: the channel has no sender any more.
    assert_eq!(ended.iter().count(), 1);
}

#[test]
fn a_full_pool_lets_the_emit_wait() {
    let bus = Bus::new();
    let queue = Queue::bounded(1).overflow(Overflow::Block(MINUTE));
    let pool = WorkerPool::builder().max_workers(1).queue(queue).start().unwrap();
    let log = Log::default();
    let _logs = bus.on("n").on(pool.clone()).serial().connect(log.handler()).unwrap();
    (0..1_000_u32).for_each(|n| drop(bus.emit("n", n)));
    pool.drain(MINUTE).unwrap();
    assert_eq!(log.numbers(), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn a_job_that_waits_for_its_own_pool_is_told_so_at_once() {
    let pool = pool(2);
    let (said, heard) = mpsc::channel();
    let own = pool.clone();
    let asks = Job::new(move || {
        said.send(own.drain(MINUTE)).unwrap();
        said.send(own.stop(MINUTE)).unwrap();
    });
    sigtree::middleware::Executor::execute(&pool, asks).unwrap();
    let drained = heard.recv_timeout(MINUTE / 2).expect("it does not wait").unwrap_err();
    assert!(drained.is_would_deadlock() && drained.to_string().contains("job of this pool"), "{drained}");
    assert!(heard.recv_timeout(MINUTE / 2).expect("it does not wait").unwrap_err().is_would_deadlock());
    // It was closed all the same, and another thread can wait for its end.
    pool.stop(MINUTE).unwrap();
    let late = sigtree::middleware::Executor::execute(&pool, Job::new(|| ()));
    assert_eq!(late.unwrap_err().reason(), "the executor is shut down");
}

#[test]
fn a_mailbox_that_nobody_can_empty_any_more_keeps_no_bus_alive() {
    let (bus, mailbox, token) = (Bus::new(), Mailbox::new(), Arc::new(()));
    let held = token.clone();
    bus.on("n").on(mailbox.clone()).connect(move |_: &u32| _ = &held).unwrap().detach();
    bus.on("n").on(mailbox.clone()).serial().connect(|_: &u32| ()).unwrap().detach();
    assert!(bus.emit("n", 1_u32).is_held());
    drop(bus);
    assert_eq!((Arc::strong_count(&token), mailbox.len()), (2, 2));
    drop(mailbox);
    assert_eq!(Arc::strong_count(&token), 1, "the bus is freed");
}

#[test]
fn a_mailbox_is_closed_when_the_last_who_can_empty_it_is_gone() {
    let (bus, mailbox) = (Bus::new(), Mailbox::new());
    let offload = Offload::to(mailbox.clone());
    bus.layer(offload.clone());
    let _hears = bus.connect("n", |_: &u32| ()).unwrap();
    let clone = mailbox.clone();
    drop(mailbox);
    assert!(bus.emit("n", 1_u32).is_held());
    drop(clone);
    assert_eq!((offload.stats().dropped, offload.stats().held), (1, 0));
    assert_eq!(bus.emit("n", 2_u32).filtered(), Some("the executor is shut down"));
}

#[test]
fn a_job_that_is_refused_while_a_panic_goes_by_did_not_panic() {
    struct Gives(WorkerPool);
    impl Drop for Gives {
        fn drop(&mut self) {
            drop(sigtree::middleware::Executor::execute(&self.0, Job::new(|| ())));
        }
    }
    let pool = WorkerPool::builder().max_workers(1).queue(Queue::bounded(1)).start().unwrap();
    let gate = Arc::new(Barrier::new(2));
    let (begun, begins) = mpsc::channel();
    let waits = gate.clone();
    let fills = Job::new(move || {
        begun.send(()).unwrap();
        waits.wait();
    });
    sigtree::middleware::Executor::execute(&pool, fills).unwrap();
    begins.recv().unwrap();
    sigtree::middleware::Executor::execute(&pool, Job::new(|| ())).unwrap();
    let gives = Gives(pool.clone());
    let panics = std::panic::AssertUnwindSafe(|| {
        let _gives = gives;
        std::panic::resume_unwind(Box::new("as told"));
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    gate.wait();
    pool.drain(MINUTE).unwrap();
    assert_eq!((pool.stats().run, pool.stats().panicked, pool.stats().queue.dropped()), (2, 0, 1));
}
