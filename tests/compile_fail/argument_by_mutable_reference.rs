//! All handlers see the same payload, so none may change it.

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", |n: &mut u32| *n += 1);
}
