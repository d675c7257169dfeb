//! What is wrong with a name, where, and how to mend it.

use std::fmt::{self, Write as _};

use crate::misleads;
use crate::text::{Counted, beginning};

/// A topic or pattern that was refused.
///
/// The message quotes the text, says what is wrong and at which byte, and how to mend it. Code that wants to react to
/// one sort of mistake asks the `is_*` predicates.
///
/// # Examples
///
/// ```
/// use sigtree_middleware::Topic;
///
/// let error = Topic::new("orders..new").unwrap_err();
/// assert!(error.is_empty_segment());
/// assert_eq!(error.offset(), Some(7));
/// assert_eq!(error.to_string(), "invalid topic `orders..new`: empty segment at byte 7: remove one dot");
/// ```
// Boxed: the error is rare and large, the `Result`s that carry it are everywhere and should stay one word.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError(Box<Refusal>);

#[derive(Clone, PartialEq, Eq)]
struct Refusal {
    what: What,
    /// At most [`QUOTED`] bytes of the refused text.
    text: Box<str>,
    /// Whether `text` is only the beginning of what was refused.
    cut: bool,
    fault: Fault,
}

/// Most bytes of a refused text that an error keeps and quotes.
const QUOTED: usize = 80;

impl ParseError {
    pub(crate) fn new(what: What, text: &str, fault: Fault) -> Self {
        let kept = beginning(text, QUOTED);
        Self(Box::new(Refusal { what, text: kept.into(), cut: kept.len() < text.len(), fault }))
    }

    /// The refused text, or its first 80 bytes if it is longer.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The byte of the refused text where the trouble is, if it is in one place.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.0.fault.at
    }

    /// Whether there was nothing to parse: an empty text, or a list without patterns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.reason(), Reason::Empty | Reason::EmptyRegex | Reason::EmptyList | Reason::EmptyMember)
    }

    /// Whether two dots stand side by side, or a dot begins or ends the text.
    #[must_use]
    pub fn is_empty_segment(&self) -> bool {
        matches!(self.reason(), Reason::EmptySegment { .. })
    }

    /// Whether a wildcard stands where none may: in a topic, or as a part of a segment.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self.reason(), Reason::Wildcard | Reason::HalfSegment)
    }

    /// Whether the text has more bytes than [`Limits::bytes`](crate::Limits::bytes) allows.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        matches!(self.reason(), Reason::TooLong { .. })
    }

    /// Whether the text has more segments than [`Limits::segments`](crate::Limits::segments) allows.
    #[must_use]
    pub fn is_too_deep(&self) -> bool {
        matches!(self.reason(), Reason::TooDeep { .. })
    }

    /// Whether a list has more patterns than [`Limits::list`](crate::Limits::list) allows.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        matches!(self.reason(), Reason::TooMany { .. })
    }

    /// Whether a character stands where it may not: whitespace, a control or invisible character, `|`, a leading `/`,
    /// or a character that only looks like a dot.
    #[must_use]
    pub fn is_bad_character(&self) -> bool {
        matches!(
            self.reason(),
            Reason::Whitespace(_)
                | Reason::Control(_)
                | Reason::Invisible(_)
                | Reason::LookAlike(_)
                | Reason::Bar
                | Reason::LeadingSlash
        )
    }

    /// Whether a regular expression is malformed or compiles to more than
    /// [`Limits::regex_bytes`](crate::Limits::regex_bytes).
    #[must_use]
    pub fn is_bad_regex(&self) -> bool {
        matches!(self.reason(), Reason::Regex(_) | Reason::RegexTooBig { .. } | Reason::RegexOpen | Reason::RegexTail)
    }

    /// Whether a pattern has no exact form in the other grammar, or the other grammar's text none in ours.
    #[must_use]
    pub fn is_not_exact(&self) -> bool {
        matches!(self.reason(), Reason::Foreign { .. } | Reason::NotExact { .. })
    }

    fn reason(&self) -> &Reason {
        &self.0.fault.reason
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { what, text, cut, fault } = &*self.0;
        let quoted = Quoted { text, cut: *cut };
        match &fault.reason {
            Reason::NotExact { grammar, .. } => {
                write!(f, "pattern `{quoted}` has no exact {grammar} form: ")?;
            }
            _ => write!(f, "invalid {what} `{quoted}`: ")?,
        }
        fault.reason.complaint(f)?;
        if let Some(at) = fault.at {
            write!(f, " at byte {at}")?;
        }
        f.write_str(": ")?;
        fault.reason.mend(f)
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParseError({self})")
    }
}

impl std::error::Error for ParseError {}

/// What the refused text was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Topic,
    Pattern,
    Regex,
    Foreign(Grammar),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic => f.write_str("topic"),
            Self::Pattern => f.write_str("pattern"),
            Self::Regex => f.write_str("regular expression"),
            Self::Foreign(grammar) => write!(f, "{grammar} pattern"),
        }
    }
}

/// Whose patterns are converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    Nats,
    Mqtt,
    Amqp,
    Redis,
}

impl fmt::Display for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nats => "NATS",
            Self::Mqtt => "MQTT",
            Self::Amqp => "AMQP",
            Self::Redis => "Redis",
        })
    }
}

/// One mistake: what it is, and the byte where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) at: Option<usize>,
}

impl Fault {
    pub(crate) fn of(reason: Reason) -> Self {
        Self { reason, at: None }
    }

    pub(crate) fn at(reason: Reason, at: usize) -> Self {
        Self { reason, at: Some(at) }
    }
}

/// Every mistake there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    Empty,
    EmptyRegex,
    EmptySegment {
        separator: &'static str,
    },
    Wildcard,
    HalfSegment,
    Whitespace(char),
    Control(char),
    Invisible(char),
    LookAlike(char),
    Bar,
    LeadingSlash,
    TooLong {
        bytes: usize,
        most: usize,
    },
    TooDeep {
        most: usize,
    },
    TooMany {
        most: usize,
    },
    EmptyList,
    EmptyMember,
    Regex(String),
    RegexTooBig {
        most: usize,
    },
    RegexOpen,
    RegexTail,
    /// The other grammar's text means something we cannot say.
    Foreign {
        complaint: &'static str,
        mend: &'static str,
    },
    /// Our pattern means something the other grammar cannot say.
    NotExact {
        grammar: Grammar,
        complaint: &'static str,
        mend: String,
    },
}

impl Reason {
    /// What is wrong.
    fn complaint(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty | Self::EmptyRegex => f.write_str("empty text"),
            Self::EmptySegment { .. } => f.write_str("empty segment"),
            Self::Wildcard => f.write_str("wildcard `*`"),
            Self::HalfSegment => f.write_str("`*` as a part of a segment"),
            Self::Whitespace(' ') => f.write_str("space"),
            Self::Whitespace(c) => write!(f, "whitespace `{}`", c.escape_default()),
            Self::Control(c) => write!(f, "control character `{}`", c.escape_default()),
            Self::Invisible(c) => write!(f, "invisible character `{}`", c.escape_default()),
            Self::LookAlike(c) => write!(f, "`{c}` (U+{:04X}), which only looks like a dot,", u32::from(*c)),
            Self::Bar => f.write_str("`|`, which separates the patterns of a list,"),
            Self::LeadingSlash => f.write_str("`/`, which marks a regular expression,"),
            Self::TooLong { bytes, most } => write!(
                f,
                "{}, at most {most} {} allowed",
                Counted(*bytes, "byte"),
                if *most == 1 { "is" } else { "are" }
            ),
            Self::TooDeep { most } => write!(f, "more than {}", Counted(*most, "segment")),
            Self::TooMany { most } => write!(f, "more than {} in a list", Counted(*most, "pattern")),
            Self::EmptyList => f.write_str("empty list"),
            Self::EmptyMember => f.write_str("empty pattern in a list"),
            Self::Regex(message) => f.write_str(message),
            Self::RegexTooBig { most } => write!(f, "compiles to more than {}", Counted(*most, "byte")),
            Self::RegexOpen => f.write_str("no closing `/`"),
            Self::RegexTail => f.write_str("text after the closing `/`"),
            Self::Foreign { complaint, .. } | Self::NotExact { complaint, .. } => f.write_str(complaint),
        }
    }

    /// How to put it right.
    fn mend(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "write at least one segment",
            Self::EmptyRegex => "write an expression that matches whole topics",
            Self::EmptySegment { separator } => return write!(f, "remove one {separator}"),
            Self::Wildcard => "emit to a concrete name, connect with the pattern",
            Self::HalfSegment => "write `*` for the whole segment, or use a regular expression",
            Self::Whitespace(_) => "write `-` or `_` instead",
            Self::Control(_) | Self::Invisible(_) => "remove it",
            Self::LookAlike(_) => "write a plain dot",
            Self::Bar => "leave it out of names",
            Self::LeadingSlash => "begin with another character",
            Self::TooLong { .. } => "shorten it, or raise `Limits::bytes`",
            Self::TooDeep { .. } => "use fewer, or raise `Limits::segments`",
            Self::TooMany { .. } => "use a wildcard, or raise `Limits::list`",
            Self::EmptyList => "give at least one pattern",
            Self::EmptyMember => "remove one `|`",
            Self::Regex(_) => "correct it, and write a dot of the topic as `\\.`",
            Self::RegexTooBig { .. } => "use smaller repetitions, or raise `Limits::regex_bytes`",
            Self::RegexOpen => "end the regular expression with `/`, and write a slash inside it as `\\/`",
            Self::RegexTail => "write a slash inside a regular expression as `\\/`, and ` | ` between two patterns",
            Self::Foreign { mend, .. } => mend,
            Self::NotExact { mend, .. } => mend,
        })
    }
}

/// A refused text as messages show it: on one line, however hostile.
struct Quoted<'a> {
    text: &'a str,
    cut: bool,
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            if shows(c) {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_default())?;
            }
        }
        f.write_str(if self.cut { "…" } else { "" })
    }
}

/// Whether a terminal shows the character as itself, and nothing else changes its place.
fn shows(c: char) -> bool {
    c == ' ' || !(c.is_whitespace() || misleads(c))
}
