//! What went wrong in the thread that writes, and who is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::{Erased, Event, Next, RecordingFailed};

/// The topic of the report.
const TOPIC: &str = "$sys.recording.failed";

/// What went wrong, on its way from the thread that writes to those who want to know.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    fresh: AtomicBool,
    latest: Mutex<Option<RecordingFailed>>,
}

impl Trouble {
    pub(super) fn raise(&self, failed: RecordingFailed) {
        let RecordingFailed { recording, error, lost } = &failed;
        tracing::error!(target: "sigtree::middleware", %recording, lost, "a recording failed: {error}");
        *self.latest.lock() = Some(failed);
        // Release: whoever sees it in `report` finds the trouble, which the lock also sees to.
        self.fresh.store(true, Ordering::Release);
    }

    pub(super) fn latest(&self) -> Option<RecordingFailed> {
        self.latest.lock().clone()
    }

    /// Tells the bus of what is new.
    pub(super) fn report(&self, event: &Event<'_>, next: &Next<'_>) {
        // A plain load first, for every event comes by here, and threads would fight over a swap.
        if !self.fresh.load(Ordering::Relaxed) || !self.fresh.swap(false, Ordering::Acquire) {
            return;
        }
        if let Some(latest) = self.latest() {
            next.host(event).report(TOPIC, &mut || -> Arc<Erased> { Arc::new(latest.clone()) });
        }
    }
}
