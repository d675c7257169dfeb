//! [`ReplayControl`]: the buttons of a running replay.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{Speed, SpeedError};

/// Pauses, steps, seeks and stops a [`Player`](crate::Player) that runs, from any thread or from a handler.
///
/// A cheap clone has the same buttons. What is asked for happens between two events, or within 20 ms of a pause between
/// them; an event on its way to its handlers is never cut short.
#[derive(Clone)]
pub struct ReplayControl(Arc<Desk>);

#[derive(Default)]
struct Desk {
    asked: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Default)]
struct Asked {
    paused: bool,
    steps: usize,
    seek: Option<Duration>,
    stop: bool,
    speed: Speed,
    position: Duration,
    replayed: usize,
}

/// What a player is to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wish {
    Play(Speed),
    Step,
    Seek(Duration),
    Wait,
    Stop,
}

impl ReplayControl {
    pub(super) fn new(speed: Speed) -> Self {
        let control = Self(Arc::default());
        control.0.asked.lock().speed = speed;
        control
    }

    /// Holds the replay before its next event; [`run`](crate::Player::run) waits until it is resumed or stopped.
    pub fn pause(&self) {
        self.ask(|asked| asked.paused = true);
    }

    /// Lets the replay go on. The time it was paused counts for no pause between events.
    pub fn resume(&self) {
        self.ask(|asked| (asked.paused, asked.steps) = (false, 0));
    }

    /// Lets the next `n` events go at once, and pauses.
    pub fn step(&self, n: usize) {
        self.ask(|asked| (asked.paused, asked.steps) = (true, asked.steps.saturating_add(n)));
    }

    /// Goes on with the first event that was emitted at this [moment](crate::Moments) or later, at once.
    ///
    /// Backwards it reads the recording from its beginning.
    pub fn seek(&self, moment: Duration) {
        self.ask(|asked| asked.seek = Some(moment));
    }

    /// Sets the speed from here on.
    ///
    /// # Errors
    ///
    /// If it is [`Speed::Times`] of a number that is not finite and above zero.
    pub fn set_speed(&self, speed: Speed) -> Result<(), SpeedError> {
        let speed = speed.checked()?;
        self.ask(|asked| asked.speed = speed);
        Ok(())
    }

    /// Ends the run at hand, or the next one if none is; another run goes on from there.
    pub fn stop(&self) {
        self.ask(|asked| asked.stop = true);
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.asked.lock().paused
    }

    /// The [moment](crate::Moments) of the latest replayed event.
    #[must_use]
    pub fn position(&self) -> Duration {
        self.0.asked.lock().position
    }

    /// How many events were replayed so far, all runs together.
    #[must_use]
    pub fn replayed(&self) -> usize {
        self.0.asked.lock().replayed
    }

    fn ask(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.0.asked.lock());
        self.0.changed.notify_all();
    }

    /// What to do next; what was asked for once is taken.
    pub(super) fn wish(&self) -> Wish {
        self.0.asked.lock().take()
    }

    /// Waits until there is something to do.
    pub(super) fn wait(&self) {
        let mut asked = self.0.asked.lock();
        while asked.is_idle() {
            self.0.changed.wait(&mut asked);
        }
    }

    pub(super) fn note(&self, position: Duration) {
        let mut asked = self.0.asked.lock();
        asked.position = position;
        asked.replayed += 1;
    }
}

impl Asked {
    fn take(&mut self) -> Wish {
        if std::mem::take(&mut self.stop) {
            return Wish::Stop;
        }
        if let Some(moment) = self.seek.take() {
            return Wish::Seek(moment);
        }
        match (self.paused, self.steps) {
            (false, _) => Wish::Play(self.speed),
            (true, 0) => Wish::Wait,
            (true, steps) => {
                self.steps = steps - 1;
                Wish::Step
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.paused && self.steps == 0 && self.seek.is_none() && !self.stop
    }
}

impl fmt::Debug for ReplayControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.0.asked.lock();
        f.debug_struct("ReplayControl")
            .field("paused", &asked.paused)
            .field("speed", &asked.speed)
            .field("position", &asked.position)
            .field("replayed", &asked.replayed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_comes_before_a_seek_and_both_before_a_step() {
        let control = ReplayControl::new(Speed::RealTime);
        assert_eq!(control.wish(), Wish::Play(Speed::RealTime));
        control.step(1);
        control.seek(Duration::ZERO);
        control.stop();
        let wishes: Vec<_> = (0..4).map(|_| control.wish()).collect();
        assert_eq!(wishes, [Wish::Stop, Wish::Seek(Duration::ZERO), Wish::Step, Wish::Wait]);
    }

    #[test]
    fn resuming_forgets_the_steps_that_were_left() {
        let control = ReplayControl::new(Speed::Instant);
        control.step(2);
        control.resume();
        control.pause();
        assert_eq!(control.wish(), Wish::Wait);
        assert!(control.set_speed(Speed::Times(-1.0)).is_err());
    }
}
