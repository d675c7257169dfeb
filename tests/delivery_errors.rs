//! Each error of queues, executors, tasks and links, made by what causes it, says what happened and what to do.

use std::error::Error;
use std::time::Duration;

use sigtree::middleware::{Executor, Job, Refused};
use sigtree::{Bus, Link, Mailbox, Overflow, Queue, WorkerPool};

const MINUTE: Duration = Duration::from_secs(60);

/// What it says; its debug form says the same, behind its name.
fn text(error: impl Error) -> String {
    assert!(format!("{error:?}").contains(&error.to_string()), "{error:?}");
    error.to_string()
}

/// The same without the line it was written in, which moves.
fn without_line(text: &str) -> String {
    let (before, rest) = text.split_once(" (tests/delivery_errors.rs:").expect("it says where");
    format!("{before}{}", rest.split_once(')').unwrap().1)
}

#[test]
fn a_full_queue() {
    let bus = Bus::new();
    let queue = bus.on("n.*").named("screen").queue(Queue::bounded(1)).subscribe::<u32>().unwrap();
    bus.emit("n.a", 1_u32);
    let full = bus.try_emit("n.a", 2_u32).unwrap_err();
    let told = "the queue of `n.*` named `screen` is full: 1 wait";
    assert_eq!(without_line(&text(full.full_queue().unwrap())), without_line(&text(full.clone())));
    assert_eq!(
        without_line(&text(full)),
        format!("{told}: take faster, give it more places, or let it drop the oldest")
    );

    let late = bus.emit_timeout("n.a", 3_u32, Duration::ZERO).unwrap_err();
    let mend = "take faster, wait longer, or give it more places";
    assert_eq!(without_line(&text(late)), format!("{told}, and none was taken in time: {mend}"));

    assert_eq!(*queue.try_recv().unwrap(), 1);
    bus.emit("n.a", 4_u32);
    let own = bus.emit_timeout("n.a", 5_u32, MINUTE).unwrap_err();
    assert!(own.full_queue().unwrap().would_deadlock() && own.is_would_deadlock());
    let mend = "take first, or from another thread";
    assert_eq!(without_line(&text(own)), format!("{told}, and only this thread takes from it: {mend}"));
}

const NOTHING_WAITS: &str = "nothing waits: try again, or wait with `recv_timeout`";
const NOTHING_WILL_COME: &str =
    "nothing will come: the bus is gone or shut down, the subscription was disconnected, or the other side is gone";

#[test]
fn nothing_to_take() {
    let bus = Bus::new();
    let queue = bus.subscribe::<u32>("n").unwrap();
    assert_eq!(text(queue.try_recv().unwrap_err()), NOTHING_WAITS);
    drop(bus);
    let closed = queue.recv_blocking().unwrap_err();
    assert_eq!(text(closed), NOTHING_WILL_COME);
}

#[test]
fn a_link() {
    let (left, right) = Link::<u32, u32>::with("left", "right", 1, 1).ends();
    let empty = right.try_recv().unwrap_err();
    assert_eq!(text(empty), NOTHING_WAITS);
    left.send(1).unwrap();
    let mend = "drop the message, or wait with `send_timeout`";
    let behind = format!("the queue is full: the other side is behind; {mend}");
    assert_eq!(text(left.send(2).unwrap_err()), behind);
    assert_eq!(text(left.send_timeout(3, Duration::ZERO).unwrap_err()), behind);
    drop(left);
    assert_eq!(text(right.send(4).unwrap_err()), "the other side is gone");
    assert_eq!(right.try_recv().unwrap(), 1);
    assert_eq!(text(right.try_recv().unwrap_err()), NOTHING_WILL_COME);
}

#[test]
fn an_executor_that_takes_no_job() {
    let refused = |executor: &dyn Executor| executor.execute(Job::new(|| {})).unwrap_err().to_string();
    let mailbox = Mailbox::with(Queue::bounded(1));
    mailbox.execute(Job::new(|| {})).unwrap();
    assert_eq!(refused(&mailbox), "the executor's queue is full");
    mailbox.close();
    assert_eq!(refused(&mailbox), "the executor is shut down");

    let waits = Mailbox::with(Queue::bounded(1).overflow(Overflow::Block(Duration::ZERO)));
    waits.execute(Job::new(|| {})).unwrap();
    assert_eq!(refused(&waits), "the executor's queue is full, and no place came free in time");
    assert!(waits.run_one());
    waits.execute(Job::new(|| {})).unwrap();
    assert_eq!(refused(&waits), "the executor's queue is full, and only this thread takes from it");

    let pool = WorkerPool::builder().max_workers(1).start().unwrap();
    pool.stop(MINUTE).unwrap();
    assert_eq!(refused(&pool), "the executor is shut down");
    assert_eq!(Refused::because("not today").reason(), "not today");
}

#[test]
fn jobs_that_are_not_done_in_time() {
    let pool = WorkerPool::builder().max_workers(1).start().unwrap();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    pool.execute(Job::new(move || assert!(gate.recv().is_err()))).unwrap();
    pool.execute(Job::new(|| {})).unwrap();
    let undone = pool.drain(Duration::ZERO).unwrap_err();
    assert!(undone.is_timeout());
    let mend = "2 jobs are left, and go on; wait longer for them";
    assert_eq!(text(undone), format!("jobs were not done when the time ran out: {mend}"));
    drop(open);
    pool.stop(MINUTE).unwrap();
}

#[cfg(feature = "async")]
#[test]
fn tasks() {
    use sigtree::{Received, Task};

    let bus = Bus::new();
    let _async = bus.on("n.*").named("store").connect_async(|_: Received<u32>| async {}).unwrap();
    let unstarted = bus.emit_and_wait("n.a", 1_u32).cancel();
    let told = "the handler of `n.*` named `store` had not begun with `n.a`";
    assert_eq!(without_line(&unstarted[0].to_string()), told);

    let delivery = bus.emit("n.a", 2_u32);
    let told = delivery.failures()[0].cause.to_string();
    assert_eq!(told, "nothing runs async handlers here: give the bus a spawner, or emit and wait");

    let kept = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let keeps = kept.clone();
    let bus = Bus::builder().spawner(move |task: Task| keeps.lock().push(task)).build();
    let _async = bus.connect_async("n", |_: Received<u32>| async {}).unwrap();
    bus.emit("n", 1_u32);
    let undone = bus.drain(Duration::ZERO).unwrap_err();
    let mend = "1 call is left, and goes on; wait longer for it";
    assert_eq!(text(undone), format!("calls of async handlers were not done when the time ran out: {mend}"));

    let late =
        pollster::block_on(bus.wait_for::<u32>("n").timeout(Duration::from_millis(1)).into_future()).unwrap_err();
    assert_eq!(text(late), "no event came in time: wait longer, or look at the pattern and the filters");
    let refused = pollster::block_on(bus.wait_for::<u32>("n..a").into_future()).unwrap_err();
    assert_eq!(text(refused), "invalid pattern `n..a`: empty segment at byte 2: remove one dot");
    let waits = bus.wait_for::<u32>("m").listen().unwrap();
    drop((_async, bus));
    assert_eq!(text(pollster::block_on(waits).unwrap_err()), "no event will come: the bus is gone or shut down");
}
