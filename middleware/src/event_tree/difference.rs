//! [`Difference`]: where two trees part, for people.

use std::error::Error;
use std::fmt;

use super::Line;
use crate::EventId;

/// How many events before the one that differs are shown, beside those that led to it.
const BEFORE: usize = 2;

/// How many of the events that led to it are shown.
const ABOVE: usize = 8;

/// The first event in which two [trees](crate::EventTree) differ, as a diff: `-` is expected, `+` is found.
#[derive(Clone, PartialEq, Eq)]
pub struct Difference {
    event: usize,
    context: Vec<Option<Line>>,
    expected: Option<Line>,
    found: Option<Line>,
    /// An id that two events have, if any have; the text alone, which keeps the error small.
    repeated: Option<Box<str>>,
}

impl Difference {
    /// Between two lists that are not the same.
    pub(super) fn between(expected: &[Line], found: &[Line]) -> Self {
        let same = expected.iter().zip(found).take_while(|(one, other)| one == other).count();
        let (expected, before, found) = (expected.get(same), &expected[..same], found.get(same));
        let depth = expected.into_iter().chain(found).map(|line| line.depth).max().unwrap_or(0);
        let (context, expected, found) = (context(before, depth), expected.cloned(), found.cloned());
        Self { event: same + 1, context, expected, found, repeated: None }
    }

    /// Tells people of an id that two events have.
    pub(super) fn noting(self, repeated: Option<EventId>) -> Self {
        Self { repeated: repeated.map(|id| id.to_string().into()), ..self }
    }

    /// Which event it is, counted from 1 in the order in which the trees are shown.
    #[must_use]
    pub fn event(&self) -> usize {
        self.event
    }

    /// The event that is expected there: its topic and payload; `None` if there is to be none.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        self.expected.as_ref().map(|line| &*line.text)
    }

    /// The event that is found there; `None` if there is none.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        self.found.as_ref().map(|line| &*line.text)
    }
}

/// The last few lines, and those that led to what comes at this depth; `None` where some are left out.
fn context(before: &[Line], mut depth: usize) -> Vec<Option<Line>> {
    let mut shown = Vec::new();
    let mut above = 0;
    for (back, line) in before.iter().rev().enumerate() {
        let leads = line.depth < depth;
        if leads {
            depth = line.depth;
            above += 1;
        }
        if back < BEFORE || (leads && above <= ABOVE) {
            shown.push(Some(line.clone()));
        } else if shown.last().is_some_and(Option::is_some) {
            shown.push(None);
        }
        if depth == 0 && back + 1 >= BEFORE {
            break;
        }
    }
    shown.reverse();
    shown
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "event {} differs:", self.event)?;
        for (i, line) in self.context.iter().enumerate() {
            let next = self.context.get(i + 1).and_then(Option::as_ref);
            match (line, next) {
                (Some(line), _) => writeln!(f, "  {line}")?,
                (None, next) => {
                    let gap = Line { depth: next.map_or(0, |line| line.depth), text: String::from("...") };
                    writeln!(f, "  {gap}")?;
                }
            }
        }
        write_side(f, '-', self.expected.as_ref())?;
        write_side(f, '+', self.found.as_ref())?;
        match &self.repeated {
            Some(id) => writeln!(f, "two events have the id {id}, so this may be no difference: see `SequentialIds`"),
            None => Ok(()),
        }
    }
}

fn write_side(f: &mut fmt::Formatter<'_>, sign: char, line: Option<&Line>) -> fmt::Result {
    match line {
        Some(line) => writeln!(f, "{sign} {line}"),
        None => writeln!(f, "{sign} nothing more"),
    }
}

/// The same as for people: `unwrap` in a test shows the diff.
impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Error for Difference {}
