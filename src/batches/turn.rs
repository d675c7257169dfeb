//! [`Turn`]: whether a batch is to be handled now.

use std::collections::BTreeSet;
use std::time::Duration;

/// What stands under the lock of a desk.
#[derive(Default)]
pub(super) struct Turn {
    /// That somebody handles batches; he looks again before he stops.
    running: bool,
    /// When the oldest has waited long enough.
    due: Option<Duration>,
    /// For when alarms are set that did not ring yet.
    alarms: BTreeSet<Duration>,
    /// That what waits is to be handled, full or not.
    flushing: bool,
    /// That nothing will come any more.
    ended: bool,
}

/// What to do.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Handle a batch.
    Handle,
    /// Wait until then; `None` if an alarm is set, or nothing waits.
    Wait(Option<Duration>),
    /// It was the last one.
    End,
}

impl Turn {
    /// Whether to begin, with so many there: then nobody else does.
    pub(super) fn begin(&mut self, waiting: usize, most: usize, now: Duration, within: Duration) -> Step {
        if self.running {
            return Step::Wait(None);
        }
        let step = self.step(waiting, most, now, within);
        self.running = matches!(step, Step::Handle);
        step
    }

    /// Whether the one who handles batches goes on; if not, nobody runs any more.
    pub(super) fn go_on(&mut self, waiting: usize, most: usize, now: Duration, within: Duration) -> Step {
        let step = self.step(waiting, most, now, within);
        self.running = matches!(step, Step::Handle);
        step
    }

    fn step(&mut self, waiting: usize, most: usize, now: Duration, within: Duration) -> Step {
        let is_due = self.due.is_some_and(|due| due <= now);
        if waiting == 0 {
            (self.due, self.flushing) = (None, false);
            return if self.ended { Step::End } else { Step::Wait(None) };
        }
        if waiting >= most || is_due || self.flushing || self.ended {
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

    /// The same, for the last time.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Notes that the one who was to handle batches did not come to it: when to set an alarm for another try; `None` if there
    /// is none, because it was to be the last. Then the caller goes on in its place.
    pub(super) fn give_up(&mut self, now: Duration, within: Duration) -> Option<Duration> {
        if self.ended {
            return None;
        }
        self.running = false;
        let due = now.saturating_add(within.max(SHORTEST));
        self.due = Some(due);
        self.alarms.insert(due);
        Some(due)
    }
}

/// Who was refused does not try again at once.
const SHORTEST: Duration = Duration::from_millis(1);
