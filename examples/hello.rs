//! A bus, a handler and an event: `cargo run --example hello`

use sigtree::{Bus, Event};

struct Track {
    id: u32,
    callsign: &'static str,
}

fn main() -> Result<(), sigtree::Error> {
    let bus = Bus::new();

    // A handler of one topic, and one of all topics below `radar`. A connection ends when it is dropped.
    let _screen =
        bus.connect("radar.track.new", |track: &Track| println!("screen: {} is {}", track.id, track.callsign))?;
    let _log = bus.connect("radar.**", |event: &Event<'_>| println!("log: {}", event.topic()))?;

    let delivery = bus.emit("radar.track.new", Track { id: 7, callsign: "SAS4711" });
    println!("delivery: {delivery}");
    Ok(())
}
