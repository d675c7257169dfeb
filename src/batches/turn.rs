//! [`Turn`]: whether a batch is to be handled now, and by whom.

use std::collections::BTreeSet;
use std::time::Duration;

/// What stands under the lock of a desk.
#[derive(Default)]
pub(super) struct Turn {
    runner: Runner,
    /// When the oldest has waited long enough.
    due: Option<Duration>,
    /// For when alarms are set that did not ring yet.
    alarms: BTreeSet<Duration>,
    /// That what waits is to be handled, full or not.
    flushing: bool,
    /// That the connection has ended.
    ended: bool,
}

/// Who handles batches; he looks again before he stops.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Runner {
    #[default]
    Nobody,
    /// An executor has a job that did not begin.
    Asked,
    /// Somebody, who stops when the connection ends.
    Busy,
    /// The one who ended the connection, until nothing is left.
    Last,
}

/// What to do.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Handle a batch.
    Handle,
    /// Wait until then; `None` if an alarm is set, somebody else sees to it, or nothing waits.
    Wait(Option<Duration>),
    /// No batch is handled any more, whatever is left.
    End,
}

impl Turn {
    /// Whether to begin, with so many there: then nobody else does.
    pub(super) fn begin(&mut self, waiting: usize, most: usize, now: Duration, within: Duration) -> Step {
        if self.runner != Runner::Nobody {
            return Step::Wait(None);
        }
        let step = self.step(waiting, most, now, within);
        if matches!(step, Step::Handle) {
            self.runner = Runner::Busy;
        }
        step
    }

    /// Leaves it to a job that was told to begin, until it [arrives](Self::arrive).
    pub(super) fn ask(&mut self) {
        if self.runner == Runner::Busy {
            self.runner = Runner::Asked;
        }
    }

    /// Whether the job is still wanted; if the connection ended meanwhile, somebody else saw to it.
    pub(super) fn arrive(&mut self) -> bool {
        let is_wanted = self.runner == Runner::Asked;
        if is_wanted {
            self.runner = Runner::Busy;
        }
        is_wanted
    }

    /// Whether the one who handles batches goes on; if not, nobody runs any more.
    pub(super) fn go_on(&mut self, waiting: usize, most: usize, now: Duration, within: Duration) -> Step {
        let step = match self.runner {
            Runner::Last if waiting > 0 => Step::Handle,
            _ => self.step(waiting, most, now, within),
        };
        if !matches!(step, Step::Handle) {
            self.runner = Runner::Nobody;
        }
        step
    }

    fn step(&mut self, waiting: usize, most: usize, now: Duration, within: Duration) -> Step {
        if self.ended {
            return Step::End;
        }
        let is_due = self.due.is_some_and(|due| due <= now);
        if waiting == 0 {
            (self.due, self.flushing) = (None, false);
            return Step::Wait(None);
        }
        if waiting >= most || is_due || self.flushing {
            // Those left over wait anew.
            self.due = None;
            return Step::Handle;
        }
        let due = *self.due.get_or_insert(now.saturating_add(within));
        if self.alarms.first().is_some_and(|set| *set <= due) {
            return Step::Wait(None);
        }
        self.alarms.insert(due);
        Step::Wait(Some(due))
    }

    /// Notes that an alarm rang. They ring in their order.
    pub(super) fn rang(&mut self) {
        self.alarms.pop_first();
    }

    /// Has what waits handled, full or not.
    pub(super) fn flush(&mut self) {
        self.flushing = true;
    }

    /// Ends it: the caller handles what waits, in the place of a job that did not begin, unless somebody is at a batch.
    pub(super) fn end(&mut self, waiting: usize) -> Step {
        let was_ended = std::mem::replace(&mut self.ended, true);
        match self.runner {
            Runner::Busy | Runner::Last => Step::Wait(None),
            Runner::Nobody | Runner::Asked if was_ended || waiting == 0 => {
                self.runner = Runner::Nobody;
                Step::End
            }
            Runner::Nobody | Runner::Asked => {
                self.runner = Runner::Last;
                Step::Handle
            }
        }
    }

    /// Notes that the job will not come: when to set an alarm for another try; `None` if nobody waits for it.
    pub(super) fn give_up(&mut self, now: Duration, within: Duration) -> Option<Duration> {
        if self.runner != Runner::Asked {
            return None;
        }
        self.runner = Runner::Nobody;
        let due = now.saturating_add(within.max(SHORTEST));
        self.due = Some(due);
        self.alarms.insert(due);
        Some(due)
    }
}

/// Who was refused does not try again at once.
const SHORTEST: Duration = Duration::from_millis(1);
