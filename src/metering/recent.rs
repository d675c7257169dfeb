//! How long something took lately.

use std::time::Duration;

#[cfg(feature = "hdrhistogram")]
pub(crate) use spans::Recent;
#[cfg(not(feature = "hdrhistogram"))]
pub(crate) use without::Recent;

#[cfg(feature = "hdrhistogram")]
mod spans {
    use parking_lot::Mutex;
    use sigtree_middleware::Track;

    use super::Duration;
    use crate::metering::times::LONGEST;

    /// Times of the span that runs and of the one before: what is older is forgotten.
    #[derive(Default)]
    pub(crate) struct Recent(Mutex<Option<Box<Spans>>>);

    struct Spans {
        began: Duration,
        now: Track,
        before: Track,
    }

    impl Recent {
        /// Takes note of a time, unless somebody else is at it: lately needs no exact figures.
        pub(crate) fn record(&self, took: Duration, at: Duration, span: Duration) {
            if let Some(mut spans) = self.0.try_lock() {
                let spans = spans.get_or_insert_with(|| Box::new(Spans::new(at)));
                spans.turn(at, span);
                spans.now.record(took);
            }
        }

        /// What 95 % of the times of the last one to two spans were at most, to 10 %; `None` if there were none.
        pub(crate) fn p95(&self, at: Duration, span: Duration) -> Option<Duration> {
            let mut spans = self.0.lock();
            let spans = spans.as_mut()?;
            spans.turn(at, span);
            let times = spans.now.percentiles_with(&spans.before);
            (times.count > 0).then_some(times.p95)
        }
    }

    impl Spans {
        fn new(began: Duration) -> Self {
            Self { began, now: Track::coarse(LONGEST), before: Track::coarse(LONGEST) }
        }

        /// Begins another span, if this one is over.
        fn turn(&mut self, at: Duration, span: Duration) {
            let age = at.saturating_sub(self.began);
            if age >= span.saturating_mul(2) {
                *self = Self::new(at);
            } else if age >= span {
                self.before = std::mem::replace(&mut self.now, Track::coarse(LONGEST));
                self.began += span;
            }
        }
    }
}

#[cfg(not(feature = "hdrhistogram"))]
mod without {
    use super::Duration;

    /// Nothing is known of how times are spread.
    #[derive(Default)]
    pub(crate) struct Recent(());

    impl Recent {
        #[allow(clippy::unused_self, reason = "with the feature it does something")]
        pub(crate) fn record(&self, _took: Duration, _at: Duration, _span: Duration) {}

        #[allow(clippy::unused_self, reason = "with the feature it does something")]
        pub(crate) fn p95(&self, _at: Duration, _span: Duration) -> Option<Duration> {
            None
        }
    }
}
