//! How long something took, again and again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "hdrhistogram")]
use sigtree_middleware::Track;

use super::nanos;

/// Times that were measured. With the feature `hdrhistogram` it keeps how they are spread, from the first one on.
#[derive(Default)]
pub(crate) struct Times {
    measured: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
    #[cfg(feature = "hdrhistogram")]
    track: std::sync::OnceLock<Track>,
}

/// Longer times count as this long among the others.
#[cfg(feature = "hdrhistogram")]
pub(super) const LONGEST: Duration = Duration::from_secs(60);

impl Times {
    pub(crate) fn record(&self, took: Duration) {
        let nanos = nanos(took);
        self.measured.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
        #[cfg(feature = "hdrhistogram")]
        self.track.get_or_init(|| Track::new(LONGEST)).record(took);
    }

    pub(crate) fn read(&self) -> crate::metrics::Latency {
        let measured = self.measured.load(Ordering::Relaxed);
        let max = Duration::from_nanos(self.longest.load(Ordering::Relaxed));
        #[cfg(feature = "hdrhistogram")]
        let [p50, p95, p99] = match self.track.get().map(Track::percentiles) {
            // The histogram knows the longest time to 1 % only.
            Some(times) => [times.p50, times.p95, times.p99].map(|time| Some(time.min(max))),
            None => [None; 3],
        };
        #[cfg(not(feature = "hdrhistogram"))]
        let [p50, p95, p99] = [None; 3];
        crate::metrics::Latency {
            measured,
            mean: Duration::from_nanos(self.nanos.load(Ordering::Relaxed).checked_div(measured).unwrap_or(0)),
            p50,
            p95,
            p99,
            max,
            recent_p95: None,
        }
    }
}
