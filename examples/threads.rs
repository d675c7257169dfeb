//! Many threads, one bus: `cargo run --example threads`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sigtree::{Bus, Error};

const EACH: u64 = 200_000;

fn main() -> Result<(), Error> {
    let bus = Bus::new();
    let ticks = bus.signal::<u64>("tick")?;

    // Four threads emit; emits take no lock and do not wait for each other.
    let sum = Arc::new(AtomicU64::new(0));
    let total = sum.clone();
    let _sum = ticks.connect(move |n| {
        total.fetch_add(*n, Ordering::Relaxed);
    })?;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (1..=EACH).for_each(|n| drop(ticks.emit(n))));
        }
        // Meanwhile handlers come and go; an emit sees each of them or does not, and never waits.
        scope.spawn(|| {
            for _ in 0..1_000 {
                let connection = bus.connect("tick", |_: &u64| {});
                drop(connection);
            }
        });
    });
    let sum = sum.load(Ordering::Relaxed);
    println!("four threads emitted 1 to {EACH}: the sum is {sum}");
    assert_eq!(sum, 4 * EACH * (EACH + 1) / 2);

    // No echo: each editor hears of every change but its own.
    let editor =
        |name: &'static str| bus.on("text").owned_by(name).connect(move |text: &&str| println!("{name} hears: {text}"));
    let _editors = [editor("anna")?, editor("bo")?, editor("cleo")?];
    bus.event("text").source("anna").no_echo().emit("a word by anna");

    // A handler that answers with events: `emit_later` waits for the event in hand to end, so nothing nests.
    let weak = bus.downgrade();
    let _countdown = bus.connect("countdown", move |n: &u32| {
        if let Some(bus) = weak.upgrade().filter(|_| *n > 0) {
            bus.emit_later("countdown", n - 1);
        }
        if n.is_multiple_of(25_000) {
            println!("countdown: {n}");
        }
    })?;
    bus.emit("countdown", 100_000_u32);
    Ok(())
}
