//! Segments with wildcards: their one text, and which topics they match.

use std::fmt;
use std::iter::FusedIterator;
use std::str::Split;

use crate::parse_error::{Fault, Reason};

/// One segment of a [`Pattern`](crate::Pattern).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Segment<'a> {
    /// This very text.
    Literal(&'a str),
    /// `*`: exactly one segment.
    One,
    /// `**`: any number of segments, also none.
    Deep,
}

impl<'a> Segment<'a> {
    /// The text of the segment, as it stands in the pattern.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        match *self {
            Self::Literal(text) => text,
            Self::One => "*",
            Self::Deep => "**",
        }
    }

    fn of(text: &'a str) -> Self {
        match text {
            "*" => Self::One,
            "**" => Self::Deep,
            _ => Self::Literal(text),
        }
    }
}

/// The segments of a [`Pattern`](crate::Pattern) with wildcards, from [`Kind::Wildcard`](crate::Kind::Wildcard).
#[derive(Clone)]
pub struct Segments<'a>(Split<'a, char>);

impl<'a> Segments<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(text.split('.'))
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        self.0.next().map(Segment::of)
    }
}

impl FusedIterator for Segments<'_> {}

impl fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Refuses `*` as a part of a segment.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let mut start = 0;
    for segment in text.split('.') {
        match segment.find('*') {
            Some(star) if !matches!(segment, "*" | "**") => {
                return Err(Fault::at(Reason::HalfSegment, start + star));
            }
            _ => start += segment.len() + 1,
        }
    }
    Ok(())
}

/// The one text of the set of topics: in each run of wildcards all `*` first and then at most one `**`.
///
/// In a run only two things count: how many segments it takes at least, and whether it takes more.
pub(super) fn canonical(text: &str) -> String {
    let mut canonical: Vec<&str> = Vec::new();
    let mut deep = false;
    for segment in text.split('.') {
        if segment == "**" {
            deep = true;
            continue;
        }
        if segment != "*" && std::mem::take(&mut deep) {
            canonical.push("**");
        }
        canonical.push(segment);
    }
    if deep {
        canonical.push("**");
    }
    match canonical[..] {
        // No topic is empty, so at least one segment is what `**` takes by itself.
        ["*", "**"] => "**".to_owned(),
        _ => canonical.join("."),
    }
}

/// Whether the topic fits the segments.
///
/// Segments are compared from left to right. After a mismatch it is enough to let the last `**` take one segment
/// more: if an earlier one taking more could help, then the last one can make up for it.
pub(super) fn matches(text: &str, topic: &str) -> bool {
    let mut wanted = Segments::of(text);
    let mut given = topic.split('.');
    // What follows the last `**`, and what is left of the topic behind what that `**` has taken.
    let mut last_deep: Option<(Segments<'_>, Split<'_, char>)> = None;
    loop {
        let fits = match wanted.next() {
            Some(Segment::Deep) => {
                last_deep = Some((wanted.clone(), given.clone()));
                continue;
            }
            None => match given.next() {
                None => return true,
                Some(_) => false,
            },
            // With nothing left to compare, no `**` that takes more can help.
            Some(segment) => match (segment, given.next()) {
                (_, None) => return false,
                (Segment::Literal(wanted), Some(given)) => wanted == given,
                (_, Some(_)) => true,
            },
        };
        if !fits {
            let Some((after, rest)) = &mut last_deep else {
                return false;
            };
            if rest.next().is_none() {
                return false;
            }
            wanted = after.clone();
            given = rest.clone();
        }
    }
}

/// The text before the first wildcard, without the dot that a `**` does not insist on.
pub(super) fn literal_prefix(text: &str) -> &str {
    let literal = text.find('*').map_or(text, |star| &text[..star]);
    if text[literal.len()..].starts_with("**") { literal.trim_end_matches('.') } else { literal }
}
