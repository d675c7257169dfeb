//! A test that depended on the machine's mood, and the same test without: `cargo run --features testing --example deterministic_test`

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use sigtree::middleware::Alarm;
use sigtree::testing::{Recorder, TestBus};
use sigtree::{Bus, Error, Event, WeakBus, expect};

/// Says `radar.silent` when a radar had no contact for a while: what is to be tested.
struct Watchdog {
    bus: WeakBus,
    patience: Duration,
    last: Mutex<Duration>,
    me: Weak<Self>,
}

impl Watchdog {
    fn start(bus: &Bus, patience: Duration) -> Result<Arc<Self>, Error> {
        let (weak, last) = (bus.downgrade(), Mutex::default());
        let watchdog = Arc::new_cyclic(|me: &Weak<Self>| Self { bus: weak, patience, last, me: me.clone() });
        bus.connect_weak("radar.contact", &watchdog, Self::contact)?;
        Ok(watchdog)
    }

    fn contact(&self, _: &u32, event: &Event<'_>) {
        *self.last.lock().unwrap() = event.offset();
        if let Some(bus) = self.bus.upgrade() {
            // It asks the bus's clock, not the machine's. That is all it takes.
            bus.clock().wake(event.offset() + self.patience, self.me.clone());
        }
    }
}

impl Alarm for Watchdog {
    fn ring(&self) {
        let Some(bus) = self.bus.upgrade() else { return };
        let silence = bus.clock().elapsed() - *self.last.lock().unwrap();
        if silence >= self.patience {
            bus.emit("radar.silent", silence);
        }
    }
}

/// Before: it sleeps, hopes that nobody else needs the processor, and is short because it is slow.
fn the_old_test() -> Result<(), &'static str> {
    let bus = Bus::new();
    let _watchdog = Watchdog::start(&bus, Duration::from_millis(4)).unwrap();
    let seen = Recorder::on(&bus, "radar.silent");
    for _ in 0..3 {
        bus.emit("radar.contact", 7_u32);
        std::thread::sleep(Duration::from_millis(3));
    }
    if !seen.is_empty() {
        return Err("silent although there were contacts: a sleep took longer");
    }
    std::thread::sleep(Duration::from_millis(2));
    if seen.is_empty() { Err("not silent yet: the timer's thread was late") } else { Ok(()) }
}

/// After: the same, and more, to the nanosecond.
fn the_new_test() {
    let bus = TestBus::new();
    let _watchdog = Watchdog::start(&bus, Duration::from_secs(5)).unwrap();
    let seen = bus.record("radar.*");

    for second in 0..3_u32 {
        bus.emit("radar.contact", second);
        bus.advance(Duration::from_secs(4));
    }
    seen.emitted("radar.contact").times(3);
    seen.not_emitted("radar.silent");

    seen.eventually("radar.silent", Duration::from_secs(60)).once().at([Duration::from_secs(13)]);
    assert_eq!(
        format!("{seen:#}"),
        "#1 0ns radar.contact 0\n#2 4s radar.contact 1\n#3 8s radar.contact 2\n#4 13s radar.silent 5s"
    );
}

/// The same once more, as a script.
fn the_new_test_as_a_script() {
    let bus = TestBus::new();
    let _watchdog = Watchdog::start(&bus, Duration::from_secs(5)).unwrap();
    let seen = bus.record("radar.*");

    expect!(bus, seen => {
        emit "radar.contact", 7_u32;
        see "radar.contact", 7_u32;
        advance Duration::from_nanos(4_999_999_999);
        nothing;
        advance Duration::from_nanos(1);
        see "radar.silent", Duration::from_secs(5);
        advance Duration::from_secs(60);
    });
}

/// How often a test failed, and how long its runs took.
fn rounds(n: u32, test: impl Fn() -> bool) -> String {
    let began = Instant::now();
    let failed = (0..n).filter(|_| !test()).count();
    format!("{n} runs, {failed} failed, {:.1?} in all", began.elapsed())
}

/// Runs something while other programs, or other tests, want the processors too.
fn on_a_busy_machine<R>(run: impl FnOnce() -> R) -> R {
    let (busy, processors) = (AtomicBool::new(true), std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..2 * processors {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = run();
        busy.store(false, Ordering::Relaxed);
        result
    })
}

fn main() {
    println!("with sleeps:      {}", on_a_busy_machine(|| rounds(20, || the_old_test().is_ok())));
    println!("without:          {}", rounds(1_000, || std::panic::catch_unwind(the_new_test).is_ok()));
    println!("and as a script:  {}", rounds(1_000, || std::panic::catch_unwind(the_new_test_as_a_script).is_ok()));
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_radar_is_silent_after_five_seconds_without_contact() {
        super::the_new_test();
        super::the_new_test_as_a_script();
    }
}
