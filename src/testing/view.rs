//! What an assertion looks at: the events of one moment, and how a failure shows them.

use sigtree_middleware::{Counted, Pattern};

use super::diff::diff;
use super::seen::Seen;
use super::shown::Shown;
use super::troubles::Troubles;

/// How many events a failure shows.
const LISTED: usize = 40;

/// What a recorder had seen at one moment.
#[derive(Clone)]
pub(super) struct View {
    pub(super) events: Vec<Seen>,
    pub(super) forgotten: u64,
    pub(super) heard: Vec<Pattern>,
    pub(super) shown: Shown,
    pub(super) troubles: Option<Troubles>,
}

impl View {
    pub(super) fn matching(&self, pattern: &Pattern) -> Vec<Seen> {
        self.events.iter().filter(|seen| pattern.matches(seen.topic())).cloned().collect()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.events.iter().map(ToString::to_string).collect()
    }

    /// Panics if events were forgotten, because then nobody knows all there was.
    #[track_caller]
    pub(super) fn must_be_complete(&self) {
        let forgotten = self.forgotten;
        if forgotten > 0 {
            let forgotten = Counted(forgotten, "event");
            self.fail(
                &format!("the recorder forgot {forgotten}, so nothing can be said of all: raise `Recorder::room`"),
                &[],
                &[],
            );
        }
    }

    /// Panics with a message, and with all that was seen, the marked events behind a `>`; if events of some patterns are missing, also
    /// with where they may have gone.
    #[track_caller]
    pub(super) fn fail(&self, message: &str, marked: &[Seen], missing: &[Pattern]) -> ! {
        panic!("{message}\n{}{}", self.list(marked), self.why(missing))
    }

    /// The same with where two lists differ.
    #[track_caller]
    pub(super) fn fail_with_diff(&self, message: &str, expected: &[String], seen: &[String], missing: &[Pattern]) -> ! {
        panic!("{message}\n{}{}", diff(expected, seen), self.why(missing))
    }

    /// What went wrong on the bus, which is often why.
    fn why(&self, missing: &[Pattern]) -> String {
        self.troubles.as_ref().map(|troubles| troubles.text(missing)).unwrap_or_default()
    }

    fn list(&self, marked: &[Seen]) -> String {
        let heard = self.heard.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(", ");
        if self.events.is_empty() {
            return format!("nothing was seen on {heard}");
        }
        let left_out = self.events.len().saturating_sub(LISTED);
        let mut lines = vec![format!("seen on {heard}:")];
        if left_out + self.forgotten as usize > 0 {
            lines.push(format!("    ... ({left_out} earlier, {} forgotten)", self.forgotten));
        }
        lines.extend(self.events[left_out..].iter().map(|seen| {
            let is_marked = marked.iter().any(|one| one.number() == seen.number());
            format!("  {} {:>2}  {seen}", if is_marked { '>' } else { ' ' }, seen.number())
        }));
        lines.join("\n")
    }
}
