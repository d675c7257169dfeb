//! Events wait in a queue, a group of workers shares them, and what is lost is counted: `cargo run --example queue`

use std::thread;
use std::time::Duration;

use sigtree::{Bus, Overflow, Queue};

struct Scan(u32);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();

    println!("three workers share one queue; an emit waits for a place");
    let patient = Queue::bounded(16).overflow(Overflow::Block(Duration::from_secs(60)));
    let scans = bus.on("radar.*").named("analysis").queue(patient).subscribe::<Scan>()?;
    let worker = |_| {
        // A clone takes from the same queue: each event goes to one of them.
        let scans = scans.clone();
        thread::spawn(move || (&scans).into_iter().map(|scan| u64::from(scan.0)).sum::<u64>())
    };
    let workers: Vec<_> = (1..=3).map(worker).collect();
    for n in 1..=1_000_u32 {
        bus.emit("radar.scan", Scan(n));
    }

    println!("a screen that nobody looks at keeps what came first, and loses the rest");
    let screen = bus.on("radar.*").named("screen").queue(Queue::bounded(10)).subscribe::<Scan>()?;
    for n in 1..=25_u32 {
        bus.emit("radar.scan", Scan(n));
    }
    let stats = screen.stats();
    println!("    {stats}, that is {:.0} %", stats.drop_rate() * 100.0);

    println!("an emit that asks is told which queue is full");
    if let Err(error) = bus.try_emit("radar.scan", Scan(26)) {
        let full = error.full_queue().ok_or("another error")?;
        println!("    `{}` has no place: all {} are taken", full.name().unwrap_or("?"), full.capacity());
    }
    let shown: Vec<_> = screen.drain().map(|scan| scan.0).collect();
    println!(
        "    the screen takes {shown:?}, and there is place again: {}",
        bus.try_emit("radar.scan", Scan(27)).is_ok()
    );

    println!("the bus ends; the workers take what waits, and end too");
    drop(bus);
    let mut sum = 0;
    for worker in workers {
        sum += worker.join().map_err(|_| "a worker panicked")?;
    }
    let stats = scans.stats();
    println!("    {} received, {} dropped, the sum is {sum}", stats.received, stats.dropped());
    Ok(())
}
