//! [`Sample`]: lets a part of the events pass.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{By, FlowStats, Key, Memory, ROOM, Sift, Sifter, keyed};
use crate::{Clock, Event, Middleware, Next, Topic};

/// Lets one event in `n` pass, or the first one in each span of time, and ends the others with the reason `not sampled`.
///
/// Reach for it to look at a stream without looking at all of it: for a log, a chart, a recording. What is left out is
/// not chosen by what it says, so put it around what can do without. To space events out, take a `Throttle`; to have the
/// newest rather than the first, [`Latest`](crate::Latest).
///
/// Each topic is sampled for itself unless told otherwise, and its first event passes. Spans of time follow one another
/// on the bus's clock from its start, so two events that pass may stand close on either side of a border. The bus's own
/// reports (`$sys.**`) always pass.
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which starts anew.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
/// use sigtree::middleware::Sample;
///
/// let bus = Bus::new();
/// let sample = Sample::one_in(3);
/// bus.layer(sample.clone());
/// let _tracks = bus.connect("radar.*", |_: &u32| {})?;
///
/// let passed: Vec<u32> = (0..7).filter(|n| bus.emit("radar.track", *n).called() == 1).collect();
/// assert_eq!(passed, [0, 3, 6]);
/// assert_eq!(sample.stats().dropped, 4);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Two hashes of the topic or key, and a short lock on one shard of a cache with room for [10,000 keys](Self::room); per
/// time, a look at the clock. When there are more keys, those that came first are forgotten, and counted: their next
/// event passes.
///
/// # Place
///
/// It counts what comes by. So it belongs behind a filter, or it chooses among events of which some are ended:
///
/// ```
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Filter, Sample};
///
/// let odd = || Filter::payload(|n: &u32| n % 2 == 1);
/// let bus = Bus::new();
/// let _numbers = bus.connect("n", |_: &u32| {})?;
/// let passed = || (0..8).filter(|n| bus.emit("n", *n).called() == 1).collect::<Vec<u32>>();
///
/// bus.set_stack(Stack::new().with(odd()).with(Sample::one_in(2)));
/// assert_eq!(passed(), [1, 5]);
///
/// // The wrong way round: every second one is even.
/// bus.set_stack(Stack::new().with(Sample::one_in(2)).with(odd()));
/// assert_eq!(passed(), [0; 0]);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Sample(Arc<Sifter<Settings>>);

#[derive(Clone)]
struct Settings {
    rate: Rate,
    by: By,
    room: usize,
}

#[derive(Debug, Clone, Copy)]
enum Rate {
    OneIn(u64),
    OnePer(Duration),
}

keyed!(Sample);

impl Sample {
    /// Lets the first of each `n` events pass; all of them if `n` is 0 or 1.
    #[must_use]
    pub fn one_in(n: u64) -> Self {
        Self(Sifter::new(Settings { rate: Rate::OneIn(n.max(1)), by: By::Topic, room: ROOM }))
    }

    /// Lets the first event in each span of this length pass.
    #[must_use]
    pub fn one_per(span: Duration) -> Self {
        Self(Sifter::new(Settings { rate: Rate::OnePer(span), by: By::Topic, room: ROOM }))
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

impl Middleware for Sample {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        self.0.sift(event, next);
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("sample {}, {}", self.0.settings.rate, self.0.settings.by).into()
    }
}

impl Sift for Settings {
    /// How many events came since one passed, or the span in which one passed.
    type Memory = Memory<u64>;

    const REASON: &'static str = "not sampled";

    fn by(&self) -> &By {
        &self.by
    }

    fn memory(&self) -> Self::Memory {
        Memory::of_latest(self.room)
    }

    fn takes(&self, last: &Self::Memory, key: Key, clock: &Arc<dyn Clock>) -> bool {
        match self.rate {
            Rate::OneIn(n) => last.change(key, |since| {
                let since = since.unwrap_or(0);
                (Some((since + 1) % n), since == 0)
            }),
            Rate::OnePer(span) => {
                let span = span_of(clock.elapsed(), span);
                last.change(key, |last| match last {
                    Some(last) if span <= last => (None, false),
                    _ => (Some(span), true),
                })
            }
        }
    }

    fn forgotten(last: &Self::Memory) -> u64 {
        last.forgotten()
    }
}

/// How many spans of this length went by; spans of no length last a nanosecond.
fn span_of(now: Duration, length: Duration) -> u64 {
    u64::try_from(now.as_nanos() / length.as_nanos().max(1)).unwrap_or(u64::MAX)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneIn(n) => write!(f, "one in {n}"),
            Self::OnePer(span) => write!(f, "one per {span:?}"),
        }
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("rate", &self.0.settings.rate)
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
    fn one_in_n_of_each_topic() {
        let rig = Rig::new();
        let sample = Sample::one_in(3);
        for n in 0..5_u32 {
            rig.emit(&sample, "a", n);
            rig.emit(&sample, "b", n);
            rig.emit(&sample, "$sys.dead", n);
        }
        let seen: Vec<_> = rig.seen().into_iter().filter(|line| !line.starts_with('$')).collect();
        assert_eq!(seen, ["a 0", "b 0", "a 3", "b 3"]);
        assert_eq!((sample.stats().passed, sample.stats().dropped, rig.seen().len()), (4, 6, 9));
    }

    #[test]
    fn one_in_none_or_one_is_all() {
        let rig = Rig::new();
        for n in [0, 1] {
            let sample = Sample::one_in(n);
            assert!((0..3_u32).all(|n| rig.emit(&sample, "a", n).reason.is_none()));
        }
    }

    #[test]
    fn the_first_in_each_span() {
        let rig = Rig::new();
        let sample = Sample::one_per(Duration::from_secs(10)).per_bus();
        for (n, pause) in [3_u64, 6, 1, 9, 25, 1].into_iter().enumerate() {
            rig.clock.advance(Duration::from_secs(pause));
            let second = u32::try_from(rig.clock.elapsed().as_secs()).unwrap();
            rig.emit(&sample, if n % 2 == 0 { "a" } else { "b" }, second);
        }
        assert_eq!(rig.seen(), ["a 3", "a 10", "a 44"]);
        let reason = rig.emit(&sample, "c", 45_u32).reason;
        assert_eq!(reason.as_deref(), Some("not sampled"));
    }

    #[test]
    fn by_payload_other_types_pass() {
        let rig = Rig::new();
        let sample = Sample::one_in(2).by_payload(|n: &u32| n % 2);
        for n in 0..4_u32 {
            rig.emit(&sample, "a", n);
        }
        rig.emit(&sample, "a", String::from("text"));
        assert_eq!(rig.seen(), ["a 0", "a 1", "a text"]);
    }

    #[test]
    fn a_forgotten_topic_starts_over() {
        let rig = Rig::new();
        let sample = Sample::one_in(1_000).room(2);
        for n in 0..10_u32 {
            rig.emit(&sample, &format!("topic.{n}"), n);
        }
        assert_eq!((sample.stats().forgotten, sample.stats().passed), (8, 10));
        rig.emit(&sample, "topic.5", 5_u32);
        assert_eq!(sample.stats().passed, 11);
    }

    #[test]
    fn says_its_rate() {
        assert_eq!(Sample::one_in(3).describe(), "sample one in 3, per topic");
        let per_key = Sample::one_per(Duration::from_secs(1)).by_key(|event| event.topic().len());
        assert_eq!(per_key.describe(), "sample one per 1s, by key");
    }
}
