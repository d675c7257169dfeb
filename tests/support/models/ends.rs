//! What ends while others emit ends once and for all: waits and counts are exact, and nothing is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use sigtree::WeakBus;

use super::stage::{Seen, Step, bus, by_name, by_signal, while_emitting};
use crate::{EMITTERS, check};

/// After `disconnect_wait` returned, no call runs and none starts.
#[test]
fn waiting_for_a_running_call() {
    check(|| {
        let bus = bus();
        let (over, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let step = Step::default();
        let (is_over, is_late) = (over.clone(), late.clone());
        let signal = bus.signal::<Seen>("a.b").unwrap();
        let handler = signal.connect(move |_: &Seen| {
            is_late.fetch_or(is_over.load(SeqCst), SeqCst);
            step.take();
            is_late.fetch_or(is_over.load(SeqCst), SeqCst);
        });
        while_emitting(EMITTERS, by_signal(&bus), &[0], || {
            handler.unwrap().disconnect_wait(Duration::MAX).unwrap();
            over.store(true, SeqCst);
            assert_eq!(Arc::strong_count(&over), 1, "what the handler captured is freed");
        });
        assert!(!late.load(SeqCst), "a call ran after `disconnect_wait` returned");
    });
}

/// A handler that is wanted once is called once, by whichever emit comes first.
#[test]
fn once_from_every_thread() {
    check(|| {
        let bus = bus();
        let emit = by_signal(&bus);
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let signal = bus.signal::<Seen>("a.b").unwrap();
        let _once = signal.on().once().connect(move |_: &Seen| {
            counted.fetch_add(1, SeqCst);
        });
        while_emitting(EMITTERS, emit.clone(), &[0], || assert_eq!(emit(), 0));
        assert_eq!(calls.load(SeqCst), 1);
        // The emit that ended the connection took it out, unless a writer was busy.
        bus.prune();
        assert_eq!(bus.connections(), 0);
    });
}

/// A bus that is dropped while others emit frees everything when they are done, and a handler may find it gone.
#[test]
fn dropping_the_bus() {
    check(|| {
        let bus = bus();
        let emit = by_name(&bus);
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
        // `while_emitting` keeps a handle until the others are done: that the last of several threads may free a bus is the work
        // of `Arc`, which loom does not see and would call a race.
        let left = while_emitting(EMITTERS, emit, &[0b1], || {
            let left = bus.connect("a.*", capture(bus.downgrade())).unwrap();
            drop(bus);
            left
        });
        assert!(!left.is_connected());
        assert_eq!(Arc::strong_count(&token), 1, "everything is freed");
    });
}
