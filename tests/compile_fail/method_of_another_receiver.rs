//! The method is one of the receiver's.

use std::sync::Arc;

struct Screen;
struct Printer;

impl Printer {
    fn print(&self, n: &u32) {
        println!("{n}");
    }
}

fn main() {
    let bus = sigtree::Bus::new();
    let screen = Arc::new(Screen);
    let _ = bus.connect_weak("a", &screen, Printer::print);
}
