//! What layers hold back, end or keep is accounted for to the last event, whoever emits, flushes and lets time pass at once.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::Duration;

use crowd::{CROWD, Dice, Meeting, count, crowd};
use parking_lot::Mutex;
use sigtree::middleware::{Batch, DeadLetter, Debounce, Deduplicate, FlowStats, Latest, Letter, Sample};
use sigtree::{Bus, Connection, History, ManualClock, Middleware};

const SECOND: Duration = Duration::from_secs(1);

/// What became of the events that came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Account {
    delivered: u64,
    /// Replaced by newer ones, or ended with a reason.
    dropped: u64,
    held: u64,
}

impl Account {
    fn sum(self) -> u64 {
        self.delivered + self.dropped + self.held
    }
}

/// Something that lets events go on, at once or later, or drops them.
trait Keeper: Sync {
    /// Emits a number; whether it was ended with a reason.
    fn emit(&self, number: u64, dice: &mut Dice) -> bool;
    /// Lets go on what is held, at last or in the middle.
    fn flush(&self) {}
    fn account(&self) -> Account;
}

/// Emits so many numbers from each thread of a crowd; the account before all is flushed and after it, and how many were
/// ended with a reason.
fn audit(keeper: &impl Keeper, each: u64) -> (Account, Account, u64) {
    let ended = crowd(|who| {
        let mut dice = Dice::new(who);
        let numbers = who as u64 * each..(who as u64 + 1) * each;
        numbers.filter(|number| keeper.emit(*number, &mut dice)).count() as u64
    });
    let before = keeper.account();
    keeper.flush();
    (before, keeper.account(), ended.into_iter().sum())
}

/// A bus with a layer, and one handler that counts how often it gets each number.
struct Layered<F> {
    bus: Bus,
    clock: ManualClock,
    given: Arc<[AtomicU8]>,
    stats: F,
    _handler: Connection,
}

impl<F: Fn() -> FlowStats + Sync> Layered<F> {
    fn new(layer: impl Middleware, numbers: u64, stats: F) -> Self {
        let clock = ManualClock::new();
        let bus = Bus::builder().clock(clock.clone()).build();
        bus.layer(layer);
        let given: Arc<[AtomicU8]> = (0..numbers).map(|_| AtomicU8::new(0)).collect();
        let list = given.clone();
        let take = move |number: &u64| {
            list[usize::try_from(*number).unwrap()].fetch_add(1, SeqCst);
        };
        let handler = bus.connect("*", take).unwrap();
        Self { bus, clock, given, stats, _handler: handler }
    }
}

impl<F: Fn() -> FlowStats + Sync> Keeper for Layered<F> {
    fn emit(&self, number: u64, dice: &mut Dice) -> bool {
        match dice.roll(1_000) {
            0 => self.bus.flush(),
            1..10 => self.clock.advance(SECOND / 4),
            _ => {}
        }
        let topic = ["a", "b", "c", "d", "e", "f", "g", "h"][dice.roll(8)];
        self.bus.emit(topic, number).filtered().is_some()
    }

    fn flush(&self) {
        self.bus.flush();
    }

    fn account(&self) -> Account {
        let stats = (self.stats)();
        let given: Vec<u8> = self.given.iter().map(|count| count.load(SeqCst)).collect();
        assert!(given.iter().all(|count| *count <= 1), "no event goes on twice");
        let delivered = given.iter().map(|count| u64::from(*count)).sum();
        assert_eq!(delivered, stats.passed, "what the layer says went on is what the handler got");
        Account { delivered, dropped: stats.dropped, held: stats.held }
    }
}

/// Audits a layer with a million events; what it held before it was flushed, and how many were ended with a reason.
fn audit_layer<M: Middleware + Clone>(layer: &M, stats: impl Fn(&M) -> FlowStats + Sync) -> (Account, u64) {
    let all = count(1_000_000);
    let layered = Layered::new(layer.clone(), all, || stats(layer));
    let (before, after, ended) = audit(&layered, all / CROWD as u64);
    assert_eq!((before.sum(), after.sum(), after.held), (all, all, 0));
    assert!(after.delivered > 0 && after.dropped < all, "{after:?}");
    (after, ended)
}

#[test]
fn debounce_and_latest_let_every_event_go_on_or_replace_it() {
    let (account, ended) = audit_layer(&Debounce::new(SECOND).at_latest(SECOND * 3), Debounce::stats);
    assert!(account.dropped > 0 && ended == 0);
    let (account, ended) = audit_layer(&Debounce::new(SECOND).room(5), Debounce::stats);
    assert!(account.dropped > 0 && ended == 0);
    let (account, ended) = audit_layer(&Latest::new(SECOND), Latest::stats);
    assert!(account.dropped > 0 && ended == 0);
    let (account, ended) = audit_layer(&Latest::new(SECOND).room(5), Latest::stats);
    assert!(account.dropped > 0 && ended == 0);
}

#[test]
fn a_batch_lets_every_event_go_on_or_ends_it_because_it_is_full() {
    let (account, ended) = audit_layer(&Batch::new(7, SECOND), Batch::stats);
    assert_eq!(account.dropped, ended);
    let (account, ended) = audit_layer(&Batch::new(40, SECOND).room(20), Batch::stats);
    assert_eq!(account.dropped, ended);
}

#[test]
fn what_is_not_sampled_or_a_duplicate_is_ended_with_a_reason() {
    let (account, ended) = audit_layer(&Sample::one_in(3), Sample::stats);
    assert!(account.dropped > 0 && account.dropped == ended);
    let once = Deduplicate::within(SECOND).by_payload(|number: &u64| number / 2).room(1_000);
    let (account, ended) = audit_layer(&once, Deduplicate::stats);
    assert!(account.dropped > 0 && account.dropped == ended);
}

#[cfg(feature = "governor")]
#[test]
fn what_is_too_much_is_ended_with_a_reason() {
    use sigtree::middleware::{RateLimit, Throttle};
    let (account, ended) = audit_layer(&RateLimit::new(100, SECOND), RateLimit::stats);
    assert!(account.dropped > 0 && account.dropped == ended);
    let (account, ended) = audit_layer(&Throttle::new(SECOND / 2), Throttle::stats);
    assert!(account.dropped > 0 && account.dropped == ended);
}

#[test]
fn dead_letters_are_there_or_taken_out_or_fell_out() {
    let all = count(1_000_000);
    let (bus, dead) = (Bus::new(), DeadLetter::new().count(50));
    bus.layer(dead.clone());
    let fails = |number: u64| number % 10 == 7;
    let _handler = bus.connect("*", move |number: &u64| if fails(*number) { Err("broken") } else { Ok(()) }).unwrap();
    let numbers = |letters: &[Letter]| letters.iter().map(|letter| *letter.payload().unwrap()).collect::<Vec<u64>>();
    let taken = crowd(|who| {
        let mut dice = Dice::new(who);
        let mut taken = Vec::new();
        for number in (who as u64..all).step_by(CROWD) {
            bus.emit("a", number);
            match dice.roll(200) {
                0 => taken.extend(numbers(&dead.take())),
                1 => taken.extend(numbers(&dead.take_if(|letter| letter.sequence() % 2 == 0))),
                2 => taken.extend(
                    dead.letters()
                        .first()
                        .and_then(|letter| dead.remove(letter.sequence()))
                        .as_ref()
                        .map(|letter| *letter.payload::<u64>().unwrap()),
                ),
                _ => {}
            }
        }
        taken
    });
    let (stats, left) = (dead.stats(), numbers(&dead.letters()));
    let mut seen: Vec<u64> = taken.into_iter().flatten().chain(left).collect();
    assert_eq!((stats.kept, stats.refused, stats.unkept), (all / 10, 0, 0));
    assert_eq!(stats.kept, seen.len() as u64 + stats.evicted);
    assert!(stats.evicted > 0 && seen.iter().all(|number| fails(*number)));
    seen.sort_unstable();
    assert!(seen.is_sorted_by(|one, next| one < next), "no letter is taken out twice");
    assert_eq!(bus.failures(), all / 10);
}

#[test]
fn a_history_has_an_event_or_evicted_it_or_was_too_busy_and_says_so() {
    let all = count(1_000_000);
    let (bus, history) = (Bus::new(), History::builder().count(500).build());
    bus.layer(history.clone());
    let _handler = bus.connect("*", |_: &u64| {}).unwrap();
    crowd(|who| {
        let mut dice = Dice::new(who);
        for number in (who as u64..all).step_by(CROWD) {
            bus.emit("a", number);
            match dice.roll(20_000) {
                0 => history.clear(),
                1..10 => drop(history.entries()),
                _ => {}
            }
        }
    });
    let stats = history.stats();
    assert_eq!(stats.recorded + stats.lost, all);
    assert_eq!(stats.recorded, history.len() as u64 + stats.evicted() + stats.cleared);
    assert_eq!((stats.refused, stats.unkept, stats.evicted_by_age, stats.evicted_by_bytes), (0, 0, 0, 0));
}

/// The mistake: the older event is taken out under one lock, and the newer one put in under another.
struct Forgetful {
    newest: Mutex<Option<u64>>,
    account: Mutex<Account>,
    /// Nothing forbids that all threads stand between the two at once.
    between: Meeting,
}

impl Keeper for Forgetful {
    fn emit(&self, number: u64, _: &mut Dice) -> bool {
        let older = self.newest.lock().take();
        self.account.lock().dropped += u64::from(older.is_some());
        self.between.attend();
        *self.newest.lock() = Some(number);
        false
    }

    fn account(&self) -> Account {
        Account { held: u64::from(self.newest.lock().is_some()), ..*self.account.lock() }
    }
}

#[test]
fn an_event_that_is_forgotten_is_found_out() {
    let forgetful = Forgetful { newest: Mutex::default(), account: Mutex::default(), between: Meeting::new(CROWD) };
    let (account, ..) = audit(&forgetful, 1);
    assert!(account.sum() < CROWD as u64);
}
