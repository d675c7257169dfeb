//! [`Gcra`]: how much of a stream passes, by the generic cell rate algorithm of the crate `governor`.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter, clock};

use super::{Key, Memory};
use crate::Clock;

/// A limit for each key, on the clock of the bus.
pub(crate) struct Gcra {
    quota: Quota,
    memory: Arc<Memory<Nanos>>,
    /// Made when the first event shows the clock.
    limiter: OnceLock<RateLimiter<Key, Store, BusClock, NoOpMiddleware<Duration>>>,
}

/// The algorithm counts nanoseconds in 64 bits and panics beyond; no interval or burst is longer than this, and
/// no clock goes further than three of them.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Gcra {
    /// One event each `interval`; after a pause as many at once as `burst`.
    pub(crate) fn new(interval: Duration, burst: NonZeroU32, keys: usize) -> Self {
        let interval = interval.clamp(Duration::from_nanos(1), CENTURY);
        let most = u32::try_from(CENTURY.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
        let burst = burst.min(NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN));
        let quota = Quota::with_period(interval).expect("the interval is not zero").allow_burst(burst);
        Self { quota, memory: Arc::new(Memory::of_busiest(keys)), limiter: OnceLock::new() }
    }

    /// Whether an event passes now; then it is counted against the limit.
    pub(crate) fn allows(&self, key: Key, clock: &Arc<dyn Clock>) -> bool {
        let limiter = self
            .limiter
            .get_or_init(|| RateLimiter::new(self.quota, Store(self.memory.clone()), BusClock(clock.clone())));
        limiter.check_key(&key).is_ok()
    }

    /// How many keys were pushed out.
    pub(crate) fn forgotten(&self) -> u64 {
        self.memory.forgotten()
    }
}

struct BusClock(Arc<dyn Clock>);

impl clock::Clock for BusClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed().min(3 * CENTURY)
    }
}

/// Remembers for each key when its next event would be due.
struct Store(Arc<Memory<Nanos>>);

impl StateStore for Store {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.change(*key, |due| match decide(due) {
            Ok((answer, due)) => (Some(due), Ok(answer)),
            Err(refused) => (None, Err(refused)),
        })
    }
}
