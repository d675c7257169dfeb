//! [`Ended`]: what stops an event, or keeps it back.

use super::Emission;

/// What ended an event early, or keeps it back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended(u8);

impl Ended {
    /// Whether a handler or a failure stopped it.
    #[inline]
    #[must_use]
    pub fn is_stopped(self) -> bool {
        self.0 & !(HELD | ARRIVED | HELD_HERE) != 0
    }

    /// Whether a layer holds it.
    #[inline]
    #[must_use]
    pub fn is_held(self) -> bool {
        self.0 & HELD != 0
    }
}

const STOP_LEVEL: u8 = 1;
const STOP_BUBBLING: u8 = 2;
const STOP_FAILED: u8 = 4;
/// Set with the others and never cleared.
const STOPPED: u8 = 8;
/// Not stopped, but not here now either; never cleared.
const HELD: u8 = 16;
/// The layers of this level let it through.
const ARRIVED: u8 = 32;
/// A layer of this level holds it.
pub(super) const HELD_HERE: u8 = 64;

impl Emission<'_> {
    /// Notes that the layers of the bus it is on let it through.
    #[inline]
    pub fn note_arrived(&self) {
        self.stop.set(self.stop.get() | ARRIVED);
    }

    /// Whether the layers of the bus it is on let it through.
    #[inline]
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.stop.get() & ARRIVED != 0
    }

    /// Notes that a layer holds the event.
    pub fn note_held(&self) {
        self.stop.set(self.stop.get() | HELD | HELD_HERE);
    }

    /// Whether a layer around the bus it is on holds the event, or around the connection whose layers it is in;
    /// [`ended`](Self::ended) tells whether any does.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.stop.get() & HELD_HERE != 0
    }

    /// Ends the handlers of this level.
    #[inline]
    pub fn stop_level(&self) {
        self.stop.set(self.stop.get() | STOP_LEVEL | STOPPED);
    }

    /// Ends the event's way up after this level.
    #[inline]
    pub fn stop_bubbling(&self) {
        self.stop.set(self.stop.get() | STOP_BUBBLING | STOPPED);
    }

    /// Ends everything, because a handler failed.
    pub fn stop_failed(&self) {
        self.stop.set(self.stop.get() | STOP_LEVEL | STOP_BUBBLING | STOP_FAILED | STOPPED);
    }

    /// Whether no further handler of this level is to be called.
    #[inline]
    pub fn level_is_stopped(&self) -> bool {
        self.stop.get() & STOP_LEVEL != 0
    }

    /// Whether the event is not to go up.
    #[inline]
    pub fn bubbling_is_stopped(&self) -> bool {
        self.stop.get() & STOP_BUBBLING != 0
    }

    /// Whether a failure ended it.
    #[inline]
    pub fn is_stopped_by_failure(&self) -> bool {
        self.stop.get() & STOP_FAILED != 0
    }

    /// Whether anything ended it early.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.ended().is_stopped()
    }

    /// What ended it early, or keeps it back.
    #[inline]
    pub fn ended(&self) -> Ended {
        Ended(self.stop.get())
    }
}

/// What of all that ended an event also counts on other buses.
#[inline]
pub(super) fn beyond_a_level(stop: u8) -> u8 {
    stop & if stop & STOP_FAILED == 0 { STOPPED | HELD } else { !(ARRIVED | HELD_HERE) }
}
