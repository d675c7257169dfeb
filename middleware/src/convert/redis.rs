//! Redis globs: `*` for any text, dots and all; `?`, `[...]` and `\` as in a shell.

use super::{Refusal, check_literal_char, finish, refuse_long, write};
use crate::parse_error::{Fault, Grammar, ParseError, Reason, What};
use crate::pattern::{Pattern, Segment};
use crate::topic::EMPTY_SEGMENT;

/// Most subscriptions that one pattern may take; each `**` between two literals doubles them.
const MOST_GLOBS: usize = 64;

impl Pattern {
    /// Reads the glob of a Redis `PSUBSCRIBE`.
    ///
    /// A `*` that is a whole segment matches dots too, and no segment of a topic is empty: it is one segment or
    /// more, our `*.**`. A backslash takes the meaning from the character behind it.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::from_redis("radar.*")?.as_str(), "radar.*.**");
    /// assert_eq!(Pattern::from_redis("*")?.as_str(), "**");
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the glob holds `?`, `[`, or a `*` that is a part of a segment, or if a segment cannot be one of a
    /// [`Topic`](crate::Topic).
    #[doc(alias = "glob")]
    #[doc(alias = "channel")]
    pub fn from_redis(glob: &str) -> Result<Self, ParseError> {
        refuse_long(glob)
            .and_then(|()| ours(glob))
            .and_then(|ours| finish(&ours))
            .map_err(|fault| ParseError::new(What::Foreign(Grammar::Redis), glob, fault))
    }

    /// Writes the pattern as globs for Redis `PSUBSCRIBE`, which match together what the pattern matches.
    ///
    /// A `**` is two globs, one without it and one with `*` in its place. A message comes once for each glob that
    /// matches it. Topics under `$sys` are the bus's own and are not looked at: `*` would match them.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::new("radar.**.track")?.to_redis()?, ["radar.track", "radar.*.track"]);
    /// assert_eq!(
    ///     Pattern::new("radar.*")?.to_redis().unwrap_err().to_string(),
    ///     "pattern `radar.*` has no exact Redis form: `*` would match dots too: \
    ///      subscribe to `radar.*` and filter on arrival",
    /// );
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a `*` has no `**` beside it, the pattern would take more than 64 globs, or it is a regular expression.
    #[doc(alias = "glob")]
    #[doc(alias = "channel")]
    pub fn to_redis(&self) -> Result<Vec<String>, ParseError> {
        write(self, Grammar::Redis, globs)
    }
}

/// A character of a glob after its backslash was taken away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Dot,
    Star,
    Plain(char),
}

/// The text of our pattern.
fn ours(glob: &str) -> Result<String, Fault> {
    let signs = signs(glob)?;
    let mut next = 0;
    let mut segments = Vec::new();
    for signs_of_one in signs.split(|(_, sign)| *sign == Sign::Dot) {
        let start = signs.get(next).map_or(glob.len(), |(at, _)| *at);
        segments.push(segment(signs_of_one, start)?);
        next += signs_of_one.len() + 1;
    }
    Ok(segments.join("."))
}

/// The signs of the glob, each with the byte where it stands.
fn signs(glob: &str) -> Result<Vec<(usize, Sign)>, Fault> {
    let mut signs = Vec::new();
    let mut chars = glob.char_indices();
    while let Some((at, c)) = chars.next() {
        let sign = match c {
            '*' => Sign::Star,
            '.' => Sign::Dot,
            '?' | '[' => return Err(Fault::at(ONE_CHARACTER, at)),
            // At the very end Redis takes a backslash as itself.
            '\\' => match chars.next() {
                Some((_, '.')) => Sign::Dot,
                Some((_, escaped)) => Sign::Plain(escaped),
                None => Sign::Plain(c),
            },
            _ => Sign::Plain(c),
        };
        signs.push((at, sign));
    }
    Ok(signs)
}

const ONE_CHARACTER: Reason = Reason::Foreign {
    complaint: "`?` and `[`, which stand for one character,",
    mend: "use a regular expression, or write a backslash before a plain one",
};

fn segment(signs: &[(usize, Sign)], start: usize) -> Result<String, Fault> {
    if signs.is_empty() {
        return Err(Fault::at(EMPTY_SEGMENT, start));
    }
    if signs.iter().all(|(_, sign)| *sign == Sign::Star) {
        return Ok("*.**".to_owned());
    }
    let mut literal = String::new();
    for (at, sign) in signs {
        let Sign::Plain(c) = *sign else {
            return Err(Fault::at(Reason::HalfSegment, *at));
        };
        check_literal_char(c, *at)?;
        literal.push(c);
    }
    Ok(literal)
}

fn globs(segments: &[Segment<'_>]) -> Result<Vec<String>, Refusal> {
    let mut all: Vec<Vec<String>> = vec![vec![]];
    for (at, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Literal(text) => push(&mut all, &escape(text)),
            Segment::One if runs_deep(&segments[at..]) => push(&mut all, "*"),
            Segment::One => {
                return Err(Refusal::wider("`*` would match dots too", &deepened(segments), globs));
            }
            // The `*` before it matches dots already.
            Segment::Deep if at > 0 && segments[at - 1] == Segment::One => {}
            Segment::Deep if all.len() == MOST_GLOBS => {
                return Err(Refusal::wider("more than 64 globs", &cut_at_deep(segments), globs));
            }
            Segment::Deep => {
                let mut with = all.clone();
                push(&mut with, "*");
                all.append(&mut with);
            }
        }
    }
    // A `**` by itself: no topic is empty.
    all.retain(|glob| !glob.is_empty());
    Ok(all.iter().map(|glob| glob.join(".")).collect())
}

fn push(globs: &mut [Vec<String>], segment: &str) {
    for glob in globs {
        glob.push(segment.to_owned());
    }
}

/// Whether the run of wildcards that begins here ends in `**`, so that it wants at least so many segments and not
/// exactly.
fn runs_deep(segments: &[Segment<'_>]) -> bool {
    segments.iter().find(|segment| **segment != Segment::One) == Some(&Segment::Deep)
}

/// The segments with a `**` behind each run of `*`, as Redis reads it anyway.
fn deepened<'a>(segments: &[Segment<'a>]) -> Vec<Segment<'a>> {
    let mut deepened = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        deepened.push(*segment);
        let next = segments.get(at + 1);
        if *segment == Segment::One && !matches!(next, Some(Segment::One | Segment::Deep)) {
            deepened.push(Segment::Deep);
        }
    }
    deepened
}

/// The segments up to the first `**`.
fn cut_at_deep<'a>(segments: &[Segment<'a>]) -> Vec<Segment<'a>> {
    let deep = segments.iter().position(|segment| *segment == Segment::Deep);
    segments[..deep.map_or(segments.len(), |deep| deep + 1)].to_vec()
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '?' | '[' | ']' | '\\' | '*') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
