//! Scenes for the model checkers: a few threads on the real bus, with what must hold whatever the schedule; and their broken
//! twins, the classic mistakes on the same primitives, which a checker that is worth its time must find.
//!
//! Each `emitters` thread emits once while the main thread changes the bus. What a scene takes note of stands in the
//! standard library's atomics, which the checkers do not see, so that taking notes orders nothing.

#![allow(dead_code, reason = "each checker runs its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use sigtree::{Bus, Connection, Event, Next, Signal, Stack, WeakBus};

#[cfg(sigtree_loom)]
use loom::{sync, thread};
#[cfg(sigtree_shuttle)]
use shuttle::{sync, thread};

/// A payload in which each handler and layer sets its bit.
#[derive(Default)]
pub(crate) struct Seen(AtomicU32);

impl Seen {
    fn set(&self, bit: u32) {
        self.0.fetch_or(1 << bit, SeqCst);
    }
}

/// A place where the checker may switch threads.
#[derive(Default)]
struct Step(sync::atomic::AtomicUsize);

impl Step {
    fn take(&self) {
        self.0.fetch_add(1, sync::atomic::Ordering::Relaxed);
    }
}

fn bus() -> Bus {
    Bus::builder().cached_topics(4).build()
}

/// Fills the cache of names, which is made with the first emits: the checkers do not see what `OnceLock` orders, so it is to be
/// there before there are threads.
fn fill_cache(bus: &Bus) {
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        bus.emit(name, ());
        bus.emit(name, ());
    }
}

fn signal(bus: &Bus) -> Signal<Seen> {
    bus.signal("a.b").unwrap()
}

fn emit(signal: &Signal<Seen>) -> u32 {
    let seen = Arc::new(Seen::default());
    signal.emit(seen.clone());
    seen.0.load(SeqCst)
}

fn emit_named(bus: &Bus) -> u32 {
    let seen = Arc::new(Seen::default());
    bus.emit_shared("a.b", seen.clone());
    seen.0.load(SeqCst)
}

fn connect(bus: &Bus, pattern: &str, bit: u32) -> Connection {
    bus.connect(pattern, move |seen: &Seen| seen.set(bit)).unwrap()
}

fn stack(bits: [u32; 2]) -> Stack {
    let layer = |bit| {
        move |event: &Event<'_>, next: Next<'_>| {
            event.payload::<Seen>().unwrap().set(bit);
            next.run(event);
        }
    };
    Stack::new().with(layer(bits[0])).with(layer(bits[1]))
}

/// Emits from other threads while `change` runs; each emit must have been seen by one of `allowed`.
fn while_emitting(
    emitters: usize,
    emit: impl Fn() -> u32 + Clone + Send + 'static,
    allowed: &[u32],
    change: impl FnOnce(),
) {
    let threads: Vec<_> = (0..emitters).map(|_| thread::spawn(emit.clone())).collect();
    change();
    for thread in threads {
        let seen = thread.join().unwrap();
        assert!(allowed.contains(&seen), "an emit was seen by {seen:#b}, which is none of {allowed:?}");
    }
}

/// An emit sees a handler or not; after `connect` returned, every emit sees it.
pub(crate) fn connecting(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let _first = connect(&bus, "a.b", 0);
    assert_eq!(emit(&signal), 0b1);
    let mut second = None;
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0b1, 0b11],
        || {
            second = Some(connect(&bus, "a.b", 1));
            assert_eq!(emit(&signal), 0b11);
        },
    );
    assert_eq!(emit(&signal), 0b11);
}

/// An emit sees both of two handlers, or the first, or none: never the second alone.
pub(crate) fn connecting_in_order(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let mut kept = Vec::new();
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0, 0b1, 0b11],
        || {
            kept.push(connect(&bus, "a.b", 0));
            kept.push(connect(&bus, "a.*", 1));
            assert_eq!(emit(&signal), 0b11);
        },
    );
    assert_eq!(emit(&signal), 0b11);
}

/// The same where the patterns have handlers already, on a topic that is emitted for the first time.
pub(crate) fn joining_in_order(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let mut kept = vec![connect(&bus, "a.b", 2), connect(&bus, "a.*", 3)];
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0b1100, 0b1101, 0b1111],
        || {
            kept.push(connect(&bus, "a.b", 0));
            kept.push(connect(&bus, "a.*", 1));
            assert_eq!(emit(&signal), 0b1111);
        },
    );
    assert_eq!(emit(&signal), 0b1111);
}

/// After `disconnect` returned, no emit of this thread or of one that was told sees the handler.
pub(crate) fn disconnecting(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let first = connect(&bus, "a.b", 0);
    let _second = connect(&bus, "a.*", 1);
    assert_eq!(emit(&signal), 0b11);
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0b11, 0b10],
        || {
            first.disconnect();
            assert_eq!(emit(&signal), 0b10);
        },
    );
    assert_eq!(emit(&signal), 0b10);
}

/// A new pattern that matches a hot topic is seen by every emit that follows; no route without it is left behind.
pub(crate) fn new_pattern(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let _first = connect(&bus, "a.b", 0);
    assert_eq!(emit(&signal), 0b1);
    let mut second = None;
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0b1, 0b11],
        || {
            second = Some(connect(&bus, "a.*", 1));
            assert_eq!(emit(&signal), 0b11);
        },
    );
    assert_eq!(emit(&signal), 0b11);
}

/// The same for emits by name, whose routes stand in the cache.
pub(crate) fn new_pattern_by_name(emitters: usize) {
    let bus = bus();
    fill_cache(&bus);
    let _first = connect(&bus, "a.b", 0);
    assert_eq!((emit_named(&bus), emit_named(&bus)), (0b1, 0b1));
    let mut second = None;
    let own = bus.clone();
    while_emitting(
        emitters,
        move || emit_named(&own),
        &[0b1, 0b11],
        || {
            second = Some(connect(&bus, "**", 1));
            assert_eq!(emit_named(&bus), 0b11);
        },
    );
    assert_eq!(emit_named(&bus), 0b11);
}

/// A topic nobody listened to, and then somebody does.
pub(crate) fn first_handler(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    assert_eq!(emit(&signal), 0);
    let mut first = None;
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0, 0b1],
        || {
            first = Some(connect(&bus, "a.b", 0));
            assert_eq!(emit(&signal), 0b1);
        },
    );
    assert_eq!(emit(&signal), 0b1);
}

/// An emit sees one stack, whole.
pub(crate) fn swapping_stacks(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let _handler = connect(&bus, "a.b", 0);
    bus.set_stack(stack([1, 2]));
    assert_eq!(emit(&signal), 0b111);
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0b0_0111, 0b1_1001],
        || {
            bus.set_stack(stack([3, 4]));
            assert_eq!(emit(&signal), 0b1_1001);
        },
    );
    assert_eq!(emit(&signal), 0b1_1001);
}

/// Handlers and stack are one version: a handler that came before a stack is seen by whoever sees the stack. The topic is
/// `hot` or emitted for the first time.
pub(crate) fn handlers_and_stack(emitters: usize, hot: bool) {
    let bus = bus();
    let signal = signal(&bus);
    let _first = connect(&bus, "a.b", 0);
    if hot {
        assert_eq!(emit(&signal), 0b1);
    }
    let mut second = None;
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0b0001, 0b0011, 0b1111],
        || {
            second = Some(connect(&bus, "a.*", 1));
            bus.set_stack(stack([2, 3]));
            assert_eq!(emit(&signal), 0b1111);
        },
    );
    assert_eq!(emit(&signal), 0b1111);
}

/// The same for emits by name that stand in no cache.
pub(crate) fn handlers_and_stack_by_name(emitters: usize) {
    let bus = bus();
    fill_cache(&bus);
    let _first = connect(&bus, "a.b", 0);
    let mut second = None;
    let own = bus.clone();
    while_emitting(
        emitters,
        move || emit_named(&own),
        &[0b0001, 0b0011, 0b1111],
        || {
            second = Some(connect(&bus, "a.*", 1));
            bus.set_stack(stack([2, 3]));
            assert_eq!(emit_named(&bus), 0b1111);
        },
    );
    assert_eq!(emit_named(&bus), 0b1111);
}

/// After `disconnect_wait` returned, no call runs and none starts.
pub(crate) fn waiting(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let (over, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let step = Step::default();
    let (is_over, is_late) = (over.clone(), late.clone());
    let handler = signal.connect(move |_: &Seen| {
        is_late.fetch_or(is_over.load(SeqCst), SeqCst);
        step.take();
        is_late.fetch_or(is_over.load(SeqCst), SeqCst);
    });
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0],
        || {
            handler.unwrap().disconnect_wait(Duration::MAX).unwrap();
            over.store(true, SeqCst);
            assert_eq!(Arc::strong_count(&over), 1, "what the handler captured is freed");
        },
    );
    assert!(!late.load(SeqCst), "a call ran after `disconnect_wait` returned");
}

/// A handler that is wanted once is called once, by whichever emit comes first.
pub(crate) fn once(emitters: usize) {
    let bus = bus();
    let signal = signal(&bus);
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let _once = signal.on().once().connect(move |_: &Seen| {
        counted.fetch_add(1, SeqCst);
    });
    let own = signal.clone();
    while_emitting(
        emitters,
        move || emit(&own),
        &[0],
        || {
            emit(&signal);
        },
    );
    assert_eq!(calls.load(SeqCst), 1);
    // The emit that ended the connection took it out, unless a writer was busy.
    bus.prune();
    assert_eq!(bus.connections(), 0);
}

/// A bus that is dropped while others emit frees everything when they are done, and a handler may find it gone.
pub(crate) fn dropping(emitters: usize) {
    let bus = bus();
    fill_cache(&bus);
    let token = Arc::new(());
    let capture = |weak: WeakBus| {
        let captured = token.clone();
        move |seen: &Seen| {
            let _captured = &captured;
            seen.set(0);
            drop(weak.upgrade());
        }
    };
    bus.connect("a.b", capture(bus.downgrade())).unwrap().detach();
    let own = bus.clone();
    let mut left = None;
    while_emitting(
        emitters,
        move || emit_named(&own),
        &[0b1],
        || {
            left = Some(bus.connect("a.*", capture(bus.downgrade())).unwrap());
            drop(bus);
        },
    );
    assert!(!left.unwrap().is_connected());
    assert_eq!(Arc::strong_count(&token), 1, "everything is freed");
}

/// The mistakes.
pub(crate) mod broken {
    use super::{Arc, AtomicBool, AtomicU32, SeqCst, Step, sync, thread};

    type Shared<T> = Arc<sync::Mutex<T>>;

    fn shared<T>(value: T) -> Shared<T> {
        Arc::new(sync::Mutex::new(value))
    }

    /// Handlers and stack are read one after the other, so an emit may see the old ones of one and the new ones of the other.
    pub(crate) fn two_snapshots() {
        let (handlers, stack) = (shared(1), shared(1));
        let (own_handlers, own_stack) = (handlers.clone(), stack.clone());
        let emit = thread::spawn(move || {
            let handlers = *own_handlers.lock().unwrap();
            let stack = *own_stack.lock().unwrap();
            assert!(handlers >= stack, "a mixture of versions");
        });
        *handlers.lock().unwrap() = 2;
        *stack.lock().unwrap() = 2;
        emit.join().unwrap();
    }

    /// A route is built from what was matched before, and published without a look at whether that is still so.
    pub(crate) fn unchecked_route() {
        let (patterns, route) = (shared(1), shared(None));
        let (own_patterns, own_route) = (patterns.clone(), route.clone());
        let emit = thread::spawn(move || {
            let matched = *own_patterns.lock().unwrap();
            *own_route.lock().unwrap() = Some(matched);
        });
        *patterns.lock().unwrap() = 2;
        *route.lock().unwrap() = None;
        emit.join().unwrap();
        let route = route.lock().unwrap().unwrap_or(2);
        assert_eq!(route, 2, "a stale route was left behind");
    }

    /// The liveness flag is looked at, and nothing waits for a call that passed it.
    pub(crate) fn unwaited_disconnect() {
        let alive = Arc::new(sync::atomic::AtomicBool::new(true));
        let (over, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (own_alive, is_over, is_late) = (alive.clone(), over.clone(), late.clone());
        let step = Step::default();
        let emit = thread::spawn(move || {
            if own_alive.load(sync::atomic::Ordering::SeqCst) {
                step.take();
                is_late.fetch_or(is_over.load(SeqCst), SeqCst);
            }
        });
        alive.store(false, sync::atomic::Ordering::SeqCst);
        over.store(true, SeqCst);
        emit.join().unwrap();
        assert!(!late.load(SeqCst), "a call ran after the disconnect returned");
    }

    /// The calls that are left are loaded, and one less is stored.
    pub(crate) fn load_then_store() {
        let left = Arc::new(sync::atomic::AtomicUsize::new(1));
        let calls = Arc::new(AtomicU32::new(0));
        let emit = |left: &sync::atomic::AtomicUsize, calls: &AtomicU32| {
            let before = left.load(sync::atomic::Ordering::SeqCst);
            if before > 0 {
                left.store(before - 1, sync::atomic::Ordering::SeqCst);
                calls.fetch_add(1, SeqCst);
            }
        };
        let (own_left, own_calls) = (left.clone(), calls.clone());
        let other = thread::spawn(move || emit(&own_left, &own_calls));
        emit(&left, &calls);
        other.join().unwrap();
        assert_eq!(calls.load(SeqCst), 1, "once was twice");
    }

    /// Handlers are called under the lock that `connect` takes, and one of them connects through another bus's lock.
    pub(crate) fn calls_under_locks() {
        let (one, other) = (shared(()), shared(()));
        let (own_one, own_other) = (one.clone(), other.clone());
        let emit = thread::spawn(move || {
            let _emitting = own_one.lock().unwrap();
            let _connecting = own_other.lock().unwrap();
        });
        {
            let _emitting = other.lock().unwrap();
            let _connecting = one.lock().unwrap();
        }
        emit.join().unwrap();
    }
}
