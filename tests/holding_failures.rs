//! A panic on the way loses none of the events that a layer holds and stops none; and no lock is held where one may come from.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

use sigtree::middleware::{Alarm, Batch, Clock, Debounce, FlowStats, Held, Latest};
use sigtree::{Bus, ManualClock, Policy, Stack};
use support::{Recorder, boom, quietly};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_panic_of_one_does_not_keep_the_others_from_going_on() {
    type Stats = Box<dyn Fn() -> FlowStats>;
    let armed = Arc::new(AtomicBool::new(false));
    let [before, after] = [armed.clone(), armed.clone()].map(|armed| move |_: &[Held]| if_armed(&armed));
    let (debounce, latest) = (Debounce::new(SECOND), Latest::new(SECOND));
    let batch = Batch::new(9, SECOND).before(before).after(after);
    let layers: [(Stack, Stats, &[&str], [u64; 3]); 3] = [
        (Stack::new().with(debounce.clone()), Box::new(move || debounce.stats()), &["a 2", "b 4"], [2, 2, 0]),
        (Stack::new().with(latest.clone()), Box::new(move || latest.stats()), &["a 2", "b 4"], [4, 0, 0]),
        (Stack::new().with(batch.clone()), Box::new(move || batch.stats()), &["a 1", "a 2", "b 3", "b 4"], [4, 0, 0]),
    ];
    for (stack, stats, went_on, account) in layers {
        let seen = Recorder::new();
        let bus = Bus::builder().clock(ManualClock::new()).policy(Policy::Propagate).build();
        let in_handler = armed.clone();
        let _bad = bus.on("*").priority(1).connect(move |_: &u32| if_armed(&in_handler));
        let _seen = bus.connect("*", seen.events()).unwrap();
        bus.set_stack(stack);
        for (n, topic) in [(1, "a"), (2, "a"), (3, "b"), (4_u32, "b")] {
            bus.emit(topic, n);
        }
        seen.take();
        armed.store(true, Ordering::Relaxed);
        let flush = AssertUnwindSafe(|| bus.flush());
        assert!(quietly(|| catch_unwind(flush)).is_err());
        armed.store(false, Ordering::Relaxed);
        // `Propagate` calls the other handlers before the panic goes on.
        assert_eq!(seen.take(), went_on);
        assert_eq!((bus.failures(), books(stats())), (went_on.len() as u64, account));
        bus.emit("c", 2_u32);
        bus.flush();
        assert_eq!(seen.take(), ["c 2"], "the layer works on, and nothing comes twice");
    }
}

fn if_armed(armed: &AtomicBool) {
    if armed.load(Ordering::Relaxed) {
        boom("armed");
    }
}

/// A bus whose emits and flushes panic when its handler of `bad` does, with a list of what the handlers see.
fn bus_that_panics() -> (Bus, Recorder) {
    let seen = Recorder::new();
    let bus = Bus::builder().clock(ManualClock::new()).policy(Policy::Propagate).build();
    bus.connect("*", seen.events()).unwrap().detach();
    bus.connect("bad", |_: &u32| boom("bad")).unwrap().detach();
    (bus, seen)
}

fn panics(run: impl FnOnce()) -> bool {
    quietly(|| catch_unwind(AssertUnwindSafe(run))).is_err()
}

/// Passed, dropped, held.
fn books(stats: FlowStats) -> [u64; 3] {
    [stats.passed, stats.dropped, stats.held]
}

#[test]
fn a_new_interval_runs_though_what_it_hurried_panics() {
    let (bus, seen) = bus_that_panics();
    let latest = Latest::new(SECOND).room(1);
    bus.layer(latest.clone());
    assert!(panics(|| drop(bus.emit("bad", 1_u32))));
    bus.emit("bad", 2_u32);
    assert!(panics(|| drop(bus.emit("a", 3_u32))), "the one of `bad` goes on early");
    assert_eq!(seen.take(), ["bad 1", "bad 2", "a 3"]);
    bus.emit("a", 4_u32);
    bus.flush();
    assert_eq!((seen.take(), books(latest.stats())), (vec!["a 4".into()], [4, 0, 0]));
}

#[test]
fn an_event_finds_its_batch_though_the_one_that_makes_room_panics() {
    let (bus, seen) = bus_that_panics();
    let batch = Batch::new(9, SECOND).room(2);
    bus.layer(batch.clone());
    for topic in ["bad", "b"] {
        assert!(bus.emit(topic, 1_u32).is_held());
    }
    assert!(panics(|| drop(bus.emit("b", 2_u32))));
    assert_eq!(books(batch.stats()), [1, 0, 2]);
    bus.flush();
    assert_eq!(seen.take(), ["bad 1", "b 1", "b 2"]);
}

#[test]
fn what_cannot_be_kept_goes_on_though_the_batch_before_it_panics() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let batch = Batch::new(9, SECOND).after(|_| boom("after"));
    let list = seen.clone();
    let answer = move |n: &u32| list.note(n);
    let _handler = bus.on("n").middleware(batch.clone()).connect(seen.lines(|n: &u32| *n)).unwrap();
    let _answers = bus.on("n").middleware(batch.clone()).answer(answer).unwrap();
    let signal = bus.signal::<u32>("n").unwrap();
    signal.emit(1);
    // What a query asks about is only lent.
    quietly(|| signal.query::<()>(&2).for_each(drop));
    assert_eq!((seen.take(), books(batch.stats())), (vec!["1".into(), "2".into()], [2, 0, 0]));
}

/// A clock that looks at a layer when it is asked for the time, from another thread.
struct Curious(ManualClock, OnceLock<Debounce>);

impl Clock for Curious {
    fn elapsed(&self) -> Duration {
        if let Some(layer) = self.1.get().cloned() {
            let (send, receive) = std::sync::mpsc::channel();
            thread::spawn(move || send.send(layer.stats()));
            receive.recv_timeout(SECOND * 60).expect("no lock is held while the time is read");
        }
        self.0.elapsed()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }

    fn wake(&self, at: Duration, alarm: std::sync::Weak<dyn Alarm>) {
        self.0.wake(at, alarm);
    }
}

#[test]
fn the_time_is_read_under_no_lock() {
    let (time, seen) = (ManualClock::new(), Recorder::new());
    let clock = Arc::new(Curious(time.clone(), OnceLock::new()));
    let bus = Bus::builder().clock(clock.clone()).build();
    let _handler = bus.connect("a", seen.events()).unwrap();
    let debounce = Debounce::new(SECOND);
    bus.layer(debounce.clone());
    assert!(clock.1.set(debounce).is_ok());
    bus.emit("a", 1_u32);
    time.advance(SECOND);
    assert_eq!(seen.take(), ["a 1"]);
}

/// A clock whose alarms cannot be set when it is jammed; and that can be asked for the time of a second ago.
#[derive(Default)]
struct Jammed {
    time: ManualClock,
    is_jammed: AtomicBool,
    is_behind: AtomicBool,
}

impl Clock for Jammed {
    fn elapsed(&self) -> Duration {
        let behind = if self.is_behind.load(Ordering::Relaxed) { SECOND } else { Duration::ZERO };
        self.time.elapsed() - behind
    }

    fn wall(&self) -> SystemTime {
        self.time.wall()
    }

    fn sleep(&self, duration: Duration) {
        self.time.sleep(duration);
    }

    fn wake(&self, at: Duration, alarm: std::sync::Weak<dyn Alarm>) {
        if_armed(&self.is_jammed);
        self.time.wake(at, alarm);
    }
}

/// A bus on such a clock, with a list of what its handlers see.
fn bus_on(clock: &Arc<Jammed>) -> (Bus, Recorder) {
    let seen = Recorder::new();
    let bus = Bus::builder().clock(clock.clone()).policy(Policy::Propagate).build();
    bus.connect("*", seen.events()).unwrap().detach();
    (bus, seen)
}

#[test]
fn what_is_due_goes_on_though_the_next_alarm_cannot_be_set() {
    let layers: [fn() -> Stack; 3] = [
        || Stack::new().with(Debounce::new(SECOND)),
        || Stack::new().with(Latest::new(SECOND)),
        || Stack::new().with(Batch::new(9, SECOND)),
    ];
    for layer in layers {
        let clock = Arc::new(Jammed::default());
        let (bus, seen) = bus_on(&clock);
        bus.set_stack(layer());
        bus.emit("a", 1_u32);
        bus.emit("a", 2_u32);
        clock.time.advance(SECOND / 2);
        bus.emit("b", 1_u32);
        bus.emit("b", 2_u32);
        seen.take();
        clock.is_jammed.store(true, Ordering::Relaxed);
        assert!(panics(|| clock.time.advance(SECOND / 2)), "there is no alarm for `b`");
        assert_eq!(seen.take().last().unwrap(), "a 2");
        bus.flush();
        assert_eq!(seen.take().last().unwrap(), "b 2");
    }
}

#[test]
fn what_is_replaced_is_counted_though_the_alarm_cannot_be_set() {
    let clock = Arc::new(Jammed::default());
    let (bus, seen) = bus_on(&clock);
    let debounce = Debounce::new(SECOND);
    bus.layer(debounce.clone());
    clock.time.advance(SECOND);
    bus.emit("a", 1_u32);
    // As if another thread had read the time before, and came later: it wants to be woken earlier.
    clock.is_behind.store(true, Ordering::Relaxed);
    clock.is_jammed.store(true, Ordering::Relaxed);
    assert!(panics(|| drop(bus.emit("a", 2_u32))));
    assert_eq!(books(debounce.stats()), [0, 1, 1]);
    bus.flush();
    assert_eq!((seen.take(), books(debounce.stats())), (vec!["a 2".into()], [1, 1, 0]));
}
