//! A panic on the way loses none of the events that a layer holds and stops none; and no lock is held where one may come from.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

use sigtree::middleware::{Alarm, Batch, Clock, Debounce, FlowStats, Latest};
use sigtree::{Bus, ManualClock, Policy, Stack};
use support::{Recorder, boom, quietly};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_panic_of_one_does_not_keep_the_others_from_going_on() {
    let batch = |armed: &Arc<AtomicBool>| {
        let armed = armed.clone();
        Batch::new(9, SECOND).before(move |_| if_armed(&armed))
    };
    type Armed = Arc<AtomicBool>;
    let layers: [&dyn Fn(&Armed) -> Stack; 3] =
        [&|_| Stack::new().with(Debounce::new(SECOND)), &|_| Stack::new().with(Latest::new(SECOND)), &|armed| {
            Stack::new().with(batch(armed))
        }];
    for layer in layers {
        let (seen, armed) = (Recorder::new(), Arc::new(AtomicBool::new(false)));
        let bus = Bus::builder().clock(ManualClock::new()).policy(Policy::Propagate).build();
        let in_handler = armed.clone();
        let _bad = bus.on("*").priority(1).connect(move |_: &u32| if_armed(&in_handler));
        let _seen = bus.connect("*", seen.events()).unwrap();
        bus.set_stack(layer(&armed));
        for topic in ["a", "a", "b", "b"] {
            bus.emit(topic, 1_u32);
        }
        armed.store(true, Ordering::Relaxed);
        let flush = AssertUnwindSafe(|| bus.flush());
        assert!(quietly(|| catch_unwind(flush)).is_err());
        assert!(bus.failures() >= 2, "each event that was held met the handler that fails");
        armed.store(false, Ordering::Relaxed);
        seen.take();
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
