//! Who hears which topic, and in which order: `cargo run --example namespaces`

use sigtree::{Bus, Error, Event, Pattern};

fn main() -> Result<(), Error> {
    let bus = Bus::new();

    // Each pattern prints itself when it hears something.
    let heard = |name: &'static str| move |_: &Event<'_>| println!("    {name}");

    // `*` is one segment, `**` is any number of them, none included.
    let _one = bus.connect("radar.*", heard("radar.*"))?;
    let _any = bus.connect("radar.**", heard("radar.**"))?;
    let _end = bus.connect("**.lost", heard("**.lost"))?;
    // A list is one connection: whoever matches twice is called once.
    let _list = bus.connect(["radar.track.*", "sonar.**"], heard("[radar.track.*, sonar.**]"))?;
    // A regular expression has to match the whole topic.
    let _regex = bus.connect(Pattern::regex(r"radar\.track\.(new|lost)")?, heard("/radar\\.track\\.(new|lost)/"))?;
    // Exact topics come before patterns, patterns by age; priority comes before all of that.
    let _exact = bus.connect("radar.track.lost", heard("radar.track.lost"))?;
    let _first = bus.on("**").priority(10).connect(heard("** with priority 10"))?;

    for topic in ["radar", "radar.on", "radar.track.new", "radar.track.lost", "sonar.ping"] {
        println!("{topic}");
        bus.emit(topic, ());
    }

    // A typing error is told at once, with the byte and the mend.
    for pattern in ["radar..track", "radar.tr*"] {
        if let Err(error) = bus.connect(pattern, heard("never")) {
            println!("{error}");
        }
    }
    Ok(())
}
