//! A test that records, stops the time and replays: `cargo run --example replay_in_a_test`

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sigtree::{Bus, Event, History, ManualClock, SequentialIds, Speed};

/// Everything a bus heard, as text.
fn recorder(bus: &Bus) -> Result<Arc<Mutex<Vec<String>>>, sigtree::Error> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let lines = heard.clone();
    bus.connect("**", move |metres: &u32, event: &Event<'_>| {
        let line = format!("{} {:?} {} {metres} m", event.id().to_bits(), event.offset(), event.topic());
        lines.lock().unwrap().push(line);
    })?
    .detach();
    Ok(heard)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Time moves when the test says so, and ids are 1, 2, 3: every run is the same.
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).ids(SequentialIds::default()).build();
    let history = History::builder().count(3).build();
    bus.layer(history.clone());
    let live = recorder(&bus)?;

    for metres in [900_u32, 800, 700, 600] {
        bus.emit("radar.range", metres);
        clock.advance(Duration::from_secs(2));
    }
    assert_eq!(
        *live.lock().unwrap(),
        ["1 0ns radar.range 900 m", "2 2s radar.range 800 m", "3 4s radar.range 700 m", "4 6s radar.range 600 m"]
    );

    // The history is bounded, and says what it forgot.
    assert_eq!((history.len(), history.stats().evicted_by_count), (3, 1));

    // Replayed on another bus: the same ids, times and order, and in real time, which costs none on this clock.
    let other = Bus::new();
    let replayed = recorder(&other)?;
    let report = history.replay().speed(Speed::RealTime)?.clock(clock).run(&other);
    assert_eq!(*replayed.lock().unwrap(), live.lock().unwrap()[1..]);
    assert_eq!((report.replayed, report.waited), (3, Duration::from_secs(4)));

    println!("live\n    {}", live.lock().unwrap().join("\n    "));
    println!("replayed, with {:?} of pauses\n    {}", report.waited, replayed.lock().unwrap().join("\n    "));
    Ok(())
}
