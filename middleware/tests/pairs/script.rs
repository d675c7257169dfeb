//! What is played to every pair, and what is written down of it.

use std::time::Duration;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// When the bus is flushed, and all is over.
pub(crate) const END: Duration = ms(20_000);

/// How each piece is set. No sum of these is a time at which something is emitted, so nothing happens by chance at once.
pub(crate) const DEADLINE: Duration = ms(1_000);
pub(crate) const QUIET: Duration = ms(1_301);
pub(crate) const INTERVAL: Duration = ms(1_607);
pub(crate) const BATCH: (usize, Duration) = (3, ms(2_203));
pub(crate) const APART: Duration = ms(709);
pub(crate) const RATE: (u32, Duration) = (2, ms(2_618));
pub(crate) const WINDOW: Duration = ms(2_053);
pub(crate) const TURN: Duration = ms(1_399);
pub(crate) const TRIES: usize = 2;
pub(crate) const OPEN: (u32, Duration) = (2, ms(1_907));

/// When the jobs of an executor are run that are there at this time; what they lead to waits for the turn after that.
pub(crate) fn turn_after(at: Duration) -> Duration {
    let turns = at.as_nanos() / TURN.as_nanos() + 1;
    TURN * u32::try_from(turns).unwrap()
}

/// When the filter is closed.
pub(crate) const CLOSED: std::ops::Range<Duration> = ms(12_900)..ms(14_300);

/// When what is emitted where: repeats, bursts, pauses, numbers that are refused, numbers on which a handler fails.
pub(crate) fn script() -> Vec<(Duration, &'static str, u32)> {
    let a_burst = [1, 6, 21, 1, 98, 99, 3, 6, 4, 10, 6, 3, 200, 14, 1];
    let a_burst = a_burst.into_iter().enumerate().map(|(i, n)| (ms(100 * i as u64), "a", n));
    let b_burst = [21, 2, 7, 8, 9, 4, 12, 11].into_iter().enumerate().map(|(i, n)| (ms(150 * i as u64), "b", n));
    let slow = [13, 13, 14, 23, 7, 33].into_iter().enumerate();
    let slow = slow.map(|(i, n)| (ms(3_000 + 1_500 * i as u64), "a", n));
    let long = (0..18_u32).map(|i| {
        let topic = if i % 3 == 0 { "b" } else { "a" };
        (ms(12_000 + 400 * u64::from(i)), topic, if i % 7 == 6 { 150 } else { 1 + i * 3 / 2 })
    });
    let between = [(1_450, 17), (1_500, 1), (11_900, 150), (11_950, 12), (14_500, 7)];
    let between = between.map(|(at, n)| (ms(at), "a", n));
    let mut script: Vec<_> = a_burst.chain(b_burst).chain(slow).chain(long).chain(between).collect();
    script.sort_by_key(|(at, ..)| *at);
    script
}

/// How the second handler takes a number: those that end in 3 never, those that end in 4 at every second call.
pub(crate) fn fails(n: u32, earlier_calls: u32) -> bool {
    n % 10 == 3 || (n % 10 == 4 && earlier_calls.is_multiple_of(2))
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// Each call of a handler, in order.
    pub(crate) handlers: Vec<String>,
    /// How many failures stood.
    pub(crate) failures: u64,
    /// How many handlers were called before `emit` returned.
    pub(crate) at_once: usize,
    /// What each of the two pieces tells.
    pub(crate) pieces: [Vec<String>; 2],
}
