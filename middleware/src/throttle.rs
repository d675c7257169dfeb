//! [`Throttle`]: keeps events apart.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{By, FlowStats, Gcra, Key, ROOM, Sift, Sifter, keyed};
use crate::{Clock, Event, Middleware, Next, Topic};

/// Lets an event pass if the one before it passed at least an interval ago, and ends the others with the reason
/// `throttled`.
///
/// Reach for it where the first event says enough: a repeated alarm, a button pressed twice. What comes in between is
/// lost, also if it is the last there is; to have the newest after the interval, take [`Latest`](crate::Latest).
///
/// Each topic is throttled for itself unless told otherwise. Time is the bus's clock; the interval begins with the event
/// that passed and is not prolonged by those that do not. The bus's own reports (`$sys.**`) always pass.
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which starts anew.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, ManualClock};
/// use sigtree::middleware::Throttle;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// bus.layer(Throttle::new(Duration::from_secs(1)));
/// let _bell = bus.connect("door.bell", |_: &()| {})?;
///
/// assert_eq!(bus.emit("door.bell", ()).called(), 1);
/// assert_eq!(bus.emit("door.bell", ()).filtered(), Some("throttled"));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(bus.emit("door.bell", ()).called(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// That of a [`RateLimit`](crate::RateLimit), which it is, of one event in an interval.
///
/// # Place
///
/// Whatever comes by begins an interval. So it belongs behind what ends events anyway:
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Filter, Throttle};
///
/// let loud = || Filter::payload(|decibel: &u32| *decibel > 60);
/// let throttle = || Throttle::new(Duration::from_secs(3600));
/// let bus = Bus::new();
/// let _alarm = bus.connect("noise", |_: &u32| {})?;
/// let alarms = || [20_u32, 90].map(|decibel| bus.emit("noise", decibel).called());
///
/// bus.set_stack(Stack::new().with(loud()).with(throttle()));
/// assert_eq!(alarms(), [0, 1]);
///
/// // The wrong way round: what is not heard silences the alarm.
/// bus.set_stack(Stack::new().with(throttle()).with(loud()));
/// assert_eq!(alarms(), [0, 0]);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Throttle(Arc<Sifter<Settings>>);

#[derive(Clone)]
struct Settings {
    interval: Duration,
    by: By,
    room: usize,
}

keyed!(Throttle);

impl Throttle {
    /// Keeps events at least this far apart.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self(Sifter::new(Settings { interval, by: By::Topic, room: ROOM }))
    }

    /// Remembers about so many topics or keys at most; at least one, and 10,000 unless told otherwise.
    ///
    /// When there are more, those seen rarely are forgotten, and counted: their next event passes.
    #[must_use]
    pub fn room(self, most: usize) -> Self {
        self.set(|settings| settings.room = most)
    }

    /// What became of the events that came by.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        self.0.stats()
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self(self.0.with(change))
    }
}

impl Middleware for Throttle {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        self.0.sift(event, next);
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("throttle to one in {:?}, {}", self.0.settings.interval, self.0.settings.by).into()
    }
}

impl Sift for Settings {
    type Memory = Gcra;

    const REASON: &'static str = "throttled";

    fn by(&self) -> &By {
        &self.by
    }

    fn memory(&self) -> Self::Memory {
        Gcra::new(self.interval, NonZeroU32::MIN, self.room)
    }

    fn takes(&self, gcra: &Self::Memory, key: Key, clock: &Arc<dyn Clock>) -> bool {
        gcra.allows(key, clock)
    }

    fn forgotten(gcra: &Self::Memory) -> u64 {
        gcra.forgotten()
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("interval", &self.0.settings.interval)
            .field("by", &self.0.settings.by)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    #[test]
    fn the_interval_runs_from_the_event_that_passed() {
        let rig = Rig::new();
        let throttle = Throttle::new(Duration::from_secs(10));
        for (n, pause) in [5, 9, 1, 4, 5, 1, 30].into_iter().enumerate() {
            rig.clock.advance(Duration::from_secs(pause));
            rig.emit(&throttle, "a", u32::try_from(n).unwrap());
        }
        assert_eq!(rig.seen(), ["a 0", "a 2", "a 5", "a 6"]);
        assert_eq!((throttle.stats().passed, throttle.stats().dropped), (4, 3));
        assert_eq!(rig.emit(&throttle, "a", 7_u32).reason.as_deref(), Some("throttled"));
    }

    #[test]
    fn each_topic_has_its_own_unless_told_otherwise() {
        let rig = Rig::new();
        let (topics, bus) = (Throttle::new(Duration::from_secs(10)), Throttle::new(Duration::from_secs(10)).per_bus());
        for topic in ["a", "b", "$sys.dead", "$sys.dead"] {
            rig.emit(&topics, topic, 1_u32);
            rig.emit(&bus, topic, 2_u32);
        }
        let reports: Vec<_> = rig.seen().into_iter().filter(|line| line.starts_with('$')).collect();
        assert_eq!(rig.seen()[..3], ["a 1", "a 2", "b 1"]);
        assert_eq!(reports.len(), 4);
    }

    #[test]
    fn says_its_interval() {
        assert_eq!(Throttle::new(Duration::from_secs(2)).describe(), "throttle to one in 2s, per topic");
    }
}
