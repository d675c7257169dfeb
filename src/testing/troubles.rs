//! What may be why an assertion fails: all that a bus of a test knows.

use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::Pattern;

use super::books::Books;
use super::kept_back::KeptBack;
use crate::bus::WeakBus;

/// What went wrong on a bus, and what its layers did not let on; clones share it.
#[derive(Clone)]
pub(super) struct Troubles {
    pub(super) books: Arc<Mutex<Books>>,
    pub(super) kept_back: KeptBack,
    pub(super) bus: WeakBus,
}

impl Troubles {
    /// All of it that may be why events of some patterns are missing, to stand behind a message.
    pub(super) fn text(&self, missing: &[Pattern]) -> String {
        let wrong = self.books.lock().clone().lines();
        let kept_back = self.bus.upgrade().map(|bus| self.kept_back.lines(missing, &bus));
        section("on the bus failed or was refused", &wrong)
            + &section("layers did not let on", &kept_back.unwrap_or_default())
    }
}

/// A heading and its lines, if there are any.
fn section(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("\n{heading}:\n{}", lines.join("\n")) }
}
