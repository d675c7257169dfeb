//! [`Mailbox`]: jobs for a thread that takes them when it comes round.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{Executor, Job, Refused, Topic};

use super::{after, run, submit};
use crate::queue::{Pipe, Queue, QueueStats};
use crate::sync::{AtomicBool, Ordering};

/// Runs handlers in the thread that empties it: the main thread of a user interface, a game's loop.
///
/// A clone is the same mailbox: one goes to [`On::on`](crate::On::on), one stays with the thread. [Close](Self::close) it when
/// that thread ends, or jobs wait until it is full and then are refused: it cannot know that nobody comes round any more.
/// Several threads may empty it; each job runs in one of them.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Mailbox};
///
/// let bus = Bus::new();
/// let main_thread = Mailbox::new();
/// let _draws = bus.on("frame").on(main_thread.clone()).connect(|n: &u32| println!("frame {n}"))?;
/// std::thread::scope(|threads| {
///     threads.spawn(|| bus.emit("frame", 1_u32));
/// });
/// assert_eq!(main_thread.drain(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    pipe: Arc<Pipe<Job>>,
    /// Whether several threads empty it: then one can wait for the other to make place.
    is_shared: AtomicBool,
    topic: Topic,
}

impl Mailbox {
    /// A mailbox of 1,024 places, which refuses the newest job when it is full.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Queue::default())
    }

    /// A mailbox with another queue.
    #[must_use]
    pub fn with(queue: Queue) -> Self {
        let pipe = Pipe::new(queue);
        pipe.open_handle();
        Self(Arc::new(Inner { pipe, is_shared: AtomicBool::new(false), topic: Topic::from_trusted("mailbox".into()) }))
    }

    /// Runs what is there, and no more than was there when it began; how many jobs.
    ///
    /// A job that panics is traced, and the next one runs.
    pub fn drain(&self) -> usize {
        (0..self.0.pipe.len()).take_while(|_| self.run_one()).count()
    }

    /// Runs one job, if one is there.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn run_one(&self) -> bool {
        self.note_taker();
        self.0.pipe.pop().map(|job| run(job, "mailbox")).is_some()
    }

    /// Runs one job, and sleeps until one is there or the time is over.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn run_one_within(&self, timeout: Duration) -> bool {
        self.note_taker();
        let job = self.0.pipe.pop_until(after(timeout));
        job.map(|job| run(job, "mailbox")).is_some()
    }

    fn note_taker(&self) {
        if self.0.pipe.note_taker() && !self.0.is_shared.swap(true, Ordering::Relaxed) {
            self.0.pipe.open_handle();
        }
    }

    /// How many jobs wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.pipe.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes no more jobs; those that wait can still be run.
    pub fn close(&self) {
        self.0.pipe.close();
    }

    /// What came, was run and was refused.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.0.pipe.stats()
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for Mailbox {
    fn execute(&self, job: Job) -> Result<(), Refused> {
        submit(&self.0.pipe, job, &self.0.topic)
    }

    fn describe(&self) -> std::borrow::Cow<'static, str> {
        format!("a mailbox, {}", self.stats()).into()
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("stats", &self.stats()).finish()
    }
}
