//! What may be why an assertion fails: all that a bus of a test knows.

use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::Pattern;

use super::books::Books;
use super::kept_back::KeptBack;

/// What went wrong on a bus, and what its layers did not let on; clones share it.
#[derive(Clone)]
pub(super) struct Troubles {
    pub(super) books: Arc<Mutex<Books>>,
    pub(super) kept_back: KeptBack,
}

impl Troubles {
    /// All of it that may be why events of some patterns are missing, to stand behind a message.
    pub(super) fn text(&self, missing: &[Pattern]) -> String {
        let wrong = self.books.lock().clone().lines();
        section("on the bus failed or was refused", &wrong)
            + &section("layers did not let on", &self.kept_back.lines(missing))
    }
}

/// A heading and its lines, if there are any.
fn section(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("\n{heading}:\n{}", lines.join("\n")) }
}
