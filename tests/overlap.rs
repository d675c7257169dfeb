//! However patterns overlap on the levels of a tree, an event calls exactly the connections it should, once each, in order.

mod support;

use std::cmp::Reverse;

use parking_lot::Mutex;
use proptest::collection::vec;
use proptest::prelude::*;
use sigtree::{Bus, Connection, Mute, Pattern, Signal};
use support::{Recorder, oracle};

/// Patterns in their one spelling, so that equal texts are equal patterns.
const PATTERNS: &[&str] = &[
    "a",
    "b",
    "a.b",
    "*",
    "**",
    "a.*",
    "*.b",
    "a.**",
    "**.b",
    "*.*",
    "l.a",
    "l.*",
    "l.**",
    "*.a",
    "m.l.a",
    "m.**",
    "m.*.a",
    "m.l.**",
    "**.l.**",
    "m.l.a.b",
    "**.a.b",
    "*.**.b",
    "**.a | zz",
    "*.l.* | zz",
];

const TOPICS: &[&str] = &["a", "b", "a.b", "l.a", "l.b", "l.a.b", "m.l.a", "m.a", "b.a"];

/// The buses: a leaf, the middle, the root, and what each is called by its parent.
const NAMES: [&str; 3] = ["l", "m", ""];

#[derive(Debug, Clone, Copy)]
enum Op {
    Connect { level: usize, pattern: &'static str, priority: i32 },
    Disconnect(usize),
    Mute(usize),
    Unmute,
    Emit { level: usize, topic: &'static str },
    EmitByHandle { level: usize, topic: &'static str },
}

/// One operation; a tuple, because a choice among strategies takes longer to make than the operation to run.
fn op() -> impl Strategy<Value = Op> {
    (0..17_u32, 0..3_usize, 0..100_000_usize).prop_map(|(kind, level, at)| {
        let (pattern, topic) = (PATTERNS[at % PATTERNS.len()], TOPICS[at % TOPICS.len()]);
        match kind {
            0..5 => Op::Connect { level, pattern, priority: [0, 0, 0, 5, -5][at / 1_000 % 5] },
            5..8 => Op::Disconnect(at),
            8 => Op::Mute(at),
            9 => Op::Unmute,
            10..14 => Op::Emit { level, topic },
            _ => Op::EmitByHandle { level, topic },
        }
    })
}

/// A connection as the model knows it; its age is its place in the list.
struct Modelled {
    label: usize,
    level: usize,
    pattern: &'static str,
    priority: i32,
    mutes: u32,
    connection: Connection,
}

struct Pair {
    seen: Recorder,
    buses: [Bus; 3],
    signals: Vec<(usize, &'static str, Signal<u32>)>,
    connected: Vec<Modelled>,
    mutes: Vec<(usize, Mute)>,
    /// Patterns with handlers, per level, by creation.
    patterns: [Vec<&'static str>; 3],
    made: usize,
}

impl Pair {
    fn new() -> Self {
        let root = Bus::builder().cached_topics(16).build();
        let small = || Bus::builder().cached_topics(16);
        let middle = root.child_builder("m").settings(small()).build().unwrap();
        let leaf = middle.child_builder("l").settings(small()).build().unwrap();
        Self {
            seen: Recorder::new(),
            buses: [leaf, middle, root],
            signals: Vec::new(),
            connected: Vec::new(),
            mutes: Vec::new(),
            patterns: Default::default(),
            made: 0,
        }
    }

    /// Forgets all connections; the buses, the signals and their routes stay, so that the next run meets them used.
    fn clear(&mut self) {
        self.mutes.clear();
        self.connected.clear();
        self.patterns = Default::default();
    }

    fn take(&mut self, op: Op) {
        match op {
            Op::Connect { level, pattern, priority } => {
                self.made += 1;
                let handler = self.seen.labelled(self.made);
                let connection = self.buses[level].on(pattern).priority(priority).connect(handler).unwrap();
                if !self.patterns[level].contains(&pattern) {
                    self.patterns[level].push(pattern);
                }
                self.connected.push(Modelled { label: self.made, level, pattern, priority, mutes: 0, connection });
            }
            Op::Disconnect(at) if !self.connected.is_empty() => {
                let Modelled { level, pattern, .. } = self.connected.remove(at % self.connected.len());
                if !self.connected.iter().any(|other| other.level == level && other.pattern == pattern) {
                    self.patterns[level].retain(|other| *other != pattern);
                }
            }
            Op::Mute(at) if !self.connected.is_empty() => {
                let at = at % self.connected.len();
                let muted = &mut self.connected[at];
                muted.mutes += 1;
                self.mutes.push((muted.label, muted.connection.mute()));
            }
            Op::Unmute => {
                let Some((label, _)) = self.mutes.pop() else { return };
                self.connected.iter_mut().filter(|other| other.label == label).for_each(|muted| muted.mutes -= 1);
            }
            Op::Emit { level, topic } => {
                let delivery = self.buses[level].emit(topic, 7_u32);
                self.compare(level, topic, delivery.called(), delivery.muted());
            }
            Op::EmitByHandle { level, topic } => {
                if !self.signals.iter().any(|(at, name, _)| (*at, *name) == (level, topic)) {
                    self.signals.push((level, topic, self.buses[level].signal(topic).unwrap()));
                }
                let (.., signal) = self.signals.iter().find(|(at, name, _)| (*at, *name) == (level, topic)).unwrap();
                let delivery = signal.emit(7);
                self.compare(level, topic, delivery.called(), delivery.muted());
            }
            Op::Disconnect(_) | Op::Mute(_) => {}
        }
    }

    fn compare(&self, from: usize, topic: &str, called: usize, muted: usize) {
        let mut topic = topic.to_owned();
        let (mut expected, mut silent) = (Vec::new(), 0);
        for (level, name) in NAMES.iter().enumerate().skip(from) {
            let fits = |pattern: &str| pattern.split(" | ").any(|member| oracle::matches(member, &topic));
            let mut met: Vec<_> =
                self.connected.iter().filter(|other| other.level == level && fits(other.pattern)).collect();
            // Age is the place in the list, and the sort is stable.
            met.sort_by_key(|other| {
                let created = self.patterns[level].iter().position(|pattern| *pattern == other.pattern);
                (Reverse(other.priority), other.pattern.contains(['*', '|']), created)
            });
            silent += met.iter().filter(|other| other.mutes > 0).count();
            let loud = met.iter().filter(|other| other.mutes == 0);
            expected.extend(loud.map(|other| format!("{}: {topic} 7", other.label)));
            topic = format!("{name}.{topic}");
        }
        assert_eq!((called, muted), (expected.len(), silent));
        assert_eq!(self.seen.take(), expected);
    }
}

#[test]
fn the_patterns_are_in_their_one_spelling() {
    for pattern in PATTERNS {
        assert_eq!(Pattern::new(pattern).unwrap().as_str(), *pattern);
    }
}

#[test]
fn deliveries_are_those_of_the_model() {
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() };
    let pair = Mutex::new(Pair::new());
    proptest!(config, |(ops in vec(op(), 50))| {
        let mut pair = pair.lock();
        pair.clear();
        for op in ops {
            pair.take(op);
        }
    });
}
