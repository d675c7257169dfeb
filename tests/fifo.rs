//! Events of one signal, emitted by one thread, reach each handler in order, whatever else happens to the bus.

#[path = "support/crowd.rs"]
mod crowd;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crowd::{CROWD, Dice, count, crowd};
use sigtree::{Bus, Event, Next, Signal, Stack};

/// An event: who emitted it, and which of his it is, from 1.
#[derive(Clone, Copy)]
struct Step {
    who: usize,
    number: u64,
}

/// What one handler saw: the latest number of each emitter, and how often one came that was not greater.
#[derive(Default)]
struct Order {
    latest: [AtomicU64; CROWD],
    inversions: AtomicU64,
    seen: AtomicU64,
}

impl Order {
    fn note(&self, step: Step) {
        self.seen.fetch_add(1, Relaxed);
        let latest = self.latest[step.who].swap(step.number, Relaxed);
        self.inversions.fetch_add((latest >= step.number).into(), Relaxed);
    }
}

/// Something that brings events to handlers.
trait Carrier: Sync {
    fn emit(&self, step: Step);
}

/// Emits from each thread of a crowd; how many events came out of order, over all handlers.
fn inversions(carrier: &impl Carrier, orders: &[Arc<Order>], each: u64) -> u64 {
    crowd(|who| (1..=each).for_each(|number| carrier.emit(Step { who, number })));
    orders.iter().map(|order| order.inversions.load(Relaxed)).sum()
}

/// A signal of a child, emitted on by handle and by name.
struct Tree {
    signal: Signal<Step>,
    child: Bus,
    parent: Bus,
    changes: bool,
}

impl Carrier for Tree {
    fn emit(&self, step: Step) {
        thread_local! { static DICE: Cell<Option<Dice>> = const { Cell::new(None) } }
        let mut dice = DICE.take().unwrap_or_else(|| Dice::new(step.who));
        if dice.roll(2) == 0 {
            self.signal.emit(step);
        } else {
            self.child.emit("b", step);
        }
        if self.changes {
            match dice.roll(64) {
                0 => drop(self.child.connect("b", |_: &Step| {})),
                1 => drop(self.parent.connect("*.b", |_: &Step| {})),
                2 => {
                    let layer = |event: &Event<'_>, next: Next<'_>| next.run(event);
                    self.child.set_stack((0..dice.roll(3)).map(|_| layer).collect::<Stack>());
                }
                3 => drop(self.parent.mute("elsewhere")),
                _ => {}
            }
        }
        DICE.set(Some(dice));
    }
}

fn check(changes: bool, each: u64) {
    let parent = Bus::new();
    let child = parent.child("a").unwrap();
    let orders: Vec<_> = (0..4).map(|_| Arc::new(Order::default())).collect();
    let _connections: Vec<_> = [(&child, "b"), (&child, "*"), (&parent, "a.b"), (&parent, "**")]
        .into_iter()
        .zip(&orders)
        .map(|((bus, pattern), order)| {
            let order = order.clone();
            bus.connect(pattern, move |step: &Step| order.note(*step)).unwrap()
        })
        .collect();
    let tree = Tree { signal: child.signal("b").unwrap(), child, parent, changes };
    assert_eq!(inversions(&tree, &orders, each), 0);
    for order in &orders {
        assert_eq!(order.seen.load(Relaxed), each * CROWD as u64, "each handler saw each event");
    }
}

#[test]
fn a_thread_s_events_arrive_in_order() {
    check(false, count(250_000));
}

#[test]
fn they_do_so_while_the_bus_changes() {
    check(true, count(50_000));
}

/// The mistake: events go into two queues, and the second one is emptied first.
struct TwoQueues {
    order: Arc<Order>,
    waiting: [AtomicU64; CROWD],
}

impl Carrier for TwoQueues {
    fn emit(&self, Step { who, number }: Step) {
        match self.waiting[who].swap(0, Relaxed) {
            0 => self.waiting[who].store(number, Relaxed),
            earlier => [number, earlier].into_iter().for_each(|number| self.order.note(Step { who, number })),
        }
    }
}

#[test]
fn two_queues_are_found_out() {
    let order = Arc::new(Order::default());
    let carrier = TwoQueues { order: order.clone(), waiting: Default::default() };
    assert_eq!(inversions(&carrier, &[order], 10), 5 * CROWD as u64);
}
