//! [`Hold`]: the plainest layer that holds events.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{Alarm, Held, Mark};
use sigtree::{Event, Middleware, Next};

/// Holds every event until it is flushed, five seconds are over, or its last clone is dropped.
#[derive(Clone)]
pub(crate) struct Hold(Arc<Inner>);

struct Inner {
    mark: Mark,
    held: Mutex<Vec<Held>>,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { mark: Mark::new(), held: Mutex::default() }))
    }
}

impl Inner {
    fn release(&self) {
        let held = std::mem::take(&mut *self.held.lock());
        for held in held {
            held.release();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.release();
    }
}

impl Alarm for Inner {
    fn ring(&self) {
        self.release();
    }
}

impl Middleware for Hold {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if event.resumes(self.0.mark) {
            return next.run(event);
        }
        match next.hold(event, self.0.mark) {
            Some(held) => {
                let clock = event.emission().host().clock();
                let inner: Arc<dyn Alarm> = self.0.clone();
                self.0.held.lock().push(held);
                clock.wake(clock.elapsed() + Duration::from_secs(5), Arc::downgrade(&inner));
            }
            None => next.run(event),
        }
    }

    fn retains(&self) -> bool {
        true
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.0.mark
    }

    fn flush(&self) {
        self.0.release();
    }
}
