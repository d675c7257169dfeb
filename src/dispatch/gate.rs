//! Waiting for a handler's memory to be freed, which is how `disconnect_wait` knows that no call is running.
//!
//! An emit holds the route that holds the handler's slot, so the slot is dropped when the last emit inside it ends. An
//! emit pays nothing for this: the slot's drop looks at one flag, and only a slot that is waited for goes on to the map.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, wait};

/// Opens once.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.open.lock()
    }

    /// Waits until the gate is open; `false` if it was not within `timeout`.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        // A timeout too far off for the clock is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut open = self.open.lock();
        while !*open {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            wait(&self.opened, &mut open, left);
        }
        true
    }
}

/// The gates of slots that are waited for, by the address of the slot's header, which no other live slot has.
///
/// The lock is the real one also under the model checkers: nothing they watch happens while it is held.
static GATES: LazyLock<parking_lot::Mutex<HashMap<usize, Arc<Gate>>>> = LazyLock::new(Default::default);

/// The gate of the slot at `address`, which must be flagged to call [`open_for`] when it is dropped.
pub(crate) fn gate_for(address: usize) -> Arc<Gate> {
    GATES.lock().entry(address).or_default().clone()
}

/// Opens the gate of the slot at `address`, whose handler is gone.
#[cold]
pub(crate) fn open_for(address: usize) {
    let gate = GATES.lock().remove(&address);
    if let Some(gate) = gate {
        gate.open();
    }
}
