//! [`Progress`]: a bar on a terminal, and nothing anywhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a command is in what it reads.
#[derive(Debug, Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many bytes, on standard error if that is a terminal; `None` if nobody knows how many.
    pub(crate) fn of_bytes(bytes: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        let template = match bytes {
            Some(_) => "{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
            None => "{spinner} {bytes}, {bytes_per_sec}",
        };
        Self(bar.with_style(ProgressStyle::with_template(template).expect("a good template")))
    }

    /// Of so many steps.
    pub(crate) fn of_steps(steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        Self(bar.with_style(ProgressStyle::with_template("{bar:32} {pos} of {len}").expect("a good template")))
    }

    pub(crate) fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Does what writes to the same terminal.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }
}

/// Takes the bar away.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
