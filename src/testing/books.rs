//! What went wrong on the bus of a test.

use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::Failure;

use crate::bus::Bus;
use crate::connection::ConnectionSet;
use crate::error::Error;
use crate::sys::{HandlerFailed, Refused};

/// What went wrong and was not taken yet.
#[derive(Default, Clone)]
pub(super) struct Books {
    pub(super) failures: Vec<Arc<Failure>>,
    pub(super) refusals: Vec<Arc<Error>>,
    /// Those there was no room for.
    more: u64,
    /// How many failures of this very bus were reported so far.
    reported: u64,
}

/// How many failures, and how many refusals, are kept.
const KEPT: usize = 1_000;

impl Books {
    /// Notes what the bus reports.
    pub(super) fn listen(books: &Arc<Mutex<Self>>, bus: &Bus) -> Result<ConnectionSet, Error> {
        let mut reports = ConnectionSet::new();
        let (failures, refusals, name) = (books.clone(), books.clone(), String::from(bus.name()));
        reports.add(bus.connect("$sys.handler.failed", move |report: &HandlerFailed| {
            let mut books = failures.lock();
            books.reported += u64::from(*report.bus == *name);
            let Books { failures, more, .. } = &mut *books;
            keep(failures, report.failure.clone(), more);
        })?);
        reports.add(bus.connect("$sys.refused", move |report: &Refused| {
            let Books { refusals, more, .. } = &mut *refusals.lock();
            keep(refusals, report.error.clone(), more);
        })?);
        Ok(reports)
    }

    /// What went wrong and was not taken, a line each. Errors write themselves, so it is not called under the lock.
    pub(super) fn lines(&self) -> Vec<String> {
        let failures = self.failures.iter().map(|failure| format!("  {failure}"));
        let refusals = self.refusals.iter().map(|error| format!("  refused: {error}"));
        let more = (self.more > 0).then(|| format!("  {} more", self.more));
        failures.chain(refusals).chain(more).collect()
    }

    /// The same, and what the bus did not report; from here on all of it is old.
    pub(super) fn close(books: &Mutex<Self>, bus: &Bus) -> Vec<String> {
        let failures = bus.failures();
        let closed = std::mem::replace(&mut *books.lock(), Self { reported: failures, ..Self::default() });
        // Failures of handlers of reports, and those while reports were muted, are only counted.
        let silent = failures.saturating_sub(closed.reported);
        let silent = (silent > 0).then(|| format!("  {silent} that the bus could not report"));
        closed.lines().into_iter().chain(silent).collect()
    }
}

fn keep<T>(list: &mut Vec<T>, item: T, more: &mut u64) {
    if list.len() < KEPT {
        list.push(item);
    } else {
        *more += 1;
    }
}
