//! [`Moments`]: when events happened, on one clock for all runs of a program.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Stamp;

/// Lays the runs of a program that wrote one recording end to end: between two of them no time passes.
///
/// [`Player`](crate::Player) and [`Replay`](crate::Replay) do so by themselves; reach for it in tools that read
/// recordings. Ask it for each event, in the order of the recording. The moments of the first run are the times on its
/// bus's clock, and the next run goes on where the latest event was.
///
/// A bus's clock begins at zero in every run, and wall-clock time alone is no good: it would make a night between two
/// runs a pause, and is set now and then. So within a run the bus's clock counts, and both together tell the runs
/// apart: wall-clock time less the time on the bus's clock is when the run began. Events with the same beginning, give
/// or take a second, are of one run, also where runs take turns because two buses write to one recording, and where one
/// was held and comes late; that one has a moment before those of its neighbours.
///
/// # Limits
///
/// A wall clock that is set by more than a second while the program runs begins another run, so one pause is lost. A
/// [`ManualClock`](crate::ManualClock) begins at the same wall-clock time in each run: they count as one, and a second
/// one is played without pauses. Of more than 16 runs that take turns, the longest unseen is forgotten.
///
/// Others than `sigtree` write no time on a bus's clock, or no wall-clock time. Without the former, wall-clock time
/// counts; without the latter, a time on the bus's clock that falls by more than a second begins another run.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use sigtree_middleware::{Moments, Stamp};
///
/// let mut moments = Moments::new();
/// let mut of = |began: u64, offset: u64| {
///     let [wall, offset] = [began + offset, offset].map(Duration::from_secs);
///     moments.of(Stamp { offset, wall: UNIX_EPOCH + wall }).as_secs()
/// };
/// assert_eq!([of(1_000, 5), of(1_000, 7)], [5, 7]);
/// // Started again, hours later.
/// assert_eq!([of(9_000, 1), of(9_000, 4)], [7, 10]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Moments {
    /// Those that may go on, the one of the latest event first.
    runs: Vec<Run>,
    /// The latest of all moments.
    latest: Duration,
    /// The wall-clock time of the first event.
    first: Option<Duration>,
    has_offsets: bool,
    has_walls: bool,
}

/// Ties a time on a run's clock to a moment.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// When its clock was at zero, in nanoseconds since 1970, as its latest event has it: clocks drift.
    began: i128,
    offset: Duration,
    moment: Duration,
    latest_offset: Duration,
}

/// Two events of one run agree on its beginning to this much; and what is no more than this late is a matter of threads.
const TOLERANCE: Duration = Duration::from_secs(1);

/// So many runs may take turns.
const RUNS: usize = 16;

impl Moments {
    /// Moments of a recording that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When the next event of the recording happened.
    pub fn of(&mut self, stamp: Stamp) -> Duration {
        let wall = since_1970(stamp.wall);
        self.has_walls |= !wall.is_zero();
        let offset = self.offset_of(stamp.offset, wall);
        let moment = self.enter_run(nanos(wall) - nanos(offset), offset).moment_of(offset);
        self.latest = self.latest.max(moment);
        moment
    }

    /// Where nobody wrote a time on the bus's clock, the wall clock goes on from the first event.
    fn offset_of(&mut self, offset: Duration, wall: Duration) -> Duration {
        self.has_offsets |= !offset.is_zero();
        let first = *self.first.get_or_insert(wall);
        if self.has_offsets { offset } else { wall.saturating_sub(first) }
    }

    /// The run of an event, made first of all.
    fn enter_run(&mut self, began: i128, offset: Duration) -> &mut Run {
        let known = self.runs.iter().position(|run| run.has(began, offset, self.has_walls));
        match known {
            Some(place) => self.runs[..=place].rotate_right(1),
            None => self.begin_run(began, offset),
        }
        let run = &mut self.runs[0];
        (run.began, run.latest_offset) = (began, offset);
        run
    }

    fn begin_run(&mut self, began: i128, offset: Duration) {
        let moment = if self.runs.is_empty() { offset } else { self.latest };
        self.runs.truncate(RUNS - 1);
        self.runs.insert(0, Run { began, offset, moment, latest_offset: offset });
    }
}

impl Run {
    fn has(&self, began: i128, offset: Duration, by_wall: bool) -> bool {
        match by_wall {
            true => self.began.abs_diff(began) <= TOLERANCE.as_nanos(),
            false => offset.saturating_add(TOLERANCE) >= self.latest_offset,
        }
    }

    fn moment_of(&self, offset: Duration) -> Duration {
        let (later, earlier) = (offset.saturating_sub(self.offset), self.offset.saturating_sub(offset));
        self.moment.saturating_add(later).saturating_sub(earlier)
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Of the longest duration they take 94 bits.
fn nanos(duration: Duration) -> i128 {
    duration.as_nanos() as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moments of events, each with the beginning of its run and the time on its clock, all in seconds.
    fn moments<const N: usize>(events: [(u64, u64); N]) -> [u64; N] {
        let mut moments = Moments::new();
        events.map(|(began, offset)| moments.of(stamp(began + offset, offset * 1_000)).as_secs())
    }

    fn stamp(wall: u64, millis: u64) -> Stamp {
        Stamp { offset: Duration::from_millis(millis), wall: UNIX_EPOCH + Duration::from_secs(wall) }
    }

    #[test]
    fn a_run_goes_on_where_the_latest_event_was() {
        assert_eq!(moments([(100, 5), (100, 7), (200, 0), (200, 3), (300, 50), (300, 51)]), [5, 7, 7, 10, 10, 11]);
    }

    #[test]
    fn what_was_held_is_of_its_run_and_delays_nothing() {
        assert_eq!(moments([(100, 5), (100, 20), (100, 6), (100, 21)]), [5, 20, 6, 21]);
        assert_eq!(moments([(100, 5), (200, 9), (200, 2), (200, 10)]), [5, 5, 0, 6]);
    }

    #[test]
    fn two_buses_of_one_recording_take_turns() {
        assert_eq!(moments([(100, 100), (195, 5), (100, 101), (195, 6), (100, 103)]), [100, 100, 101, 101, 103]);
    }

    #[test]
    fn a_manual_clock_has_one_run() {
        assert_eq!(moments([(0, 0), (0, 9), (0, 0), (0, 10)]), [0, 9, 0, 10]);
    }

    #[test]
    fn without_wall_clock_times_a_fall_begins_a_run() {
        let mut moments = Moments::new();
        let placed =
            [5_000, 7_000, 6_999, 100, 1_100, 1_000, 4_000, 0].map(|millis| moments.of(stamp(0, millis)).as_millis());
        assert_eq!(placed, [5_000, 7_000, 6_999, 7_000, 8_000, 7_900, 10_900, 10_900]);
    }

    #[test]
    fn without_times_on_the_bus_wall_clock_times_count() {
        let mut moments = Moments::new();
        assert_eq!([1_000, 1_004, 1_003, 5_000].map(|wall| moments.of(stamp(wall, 0)).as_secs()), [0, 4, 3, 4_000]);
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let mut moments = Moments::new();
        let far = Stamp { offset: Duration::MAX, wall: UNIX_EPOCH };
        let all = [far, stamp(1 << 40, 1), far, stamp(0, 0)].map(|stamp| moments.of(stamp));
        assert_eq!(all[0], Duration::MAX);
    }

    #[test]
    fn hostile_runs_take_no_room() {
        let mut moments = Moments::new();
        for n in 0..1_000 {
            moments.of(stamp(10_000 + 100 * n, 1));
        }
        assert_eq!(moments.runs.len(), RUNS);
    }
}
