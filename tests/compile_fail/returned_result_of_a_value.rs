//! A handler returns nothing, or a result of nothing.

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", |n: &u32| -> Result<u32, String> { Ok(n + 1) });
}
