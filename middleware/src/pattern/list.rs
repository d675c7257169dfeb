//! A pattern made of patterns.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Pattern, Shape};
use crate::limits::Limits;
use crate::parse_error::{Fault, ParseError, Reason, What};

/// Two or more different patterns, none of them a list, and their texts with ` | ` between them.
pub(super) struct List {
    members: Box<[Pattern]>,
    text: Box<str>,
}

impl List {
    fn new(members: Vec<Pattern>) -> Self {
        let text = text_of(&members);
        Self { members: members.into(), text: text.into() }
    }

    pub(super) fn members(&self) -> &[Pattern] {
        &self.members
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Makes one pattern of many: lists flattened, repetitions dropped, order kept.
pub(super) fn gather(
    patterns: impl Iterator<Item = Result<Pattern, ParseError>>,
    limits: &Limits,
) -> Result<Pattern, ParseError> {
    let mut members = Vec::new();
    let mut seen = HashSet::new();
    for pattern in patterns {
        let pattern = pattern?;
        for member in pattern.flat() {
            if !seen.insert(member.clone()) {
                continue;
            }
            if members.len() == limits.list {
                return Err(refusal(&members, Reason::TooMany { most: limits.list }));
            }
            members.push(member.clone());
        }
    }
    match members.len() {
        0 => Err(refusal(&members, Reason::EmptyList)),
        1 => Ok(members.remove(0)),
        _ => Ok(Pattern(Shape::List(Arc::new(List::new(members))))),
    }
}

impl Pattern {
    /// The patterns of a list, or the pattern itself.
    fn flat(&self) -> &[Pattern] {
        match &self.0 {
            Shape::List(list) => &list.members,
            _ => std::slice::from_ref(self),
        }
    }
}

fn refusal(members: &[Pattern], reason: Reason) -> ParseError {
    ParseError::new(What::Pattern, &text_of(members), Fault::of(reason))
}

fn text_of(members: &[Pattern]) -> String {
    members.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" | ")
}
