//! The test kit: each promise in a file of its own, and here what they share.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Once, Weak};
use std::time::Duration;

use sigtree::middleware::Alarm;
use sigtree::{Bus, WeakBus};

mod assertions;
mod failures;
mod layers;
mod recorder;
mod scripts;
mod snapshots;
#[cfg(feature = "proptest")]
mod strategies;
mod waiting;

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static FILE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The message with which something panics, which is not printed.
fn panic_of(run: impl FnOnce()) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if CATCHING.get() {
                FILE.set(panic.location().map_or(String::new(), |at| at.file().replace('\\', "/")));
            } else {
                loud(panic);
            }
        }));
    });
    let before = CATCHING.replace(true);
    let panic = catch_unwind(AssertUnwindSafe(run));
    CATCHING.set(before);
    message(&*panic.expect_err("it should have failed"))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.expect("a text").to_owned()
}

/// The message with which an assertion fails; it fails in the file of the test that calls it.
#[track_caller]
fn failure(run: impl FnOnce()) -> String {
    let file = Location::caller().file().replace('\\', "/");
    let message = panic_of(run);
    assert_eq!(FILE.take(), file, "{message}");
    message
}

/// A flight, in short.
fn flight(bus: &Bus) {
    bus.emit("take.off", 7_u32);
    bus.emit("climb", 900_u32);
    bus.emit("climb", 1_800_u32);
    bus.emit("land", 7_u32);
}

#[derive(Debug, Clone, PartialEq)]
struct Track {
    id: u32,
    name: &'static str,
}

const KLM: Track = Track { id: 7, name: "KLM1023" };

/// Emits `tick` each second.
struct Ticker {
    bus: WeakBus,
    me: Weak<Self>,
}

impl Ticker {
    fn start(bus: &Bus) -> Arc<Self> {
        let ticker = Arc::new_cyclic(|me: &Weak<Self>| Self { bus: bus.downgrade(), me: me.clone() });
        ticker.wind(bus);
        ticker
    }

    fn wind(&self, bus: &Bus) {
        bus.clock().wake(bus.clock().elapsed() + SECOND, self.me.clone());
    }
}

impl Alarm for Ticker {
    fn ring(&self) {
        let bus = self.bus.upgrade().unwrap();
        bus.emit("tick", ());
        self.wind(&bus);
    }
}
