//! A handler's payload may be kept by other threads.

use std::rc::Rc;

fn main() {
    let bus = sigtree::Bus::new();
    let _ = bus.connect("a", |n: &Rc<u32>| println!("{n}"));
}
