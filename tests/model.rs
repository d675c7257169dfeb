//! Random operations on a bus and its child, also from inside handlers, do what they do to a plain list.

mod support;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sigtree::{Bus, Connection, Event, Filter, History, Next, Stack, Topic, Transform, WeakBus};
use support::{Recorder, oracle, render};

const PATTERNS: &[&str] = &["a", "b", "a.b", "*", "**", "a.*", "*.b", "c.a", "c.*", "c.**", "**.b"];
const TOPICS: &[&str] = &["a", "b", "a.b", "c.a", "x"];

/// What a handler does besides writing its label. An event's payload says how deep it may still go.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Nothing,
    /// Emits on its own bus, with the payload less one.
    Emit(&'static str),
    /// Disconnects the connection made in this place, whichever bus it is on.
    Disconnect(usize),
    /// Connects a handler that answers with nothing to its own bus.
    Connect(&'static str),
}

#[derive(Debug, Clone, Copy)]
enum Layers {
    None,
    Note,
    DropA,
    Halve,
    RedirectB,
    History,
}

#[derive(Debug, Clone)]
enum Op {
    Connect { child: bool, pattern: &'static str, priority: i32, answer: Answer },
    Drop(usize),
    Mute(usize),
    Unmute,
    MuteBus { child: bool },
    Emit { child: bool, topic: &'static str, depth: u32 },
    Swap { child: bool, layers: Layers },
    RenewChild,
    Replay { child: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let answer = prop_oneof![
        6 => Just(Answer::Nothing),
        3 => select(TOPICS).prop_map(Answer::Emit),
        2 => (0..12_usize).prop_map(Answer::Disconnect),
        1 => select(PATTERNS).prop_map(Answer::Connect),
    ];
    let layers =
        select(&[Layers::None, Layers::Note, Layers::DropA, Layers::Halve, Layers::RedirectB, Layers::History][..]);
    let connect = (any::<bool>(), select(PATTERNS), select(&[0, 0, 0, 1, -1][..]), answer);
    prop_oneof![
        8 => connect
            .prop_map(|(child, pattern, priority, answer)| Op::Connect { child, pattern, priority, answer }),
        3 => any::<usize>().prop_map(Op::Drop),
        2 => any::<usize>().prop_map(Op::Mute),
        2 => Just(Op::Unmute),
        1 => any::<bool>().prop_map(|child| Op::MuteBus { child }),
        9 => (any::<bool>(), select(TOPICS), 0..3_u32)
            .prop_map(|(child, topic, depth)| Op::Emit { child, topic, depth }),
        3 => (any::<bool>(), layers).prop_map(|(child, layers)| Op::Swap { child, layers }),
        1 => Just(Op::RenewChild),
        1 => any::<bool>().prop_map(|child| Op::Replay { child }),
    ]
}

// The bus

type Connections = Arc<Mutex<BTreeMap<usize, Connection>>>;

/// What the mutes of both sides silence.
#[derive(Clone, Copy, PartialEq)]
enum Silence {
    Connection(usize),
    Bus(bool),
    /// The bus is gone, the guard still there.
    OfThePast,
}

struct Real {
    seen: Recorder,
    bus: Bus,
    child: Bus,
    history: History,
    connections: Connections,
    made: Arc<Mutex<usize>>,
    mutes: Vec<sigtree::Mute>,
}

impl Real {
    fn new() -> Self {
        let bus = Bus::builder().cached_topics(16).build();
        let child = bus.child("c").unwrap();
        let seen = Recorder::new();
        let history = History::builder().count(20).build();
        Self { seen, bus, child, history, connections: Connections::default(), made: Arc::default(), mutes: Vec::new() }
    }

    fn bus(&self, child: bool) -> &Bus {
        if child { &self.child } else { &self.bus }
    }

    fn handler(&self, bus: WeakBus, label: usize, answer: Answer) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let (seen, connections, made) = (self.seen.clone(), self.connections.clone(), self.made.clone());
        move |event: &Event<'_>| {
            seen.note(format_args!("{label}: {}", render(event)));
            let (bus, depth) = (bus.upgrade().unwrap(), *event.payload::<u32>().unwrap());
            match answer {
                Answer::Emit(topic) if depth > 0 => drop(bus.emit(topic, depth - 1)),
                Answer::Disconnect(label) => {
                    let connection = connections.lock().remove(&label);
                    drop(connection);
                }
                Answer::Connect(pattern) => {
                    let label = next(&made);
                    let connection = bus.connect(pattern, seen.labelled(label)).unwrap();
                    connections.lock().insert(label, connection);
                }
                Answer::Emit(_) | Answer::Nothing => {}
            }
        }
    }

    fn stack(&self, layers: Layers) -> Stack {
        let stack = Stack::new();
        match layers {
            Layers::None => stack,
            Layers::Note => stack.with(self.seen.layer("layer")),
            Layers::DropA => stack.with(Filter::new(|event: &Event<'_>| !event.topic().starts_with('a'))),
            Layers::Halve => stack.with(Transform::new(|n: &u32| n / 2)),
            Layers::History => stack.with(self.history.clone()),
            Layers::RedirectB => {
                let to = Topic::new("a.b").unwrap();
                stack.with(
                    move |event: &Event<'_>, next: Next<'_>| {
                        if event.topic() == "b" { next.redirect(event, &to) } else { next.run(event) }
                    },
                )
            }
        }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Connect { child, pattern, priority, answer } => {
                let label = next(&self.made);
                let bus = self.bus(*child);
                let handler = self.handler(bus.downgrade(), label, *answer);
                let connection = bus.on(*pattern).priority(*priority).connect(handler).unwrap();
                self.connections.lock().insert(label, connection);
            }
            Op::Drop(at) => {
                let label = nth(self.connections.lock().keys(), *at);
                let connection = label.and_then(|label| self.connections.lock().remove(&label));
                drop(connection);
            }
            Op::Mute(at) => {
                let connections = self.connections.lock();
                self.mutes.extend(nth(connections.keys(), *at).map(|label| connections[&label].mute()));
            }
            Op::Unmute => drop(self.mutes.pop()),
            Op::MuteBus { child } => {
                let mute = self.bus(*child).mute_all();
                self.mutes.push(mute);
            }
            Op::Emit { child, topic, depth } => drop(self.bus(*child).emit(topic, *depth)),
            Op::Swap { child, layers } => drop(self.bus(*child).set_stack(self.stack(*layers))),
            Op::RenewChild => {
                // The last handle of the old child goes first.
                self.child = self.bus.child("other").unwrap();
                self.child = self.bus.child("c").unwrap();
                self.connections.lock().retain(|_, connection| connection.is_connected());
            }
            Op::Replay { child } => drop(self.history.replay().run(self.bus(*child))),
        }
    }
}

fn next(made: &Mutex<usize>) -> usize {
    let mut made = made.lock();
    *made += 1;
    *made - 1
}

/// The element at `at`, counted around.
fn nth<'k>(mut labels: impl ExactSizeIterator<Item = &'k usize>, at: usize) -> Option<usize> {
    let length = labels.len();
    if length == 0 { None } else { labels.nth(at % length).copied() }
}

// The plain list

#[derive(Clone)]
struct Modelled {
    child: bool,
    pattern: &'static str,
    priority: i32,
    answer: Answer,
}

struct Model {
    seen: Vec<String>,
    connected: BTreeMap<usize, Modelled>,
    /// Patterns that have handlers, by creation.
    patterns: Vec<(bool, &'static str)>,
    layers: [Layers; 2],
    history: Vec<(String, u32)>,
    mutes: Vec<Silence>,
    made: usize,
}

impl Model {
    fn new() -> Self {
        Self {
            seen: Vec::new(),
            connected: BTreeMap::new(),
            patterns: Vec::new(),
            layers: [Layers::None; 2],
            history: Vec::new(),
            mutes: Vec::new(),
            made: 0,
        }
    }

    fn connect(&mut self, new: Modelled) {
        if !self.patterns.contains(&(new.child, new.pattern)) {
            self.patterns.push((new.child, new.pattern));
        }
        self.connected.insert(self.made, new);
        self.made += 1;
    }

    fn disconnect(&mut self, label: usize) {
        let Some(Modelled { child, pattern, .. }) = self.connected.remove(&label) else { return };
        if !self.connected.values().any(|other| (other.child, other.pattern) == (child, pattern)) {
            self.patterns.retain(|other| *other != (child, pattern));
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Connect { child, pattern, priority, answer } => {
                self.connect(Modelled { child, pattern, priority, answer });
            }
            Op::Drop(at) => nth(self.connected.keys(), at).into_iter().for_each(|label| self.disconnect(label)),
            Op::Mute(at) => self.mutes.extend(nth(self.connected.keys(), at).map(Silence::Connection)),
            Op::Unmute => drop(self.mutes.pop()),
            Op::MuteBus { child } => self.mutes.push(Silence::Bus(child)),
            Op::Emit { child, topic, depth } => self.emit(child, topic, depth, false),
            Op::Swap { child, layers } => self.layers[usize::from(child)] = layers,
            Op::RenewChild => {
                self.connected.retain(|_, other| !other.child);
                self.patterns.retain(|(child, _)| !child);
                self.layers[1] = Layers::None;
                self.mutes
                    .iter_mut()
                    .filter(|mute| **mute == Silence::Bus(true))
                    .for_each(|mute| *mute = Silence::OfThePast);
            }
            Op::Replay { child } => {
                for (topic, payload) in self.history.clone() {
                    self.emit(child, &topic, payload, true);
                }
            }
        }
    }

    fn emit(&mut self, child: bool, topic: &str, mut payload: u32, replayed: bool) {
        match self.layers[usize::from(child)] {
            Layers::None => {}
            Layers::Note => self.seen.push("layer".into()),
            Layers::DropA if topic.starts_with('a') => return,
            Layers::DropA => {}
            Layers::Halve => payload /= 2,
            Layers::RedirectB if topic == "b" => return self.call(child, "a.b", payload, replayed),
            Layers::RedirectB => {}
            Layers::History if replayed => {}
            Layers::History => {
                self.history.push((topic.to_owned(), payload));
                if self.history.len() > 20 {
                    self.history.remove(0);
                }
            }
        }
        self.call(child, topic, payload, replayed);
        if child {
            self.emit(false, &format!("c.{topic}"), payload, replayed);
        }
    }

    /// Calls those who are connected now, unless they are gone or muted by the time.
    fn call(&mut self, child: bool, topic: &str, payload: u32, replayed: bool) {
        if self.mutes.contains(&Silence::Bus(child)) {
            return;
        }
        let mark = if replayed { "*" } else { "" };
        for label in self.matching(child, topic) {
            let Some(Modelled { answer, .. }) = self.connected.get(&label).cloned() else { continue };
            if self.mutes.contains(&Silence::Connection(label)) {
                continue;
            }
            self.seen.push(format!("{label}: {topic} {payload}{mark}"));
            match answer {
                Answer::Emit(topic) if payload > 0 => self.emit(child, topic, payload - 1, false),
                Answer::Disconnect(label) => self.disconnect(label),
                Answer::Connect(pattern) => {
                    self.connect(Modelled { child, pattern, priority: 0, answer: Answer::Nothing });
                }
                Answer::Emit(_) | Answer::Nothing => {}
            }
        }
    }

    fn matching(&self, child: bool, topic: &str) -> Vec<usize> {
        let fits = |other: &Modelled| other.child == child && oracle::matches(other.pattern, topic);
        let mut met: Vec<_> = self.connected.iter().filter(|(_, other)| fits(other)).collect();
        met.sort_by_key(|(label, other)| {
            let created = self.patterns.iter().position(|pattern| *pattern == (child, other.pattern));
            (Reverse(other.priority), other.pattern.contains('*'), created, **label)
        });
        met.into_iter().map(|(label, _)| *label).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_bus_does_what_a_plain_list_does(ops in vec(op(), 1..60)) {
        let (mut real, mut model) = (Real::new(), Model::new());
        for op in &ops {
            // Events that answer each other can be many; what comes after them is left out.
            if model.seen.len() > 2_000 || model.made > 200 {
                break;
            }
            model.run(op);
            real.run(op);
            prop_assert_eq!(&real.seen.take(), &std::mem::take(&mut model.seen), "{:?}", op);
        }
        prop_assert_eq!(real.bus.connections() + real.child.connections(), model.connected.len());
        prop_assert_eq!(real.bus.failures() + real.bus.refusals() + real.child.refusals(), 0);
    }
}
