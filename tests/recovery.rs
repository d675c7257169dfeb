//! Of handlers that fail on a tenth of all events, every try, every recovery and every dead letter is counted, once.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crowd::{CROWD, count, crowd};
use sigtree::middleware::{DeadLetter, Retry};
use sigtree::{Bus, Connection, Event, ManualClock, Next, Stack};

const TRIES: u8 = 3;

/// Handlers of which one is well, one fails on a tenth of the numbers and recovers, and one fails on another tenth for good.
struct Ward {
    bus: Bus,
    all: u64,
    /// How often each number was given to each handler.
    given: [Arc<[AtomicU8]>; 3],
    mended: Arc<AtomicBool>,
    _handlers: Vec<Connection>,
}

fn recovers(number: u64) -> bool {
    number % 10 == 3
}

fn stays_broken(number: u64) -> bool {
    number % 10 == 7
}

impl Ward {
    fn new(all: u64, stack: Stack) -> Self {
        let bus = Bus::builder().clock(ManualClock::new()).build();
        bus.set_stack(stack);
        let given: [Arc<[AtomicU8]>; 3] = std::array::from_fn(|_| (0..all).map(|_| AtomicU8::new(0)).collect());
        let mended = Arc::new(AtomicBool::new(false));
        let connect = |which: usize| {
            let (given, mended) = (given[which].clone(), mended.clone());
            let handler = move |number: &u64| {
                let earlier = given[usize::try_from(*number).unwrap()].fetch_add(1, SeqCst);
                match which {
                    1 if recovers(*number) && earlier == 0 => Err("not yet"),
                    2 if stays_broken(*number) && !mended.load(SeqCst) => Err("broken"),
                    _ => Ok(()),
                }
            };
            bus.connect("*", handler).unwrap()
        };
        let handlers = (0..3).map(connect).collect();
        Self { bus, all, given, mended, _handlers: handlers }
    }

    /// Emits each number once, from the threads of a crowd; how many calls failed for good.
    fn emit_all(&self) -> u64 {
        let emit = |who: usize| {
            let numbers = (who as u64..self.all).step_by(CROWD);
            numbers.map(|number| self.bus.emit("job", number).failed() as u64).sum::<u64>()
        };
        crowd(emit).into_iter().sum()
    }

    /// How many pairs of a handler and a number did not come together as often as is right.
    fn wrong_calls(&self) -> usize {
        let right = |which: usize, number: u64| match which {
            1 if recovers(number) => 2,
            2 if stays_broken(number) => TRIES,
            _ => 1,
        };
        let wrong = |which: usize| {
            (0..self.all)
                .zip(&*self.given[which])
                .filter(move |(number, given)| given.load(SeqCst) != right(which, *number))
        };
        (0..3).map(|which| wrong(which).count()).sum()
    }
}

#[test]
fn every_try_recovery_and_letter_is_counted_once() {
    let all = count(100_000);
    let tenth = all / 10;
    let (dead, retry) = (DeadLetter::new().count(usize::MAX), Retry::times(2).every(Duration::ZERO));
    let ward = Ward::new(all, Stack::new().with(dead.clone()).with(retry.clone()));
    assert_eq!(ward.emit_all(), tenth);
    assert_eq!((ward.wrong_calls(), ward.bus.failures()), (0, tenth));
    let stats = retry.stats();
    assert_eq!((stats.calls, stats.recovered, stats.given_up), (3 * tenth, tenth, tenth));

    let letters = dead.letters();
    let mut numbers: Vec<u64> = letters.iter().map(|letter| *letter.payload().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq((0..all).filter(|number| stays_broken(*number))));
    assert!(letters.iter().all(|letter| letter.attempts() == 3 && letter.error() == Some("broken")));
    assert_eq!((dead.stats().kept, dead.stats().evicted), (tenth, 0));

    // Mended, what is given again gets through, once.
    ward.mended.store(true, SeqCst);
    assert_eq!(dead.replay().run(&ward.bus).replayed as u64, tenth);
    assert_eq!((dead.len(), dead.stats().kept, ward.bus.failures()), (0, tenth, tenth));
    let given: u64 = ward.given[2].iter().map(|given| u64::from(given.load(SeqCst))).sum();
    assert_eq!(given, all + 2 * tenth + tenth);
}

#[test]
fn letters_of_each_try_add_up_too() {
    let all = count(100_000);
    let (dead, retry) = (DeadLetter::new().count(10), Retry::times(2).every(Duration::ZERO));
    let ward = Ward::new(all, Stack::new().with(retry).with(dead.clone()));
    assert_eq!((ward.emit_all(), ward.wrong_calls()), (all / 10, 0));
    let stats = dead.stats();
    assert_eq!((stats.kept, stats.evicted), (4 * all / 10, 4 * all / 10 - 10));
}

#[test]
fn replays_beside_emits_lose_no_letter() {
    let all = count(100_000);
    let dead = DeadLetter::new().count(usize::MAX);
    let ward = Ward::new(all, Stack::new().with(dead.clone()).with(Retry::times(2).every(Duration::ZERO)));
    let replayed = AtomicU64::new(0);
    crowd(|who| {
        for number in (who as u64..all).step_by(CROWD) {
            ward.bus.emit("job", number);
            if number % 1_000 == 0 {
                // What it takes out and gives again fails again, and comes back.
                let some = dead.replay_if(|letter| letter.sequence() % 50 == 0);
                replayed.fetch_add(some.run(&ward.bus).replayed as u64, SeqCst);
            }
        }
    });
    let letters = dead.letters();
    let mut numbers: Vec<u64> = letters.iter().map(|letter| *letter.payload().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq((0..all).filter(|number| stays_broken(*number))));
    assert_eq!(dead.stats().kept, all / 10 + replayed.load(SeqCst));
}

/// The mistake: the whole chain is run again, for the handlers that succeeded, too.
#[test]
fn calling_those_again_that_succeeded_is_found_out() {
    let again = |event: &Event<'_>, next: Next<'_>| {
        let before = event.tally().failed;
        next.clone().run(event);
        if event.tally().failed > before {
            next.run(event);
        }
    };
    let ward = Ward::new(100, Stack::new().with(again));
    ward.emit_all();
    assert!(ward.wrong_calls() > 0);
}
