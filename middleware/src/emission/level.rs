//! [`Level`] and [`Aside`]: where an event was before it went on to another bus, or to the layers of one connection.

use super::ended::{HELD_HERE, beyond_a_level};
use super::{Emission, Reason};

/// Where an event is: on which bus, and as of which of its changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct At {
    /// The bus, by a number no other bus of this process has.
    pub bus: u64,
    /// The bus's count of changes when the event came there.
    pub version: u64,
}

/// Where an event was before it went on to another bus, and what was said of it there.
#[derive(Debug)]
#[must_use = "the event must be brought back to where it was"]
pub struct Level {
    at: At,
    stop: u8,
    reason: Reason,
}

/// What was said of an event before it came to the layers of one connection.
#[derive(Debug)]
#[must_use = "what was said must be put back"]
pub struct Aside {
    held: u8,
    reason: Reason,
}

impl Emission<'_> {
    /// The bus the event is on, and its count of changes when the event came there.
    #[inline]
    pub fn at(&self) -> At {
        self.at.get()
    }

    /// Begins the level of another bus; where the event was before.
    ///
    /// What a handler stopped was that level, and so was what a layer gave as its reason; only a failure that ends
    /// everything goes on.
    #[inline]
    pub fn enter_level(&self, at: At) -> Level {
        let stop = self.stop.get();
        self.stop.set(beyond_a_level(stop));
        Level { at: self.at.replace(at), stop, reason: self.take_reason() }
    }

    /// Brings the event back to where it was.
    #[inline]
    pub fn leave_level(&self, level: Level) {
        self.at.set(level.at);
        if level.reason.is_given() {
            self.put_reason(level.reason);
        }
        self.stop.set(level.stop | beyond_a_level(self.stop.get()));
    }

    /// Begins the layers of one connection, which say for themselves whether they hold the event and why they end it;
    /// what was said before, to be given to [`leave_connection`](Self::leave_connection).
    pub fn enter_connection(&self) -> Aside {
        let held = self.stop.get() & HELD_HERE;
        self.stop.set(self.stop.get() & !HELD_HERE);
        Aside { held, reason: self.take_reason() }
    }

    /// Ends the layers of one connection: what they said is not why the event ended, for it did not.
    pub fn leave_connection(&self, aside: Aside) {
        self.stop.set(self.stop.get() & !HELD_HERE | aside.held);
        self.put_reason(aside.reason);
    }
}
