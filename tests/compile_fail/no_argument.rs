//! A handler takes the payload, the event, or both.

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", || println!("called"));
}
