//! [`Speed`]: how fast a replay goes.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How fast a [`Replay`](crate::Replay) goes.
///
/// In settings and arguments it is written `instant`, `real`, or `x10` for ten times as fast; `10x` is read as well.
///
/// ```
/// use sigtree_middleware::Speed;
///
/// assert_eq!("x2.5".parse(), Ok(Speed::Times(2.5)));
/// assert_eq!(Speed::RealTime.to_string(), "real");
/// let error = "fast".parse::<Speed>().unwrap_err();
/// assert_eq!(error.to_string(), "invalid speed `fast`: write `instant`, `real`, or `x` and a number above zero");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Speed {
    /// One event right after the other.
    #[default]
    Instant,
    /// With the pauses of the original.
    RealTime,
    /// With the pauses of the original divided by this number: 2.0 takes half the time.
    Times(f64),
}

impl Speed {
    pub(super) fn checked(self) -> Result<Self, SpeedError> {
        match self {
            Self::Times(times) if !is_possible(times) => Err(SpeedError { times }),
            speed => Ok(speed),
        }
    }

    /// What a pause of the original becomes.
    pub(super) fn pause_for(self, original: Duration) -> Duration {
        match self {
            Self::Instant => Duration::ZERO,
            Self::RealTime => original,
            Self::Times(times) => Duration::try_from_secs_f64(original.as_secs_f64() / times).unwrap_or(Duration::MAX),
        }
    }
}

fn is_possible(times: f64) -> bool {
    times.is_finite() && times > 0.0
}

impl FromStr for Speed {
    type Err = ParseSpeedError;

    fn from_str(text: &str) -> Result<Self, ParseSpeedError> {
        let times = text.strip_prefix('x').or_else(|| text.strip_suffix('x')).and_then(|times| times.parse().ok());
        match (text, times) {
            ("instant", _) => Ok(Self::Instant),
            ("real", _) => Ok(Self::RealTime),
            (_, Some(times)) if is_possible(times) => Ok(Self::Times(times)),
            _ => Err(ParseSpeedError { text: text.chars().take(32).collect() }),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant => f.pad("instant"),
            Self::RealTime => f.pad("real"),
            Self::Times(times) => write!(f, "x{times}"),
        }
    }
}

/// A speed that no replay can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeedError {
    times: f64,
}

impl fmt::Display for SpeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid speed `{}`: a replay goes a finite number of times as fast, above zero", self.times)
    }
}

impl Error for SpeedError {}

/// A text that is no [`Speed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseSpeedError {
    text: String,
}

impl fmt::Display for ParseSpeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.escape_debug();
        write!(f, "invalid speed `{text}`: write `instant`, `real`, or `x` and a number above zero")
    }
}

impl Error for ParseSpeedError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_words_or_factors() {
        for (text, speed) in [("instant", Speed::Instant), ("real", Speed::RealTime), ("x2.5", Speed::Times(2.5))] {
            assert_eq!((text.parse(), speed.to_string().as_str()), (Ok(speed), text));
        }
        assert_eq!("2.5x".parse(), Ok(Speed::Times(2.5)));
    }

    #[test]
    fn what_is_no_speed_is_quoted() {
        for bad in ["x0", "x-1", "xNaN", "xinf", "fast", "x", "2", "", "Real"] {
            let error = bad.parse::<Speed>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid speed `{bad}`: write ")), "{error}");
        }
        let hostile = "\u{1b}[2J".parse::<Speed>().unwrap_err().to_string();
        assert!(!hostile.contains(char::is_control), "{hostile}");
    }
}
