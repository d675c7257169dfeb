//! How handlers end, and what the bus does not keep alive: `cargo run --example weak_handlers`

use std::sync::Arc;
use std::time::Duration;

use sigtree::{Bus, ConnectionSet, Receiver};

struct Screen(&'static str);

impl Screen {
    fn show(&self, id: &u32) {
        println!("    {} shows track {id}", self.0);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        println!("    {} is gone", self.0);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let emit = |id: u32| println!("track {id}: {}", bus.emit("track", id));

    // A connection is a guard: dropped, the handler is over and what it captured is freed.
    let screen = Screen("the closure's screen");
    let connection = bus.connect("track", move |id: &u32| screen.show(id))?;
    emit(1);
    drop(connection);
    emit(2);

    // The bus holds this object weakly; with the last `Arc` the handler ends.
    let screen = Arc::new(Screen("the weak screen"));
    bus.connect_weak("track", &screen, Screen::show)?;
    emit(3);
    drop(screen);
    emit(4);

    // A receiver does the same without a counter that threads share: for objects called often.
    let screen = Receiver::new(Screen("the receiver"));
    screen.connect(&bus, "track", Screen::show)?;
    emit(5);
    drop(screen);
    emit(6);

    // Several connections that end together; muted, they only pause.
    let mut set = ConnectionSet::new();
    set.add(bus.connect("track", |id: &u32| println!("    first: {id}"))?);
    set.add(bus.connect("track", |id: &u32| println!("    second: {id}"))?);
    let silence = set.mute();
    emit(7);
    drop(silence);
    emit(8);
    set.clear();

    // Detached, a handler lives as long as the bus, or until its id is given back.
    let id = bus.connect("track", |id: &u32| println!("    detached: {id}"))?.detach();
    emit(9);
    bus.disconnect(id);

    // Afterwards no call is running, on any thread.
    let connection = bus.connect("track", |_: &u32| {})?;
    connection.disconnect_wait(Duration::from_secs(1))?;
    emit(10);
    Ok(())
}
