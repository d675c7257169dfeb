//! Whatever patterns come and go, an emit calls exactly those that match, by name and by handle, cached or not.

mod support;

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sigtree::{Bus, Connection, Signal};
use support::{Recorder, oracle};

/// A pattern as text, and what it matches.
#[derive(Debug, Clone)]
enum Spec {
    Segments(String),
    Expression(&'static str),
    List(Vec<Spec>),
}

impl Spec {
    fn text(&self) -> String {
        match self {
            Self::Segments(text) => text.clone(),
            Self::Expression(expression) => format!("/{expression}/"),
            Self::List(members) => members.iter().map(Self::text).collect::<Vec<_>>().join(" | "),
        }
    }

    fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Segments(text) => oracle::matches(text, topic),
            Self::Expression(expression) => regex::Regex::new(&format!("^(?:{expression})$")).unwrap().is_match(topic),
            Self::List(members) => members.iter().any(|member| member.matches(topic)),
        }
    }
}

fn segments(of: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    vec(select(of), 1..=most).prop_map(|segments| segments.join("."))
}

const EXPRESSIONS: &[&str] =
    &["a", r"a\..*", ".*b", r"[ab](\.c)?", r"(a|b)\.(a|b)", r".*\.c\..*", "x?a", r"b\.[^.]*", ".*", r"a\.b\.c(\.a)?"];

fn simple() -> impl Strategy<Value = Spec> {
    prop_oneof![
        2 => segments(&["a", "b", "c"], 4).prop_map(Spec::Segments),
        5 => segments(&["a", "b", "c", "*", "**", "*", "**"], 5).prop_map(Spec::Segments),
        2 => select(EXPRESSIONS).prop_map(Spec::Expression),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    prop_oneof![4 => simple(), 1 => vec(simple(), 2..4).prop_map(Spec::List)]
}

#[derive(Debug, Clone)]
enum Step {
    Connect(Spec, i32),
    Disconnect(usize),
    Emit(String),
    /// Takes a signal on the topic if there is none, and emits there.
    EmitByHandle(String),
    DropSignal(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let topic = || segments(&["a", "b", "c"], 4);
    prop_oneof![
        4 => (spec(), select(&[0, 0, 0, 1, -1][..])).prop_map(|(spec, priority)| Step::Connect(spec, priority)),
        3 => any::<usize>().prop_map(Step::Disconnect),
        6 => topic().prop_map(Step::Emit),
        4 => topic().prop_map(Step::EmitByHandle),
        1 => any::<usize>().prop_map(Step::DropSignal),
    ]
}

/// A bus beside a plain list of what is connected to it.
struct Pair {
    bus: Bus,
    seen: Recorder,
    connected: Vec<(usize, Spec, Connection)>,
    signals: HashMap<String, Signal<u32>>,
    made: usize,
}

impl Pair {
    fn new() -> Self {
        let bus = Bus::builder().cached_topics(16).build();
        Self { bus, seen: Recorder::new(), connected: Vec::new(), signals: HashMap::new(), made: 0 }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Connect(spec, priority) => {
                self.made += 1;
                let on = self.bus.on(spec.text()).priority(priority);
                let connection = on.connect(self.seen.label(self.made)).unwrap();
                self.connected.push((self.made, spec, connection));
            }
            Step::Disconnect(_) if self.connected.is_empty() => {}
            Step::Disconnect(at) => drop(self.connected.swap_remove(at % self.connected.len())),
            Step::Emit(topic) => {
                let delivery = self.bus.emit(&topic, 1_u32);
                self.compare(&topic, delivery.called());
            }
            Step::EmitByHandle(topic) => {
                let signal = self.signals.entry(topic.clone()).or_insert_with(|| self.bus.signal(&topic).unwrap());
                let called = signal.emit(1).called();
                self.compare(&topic, called);
            }
            Step::DropSignal(at) => {
                let topic = self.signals.keys().nth(at % self.signals.len().max(1)).cloned();
                topic.map(|topic| self.signals.remove(&topic));
            }
        }
        assert_eq!(self.bus.connections(), self.connected.len());
    }

    fn compare(&self, topic: &str, called: usize) {
        let mut seen: Vec<usize> = self.seen.take().iter().map(|label| label.parse().unwrap()).collect();
        seen.sort_unstable();
        let matching = self.connected.iter().filter(|(_, spec, _)| spec.matches(topic));
        let mut expected: Vec<usize> = matching.map(|(label, ..)| *label).collect();
        expected.sort_unstable();
        assert_eq!((seen, called), (expected.clone(), expected.len()), "`{topic}`");
    }
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn random_patterns_come_and_go(steps in vec(step(), 1..80)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
        }
    }
}

/// Steps among patterns that nearly all match the one topic that is emitted.
fn crowded_step() -> impl Strategy<Value = Step> {
    let wildcard = segments(&["a", "*", "**", "*", "**"], 5).prop_map(Spec::Segments);
    // The second member makes each of these a pattern of its own.
    let list = (wildcard, 0..50_usize).prop_map(|(spec, n)| Spec::List(vec![spec, Spec::Segments(format!("x{n}"))]));
    let topic = || select(&["a.a.a", "a.a", "a.a.a.a"][..]).prop_map(str::to_owned);
    prop_oneof![
        5 => (list, select(&[0, 0, 0, 0, 2, -3][..])).prop_map(|(spec, priority)| Step::Connect(spec, priority)),
        4 => any::<usize>().prop_map(Step::Disconnect),
        3 => topic().prop_map(Step::Emit),
        3 => topic().prop_map(Step::EmitByHandle),
    ]
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn more_than_64_patterns_match_one_topic(steps in vec(crowded_step(), 1..80)) {
        let mut pair = Pair::new();
        for n in 0..90 {
            let pattern = Spec::List(vec![Spec::Segments("**".into()), Spec::Segments(format!("y{n}"))]);
            pair.take(Step::Connect(pattern, 0));
        }
        pair.take(Step::EmitByHandle("a.a.a".into()));
        pair.take(Step::Emit("a.a.a".into()));
        for step in steps {
            pair.take(step);
        }
    }
}

#[test]
fn many_patterns_side_by_side() {
    let bus = Bus::new();
    let connect = |pattern: String| bus.connect(pattern, |_: &u32| {}).unwrap();
    let mut connections: Vec<_> = (0..500).map(|n| connect(format!("t{n}.*"))).collect();
    connections.extend((0..500).map(|n| connect(format!("*.u{n}"))));
    connections.extend((0..500).map(|n| connect(format!("t{n}.u{n}"))));
    connections.extend((0..100).map(|n| connect(format!("/t{n}\\..*/"))));
    for _ in 0..3 {
        assert_eq!(bus.emit("t7.u7", 1_u32).called(), 4);
        assert_eq!(bus.emit("t7.u8", 1_u32).called(), 3);
        assert_eq!(bus.emit("t400.x", 1_u32).called(), 1);
        assert_eq!(bus.emit("x.u400", 1_u32).called(), 1);
        assert_eq!(bus.emit("x.x", 1_u32).called(), 0);
    }
    connections.truncate(1_000);
    assert_eq!(bus.emit("t7.u7", 1_u32).called(), 2);
    connections.clear();
    assert_eq!((bus.emit("t7.u7", 1_u32).called(), bus.connections()), (0, 0));
}
