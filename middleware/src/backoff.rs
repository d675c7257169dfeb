//! [`Backoff`]: how long to wait before it is tried again.

use std::fmt;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// How long to wait before something is tried again: pauses that double, up to a longest one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree_middleware::Backoff;
///
/// let second = Duration::from_secs(1);
/// let pauses = Backoff::exponential(second, 5 * second).pauses(4);
/// assert!(pauses.eq([second, 2 * second, 4 * second, 5 * second]));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    within: Option<Duration>,
    jitter: Jitter,
}

#[derive(Debug, Clone, Copy)]
enum Jitter {
    None,
    Random,
    Seeded(u64),
}

/// Longer pauses are as good as none at all, and would make the sums overflow.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

impl Backoff {
    /// The first pause and the longest; each is twice the one before.
    #[must_use]
    pub fn exponential(first: Duration, most: Duration) -> Self {
        let first = first.min(LONGEST);
        Self { first, most: most.clamp(first, LONGEST), within: None, jitter: Jitter::None }
    }

    /// The same pause each time.
    #[must_use]
    pub fn every(pause: Duration) -> Self {
        Self::exponential(pause, pause)
    }

    /// Ends before the pauses add up to more than this.
    #[must_use]
    pub fn within(self, all: Duration) -> Self {
        Self { within: Some(all), ..self }
    }

    /// Adds to each pause a random part of it, up to all of it, so that many who failed together do not come back together.
    #[must_use]
    pub fn jitter(self) -> Self {
        Self { jitter: Jitter::Random, ..self }
    }

    /// The same with numbers that this seed decides, the same each time: for tests.
    #[must_use]
    pub fn jitter_from(self, seed: u64) -> Self {
        Self { jitter: Jitter::Seeded(seed), ..self }
    }

    /// With other first and longest pauses.
    pub(crate) fn spanning(self, first: Duration, most: Duration) -> Self {
        Self { within: self.within, jitter: self.jitter, ..Self::exponential(first, most) }
    }

    /// So many pauses, fewer if they are to stay [within](Self::within) a time; in whole microseconds.
    pub fn pauses(&self, times: usize) -> impl Iterator<Item = Duration> + use<> {
        let backoff = ExponentialBuilder::new()
            .with_max_times(times)
            .with_min_delay(self.first)
            .with_max_delay(self.most)
            .with_total_delay(self.within);
        let backoff = match self.jitter {
            Jitter::None => backoff,
            Jitter::Random => backoff.with_jitter(),
            Jitter::Seeded(seed) => backoff.with_jitter().with_jitter_seed(seed),
        };
        backoff.build().map(in_microseconds)
    }
}

/// The doubling is done with floats.
fn in_microseconds(pause: Duration) -> Duration {
    let rounded = pause.saturating_add(Duration::from_nanos(500));
    rounded - Duration::from_nanos(u64::from(rounded.subsec_nanos() % 1_000))
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, most, within, jitter } = self;
        write!(f, "{first:?}")?;
        if most > first {
            write!(f, " to {most:?}")?;
        }
        if !matches!(jitter, Jitter::None) {
            f.write_str(" and jitter")?;
        }
        within.map_or(Ok(()), |within| write!(f, ", within {within:?}"))
    }
}
