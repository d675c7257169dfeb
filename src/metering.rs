//! Measuring a bus: what is counted and timed while it runs, and how that is switched on.
//!
//! The figures are taken by [`Bus::metrics`](crate::Bus::metrics).

mod lanes;
mod meter;
mod recent;
mod slow;
mod times;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use lanes::Lanes;
pub(crate) use meter::{CallRow, Counts, Meter, Stream, TopicRow};
pub(crate) use slow::Slow;
pub(crate) use times::Times;

use crate::builder::BusBuilder;
use crate::bus::Bus;

/// How a bus is measured, from [`Bus::measure`] or [`BusBuilder::metered`]; [`Bus::metrics`] shows what came of it.
///
/// Events are counted, each of them; calls are timed now and then. On each thread the first 64 events of a topic are timed, then
/// fewer and fewer, down to one in [1,024](Self::every), at random, so that nothing that comes in turns is always or never met. Of several handlers of an
/// event the first 64 times each is timed, then one of them by chance, and all together.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Clock, ManualClock, Metering};
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).metered(Metering::new()).build();
/// let _slow = bus.on("job.*").named("printer").connect(move |ms: &u64| clock.sleep(Duration::from_millis(*ms)))?;
/// for ms in [1_u64, 2, 80] {
///     bus.emit("job.print", ms);
/// }
///
/// let metrics = bus.metrics();
/// assert_eq!((metrics.total.emitted, metrics.total.delivered), (3, 3));
/// let slow = &metrics.buses[0].slow[0];
/// assert_eq!((slow.name.as_deref(), slow.calls, slow.worst), (Some("printer"), 1, Duration::from_millis(80)));
/// println!("{metrics}");
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Off, it costs nothing. On, an emit counts in a counter that its thread has to itself, so threads that emit do not wait for
/// each other; one in 1,024 reads the clock a few times and books
/// what it saw, which takes about a microsecond. Until then, for the first 65,000 events of a topic, looks are more frequent; there are
/// some 500 of them. Threads beyond twice as many as the
/// machine runs at once share a counter.
///
/// # Memory
///
/// It is bounded: of more than 256 [topics](Self::room), patterns or connections the further ones have no figures of their
/// own. With the feature `hdrhistogram` each that was timed takes 30 KB, and a connection 10 KB more: with all 256 of each 26 MB, on each
/// bus. A topic has besides, for each set of patterns that it met and a remembered route still has, 128 bytes for each of
/// twice as many threads as the machine runs at once, at least 8 and at most 64. Connections that are gone make room when
/// figures are [taken](Bus::metrics), patterns and topics when the bus is measured anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it measures nothing until a bus is given it"]
pub struct Metering {
    pub(crate) every: u64,
    pub(crate) room: usize,
    /// What the bus says, if it is not chosen here.
    pub(crate) slow: Option<Duration>,
    pub(crate) slowest: usize,
}

impl Metering {
    /// One event in 1,024, 256 topics, patterns and connections, and the 16 slowest of the handlers that take longer
    /// than the bus's [`slow_handler`](crate::BusConfig::slow_handler), 50 ms by default.
    pub const fn new() -> Self {
        Self { every: 1_024, room: 256, slow: None, slowest: 16 }
    }

    /// Times one event in `n` in the long run; with 1, all, and every handler.
    pub const fn every(mut self, n: u32) -> Self {
        self.every = if n == 0 { 1 } else { n as u64 };
        self
    }

    /// Tells at most so many topics apart, so many patterns and so many connections.
    pub const fn room(mut self, most: usize) -> Self {
        self.room = most;
        self
    }

    /// Calls a handler slow that takes longer.
    pub const fn slow(mut self, threshold: Duration) -> Self {
        self.slow = Some(threshold);
        self
    }

    /// Remembers at most so many slow handlers, the slowest.
    pub const fn slowest(mut self, most: usize) -> Self {
        self.slowest = most;
        self
    }
}

impl Default for Metering {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus {
    /// Measures this bus and the buses below it from now on, those that are still to be made included; figures start at nought.
    ///
    /// # Concurrency
    ///
    /// An emit that is running is not measured. Every topic's handlers are looked up anew with the next emit.
    pub fn measure(&self, metering: Metering) {
        self.set_meter(&|bus| Some(Arc::new(Meter::new(metering, bus.core().clock.clone(), &bus.config()))));
    }

    /// Measures this bus and those below no longer, and forgets the figures.
    pub fn stop_measuring(&self) {
        self.set_meter(&|_| None);
    }

    fn set_meter(&self, make: &dyn Fn(&Self) -> Option<Arc<Meter>>) {
        let meter = make(self);
        let old = self.core().change_settings(|settings| std::mem::replace(&mut settings.meter, meter));
        drop(old);
        // The settings may have changed between the two.
        if let Some(meter) = self.core().meter() {
            meter.take_over(&self.config());
        }
        self.children().iter().for_each(|child| child.set_meter(make));
    }
}

impl BusBuilder {
    /// Measures the bus from its first event on; [`Bus::measure`] does so later.
    pub fn metered(mut self, metering: Metering) -> Self {
        self.metering = Some(metering);
        self
    }
}

/// A time as counters have it; five hundred years are enough.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("metering", self.metering()).finish_non_exhaustive()
    }
}
