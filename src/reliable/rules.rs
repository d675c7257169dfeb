//! [`Rules`]: what was chosen for a reliable connection, and for the rest what its bus has now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sigtree_middleware::{Backoff, DeadLetter};

use crate::config::BusConfig;
use crate::mode::Reliable;

/// What holds on a bus for those that do not say otherwise.
///
/// Relaxed throughout: each stands for itself.
pub(crate) struct Standards {
    /// In nanoseconds.
    timeout: AtomicU64,
    retries: AtomicU32,
    dead_letters: AtomicUsize,
}

impl Standards {
    pub(crate) fn of(config: &BusConfig) -> Arc<Self> {
        let standards = Self { timeout: 0.into(), retries: 0.into(), dead_letters: 0.into() };
        standards.change(config);
        Arc::new(standards)
    }

    pub(crate) fn change(&self, config: &BusConfig) {
        let timeout = u64::try_from(config.delivery_timeout.as_nanos()).unwrap_or(u64::MAX);
        self.timeout.store(timeout, Ordering::Relaxed);
        self.retries.store(config.retries, Ordering::Relaxed);
        self.dead_letters.store(config.dead_letters, Ordering::Relaxed);
    }
}

/// What a reliable connection or subscription goes by.
#[derive(Clone)]
pub(crate) struct Rules {
    chosen: Reliable,
    standards: Arc<Standards>,
}

impl Rules {
    pub(crate) fn new(chosen: Reliable, standards: Arc<Standards>) -> Self {
        Self { chosen, standards }
    }

    /// How long an attempt may take that begins now.
    pub(crate) fn timeout(&self) -> Duration {
        let standard = || Duration::from_nanos(self.standards.timeout.load(Ordering::Relaxed));
        self.chosen.timeout.unwrap_or_else(standard)
    }

    pub(crate) fn retries(&self) -> u32 {
        self.chosen.retries.unwrap_or_else(|| self.standards.retries.load(Ordering::Relaxed))
    }

    pub(crate) fn backoff(&self) -> &Backoff {
        &self.chosen.backoff
    }

    /// The pause after so many attempts; `None` if there were enough.
    pub(crate) fn pause_after(&self, attempts: u32) -> Option<Duration> {
        let before = attempts.checked_sub(1)?;
        self.backoff().pauses(self.retries() as usize).nth(before as usize)
    }

    /// Where what was not done goes.
    pub(crate) fn dead_letters(&self) -> DeadLetter {
        let standard = || DeadLetter::new().count(self.standards.dead_letters.load(Ordering::Relaxed));
        self.chosen.dead.clone().unwrap_or_else(standard)
    }
}
