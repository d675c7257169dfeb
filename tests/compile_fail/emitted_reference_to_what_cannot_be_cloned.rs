//! A payload that is lent is cloned for those who keep it.

struct NotClone;

fn main() {
    let signal = sigtree::Signal::<NotClone>::new();
    signal.emit(&NotClone);
}
