//! [`Sifter`]: what the pieces that let an event pass or end it, at once, have in common.

use std::sync::Arc;

use super::{By, Counts, FlowStats, Key, Time};
use crate::{Clock, Event, Next};

/// A piece that sifts events: what its clones share.
pub(crate) struct Sifter<S: Sift> {
    pub(crate) settings: S,
    memory: S::Memory,
    time: Time,
    counts: Counts,
}

/// In which the pieces differ; their settings have it.
pub(crate) trait Sift: Clone {
    /// What is remembered of the streams.
    type Memory;

    /// Why an event ends.
    const REASON: &'static str;

    /// Which events are one stream.
    fn by(&self) -> &By;

    /// A memory of nothing yet.
    fn memory(&self) -> Self::Memory;

    /// Whether an event of this stream passes now; what that means for the next one is remembered.
    fn takes(&self, memory: &Self::Memory, key: Key, clock: &Arc<dyn Clock>) -> bool;

    /// How many streams were pushed out of the memory.
    fn forgotten(memory: &Self::Memory) -> u64;
}

impl<S: Sift> Sifter<S> {
    pub(crate) fn new(settings: S) -> Arc<Self> {
        let memory = settings.memory();
        Arc::new(Self { settings, memory, time: Time::default(), counts: Counts::default() })
    }

    /// One of its own with other settings, which remembers nothing yet.
    pub(crate) fn with(&self, change: impl FnOnce(&mut S)) -> Arc<Self> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Self::new(settings)
    }

    /// Lets the event pass or ends it; one that is in no stream passes, and is not counted.
    pub(crate) fn sift(&self, event: &Event<'_>, next: Next<'_>) {
        let Some(key) = self.settings.by().key_of(event) else { return next.run(event) };
        if self.settings.takes(&self.memory, key, self.time.clock(event, &next)) {
            self.counts.pass();
            next.run(event);
        } else {
            self.counts.drop();
            next.discard(event, S::REASON);
        }
    }

    pub(crate) fn stats(&self) -> FlowStats {
        FlowStats { forgotten: S::forgotten(&self.memory), ..self.counts.stats() }
    }
}
