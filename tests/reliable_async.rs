//! An async handler in reliable mode has an event until it is done with it, or it is a dead letter; one that wants the latest only
//! is not called with what was overtaken.
#![cfg(feature = "async")]

#[path = "support/crowd.rs"]
mod crowd;
mod support;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use crowd::{CROWD, Dice, count, crowd};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sigtree::middleware::{Backoff, DeadLetter};
use sigtree::sys::HandlerFailed;
use sigtree::{Bus, Event, ManualClock, Mode, Next, Overflow, Queue, Received, Reliable, Task};
use support::{Recorder, boom, quietly};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A bus whose tasks stay here until somebody polls them.
struct Desk {
    bus: Bus,
    clock: ManualClock,
    tasks: Arc<Mutex<Vec<Task>>>,
}

impl Desk {
    fn new() -> Self {
        let (clock, tasks) = (ManualClock::new(), Arc::new(Mutex::new(Vec::new())));
        let kept = tasks.clone();
        let spawner = move |task: Task| kept.lock().push(task);
        Self { bus: Bus::builder().clock(clock.clone()).spawner(spawner).build(), clock, tasks }
    }

    /// Polls each task once, and those that come meanwhile; how many.
    fn poll(&self) -> usize {
        let (mut polled, mut left) = (0, Vec::new());
        loop {
            let tasks = std::mem::take(&mut *self.tasks.lock());
            if tasks.is_empty() {
                self.tasks.lock().extend(left);
                return polled;
            }
            for mut task in tasks {
                polled += 1;
                if Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                    left.push(task);
                }
            }
        }
    }
}

/// A bus whose tasks run on two threads.
fn threaded() -> Bus {
    let (send, receive) = crossbeam_channel::unbounded();
    for _ in 0..2 {
        let tasks = receive.clone();
        thread::spawn(move || quietly(|| tasks.into_iter().for_each(pollster::block_on)));
    }
    Bus::builder().spawner(move |task: Task| send.send(task).unwrap()).build()
}

/// Five seconds for an attempt, two retries, a second between them.
fn rules() -> Reliable {
    Reliable::new().timeout(5 * SECOND).retries(2).backoff(Backoff::every(SECOND))
}

fn reliable(rules: Reliable) -> Mode {
    Mode::Reliable(rules)
}

/// A handler that notes its calls, with the attempt, and fails the first few times.
fn failing(times: u64, seen: &Recorder) -> impl Fn(Received<u32>) -> BoxFuture<'static, Result<(), String>> + use<> {
    let (seen, calls) = (seen.clone(), Arc::new(AtomicU64::new(0)));
    move |n| {
        let (seen, calls) = (seen.clone(), calls.clone());
        Box::pin(async move {
            seen.note(format_args!("{}.{}", *n, n.attempt()));
            let call = calls.fetch_add(1, SeqCst) + 1;
            if call <= times { Err(format!("broken {call}")) } else { Ok(()) }
        })
    }
}

/// A handler that says when it begins and when it is dropped, and never ends.
fn hanging(seen: &Recorder) -> impl Fn(Received<u32>) -> BoxFuture<'static, ()> + use<> {
    struct Noted(Recorder);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    let seen = seen.clone();
    move |n| {
        let seen = seen.clone();
        Box::pin(async move {
            seen.note(*n);
            let _noted = Noted(seen);
            pending::<()>().await;
        })
    }
}

/// What became of each dead letter: the number, the attempts, the reason.
fn told(dead: &DeadLetter) -> Vec<String> {
    let tell = |letter: &sigtree::middleware::Letter| {
        format!("{} {} {}", letter.payload::<u32>().unwrap(), letter.attempts(), letter.reason())
    };
    dead.letters().iter().map(tell).collect()
}

#[test]
fn what_failed_is_called_again_after_the_pause() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let connection = desk.bus.on("n").mode(reliable(rules())).connect_async(failing(2, &seen)).unwrap();
    let delivery = desk.bus.emit("n", 1_u32);
    assert_eq!((delivery.called(), delivery.failed()), (1, 0));
    for attempt in 1..=3 {
        assert_eq!((desk.poll(), seen.take()), (1, vec![format!("1.{attempt}")]));
        assert_eq!(desk.poll(), 0, "not before the pause is over");
        desk.clock.advance(SECOND);
    }
    desk.clock.advance(MINUTE);
    assert_eq!((desk.poll(), desk.bus.failures(), desk.bus.running()), (0, 0, 0));
    assert!(connection.dead_letters().unwrap().is_empty());
}

#[test]
fn what_it_never_did_is_a_dead_letter() {
    let (desk, seen, reports) = (Desk::new(), Recorder::new(), Recorder::new());
    let report = reports.lines(|failed: &HandlerFailed| failed.failure.cause.to_string());
    let _report = desk.bus.connect("$sys.handler.failed", report).unwrap();
    let on = desk.bus.on("n").named("printer").mode(reliable(rules()));
    let connection = on.connect_async(failing(9, &seen)).unwrap();
    desk.bus.emit("n", 7_u32);
    for _ in 0..3 {
        desk.poll();
        desk.clock.advance(SECOND);
    }
    assert_eq!(seen.take(), ["7.1", "7.2", "7.3"]);
    let dead = connection.dead_letters().unwrap();
    assert_eq!(told(&dead), ["7 3 failed: broken 3"]);
    let letter = &dead.letters()[0];
    assert_eq!((letter.name(), letter.site().unwrap().file()), (Some("printer"), file!()));
    assert_eq!((reports.take(), desk.bus.running()), (vec!["broken 3".to_owned()], 0), "the last one only");
    let shown = desk.bus.inspect().to_string();
    assert!(shown.contains("reliable: 0 running, 0 waiting, 2 given again, 1 dead"), "{shown}");
}

#[test]
fn a_panic_and_a_task_that_is_dropped_are_failures() {
    let (desk, dead) = (Desk::new(), DeadLetter::new());
    let on = |topic: &str| desk.bus.on(topic).mode(reliable(rules().retries(0).dead_letters(&dead)));
    let panics = |_: Received<u32>| async { boom("as told") };
    // One panics before it has a future, too.
    let at_once = |_: Received<u32>| {
        boom("at once");
        async {}
    };
    let _panics = (on("p").connect_async(panics).unwrap(), on("q").connect_async(at_once).unwrap());
    quietly(|| {
        desk.bus.emit("p", 1_u32);
        desk.bus.emit("q", 2_u32);
        desk.poll();
    });
    let seen = Recorder::new();
    let _hangs = on("h").connect_async(hanging(&seen)).unwrap();
    desk.bus.emit("h", 3_u32);
    desk.poll();
    desk.bus.emit("h", 4_u32);
    assert_eq!(desk.bus.running(), 2);
    desk.tasks.lock().clear();
    let letters = [
        "1 1 failed: panicked: as told",
        "2 1 failed: panicked: at once",
        "3 1 failed: it was cancelled",
        "4 1 failed: it was dropped before it began",
    ];
    assert_eq!(told(&dead), letters);
    assert_eq!((seen.take(), desk.bus.failures(), desk.bus.running()), (vec!["3".into(), "dropped".into()], 4, 0));
}

#[test]
fn who_is_late_is_ended_where_he_is() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let connection = desk.bus.on("n").mode(reliable(rules().retries(1))).connect_async(hanging(&seen)).unwrap();
    desk.bus.emit("n", 1_u32);
    desk.poll();
    desk.clock.advance(5 * SECOND);
    desk.poll();
    assert_eq!((seen.take(), desk.tasks.lock().len()), (vec!["1".into(), "dropped".into()], 0));
    desk.clock.advance(SECOND);
    desk.poll();
    assert_eq!((seen.take(), desk.bus.failures(), desk.bus.running()), (vec!["1".into()], 0, 1));
    desk.clock.advance(5 * SECOND);
    assert_eq!(told(&connection.dead_letters().unwrap()), ["1 2 failed: not done within 5s"]);
    assert_eq!((desk.bus.failures(), desk.bus.running()), (1, 0));
    desk.poll();
    assert_eq!((seen.take(), desk.bus.failures()), (vec!["dropped".into()], 1));
}

#[test]
fn the_clock_wakes_the_task_of_who_is_late() {
    struct Rings(AtomicU64);
    impl std::task::Wake for Rings {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let desk = Desk::new();
    let _hangs = desk.bus.on("n").mode(reliable(rules())).connect_async(hanging(&Recorder::new())).unwrap();
    desk.bus.emit("n", 1_u32);
    let (mut task, rings) = (desk.tasks.lock().pop().unwrap(), Arc::new(Rings(AtomicU64::new(0))));
    let waker = Waker::from(rings.clone());
    assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
    desk.clock.advance(5 * SECOND);
    assert_eq!(rings.0.load(SeqCst), 1);
}

#[test]
fn as_many_run_at_once_as_the_queue_has_places() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let on = desk.bus.on("n").queue(Queue::bounded(2)).mode(reliable(rules()));
    let _connection = on.connect_async(failing(1, &seen)).unwrap();
    let emit = |n: u32| desk.bus.emit("n", n).failed();
    assert_eq!(([1, 2, 3].map(emit), desk.bus.running()), ([0, 0, 1], 2));
    desk.poll();
    // The one that waits for its pause keeps its place.
    assert_eq!(([4, 5].map(emit), desk.bus.running()), ([0, 1], 2));
    desk.poll();
    desk.clock.advance(SECOND);
    desk.poll();
    assert_eq!((seen.take(), desk.bus.running()), (["1.1", "2.1", "4.1", "1.2"].map(String::from).into(), 0));
}

#[test]
fn one_at_a_time_if_it_is_to() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let on = desk.bus.on("n").serial().mode(reliable(rules()));
    let _connection = on.connect_async(failing(1, &seen)).unwrap();
    (1..=3_u32).for_each(|n| drop(desk.bus.emit("n", n)));
    assert_eq!((desk.tasks.lock().len(), desk.bus.running()), (1, 3));
    assert_eq!(desk.poll(), 3, "each begins the next");
    desk.clock.advance(SECOND);
    desk.bus.emit("n", 4_u32);
    desk.poll();
    assert_eq!(seen.take(), ["1.1", "2.1", "3.1", "1.2", "4.1"]);
    assert_eq!(desk.bus.running(), 0);
}

#[test]
fn one_that_is_late_is_over_before_the_next_begins() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let on = desk.bus.on("n").serial().mode(reliable(rules()));
    let _connection = on.connect_async(hanging(&seen)).unwrap();
    (1..=2_u32).for_each(|n| drop(desk.bus.emit("n", n)));
    desk.poll();
    desk.clock.advance(6 * SECOND);
    assert_eq!(desk.tasks.lock().len(), 1);
    desk.poll();
    assert_eq!(seen.take(), ["1", "dropped", "1"], "what comes again comes first");
}

#[test]
fn what_waits_is_waited_for() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let connection = desk.bus.on("n").mode(reliable(rules())).connect_async(failing(9, &seen)).unwrap();
    desk.bus.emit("n", 1_u32);
    desk.poll();
    assert_eq!(desk.bus.running(), 1, "it waits for its pause");
    assert!(desk.bus.drain(Duration::ZERO).unwrap_err().is_timeout());
    desk.bus.flush();
    assert_eq!((desk.poll(), desk.bus.running()), (1, 1), "a flush ends the pause");
    let report = desk.bus.shutdown(Duration::ZERO).to_string();
    let once = "bus `bus`: async handlers run, 1 call of tests/reliable_async.rs:";
    assert!(report.starts_with(once) && report.lines().count() == 1, "told of once: {report}");
    desk.poll();
    assert!(desk.bus.shutdown(MINUTE).is_clean());
    desk.bus.drain(Duration::ZERO).unwrap();
    assert_eq!(told(&connection.dead_letters().unwrap()), ["1 3 failed: broken 3"]);
}

#[test]
fn who_waits_for_an_emit_does_not_wait_for_it() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let _reliable = desk.bus.on("n").mode(reliable(rules())).connect_async(failing(0, &seen)).unwrap();
    let _newest = desk.bus.on("n").mode(Mode::LatestOnly).connect_async(failing(0, &seen)).unwrap();
    let delivery = pollster::block_on(desk.bus.emit_and_wait("n", 1_u32));
    assert_eq!((delivery.called(), seen.take().len(), desk.bus.running()), (2, 0, 2));
    assert_eq!((desk.poll(), seen.take().len(), desk.bus.running()), (2, 2, 0));
}

#[test]
fn without_a_spawner_the_emit_says_so() {
    let (bus, seen) = (Bus::new(), Recorder::new());
    let on = |mode: Mode| bus.on("n").mode(mode).connect_async(failing(0, &seen)).unwrap();
    let (reliable, _newest) = (on(reliable(rules())), on(Mode::LatestOnly));
    let delivery = bus.emit("n", 1_u32);
    for failure in delivery.failures() {
        assert!(failure.to_string().ends_with("nothing runs async handlers here: give the bus a spawner"), "{failure}");
    }
    assert_eq!((delivery.failed(), bus.failures(), bus.running()), (2, 2, 0));
    assert!(reliable.dead_letters().unwrap().is_empty());
}

#[test]
fn the_end_of_the_connection_leaves_dead_letters() {
    let (desk, seen, dead) = (Desk::new(), Recorder::new(), DeadLetter::new());
    let on = || desk.bus.on("n").mode(reliable(rules().dead_letters(&dead)));
    let connection = on().serial().connect_async(failing(1, &seen)).unwrap();
    desk.bus.emit("n", 1_u32);
    desk.poll();
    desk.bus.emit("n", 2_u32);
    desk.bus.emit("n", 3_u32);
    // One waits for its pause, one runs, one was not given.
    connection.disconnect();
    assert_eq!(desk.bus.running(), 1);
    let ended = "abandoned: the connection ended";
    let mut letters = told(&dead);
    letters.sort();
    assert_eq!(letters, [format!("1 1 {ended}; last error: broken 1"), format!("3 0 {ended}")]);
    desk.poll();
    desk.clock.advance(MINUTE);
    assert_eq!((desk.poll(), seen.take(), desk.bus.running()), (0, vec!["1.1".to_owned(), "2.1".into()], 0));
    assert_eq!(dead.letters().len(), 2, "the one that ran was done");

    let connection = on().connect_async(failing(9, &seen)).unwrap();
    desk.bus.emit("n", 4_u32);
    drop(connection);
    desk.poll();
    assert_eq!(told(&dead)[2..], [format!("4 1 {ended}; last error: broken 1")]);
    assert_eq!(desk.bus.running(), 0);
}

#[test]
fn a_connection_that_ends_with_its_event_makes_one_attempt() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let dead = DeadLetter::new();
    let on = desk.bus.on("n").once().mode(reliable(rules().dead_letters(&dead)));
    let _connection = on.connect_async(failing(1, &seen)).unwrap();
    assert_eq!([1, 2].map(|n: u32| desk.bus.emit("n", n).called()), [1, 0]);
    desk.poll();
    assert_eq!(told(&dead), ["1 1 abandoned: the connection ended; last error: broken 1"]);
    assert_eq!((seen.take(), desk.bus.running(), desk.bus.failures()), (vec!["1.1".to_owned()], 0, 1));
}

#[test]
fn no_call_begins_after_a_disconnect() {
    let (desk, seen, dead) = (Desk::new(), Recorder::new(), DeadLetter::new());
    for mode in [reliable(rules().dead_letters(&dead)), Mode::LatestOnly] {
        let own = Arc::new(Mutex::new(None));
        let takes = own.clone();
        let disconnects = move |event: &Event<'_>, next: Next<'_>| {
            let connection = takes.lock().take();
            drop(connection);
            next.run(event);
        };
        let connection = desk.bus.on("n").mode(mode).middleware(disconnects).connect_async(failing(0, &seen)).unwrap();
        *own.lock() = Some(connection);
        desk.bus.emit("n", 1_u32);
        desk.poll();
        assert_eq!((seen.take().len(), desk.bus.running()), (0, 0));
    }
    assert_eq!(told(&dead), ["1 0 abandoned: the connection ended"]);
}

#[test]
fn what_it_acks_itself_is_done_whatever_comes() {
    let desk = Desk::new();
    let early = |n: Received<u32>| async move {
        assert!(n.clone().ack());
        smol::future::yield_now().await;
        Err::<(), _>("too late to say so")
    };
    let on = desk.bus.on("n").queue(Queue::bounded(1)).mode(reliable(rules()));
    let connection = on.connect_async(early).unwrap();
    for n in 1..=2_u32 {
        assert_eq!(desk.bus.emit("n", n).failed(), 0, "the first one gave its place back");
        desk.poll();
    }
    desk.clock.advance(MINUTE);
    desk.poll();
    assert_eq!((desk.poll(), desk.bus.running(), desk.bus.failures()), (0, 0, 0));
    assert!(connection.dead_letters().unwrap().is_empty());
}

#[test]
fn a_spawner_that_runs_tasks_at_once() {
    let bus = Bus::builder().spawner(|task: Task| pollster::block_on(task)).build();
    let (seen, rules) = (Recorder::new(), rules().backoff(Backoff::every(Duration::ZERO)));
    let (emitter, calls) = (bus.downgrade(), seen.clone());
    let handler = move |n: Received<u32>| {
        let (emitter, calls) = (emitter.clone(), calls.clone());
        async move {
            if *n == 1 && n.attempt() == 1 {
                drop(emitter.upgrade().unwrap().emit("n", 2_u32));
            }
            calls.note(format_args!("{}.{}", *n, n.attempt()));
            if n.attempt() == 1 { Err("broken") } else { Ok(()) }
        }
    };
    for serial in [false, true] {
        let on = bus.on("n").mode(reliable(rules.clone()));
        let on = if serial { on.serial() } else { on };
        let _connection = on.connect_async(handler.clone()).unwrap();
        bus.emit("n", 1_u32);
        assert_eq!((seen.take(), bus.running()), (["1.1", "1.2", "2.1", "2.2"].map(String::from).into(), 0));
    }
}

#[test]
fn a_crowd_loses_nothing() {
    let all = count(100_000) / CROWD as u64;
    let bus = threaded();
    let (done, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (is_done, has_failed) = (done.clone(), failed.clone());
    let (dice, dead) = (Arc::new(Mutex::new(Dice::new(7))), DeadLetter::new().count(usize::MAX));
    let rules = rules().retries(1).timeout(MINUTE).backoff(Backoff::every(Duration::ZERO)).dead_letters(&dead);
    let queue = Queue::bounded(64).overflow(Overflow::Block(MINUTE));
    let handler = move |_: Received<u64>| {
        // Of two hundred, one returns an error and one panics.
        let roll = dice.lock().roll(200);
        let (is_done, has_failed) = (is_done.clone(), has_failed.clone());
        async move {
            if roll > 1 {
                is_done.fetch_add(1, SeqCst);
                return Ok(());
            }
            has_failed.fetch_add(1, SeqCst);
            if roll == 0 {
                boom("as the dice fell");
            }
            Err("as the dice fell")
        }
    };
    for serial in [false, true] {
        let on = bus.on("n").queue(queue).mode(reliable(rules.clone()));
        let on = if serial { on.serial() } else { on };
        let connection = on.connect_async(handler.clone()).unwrap();
        crowd(|who| (0..all).for_each(|n| assert_eq!(bus.emit("n", who as u64 * all + n).failed(), 0)));
        bus.drain(MINUTE).unwrap();
        drop(connection);
        let (done, dead) = (done.swap(0, SeqCst), dead.take().len() as u64);
        assert_eq!(done + dead, all * CROWD as u64, "{done} done, {dead} dead");
        assert!(failed.swap(0, SeqCst) > dead);
    }
}

#[test]
fn the_latest_only_of_those_that_come_while_it_runs() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let numbers = |seen: &Recorder| {
        let seen = seen.clone();
        move |n: Received<u32>| {
            let seen = seen.clone();
            async move {
                seen.note(format_args!("{} {}", n.topic(), *n));
                smol::future::yield_now().await;
                if *n == 4 {
                    boom("as told");
                }
            }
        }
    };
    let newest = desk.bus.on("n.*").mode(Mode::LatestOnly).connect_async(numbers(&seen)).unwrap();
    let emit = |topic: &str, n: u32| assert_eq!(desk.bus.emit(topic, n).called(), 1);
    emit("n.a", 1);
    desk.poll();
    [("n.a", 2), ("n.b", 3), ("n.a", 4)].into_iter().for_each(|(topic, n)| emit(topic, n));
    assert_eq!((desk.tasks.lock().len(), desk.bus.running()), (2, 2), "a task for each topic");
    quietly(|| while desk.poll() > 0 && !desk.tasks.lock().is_empty() {});
    assert_eq!((seen.take(), desk.bus.running()), (["n.a 1", "n.b 3", "n.a 4"].map(String::from).into(), 0));
    assert_eq!(desk.bus.failures(), 1);
    let shown = desk.bus.inspect().to_string();
    assert!(shown.contains("the latest only, 1 replaced by newer ones"), "{shown}");
    assert_eq!(desk.bus.metrics().total.dropped, 1);

    // A panic leaves it free; a call that has not begun is made with the newest.
    (5..7).for_each(|n| emit("n.a", n));
    desk.poll();
    assert_eq!(seen.take(), ["n.a 6"]);
    // No new call starts after a disconnect; one that runs ends.
    emit("n.a", 7);
    newest.disconnect();
    while !desk.tasks.lock().is_empty() {
        desk.poll();
    }
    assert!(seen.take().is_empty());
    assert_eq!((desk.bus.running(), desk.bus.failures()), (0, 1));
}

#[test]
fn the_latest_only_one_at_a_time() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let _newest = desk.bus.on("n.*").serial().mode(Mode::LatestOnly).connect_async(hanging(&seen)).unwrap();
    let emit = |topic: &str, n: u32| drop(desk.bus.emit(topic, n));
    [("n.a", 1), ("n.b", 2)].into_iter().for_each(|(topic, n)| emit(topic, n));
    desk.poll();
    emit("n.b", 3);
    desk.poll();
    assert_eq!(seen.take(), ["1"], "the other topic waits, too");
    drop(desk.tasks.lock().remove(0));
    desk.poll();
    assert_eq!(seen.take(), ["dropped", "3"], "and then has its newest");
}

#[test]
fn the_last_of_a_crowd_is_never_overtaken() {
    let (bus, all) = (threaded(), count(100_000));
    let (at, seen) = (Arc::new([const { AtomicU64::new(0) }; CROWD]), Arc::new([const { AtomicU64::new(0) }; CROWD]));
    let (is_at, sees) = (at.clone(), seen.clone());
    let newest = bus.on("n.*").mode(Mode::LatestOnly).connect_async(move |n: Received<(usize, u64)>| {
        let (is_at, sees) = (is_at.clone(), sees.clone());
        async move {
            let (who, n) = *n;
            assert_eq!(is_at[who].fetch_add(1, SeqCst), 0, "one call of a topic at a time");
            smol::future::yield_now().await;
            assert!(sees[who].swap(n, SeqCst) < n, "in order");
            is_at[who].fetch_sub(1, SeqCst);
        }
    });
    crowd(|who| (1..=all).for_each(|n| drop(bus.emit(format!("n.{who}"), (who, n)))));
    bus.drain(MINUTE).unwrap();
    assert_eq!((bus.failures(), seen.each_ref().map(|seen| seen.load(SeqCst))), (0, [all; CROWD]));
    drop(newest);
}

#[test]
fn a_task_that_is_dropped_leaves_its_topic_free() {
    let (desk, seen) = (Desk::new(), Recorder::new());
    let _newest = desk.bus.on("n").mode(Mode::LatestOnly).connect_async(hanging(&seen)).unwrap();
    let emit = |n: u32| drop(desk.bus.emit("n", n));
    emit(1);
    desk.tasks.lock().clear();
    assert_eq!((desk.bus.failures(), desk.bus.running()), (1, 0));
    emit(2);
    desk.poll();
    emit(3);
    desk.tasks.lock().clear();
    assert_eq!((seen.take(), desk.bus.failures()), (vec!["2".into(), "dropped".into()], 3), "what waited is lost, too");
    emit(4);
    desk.poll();
    assert_eq!((seen.take(), desk.bus.running()), (vec!["4".into()], 1));
}

#[cfg(feature = "tokio")]
#[test]
fn on_tokio_they_go_on_from_any_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let seen = Recorder::new();
    let on = || bus.on("n").mode(reliable(rules()));
    // One has the runtime it was connected in, one that of its first event.
    let inside = runtime.block_on(async { on().connect_async(failing(1, &seen)).unwrap() });
    let outside = on().connect_async(failing(1, &seen)).unwrap();
    let until = std::time::Instant::now() + MINUTE;
    let settle = || {
        while bus.running() > bus.inspect().to_string().matches("0 running, 1 waiting").count() {
            assert!(std::time::Instant::now() < until, "{}", bus.inspect());
            thread::yield_now();
        }
    };
    assert_eq!(bus.emit("n", 1_u32).failed(), 1);
    settle();
    assert_eq!(runtime.block_on(async { bus.emit("n", 2_u32).failed() }), 0);
    settle();
    // This thread has no runtime.
    clock.advance(SECOND);
    bus.drain(MINUTE).unwrap();
    let mut seen = seen.take();
    seen.sort();
    assert_eq!(seen, ["1.1", "1.2", "2.1", "2.1", "2.2"]);
    for connection in [inside, outside] {
        assert!(connection.dead_letters().unwrap().is_empty());
    }
}
