//! What is measured while the radar plays: events per topic, and how long each line took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sigtree::{Bus, ConnectionSet, Error, Event};

use crate::report::Latency;

/// How many events each of some topics had.
#[derive(Debug)]
pub struct Counts {
    rows: Vec<(&'static str, Arc<AtomicU64>)>,
    _connections: ConnectionSet,
}

impl Counts {
    /// Counts from now on.
    pub fn on(bus: &Bus, topics: &[&'static str]) -> Result<Self, Error> {
        let mut connections = ConnectionSet::new();
        let mut rows = Vec::new();
        for topic in topics {
            let count = Arc::new(AtomicU64::new(0));
            let counted = count.clone();
            connections.add(bus.connect(*topic, move |_: &Event<'_>| {
                counted.fetch_add(1, Ordering::Relaxed);
            })?);
            rows.push((*topic, count));
        }
        Ok(Counts { rows, _connections: connections })
    }

    /// The counts in the order of the topics.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rows.iter().map(|(topic, count)| (*topic, count.load(Ordering::Relaxed)))
    }

    /// All events together.
    pub fn total(&self) -> u64 {
        self.rows().map(|(_, count)| count).sum()
    }
}

/// How long each line took; of a very long run the last million lines.
#[derive(Debug, Default)]
pub struct Timings {
    samples: Vec<u64>,
    count: u64,
}

impl Timings {
    const MOST: usize = 1 << 20;

    pub fn add(&mut self, took: Duration) {
        let nanoseconds = took.as_nanos() as u64;
        if self.samples.len() < Self::MOST {
            self.samples.push(nanoseconds);
        } else {
            self.samples[self.count as usize % Self::MOST] = nanoseconds;
        }
        self.count += 1;
    }

    /// How many lines were handled.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// From parsing a line to the end of its delivery; `None` without lines.
    pub fn latency(mut self) -> Option<Latency> {
        Latency::of(&mut self.samples)
    }
}
