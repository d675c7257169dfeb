//! Emits among 1,000 to 1,000,000 subscriptions, each with a pattern of its own: a quarter exact, half with a `*`, a quarter with a
//! `**`, so that every topic has four handlers.

use std::hint::black_box;

use sigtree::{Bus, ConnectionSet, Signal};

use crate::clock::{each, measure};
use crate::table::Table;
use crate::tracks::{Bare, TRACK, Track, see};

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("scale") {
        return;
    }
    let bare = Bare::new(PATTERNS);
    let bare = measure(each(|| bare.emit(black_box(&TRACK))));
    let sizes = [1_000, 10_000, 100_000, 1_000_000];
    let mut hot = Vec::new();
    let mut random = Vec::new();
    for size in sizes {
        let world = World::new(size);
        hot.push(world.hot());
        random.push(world.random());
        table.note(&format!("hot topics by handle, {size} subscriptions"), hot[hot.len() - 1], bare, "ns");
        table.note(&format!("random topics by name, {size} subscriptions"), random[random.len() - 1], bare, "ns");
        table.most(
            &format!("first sight of a topic, {size} subscriptions"),
            world.first_sight() / 1_000.0,
            bare / 1_000.0,
            "us",
            2.5,
        );
    }
    table.ratio("hot emit by handle, 1k to 1M subscriptions", hot[3], hot[0], 1.2);
    table.ratio("random topics by name, 10k to 1M subscriptions", random[3], random[1], 5.0);
}

/// A bus with so many subscriptions on the devices of sites.
pub(crate) struct World {
    bus: Bus,
    devices: usize,
    _connections: ConnectionSet,
}

const PATTERNS: usize = 4;
const DEVICES_OF_A_SITE: usize = 100;

impl World {
    pub(crate) fn new(size: usize) -> Self {
        let bus = Bus::new();
        let connections = (0..size).map(|n| bus.connect(pattern(n), see).expect("a good pattern")).collect();
        Self { bus, devices: size / PATTERNS, _connections: connections }
    }

    /// Nanoseconds per emit over 250 topics by handle.
    fn hot(&self) -> f64 {
        let spread = self.devices / 250;
        let signals: Vec<Signal<Track>> =
            (0..250).map(|n| self.bus.signal(topic(n * spread)).expect("a good topic")).collect();
        let mut at = 0;
        measure(each(|| {
            at = (at + 1) % signals.len();
            signals[at].emit(black_box(&TRACK))
        }))
    }

    /// Nanoseconds per emit over all topics in random order by name.
    fn random(&self) -> f64 {
        let mut state = 1_u64;
        let topics: Vec<String> = (0..1 << 16).map(|_| topic(next(&mut state) as usize % self.devices)).collect();
        let mut at = 0;
        measure(each(|| {
            at = (at + 1) % topics.len();
            self.bus.emit_ref(&topics[at], black_box(&TRACK))
        }))
    }

    /// Nanoseconds per emit of a topic never seen before, which two patterns match.
    fn first_sight(&self) -> f64 {
        let mut state = 2_u64;
        let fresh = |n: usize, device: usize| format!("site.{}.dev.{device}.new{n}", device / DEVICES_OF_A_SITE);
        let topics: Vec<String> = (0..1 << 16).map(|n| fresh(n, next(&mut state) as usize % self.devices)).collect();
        let start = std::time::Instant::now();
        for topic in &topics {
            drop(self.bus.emit_ref(topic, black_box(&TRACK)));
        }
        start.elapsed().as_secs_f64() * 1e9 / topics.len() as f64
    }
}

fn topic(device: usize) -> String {
    format!("site.{}.dev.{device}.temp", device / DEVICES_OF_A_SITE)
}

/// The n-th of distinct patterns.
fn pattern(n: usize) -> String {
    let device = n / PATTERNS;
    let site = device / DEVICES_OF_A_SITE;
    match n % PATTERNS {
        0 => format!("site.{site}.dev.{device}.temp"),
        1 => format!("site.*.dev.{device}.temp"),
        2 => format!("site.{site}.dev.{device}.*"),
        _ => format!("site.{site}.dev.{device}.**"),
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}
