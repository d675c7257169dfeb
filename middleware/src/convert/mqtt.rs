//! MQTT topic filters: levels separated by slashes, `+` for one, `#` at the end for any number, also none.

use super::{Refusal, Token, first_deep, literal, read, write};
use crate::parse_error::{Fault, Grammar, ParseError, Reason};
use crate::pattern::{Pattern, Segment};

impl Pattern {
    /// Reads an MQTT topic filter.
    ///
    /// Slashes become dots, `+` our `*`, and `#` our `**`.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::from_mqtt("radar/+/track")?.as_str(), "radar.*.track");
    /// assert_eq!(Pattern::from_mqtt("radar/#")?.as_str(), "radar.**");
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a slash begins or ends the filter or follows another, if `#` stands anywhere but at the end, if a level
    /// holds a dot or otherwise cannot be a segment of a [`Topic`](crate::Topic), or if the filter is a shared
    /// subscription (`$share/group/...`).
    #[doc(alias = "topic filter")]
    pub fn from_mqtt(filter: &str) -> Result<Self, ParseError> {
        read(Grammar::Mqtt, filter, '/', segment_of)
    }

    /// Writes the pattern as MQTT topic filters, which match together what the pattern matches.
    ///
    /// MQTT hides topics that begin with `$` from filters that begin with a wildcard, whatever follows the `$`;
    /// apart from them the filters are exact. Our own topics under `$sys` are not MQTT's `$SYS`.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::new("radar.*.**")?.to_mqtt()?, ["radar/+/#"]);
    /// assert_eq!(
    ///     Pattern::new("**.track")?.to_mqtt().unwrap_err().to_string(),
    ///     "pattern `**.track` has no exact MQTT form: `**` before the end: subscribe to `+/#` and filter on arrival",
    /// );
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a `**` stands before the end, a segment holds `/`, `+` or `#`, the first segment is `$share`, or the
    /// pattern is a regular expression.
    #[doc(alias = "topic filter")]
    pub fn to_mqtt(&self) -> Result<Vec<String>, ParseError> {
        write(self, Grammar::Mqtt, filters)
    }
}

fn segment_of<'a>(token: &Token<'a>) -> Result<&'a str, Fault> {
    match token.text {
        "+" => Ok("*"),
        "#" if token.is_last => Ok("**"),
        "$share" if token.at == 0 => Err(Fault::at(SHARED, 0)),
        text => match text.char_indices().find_map(|(at, c)| Some((at, foreign(c)?))) {
            Some((at, reason)) => Err(Fault::at(reason, token.at + at)),
            None => literal(token, "slash"),
        },
    }
}

const SHARED: Reason =
    Reason::Foreign { complaint: "shared subscription", mend: "leave out `$share` and the name of the group" };

/// What is wrong with a character that MQTT or we give a meaning of its own.
fn foreign(c: char) -> Option<Reason> {
    let (complaint, mend) = match c {
        '#' => ("`#` before the end or inside a level", "write it as the last level"),
        '+' => ("`+` inside a level", "write it as a level of its own"),
        '.' => ("`.` inside a level", "rename the level, a dot would divide it here"),
        '*' => ("`*` inside a level", "rename the level, `*` is a wildcard here"),
        _ => return None,
    };
    Some(Reason::Foreign { complaint, mend })
}

fn filters(segments: &[Segment<'_>]) -> Result<Vec<String>, Refusal> {
    if segments.iter().any(|segment| segment.as_str().contains(['/', '+', '#'])) {
        return Err(Refusal::rename("`/`, `+` or `#` in a segment"));
    }
    if segments.first() == Some(&Segment::Literal("$share")) {
        return Err(Refusal::rename("`$share` as the first segment"));
    }
    match first_deep(segments) {
        Some((deep, wider)) if deep + 1 < segments.len() => Err(Refusal::wider("`**` before the end", &wider, filters)),
        _ => Ok(vec![segments.iter().map(level).collect::<Vec<_>>().join("/")]),
    }
}

fn level<'a>(segment: &Segment<'a>) -> &'a str {
    match *segment {
        Segment::Literal(text) => text,
        Segment::One => "+",
        Segment::Deep => "#",
    }
}
