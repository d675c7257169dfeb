//! [`Clock`]: what is compared is measured in turns, and medians are taken, because machines have moods.

use std::time::{Duration, Instant};

/// The time of one sample.
const SAMPLE: Duration = Duration::from_micros(100);

/// Something to be timed: does itself so many times.
pub(super) type Run<'r> = Box<dyn FnMut(usize) + 'r>;

/// Something done once a turn.
pub(super) fn each<'r, R>(mut once: impl FnMut() -> R + 'r) -> Run<'r> {
    Box::new(move |times| {
        for _ in 0..times {
            drop(once());
        }
    })
}

/// Takes so many samples of each.
pub(super) struct Clock {
    pub(super) samples: usize,
}

impl Clock {
    /// The median nanoseconds a turn of each.
    pub(super) fn compare<const N: usize>(&self, mut runs: [Run<'_>; N]) -> [f64; N] {
        let turns = runs.each_mut().map(turns_for);
        let mut samples = [const { Vec::new() }; N];
        for _ in 0..self.samples {
            for (at, run) in runs.iter_mut().enumerate() {
                samples[at].push(time(run, turns[at]));
            }
        }
        samples.map(median)
    }
}

/// How many turns fill a sample.
fn turns_for(run: &mut Run<'_>) -> usize {
    // The first turns pay for what is made once.
    run(64);
    let mut turns = 64;
    loop {
        let nanoseconds = time(run, turns) * turns as f64;
        if nanoseconds >= SAMPLE.as_nanos() as f64 || turns >= 1 << 24 {
            return turns;
        }
        turns *= 2;
    }
}

/// Nanoseconds a turn.
fn time(run: &mut Run<'_>, turns: usize) -> f64 {
    let start = Instant::now();
    run(turns);
    start.elapsed().as_secs_f64() * 1e9 / turns as f64
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        let [short, long] = Clock { samples: 11 }
            .compare([each(|| std::hint::black_box(1)), each(|| (0..1_000).map(std::hint::black_box).sum::<u64>())]);
        assert!(short < long);
    }
}
