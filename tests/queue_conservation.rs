//! Whatever consumers and handlers do, what was sent is what was received, dropped and still waits, to the last event.

#[path = "support/crowd.rs"]
mod crowd;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crowd::{CROWD, Dice, count, crowd, watch};
use parking_lot::{Mutex, RwLock};
use sigtree::middleware::Offload;
use sigtree::{Bus, Link, Overflow, Policy, Priority, Queue, Signal, Subscription, WorkerPool};

const MINUTE: Duration = Duration::from_secs(60);
const TAKERS: usize = 3;

const POLICIES: [Overflow; 5] =
    [Overflow::DropNewest, Overflow::DropOldest, Overflow::Latest, Overflow::Block(MINUTE), Overflow::Error];

/// An event: who emitted it, the how manyth of theirs it is, and that it is freed once.
struct Load {
    who: usize,
    n: u64,
    freed: Arc<AtomicU64>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Relaxed);
    }
}

/// What is in the end to be one sum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sums {
    sent: u64,
    received: u64,
    dropped: u64,
    queued: u64,
}

impl Sums {
    fn hold(self) {
        assert_eq!(self.sent, self.received + self.dropped + self.queued, "{self:?}");
    }
}

/// Something that several threads put numbers into and take them from.
trait Conveys: Clone + Send + Sync + 'static {
    fn send(&self, who: usize, n: u64, dice: &mut Dice);
    /// `None` when all were taken that were sent before the end.
    fn take(&self, dice: &mut Dice) -> Option<(usize, u64)>;
    /// Nothing more is sent.
    fn end(&self);
    fn sums(&self) -> Sums;
}

/// Everybody sends `each`; so many takers panic, dawdle and come and go. What each of them took, in the order in which it did.
fn convey<C: Conveys>(place: &C, each: u64, takers: usize) -> Vec<Vec<(usize, u64)>> {
    let taking: Vec<_> = (0..takers)
        .map(|i| {
            let place = place.clone();
            thread::spawn(move || take_with_faults(&place, Dice::new(100 + i)))
        })
        .collect();
    crowd(|who| {
        let mut dice = Dice::new(who);
        (0..each).for_each(|n| place.send(who, n, &mut dice));
    });
    place.end();
    taking.into_iter().map(|taker| taker.join().unwrap()).collect()
}

fn take_with_faults<C: Conveys>(first: &C, mut dice: Dice) -> Vec<(usize, u64)> {
    let (mut taken, mut place) = (Vec::new(), first.clone());
    loop {
        // The one it takes with is dropped by the panic; what it took before is taken.
        let own = place.clone();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let own = own;
            while let Some(one) = own.take(&mut dice) {
                taken.push(one);
                match dice.roll(64) {
                    0 => resume_unwind(Box::new("in the middle")),
                    1..4 => thread::yield_now(),
                    4 => return false,
                    _ => {}
                }
            }
            true
        }));
        if let Ok(true) = ended {
            return taken;
        }
        // A handle that goes while others take, and one that comes.
        place = first.clone();
    }
}

/// What was taken was taken once, and the place counted as much.
fn each_once<C: Conveys>(place: &C, each: u64, taken: &[Vec<(usize, u64)>]) {
    let sums = place.sums();
    sums.hold();
    assert_eq!((sums.sent, sums.queued), (each * CROWD as u64, 0), "{sums:?}");
    assert_eq!(sums.received, taken.iter().map(|taken| taken.len() as u64).sum::<u64>(), "{sums:?}");
    let all: HashSet<_> = taken.iter().flatten().collect();
    assert_eq!(all.len() as u64, sums.received, "some were taken twice");
}

// A subscription

/// The subscription of which all are clones, and what emits.
#[derive(Clone)]
struct Subscribed {
    /// They hold the bus; without them it ends.
    signals: Arc<RwLock<Vec<Signal<Load>>>>,
    queue: Subscription<Load>,
    freed: Arc<AtomicU64>,
    /// Whether events have priorities.
    lanes: bool,
}

impl Subscribed {
    fn new(overflow: Overflow, lanes: bool) -> Self {
        let bus = Bus::new();
        let queue = bus.on("n.*").queue(Queue::bounded(64).overflow(overflow)).subscribe().unwrap();
        let signals = ["n.a", "n.b", "n.c"].map(|topic| bus.signal(topic).unwrap()).into();
        Self { signals: Arc::new(RwLock::new(signals)), queue, freed: Arc::default(), lanes }
    }
}

impl Conveys for Subscribed {
    fn send(&self, who: usize, n: u64, dice: &mut Dice) {
        let signals = self.signals.read();
        let signal = &signals[dice.roll(signals.len())];
        let load = Load { who, n, freed: self.freed.clone() };
        let lane = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low][dice.roll(4)];
        match dice.roll(16) {
            0 => drop(signal.try_emit(load)),
            1 => drop(signal.emit_timeout(load, Duration::from_micros(1))),
            _ if self.lanes => drop(signal.event().priority(lane).emit(load)),
            _ => drop(signal.emit(load)),
        }
    }

    fn take(&self, dice: &mut Dice) -> Option<(usize, u64)> {
        let event = match dice.roll(4) {
            0 => self.queue.drain().next(),
            1 => self.queue.recv_timeout(Duration::from_micros(10)).ok(),
            _ => None,
        };
        let event = event.or_else(|| self.queue.recv_blocking().ok())?;
        Some((event.who, event.n))
    }

    fn end(&self) {
        self.signals.write().clear();
    }

    fn sums(&self) -> Sums {
        let stats = self.queue.stats();
        Sums { sent: stats.sent(), received: stats.received, dropped: stats.dropped(), queued: stats.depth as u64 }
    }
}

/// 4 threads, 5 policies: four million events in release builds.
#[test]
fn a_queue_group_takes_each_event_once_whatever_becomes_of_its_members() {
    let each = count(100_000);
    for lanes in [false, true] {
        for overflow in POLICIES {
            let place = Subscribed::new(overflow, lanes);
            let conveyed = place.clone();
            let taken = watch(MINUTE, move || convey(&conveyed, each, TAKERS)).expect("somebody sleeps for ever");
            each_once(&place, each, &taken);
            assert_eq!(place.freed.load(Relaxed), each * CROWD as u64, "{overflow:?}: some were not freed");
        }
    }
}

#[test]
fn one_taker_has_the_events_of_each_emitter_in_order() {
    let each = count(100_000);
    for overflow in POLICIES.into_iter().filter(|overflow| *overflow != Overflow::Latest) {
        let place = Subscribed::new(overflow, false);
        let conveyed = place.clone();
        let taken = watch(MINUTE, move || convey(&conveyed, each, 1)).expect("somebody sleeps for ever");
        each_once(&place, each, &taken);
        for who in 0..CROWD {
            let theirs = taken[0].iter().filter(|(of, _)| *of == who).map(|(_, n)| *n);
            assert!(theirs.is_sorted_by(|one, next| one < next), "{overflow:?}: out of order");
        }
    }
}

/// A subscription that ends in the middle of everything keeps nothing, and nobody waits for it.
#[test]
fn a_queue_that_is_dropped_in_the_middle_lets_go_of_everything() {
    let each = count(20_000);
    for overflow in POLICIES {
        let freed = Arc::new(AtomicU64::new(0));
        let seen = freed.clone();
        let emits = watch(MINUTE, move || {
            let bus = Bus::new();
            let calls: Vec<_> = crowd(|who| {
                let (mut dice, mut own) = (Dice::new(who), None);
                let call = |n| {
                    if dice.roll(256) == 0 {
                        // The one before is dropped, with what waits in it and whoever waits for a place.
                        own = bus.on("n").queue(Queue::bounded(4).overflow(overflow)).subscribe::<Load>().ok();
                    }
                    if dice.roll(4) == 0 {
                        own.iter().for_each(|queue| drop(queue.try_recv()));
                    }
                    let timeout =
                        if matches!(overflow, Overflow::Block(_)) { Duration::from_micros(1) } else { Duration::ZERO };
                    drop(bus.emit_timeout("n", Load { who, n, freed: freed.clone() }, timeout));
                    1
                };
                (0..each).map(call).sum::<u64>()
            });
            assert_eq!(bus.connections(), 0);
            calls.into_iter().sum::<u64>()
        });
        assert_eq!(emits.expect("somebody waits for ever"), seen.load(Relaxed), "{overflow:?}");
    }
}

// A queue whose oldest makes place between two locks, and whose counts are loaded and then stored.

#[derive(Clone)]
struct Broken(Arc<BrokenInner>);

struct BrokenInner {
    items: Mutex<std::collections::VecDeque<(usize, u64)>>,
    sent: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
    over: AtomicU64,
}

impl Conveys for Broken {
    fn send(&self, who: usize, n: u64, _: &mut Dice) {
        let full = self.0.items.lock().len() >= 64;
        if full && self.0.items.lock().pop_front().is_some() {
            let dropped = self.0.dropped.load(Relaxed);
            thread::yield_now();
            self.0.dropped.store(dropped + 1, Relaxed);
        }
        self.0.items.lock().push_back((who, n));
        self.0.sent.fetch_add(1, Relaxed);
    }

    fn take(&self, _: &mut Dice) -> Option<(usize, u64)> {
        loop {
            let over = self.0.over.load(Relaxed) > 0;
            let taken = self.0.items.lock().pop_front();
            self.0.received.fetch_add(u64::from(taken.is_some()), Relaxed);
            if taken.is_some() || over {
                return taken;
            }
            thread::yield_now();
        }
    }

    fn end(&self) {
        self.0.over.store(1, Relaxed);
    }

    fn sums(&self) -> Sums {
        let load = |count: &AtomicU64| count.load(Relaxed);
        let Self(inner) = self;
        let queued = inner.items.lock().len() as u64;
        Sums { sent: load(&inner.sent), received: load(&inner.received), dropped: load(&inner.dropped), queued }
    }
}

#[test]
#[should_panic(expected = "Sums")]
fn finds_counts_that_are_loaded_and_then_stored() {
    let inner = BrokenInner {
        items: Mutex::default(),
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        over: AtomicU64::new(0),
    };
    let place = Broken(Arc::new(inner));
    let taken = convey(&place, count(100_000), 1);
    each_once(&place, count(100_000), &taken);
}

// Executors

/// Handlers on a pool that panic at random, in a pool that is stopped in the middle.
#[test]
fn a_pool_runs_or_drops_each_event_and_counts_which() {
    let each = count(50_000);
    for (overflow, serial) in [
        (Overflow::Block(MINUTE), false),
        (Overflow::Block(MINUTE), true),
        (Overflow::DropNewest, false),
        (Overflow::DropNewest, true),
        (Overflow::DropOldest, false),
    ] {
        for stops in [false, true] {
            let work = move || pool_scene(overflow, serial, stops, each);
            watch(MINUTE, work).expect("somebody waits for ever");
        }
    }
}

fn pool_scene(overflow: Overflow, serial: bool, stops: bool, each: u64) {
    let queue = Queue::bounded(64).overflow(overflow);
    let pool = WorkerPool::builder().max_workers(3).queue(queue).start().unwrap();
    let offload = if serial { Offload::to(pool.clone()).serial() } else { Offload::to(pool.clone()) };
    let (ran, freed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let order = Mutex::new([0_u64; CROWD]);
    let runs = ran.clone();
    let bus = Bus::new();
    let handler = move |load: &Load| {
        runs.fetch_add(1, Relaxed);
        let mut order = order.try_lock().filter(|_| serial);
        let seen = order.as_mut().map(|order| std::mem::replace(&mut order[load.who], load.n + 1));
        assert!(seen.is_none_or(|before| before <= load.n), "out of order");
        match load.n % 61 {
            0 => resume_unwind(Box::new("as told")),
            1 => thread::yield_now(),
            _ => {}
        }
    };
    let through = bus.on("n").policy(Policy::Propagate).middleware(offload.clone()).connect(handler).unwrap();
    crowd(|who| {
        for n in 0..each {
            bus.emit("n", Load { who, n, freed: freed.clone() });
            if stops && who == 0 && n == each / 2 {
                pool.stop(MINUTE).unwrap();
            }
        }
    });
    pool.stop(MINUTE).unwrap();
    let (stats, all) = (offload.stats(), each * CROWD as u64);
    assert_eq!((stats.held, stats.passed + stats.dropped), (0, all), "{overflow:?} {serial} {stops}: {stats:?}");
    assert_eq!(ran.load(Relaxed), stats.passed, "{overflow:?} {serial} {stops}: {stats:?}");
    if !stops && matches!(overflow, Overflow::Block(_)) {
        assert_eq!(stats.dropped, 0, "{serial}: {stats:?}");
    }
    drop((through, bus));
    assert_eq!(freed.load(Relaxed), all, "some were not freed");
}

// A link

#[test]
fn a_link_hands_back_what_it_does_not_carry() {
    let each = count(100_000);
    let work = move || {
        let (left, right) = Link::<u64, ()>::named("left", "right").ends();
        let taker = thread::spawn(move || {
            let mut taken = Vec::new();
            let mut dice = Dice::new(9);
            while let Ok(n) = right.recv_timeout(MINUTE) {
                taken.push(n);
                if dice.roll(8) == 0 {
                    thread::yield_now();
                }
            }
            taken
        });
        let handed_back = crowd(|who| {
            let send = |n: &u64| match n % 3 {
                0 => left.send_timeout(*n, Duration::from_micros(1)),
                _ => left.send(*n),
            };
            let all = (who as u64 * each..).take(each as usize);
            all.filter(|n| send(n).is_err_and(|error| error.is_full())).count() as u64
        });
        let (stats, handed_back) = (left.stats(), handed_back.into_iter().sum::<u64>());
        assert_eq!((stats.out.sent, stats.out.dropped), (each * CROWD as u64, handed_back));
        drop(left);
        let taken = taker.join().unwrap();
        assert_eq!(taken.len() as u64 + handed_back, each * CROWD as u64);
        assert_eq!(taken.iter().collect::<HashSet<_>>().len(), taken.len());
    };
    watch(MINUTE, work).expect("somebody waits for ever");
}
