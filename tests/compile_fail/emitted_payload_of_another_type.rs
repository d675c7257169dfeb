//! A signal has one payload type.

fn main() {
    let signal = sigtree::Signal::<u64>::new();
    signal.emit("text");
}
