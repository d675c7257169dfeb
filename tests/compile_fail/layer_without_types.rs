//! A layer's types are written.

fn main() {
    let bus = sigtree::Bus::new();
    bus.layer(|event, next| next.run(event));
}
