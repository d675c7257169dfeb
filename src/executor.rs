//! Where handlers run that do not run in the emitter's thread: a pool of threads, or whoever empties a mailbox.

mod mailbox;
mod pool;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sigtree_middleware::{Cause, Job, Priority, Refused, Topic};

use crate::dispatch::failure::discard;
use crate::queue::{Loss, Overflow, Pipe, Rank};

pub use mailbox::Mailbox;
pub use pool::{PoolBuilder, PoolStats, WorkerPool};

/// Jobs are all alike to a queue.
fn rank(topic: &Topic) -> Rank<'_> {
    Rank { priority: Priority::Normal, topic }
}

/// Who is left to make a place in a full queue.
trait Hope {
    /// Whether waiting for a place is in vain.
    fn is_vain(&self) -> bool;

    /// What a job is refused with then.
    const VAIN: &'static str;
}

/// Puts a job into a queue, as that is set.
fn submit<H: Hope>(pipe: &Pipe<Job>, job: Job, topic: &Topic, hope: &H) -> Result<(), Refused> {
    if pipe.is_closed() {
        return Err(Refused::because("the executor is shut down"));
    }
    let Err(job) = pipe.push(job, rank(topic)) else { return Ok(()) };
    let (job, loss) = match pipe.queue().when_full() {
        Overflow::Block(timeout) => match pipe.push_unless(job, rank(topic), after(timeout), || hope.is_vain()) {
            Ok(()) => return Ok(()),
            Err(lost) => lost,
        },
        _ => (job, Loss::Newest),
    };
    drop(job);
    pipe.count_loss(loss);
    Err(Refused::because(match loss {
        Loss::TimedOut => "the executor's queue is full, and no place came free in time",
        Loss::WouldDeadlock => H::VAIN,
        _ => "the executor's queue is full",
    }))
}

/// Runs a job. A panic goes no further: it is traced.
fn run(job: Job, executor: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.run())) {
        let cause = Cause::of_panic(&*panic);
        tracing::error!(target: "sigtree::executor", executor, "a job {cause}");
        discard(Some(panic));
    }
}

/// The moment after so long; `None` if the clock does not reach so far.
fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
