//! [`Spawner`]: what runs tasks in the background.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::running::Step;

/// Runs tasks in the background: a runtime.
///
/// Closures `Fn(Task)` are spawners, so any runtime is one; with the feature `tokio` its `Handle` is one itself.
///
/// ```
/// use sigtree::{Bus, Received, Task};
///
/// let bus = Bus::builder()
///     .spawner(|task: Task| {
///         std::thread::spawn(|| pollster::block_on(task));
///     })
///     .build();
/// let _mails = bus.connect_async("alarm", |alarm: Received<String>| async move { println!("mail: {}", *alarm) })?;
/// bus.emit("alarm", String::from("too hot"));
/// bus.drain(std::time::Duration::from_secs(60))?;
/// # Ok::<(), sigtree::Error>(())
/// ```
pub trait Spawner: Send + Sync + 'static {
    /// Runs a task soon. A task that is dropped is not run, or not to its end; that is counted as a failure of its handler.
    fn spawn(&self, task: Task);
}

impl<F: Fn(Task) + Send + Sync + 'static> Spawner for F {
    fn spawn(&self, task: Task) {
        self(task);
    }
}

#[cfg(feature = "tokio")]
impl Spawner for tokio::runtime::Handle {
    fn spawn(&self, task: Task) {
        drop(Self::spawn(self, task));
    }
}

/// What a [`Spawner`] runs: a future of nothing, which never panics.
#[must_use = "a task does nothing unless it is run"]
pub struct Task(Pin<Box<dyn Step>>);

impl Task {
    pub(super) fn of_call(call: Pin<Box<dyn Step>>) -> Self {
        Self(call)
    }

    /// Gives it up without a word: somebody else says why.
    pub(super) fn forgo(mut self) {
        self.0.as_mut().forgo();
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().step(context).map(drop)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}
