//! [`Window`]: how many of the latest calls failed.

use std::time::Duration;

/// Counts calls and failures of the latest time, in so many slots that are used in turn.
#[derive(Debug)]
pub(super) struct Window {
    /// How much time a slot stands for, in nanoseconds.
    width: u128,
    slots: [Slot; SLOTS],
}

const SLOTS: usize = 10;

#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    /// Which stretch of time it counts; it is cleared when its turn comes again.
    number: u128,
    calls: u32,
    failures: u32,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self { width: (length.as_nanos() / SLOTS as u128).max(1), slots: [Slot::default(); SLOTS] }
    }

    /// Counts one call.
    pub(super) fn add(&mut self, failed: bool, now: Duration) {
        let number = self.number(now);
        let slot = &mut self.slots[(number % SLOTS as u128) as usize];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot.calls = slot.calls.saturating_add(1);
        slot.failures = slot.failures.saturating_add(u32::from(failed));
    }

    /// The calls of the window that ends now, and how many of them failed.
    pub(super) fn totals(&self, now: Duration) -> (u64, u64) {
        let number = self.number(now);
        let recent = self.slots.iter().filter(|slot| slot.number + SLOTS as u128 > number);
        recent.fold((0, 0), |(calls, failures), slot| {
            (calls + u64::from(slot.calls), failures + u64::from(slot.failures))
        })
    }

    /// From when on it is empty.
    pub(super) fn empty_at(&self) -> Duration {
        let latest = self.slots.iter().filter(|slot| slot.calls > 0).map(|slot| slot.number).max();
        latest.map_or(Duration::ZERO, |latest| of_nanos((latest + SLOTS as u128) * self.width))
    }

    fn number(&self, now: Duration) -> u128 {
        now.as_nanos() / self.width
    }
}

/// So many nanoseconds, or as many as there can be.
fn of_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    match u64::try_from(nanos / SECOND) {
        Ok(seconds) => Duration::new(seconds, (nanos % SECOND) as u32),
        Err(_) => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn forgets_what_is_older_than_it_is_long() {
        let mut window = Window::new(10 * SECOND);
        assert_eq!(window.empty_at(), Duration::ZERO);
        window.add(true, Duration::ZERO);
        window.add(false, 4 * SECOND);
        window.add(true, 9 * SECOND);
        assert_eq!((window.totals(9 * SECOND), window.empty_at()), ((3, 2), 19 * SECOND));
        assert_eq!(window.totals(10 * SECOND), (2, 1));
        assert_eq!(window.totals(18 * SECOND), (1, 1));
        assert_eq!(window.totals(19 * SECOND), (0, 0));
        // The slot of the first second, used again.
        window.add(false, 20 * SECOND);
        assert_eq!(window.totals(20 * SECOND), (1, 0));
    }

    #[test]
    fn a_window_without_length_sees_the_moment() {
        let mut window = Window::new(Duration::ZERO);
        window.add(true, SECOND);
        assert_eq!(window.totals(SECOND), (1, 1));
        assert_eq!(window.totals(2 * SECOND), (0, 0));
        window.add(true, Duration::MAX);
        assert_eq!(window.totals(Duration::MAX), (1, 1));
    }
}
