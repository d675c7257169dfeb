//! [`Mailbox`]: jobs for a thread that takes them when it comes round.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::fence;
use std::time::Duration;

use sigtree_middleware::{Executor, Job, Refused, Topic};

use super::{Hope, after, run, submit};
use crate::queue::{Pipe, Queue, QueueStats};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Runs handlers in the thread that empties it: the main thread of a user interface, a game's loop.
///
/// A clone is the same mailbox: one goes to [`On::on`](crate::On::on), one stays with the thread. Several threads may empty it; each
/// job runs in one of them. When the last one is dropped that could empty it, those in connections and stacks not counted, it closes:
/// jobs that wait are dropped, and counted by their [`Offload`](crate::middleware::Offload). A closure around a mailbox keeps it
/// open; [close](Self::close) it then when nobody comes round any more, or jobs wait until it is full and then are refused.
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
pub struct Mailbox {
    inner: Arc<Inner>,
    /// Whether it only gives jobs: a layer's.
    is_settled: bool,
}

struct Inner {
    /// Those who can empty it.
    takers: AtomicUsize,
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
        let (takers, is_shared) = (AtomicUsize::new(1), AtomicBool::new(false));
        let inner = Inner { takers, pipe, is_shared, topic: Topic::from_trusted("mailbox".into()) };
        Self { inner: Arc::new(inner), is_settled: false }
    }

    /// Runs what is there, and no more than was there when it began; how many jobs.
    ///
    /// A job that panics is traced, and the next one runs.
    pub fn drain(&self) -> usize {
        (0..self.inner.pipe.len()).take_while(|_| self.run_one()).count()
    }

    /// Runs one job, if one is there.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn run_one(&self) -> bool {
        self.note_taker();
        self.inner.pipe.pop().map(|job| run(job, "mailbox")).is_some()
    }

    /// Runs one job, and sleeps until one is there or the time is over.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn run_one_within(&self, timeout: Duration) -> bool {
        self.note_taker();
        let job = self.inner.pipe.pop_until(after(timeout));
        job.map(|job| run(job, "mailbox")).is_some()
    }

    fn note_taker(&self) {
        if self.inner.pipe.note_taker() && !self.inner.is_shared.swap(true, Ordering::Relaxed) {
            self.inner.pipe.open_handle();
        }
    }

    /// How many jobs wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.pipe.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes no more jobs; those that wait can still be run.
    pub fn close(&self) {
        self.inner.pipe.close();
    }

    /// What came, was run and was refused.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.inner.pipe.stats()
    }
}

impl Inner {
    /// One who could empty it does so no more; with the last, it is closed.
    fn leave(&self) {
        if self.takers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.pipe.close();
            fence(Ordering::SeqCst);
            self.empty();
        }
    }

    /// Drops what waits: it may keep the bus alive, and that this mailbox.
    fn empty(&self) {
        while self.pipe.pop().is_some() {}
    }
}

impl Hope for Inner {
    fn is_vain(&self) -> bool {
        self.pipe.is_taken_from_here_only()
    }

    const VAIN: &'static str = "the executor's queue is full, and only this thread takes from it";
}

impl Clone for Mailbox {
    fn clone(&self) -> Self {
        self.inner.takers.fetch_add(1, Ordering::Relaxed);
        Self { inner: self.inner.clone(), is_settled: false }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        if !self.is_settled {
            self.inner.leave();
        }
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for Mailbox {
    fn execute(&self, job: Job) -> Result<(), Refused> {
        let given = submit(&self.inner.pipe, job, &self.inner.topic, &*self.inner);
        // The last taker counts itself out and then drops what waits. If that count came first, this one sees it; else the job is seen.
        fence(Ordering::SeqCst);
        if self.inner.takers.load(Ordering::Relaxed) == 0 {
            self.inner.empty();
        }
        given
    }

    fn settle(&mut self) {
        if !std::mem::replace(&mut self.is_settled, true) {
            self.inner.leave();
        }
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
