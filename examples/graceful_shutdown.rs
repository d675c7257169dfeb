//! A station that is configured, changed while it runs, paused, and ended in good order: nothing is lost that was accepted.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use sigtree::{Bus, BusConfig};

const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    // A service takes `BusConfig::from_file("station.toml")?.with_env("STATION")?`.
    let config = BusConfig::new().with_vars("STATION", [("STATION_QUEUE_SIZE", "100"), ("STATION_WORKERS", "2")])?;
    let wrong = BusConfig::new().with_vars("STATION", [("STATION_WORKERS", "many")]);
    println!("refused: {}", wrong.unwrap_err());

    let bus = Bus::with(&config);
    let _last = bus.keep_last("status.*")?;
    let plots = bus.subscribe::<u32>("plot")?;
    let recorder = thread::spawn(move || plots.into_iter().map(|plot| *plot).collect::<Vec<_>>());
    let analysed = Arc::new(AtomicU32::new(0));
    let count = analysed.clone();
    let _analysis = bus.on("plot").named("analysis").on(bus.pool()?).connect(move |_: &u32| {
        count.fetch_add(1, Relaxed);
    })?;

    bus.emit("status.radar", "sweeping");
    (0..40_u32).for_each(|plot| drop(bus.emit("plot", plot)));

    println!("{}", bus.reconfigure(&bus.config().queue_size(1_000).workers(3).depth_limit(8)));

    let pause = bus.pause();
    (40..80_u32).for_each(|plot| drop(bus.emit("plot", plot)));
    println!("{} plots wait in the pause", pause.waiting());
    drop(pause);

    let late = bus.on("status.*").with_last().subscribe::<&str>()?;
    println!("a late screen shows: {}", *late.try_recv()?);

    let report = bus.shutdown(PATIENCE);
    println!("shut down: {report}");
    println!("then: {}", bus.emit("plot", 80_u32));
    let recorded = recorder.join().map_err(|_| "the recorder panicked")?;
    println!("recorded {}, in order: {}; analysed {}", recorded.len(), recorded.is_sorted(), analysed.load(Relaxed));
    assert!(report.is_clean() && recorded.into_iter().eq(0..80));
    Ok(())
}
