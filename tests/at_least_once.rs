//! A million events through a reliable subscription whose consumers fail at random: none is lost, whatever was given twice is
//! counted, and the memory stays flat.

#[path = "support/crowd.rs"]
mod crowd;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crowd::{CROWD, Dice, count, crowd};
use sigtree::middleware::Backoff;
use sigtree::{Bus, Mode, Overflow, Queue, Received, Reliable, Subscription};
use support::quietly;

const CAPACITY: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(600);

/// The payloads there are, and the most there ever were.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Load {
    number: usize,
    _bytes: [u8; 256],
}

impl Load {
    fn new(number: usize) -> Self {
        MOST.fetch_max(LIVE.fetch_add(1, SeqCst) + 1, SeqCst);
        Self { number, _bytes: [0; 256] }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, SeqCst);
    }
}

/// Which events were seen done, one bit each.
struct Done(Vec<AtomicU64>);

impl Done {
    fn new(all: usize) -> Self {
        Self((0..all.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes one; whether it is the first time.
    fn note(&self, number: usize) -> bool {
        let bit = 1 << (number % 64);
        self.0[number / 64].fetch_or(bit, SeqCst) & bit == 0
    }

    fn count(&self) -> usize {
        self.0.iter().map(|bits| bits.load(SeqCst).count_ones() as usize).sum()
    }
}

/// Takes until there is no more. One in a hundred attempts fails: it says so, it is dropped, its consumer panics.
fn consume(loads: &Subscription<Load>, done: &Done, who: usize) -> (u64, u64) {
    let mut dice = Dice::new(who);
    let (mut failures, mut attempts) = (0, 0);
    for load in loads {
        attempts += 1;
        if dice.roll(100) > 0 {
            let number = load.number;
            assert!(load.ack());
            assert!(done.note(number), "done twice: {number}");
            continue;
        }
        failures += 1;
        match dice.roll(3) {
            0 => assert!(load.fail("as the dice fell")),
            1 => drop(load),
            _ => die(load),
        }
    }
    (attempts, failures)
}

fn die(load: Received<Load>) {
    let died = quietly(|| {
        catch_unwind(AssertUnwindSafe(move || {
            let _held = load;
            support::boom("as the dice fell");
        }))
    });
    assert!(died.is_err());
}

/// One test, since others would share what is counted.
#[test]
fn none_is_lost_and_duplicates_are_counted() {
    let all = count(1_000_000) as usize / CROWD * CROWD;
    let bus = Bus::new();
    let queue = Queue::bounded(CAPACITY).overflow(Overflow::Block(PATIENCE));
    let pauses = Backoff::exponential(Duration::from_micros(100), Duration::from_millis(1)).jitter_from(7);
    let rules = Reliable::new().timeout(PATIENCE).retries(20).backoff(pauses);
    let loads: Subscription<Load> = bus.on("load").queue(queue).mode(Mode::Reliable(rules)).subscribe().unwrap();

    let done = Done::new(all);
    let began = Instant::now();
    let consumed = thread::scope(|scope| {
        let consumers: Vec<_> = (0..CROWD)
            .map(|who| {
                let (loads, done) = (loads.clone(), &done);
                scope.spawn(move || consume(&loads, done, who))
            })
            .collect();
        crowd(|who| {
            for n in 0..all / CROWD {
                assert_eq!(bus.emit("load", Load::new(who * (all / CROWD) + n)).failed(), 0);
            }
        });
        drop(bus);
        consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect::<Vec<_>>()
    });
    let took = began.elapsed();

    let (attempts, failures) = consumed.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let stats = loads.reliable_stats().unwrap();
    println!("{all} events in {took:?}: {stats}; at most {} alive", MOST.load(SeqCst));
    assert_eq!(done.count(), all, "none is lost");
    assert_eq!((stats.acked, stats.dead, stats.in_flight, stats.waiting), (all as u64, 0, 0, 0));
    assert_eq!((stats.delivered, stats.failed, stats.timed_out), (attempts, failures, 0));
    assert_eq!(stats.redelivered, failures, "whatever failed was given again, and nothing else");
    assert!(failures > all as u64 / 200, "{failures}");
    // What waits and what was taken, and one in the hands of each emitter; with an ack, a place is free before the payload is.
    assert!(MOST.load(SeqCst) <= CAPACITY + 2 * CROWD, "{} alive", MOST.load(SeqCst));
    assert_eq!(LIVE.load(SeqCst), 0, "nothing is kept");
}
