//! [`ReliableStats`]: what became of the events of a reliable subscription.

use std::fmt;

/// What became of the events that were taken from a reliable subscription: exact, at every moment.
///
/// Each time one is given it ends in one way: `delivered` is `acked`, `failed`, `timed_out` and `in_flight` together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ReliableStats {
    /// How often an event was given to somebody.
    pub delivered: u64,
    /// How many of these times it was given again: what a consumer may see twice.
    pub redelivered: u64,
    /// Events that are done.
    pub acked: u64,
    /// Attempts that failed: the taker said so, or dropped the event.
    pub failed: u64,
    /// Attempts that were not done in time.
    pub timed_out: u64,
    /// Times somebody said that an event is done after its attempt was over. Beside the others.
    pub late_acks: u64,
    /// Events that became dead letters, whether they were ever given or not.
    pub dead: u64,
    /// Events that somebody is at.
    pub in_flight: usize,
    /// Events that failed and will be given again.
    pub waiting: usize,
}

impl fmt::Display for ReliableStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivered, redelivered, acked, failed, timed_out, late_acks, dead, in_flight, waiting } = self;
        write!(
            f,
            "{delivered} given, {redelivered} of them again; {acked} done, {failed} failed, {timed_out} timed out"
        )?;
        write!(f, ", {in_flight} in flight, {waiting} to be given again; {dead} dead, {late_acks} late")
    }
}
