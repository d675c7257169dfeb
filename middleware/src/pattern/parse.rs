//! Reading patterns: a topic, segments with wildcards, a regular expression between slashes, or a list of these.

use super::{Pattern, Shape, list, regular, wildcard};
use crate::limits::Limits;
use crate::parse_error::{Fault, ParseError, Reason, What};
use crate::topic::{Stars, Topic, scan};

/// Reads any pattern.
pub(super) fn pattern(text: &str, limits: &Limits) -> Result<Pattern, ParseError> {
    // What is longer than any list is refused unread: not even the bars are looked for.
    if text.len() > longest_list(limits) {
        let reason = Reason::TooLong { bytes: text.len(), most: limits.bytes };
        return Err(ParseError::new(What::Pattern, text, Fault::of(reason)));
    }
    match members(text)[..] {
        [only] => single(only, limits),
        ref many => list::gather(many.iter().map(|text| member(text, limits)), limits),
    }
}

/// The length of the longest text that can be a list: a regular expression may have a backslash for each of its
/// bytes, stands between slashes, and has ` | ` behind it.
fn longest_list(limits: &Limits) -> usize {
    regular::most_bytes(limits).saturating_mul(2).saturating_add(5).saturating_mul(limits.list)
}

/// The texts between the bars, without the spaces on either side of a bar.
fn members(text: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let mut rest = text;
    while let Some(bar) = next_bar(rest) {
        members.push(rest[..bar].trim_end_matches(' '));
        rest = rest[bar + 1..].trim_start_matches(' ');
    }
    members.push(rest);
    members
}

/// The byte of the next bar that is not inside a regular expression.
fn next_bar(text: &str) -> Option<usize> {
    let start = if text.starts_with('/') { regular::closing_slash(text)? } else { 0 };
    text[start..].find('|').map(|bar| start + bar)
}

/// Reads one pattern of a list.
fn member(text: &str, limits: &Limits) -> Result<Pattern, ParseError> {
    if text.is_empty() {
        return Err(ParseError::new(What::Pattern, text, Fault::of(Reason::EmptyMember)));
    }
    single(text, limits)
}

/// Reads a pattern that is not a list.
fn single(text: &str, limits: &Limits) -> Result<Pattern, ParseError> {
    if text.starts_with('/') {
        let expression = regular::between_slashes(text).map_err(|fault| ParseError::new(What::Pattern, text, fault))?;
        return Pattern::regex_with_limits(expression, limits);
    }
    segments(text, limits).map_err(|fault| ParseError::new(What::Pattern, text, fault))
}

/// Reads a topic, or segments with wildcards.
pub(crate) fn segments(text: &str, limits: &Limits) -> Result<Pattern, Fault> {
    scan(text, limits, Stars::Passed)?;
    if !text.contains('*') {
        return Ok(Topic::from_trusted(text.into()).into());
    }
    wildcard::check(text)?;
    Ok(Pattern(Shape::Wildcard(wildcard::canonical(text).into())))
}
