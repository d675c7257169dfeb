//! [`Gaps`]: the time between events.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::output::Output;
use crate::trouble::Trouble;
use crate::{bars, times};

/// What is longer counts as this long.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The nanoseconds below which a gap is in the first row; each row ends at ten times that of the one before.
const FIRST_ROW: u64 = 1_000;

/// Enough for the longest.
const ROWS: usize = 12;

/// A histogram of fixed size, to about 1 %, and rows to be drawn.
pub(super) struct Gaps {
    histogram: Histogram<u64>,
    rows: [u64; ROWS],
}

impl Default for Gaps {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST.as_nanos() as u64, 2).expect("good bounds");
        Self { histogram, rows: [0; ROWS] }
    }
}

impl Gaps {
    pub(super) fn add(&mut self, gap: Duration) {
        let nanoseconds = gap.min(LONGEST).as_nanos() as u64;
        self.histogram.saturating_record(nanoseconds);
        let row = (nanoseconds / FIRST_ROW).checked_ilog10().map_or(0, |digits| digits as usize + 1);
        self.rows[row.min(ROWS - 1)] += 1;
    }

    fn at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.histogram.value_at_quantile(quantile))
    }

    /// The ends of the rows and what is in them, from the first to the last that has anything.
    fn rows(&self) -> Vec<(Duration, u64)> {
        let end = |row: usize| Duration::from_nanos(FIRST_ROW * 10_u64.pow(row as u32));
        let first = self.rows.iter().position(|count| *count > 0).unwrap_or(0);
        let last = self.rows.iter().rposition(|count| *count > 0).unwrap_or(0);
        (first..=last).map(|row| (end(row), self.rows[row])).collect()
    }

    pub(super) fn tell(&self, output: &mut Output) -> Result<(), Trouble> {
        if self.histogram.is_empty() {
            return Ok(());
        }
        let (bold, color) = (output.style(Style::new().bold()), output.color(AnsiColor::Cyan));
        let [half, most, nearly_all] = [0.5, 0.9, 0.99].map(|quantile| times::show_duration(self.at(quantile)));
        let longest = times::show_duration(Duration::from_nanos(self.histogram.max()));
        output.line(format_args!("\n{bold}time between events{bold:#}"))?;
        output.line(format_args!("  median {half}, 90 % {most}, 99 % {nearly_all}, longest {longest}"))?;
        let rows = self.rows();
        let highest = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
        for (end, count) in rows {
            let (end, bar) = (times::show_duration(end), bars::bar(count, highest, 40));
            output.line(format_args!("  below {end:>10} {count:>12}  {color}{bar}{color:#}"))?;
        }
        Ok(())
    }

    pub(super) fn to_json(&self) -> Value {
        let row = |(end, count): (Duration, u64)| json!({ "below": end.as_secs_f64(), "events": count });
        json!({
            "median": self.at(0.5).as_secs_f64(),
            "p90": self.at(0.9).as_secs_f64(),
            "p99": self.at(0.99).as_secs_f64(),
            "longest": Duration::from_nanos(self.histogram.max()).as_secs_f64(),
            "rows": self.rows().into_iter().map(row).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_in_the_row_that_ends_above_it() {
        let mut gaps = Gaps::default();
        for nanoseconds in [0, 999, 1_000, 9_999, 10_000, 10_000] {
            gaps.add(Duration::from_nanos(nanoseconds));
        }
        let micros = Duration::from_micros;
        assert_eq!(gaps.rows(), [(micros(1), 2), (micros(10), 2), (micros(100), 2)]);
        gaps.add(Duration::MAX);
        assert_eq!(gaps.rows().last(), Some(&(Duration::from_secs(100_000), 1)));
    }
}
