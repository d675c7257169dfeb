//! A closure that only panics returns `!`, not `()`.

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", |_: &u32| panic!("not yet"));
}
