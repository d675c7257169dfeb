//! Patterns in the grammars of NATS, MQTT, AMQP and Redis: converted exactly, or refused.

mod amqp;
mod mqtt;
mod nats;
mod redis;

use crate::limits::Limits;
use crate::parse_error::{Fault, Grammar, ParseError, Reason, What};
use crate::pattern::{Kind, Pattern, Segment, parse_segments};
use crate::topic::{Topic, check_char};

/// One piece of another grammar's text, between two separators.
struct Token<'a> {
    text: &'a str,
    /// The byte where it begins.
    at: usize,
    is_last: bool,
}

/// Reads a text whose tokens stand for our segments one by one; `segment` says for which.
fn read<'a>(
    grammar: Grammar,
    text: &'a str,
    separator: char,
    segment: impl Fn(&Token<'a>) -> Result<&'a str, Fault>,
) -> Result<Pattern, ParseError> {
    refuse_long(text)
        .and_then(|()| tokens(text, separator).map(|token| segment(&token)).collect::<Result<Vec<_>, _>>())
        .and_then(|segments| finish(&segments.join(".")))
        .map_err(|fault| ParseError::new(What::Foreign(grammar), text, fault))
}

fn tokens(text: &str, separator: char) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    text.split(separator).map(move |token| {
        let start = at;
        at += token.len() + separator.len_utf8();
        Token { text: token, at: start, is_last: at > text.len() }
    })
}

/// Refuses an empty text, and one that is too long before anybody looks at its tokens.
fn refuse_long(text: &str) -> Result<(), Fault> {
    let most = Limits::new().bytes;
    match text.len() {
        0 => Err(Fault::of(Reason::Empty)),
        bytes if bytes > most => Err(Fault::of(Reason::TooLong { bytes, most })),
        _ => Ok(()),
    }
}

/// Makes the pattern when its segments have been checked one by one; it may still be too long or too deep.
fn finish(ours: &str) -> Result<Pattern, Fault> {
    // The byte would be one of our text, not of the text that was given.
    parse_segments(ours, &Limits::new()).map_err(|fault| Fault::of(fault.reason))
}

/// Checks that the token can be a literal segment of ours.
fn literal<'a>(token: &Token<'a>, separator: &'static str) -> Result<&'a str, Fault> {
    if token.text.is_empty() {
        return Err(Fault::at(Reason::EmptySegment { separator }, token.at));
    }
    for (at, c) in token.text.char_indices() {
        check_literal_char(c, token.at + at)?;
    }
    Ok(token.text)
}

fn check_literal_char(c: char, at: usize) -> Result<(), Fault> {
    match c {
        '*' => Err(Fault::at(Reason::HalfSegment, at)),
        '/' if at == 0 => Err(Fault::at(Reason::LeadingSlash, at)),
        _ => check_char(c).map_err(|reason| Fault::at(reason, at)),
    }
}

/// Why a pattern cannot be written in a grammar, and what to do instead.
struct Refusal {
    complaint: &'static str,
    mend: String,
}

/// Writes segments in another grammar: the subscriptions that are the pattern together.
type Writer = fn(&[Segment<'_>]) -> Result<Vec<String>, Refusal>;

/// Writes a pattern, a list one by one; a subscription that comes twice is given once.
fn write(pattern: &Pattern, grammar: Grammar, writer: Writer) -> Result<Vec<String>, ParseError> {
    let members = match pattern.kind() {
        Kind::List(members) => members,
        _ => std::slice::from_ref(pattern),
    };
    let mut subscriptions = Vec::new();
    for member in members {
        for subscription in write_one(member, writer).map_err(|refusal| refusal.into_error(member, grammar))? {
            if !subscriptions.contains(&subscription) {
                subscriptions.push(subscription);
            }
        }
    }
    Ok(subscriptions)
}

fn write_one(pattern: &Pattern, writer: Writer) -> Result<Vec<String>, Refusal> {
    match pattern.kind() {
        Kind::Exact(topic) => writer(&topic.segments().map(Segment::Literal).collect::<Vec<_>>()),
        Kind::Wildcard(segments) => writer(&segments.collect::<Vec<_>>()),
        Kind::Regex(_) => Err(Refusal::wider("regular expression", &around(pattern), writer)),
        Kind::List(_) => unreachable!("the patterns of a list are no lists"),
    }
}

/// Segments that match whatever the regular expression matches, and more.
fn around(pattern: &Pattern) -> Vec<Segment<'_>> {
    let whole = pattern.literal_prefix().rsplit_once('.').map_or("", |(whole, _)| whole);
    if Topic::check(whole, &Limits::new()).is_err() {
        return vec![Segment::Deep];
    }
    whole.split('.').map(Segment::Literal).chain([Segment::One, Segment::Deep]).collect()
}

impl Refusal {
    /// A refusal that names what to subscribe to instead; `wider` must be writable, and match all that was asked for.
    fn wider(complaint: &'static str, wider: &[Segment<'_>], writer: Writer) -> Self {
        match writer(wider) {
            Ok(subscriptions) => {
                let subscriptions = subscriptions.join("` and `");
                Self { complaint, mend: format!("subscribe to `{subscriptions}` and filter on arrival") }
            }
            Err(refusal) => refusal,
        }
    }

    fn rename(complaint: &'static str) -> Self {
        Self { complaint, mend: "rename the segment".to_owned() }
    }

    fn into_error(self, pattern: &Pattern, grammar: Grammar) -> ParseError {
        let Self { complaint, mend } = self;
        ParseError::new(What::Pattern, pattern.as_str(), Fault::of(Reason::NotExact { grammar, complaint, mend }))
    }
}

/// The position of a `**`, if there is one, and the segments before it with what follows left open.
fn first_deep<'a>(segments: &[Segment<'a>]) -> Option<(usize, Vec<Segment<'a>>)> {
    let deep = segments.iter().position(|segment| *segment == Segment::Deep)?;
    Some((deep, [&segments[..deep], &[Segment::One, Segment::Deep]].concat()))
}
