//! Timing: what is compared is sampled in turns, and medians are taken.

use std::time::{Duration, Instant};

/// One thing to be timed: runs itself so many times.
pub(crate) type Run<'r> = Box<dyn FnMut(usize) + 'r>;

/// Wraps something done once per turn.
pub(crate) fn each<'r, R>(mut once: impl FnMut() -> R + 'r) -> Run<'r> {
    Box::new(move |times| {
        for _ in 0..times {
            drop(once());
        }
    })
}

const SAMPLES: usize = 101;
const SAMPLE: Duration = Duration::from_micros(100);

/// The median nanoseconds per turn of each.
pub(crate) fn compare<const N: usize>(mut runs: [Run<'_>; N]) -> [f64; N] {
    let turns = runs.each_mut().map(|run| turns_for(run));
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..SAMPLES {
        for (at, run) in runs.iter_mut().enumerate() {
            samples[at].push(time(run, turns[at]));
        }
    }
    samples.map(median)
}

/// The median nanoseconds per turn.
pub(crate) fn measure(run: Run<'_>) -> f64 {
    let [only] = compare([run]);
    only
}

/// How many turns fill a sample.
fn turns_for(run: &mut Run<'_>) -> usize {
    // The first turns pay for what is made once.
    run(64);
    let mut turns = 1;
    loop {
        let start = Instant::now();
        run(turns);
        let took = start.elapsed();
        if took >= SAMPLE / 2 || turns >= 1 << 24 {
            return ((turns as f64 * SAMPLE.as_secs_f64() / took.as_secs_f64().max(1e-9)) as usize).clamp(1, 1 << 24);
        }
        turns *= 2;
    }
}

fn time(run: &mut Run<'_>, turns: usize) -> f64 {
    let start = Instant::now();
    run(turns);
    start.elapsed().as_secs_f64() * 1e9 / turns as f64
}

pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
