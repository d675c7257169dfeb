//! [`WorkerPool`]: threads that run handlers.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sigtree_middleware::{Executor, Job, Refused, Topic};

use super::{Hope, after, run, submit};
use crate::error::{Error, Waited};
use crate::queue::{Overflow, Pipe, Queue, QueueStats};
use crate::sync::{AtomicU64, AtomicUsize, Condvar, Mutex, Ordering, wait};

/// Threads that run handlers, for [`On::on`](crate::On::on) and [`Offload`](crate::middleware::Offload).
///
/// It has 4 threads unless told otherwise, and a queue of 1,024 jobs. A clone is the same pool. When the last one is dropped,
/// those in connections and stacks among them, the threads run what waits and end; nobody waits for them. [`stop`](Self::stop)
/// does.
///
/// A handler that panics ends no thread.
///
/// # When it is full
///
/// An emit does not wait for the pool unless told so, no more than for a [subscription](crate::Subscription) or a
/// [`Mailbox`](crate::Mailbox): what finds no place is lost for that handler, is counted, and the delivery says that nobody
/// [holds](crate::Delivery::is_held) it. Where nothing may be lost, and emitters may stall instead, let them wait:
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Overflow, Queue, WorkerPool};
///
/// let queue = Queue::bounded(8).overflow(Overflow::Block(Duration::from_secs(60)));
/// let pool = WorkerPool::builder().queue(queue).start()?;
/// let bus = Bus::new();
/// let _all = bus.on("row").on(pool.clone()).connect(|_: &u64| {})?;
/// (0..1_000_u64).for_each(|row| drop(bus.emit("row", row)));
/// pool.drain(Duration::from_secs(60))?;
/// assert_eq!((pool.stats().run, pool.stats().queue.dropped()), (1_000, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Then a handler that gives jobs to its own pool waits for a place as others do, unless all other threads of the pool wait so
/// already: nobody would make a place, so this one is refused at once, and counted as
/// [`would_deadlock`](crate::QueueStats::would_deadlock). Two pools that wait for each other are not told apart from two that
/// are busy: there the time of the queue ends it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, WorkerPool};
///
/// let bus = Bus::new();
/// let pool = WorkerPool::builder().name("analysis").max_workers(2).start()?;
/// let _slow = bus.on("scan").on(pool.clone()).connect(|n: &u64| println!("{}", (1..=*n).sum::<u64>()))?;
/// for n in 0..10_u64 {
///     bus.emit("scan", n);
/// }
/// pool.drain(Duration::from_secs(60))?;
/// assert_eq!(pool.stats().run, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[doc(alias = "ThreadPool")]
pub struct WorkerPool(Arc<Handle>);

thread_local! {
    /// Where the pool is that this thread is one of; it outlives its threads.
    static POOL_HERE: Cell<usize> = const { Cell::new(0) };
}

/// The last of these closes the queue; the threads have the rest.
struct Handle(Arc<Pool>);

struct Pool {
    name: Arc<str>,
    topic: Topic,
    pipe: Arc<Pipe<Job>>,
    crew: Mutex<Crew>,
    /// How many threads there are to be.
    max_workers: AtomicUsize,
    /// How many there are, those among them that have not seen yet that they are too many.
    workers: AtomicUsize,
    /// How many of them wait for a place in their own queue: fewer than there are, but for the moment in which one ends.
    waiting: AtomicUsize,
    panicked: AtomicU64,
    rest: Rest,
}

/// The threads, those among them that have ended since somebody looked.
#[derive(Default)]
struct Crew {
    threads: Vec<JoinHandle<()>>,
    /// How many were ever started: the number of the next one.
    started: usize,
}

/// The jobs that are not done yet, for those who wait until there are none.
#[derive(Default)]
struct Rest {
    jobs: Mutex<Jobs>,
    none: Condvar,
}

#[derive(Default)]
struct Jobs {
    undone: usize,
    /// Those of them that are on their way into the queue. It is closed behind the last of these, so that none comes into it when the
    /// threads have ended.
    coming: usize,
    closed: bool,
}

/// What a pool did. [`Display`](fmt::Display) writes it as a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// Its threads.
    pub workers: usize,
    /// Jobs that were run, those that panicked among them.
    pub run: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Its queue.
    pub queue: QueueStats,
}

/// Sets up a [`WorkerPool`].
#[derive(Debug, Clone)]
#[must_use = "a builder starts no threads until `start`"]
pub struct PoolBuilder {
    name: Arc<str>,
    max_workers: usize,
    queue: Queue,
}

impl PoolBuilder {
    /// The pool's name, `sigtree` by default; its threads are called after it: `sigtree-1`.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// How many threads there are, at least one; 4 by default.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = workers.max(1);
        self
    }

    /// How many jobs wait, and what happens to more.
    ///
    /// [`Overflow::DropOldest`](crate::Overflow::DropOldest) drops the oldest job, whose event is then counted as dropped by its
    /// [`Offload`](crate::middleware::Offload); jobs have no topics, so [`Overflow::Latest`](crate::Overflow::Latest) keeps one job.
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queue = queue;
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// If the system has no more threads.
    pub fn start(self) -> io::Result<WorkerPool> {
        let Self { name, max_workers, queue } = self;
        let pipe = Pipe::new(queue);
        pipe.open_handle();
        let pool = Arc::new(Pool {
            name,
            topic: Topic::from_trusted("pool".into()),
            pipe,
            crew: Mutex::default(),
            max_workers: AtomicUsize::new(max_workers),
            workers: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            panicked: AtomicU64::new(0),
            rest: Rest::default(),
        });
        let handle = WorkerPool(Arc::new(Handle(pool.clone())));
        pool.hire()?;
        Ok(handle)
    }
}

impl WorkerPool {
    /// A pool to be set up: 4 threads, and a queue of 1,024 jobs, which refuses the newest job when it is full.
    pub fn builder() -> PoolBuilder {
        PoolBuilder { name: "sigtree".into(), max_workers: 4, queue: Queue::default() }
    }

    /// Waits until every job that it was given is done.
    ///
    /// # Errors
    ///
    /// Timeout, if jobs are left then: [`stats`](Self::stats) tells how many wait. [Would deadlock](Error::is_would_deadlock), at
    /// once, in one of its own jobs.
    pub fn drain(&self, timeout: Duration) -> Result<(), Error> {
        if self.0.0.is_here() {
            return Err(Error::own_job());
        }
        let rest = &self.0.0.rest;
        if rest.wait_for_none(after(timeout)) {
            Ok(())
        } else {
            Err(Error::undone(rest.jobs.lock().undone, Waited::Jobs))
        }
    }

    /// Takes no more jobs, waits until those that it has are done, and ends the threads.
    ///
    /// # Errors
    ///
    /// Timeout, if jobs are left then; the threads run them all the same, and end. So they do if one of its own jobs stops it, which
    /// waits for nothing: that [would deadlock](Error::is_would_deadlock).
    pub fn stop(&self, timeout: Duration) -> Result<(), Error> {
        let pool = &self.0.0;
        pool.close();
        self.drain(timeout)?;
        let threads = std::mem::take(&mut pool.crew.lock().threads);
        for thread in threads {
            drop(thread.join());
        }
        Ok(())
    }

    /// Has so many threads from now on, at least one. What they are in the middle of is done, and what waits is run by those
    /// that stay; a thread that is too many ends when its job does.
    ///
    /// # Errors
    ///
    /// If the system has no more threads; those that were started stay.
    pub fn resize(&self, workers: usize) -> io::Result<()> {
        let pool = &self.0.0;
        pool.max_workers.store(workers.max(1), Ordering::SeqCst);
        pool.pipe.wake_takers();
        pool.hire()
    }

    /// Gives its queue so many places; no job that waits is lost. See [`Subscription::resize`](crate::Subscription::resize).
    ///
    /// # Panics
    ///
    /// If there are no places.
    #[track_caller]
    pub fn resize_queue(&self, capacity: usize) {
        assert!(capacity > 0, "a queue has at least one place");
        self.0.0.pipe.resize(capacity);
    }

    /// Whether this thread is one of its own.
    pub(crate) fn has_this_thread(&self) -> bool {
        self.0.0.is_here()
    }

    /// What its queue does when it is full.
    pub(crate) fn overflow(&self) -> Overflow {
        self.0.0.pipe.queue().when_full()
    }

    pub(crate) fn set_patience(&self, patience: Duration) {
        self.0.0.pipe.set_patience(patience);
    }

    /// What it did.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.0.stats()
    }
}

impl Pool {
    fn close(&self) {
        if self.rest.close() {
            self.pipe.close();
        }
    }

    /// Starts the threads that are missing, unless it is closed, and forgets those that have ended.
    fn hire(self: &Arc<Self>) -> io::Result<()> {
        let mut crew = self.crew.lock();
        crew.threads.retain(|thread| !thread.is_finished());
        while !self.pipe.is_closed() && self.workers.load(Ordering::SeqCst) < self.max_workers.load(Ordering::SeqCst) {
            let worker = self.clone();
            let name = format!("{}-{}", self.name, crew.started + 1);
            self.workers.fetch_add(1, Ordering::SeqCst);
            let started = thread::Builder::new().name(name).spawn(move || worker.work());
            crew.threads.push(started.inspect_err(|_| {
                self.workers.fetch_sub(1, Ordering::SeqCst);
            })?);
            crew.started += 1;
        }
        Ok(())
    }

    /// What each thread does: it runs jobs until none will come any more, or there are too many threads.
    fn work(self: &Arc<Self>) {
        POOL_HERE.with(|here| here.set(Arc::as_ptr(self) as usize));
        let dismissed = Cell::new(false);
        let is_wanted = || {
            dismissed.set(self.dismiss());
            !dismissed.get()
        };
        while let Some(job) = self.pipe.pop_while(None, is_wanted) {
            run(job, &self.name);
        }
        if !dismissed.get() {
            self.workers.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Whether this thread is one of its own.
    fn is_here(self: &Arc<Self>) -> bool {
        POOL_HERE.with(Cell::get) == Arc::as_ptr(self) as usize
    }

    /// Takes this thread out of the count, if there are too many.
    fn dismiss(&self) -> bool {
        let most = self.max_workers.load(Ordering::SeqCst);
        let less = |workers: usize| (workers > most).then(|| workers - 1);
        let dismissed = self.workers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
        if dismissed {
            // Those that are left may all wait for a place by now.
            self.pipe.wake_pushers();
        }
        dismissed
    }

    fn stats(&self) -> PoolStats {
        let queue = self.pipe.stats();
        PoolStats {
            workers: self.max_workers.load(Ordering::SeqCst),
            run: queue.received,
            panicked: self.panicked.load(Ordering::Relaxed),
            queue,
        }
    }
}

impl Rest {
    /// Whether one more is taken.
    fn add(&self) -> bool {
        let mut jobs = self.jobs.lock();
        if jobs.closed {
            return false;
        }
        jobs.undone += 1;
        jobs.coming += 1;
        true
    }

    /// One is in the queue, or refused; whether the queue is to be closed now.
    fn arrive(&self) -> bool {
        let mut jobs = self.jobs.lock();
        jobs.coming -= 1;
        jobs.closed && jobs.coming == 0
    }

    /// Takes no more; whether the queue is to be closed now, or when the last one arrived.
    fn close(&self) -> bool {
        let mut jobs = self.jobs.lock();
        jobs.closed = true;
        jobs.coming == 0
    }

    fn take(&self) {
        let mut jobs = self.jobs.lock();
        jobs.undone -= 1;
        if jobs.undone == 0 {
            self.none.notify_all();
        }
    }

    fn wait_for_none(&self, deadline: Option<Instant>) -> bool {
        let mut jobs = self.jobs.lock();
        while jobs.undone > 0 {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            wait(&self.none, &mut jobs, left);
        }
        true
    }
}

/// A job that is not done yet, until it is dropped: run, or not, or by its panic.
struct Undone {
    pool: Arc<Pool>,
    begun: bool,
}

impl Drop for Undone {
    fn drop(&mut self) {
        // Before whoever drains is told. One that was refused while another panic goes by did not panic.
        if self.begun && thread::panicking() {
            self.pool.panicked.fetch_add(1, Ordering::Relaxed);
        }
        self.pool.rest.take();
    }
}

/// Whoever gives the pool a job, and may wait for a place: one of its own threads counts while it does.
struct Giver<'p> {
    pool: &'p Pool,
    is_own: bool,
    is_counted: Cell<bool>,
}

impl Hope for Giver<'_> {
    /// The last thread that would begin to wait does not; and if one ended meanwhile that did not wait, one that does gives up.
    fn is_vain(&self) -> bool {
        let Pool { waiting, workers, .. } = self.pool;
        let workers = workers.load(Ordering::SeqCst);
        let change = |from: fn(usize, usize) -> Option<usize>| {
            waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiting| from(waiting, workers)).is_ok()
        };
        if !self.is_own {
            return false;
        }
        if self.is_counted.get() {
            let is_vain = change(|waiting, workers| if waiting >= workers { waiting.checked_sub(1) } else { None });
            self.is_counted.set(!is_vain);
            return is_vain;
        }
        let waits = change(|waiting, workers| (waiting + 1 < workers).then_some(waiting + 1));
        self.is_counted.set(waits);
        !waits
    }

    const VAIN: &'static str = "the pool's queue is full, and all its threads wait for a place in it";
}

impl Drop for Giver<'_> {
    fn drop(&mut self) {
        if self.is_counted.get() {
            self.pool.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// A job that is on its way into the queue, until it is there, or refused.
struct Coming<'p>(&'p Pool);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if self.0.rest.arrive() {
            self.0.pipe.close();
        }
    }
}

impl Executor for WorkerPool {
    fn execute(&self, job: Job) -> Result<(), Refused> {
        let pool = &self.0.0;
        if !pool.rest.add() {
            return Err(Refused::because("the executor is shut down"));
        }
        let _coming = Coming(pool);
        let undone = Undone { pool: pool.clone(), begun: false };
        let job = Job::new(move || {
            // All of it, not a copy of the flag.
            let mut undone = undone;
            undone.begun = true;
            job.run();
        });
        submit(&pool.pipe, job, &pool.topic, &Giver { pool, is_own: pool.is_here(), is_counted: Cell::new(false) })
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("pool `{}`, {}", self.0.0.name, self.stats()).into()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} workers: {} run, {} panicked; {}", self.workers, self.run, self.panicked, self.queue)
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool").field("name", &self.0.0.name).field("stats", &self.stats()).finish()
    }
}
