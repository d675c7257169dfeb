//! A page of figures in the terminal, taken three times while a station works: `cargo run --features hdrhistogram --example metrics_page`
//!
//! The time is that of a clock that only the handlers move, and each event is timed, so every run prints the same.

use std::time::Duration;

use sigtree::middleware::DeadLetter;
use sigtree::{Bus, Clock, Error, Filter, ManualClock, Metering, Overflow, Queue};

fn main() -> Result<(), Error> {
    let clock = ManualClock::new();
    let site = Bus::builder().name("site").clock(clock.clone()).metered(Metering::new().every(1)).build();
    let radar = site.child("radar")?;
    radar.layer(DeadLetter::new());
    radar.layer(Filter::payload(|range: &f64| *range < 400_000.0).reason("out of range"));

    // A handler takes as long as the clock says; far plots take longer, and one plot in fifty cannot be used.
    let tracker = move |range: &f64| {
        clock.sleep(Duration::from_millis((*range / 5_000.0) as u64));
        if *range % 50_000.0 == 0.0 { Err("between two tracks") } else { Ok(()) }
    };
    let _tracker = radar.on("plot.*").named("tracker").connect(tracker)?;
    let _alarm = radar.on("plot.near").named("alarm").connect(|_: &f64| {})?;
    let newest = Queue::bounded(20).overflow(Overflow::DropOldest);
    let screen = site.on("radar.plot.**").named("screen").queue(newest).subscribe::<f64>()?;

    for page in 1..=3 {
        for n in 0..100_u32 {
            let range = f64::from(n) * 5_000.0;
            radar.emit(if n < 20 { "plot.near" } else { "plot.far" }, range);
        }
        // The screen keeps up only once.
        if page == 2 {
            screen.drain().for_each(drop);
        }
        println!("page {page}\n{}\n{}", site.metrics(), site.health());
    }
    Ok(())
}
