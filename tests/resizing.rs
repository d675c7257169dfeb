//! Queues and pools change their size while they are used: nothing that was accepted is lost, and each thread's events stay in order.

#[path = "support/crowd.rs"]
mod crowd;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use sigtree::{Bus, Connection, Overflow, Priority, Queue, Subscription, WorkerPool};

/// Long enough for any machine; a test that fails by it hangs.
const LONG: Duration = Duration::from_secs(60);

fn queue(bus: &Bus, capacity: usize, overflow: Overflow) -> Subscription<u32> {
    bus.on("n").queue(Queue::bounded(capacity).overflow(overflow)).subscribe().unwrap()
}

fn drained(queue: &Subscription<u32>) -> Vec<u32> {
    queue.drain().map(|n| *n).collect()
}

#[test]
fn a_queue_grows() {
    let bus = Bus::new();
    let numbers = queue(&bus, 2, Overflow::DropNewest);
    (1..=3_u32).for_each(|n| drop(bus.emit("n", n)));
    numbers.resize(4);
    (4..=6_u32).for_each(|n| drop(bus.emit("n", n)));
    assert_eq!((numbers.len(), numbers.stats().capacity, numbers.stats().dropped_newest), (4, 4, 2));
    assert_eq!(drained(&numbers), [1, 2, 4, 5]);
    assert_eq!((numbers.stats().sent(), numbers.stats().high_water), (6, 4));
}

#[test]
fn a_queue_shrinks_and_keeps_what_it_has() {
    let bus = Bus::new();
    let numbers = queue(&bus, 4, Overflow::DropNewest);
    (1..=4_u32).for_each(|n| drop(bus.emit("n", n)));
    numbers.resize(2);
    assert_eq!(bus.emit("n", 5_u32).skipped(), 1);
    assert_eq!((*numbers.try_recv().unwrap(), *numbers.try_recv().unwrap()), (1, 2));
    assert_eq!(bus.emit("n", 6_u32).skipped(), 1, "two wait still");
    assert_eq!(*numbers.try_recv().unwrap(), 3);
    assert_eq!(bus.emit("n", 7_u32).called(), 1);
    assert_eq!(drained(&numbers), [4, 7]);
}

#[test]
fn the_oldest_goes_from_a_queue_of_another_size_too() {
    let bus = Bus::new();
    let numbers = queue(&bus, 3, Overflow::DropOldest);
    (1..=3_u32).for_each(|n| drop(bus.emit("n", n)));
    numbers.resize(4);
    (4..=6_u32).for_each(|n| drop(bus.emit("n", n)));
    assert_eq!(numbers.stats().dropped_oldest, 2);
    assert_eq!(drained(&numbers), [3, 4, 5, 6]);
}

#[test]
fn the_newest_of_more_topics() {
    let bus = Bus::new();
    let states = bus.on("*").queue(Queue::bounded(1).overflow(Overflow::Latest)).subscribe::<u32>().unwrap();
    bus.emit("a", 1_u32);
    assert_eq!(bus.emit("b", 2_u32).skipped(), 1);
    states.resize(2);
    bus.emit("b", 3_u32);
    bus.emit("a", 4_u32);
    assert_eq!(drained(&states), [4, 3]);
}

#[test]
fn lanes_keep_their_ranks() {
    let bus = Bus::new();
    let numbers = queue(&bus, 2, Overflow::DropNewest);
    let emit = |n: u32, priority| drop(bus.event("n").priority(priority).emit(n));
    emit(1, Priority::Low);
    emit(2, Priority::Critical);
    numbers.resize(3);
    emit(3, Priority::Critical);
    emit(4, Priority::Normal);
    emit(5, Priority::Low);
    assert_eq!(drained(&numbers), [2, 3, 4, 1, 5]);
}

#[test]
fn an_emit_that_waits_finds_the_new_place() {
    let bus = Bus::new();
    let numbers = queue(&bus, 1, Overflow::Block(LONG));
    bus.emit("n", 1_u32);
    thread::scope(|threads| {
        let waits = threads.spawn(|| bus.emit("n", 2_u32).failed());
        numbers.resize(2);
        assert_eq!(waits.join().unwrap(), 0);
    });
    assert_eq!(drained(&numbers), [1, 2]);
}

#[test]
#[should_panic(expected = "a queue has at least one place")]
fn no_places_are_refused() {
    queue(&Bus::new(), 1, Overflow::Error).resize(0);
}

/// Threads emit, take and resize as fast as they can.
fn conserves(overflow: Overflow) {
    const EMITTERS: u32 = 3;
    let each: u32 = crowd::count(20_000) as u32;
    let bus = Bus::new();
    let numbers = queue(&bus, 8, overflow);
    let signal = bus.signal::<u32>("n").unwrap();
    let over = AtomicBool::new(false);
    let taken: Vec<Vec<u32>> = thread::scope(|threads| {
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let numbers = numbers.clone();
                let over = &over;
                threads.spawn(move || {
                    let mut taken = Vec::new();
                    loop {
                        let is_over = over.load(SeqCst);
                        match numbers.recv_timeout(Duration::from_millis(1)) {
                            Ok(n) => taken.push(*n),
                            Err(_) if is_over => return taken,
                            Err(_) => {}
                        }
                    }
                })
            })
            .collect();
        let resizer = threads.spawn(|| {
            for capacity in [1, 64, 3, 8, 200].into_iter().cycle() {
                numbers.resize(capacity);
                thread::yield_now();
                if over.load(SeqCst) {
                    return;
                }
            }
        });
        let emitters: Vec<_> = (0..EMITTERS)
            .map(|emitter| {
                let signal = signal.clone();
                threads.spawn(move || (0..each).for_each(|n| drop(signal.emit(emitter << 24 | n))))
            })
            .collect();
        emitters.into_iter().for_each(|emitter| emitter.join().unwrap());
        over.store(true, SeqCst);
        resizer.join().unwrap();
        takers.into_iter().map(|taker| taker.join().unwrap()).collect()
    });
    for taken in &taken {
        for emitter in 0..EMITTERS {
            let own: Vec<_> = taken.iter().filter(|n| *n >> 24 == emitter).collect();
            assert!(own.is_sorted(), "each thread's events come to a taker in order");
        }
    }
    let stats = numbers.stats();
    let received: usize = taken.iter().map(Vec::len).sum();
    assert_eq!((stats.received, stats.depth), (received as u64, 0));
    assert_eq!(stats.sent(), u64::from(EMITTERS * each));
    let mut all: Vec<_> = taken.into_iter().flatten().collect();
    all.sort_unstable();
    assert!(all.is_sorted_by(|a, b| a < b), "none came twice");
}

#[test]
fn nothing_is_lost_that_was_accepted() {
    conserves(Overflow::DropNewest);
}

#[test]
fn nothing_is_lost_but_the_oldest() {
    conserves(Overflow::DropOldest);
}

#[test]
fn nothing_is_lost_where_emits_wait() {
    conserves(Overflow::Block(LONG));
}

/// Tells when its thread ends.
struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

thread_local! {
    static TOLD: RefCell<Option<Told>> = const { RefCell::new(None) };
}

/// Connects a handler that is through when so many threads are in it; their ends are told.
fn meeting(bus: &Bus, pool: &WorkerPool, threads: usize) -> (Connection, mpsc::Receiver<()>) {
    let (tells, told) = mpsc::channel();
    let (tells, all) = (Mutex::new(tells), Barrier::new(threads));
    let meets = move |_: &u32| {
        TOLD.set(Some(Told(tells.lock().unwrap().clone())));
        all.wait();
    };
    (bus.on("job").on(pool.clone()).connect(meets).unwrap(), told)
}

#[test]
fn a_pool_grows_and_shrinks() {
    let bus = Bus::new();
    let pool = WorkerPool::builder().max_workers(1).start().unwrap();
    pool.resize(3).unwrap();
    let (meeting, ended) = meeting(&bus, &pool, 3);
    (0..3_u32).for_each(|n| drop(bus.emit("job", n)));
    pool.drain(LONG).unwrap();

    pool.resize(1).unwrap();
    assert_eq!(pool.stats().workers, 1);
    ended.recv_timeout(LONG).unwrap();
    ended.recv_timeout(LONG).unwrap();
    drop(meeting);
    let (said, heard) = mpsc::channel();
    let said = Mutex::new(said);
    let _says = bus.on("say").on(pool.clone()).connect(move |n: &u32| said.lock().unwrap().send(*n).unwrap()).unwrap();
    (0..100_u32).for_each(|n| drop(bus.emit("say", n)));
    pool.drain(LONG).unwrap();
    assert!(heard.try_iter().eq(0..100), "one thread keeps the order");
    pool.stop(LONG).unwrap();
    ended.recv_timeout(LONG).unwrap();
}

#[test]
fn jobs_outlive_the_threads_that_are_too_many() {
    let bus = Bus::new();
    let pool = WorkerPool::builder().max_workers(4).queue(Queue::bounded(2_000)).start().unwrap();
    let (said, heard) = mpsc::channel();
    let said = Mutex::new(said);
    let _says = bus.on("say").on(pool.clone()).connect(move |n: &u32| said.lock().unwrap().send(*n).unwrap()).unwrap();
    for n in 0..2_000_u32 {
        assert!(bus.emit("say", n).is_held());
        if n % 50 == 0 {
            pool.resize(1 + (n as usize / 50) % 4).unwrap();
        }
    }
    pool.drain(LONG).unwrap();
    let mut heard: Vec<_> = heard.try_iter().collect();
    heard.sort_unstable();
    assert!(heard.into_iter().eq(0..2_000));
    pool.stop(LONG).unwrap();
}
