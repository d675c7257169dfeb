//! A handler that is wanted once is called once, and one that is wanted n times n times, however many threads emit.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crowd::{CROWD, count, crowd};
use sigtree::{Bus, Connection};

/// Something that calls its handler a limited number of times.
trait Limited: Sync {
    /// Emits; how many handlers were called.
    fn emit(&self) -> usize;
}

/// Emits from each thread of a crowd; how often the handler was called, by its own count and by that of the emits.
fn calls(limited: &impl Limited, counted: &AtomicU64, each: u64) -> (u64, u64) {
    let told = crowd(|_| (0..each).map(|_| limited.emit() as u64).sum::<u64>());
    (counted.load(SeqCst), told.into_iter().sum())
}

struct Named(Bus);

impl Limited for Named {
    fn emit(&self) -> usize {
        self.0.emit("a.b", 1_u32).called()
    }
}

fn limited(times: u64) -> (Named, Arc<AtomicU64>, Connection) {
    let (bus, calls) = (Bus::new(), Arc::new(AtomicU64::new(0)));
    let counted = calls.clone();
    let on = if times == 1 { bus.on("a.*").once() } else { bus.on("a.*").times(times) };
    let handler = on.connect(move |_: &u32| {
        counted.fetch_add(1, SeqCst);
    });
    (Named(bus), calls, handler.unwrap())
}

#[test]
fn once_is_once() {
    for _ in 0..count(2_000) {
        let (bus, counted, connection) = limited(1);
        assert_eq!(calls(&bus, &counted, 3), (1, 1));
        assert!(!connection.is_connected());
    }
}

#[test]
fn n_times_are_n() {
    for n in 0..count(1_000) {
        let (bus, counted, _connection) = limited(n);
        assert_eq!(calls(&bus, &counted, 300), (n, n));
    }
}

#[test]
fn a_handler_that_panics_was_called_too() {
    let bus = Bus::new();
    let _connection = bus.on("a.b").times(10).connect(|_: &u32| -> Result<(), &str> { Err("broken") }).unwrap();
    let failed = crowd(|_| (0..10).map(|_| bus.emit("a.b", 1_u32).failed()).sum::<usize>());
    assert_eq!(failed.into_iter().sum::<usize>(), 10);
}

/// The mistake: the number that is left is loaded, and one less is stored.
struct Loaded {
    left: AtomicU64,
    calls: AtomicU64,
    all_loaded: Barrier,
}

impl Limited for Loaded {
    fn emit(&self) -> usize {
        let left = self.left.load(SeqCst);
        // Nothing forbids that all threads stand here at once.
        self.all_loaded.wait();
        if left == 0 {
            return 0;
        }
        self.left.store(left - 1, SeqCst);
        self.calls.fetch_add(1, SeqCst);
        1
    }
}

#[test]
fn a_load_and_a_store_are_found_out() {
    let broken = Loaded { left: AtomicU64::new(1), calls: AtomicU64::new(0), all_loaded: Barrier::new(CROWD) };
    assert_eq!(calls(&broken, &broken.calls, 1), (CROWD as u64, CROWD as u64));
}
