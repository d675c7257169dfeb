//! A handler may outlive the frame that connects it.

fn main() {
    let bus = sigtree::Bus::new();
    let name = String::from("screen");
    let _ = bus.connect("a", |n: &u32| println!("{name} {n}"));
}
