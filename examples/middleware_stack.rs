//! Layers around all handlers: their order, and a stack swapped while events flow: `cargo run --example middleware_stack`

use sigtree::{Bus, Event, Filter, Inspect, Next, ParseError, Scoped, Stack, Transform};

/// The first layer sees the event first.
fn calm() -> Result<Stack, ParseError> {
    Ok(Stack::new()
        .with_named("log", Inspect::new(|event: &Event<'_>| println!("    log      {}", event.topic())))
        .with_named("range", Filter::payload(|metres: &f64| *metres < 400_000.0).reason("out of range"))
        .with_named("round", Transform::new(|metres: &f64| metres.round()))
        // Only for some topics; on all others it costs nothing.
        .with_named("test", Scoped::new("test.**", Filter::new(|_: &Event<'_>| false).reason("only a test"))?)
        // A closure is a layer as well: what stands behind `run` happens after the handlers.
        .with_named("around", |event: &Event<'_>, next: Next<'_>| {
            println!("    before");
            next.run(event);
            println!("    after");
        }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let _screen = bus.connect("**", |metres: &f64| println!("    screen   {metres} m"))?;

    bus.set_stack(calm()?);
    println!("The stack\n{}", bus.stack());
    for (topic, metres) in [("plot", 1234.5678), ("plot", 1e9), ("test.plot", 5.4321)] {
        println!("{topic} at {metres}");
        let delivery = bus.emit(topic, metres);
        println!("    delivery: {delivery}");
    }

    // Layers can be put together, and around one handler alone.
    let alarmed = Stack::new().with(Inspect::new(|_: &Event<'_>| println!("    ALARM"))).and(&calm()?);
    let _near = bus
        .on("plot")
        .middleware(Filter::payload(|metres: &f64| *metres < 1_000.0))
        .connect(|metres: &f64| println!("    near!    {metres} m"))?;

    // The stack is swapped whole: each emit sees the old one or the new one.
    let before = bus.set_stack(alarmed);
    println!("plot at 99.9, with {} layers instead of {}", bus.stack().len(), before.len());
    bus.emit("plot", 99.9);
    Ok(())
}
