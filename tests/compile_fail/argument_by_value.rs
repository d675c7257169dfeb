//! A payload is lent, not given.

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", |n: u32| println!("{n}"));
}
