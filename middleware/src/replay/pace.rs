//! When an event of a replay is due.

use std::time::Duration;

use super::Speed;

/// Ties a moment of the recording to a moment of now; without one, the next event is due at once and ties them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Pace(Option<Anchor>);

#[derive(Debug, Clone, Copy)]
struct Anchor {
    speed: Speed,
    moment: Duration,
    now: Duration,
}

impl Pace {
    /// How long it is until the event of this moment is due.
    pub(super) fn pause_before(&mut self, moment: Duration, speed: Speed, now: Duration) -> Duration {
        let anchor = match self.0 {
            Some(anchor) if anchor.speed == speed => anchor,
            Some(anchor) => Anchor { speed, moment: anchor.reached(now), now },
            None => Anchor { speed, moment, now },
        };
        self.0 = Some(anchor);
        let due = anchor.now.saturating_add(speed.pause_for(moment.saturating_sub(anchor.moment)));
        due.saturating_sub(now)
    }

    /// Makes everything due later.
    pub(super) fn shift(&mut self, by: Duration) {
        if let Some(anchor) = &mut self.0 {
            anchor.now = anchor.now.saturating_add(by);
        }
    }
}

impl Anchor {
    /// How far in the recording one is by now.
    fn reached(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.now);
        let original = match self.speed {
            Speed::Instant => Duration::ZERO,
            Speed::RealTime => passed,
            Speed::Times(times) => Duration::try_from_secs_f64(passed.as_secs_f64() * times).unwrap_or(Duration::MAX),
        };
        self.moment.saturating_add(original)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_event_is_due_at_once_and_the_others_after_it() {
        let mut pace = Pace::default();
        assert_eq!(pace.pause_before(10 * SECOND, Speed::RealTime, SECOND), Duration::ZERO);
        assert_eq!(pace.pause_before(12 * SECOND, Speed::RealTime, SECOND), 2 * SECOND);
        assert_eq!(pace.pause_before(12 * SECOND, Speed::RealTime, 2 * SECOND), SECOND);
        assert_eq!(pace.pause_before(9 * SECOND, Speed::RealTime, 2 * SECOND), Duration::ZERO);
    }

    #[test]
    fn another_speed_counts_from_where_one_is() {
        let mut pace = Pace::default();
        pace.pause_before(Duration::ZERO, Speed::RealTime, Duration::ZERO);
        // Four of ten seconds have passed; the other six take three.
        assert_eq!(pace.pause_before(10 * SECOND, Speed::Times(2.0), 4 * SECOND), 3 * SECOND);
        assert_eq!(pace.pause_before(10 * SECOND, Speed::Times(2.0), 5 * SECOND), 2 * SECOND);
        // Two of the three have passed, so eight of ten.
        assert_eq!(pace.pause_before(10 * SECOND, Speed::RealTime, 6 * SECOND), 2 * SECOND);
        assert_eq!(pace.pause_before(10 * SECOND, Speed::Instant, 6 * SECOND), Duration::ZERO);
    }

    #[test]
    fn time_spent_in_a_pause_counts_for_nothing() {
        let mut pace = Pace::default();
        pace.pause_before(Duration::ZERO, Speed::RealTime, Duration::ZERO);
        pace.shift(100 * SECOND);
        assert_eq!(pace.pause_before(SECOND, Speed::RealTime, 100 * SECOND), SECOND);
    }
}
