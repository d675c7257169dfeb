//! Typed handles on topics, the fast way to emit: `cargo run --example typed_signals`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sigtree::{Bus, Error, Signal};

#[derive(Debug, Clone)]
struct Track {
    id: u32,
}

/// A signal can be a field, without a bus or a name.
#[derive(Default)]
struct Button {
    clicked: Signal<u32>,
}

fn main() -> Result<(), Error> {
    let bus = Bus::new();
    let updated: Signal<Track> = bus.signal("radar.track.updated")?;

    // The payload's type is known, so the closure's argument needs none.
    let _screen = updated.connect(|track| println!("track {}", track.id))?;

    // A value, a reference or an `Arc`: one `emit` takes all three.
    updated.emit(Track { id: 1 });
    updated.emit(&Track { id: 2 });
    updated.emit(Arc::new(Track { id: 3 }));

    // A topic has one payload type. Whoever brings another is told, and nobody misses an event in silence.
    println!("{}", bus.signal::<String>("radar.track.updated").unwrap_err());
    println!("{}", bus.connect("radar.track.updated", |_: &u8| {}).unwrap_err());
    println!("{}", bus.try_emit("radar.track.updated", 4_u8).unwrap_err());

    // In a loop a pinned signal looks up nothing at all.
    let sum = Arc::new(AtomicU64::new(0));
    let total = sum.clone();
    let tick = bus.signal("clock.tick")?;
    let _sum = tick.connect(move |n| {
        total.fetch_add(*n, Ordering::Relaxed);
    })?;
    let mut pinned = tick.pin();
    for n in 1..=1_000_000_u64 {
        pinned.emit(n);
    }
    println!("the sum of a million ticks is {}", sum.load(Ordering::Relaxed));

    let button = Button::default();
    let _beep = button.clicked.connect(|times| println!("clicked {times} times"))?;
    button.clicked.emit(2);
    Ok(())
}
