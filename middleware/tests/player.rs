//! A player reads as it goes, and does what its buttons say.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree_middleware::{
    Clock, Entry, Envelope, EventId, History, Landing, ManualClock, Player, Replay, ReplayControl, Replayed, Speed,
    Stamp, Target, Topic,
};
use support::Rig;

const SECOND: Duration = Duration::from_secs(1);

/// A history of 1 to 6, one a second: odd ones on `a.odd`, even ones on `a.even`, caused by the one before.
fn recorded() -> History {
    let rig = Rig::new();
    let history = History::new();
    for n in 1..=6_u32 {
        let cause = (n % 2 == 0).then(|| EventId::from_bits(u128::from(n) - 1));
        let envelope = Envelope { causation: cause, ..Envelope::default() };
        rig.emit_in(&history, if n % 2 == 0 { "a.even" } else { "a.odd" }, n, Some(envelope));
        rig.clock.advance(SECOND);
    }
    history
}

/// Writes down what it is given, and when.
#[derive(Default)]
struct Seen {
    clock: ManualClock,
    list: Mutex<Vec<(u32, u64)>>,
}

impl Seen {
    fn take(&self) -> Vec<(u32, u64)> {
        std::mem::take(&mut *self.list.lock())
    }

    fn numbers(&self) -> Vec<u32> {
        self.take().into_iter().map(|(number, _)| number).collect()
    }
}

impl Target for Seen {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        let number = *event.entry().payload::<u32>().unwrap();
        self.list.lock().push((number, self.clock.elapsed().as_secs()));
        if number == 6 { Landing::Refused } else { Landing::Called }
    }
}

/// Presses a button at an event.
struct Pressing<F>(Seen, F);

impl<F: Fn(u32)> Target for Pressing<F> {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        let taken = self.0.replay(event);
        (self.1)(*event.entry().payload::<u32>().unwrap());
        taken
    }
}

#[test]
fn it_chooses_as_it_reads() {
    let play = |choose: fn(Player) -> Player| {
        let seen = Seen::default();
        choose(recorded().replay().player()).run(&seen);
        seen.numbers()
    };
    assert_eq!(play(|player| player), [1, 2, 3, 4, 5, 6]);
    assert_eq!(play(|player| player.matching("*.odd").unwrap()), [1, 3, 5]);
    assert_eq!(play(Player::roots), [1, 3, 5]);
    assert_eq!(play(|player| player.range(2..5).filter(|entry| entry.sequence() != 3)), [2, 4]);
    assert_eq!(play(|player| player.since(SECOND).until(3 * SECOND)), [2, 3]);
    assert!(recorded().replay().player().matching("a..b").is_err());
}

#[test]
fn it_reads_no_further_than_it_plays() {
    let read = Arc::new(AtomicUsize::new(0));
    let (count, entries) = (read.clone(), recorded().entries());
    let mut player = Player::of(move || {
        let count = count.clone();
        entries.clone().into_iter().inspect(move |_| _ = count.fetch_add(1, Ordering::Relaxed))
    });
    let seen = Seen::default();
    assert!(player.step(&seen) && player.step(&seen));
    assert_eq!((seen.numbers(), read.load(Ordering::Relaxed)), (vec![1, 2], 2));
}

#[test]
fn events_come_at_their_moments_at_any_speed() {
    let moments = |speed| {
        let seen = Seen::default();
        let mut player = recorded().replay().player().speed(speed).unwrap().clock(seen.clock.clone());
        let report = player.run(&seen);
        assert_eq!((report.replayed, report.refused), (5, 1));
        assert_eq!(report.waited, seen.clock.elapsed());
        seen.take()
    };
    assert_eq!(moments(Speed::Instant), [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]);
    assert_eq!(moments(Speed::RealTime), [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5)]);
    assert_eq!(moments(Speed::Times(0.5)), [(1, 0), (2, 2), (3, 4), (4, 6), (5, 8), (6, 10)]);
    assert!(recorded().replay().player().speed(Speed::Times(0.0)).is_err());
}

#[test]
fn a_replay_hands_its_choices_speed_and_clock_to_its_player() {
    let seen = Seen::default();
    let replay = recorded().replay().last(3).speed(Speed::RealTime).unwrap().clock(seen.clock.clone());
    replay.player().run(&seen);
    assert_eq!(seen.take(), [(4, 0), (5, 1), (6, 2)]);
}

#[test]
fn the_speed_can_change_on_the_way() {
    let player = recorded().replay().player().speed(Speed::RealTime).unwrap();
    let control = player.control();
    let target = Pressing(Seen::default(), move |n| match n {
        2 => control.set_speed(Speed::Times(0.1)).unwrap(),
        4 => control.set_speed(Speed::Instant).unwrap(),
        _ => {}
    });
    player.clock(target.0.clock.clone()).run(&target);
    assert_eq!(target.0.take(), [(1, 0), (2, 1), (3, 11), (4, 21), (5, 21), (6, 21)]);
}

#[test]
fn it_stops_and_goes_on() {
    let mut player = recorded().replay().player();
    let control = player.control();
    let button = control.clone();
    let target = Pressing(Seen::default(), move |n| {
        if n == 4 {
            button.stop();
        }
    });
    assert_eq!(player.run(&target).replayed, 4);
    assert_eq!((control.position(), control.replayed()), (3 * SECOND, 4));
    assert_eq!(player.run(&target).replayed, 1);
    assert!(!player.step(&target));
    control.stop();
    control.seek(Duration::ZERO);
    assert_eq!(player.run(&target).replayed, 0, "a stop counts for the next run if there is none");
    assert_eq!(player.run(&target).replayed, 4);
}

#[test]
fn it_seeks_forward_and_back() {
    let mut player = recorded().replay().player();
    let seen = Seen::default();
    player.seek(3 * SECOND);
    player.step(&seen);
    player.seek(SECOND / 2);
    player.step(&seen);
    player.step(&seen);
    player.seek(5 * SECOND);
    player.step(&seen);
    player.seek(100 * SECOND);
    assert!(!player.step(&seen));
    player.seek(Duration::ZERO);
    player.step(&seen);
    assert_eq!(seen.numbers(), [4, 2, 3, 6, 1]);
}

#[test]
fn it_seeks_back_to_what_it_never_played() {
    let mut player = recorded().replay().player();
    let seen = Seen::default();
    player.step(&seen);
    player.seek(100 * SECOND);
    assert!(!player.step(&seen));
    player.seek(3 * SECOND);
    player.run(&seen);
    assert_eq!(seen.numbers(), [1, 4, 5, 6]);

    let mut player = recorded().replay().player().matching("*.even").unwrap();
    player.seek(4 * SECOND);
    player.step(&seen);
    player.seek(4 * SECOND);
    player.step(&seen);
    player.seek(2 * SECOND);
    player.step(&seen);
    assert_eq!(seen.numbers(), [6, 6, 4]);
}

#[test]
fn a_handler_may_seek_and_what_follows_comes_at_once() {
    let player = recorded().replay().player().speed(Speed::RealTime).unwrap();
    let control = player.control();
    let again = AtomicUsize::new(0);
    let target = Pressing(Seen::default(), move |n| {
        if n == 3 && again.fetch_add(1, Ordering::Relaxed) == 0 {
            control.seek(SECOND);
        }
    });
    player.clock(target.0.clock.clone()).run(&target);
    assert_eq!(target.0.take(), [(1, 0), (2, 1), (3, 2), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
}

/// A player in a thread of its own, and the numbers it has replayed.
fn play_paused() -> (ReplayControl, mpsc::Receiver<u32>, std::thread::JoinHandle<usize>) {
    let (said, heard) = mpsc::channel();
    let mut player = recorded().replay().player();
    let control = player.control();
    control.pause();
    let run = std::thread::spawn(move || {
        let said = Mutex::new(said);
        player.run(&Pressing(Seen::default(), move |n| said.lock().send(n).unwrap())).replayed
    });
    (control, heard, run)
}

#[test]
fn it_waits_while_paused_and_steps() {
    let (control, heard, run) = play_paused();
    assert!(control.is_paused());
    control.step(2);
    assert_eq!((heard.recv(), heard.recv()), (Ok(1), Ok(2)));
    control.seek(4 * SECOND);
    control.step(1);
    assert_eq!(heard.recv(), Ok(5));
    assert!(heard.try_recv().is_err());
    control.resume();
    assert_eq!(heard.recv(), Ok(6));
    assert_eq!(run.join().unwrap(), 3);
}

#[test]
fn a_paused_run_can_be_stopped() {
    let (control, heard, run) = play_paused();
    control.stop();
    assert_eq!(run.join().unwrap(), 0);
    assert!(heard.recv().is_err());
}

#[test]
fn what_cannot_be_read_is_passed_over_and_counted() {
    let entry = |n: u32| {
        let stamp = Stamp { offset: Duration::ZERO, wall: std::time::UNIX_EPOCH };
        Entry::new(u64::from(n), Topic::new("a").unwrap(), Arc::new(n), EventId::from_bits(u128::from(n)), stamp)
    };
    let mut player = Player::try_of(move || vec![Ok(entry(1)), Err("torn"), Ok(entry(2)), Err("torn")]);
    let seen = Seen::default();
    let report = player.run(&seen);
    assert_eq!((report.replayed, report.unread, seen.numbers()), (2, 2, vec![1, 2]));
    assert_eq!(report.reasons, ["torn", "torn"]);
}

#[test]
fn the_first_reasons_are_kept_and_no_more() {
    let bad = |n: u32| -> Result<Entry, String> { Err(format!("{n}: {}", "x".repeat(10_000))) };
    let report = Player::try_of(move || (0..1_000).map(bad)).run(&Seen::default());
    assert_eq!((report.unread, report.reasons.len()), (1_000, 8));
    assert!(report.reasons.iter().all(|reason| reason.len() < 600) && report.reasons[7].starts_with("7: x"));
}

/// Takes odd numbers only.
struct Choosy;

impl Target for Choosy {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        let number = *event.entry().payload::<u32>().unwrap();
        if number % 2 == 0 { event.refuse(format_args!("{number} is even")) } else { Landing::Called }
    }
}

#[test]
fn why_an_event_was_refused_is_told_with_its_place() {
    let told = ["event 2 on `a.even`: 2 is even", "event 4 on `a.even`: 4 is even", "event 6 on `a.even`: 6 is even"];
    for report in [recorded().replay().run(&Choosy), recorded().replay().player().run(&Choosy)] {
        assert_eq!((report.replayed, report.refused), (3, 3));
        assert_eq!(report.reasons, told);
    }
}

/// Two runs of a program: 1, 2 and 3 at 0, 5 and 7 seconds, and an hour later 4 and 5 at 1 and 3 seconds on a new clock.
fn two_runs() -> Vec<Entry> {
    let entry = |(n, began, offset): (u32, u64, u64)| {
        let [began, offset] = [began, offset].map(Duration::from_secs);
        let stamp = Stamp { offset, wall: std::time::UNIX_EPOCH + began + offset };
        Entry::new(u64::from(n), Topic::new("a").unwrap(), Arc::new(n), EventId::from_bits(u128::from(n)), stamp)
    };
    [(1, 1_000, 0), (2, 1_000, 5), (3, 1_000, 7), (4, 4_600, 1), (5, 4_600, 3)].map(entry).into()
}

#[test]
fn runs_are_played_end_to_end_with_their_pauses() {
    let seen = Seen::default();
    let mut player = Player::of(two_runs).speed(Speed::RealTime).unwrap().clock(seen.clock.clone());
    assert_eq!(player.run(&seen).waited, 9 * SECOND);
    assert_eq!((seen.take(), player.control().position()), (vec![(1, 0), (2, 5), (3, 7), (4, 7), (5, 9)], 9 * SECOND));

    let seen = Seen::default();
    Replay::of(two_runs()).speed(Speed::RealTime).unwrap().clock(seen.clock.clone()).run(&seen);
    assert_eq!(seen.take(), [(1, 0), (2, 5), (3, 7), (4, 7), (5, 9)]);
}

#[test]
fn moments_of_later_runs_are_chosen_and_sought_as_they_are_played() {
    let seen = Seen::default();
    let mut player = Player::of(two_runs);
    player.seek(8 * SECOND);
    player.step(&seen);
    player.seek(6 * SECOND);
    player.run(&seen);
    assert_eq!(seen.numbers(), [5, 3, 4, 5]);

    Player::of(two_runs).since(6 * SECOND).until(9 * SECOND).run(&seen);
    assert_eq!(seen.numbers(), [3, 4]);
    let replay = || Replay::of(two_runs()).since(6 * SECOND).until(9 * SECOND);
    replay().run(&seen);
    assert_eq!(seen.numbers(), [3, 4]);
    // The moments of a replay are those of all it began with.
    let mut player = replay().player();
    player.seek(7 * SECOND);
    player.run(&seen);
    assert_eq!(seen.numbers(), [3, 4]);
    assert_eq!(player.control().position(), 7 * SECOND);
}

#[test]
fn two_plays_are_the_same() {
    let run = || {
        let seen = Seen::default();
        let speed = Speed::Times(3.0);
        let report = recorded().replay().player().speed(speed).unwrap().clock(seen.clock.clone()).run(&seen);
        (report, seen.take(), seen.clock.elapsed())
    };
    assert_eq!(run(), run());
}
