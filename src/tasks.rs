//! Async handlers: they run in the background on a [`Spawner`], or in whoever waits for an emit.

mod attempt;
mod completion;
mod desk;
mod handler;
mod home;
mod latest;
mod line;
mod reliable;
mod reply;
mod running;
mod spawner;
mod wait_for;

pub use completion::{Completion, Unstarted};
pub use handler::AsyncFn1;
pub(crate) use running::Tasks;
pub use spawner::{Spawner, Task};
pub(crate) use wait_for::Timer;
pub use wait_for::{WaitError, WaitFor, WaitForFuture};
