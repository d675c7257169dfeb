//! A handler takes the payload, the event, or both, and nothing more.

use sigtree::Event;

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", |n: &u32, event: &Event<'_>, more: &u32| println!("{n} {event:?} {more}"));
}
