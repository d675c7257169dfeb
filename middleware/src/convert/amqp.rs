//! AMQP topic exchanges: words separated by dots, `*` for one, `#` anywhere for any number, also none.

use super::{Refusal, Token, literal, read, write};
use crate::parse_error::{Fault, Grammar, ParseError};
use crate::pattern::{Pattern, Segment};

/// AMQP sends a binding key as a short string, whose length is one byte.
const LONGEST_KEY: usize = 255;

impl Pattern {
    /// Reads the binding key of an AMQP topic exchange.
    ///
    /// `*` is our `*`, and `#` our `**`; each key has an exact pattern.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::from_amqp("#.radar.*")?.as_str(), "**.radar.*");
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a word cannot be a segment of a [`Topic`](crate::Topic); AMQP itself would allow empty ones.
    #[doc(alias = "binding key")]
    pub fn from_amqp(key: &str) -> Result<Self, ParseError> {
        read(Grammar::Amqp, key, '.', segment_of)
    }

    /// Writes the pattern as binding keys of an AMQP topic exchange, one for each pattern of a list.
    ///
    /// Topics under `$sys` are the bus's own and are not looked at: `#` would match them.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::new("**.radar.*")?.to_amqp()?, ["#.radar.*"]);
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a segment is `#`, the key is longer than 255 bytes, or the pattern is a regular expression.
    #[doc(alias = "binding key")]
    pub fn to_amqp(&self) -> Result<Vec<String>, ParseError> {
        write(self, Grammar::Amqp, keys)
    }
}

fn segment_of<'a>(token: &Token<'a>) -> Result<&'a str, Fault> {
    match token.text {
        "*" => Ok("*"),
        "#" => Ok("**"),
        _ => literal(token, "dot"),
    }
}

fn keys(segments: &[Segment<'_>]) -> Result<Vec<String>, Refusal> {
    if segments.contains(&Segment::Literal("#")) {
        return Err(Refusal::rename("`#` as a segment"));
    }
    let key = segments.iter().map(word).collect::<Vec<_>>().join(".");
    if key.len() > LONGEST_KEY {
        return Err(Refusal { complaint: "more than 255 bytes", mend: "shorten it".to_owned() });
    }
    Ok(vec![key])
}

fn word<'a>(segment: &Segment<'a>) -> &'a str {
    match *segment {
        Segment::Literal(text) => text,
        Segment::One => "*",
        Segment::Deep => "#",
    }
}
