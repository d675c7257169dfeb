//! Nothing hangs, whatever handlers do to the bus that calls them: connect, disconnect, emit, mute, swap the stack, make children.

#[path = "support/crowd.rs"]
mod crowd;

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crowd::{Dice, count, crowd, watch};
use sigtree::{Bus, Connection, Event, Mute, Next, Stack, WeakBus};

const TOPICS: [&str; 8] = ["a", "b", "a.b", "a.c", "a.b.c", "b.c", "b.c.d", "c"];
const PATTERNS: [&str; 12] = ["a", "b", "a.b", "a.c", "a.b.c", "b.c", "b.c.d", "c", "**", "a.*", "a.**", "b.*.d"];
const KEPT: usize = 12;

/// What is stormed: something with handlers that may come back to it.
trait Place: Clone + Send + Sync + 'static {
    type Link: 'static;

    fn connect(&self, dice: &mut Dice, handler: impl Fn() + Send + Sync + 'static) -> Self::Link;
    fn disconnect(&self, dice: &mut Dice, link: Self::Link);
    fn emit(&self, dice: &mut Dice);
    /// Whatever else can be done to it.
    fn disturb(&self, dice: &mut Dice);
}

/// What a thread has left to do, and what it keeps.
struct Hand<L> {
    dice: Dice,
    left: u64,
    links: Vec<L>,
}

thread_local! {
    static HAND: RefCell<Option<Box<dyn std::any::Any>>> = const { RefCell::new(None) };
}

/// Lends this thread's hand for a moment in which nothing is called.
fn hand<L: 'static, R>(look: impl FnOnce(&mut Hand<L>) -> R) -> Option<R> {
    HAND.with_borrow_mut(|hand| hand.as_mut()?.downcast_mut().map(look))
}

/// Does something at random, if this thread has anything left to do.
fn act<P: Place>(place: &P) -> bool {
    let drawn = hand(|hand: &mut Hand<P::Link>| {
        hand.left = hand.left.checked_sub(1)?;
        // Each act has dice of its own: what it calls may roll the hand's.
        let seed = hand.dice.roll(usize::MAX);
        let what = hand.dice.roll(8);
        let full = hand.links.len() >= KEPT;
        let link =
            (what < 2 || (what < 5 && full)).then(|| (!hand.links.is_empty()).then(|| hand.links.swap_remove(0)));
        Some((what, link.flatten(), Dice::new(seed >> 8)))
    });
    let Some((what, link, mut dice)) = drawn.flatten() else { return false };
    match (what, link) {
        (_, Some(link)) => place.disconnect(&mut dice, link),
        (0..=4, None) => {
            let own = place.clone();
            let link = place.connect(&mut dice, move || {
                act(&own);
            });
            hand(|hand: &mut Hand<P::Link>| hand.links.push(link));
        }
        (5 | 6, _) => place.emit(&mut dice),
        _ => place.disturb(&mut dice),
    }
    true
}

/// Whether the storm is over within `patience`.
fn outlives<P: Place>(place: P, acts: u64, patience: Duration) -> bool {
    let storm = move || {
        crowd(|i| {
            let hand = Hand::<P::Link> { dice: Dice::new(i), left: acts, links: Vec::new() };
            HAND.set(Some(Box::new(hand)));
            while act(&place) {}
            drop(HAND.take());
        });
    };
    watch(patience, storm).is_some()
}

/// A bus. Handlers hold it weakly, as handlers should.
#[derive(Clone)]
struct Stormed(WeakBus);

/// A connection, and perhaps silence that ends with it.
struct Link(Connection, Option<Mute>);

impl Stormed {
    fn bus(&self) -> Bus {
        self.0.upgrade().expect("the test holds the bus")
    }
}

impl Place for Stormed {
    type Link = Link;

    fn connect(&self, dice: &mut Dice, handler: impl Fn() + Send + Sync + 'static) -> Link {
        let on = self.bus().on(PATTERNS[dice.roll(PATTERNS.len())]).priority(dice.roll(3) as i32);
        let on = if dice.roll(4) == 0 { on.times(3) } else { on };
        let connection = on.connect(move |_: &Event<'_>| handler()).unwrap();
        let mute = (dice.roll(4) == 0).then(|| connection.mute());
        Link(connection, mute)
    }

    fn disconnect(&self, dice: &mut Dice, Link(connection, _mute): Link) {
        if dice.roll(2) == 0 {
            // Inside a handler it says that it would deadlock; outside it waits for the others.
            drop(connection.disconnect_wait(Duration::from_secs(20)));
        }
    }

    fn emit(&self, dice: &mut Dice) {
        let (bus, topic) = (self.bus(), TOPICS[dice.roll(TOPICS.len())]);
        match dice.roll(4) {
            0 => drop(bus.emit(topic, 1_u32)),
            1 => drop(bus.signal::<u32>(topic).unwrap().emit(2)),
            2 => drop(bus.emit_shared(topic, Arc::new(3_u32))),
            _ => bus.emit_later(topic, 4_u32),
        }
    }

    fn disturb(&self, dice: &mut Dice) {
        let bus = self.bus();
        match dice.roll(6) {
            0 | 1 => {
                let layer = |event: &Event<'_>, next: Next<'_>| next.run(event);
                let layers = dice.roll(3);
                drop(bus.set_stack((0..layers).map(|_| layer).collect::<Stack>()));
            }
            2 => {
                let mute = bus.mute(PATTERNS[dice.roll(PATTERNS.len())]).unwrap();
                self.emit(dice);
                drop(mute);
            }
            3 | 4 => {
                let child = bus.child(["a", "b.c"][dice.roll(2)]).unwrap();
                let own = self.clone();
                let _link = child
                    .connect("**", move |_: &Event<'_>| {
                        act(&own);
                    })
                    .unwrap();
                child.emit("c", 1_u32);
            }
            _ => {
                bus.prune();
            }
        }
    }
}

#[test]
fn a_storm_passes() {
    let bus = Bus::new();
    assert!(outlives(Stormed(bus.downgrade()), count(50_000), Duration::from_secs(30)), "the storm hangs");
    bus.prune();
    assert_eq!(bus.connections(), 0, "all connections were dropped");
    assert_eq!(bus.failures(), 0);
}

/// The mistake: handlers are called while the list is locked.
#[derive(Clone, Default)]
struct Locked(Arc<Mutex<Vec<Handler>>>);

type Handler = Box<dyn Fn() + Send + Sync>;

impl Place for Locked {
    type Link = ();

    fn connect(&self, _: &mut Dice, handler: impl Fn() + Send + Sync + 'static) {
        self.0.lock().unwrap().push(Box::new(handler));
    }

    fn disconnect(&self, _: &mut Dice, (): ()) {
        self.0.lock().unwrap().pop();
    }

    fn emit(&self, _: &mut Dice) {
        self.0.lock().unwrap().iter().for_each(|handler| handler());
    }

    fn disturb(&self, dice: &mut Dice) {
        self.emit(dice);
    }
}

#[test]
fn calls_under_a_lock_do_not_pass() {
    assert!(!outlives(Locked::default(), 1_000, Duration::from_secs(1)));
}
