//! Threads may call a handler at the same time, so it changes what it captured by a lock or an atomic.

fn main() {
    let bus = sigtree::Bus::new();
    let mut sum = 0;
    let _ = bus.connect("a", move |n: &u32| sum += n);
}
