//! Orders that are printed at least once, and what becomes of those that never are: `cargo run --example reliable`

use std::error::Error;
use std::time::Duration;

use sigtree::middleware::{Backoff, DeadLetter};
use sigtree::{Bus, ManualClock, Mode, Received, Reliable, Subscription};

const SECOND: Duration = Duration::from_secs(1);

/// Prints an order, if it can; the customer `jam` always jams the printer, and `rush` does the first time.
fn print(order: &Received<String>) -> Result<(), &'static str> {
    match (order.as_str(), order.attempt()) {
        ("jam", _) | ("rush", 1) => Err("paper jam"),
        _ => Ok(()),
    }
}

/// Does what waits: each order is done, or has failed and will come again.
fn work(orders: &Subscription<String>) {
    for order in orders.drain() {
        let (name, attempt) = (order.to_string(), order.attempt());
        match print(&order) {
            Ok(()) => {
                order.ack();
                println!("    printed {name}, attempt {attempt}");
            }
            Err(error) => {
                order.fail(error);
                println!("    {error} with {name}, attempt {attempt}");
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Time moves when told, so that this ends at once. Without the line it is the machine's.
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();

    let dead = DeadLetter::new();
    let rules = Reliable::new()
        .timeout(10 * SECOND)
        .retries(2)
        .backoff(Backoff::exponential(SECOND, 60 * SECOND))
        .dead_letters(&dead);
    let orders: Subscription<String> = bus.on("order.*").mode(Mode::Reliable(rules)).subscribe()?;

    for name in ["anna", "rush", "jam", "slow"] {
        bus.emit("order.new", name.to_owned());
    }

    // Somebody takes one of each kind and is gone for too long.
    println!("at 0 s");
    let kept = orders.try_recv()?;
    println!("    somebody took {} and went for coffee", *kept);
    work(&orders);

    for _ in 0..3 {
        clock.advance(4 * SECOND);
        println!("at {:?}", sigtree::Clock::elapsed(&clock));
        work(&orders);
    }
    let name = kept.to_string();
    println!("    somebody is back with {name}: in time? {}", kept.ack());

    println!("{}", orders.reliable_stats().unwrap_or_default());
    for letter in dead.letters() {
        println!(
            "dead: `{}` after {} attempts: {}",
            letter.payload::<String>().unwrap(),
            letter.attempts(),
            letter.reason()
        );
    }

    // The printer is mended: what is dead is emitted once more.
    dead.replay().run(&bus);
    println!("once more: {} wait, {} letters left", orders.len(), dead.len());
    Ok(())
}
