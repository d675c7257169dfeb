//! [`IntoPattern`]: what can be given where a pattern is wanted.

use super::Pattern;
use crate::limits::Limits;
use crate::parse_error::ParseError;
use crate::topic::Topic;

/// Whatever can be made into a [`Pattern`]: texts, topics, patterns, and arrays, slices or vectors of them.
///
/// Functions that take a pattern take an `impl IntoPattern`, so that their callers can write what they have.
///
/// # Examples
///
/// ```
/// use sigtree_middleware::{IntoPattern, Limits, ParseError, Pattern};
///
/// fn watch(pattern: impl IntoPattern) -> Result<Pattern, ParseError> {
///     pattern.into_pattern(&Limits::new())
/// }
///
/// assert_eq!(watch("orders.*")?, watch(["orders.*"])?);
/// assert_eq!(watch(["orders.*", "radar.**"])?, watch("orders.* | radar.**")?);
/// # Ok::<(), ParseError>(())
/// ```
pub trait IntoPattern {
    /// Makes a pattern, within the limits.
    ///
    /// A [`Topic`] or [`Pattern`] that exists already was measured when it was made, and is not measured again.
    ///
    /// # Errors
    ///
    /// If a text is not a pattern, or a list is empty or too long.
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError>;
}

impl IntoPattern for &str {
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::with_limits(self, limits)
    }
}

/// What iterating over a borrowed list of texts gives.
impl IntoPattern for &&str {
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::with_limits(self, limits)
    }
}

impl IntoPattern for String {
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::with_limits(&self, limits)
    }
}

impl IntoPattern for &String {
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::with_limits(self, limits)
    }
}

impl IntoPattern for Topic {
    fn into_pattern(self, _: &Limits) -> Result<Pattern, ParseError> {
        Ok(self.into())
    }
}

impl IntoPattern for &Topic {
    fn into_pattern(self, _: &Limits) -> Result<Pattern, ParseError> {
        Ok(self.into())
    }
}

impl IntoPattern for Pattern {
    fn into_pattern(self, _: &Limits) -> Result<Pattern, ParseError> {
        Ok(self)
    }
}

impl IntoPattern for &Pattern {
    fn into_pattern(self, _: &Limits) -> Result<Pattern, ParseError> {
        Ok(self.clone())
    }
}

impl<P: IntoPattern, const N: usize> IntoPattern for [P; N] {
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::any_with_limits(self, limits)
    }
}

impl<P: IntoPattern> IntoPattern for Vec<P> {
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::any_with_limits(self, limits)
    }
}

impl<'a, P> IntoPattern for &'a [P]
where
    &'a P: IntoPattern,
{
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::any_with_limits(self, limits)
    }
}

impl<'a, P, const N: usize> IntoPattern for &'a [P; N]
where
    &'a P: IntoPattern,
{
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::any_with_limits(self, limits)
    }
}

impl<'a, P> IntoPattern for &'a Vec<P>
where
    &'a P: IntoPattern,
{
    fn into_pattern(self, limits: &Limits) -> Result<Pattern, ParseError> {
        Pattern::any_with_limits(self, limits)
    }
}
