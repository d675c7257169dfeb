//! Recorded, replayed, compared, rebuilt: `cargo run --features recording --example time_travel`

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use sigtree::middleware::{Codec, EventTree, Fact, Projection, Reader, Recording};
use sigtree::{Bus, Correlation, ManualClock, Speed};

const SECOND: Duration = Duration::from_secs(1);

/// Which type travels on which topic: a recording is text.
fn codec() -> Result<Codec, Box<dyn Error>> {
    Ok(Codec::new().with::<u32>("radar.**")?)
}

/// What is recorded: a contact that is near is a threat, and `Correlation` notes which contact led to it.
fn station(recording: &Recording, near: u32) -> Result<(Bus, ManualClock), sigtree::Error> {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    bus.layer(Correlation::new());
    bus.layer(recording.clone());
    let inside = bus.downgrade();
    bus.connect("radar.contact", move |metres: &u32| {
        if let Some(bus) = inside.upgrade().filter(|_| *metres < near) {
            bus.emit("radar.threat", *metres);
        }
    })?
    .detach();
    Ok((bus, clock))
}

/// The contacts of a recording given to another station; what its handlers make of them is recorded anew.
fn again(path: &Path, into: &Path, near: u32) -> Result<EventTree, Box<dyn Error>> {
    let recording = Recording::builder(&codec()?).replays(true).open(into)?;
    let (bus, clock) = station(&recording, near)?;
    let report = Recording::player(path, &codec()?)?.roots().speed(Speed::RealTime)?.clock(clock).run(&bus);
    println!("{} contacts again, with {:?} of pauses", report.replayed, report.waited);
    recording.sync()?;
    tree(into)
}

fn tree(path: &Path) -> Result<EventTree, Box<dyn Error>> {
    Ok(EventTree::try_of_records(Reader::open(path)?)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let [first, second, third] = ["first", "second", "third"].map(|name| folder.path().join(name));

    let recording = Recording::open(&first, &codec()?)?;
    let (bus, clock) = station(&recording, 700)?;
    for metres in [900_u32, 600, 800, 500] {
        bus.emit("radar.contact", metres);
        clock.advance(SECOND);
    }
    recording.sync()?;
    println!("the first time\n{}", tree(&first)?);

    // The same program does the same once more.
    tree(&first)?.compare(&again(&first, &second, 700)?)?;
    println!("and all is as it was\n");

    // Another program does not, and the first difference is shown.
    let difference = tree(&first)?.compare(&again(&first, &third, 550)?).expect_err("600 m are no threat to it");
    println!("but not where a threat is nearer\n{difference}");

    // A state is rebuilt from what was recorded.
    let nearest = Projection::of(u32::MAX).on("radar.threat", |nearest, threat: &Fact<'_, u32>| {
        *nearest = (*nearest).min(**threat);
    })?;
    nearest.try_catch_up(Reader::open(&first)?.entries(&codec()?))?;
    assert_eq!(nearest.state(), 500);
    println!("the nearest threat was at {} m", nearest.state());
    Ok(())
}
