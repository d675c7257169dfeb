//! A handler or a taker has many events at once, in order, and none is left behind.

#[path = "support/crowd.rs"]
mod crowd;
mod support;

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crowd::{CROWD, count, crowd};
use parking_lot::Mutex;
use sigtree::middleware::{Backoff, DeadLetter, Job};
use sigtree::{Bus, Connection, Mailbox, ManualClock, Mode, Overflow, Queue, Received, Reliable, WorkerPool};
use support::{boom, quietly};

const SECOND: Duration = Duration::from_secs(1);
/// For those who wait for other threads, which come in no time unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

fn bus() -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    (Bus::builder().clock(clock.clone()).build(), clock)
}

/// The batches that a handler had.
#[derive(Clone, Default)]
struct Batches(Arc<Mutex<Vec<Vec<u32>>>>);

impl Batches {
    fn note(&self, batch: &[Received<u32>]) {
        self.0.lock().push(numbers(batch));
    }

    fn writer(&self) -> impl Fn(&[Received<u32>]) + Send + Sync + 'static {
        let batches = self.clone();
        move |batch: &[Received<u32>]| batches.note(batch)
    }

    fn take(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.0.lock())
    }
}

fn numbers(batch: &[Received<u32>]) -> Vec<u32> {
    batch.iter().map(|n| **n).collect()
}

fn emit(bus: &Bus, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        assert_eq!(bus.emit("n", n).called(), 1);
    }
}

#[test]
fn a_batch_is_handled_when_it_is_full() {
    let (bus, _clock) = bus();
    let seen = Batches::default();
    let _writer = bus.on("n").batch(3, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, 1..=7);
    assert_eq!(seen.take(), [[1, 2, 3], [4, 5, 6]]);
}

#[test]
fn or_when_the_oldest_has_waited_long_enough() {
    let (bus, clock) = bus();
    let seen = Batches::default();
    let _writer = bus.on("n").batch(3, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, [1]);
    clock.advance(SECOND / 2);
    emit(&bus, [2]);
    clock.advance(SECOND / 2 - Duration::from_millis(1));
    assert!(seen.take().is_empty());
    clock.advance(Duration::from_millis(1));
    assert_eq!(seen.take(), [[1, 2]]);

    // The time of the next one begins with its own first event, whatever alarm was set before.
    emit(&bus, 3..=5);
    clock.advance(SECOND / 2);
    emit(&bus, [6]);
    clock.advance(SECOND / 2);
    assert_eq!(seen.take(), [[3, 4, 5]]);
    clock.advance(SECOND / 2);
    assert_eq!(seen.take(), [[6]]);
}

#[test]
fn a_flush_has_what_waits_handled() {
    let (bus, _clock) = bus();
    let seen = Batches::default();
    let _writer = bus.on("n").batch(3, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, [1]);
    bus.flush();
    assert_eq!(seen.take(), [[1]]);
    bus.flush();
    emit(&bus, [2]);
    assert!(seen.take().is_empty(), "a flush that found nothing is over");
}

#[test]
fn the_end_has_the_last_batch() {
    let (bus, _clock) = bus();
    let seen = Batches::default();
    let writer = bus.on("n").batch(3, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, [1, 2]);
    drop(writer);
    assert_eq!(seen.take(), [[1, 2]]);

    let writer = bus.on("n").batch(3, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, [3]);
    drop(bus);
    assert_eq!(seen.take(), [[3]]);
    drop(writer);
}

/// A handler that ends its own connection at its first batch, when two more events wait.
fn ends_itself(bus: &Bus, seen: &Batches, mode: Mode) -> Connection {
    let (batches, own) = (seen.clone(), bus.clone());
    let handler = move |batch: &[Received<u32>]| {
        batches.note(batch);
        emit(&own, [3, 4]);
        let all: Vec<_> = own.inspect().connections().map(|seen| seen.id).collect();
        all.into_iter().for_each(|id| assert!(own.disconnect(id)));
    };
    bus.on("n").mode(mode).batch(2, SECOND).connect(handler).unwrap()
}

#[test]
fn a_handler_that_disconnects_itself_is_not_called_again() {
    let (bus, clock) = bus();
    let seen = Batches::default();
    let writer = ends_itself(&bus, &seen, Mode::BestEffort);
    emit(&bus, [1, 2]);
    bus.flush();
    clock.advance(SECOND);
    assert_eq!(seen.take(), [[1, 2]]);
    drop(writer);

    let dead = DeadLetter::new();
    let writer = ends_itself(&bus, &seen, Mode::Reliable(Reliable::new().dead_letters(&dead)));
    emit(&bus, [1, 2]);
    assert_eq!(seen.take(), [[1, 2]]);
    let left: Vec<_> = dead.letters().iter().map(|letter| *letter.payload::<u32>().unwrap()).collect();
    assert_eq!(left, [3, 4]);
    drop(writer);
}

#[test]
fn after_a_disconnect_no_batch_begins_elsewhere() {
    let (bus, _clock) = bus();
    let seen = Batches::default();
    let (batches, gate) = (seen.clone(), Arc::new(Barrier::new(2)));
    let waits = gate.clone();
    let handler = move |batch: &[Received<u32>]| {
        batches.note(batch);
        if *batch[0] == 1 {
            waits.wait();
            waits.wait();
        }
    };
    let writer = bus.on("n").batch(1, SECOND).connect(handler).unwrap();
    let emitter = bus.clone();
    let first = thread::spawn(move || emit(&emitter, [1]));
    gate.wait();
    emit(&bus, [2, 3]);
    writer.disconnect();
    gate.wait();
    first.join().unwrap();
    assert_eq!(seen.take(), [[1]]);
}

#[test]
fn who_waits_for_the_end_waits_for_a_batch_on_an_executor() {
    let (bus, _clock) = bus();
    let (pool, gate, seen) = (WorkerPool::builder().start().unwrap(), Arc::new(Barrier::new(2)), Batches::default());
    let (waits, batches) = (gate.clone(), seen.clone());
    let handler = move |batch: &[Received<u32>]| {
        waits.wait();
        waits.wait();
        batches.note(batch);
    };
    let writer = bus.on("n").on(pool.clone()).batch(1, SECOND).connect(handler).unwrap();
    emit(&bus, [1]);
    gate.wait();
    assert!(writer.disconnect_wait(Duration::ZERO).unwrap_err().is_timeout());
    gate.wait();
    pool.stop(PATIENCE).unwrap();
    assert_eq!(seen.take(), [[1]]);
}

#[test]
fn conditions_keep_nothing_from_the_handler_that_is_its() {
    let (bus, _clock) = bus();
    let (seen, dead) = (Batches::default(), DeadLetter::new());
    let rules = Reliable::new().retries(0).dead_letters(&dead);
    let on = bus.on("n").named("rows").filter(|_| true).mode(Mode::Reliable(rules));
    let batches = seen.clone();
    let handler = move |batch: &[Received<u32>]| {
        batches.note(batch);
        Err("broken")
    };
    let writer = on.batch(3, SECOND).connect(handler).unwrap();
    emit(&bus, [1]);
    bus.flush();
    assert_eq!(seen.take(), [[1]]);
    assert_eq!(writer.dead_letters().unwrap().letters().len(), 1);
}

#[test]
fn a_handler_that_fails_or_panics_is_told_of_and_goes_on() {
    let (bus, _clock) = bus();
    let failures = support::Recorder::new();
    let heard = failures.clone();
    let _heard = bus.connect("$sys.handler.failed", move |failed: &sigtree::sys::HandlerFailed| {
        heard.note(format_args!("{} {}", failed.failure.pattern.as_deref().unwrap(), failed.failure.cause));
    });
    let _writer = bus
        .on("n")
        .batch(1, SECOND)
        .connect(|batch: &[Received<u32>]| match *batch[0] {
            1 => Err("broken"),
            2 => {
                boom("as told");
                Ok(())
            }
            _ => Ok(()),
        })
        .unwrap();
    quietly(|| emit(&bus, 1..=3));
    assert_eq!(failures.take(), ["n broken", "n panicked: as told"]);
}

#[test]
fn an_executor_has_whole_batches() {
    let (bus, clock) = bus();
    let (seen, mailbox) = (Batches::default(), Mailbox::default());
    let writer = bus.on("n").on(mailbox.clone()).batch(2, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, 1..=3);
    assert!(seen.take().is_empty());
    assert_eq!(mailbox.drain(), 1);
    assert_eq!(seen.take(), [[1, 2]]);
    clock.advance(SECOND);
    assert!(seen.take().is_empty());
    mailbox.drain();
    assert_eq!(seen.take(), [[3]]);

    emit(&bus, [4, 5]);
    drop(writer);
    assert_eq!(seen.take(), [[4, 5]], "whoever ends it does not leave it to a job");
    assert_eq!(mailbox.drain(), 1);
    assert!(seen.take().is_empty());
}

#[test]
fn an_executor_that_refuses_is_asked_again() {
    let (bus, clock) = bus();
    let (seen, mailbox) = (Batches::default(), Mailbox::with(Queue::bounded(1)));
    let writer = bus.on("n").on(mailbox.clone()).batch(1, SECOND).connect(seen.writer()).unwrap();
    let _other = bus.on("m").on(mailbox.clone()).connect(|_: &u32| {}).unwrap();
    bus.emit("m", 0_u32);
    emit(&bus, [1]);
    mailbox.drain();
    assert!(seen.take().is_empty(), "its job was refused");
    clock.advance(SECOND);
    mailbox.drain();
    assert_eq!(seen.take(), [[1]]);
    drop(writer);
}

#[test]
fn a_job_that_is_dropped_unrun_is_done_in_the_end() {
    let (bus, clock) = bus();
    let (seen, jobs) = (Batches::default(), Arc::new(Mutex::new(Vec::new())));
    let waiting = jobs.clone();
    let executor = move |job: Job| {
        waiting.lock().push(job);
        Ok(())
    };
    let writer = bus.on("n").on(executor).batch(1, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, [1]);
    let unrun = std::mem::take(&mut *jobs.lock());
    drop(unrun);
    assert!(seen.take().is_empty());
    clock.advance(SECOND);
    let job = jobs.lock().pop().unwrap();
    job.run();
    assert_eq!(seen.take(), [[1]]);

    emit(&bus, [2]);
    drop(writer);
    let unrun = std::mem::take(&mut *jobs.lock());
    drop(unrun);
    assert_eq!(seen.take(), [[2]], "nobody else would");
}

#[test]
fn what_finds_no_place_fares_as_the_queue_says() {
    let (bus, _clock) = bus();
    let (seen, mailbox) = (Batches::default(), Mailbox::default());
    let queue = Queue::bounded(2).overflow(Overflow::Error);
    let _writer = bus.on("n").queue(queue).on(mailbox.clone()).batch(2, SECOND).connect(seen.writer()).unwrap();
    emit(&bus, [1, 2]);
    assert_eq!(bus.emit("n", 3_u32).failed(), 1);
    mailbox.drain();
    assert_eq!(seen.take(), [[1, 2]]);
}

#[test]
fn a_reliable_batch_comes_again_until_it_is_done() {
    let (bus, clock) = bus();
    let (seen, dead) = (Batches::default(), DeadLetter::new());
    let rules = Reliable::new().retries(1).backoff(Backoff::every(SECOND)).dead_letters(&dead);
    let batches = seen.clone();
    let writer = bus
        .on("n")
        .mode(Mode::Reliable(rules))
        .batch(2, 2 * SECOND)
        .connect(move |batch: &[Received<u32>]| {
            batches.note(batch);
            if batch.iter().any(|n| **n % 2 == 0) { Err("even") } else { Ok(()) }
        })
        .unwrap();
    emit(&bus, 1..=3);
    assert_eq!(seen.take(), [[1, 2]]);
    clock.advance(SECOND);
    // Two are there again, and one that waits: those that were given before go first.
    assert_eq!(seen.take(), [[1, 2]]);
    clock.advance(2 * SECOND);
    assert_eq!(seen.take(), [[3]]);
    let letters = dead.letters();
    let told = letters.iter().map(|letter| (*letter.payload::<u32>().unwrap(), letter.attempts(), letter.error()));
    assert_eq!(told.collect::<Vec<_>>(), [(1, 2, Some("even")), (2, 2, Some("even"))]);

    // What would come again when the connection has ended is a dead letter.
    emit(&bus, [4]);
    drop(writer);
    assert_eq!(seen.take(), [[4]]);
    assert_eq!(dead.letters()[2].attempts(), 1);
}

#[test]
fn a_crowd_loses_nothing() {
    let all = count(100_000) as usize;
    let bus = Bus::new();
    let pool = WorkerPool::builder().max_workers(2).start().unwrap();
    let seen = Batches::default();
    let queue = Queue::bounded(64).overflow(Overflow::Block(PATIENCE));
    let on = bus.on("n").queue(queue).on(pool.clone());
    let writer = on.batch(16, Duration::from_millis(1)).connect(seen.writer()).unwrap();
    crowd(|who| {
        for n in 0..all / CROWD {
            assert_eq!(bus.emit("n", (n * CROWD + who) as u32).failed(), 0);
        }
    });
    drop(writer);
    pool.stop(PATIENCE).unwrap();
    let batches = seen.take();
    assert!(batches.iter().all(|batch| (1..=16).contains(&batch.len())));
    let all_seen = batches.concat();
    for who in 0..CROWD {
        let of_one = all_seen.iter().filter(|n| **n as usize % CROWD == who).map(|n| *n as usize);
        assert!(of_one.eq((0..all / CROWD).map(|n| n * CROWD + who)), "in the order of each emitter");
    }
}

#[test]
fn a_taker_has_many_in_order() {
    let (bus, _clock) = bus();
    let rows = bus.subscribe::<u32>("n").unwrap();
    emit(&bus, 1..=5);
    assert_eq!(numbers(&rows.recv_batch_timeout(3, PATIENCE).unwrap()), [1, 2, 3]);
    assert_eq!(numbers(&rows.recv_batch_timeout(3, Duration::ZERO).unwrap()), [4, 5]);
    assert!(rows.recv_batch_timeout(3, Duration::ZERO).unwrap_err().is_empty());

    // It sleeps until there are enough.
    let emitter = bus.clone();
    let emits = thread::spawn(move || emit(&emitter, 6..=8));
    assert_eq!(numbers(&rows.recv_batch_timeout(3, PATIENCE).unwrap()), [6, 7, 8]);
    emits.join().unwrap();

    emit(&bus, [9]);
    drop(bus);
    assert_eq!(numbers(&rows.recv_batch_timeout(3, PATIENCE).unwrap()), [9], "no more will come");
    assert!(rows.recv_batch_timeout(3, PATIENCE).unwrap_err().is_closed());
}

#[cfg(feature = "async")]
#[test]
fn a_task_has_many_in_order() {
    use futures_util::FutureExt;

    let (bus, clock) = bus();
    let rows = bus.subscribe::<u32>("n").unwrap();
    emit(&bus, 1..=5);
    let mut batch = Vec::new();
    assert_eq!(pollster::block_on(rows.recv_batch(&mut batch, 3, SECOND)).unwrap(), 3);
    assert_eq!(numbers(&batch), [1, 2, 3]);
    batch.clear();

    // What it took is there though it was dropped.
    assert!(rows.recv_batch(&mut batch, 3, SECOND).now_or_never().is_none());
    assert_eq!(numbers(&batch), [4, 5]);

    let mut waits = Box::pin(rows.recv_batch(&mut batch, 3, SECOND));
    assert!(waits.as_mut().now_or_never().is_none());
    emit(&bus, [6]);
    clock.advance(SECOND);
    assert_eq!(pollster::block_on(waits).unwrap(), 1);
    assert_eq!(numbers(&batch), [4, 5, 6]);

    drop(bus);
    assert!(pollster::block_on(rows.recv_batch(&mut batch, 3, SECOND)).unwrap_err().is_closed());
}
