//! A payload may be kept by other threads.

use std::rc::Rc;

fn main() {
    let bus = sigtree::Bus::new();
    bus.emit("a", Rc::new(1));
}
