//! [`TopicCounts`]: how often each topic came, in bounded memory.

use std::collections::HashMap;

use sigtree::Topic;

/// So many topics are counted each for itself.
const MOST: usize = 10_000;

/// Events and bytes by topic. Topics that come when there are 10,000 already are counted together.
#[derive(Debug, Default)]
pub(crate) struct TopicCounts {
    counts: HashMap<Topic, Count>,
    /// Of topics that came too late.
    beyond: Count,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl TopicCounts {
    pub(crate) fn add(&mut self, topic: &Topic, bytes: usize) {
        let full = self.counts.len() >= MOST;
        let count = match self.counts.get_mut(topic) {
            Some(count) => count,
            None if full => &mut self.beyond,
            None => self.counts.entry(topic.clone()).or_default(),
        };
        count.add(Count { events: 1, bytes: bytes as u64 });
    }

    pub(crate) fn get(&self, topic: &Topic) -> Count {
        self.counts.get(topic).copied().unwrap_or_default()
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.counts.keys()
    }

    /// The most frequent topics, and all the others together.
    pub(crate) fn top(&self, most: usize) -> (Vec<(&Topic, Count)>, Count) {
        let mut counts: Vec<_> = self.counts.iter().map(|(topic, count)| (topic, *count)).collect();
        counts.sort_by(|(one, a), (other, b)| b.events.cmp(&a.events).then_with(|| one.cmp(other)));
        let rest = counts.split_off(most.min(counts.len()));
        let mut others = self.beyond;
        rest.iter().for_each(|(_, count)| others.add(*count));
        (counts, others)
    }

    /// How many topics there were; more than that if some came too late to be told apart.
    pub(crate) fn len(&self) -> (usize, bool) {
        (self.counts.len(), self.beyond.events > 0)
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_together() {
        let mut counts = TopicCounts::default();
        for n in 0..MOST + 5 {
            counts.add(&Topic::new(format!("t.{n}")).unwrap(), 10);
        }
        counts.add(&Topic::new("t.7").unwrap(), 1);
        let (top, others) = counts.top(1);
        assert_eq!((top[0].0.as_str(), top[0].1), ("t.7", Count { events: 2, bytes: 11 }));
        assert_eq!((others.events, counts.len()), (MOST as u64 + 4, (MOST, true)));
    }
}
