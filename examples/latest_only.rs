//! A slow reader of fast topics wants the newest of each, and nothing else: `cargo run --example latest_only`

use sigtree::{Bus, Error, Overflow, Queue};

struct Reading {
    celsius: f64,
}

fn main() -> Result<(), Error> {
    let bus = Bus::new();
    // A place for each topic; a newer reading takes the place of the older one.
    let newest = Queue::bounded(8).overflow(Overflow::Latest);
    let dashboard = bus.on("room.*").queue(newest).subscribe::<Reading>()?;

    for round in 0..1_000_u32 {
        for (room, base) in [("room.kitchen", 20.0), ("room.cellar", 12.0), ("room.roof", 30.0)] {
            bus.emit(room, Reading { celsius: base + f64::from(round) / 1_000.0 });
        }
    }

    println!("3,000 readings came, and the dashboard looks once:");
    for reading in dashboard.drain() {
        println!("    {:<13} {:.3} C", reading.topic().as_str(), reading.celsius);
    }
    let stats = dashboard.stats();
    println!(
        "{} were taken, {} replaced by newer ones, at most {} waited",
        stats.received, stats.replaced, stats.high_water
    );

    // Only what changed since then waits.
    bus.emit("room.roof", Reading { celsius: 29.5 });
    println!("and again:");
    for reading in dashboard.drain() {
        println!("    {:<13} {:.3} C", reading.topic().as_str(), reading.celsius);
    }
    Ok(())
}
