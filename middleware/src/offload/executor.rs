//! [`Executor`]: what runs jobs; [`Job`]: what is run.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::middleware::short_name;

/// Runs jobs somewhere: a pool of threads, a runtime, the main thread when it comes round.
///
/// Closures `Fn(Job)` are executors, such as one around rayon's pool; those that may refuse a job return `Result<(), Refused>`. With
/// the feature `tokio` so is tokio's `Handle`, which runs jobs on the threads for work that blocks.
///
/// ```
/// # mod rayon { pub struct ThreadPool; impl ThreadPool { pub fn spawn(&self, run: impl FnOnce() + Send) { run() } } }
/// use sigtree::{Bus, Job};
///
/// let pool = rayon::ThreadPool;
/// let bus = Bus::new();
/// let _slow = bus.on("frame").on(move |job: Job| pool.spawn(|| job.run())).connect(|_: &u32| {})?;
/// # Ok::<(), sigtree::Error>(())
/// ```
pub trait Executor: Send + Sync + 'static {
    /// Takes a job, to run it soon and once. It must not wait for the job.
    ///
    /// # Errors
    ///
    /// If it takes none: why. The job is dropped then.
    fn execute(&self, job: Job) -> Result<(), Refused>;

    /// Told that it is a layer's from now on, which gives it jobs and runs none: one that can also be emptied by whoever has it, as a
    /// mailbox can, knows by this who does not. By default it does nothing.
    fn settle(&mut self) {}

    /// What it is, for people.
    fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed(short_name(type_name::<Self>()))
    }
}

impl<F, T> Executor for F
where
    F: Fn(Job) -> T + Send + Sync + 'static,
    T: Taken,
{
    fn execute(&self, job: Job) -> Result<(), Refused> {
        self(job).taken()
    }

    fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed("an executor")
    }
}

/// What a closure that is an [`Executor`] returns: nothing if it takes every job, or whether it took this one.
pub trait Taken {
    #[doc(hidden)]
    fn taken(self) -> Result<(), Refused>;
}

impl Taken for () {
    fn taken(self) -> Result<(), Refused> {
        Ok(())
    }
}

impl Taken for Result<(), Refused> {
    fn taken(self) -> Result<(), Refused> {
        self
    }
}

/// On the threads for work that blocks. A job that the runtime drops, because it ends, counts as dropped.
#[cfg(feature = "tokio")]
impl Executor for tokio::runtime::Handle {
    fn execute(&self, job: Job) -> Result<(), Refused> {
        drop(self.spawn_blocking(|| job.run()));
        Ok(())
    }

    fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed("tokio")
    }
}

impl<E: Executor + ?Sized> Executor for Arc<E> {
    fn execute(&self, job: Job) -> Result<(), Refused> {
        (**self).execute(job)
    }

    fn describe(&self) -> Cow<'static, str> {
        (**self).describe()
    }
}

/// What an executor runs, once.
#[must_use = "a job that is dropped is not run"]
pub struct Job(Box<dyn FnOnce() + Send>);

impl Job {
    /// A job that does this.
    pub fn new(work: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Does it, in this thread. If a handler panics whose policy lets it, so does this.
    pub fn run(self) {
        (self.0)();
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// Why an executor took no job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(Cow<'static, str>);

impl Refused {
    /// For this reason.
    #[must_use]
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// The reason.
    #[must_use]
    pub fn reason(self) -> Cow<'static, str> {
        self.0
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
