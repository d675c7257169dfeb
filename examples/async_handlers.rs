//! Async handlers in the background, in order, and awaited: `cargo run --features async --example async_handlers`
//!
//! It needs no runtime: a spawner is whatever runs a future. With the feature `tokio` its `Handle` is one.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sigtree::{Bus, Received, Task};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A thread for each task, which is simple, and slow.
    let spawner = |task: Task| drop(thread::spawn(|| pollster::block_on(task)));
    let bus = Bus::builder().spawner(spawner).build();

    println!("an emit returns at once, and the calls run one after the other");
    let (said, heard) = mpsc::channel();
    let store = move |order: Received<u32>| {
        let said = said.clone();
        async move { said.send(format!("    stored order {}", *order)).map_err(|_| "nobody hears") }
    };
    let _store = bus.on("order.new").named("store").serial().connect_async(store)?;
    for order in 1..=3_u32 {
        bus.emit("order.new", order);
    }
    heard.iter().take(3).for_each(|line| println!("{line}"));
    bus.drain(Duration::from_secs(60))?;

    println!("an emit that is awaited has every failure");
    let check = async |order: u32| if order == 13 { Err("nobody orders 13") } else { Ok(()) };
    let _check = bus.connect_async("order.check", move |order: Received<u32>| async move { check(*order).await })?;
    for order in [12_u32, 13] {
        let delivery = pollster::block_on(bus.emit_and_wait("order.check", order));
        println!("    order {order}: {delivery}");
    }

    println!("one that is given up says what had not begun");
    for unstarted in bus.emit_and_wait("order.check", 14_u32).cancel() {
        println!("    {} of `{}`", unstarted.pattern, unstarted.topic);
    }

    println!("the next event of a pattern, and a stream of them");
    let emitter = bus.clone();
    let waits = bus.wait_for::<u32>("order.*").filter_payload(|order| *order > 20).listen()?;
    let stream = bus.subscribe::<u32>("order.paid")?;
    thread::spawn(move || (19..=22_u32).for_each(|order| drop(emitter.emit("order.paid", order))));
    println!("    order {} is the first beyond 20", *pollster::block_on(waits)?);
    let paid: Vec<u32> = pollster::block_on(async {
        let mut paid = Vec::new();
        while paid.len() < 4 {
            let Ok(order) = stream.recv().await else { break };
            paid.push(*order);
        }
        paid
    });
    println!("    paid: {paid:?}");
    Ok(())
}
