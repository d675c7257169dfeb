//! NATS subjects: tokens separated by dots, `*` for one, `>` at the end for one or more.

use super::{Refusal, Token, first_deep, literal, read, write};
use crate::parse_error::{Fault, Grammar, ParseError, Reason};
use crate::pattern::{Pattern, Segment};

impl Pattern {
    /// Reads a NATS subject with wildcards.
    ///
    /// `*` is our `*`. `>` is one segment or more, our `*.**`.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::from_nats("radar.*.track")?.as_str(), "radar.*.track");
    /// assert_eq!(Pattern::from_nats("radar.>")?.as_str(), "radar.*.**");
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `>` stands anywhere but at the end, or a token cannot be a segment of a [`Topic`](crate::Topic).
    #[doc(alias = "subject")]
    pub fn from_nats(subject: &str) -> Result<Self, ParseError> {
        read(Grammar::Nats, subject, '.', segment_of)
    }

    /// Writes the pattern as NATS subjects, which match together what the pattern matches.
    ///
    /// A `**` at the end is two subscriptions, since `>` wants at least one token. Topics under `$sys` are the
    /// bus's own and are not looked at: `>` would match them. A message comes once for each subscription that
    /// matches it, so a list whose patterns overlap gets it more than once.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::new("radar.**")?.to_nats()?, ["radar", "radar.>"]);
    /// assert_eq!(
    ///     Pattern::new("radar.**.track")?.to_nats().unwrap_err().to_string(),
    ///     "pattern `radar.**.track` has no exact NATS form: `**` before the end: \
    ///      subscribe to `radar.>` and filter on arrival",
    /// );
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a `**` stands before the end, a segment holds `>`, or the pattern is a regular expression.
    #[doc(alias = "subject")]
    pub fn to_nats(&self) -> Result<Vec<String>, ParseError> {
        write(self, Grammar::Nats, subjects)
    }
}

fn segment_of<'a>(token: &Token<'a>) -> Result<&'a str, Fault> {
    match token.text {
        "*" => Ok("*"),
        ">" if token.is_last => Ok("*.**"),
        text => match text.find('>') {
            Some(at) => Err(Fault::at(MISPLACED, token.at + at)),
            None => literal(token, "dot"),
        },
    }
}

const MISPLACED: Reason =
    Reason::Foreign { complaint: "`>` before the end or inside a token", mend: "write it as the last token" };

fn subjects(segments: &[Segment<'_>]) -> Result<Vec<String>, Refusal> {
    if segments.iter().any(|segment| segment.as_str().contains('>')) {
        return Err(Refusal::rename("`>` in a segment"));
    }
    let Some((deep, wider)) = first_deep(segments) else {
        return Ok(vec![subject(segments)]);
    };
    if deep + 1 < segments.len() {
        return Err(Refusal::wider("`**` before the end", &wider, subjects));
    }
    Ok(match &segments[..deep] {
        [] | [Segment::One] => vec![">".to_owned()],
        [before @ .., Segment::One] => vec![subject(before) + ".>"],
        before => vec![subject(before), subject(before) + ".>"],
    })
}

/// A subject without `>`, which is written as we write it.
fn subject(segments: &[Segment<'_>]) -> String {
    segments.iter().map(Segment::as_str).collect::<Vec<_>>().join(".")
}
