//! Requests and answers: `cargo run --example request_reply`

use std::error::Error;
use std::thread;
use std::time::Duration;

use sigtree::{Bus, Question, WorkerPool};

/// A part to be made: how many of what.
#[derive(Debug)]
struct Order {
    part: &'static str,
    pieces: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::new();

    // The answer is what the closure returns; one that may fail says why.
    let _weight = bus.try_reply("weight", |order: &Order| match order.part {
        "bolt" => Ok(order.pieces * 12),
        part => Err(format!("nobody weighed a {part}")),
    })?;
    let grams: u32 = bus.request("weight", Order { part: "bolt", pieces: 100 }).wait()?;
    println!("100 bolts weigh {grams} g");
    let error = bus.request::<_, u32>("weight", Order { part: "gear", pieces: 1 }).wait().unwrap_err();
    println!("a gear: {}", error.unanswered()[0].why);
    println!("colour: {}", bus.request::<_, u32>("colour", Order { part: "bolt", pieces: 1 }).wait().unwrap_err());

    // Slow work runs on a pool, and whoever asks waits no longer than it wants.
    let pool = WorkerPool::builder().max_workers(2).start()?;
    let _price = bus.on("price").on(pool.clone()).reply(|order: &Order| f64::from(order.pieces) * 0.25)?;
    let price: f64 =
        bus.request("price", Order { part: "bolt", pieces: 100 }).timeout(Duration::from_secs(10)).wait()?;
    println!("100 bolts cost {price}");

    // Two shops are asked, and one lets go of what it was asked.
    let fast = bus.on("offer").named("fast shop").questions::<Order, u32>()?;
    let shop = thread::spawn(move || {
        for question in &fast {
            let days = question.pieces / 50;
            question.answer(days);
        }
    });
    let _shut = bus.on("offer").named("shut shop").reply_later(|_: Question<Order, u32>| {})?;
    let offers = bus.gather::<_, u32>("offer", Order { part: "bolt", pieces: 100 }).wait()?;
    for offer in &offers {
        println!("{} makes them in {} days", offer.by.name().unwrap_or("somebody"), offer.answer);
    }
    for one in offers.unanswered() {
        println!("{} {}", one.by.name().unwrap_or("somebody"), one.why);
    }

    // With the bus the shop's queue ends, and so does its thread.
    drop(bus);
    shop.join().map_err(|_| "the shop burnt down")?;
    pool.stop(Duration::from_secs(10))?;
    Ok(())
}
