//! A handler may be called by any thread.

use std::rc::Rc;

fn main() {
    let bus = sigtree::Bus::new();
    let name = Rc::new("screen");
    let _ = bus.connect("a", move |n: &u32| println!("{name} {n}"));
}
