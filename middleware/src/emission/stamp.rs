//! [`Stamp`]: when an event happened.

use std::time::{Duration, SystemTime};

/// When an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Time on the bus's clock, which never goes back.
    pub offset: Duration,
    /// Wall-clock time.
    pub wall: SystemTime,
}
