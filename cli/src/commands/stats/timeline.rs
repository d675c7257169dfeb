//! [`Timeline`]: how many events there were, from beginning to end.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::output::Output;
use crate::trouble::Trouble;
use crate::{bars, times};

/// There are never more columns than this; when more are needed, they become twice as wide.
const COLUMNS: usize = 64;

/// Events in columns of equal time.
pub(super) struct Timeline {
    width: Duration,
    columns: Vec<u64>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width: Duration::from_millis(1), columns: Vec::new() }
    }
}

impl Timeline {
    pub(super) fn add(&mut self, moment: Duration) {
        while self.column(moment) >= COLUMNS {
            self.widen();
        }
        let column = self.column(moment);
        if self.columns.len() <= column {
            self.columns.resize(column + 1, 0);
        }
        self.columns[column] += 1;
    }

    fn column(&self, moment: Duration) -> usize {
        usize::try_from(moment.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX)
    }

    fn widen(&mut self) {
        self.width = self.width.saturating_mul(2);
        self.columns = self.columns.chunks(2).map(|pair| pair.iter().sum()).collect();
    }

    /// The most events a second that a whole column had.
    fn peak(&self) -> f64 {
        self.columns.iter().copied().max().unwrap_or(0) as f64 / self.width.as_secs_f64()
    }

    pub(super) fn tell(&self, output: &mut Output) -> Result<(), Trouble> {
        if self.columns.len() < 2 {
            return Ok(());
        }
        let (bold, color) = (output.style(Style::new().bold()), output.color(AnsiColor::Cyan));
        let (width, peak) = (times::show_duration(self.width), self.peak());
        output.line(format_args!("\n{bold}events over time{bold:#}, {width} a column, at most {peak:.1} a second"))?;
        output.line(format_args!("  {color}{}{color:#}", bars::columns(&self.columns)))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "seconds_per_column": self.width.as_secs_f64(), "peak": self.peak(), "events": self.columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_wider_and_lose_nothing() {
        let mut timeline = Timeline::default();
        for second in 0..10_000 {
            timeline.add(Duration::from_secs(second));
        }
        assert!(timeline.columns.len() > COLUMNS / 2 && timeline.columns.len() <= COLUMNS);
        assert_eq!(timeline.columns.iter().sum::<u64>(), 10_000);
        assert!(timeline.peak() > 0.9 && timeline.peak() < 1.1);
        timeline.add(Duration::MAX);
        assert!(timeline.columns.len() <= COLUMNS);
        assert_eq!(timeline.columns.iter().sum::<u64>(), 10_001);
    }
}
