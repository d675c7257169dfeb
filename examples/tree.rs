//! Parents, children and bridges, and which events go where: `cargo run --example tree`

use sigtree::{Bus, Error, Event};

fn main() -> Result<(), Error> {
    let hears = |name: &'static str| move |event: &Event<'_>| println!("    {name:<8}hears {}", event.topic());

    let site = Bus::builder().name("site").build();
    let _site = site.connect("**", hears("site"))?;

    // Events of a child go up, under the child's name.
    let radar = site.child("radar")?;
    let _radar = radar.connect("**", hears("radar"))?;
    println!("radar emits track.new");
    radar.emit("track.new", 7_u32);

    // They do not come down, unless a child asks for it.
    println!("site emits radar.power");
    site.emit("radar.power", true);
    let display = site.child_builder("display").sink().build()?;
    let _display = display.connect("**", hears("display"))?;
    println!("site emits display.dim");
    site.emit("display.dim", true);

    // An isolated child keeps its events to itself.
    let secret = site.child_builder("secret").isolated().build()?;
    let _secret = secret.connect("**", hears("secret"))?;
    println!("secret emits plan");
    secret.emit("plan", "B");

    // A handler can keep one event from going up.
    let _censor = radar.connect("test.**", |event: &Event<'_>| event.stop_bubbling())?;
    println!("radar emits test.pulse");
    radar.emit("test.pulse", 1_u32);

    // A bridge passes events on to any other bus; in a circle they end where they began.
    let archive = Bus::builder().name("archive").build();
    let _archive = archive.connect("**", hears("archive"))?;
    let _there = site.bridge_under("radar.**", &archive, "oslo")?;
    let _back = archive.bridge("oslo.radar.**", &site)?;
    println!("radar emits track.lost");
    radar.emit("track.lost", 7_u32);

    // Parents hold their children weakly: a child nobody holds is gone.
    drop(secret);
    let names: Vec<_> = site.children().iter().map(|child| child.name().to_string()).collect();
    println!("children alive: {}", names.join(", "));
    Ok(())
}
