//! What the scenes share: a bus, emits that tell what they met, and changes made while others emit.
//!
//! What a scene takes note of stands in the standard library's atomics, which the checkers do not see, so that taking notes
//! orders nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use sigtree::{Bus, Connection, Delivery};

#[cfg(sigtree_loom)]
pub(super) use loom::{sync, thread};
#[cfg(sigtree_shuttle)]
pub(super) use shuttle::{sync, thread};

/// A payload in which each handler and layer sets its bit.
#[derive(Default)]
pub(super) struct Seen(AtomicU32);

impl Seen {
    pub(super) fn set(&self, bit: u32) {
        self.0.fetch_or(1 << bit, SeqCst);
    }
}

/// A place where the checker may switch threads.
#[derive(Default)]
pub(super) struct Step(sync::atomic::AtomicUsize);

impl Step {
    pub(super) fn take(&self) {
        self.0.fetch_add(1, sync::atomic::Ordering::Relaxed);
    }
}

pub(super) fn bus() -> Bus {
    Bus::builder().cached_topics(4).build()
}

/// Connects a handler that sets its bit.
pub(super) fn connect(bus: &Bus, pattern: &str, bit: u32) -> Connection {
    bus.connect(pattern, move |seen: &Seen| seen.set(bit)).unwrap()
}

/// Emits on a signal for `a.b`; the bits that were set.
pub(super) fn by_signal(bus: &Bus) -> impl Fn() -> u32 + Clone + Send + 'static {
    let signal = bus.signal::<Seen>("a.b").unwrap();
    move || bits_of(|seen| signal.emit(seen))
}

/// Emits on the bus under the name `a.b`; the bits that were set.
///
/// The cache of names is made with the first emits. The checkers do not see what `OnceLock` orders, so it is filled here, before
/// there are threads.
pub(super) fn by_name(bus: &Bus) -> impl Fn() -> u32 + Clone + Send + 'static {
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        bus.emit(name, ());
        bus.emit(name, ());
    }
    let bus = bus.clone();
    move || bits_of(|seen| bus.emit_shared("a.b", seen))
}

fn bits_of(emit: impl FnOnce(Arc<Seen>) -> Delivery) -> u32 {
    let seen = Arc::new(Seen::default());
    emit(seen.clone());
    seen.0.load(SeqCst)
}

/// Makes a change while each of the other threads emits once. Each emit sets one of the `allowed` bits; and those of this thread,
/// when the change is made and when the others are done, the last of them.
pub(super) fn change_while_emitting<R>(
    emitters: usize,
    emit: impl Fn() -> u32 + Clone + Send + 'static,
    allowed: &[u32],
    change: impl FnOnce() -> R,
) {
    let (own, last) = (emit.clone(), *allowed.last().unwrap());
    let _kept = while_emitting(emitters, emit, allowed, || {
        let kept = change();
        assert_eq!(own(), last);
        kept
    });
    assert_eq!(own(), last);
}

/// Runs `work` while each of the other threads emits once. Each emit sets one of the `allowed` bits.
pub(super) fn while_emitting<R>(
    emitters: usize,
    emit: impl Fn() -> u32 + Clone + Send + 'static,
    allowed: &[u32],
    work: impl FnOnce() -> R,
) -> R {
    let threads: Vec<_> = (0..emitters).map(|_| thread::spawn(emit.clone())).collect();
    let made = work();
    for thread in threads {
        let seen = thread.join().unwrap();
        assert!(allowed.contains(&seen), "an emit was seen by {seen:#b}, which is none of {allowed:?}");
    }
    made
}
