//! Any pool or runtime is an executor; and the pool and the mailbox hold in the corners: stops, drops and waits inside of jobs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{Executor, Job, Offload, Refused};
use sigtree::{Bus, BusConfig, Mailbox, Overflow, Queue, WorkerPool};

const MINUTE: Duration = Duration::from_secs(60);

/// Every event is run once by any executor; with `serial` in order, one at a time, whoever panics.
fn runs_all(executor: &(impl Executor + Clone)) {
    const ALL: u32 = 2_000;
    for serial in [false, true] {
        let bus = Bus::new();
        let (done, finished) = mpsc::channel();
        let inside = AtomicBool::new(false);
        let handler = move |n: &u32| {
            let alone = !inside.swap(true, SeqCst);
            thread::yield_now();
            inside.store(false, SeqCst);
            done.send((*n, alone)).unwrap();
            if n.is_multiple_of(7) {
                std::panic::resume_unwind(Box::new("as told"));
            }
        };
        let on = bus.on("n").on(executor.clone());
        let _connection = if serial { on.serial() } else { on }.connect(handler).unwrap();
        (0..ALL).for_each(|n| assert!(bus.emit("n", n).is_held()));
        let mut seen: Vec<_> = (0..ALL).map(|_| finished.recv_timeout(MINUTE).unwrap()).collect();
        if serial {
            assert!(seen.iter().all(|(_, alone)| *alone), "two at once");
        } else {
            seen.sort_unstable();
        }
        assert!(seen.into_iter().map(|(n, _)| n).eq(0..ALL));
    }
}

#[test]
fn rayon_is_one() {
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap());
    runs_all(&move |job: Job| pool.spawn(|| job.run()));
}

#[cfg(feature = "tokio")]
#[test]
fn the_blocking_threads_of_tokio_are_one() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(3).build().unwrap();
    runs_all(runtime.handle());
}

#[test]
fn a_thread_behind_a_channel_is_one() {
    let (jobs, waiting) = mpsc::channel::<Job>();
    let worker = thread::spawn(move || waiting.iter().for_each(Job::run));
    runs_all(&move |job| jobs.send(job).map_err(|_| Refused::because("nobody runs jobs any more")));
    worker.join().unwrap();
}

#[test]
fn the_pool_is_one() {
    for workers in 1..4 {
        let pool = WorkerPool::builder().max_workers(workers).queue(Queue::bounded(4_000)).start().unwrap();
        runs_all(&pool);
        pool.stop(MINUTE).unwrap();
    }
}

#[test]
fn a_pool_that_is_stopped_runs_what_waits_in_order() {
    let (bus, pool) = (Bus::new(), WorkerPool::builder().max_workers(2).start().unwrap());
    let (offload, ran) = (Offload::to(pool.clone()).serial(), Arc::new(Mutex::new(Vec::new())));
    let gate = Arc::new(Barrier::new(2));
    let (runs, opens) = (ran.clone(), gate.clone());
    let handler = move |n: &u32| {
        if *n == 0 {
            opens.wait();
        }
        runs.lock().push(*n);
    };
    let _serial = bus.on("n").middleware(offload.clone()).connect(handler).unwrap();
    (0..1_000_u32).for_each(|n| drop(bus.emit("n", n)));
    let stops = thread::spawn(move || pool.stop(MINUTE));
    gate.wait();
    stops.join().unwrap().unwrap();
    assert!(ran.lock().iter().copied().eq(0..1_000), "{} ran: {:?}", ran.lock().len(), offload.stats());
}

#[test]
fn stops_meet_emits_and_nothing_hangs_or_is_lost_without_a_word() {
    for round in 0..200_u32 {
        let (bus, pool) = (Bus::new(), WorkerPool::builder().max_workers(2).queue(Queue::bounded(4)).start().unwrap());
        let offload = Offload::to(pool.clone());
        let offload = if round % 2 == 0 { offload } else { offload.serial() };
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = ran.clone();
        let handler = move |_: &u32| _ = runs.fetch_add(1, SeqCst);
        let _connection = bus.on("n").middleware(offload.clone()).connect(handler).unwrap();
        let start = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    (0..20_u32).for_each(|n| drop(bus.emit("n", n)));
                });
            }
            start.wait();
            (0..round % 8).for_each(|_| thread::yield_now());
            pool.stop(MINUTE).unwrap();
        });
        pool.drain(MINUTE).unwrap();
        let stats = offload.stats();
        assert_eq!((stats.held, stats.passed + stats.dropped), (0, 40), "{stats:?}");
        assert_eq!(ran.load(SeqCst) as u64, stats.passed);
    }
}

#[test]
fn a_pool_may_be_dropped_by_one_of_its_jobs() {
    let (bus, pool) = (Bus::new(), WorkerPool::builder().max_workers(1).start().unwrap());
    let kept = Arc::new(Mutex::new(Some((bus.clone(), pool.clone()))));
    let (done, ended) = mpsc::channel();
    let handler = move |n: &u32| {
        // The last handles go here, in a thread of the pool.
        drop(kept.lock().take());
        done.send(*n).unwrap();
    };
    let gate = Mailbox::new();
    bus.on("n").on(pool.clone()).connect(handler).unwrap().detach();
    (0..3_u32).for_each(|n| drop(bus.emit("n", n)));
    drop((bus, pool, gate));
    // All three were taken, so all three run; then the handler is freed, and with it the channel's sender.
    assert_eq!(ended.iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn the_only_worker_does_not_wait_for_itself() {
    let bus = Bus::new();
    let queue = Queue::bounded(1).overflow(Overflow::Block(MINUTE * 60));
    let pool = WorkerPool::builder().max_workers(1).queue(queue).start().unwrap();
    let (weak, said) = (bus.downgrade(), Arc::new(Mutex::new(Vec::new())));
    let says = said.clone();
    let _second = bus.on("second").on(pool.clone()).connect(|_: &u32| {}).unwrap();
    let _first = bus
        .on("first")
        .on(pool.clone())
        .connect(move |n: &u32| {
            let bus = weak.upgrade().unwrap();
            says.lock().extend((0..2).map(|_| bus.emit("second", *n).is_held()));
        })
        .unwrap();
    bus.emit("first", 1_u32);
    pool.drain(MINUTE).unwrap();
    // The second one is refused at once, and counted.
    assert_eq!((&**said.lock(), pool.stats().queue.would_deadlock), (&[true, false][..], 1));
}

/// A pool of two threads, both busy, and of one place, which is taken. A thread that is told to go gives the pool another job.
struct TwoBusyThreads {
    _bus: Bus,
    pool: WorkerPool,
    go: [mpsc::Sender<()>; 2],
    /// Whether a job that was given was taken.
    said: Arc<Mutex<Vec<bool>>>,
}

fn two_busy_threads() -> TwoBusyThreads {
    let bus = Bus::new();
    let queue = Queue::bounded(1).overflow(Overflow::Block(MINUTE * 60));
    let pool = WorkerPool::builder().max_workers(2).queue(queue).start().unwrap();
    let (weak, said) = (bus.downgrade(), Arc::new(Mutex::new(Vec::new())));
    bus.on("leaf").on(pool.clone()).connect(|_: &u32| {}).unwrap().detach();
    let ((began, begins), says) = (mpsc::channel(), said.clone());
    let began = move || began.send(()).unwrap();
    let (go, gone): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel::<()>()).unzip();
    let gone: Vec<_> = gone.into_iter().map(Mutex::new).collect();
    let meets = move |n: &u32| {
        began();
        let gives = gone[*n as usize].lock().recv().is_ok();
        if gives {
            let held = weak.upgrade().unwrap().emit("leaf", *n).is_held();
            says.lock().push(held);
        }
    };
    bus.on("meet").on(pool.clone()).connect(meets).unwrap().detach();
    (0..2_u32).for_each(|n| drop(bus.emit("meet", n)));
    begins.recv().unwrap();
    begins.recv().unwrap();
    assert!(bus.emit("leaf", 9_u32).is_held());
    TwoBusyThreads { _bus: bus, pool, go: go.try_into().unwrap(), said }
}

#[test]
fn of_all_threads_that_would_wait_for_their_own_pool_the_last_does_not() {
    let TwoBusyThreads { _bus, pool, go, said } = two_busy_threads();
    go.iter().for_each(|go| go.send(()).unwrap());
    pool.drain(MINUTE).expect("one goes on, and makes a place for the other");
    let mut said = std::mem::take(&mut *said.lock());
    said.sort_unstable();
    assert_eq!((said, pool.stats().queue.would_deadlock, pool.stats().run), (vec![false, true], 1, 4));
}

#[test]
fn a_thread_that_waits_for_its_own_pool_is_told_when_the_others_have_ended() {
    let TwoBusyThreads { _bus, pool, go: [gives, ends], said } = two_busy_threads();
    pool.resize(1).unwrap();
    gives.send(()).unwrap();
    (0..1_000).for_each(|_| thread::yield_now());
    drop(ends);
    pool.drain(MINUTE).expect("it waits for nobody");
    assert_eq!((&**said.lock(), pool.stats().queue.would_deadlock, pool.stats().run), (&[false][..], 1, 3));
}

#[test]
fn a_full_pool_refuses_at_once_unless_it_is_told_to_wait() {
    let small = |overflow| Bus::with(&BusConfig::new().queue_size(1).workers(1).overflow(overflow)).pool().unwrap();
    let default = WorkerPool::builder().max_workers(1).start().unwrap();
    let pools = [(default, 1_024_u32, 1), (small(Overflow::DropNewest), 1, 1), (small(Overflow::Latest), 1, 0)];
    for (pool, places, newest) in pools {
        let (bus, (go, gone), (began, begins)) = (Bus::new(), mpsc::channel::<()>(), mpsc::channel());
        let gone = Mutex::new(gone);
        let waits = move |_: &u32| {
            let _ = began.send(());
            let _ = gone.lock().recv();
        };
        let _on = bus.on("n").on(pool.clone()).connect(waits).unwrap();
        assert!(bus.emit("n", 0_u32).is_held());
        begins.recv().unwrap();
        (0..places).for_each(|n| assert!(bus.emit("n", n).is_held()));
        let delivery = bus.emit("n", 9_u32);
        assert_eq!((delivery.is_held(), delivery.called()), (newest == 0, 0));
        let stats = pool.stats().queue;
        assert_eq!((stats.dropped_newest, stats.dropped_oldest, stats.timed_out), (newest, 1 - newest, 0));
        drop(go);
        pool.drain(MINUTE).unwrap();
    }
}

#[test]
fn two_threads_may_empty_one_mailbox() {
    let bus = Bus::new();
    let mailbox = Mailbox::with(Queue::bounded(2).overflow(Overflow::Block(MINUTE)));
    let ran = Arc::new(Mutex::new(Vec::new()));
    let runs = ran.clone();
    let _logs = bus.on("n").on(mailbox.clone()).connect(move |n: &u32| runs.lock().push(*n)).unwrap();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let mailbox = mailbox.clone();
            thread::spawn(move || (0..).take_while(|_| mailbox.run_one_within(MINUTE)).count())
        })
        .collect();
    (0..1_000_u32).for_each(|n| assert!(bus.emit("n", n).is_held()));
    while !mailbox.is_empty() {
        thread::yield_now();
    }
    mailbox.close();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), 1_000);
    ran.lock().sort_unstable();
    assert!(ran.lock().iter().copied().eq(0..1_000));
}

#[test]
fn who_emptied_a_mailbox_waits_for_the_other_who_does() {
    let bus = Bus::new();
    let mailbox = Mailbox::with(Queue::bounded(1).overflow(Overflow::Block(MINUTE)));
    let _on = bus.on("n").on(mailbox.clone()).connect(|_: &u32| {}).unwrap();
    // Alone, it would wait for itself.
    bus.emit("n", 1_u32);
    assert!(mailbox.run_one());
    bus.emit("n", 2_u32);
    assert!(!bus.emit("n", 3_u32).is_held());
    assert_eq!(mailbox.stats().would_deadlock, 1);
    let other = mailbox.clone();
    thread::spawn(move || assert!(other.run_one())).join().unwrap();
    assert!(!mailbox.run_one());
    bus.emit("n", 4_u32);
    let other = mailbox.clone();
    let runs = thread::spawn(move || assert!(other.run_one_within(MINUTE)));
    assert!(bus.emit("n", 5_u32).is_held());
    runs.join().unwrap();
}
