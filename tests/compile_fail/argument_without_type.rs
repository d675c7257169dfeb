//! The argument's type says which form of handler it is.

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", |event| println!("{event:?}"));
}
