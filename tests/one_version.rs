//! An emit sees one version of the handlers and the stack, whoever changes them meanwhile.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crowd::{Dice, count, crowd};
use sigtree::{Bus, Event, Next, Stack};

/// A payload in which each layer and handler sets its bit.
#[derive(Default)]
struct Seen(AtomicU32);

impl Seen {
    fn set(&self, bit: u32) {
        self.0.fetch_or(1 << bit, SeqCst);
    }
}

/// The layers of the three stacks, a bit each.
const STACKS: [u32; 3] = [0b111, 0b11_1000, 0b1_1100_0000];

/// Something events go through, layer by layer.
trait Chain: Sync {
    /// Goes over to one of the stacks.
    fn swap(&self, stack: usize);
    /// Emits an event, and swaps the stack for this one in the middle of it; the layers it went through.
    fn emit(&self, meanwhile: Option<usize>) -> u32;
}

/// How many events went through no whole stack.
fn mixtures(chain: &impl Chain, each: u64) -> u64 {
    let is_mixed = |seen: u32| u64::from(!STACKS.contains(&seen));
    chain.swap(0);
    let found: u64 = (0..STACKS.len()).map(|stack| is_mixed(chain.emit(Some(stack)))).sum();
    let emit = |who: usize| {
        let mut dice = Dice::new(who);
        let swaps = |dice: &mut Dice| (dice.roll(50) == 0).then(|| dice.roll(STACKS.len()));
        (0..each).map(|_| is_mixed(chain.emit(swaps(&mut dice)))).sum::<u64>()
    };
    found + crowd(emit).into_iter().sum::<u64>()
}

/// A bus whose second layer may swap the stack.
struct Layered(Bus);

/// An event, and the stack that is to be there after it.
#[derive(Default)]
struct Parcel {
    seen: Seen,
    meanwhile: Option<usize>,
}

impl Layered {
    fn stack(&self, stack: usize) -> Stack {
        let weak = self.0.downgrade();
        let layer = |place: u32| {
            let (bit, weak) = (stack as u32 * 3 + place, weak.clone());
            move |event: &Event<'_>, next: Next<'_>| {
                let parcel = event.payload::<Parcel>().unwrap();
                parcel.seen.set(bit);
                if let (1, Some(other), Some(bus)) = (place, parcel.meanwhile, weak.upgrade()) {
                    Self(bus).swap(other);
                }
                next.run(event);
            }
        };
        (0..3).map(layer).collect()
    }
}

impl Chain for Layered {
    fn swap(&self, stack: usize) {
        self.0.set_stack(self.stack(stack));
    }

    fn emit(&self, meanwhile: Option<usize>) -> u32 {
        let parcel = Arc::new(Parcel { meanwhile, ..Parcel::default() });
        assert_eq!(self.0.emit_shared("a.b", parcel.clone()).called(), 1);
        parcel.seen.0.load(SeqCst)
    }
}

#[test]
fn each_event_goes_through_one_stack() {
    let bus = Bus::new();
    let _handler = bus.connect("a.b", |_: &Parcel| {}).unwrap();
    assert_eq!(mixtures(&Layered(bus), count(25_000)), 0);
}

/// The mistake: the stack is looked up again for each layer.
struct Reread(Mutex<usize>);

impl Chain for Reread {
    fn swap(&self, stack: usize) {
        *self.0.lock().unwrap() = stack;
    }

    fn emit(&self, meanwhile: Option<usize>) -> u32 {
        let layer = |place: u32| 1 << (*self.0.lock().unwrap() as u32 * 3 + place);
        let before = layer(0) | layer(1);
        if let Some(stack) = meanwhile {
            self.swap(stack);
        }
        before | layer(2)
    }
}

#[test]
fn a_stack_that_is_read_twice_is_found_out() {
    assert!(mixtures(&Reread(Mutex::new(0)), 0) > 0);
}

/// What one change after another makes of a bus.
const HISTORY: [&str; 4] = ["nothing", "a handler", "another one", "a stack too"];

/// Which moment of the history an emit saw: the last one whose change it saw, or `None` if it missed an earlier one.
fn moment(seen: u32) -> Option<usize> {
    (0..HISTORY.len()).find(|moment| seen == (1 << moment) - 1)
}

/// Builds a bus up step by step while others emit; what they saw that never was.
///
/// Each emit is on a topic that was never seen before if the bus is to find the handlers anew each time, or on one topic.
fn impossible(rounds: u64, anew: bool) -> Vec<u32> {
    let found = Mutex::new(Vec::new());
    for _ in 0..rounds {
        let bus = Bus::new();
        // Patterns that are there already, so that only their handlers are new.
        let _before = [bus.connect("a.**", |_: &Seen| {}).unwrap(), bus.connect("a.b.*", |_: &Seen| {}).unwrap()];
        let over = AtomicBool::new(false);
        let watch = |me: usize| {
            let mut topic = format!("a.b.{me}");
            for emit in 0_u64.. {
                if anew {
                    topic = format!("a.b.{me}-{emit}");
                }
                let seen = Arc::new(Seen::default());
                bus.emit_shared(&topic, seen.clone());
                let seen = seen.0.load(SeqCst);
                if moment(seen).is_none() {
                    found.lock().unwrap().push(seen);
                }
                if over.load(SeqCst) {
                    return;
                }
            }
        };
        let change = || {
            let first = bus.connect("a.**", |seen: &Seen| seen.set(0)).unwrap();
            let second = bus.connect("a.b.*", |seen: &Seen| seen.set(1)).unwrap();
            bus.set_stack(Stack::new().with(|event: &Event<'_>, next: Next<'_>| {
                event.payload::<Seen>().unwrap().set(2);
                next.run(event);
            }));
            over.store(true, SeqCst);
            [first, second]
        };
        crowd(|me| match me {
            0 => Some(change()),
            _ => {
                watch(me);
                None
            }
        });
    }
    found.into_inner().unwrap()
}

#[test]
fn no_emit_sees_a_later_change_without_an_earlier_one() {
    assert_eq!(impossible(count(2_000), false), [0_u32; 0]);
}

#[test]
fn nor_does_one_on_a_topic_never_seen_before() {
    assert_eq!(impossible(count(2_000), true), [0_u32; 0]);
}
