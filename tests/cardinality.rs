//! Memory stays bounded whatever names are emitted: a million topics, with ten thousand patterns there.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;

use crowd::count;
use sigtree::{Bus, Connection};

const PATTERNS: u64 = 10_000;
/// What a million topics may take, and what another million may take then.
const BOUND: u64 = 64 << 20;
const AGAIN: u64 = 4 << 20;

/// The memory of this process that is in use, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Something that takes events by name.
trait Named: Sync {
    fn emit(&self, topic: &str);
}

/// By how many bytes the process grows while two threads emit, each on topics of its own, each topic twice in a row: the
/// second time shows the bus that a topic is worth remembering.
fn growth(named: &impl Named, first: u64, topics: u64) -> u64 {
    let before = resident();
    let emit = |from: u64| {
        for n in from..from + topics / 2 {
            let topic = format!("id.{}.{n}", n % PATTERNS);
            named.emit(&topic);
            named.emit(&topic);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| emit(first));
        scope.spawn(|| emit(first + topics / 2));
    });
    resident().saturating_sub(before)
}

impl Named for Bus {
    fn emit(&self, topic: &str) {
        Bus::emit(self, topic, 1_u64);
    }
}

/// One test, since others would share the memory that is measured.
#[test]
fn names_do_not_pile_up() {
    let bus = Bus::new();
    let calls = Arc::new(AtomicU64::new(0));
    let connect = |n| {
        let calls = calls.clone();
        bus.connect(format!("id.{n}.*"), move |_: &u64| {
            calls.fetch_add(1, Relaxed);
        })
    };
    let patterns: Vec<Connection> = (0..PATTERNS).map(|n| connect(n).unwrap()).collect();
    // What is made with the first emits is not growth.
    bus.emit("id.warm.up", 1_u64);

    let topics = count(1_000_000);
    let grown = growth(&bus, 0, topics);
    assert_eq!(calls.load(Relaxed), 2 * topics);
    assert!(grown < BOUND, "{topics} topics took {} MiB", grown >> 20);

    // What was taken for the first ones is enough for all that follow.
    let grown = growth(&bus, topics, topics);
    assert!(grown < AGAIN, "{topics} topics more took {} KiB more", grown >> 10);

    // Names that nobody listens to, and names that are refused.
    let grown = growth(&Elsewhere(bus.clone()), 0, topics);
    assert!(grown < AGAIN, "{topics} topics without handlers took {} KiB", grown >> 10);
    drop(patterns);

    let _stays = bus.connect("**", |_: &u64| {}).unwrap();
    growth(&Churn(bus.clone()), 0, topics / 10);
    let grown = growth(&Churn(bus.clone()), topics, topics);
    assert!(grown < AGAIN, "{topics} signals that came and went took {} KiB", grown >> 10);

    let grown = growth(&Remembering::default(), 0, count(1_000_000));
    assert!(grown > count(BOUND), "the twin that remembers all names took {} MiB and passes for bounded", grown >> 20);
}

/// The same topics where nobody listens, and as often a name that is none.
struct Elsewhere(Bus);

impl Named for Elsewhere {
    fn emit(&self, topic: &str) {
        self.0.emit(format!("else.{topic}"), 1_u64);
        self.0.emit(format!("{topic}.."), 1_u64);
    }
}

/// The mistake: each name is remembered with its handlers.
#[derive(Default)]
struct Remembering(Mutex<std::collections::HashMap<String, Vec<u64>>>);

impl Named for Remembering {
    fn emit(&self, topic: &str) {
        let mut names = self.0.lock().unwrap();
        if !names.contains_key(topic) {
            names.insert(topic.into(), vec![1; 4]);
        }
    }
}

/// Signals that come and go under a pattern that stays.
struct Churn(Bus);

impl Named for Churn {
    fn emit(&self, topic: &str) {
        self.0.signal::<u64>(topic).unwrap().emit(1);
    }
}
