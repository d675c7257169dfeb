//! Filters of one bus do not influence each other: in whatever thread, within whatever emit, and whoever changes them meanwhile.

#[path = "support/crowd.rs"]
mod crowd;

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crowd::{Dice, count, crowd};
use sigtree::{Bus, Connection, Event, Filter, Next, Scoped, Stack};

/// Three chains of filters, each for a topic of its own, and three handlers with a filter each.
const TOPICS: [&str; 3] = ["a", "b", "c"];
/// Each with filters of their own in all three chains.
const VERSIONS: usize = 3;

/// An event that is to be emitted, and what is to happen in the middle of its chain.
#[derive(Debug, Clone, Copy, Default)]
struct Plan {
    chain: usize,
    number: usize,
    /// The filters are changed for those of this version.
    change: Option<usize>,
    /// Another event is emitted: chain and number.
    inside: Option<(usize, usize)>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    chain: usize,
    number: usize,
    /// A bit for each layer it came by: three of each chain in each version.
    layers: u32,
    /// A bit for each handler that was called.
    called: u32,
}

/// What a version makes of an event.
fn expected(version: usize, chain: usize, number: usize) -> Seen {
    let [first, second] = verdicts(version, chain, number);
    let places = if !first {
        1
    } else if !second {
        2
    } else {
        3
    };
    let layers = (0..places).map(|place| 1 << layer(version, chain, place)).sum();
    let called = (0..3).filter(|handler| places == 3 && hears(*handler, number)).map(|handler| 1 << handler).sum();
    Seen { chain, number, layers, called }
}

/// What the two filters of a chain say.
fn verdicts(version: usize, chain: usize, number: usize) -> [bool; 2] {
    [number % VERSIONS != version, number % 5 != chain + version % 2]
}

fn hears(handler: usize, number: usize) -> bool {
    number % 4 != handler
}

fn layer(version: usize, chain: usize, place: usize) -> usize {
    (version * TOPICS.len() + chain) * 3 + place
}

/// Something with three chains of filters, in one of three versions.
trait Chains: Sync {
    fn change(&self, version: usize);
    /// Emits an event, and what is to be emitted inside it; what became of them.
    fn emit(&self, plan: Plan) -> Vec<Seen>;
}

/// How many events met filters that are of no version, or not theirs; over all threads of a crowd.
fn led_astray(chains: &impl Chains, each: u64) -> usize {
    let is_astray = |seen: &Seen| (0..VERSIONS).all(|version| *seen != expected(version, seen.chain, seen.number));
    let astray = |plan| chains.emit(plan).iter().filter(|seen| is_astray(seen)).count();
    // One after the other, first: every number in every chain, with every change, around every other number.
    let mut found = 0;
    for number in 0..30 {
        for chain in 0..TOPICS.len() {
            chains.change((number + 1) % VERSIONS);
            let inside = Some(((chain + 1) % TOPICS.len(), number + 2));
            let change = Some((number + 2) % VERSIONS);
            found += astray(Plan { chain, number, inside, ..Plan::default() });
            found += astray(Plan { chain, number, change, ..Plan::default() });
        }
    }
    let emit = |who: usize| {
        let mut dice = Dice::new(who);
        let any = |dice: &mut Dice| (dice.roll(TOPICS.len()), dice.roll(60));
        let mut astray_of_one = 0;
        for _ in 0..each {
            let (chain, number) = any(&mut dice);
            let change = (dice.roll(20) == 0).then(|| dice.roll(VERSIONS));
            let inside = (dice.roll(4) == 0).then(|| any(&mut dice));
            astray_of_one += astray(Plan { chain, number, change, inside });
        }
        astray_of_one
    };
    found + crowd(emit).into_iter().sum::<usize>()
}

/// A bus; its chains are scopes in one stack, which is changed as a whole.
struct Filtered {
    bus: Bus,
    _handlers: Vec<Connection>,
}

/// A plan on its way, with what it saw.
#[derive(Default)]
struct Parcel {
    plan: Plan,
    layers: AtomicU32,
    called: AtomicU32,
    inside: Mutex<Vec<Seen>>,
}

impl Filtered {
    fn new() -> Self {
        let bus = Bus::new();
        let connect = |handler: usize| {
            let own = Filter::payload(move |parcel: &Arc<Parcel>| hears(handler, parcel.plan.number));
            let call = move |parcel: &Arc<Parcel>| {
                parcel.called.fetch_or(1 << handler, SeqCst);
            };
            bus.on("*").middleware(own).connect(call).unwrap()
        };
        let handlers = (0..3).map(connect).collect();
        Self { bus, _handlers: handlers }
    }
}

/// The filters of a version: between the two of a chain, things happen.
fn stack(bus: &Bus, version: usize) -> Stack {
    let chain = |chain: usize| {
        let note = |place: usize| {
            move |event: &Event<'_>, next: Next<'_>| {
                let parcel = event.payload::<Arc<Parcel>>().unwrap();
                parcel.layers.fetch_or(1 << layer(version, chain, place), SeqCst);
                next.run(event);
            }
        };
        let filter = |which: usize| {
            Filter::payload(move |parcel: &Arc<Parcel>| verdicts(version, chain, parcel.plan.number)[which])
        };
        let weak = bus.downgrade();
        let meanwhile = move |event: &Event<'_>, next: Next<'_>| {
            let (parcel, bus) = (event.payload::<Arc<Parcel>>().unwrap(), weak.upgrade().unwrap());
            if let Some(version) = parcel.plan.change {
                bus.set_stack(stack(&bus, version));
            }
            if let Some((chain, number)) = parcel.plan.inside {
                let seen = emit(&bus, Plan { chain, number, ..Plan::default() });
                parcel.inside.lock().unwrap().extend(seen);
            }
            next.run(event);
        };
        Scoped::new(TOPICS[chain], (note(0), filter(0), note(1), meanwhile, filter(1), note(2))).unwrap()
    };
    Stack::new().with(chain(0)).with(chain(1)).with(chain(2))
}

fn emit(bus: &Bus, plan: Plan) -> Vec<Seen> {
    let parcel = Arc::new(Parcel { plan, ..Parcel::default() });
    let delivery = bus.emit(TOPICS[plan.chain], parcel.clone());
    let called = parcel.called.load(SeqCst);
    assert_eq!(delivery.called(), called.count_ones() as usize);
    let seen = Seen { chain: plan.chain, number: plan.number, layers: parcel.layers.load(SeqCst), called };
    let inside = std::mem::take(&mut *parcel.inside.lock().unwrap());
    [vec![seen], inside].concat()
}

impl Chains for Filtered {
    fn change(&self, version: usize) {
        self.bus.set_stack(stack(&self.bus, version));
    }

    fn emit(&self, plan: Plan) -> Vec<Seen> {
        emit(&self.bus, plan)
    }
}

#[test]
fn each_event_meets_the_filters_of_its_topic_and_of_one_version() {
    assert_eq!(led_astray(&Filtered::new(), count(25_000)), 0);
}

/// The mistakes: what the filters said is kept for the thread, or the version is read again for the second filter.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    None,
    KeptForTheThread,
    ReadAgain,
}

struct Mistaken(Mistake, AtomicUsize);

thread_local! {
    static PASSES: Cell<bool> = const { Cell::new(true) };
}

impl Chains for Mistaken {
    fn change(&self, version: usize) {
        self.1.store(version, SeqCst);
    }

    fn emit(&self, plan: Plan) -> Vec<Seen> {
        let Plan { chain, number, .. } = plan;
        let version = self.1.load(SeqCst);
        let mut seen = Seen { chain, number, layers: 1 << layer(version, chain, 0), called: 0 };
        let mut passes = verdicts(version, chain, number)[0];
        let mut inside = Vec::new();
        if passes {
            PASSES.set(true);
            seen.layers |= 1 << layer(version, chain, 1);
            plan.change.into_iter().for_each(|version| self.change(version));
            let emit = |(chain, number)| self.emit(Plan { chain, number, ..Plan::default() });
            inside = plan.inside.map(emit).unwrap_or_default();
            let version = if self.0 == Mistake::ReadAgain { self.1.load(SeqCst) } else { version };
            passes = verdicts(version, chain, number)[1];
            passes &= self.0 != Mistake::KeptForTheThread || PASSES.get();
            if passes {
                seen.layers |= 1 << layer(version, chain, 2);
                seen.called = (0..3).filter(|handler| hears(*handler, number)).map(|handler| 1 << handler).sum();
            }
        }
        PASSES.set(passes);
        [vec![seen], inside].concat()
    }
}

#[test]
fn verdicts_kept_for_a_thread_and_versions_read_twice_are_found_out() {
    let astray = |mistake| led_astray(&Mistaken(mistake, AtomicUsize::new(0)), 0);
    assert_eq!(astray(Mistake::None), 0);
    assert!(astray(Mistake::KeptForTheThread) > 0);
    assert!(astray(Mistake::ReadAgain) > 0);
}
