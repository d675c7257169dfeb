//! What the bus says about itself, and what happens to failures: `cargo run --example reports`

use sigtree::{Bus, Error, Filter, Policy, sys};

fn main() -> Result<(), Error> {
    let bus = Bus::new();

    // Reports are events on `$sys.*`. Each has a type of its own, and costs nothing while nobody listens.
    let _dead = bus.connect("$sys.dead", |dead: &sys::Dead| println!("    nobody listens to {}", dead.topic))?;
    let _refused = bus.connect("$sys.refused", |refused: &sys::Refused| println!("    refused: {}", refused.error))?;
    let _filtered =
        bus.connect("$sys.filtered", |ended: &sys::Filtered| println!("    {} ended: {}", ended.topic, ended.reason))?;
    let _failed =
        bus.connect("$sys.handler.failed", |failed: &sys::HandlerFailed| println!("    {}", failed.failure))?;

    println!("a topic with a typing error, and one that is none");
    bus.emit("radar.tarck", 7_u32);
    bus.emit("radar..track", 7_u32);

    println!("a layer that ends an event");
    bus.layer(Filter::payload(|id: &u32| *id != 13).reason("nobody flies 13"));
    bus.emit("radar.track", 13_u32);

    println!("an error and a panic; the other handler is called all the same");
    std::panic::set_hook(Box::new(|_| {}));
    let _jam = bus.on("print").named("printer").connect(|_: &u32| Err("out of paper"))?;
    let _bug = bus.connect("print", |id: &u32| println!("    {}", 100 / (id - 7)))?;
    let _good = bus.connect("print", |id: &u32| println!("    the screen shows {id}"))?;
    let delivery = bus.emit("print", 7_u32);
    println!("    delivery: {delivery}");

    println!("policies: fail fast, and out after two failures");
    let strict = Bus::builder().policy(Policy::FailFast).build();
    let _first = strict.on("print").policy(Policy::detach_after(2)).connect(|_: &u32| Err("still out of paper"))?;
    let _second = strict.connect("print", |_: &u32| Err("out of ink"))?;
    let _third = strict.connect("print", |_: &u32| println!("    never reached"))?;
    for n in 1..=3_u32 {
        let delivery = strict.emit("print", n);
        let failures: Vec<_> = delivery.failures().iter().map(|failure| failure.cause.to_string()).collect();
        println!("    {delivery}: {}", failures.join(", "));
    }

    println!("counted on the first bus: {} failures, refusals: {}", bus.failures(), bus.refusals());
    Ok(())
}
