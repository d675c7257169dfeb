//! [`Moments`]: when events happened, on one clock that never goes back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sigtree::middleware::Record;

/// An offset that is this much smaller than the one before is that of another run of the program; less is a matter of threads.
const RESTART: Duration = Duration::from_secs(1);

/// Lays the runs of a program that wrote one recording end to end: between two of them no time passes.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    first: Option<SystemTime>,
    /// What is added to the offsets of this run.
    base: Duration,
    latest_offset: Duration,
    latest: Duration,
}

impl Moments {
    /// When a record's event happened; records are asked for in their order.
    pub(crate) fn of(&mut self, record: &Record) -> Duration {
        let offset = self.offset_of(record);
        self.place(offset)
    }

    /// Others than `sigtree` write no offset; then there is the wall clock.
    fn offset_of(&mut self, record: &Record) -> Duration {
        match record.offset() {
            Duration::ZERO if record.time() > UNIX_EPOCH => {
                let first = *self.first.get_or_insert(record.time());
                record.time().duration_since(first).unwrap_or_default()
            }
            offset => offset,
        }
    }

    fn place(&mut self, offset: Duration) -> Duration {
        if offset.saturating_add(RESTART) < self.latest_offset {
            self.base = self.latest.saturating_sub(offset);
        }
        self.latest_offset = offset;
        self.latest = self.latest.max(self.base.saturating_add(offset));
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_each_other_without_a_pause() {
        let mut moments = Moments::default();
        let placed = [5_000, 7_000, 6_999, 100, 1_100, 1_000, 4_000, 0].map(|millis| {
            let moment = moments.place(Duration::from_millis(millis));
            moment.as_millis()
        });
        assert_eq!(placed, [5_000, 7_000, 7_000, 7_000, 8_000, 8_000, 10_900, 10_900]);
    }
}
