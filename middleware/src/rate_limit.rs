//! [`RateLimit`]: lets so many events pass in a time.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{By, FlowStats, Gcra, Key, ROOM, Sift, Sifter, keyed};
use crate::{Clock, Event, Middleware, Next, Topic};

/// Lets `n` events pass in a time, and ends those beyond with the reason `rate limited`.
///
/// Reach for it to protect what is behind it from a stream that is too fast. Each topic has a limit of its own unless
/// told otherwise: [`per_bus`](Self::per_bus), [`by_key`](Self::by_key), [`by_payload`](Self::by_payload). The bus's own
/// reports (`$sys.**`) always pass. To hold the newest event back rather than end it, take [`Latest`](crate::Latest).
///
/// It follows the generic cell rate algorithm, by the crate `governor` on the bus's clock: one event each `time / n`,
/// and after a pause up to `n` at once, or as many as [`burst`](Self::burst) says. So over long it is `n` in a time; in
/// the first time after a pause it may be nearly `n` and a burst. What an event that was ended would have used is not used.
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which starts anew.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, ManualClock};
/// use sigtree::middleware::RateLimit;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let limit = RateLimit::new(2, Duration::from_secs(1)).by_key(|event| event.source().cloned());
/// bus.layer(limit.clone());
/// let _orders = bus.connect("orders.*", |_: &u32| {})?;
/// let emit = |who: &str| bus.event("orders.new").source(who).emit(1_u32).called();
///
/// assert_eq!([emit("anna"), emit("anna"), emit("anna"), emit("bert")], [1, 1, 0, 1]);
/// assert_eq!(limit.stats().dropped, 1);
///
/// clock.advance(Duration::from_millis(500));
/// assert_eq!([emit("anna"), emit("anna")], [1, 0]);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Two hashes of the topic or key, a look at the clock, and a short lock on one shard of a cache with room for
/// [10,000 keys](Self::room). When there are more, keys that are seen rarely are forgotten, and counted: they may burst
/// again. Half of the room is for those seen often, so a flood of new keys does not free a busy one of its limit.
///
/// # Place
///
/// Whatever comes by uses up the limit. So it belongs behind what ends events anyway:
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Filter, RateLimit};
///
/// let loud = || Filter::payload(|decibel: &u32| *decibel > 60);
/// let limit = || RateLimit::new(1, Duration::from_secs(3600));
/// let bus = Bus::new();
/// let _alarm = bus.connect("noise", |_: &u32| {})?;
/// let alarms = || [20_u32, 90].map(|decibel| bus.emit("noise", decibel).called());
///
/// bus.set_stack(Stack::new().with(loud()).with(limit()));
/// assert_eq!(alarms(), [0, 1]);
///
/// // The wrong way round: what is not heard uses up the limit.
/// bus.set_stack(Stack::new().with(limit()).with(loud()));
/// assert_eq!(alarms(), [0, 0]);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct RateLimit(Arc<Sifter<Settings>>);

#[derive(Clone)]
struct Settings {
    n: NonZeroU32,
    time: Duration,
    burst: NonZeroU32,
    by: By,
    room: usize,
}

keyed!(RateLimit);

impl RateLimit {
    /// Lets `n` events pass in this time.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    #[must_use]
    pub fn new(n: u32, time: Duration) -> Self {
        let n = NonZeroU32::new(n).expect("a rate limit lets at least one event pass");
        Self(Sifter::new(Settings { n, time, burst: n, by: By::Topic, room: ROOM }))
    }

    /// Lets so many pass at once after a pause; at least one, and `n` unless told otherwise.
    #[must_use]
    pub fn burst(self, most: u32) -> Self {
        self.set(|settings| settings.burst = NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN))
    }

    /// Remembers about so many topics or keys at most; at least one, and 10,000 unless told otherwise.
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

impl Middleware for RateLimit {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        self.0.sift(event, next);
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn describe(&self) -> Cow<'static, str> {
        let Settings { n, time, burst, by, .. } = &self.0.settings;
        format!("rate limit of {n} in {time:?}, at most {burst} at once, {by}").into()
    }
}

impl Sift for Settings {
    type Memory = Gcra;

    const REASON: &'static str = "rate limited";

    fn by(&self) -> &By {
        &self.by
    }

    fn memory(&self) -> Self::Memory {
        Gcra::new(self.time / self.n.get(), self.burst, self.room)
    }

    fn takes(&self, gcra: &Self::Memory, key: Key, clock: &Arc<dyn Clock>) -> bool {
        gcra.allows(key, clock)
    }

    fn forgotten(gcra: &Self::Memory) -> u64 {
        gcra.forgotten()
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { n, time, burst, by, .. } = &self.0.settings;
        f.debug_struct("RateLimit")
            .field("n", n)
            .field("time", time)
            .field("burst", burst)
            .field("by", by)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many of `n` events pass now.
    fn passed(rig: &Rig, limit: &RateLimit, n: u32) -> usize {
        (0..n).filter(|n| rig.emit(limit, "a", *n).reason.is_none()).count()
    }

    #[test]
    fn n_at_once_then_one_each_part_to_the_nanosecond() {
        let rig = Rig::new();
        let limit = RateLimit::new(4, SECOND);
        assert_eq!(passed(&rig, &limit, 9), 4);
        rig.clock.advance(SECOND / 4 - Duration::from_nanos(1));
        assert_eq!(passed(&rig, &limit, 9), 0);
        rig.clock.advance(Duration::from_nanos(1));
        assert_eq!(passed(&rig, &limit, 9), 1);
        rig.clock.advance(SECOND / 2);
        assert_eq!(passed(&rig, &limit, 9), 2);
        rig.clock.advance(SECOND * 60);
        assert_eq!(passed(&rig, &limit, 9), 4, "what is not used is not saved up");
        assert_eq!((limit.stats().passed, limit.stats().dropped), (11, 34));
    }

    #[test]
    fn over_long_it_is_the_rate() {
        let rig = Rig::new();
        let limit = RateLimit::new(3, SECOND).burst(1);
        let mut all = 0;
        for _ in 0..10_000 {
            rig.clock.advance(Duration::from_millis(10));
            all += passed(&rig, &limit, 1);
        }
        // Steps of 10 ms meet each third of a second up to 7 ms late.
        assert!((290..=300).contains(&all), "{all}");
    }

    #[test]
    fn each_topic_has_its_own_unless_told_otherwise() {
        let emit = |limit: RateLimit| {
            let rig = Rig::new();
            for n in 0..4_u32 {
                rig.emit(&limit, if n % 2 == 0 { "a" } else { "b" }, n);
                rig.emit(&limit, "$sys.dead", n);
            }
            rig.seen().into_iter().filter(|line| !line.starts_with('$')).collect::<Vec<_>>()
        };
        let one = || RateLimit::new(1, SECOND);
        assert_eq!(emit(one()), ["a 0", "b 1"]);
        assert_eq!(emit(one().per_bus()), ["a 0"]);
        assert_eq!(emit(one().per_bus().per_topic()), ["a 0", "b 1"]);
        assert_eq!(emit(one().by_payload(|n: &u32| n / 3)), ["a 0", "b 3"]);
        assert_eq!(emit(one().by_key(|event| event.topic().len())), ["a 0"]);
    }

    #[test]
    fn gives_its_reason() {
        let rig = Rig::new();
        let limit = RateLimit::new(1, SECOND).burst(0);
        assert_eq!(passed(&rig, &limit, 2), 1);
        assert_eq!(rig.emit(&limit, "a", 1_u32).reason.as_deref(), Some("rate limited"));
        assert_eq!(limit.describe(), "rate limit of 1 in 1s, at most 1 at once, per topic");
    }

    #[test]
    fn a_flood_of_keys_is_counted() {
        let rig = Rig::new();
        let limit = RateLimit::new(1, SECOND).by_payload(|n: &u32| *n).room(32);
        assert_eq!(passed(&rig, &limit, 1_000), 1_000);
        assert_eq!(limit.stats().forgotten, 968);
    }

    #[test]
    fn what_is_absurd_neither_panics_nor_stops_the_time() {
        for (n, time) in [(1, Duration::MAX), (u32::MAX, Duration::ZERO), (u32::MAX, Duration::MAX)] {
            let rig = Rig::new();
            let limit = RateLimit::new(n, time).burst(u32::MAX);
            assert!(passed(&rig, &limit, 3) >= 1);
            rig.clock.advance(Duration::from_secs(u64::MAX / 2));
            assert!(passed(&rig, &limit, 3) >= 1);
        }
    }

    #[test]
    fn between_threads_the_limit_is_the_limit() {
        let limit = RateLimit::new(500, SECOND);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| passed(&Rig::new(), &limit, 1_000));
            }
        });
        assert_eq!((limit.stats().passed, limit.stats().dropped), (500, 3_500));
    }
}
