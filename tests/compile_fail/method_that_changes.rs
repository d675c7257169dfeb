//! A receiver is shared, so its methods take `&self`.

use std::sync::Arc;

struct Screen(u32);

impl Screen {
    fn show(&mut self, n: &u32) {
        self.0 = *n;
    }
}

fn main() {
    let bus = sigtree::Bus::new();
    let screen = Arc::new(Screen(0));
    let _ = bus.connect_weak("a", &screen, Screen::show);
}
