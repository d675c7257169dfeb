//! Times and durations, as people write them.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// To the millisecond, in UTC, as it stands in recordings.
pub(crate) fn show(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::from("?"), |time| format!("{time:.3}"))
}

/// To the last digit, in UTC.
pub(crate) fn show_exactly(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::from("?"), |time| time.to_string())
}

/// Three digits that say something, with the unit that suits them.
pub(crate) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match duration.as_nanos() {
        0..1_000 => format!("{} ns", duration.as_nanos()),
        1_000..1_000_000 => format!("{:.1} us", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", seconds * 1e3),
        1_000_000_000..120_000_000_000 => format!("{seconds:.2} s"),
        120_000_000_000..7_200_000_000_000 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

/// A moment: `2026-11-21T07:10:16Z`, or without an offset, in UTC, and without a time, its midnight.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    let utc = || text.parse::<DateTime>().and_then(|time| time.to_zoned(TimeZone::UTC)).map(|time| time.timestamp());
    let time = text.parse::<Timestamp>().or_else(|_| utc());
    time.map(SystemTime::from).map_err(|_| String::from("write it like 2026-11-21T07:10:16Z, or 2026-11-21"))
}

/// A duration: `90s`, `1m30s`, `1.5h`, or a number of seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let spelled = || text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    seconds().or_else(spelled).ok_or_else(|| String::from("write it like 90s, 1m30s or 250ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc_unless_they_say_otherwise() {
        for same in ["2026-11-21T07:10:16Z", "2026-11-21T08:10:16+01:00", "2026-11-21 07:10:16", "2026-11-21T07:10:16"]
        {
            assert_eq!(show(parse(same).unwrap()), "2026-11-21T07:10:16.000Z");
        }
        assert_eq!(show(parse("2026-11-21").unwrap()), "2026-11-21T00:00:00.000Z");
        assert!(parse("yesterday").is_err());
    }

    #[test]
    fn durations_may_be_spelled_or_not() {
        for (text, millis) in [("90s", 90_000), ("1m30s", 90_000), ("1.5", 1_500), ("250ms", 250), ("0", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "-1s", "-1", "soon", "NaN", "inf"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        let shown = [0, 999, 1_500, 2_500_000, 61_000_000_000, 600_000_000_000, 86_400_000_000_000]
            .map(|nanos| show_duration(Duration::from_nanos(nanos)));
        assert_eq!(shown, ["0 ns", "999 ns", "1.5 us", "2.5 ms", "61.00 s", "10.0 min", "24.0 h"]);
    }
}
