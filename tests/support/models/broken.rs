//! The classic mistakes, on the same primitives: a checker that is worth its time finds each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use super::stage::{Step, sync, thread};
use crate::check;

type Shared<T> = Arc<sync::Mutex<T>>;

fn shared<T>(value: T) -> Shared<T> {
    Arc::new(sync::Mutex::new(value))
}

/// Handlers and stack are read one after the other, so an emit may see the old ones of one and the new ones of the other.
#[test]
#[should_panic(expected = "a mixture of versions")]
fn finds_two_snapshots() {
    check(|| {
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
    });
}

/// A route is built from what was matched before, and published without a look at whether that is still so.
#[test]
#[should_panic(expected = "a stale route was left behind")]
fn finds_an_unchecked_route() {
    check(|| {
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
    });
}

/// The liveness flag is looked at, and nothing waits for a call that passed it.
#[test]
#[should_panic(expected = "a call ran after the disconnect returned")]
fn finds_an_unwaited_disconnect() {
    check(|| {
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
    });
}

/// The calls that are left are loaded, and one less is stored.
#[test]
#[should_panic(expected = "once was twice")]
fn finds_a_load_then_store() {
    check(|| {
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
    });
}

/// Handlers are called under the lock that `connect` takes, and one of them connects through another bus's lock.
#[test]
#[should_panic(expected = "deadlock")]
fn finds_calls_under_locks() {
    check(|| {
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
    });
}

/// Who waits looks whether there is something, then says that he sleeps, and does not look once more.
#[test]
#[should_panic(expected = "asleep beside an event")]
fn finds_a_sleep_without_a_second_look() {
    check(|| {
        let (waiting, asleep) = (shared(0), shared(false));
        let (own_waiting, own_asleep) = (waiting.clone(), asleep.clone());
        let emit = thread::spawn(move || {
            *own_waiting.lock().unwrap() += 1;
            let wakes = *own_asleep.lock().unwrap();
            wakes
        });
        let found = *waiting.lock().unwrap() > 0;
        if !found {
            *asleep.lock().unwrap() = true;
        }
        let wakes = emit.join().unwrap();
        assert!(found || wakes, "asleep beside an event");
    });
}

/// Of two pushes that make place, each looks whether it is full and then takes the oldest out, and one of them takes out what the
/// other put in, or finds nothing and counts it all the same.
#[test]
#[should_panic(expected = "sent is not taken and dropped")]
fn finds_a_look_and_then_a_push() {
    check(|| {
        let (queue, dropped) = (shared(vec![0]), shared(0));
        let push = |queue: &Shared<Vec<u32>>, dropped: &Shared<usize>, n| {
            let full = !queue.lock().unwrap().is_empty();
            if full {
                queue.lock().unwrap().clear();
                *dropped.lock().unwrap() += 1;
            }
            queue.lock().unwrap().push(n);
        };
        let (own_queue, own_dropped) = (queue.clone(), dropped.clone());
        let other = thread::spawn(move || push(&own_queue, &own_dropped, 1));
        push(&queue, &dropped, 2);
        other.join().unwrap();
        let (waiting, dropped) = (queue.lock().unwrap().len(), *dropped.lock().unwrap());
        assert_eq!(waiting + dropped, 3, "sent is not taken and dropped");
    });
}
