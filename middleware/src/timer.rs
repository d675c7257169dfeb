//! The thread that rings alarms at their time; started by the first one, and shared by the whole process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::Alarm;
use crate::panics::discard;

#[derive(Default)]
struct Timer {
    due: Mutex<Due>,
    changed: Condvar,
}

#[derive(Default)]
struct Due {
    order: BinaryHeap<Reverse<(Instant, u64)>>,
    alarms: std::collections::HashMap<u64, Weak<dyn Alarm>>,
    next: u64,
}

static TIMER: LazyLock<Timer> = LazyLock::new(|| {
    let started = std::thread::Builder::new().name("sigtree-timer".into()).spawn(|| TIMER.run());
    if let Err(error) = started {
        tracing::error!(target: "sigtree::middleware", "no thread for timers, so alarms ring late: {error}");
    }
    Timer::default()
});

/// Rings an alarm from the timer's thread after some time.
pub(crate) fn ring_after(pause: Duration, alarm: Weak<dyn Alarm>) {
    // A time too far off for the clock never comes.
    let Some(at) = Instant::now().checked_add(pause) else { return };
    let mut due = TIMER.due.lock();
    due.next += 1;
    let number = due.next;
    due.order.push(Reverse((at, number)));
    due.alarms.insert(number, alarm);
    drop(due);
    TIMER.changed.notify_one();
}

impl Timer {
    fn run(&self) {
        let mut due = self.due.lock();
        loop {
            let now = Instant::now();
            match due.order.peek() {
                None => self.changed.wait(&mut due),
                Some(Reverse((at, _))) if *at > now => {
                    let at = *at;
                    self.changed.wait_until(&mut due, at);
                }
                Some(_) => {
                    let alarm = due.order.pop().and_then(|Reverse((_, number))| due.alarms.remove(&number));
                    parking_lot::MutexGuard::unlocked(&mut due, || ring(alarm));
                }
            }
        }
    }
}

/// Rings one alarm; its panic, or that of a handler it leads to, ends nothing else.
fn ring(alarm: Option<Weak<dyn Alarm>>) {
    let Some(alarm) = alarm.and_then(|alarm| alarm.upgrade()) else { return };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| alarm.ring())) {
        let cause = crate::Cause::of_panic(&*panic);
        tracing::error!(target: "sigtree::middleware", "an alarm failed: {cause}");
        discard(panic);
    }
    discard(alarm);
}
