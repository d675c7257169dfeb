//! [`Topic`]: the name an event is sent to.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::Limits;
use crate::parse_error::{Fault, ParseError, Reason, What};
use crate::text;

/// The exact, dotted name an event is sent to, such as `orders.new`.
///
/// A topic is made of segments, separated by dots. Reach for a [`Pattern`](crate::Pattern) to name many topics at
/// once. A clone costs one reference count, and a topic can be used wherever a `&str` can.
///
/// # What is a topic
///
/// - One to 16 segments, 255 bytes in all; [`Limits`] sets other numbers.
/// - No segment is empty: `a..b`, `.a` and `a.` are refused.
/// - Letters of any script are welcome and compared byte for byte: `a` and `A` differ, and so do a letter with its
///   accent built in and the same letter followed by a combining accent. Nothing is normalised.
/// - `*` is refused, wherever it stands; it belongs to patterns.
/// - Whitespace and control characters are refused, and so are the characters nobody can see: zero width space
///   (U+200B), word joiner (U+2060), byte order mark (U+FEFF), and the marks that turn the direction of writing
///   (U+202A to U+202E, U+2066 to U+2069).
/// - `|` is refused, for it separates the patterns of a list, and so is `/` as the first byte, for it marks a regular
///   expression.
/// - The five characters that Unicode or IDNA read as a full stop are refused, for they look like a separator and are
///   none: `．` (U+FF0E), `﹒` (U+FE52), `․` (U+2024), `。` (U+3002) and `｡` (U+FF61).
///
/// Topics whose first segment is `$sys` are the bus's own reports; see [`is_reserved`](Self::is_reserved).
///
/// # Examples
///
/// ```
/// use sigtree_middleware::Topic;
///
/// let topic = Topic::new("radar.adsb.track")?;
/// assert_eq!(topic, "radar.adsb.track");
/// assert!(topic.segments().eq(["radar", "adsb", "track"]));
///
/// let error = Topic::new("radar.*").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid topic `radar.*`: wildcard `*` at byte 6: emit to a concrete name, connect with the pattern",
/// );
/// # Ok::<(), sigtree_middleware::ParseError>(())
/// ```
#[doc(alias = "subject")]
#[doc(alias = "channel")]
#[doc(alias = "routing key")]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Checks the text against the default [`Limits`] and makes a topic of it.
    ///
    /// # Errors
    ///
    /// If the text is not a topic, as [above](Self#what-is-a-topic).
    pub fn new(text: impl AsRef<str>) -> Result<Self, ParseError> {
        Self::with_limits(text.as_ref(), &Limits::new())
    }

    /// Checks the text against the given limits and makes a topic of it.
    ///
    /// # Errors
    ///
    /// If the text is not a topic, as [above](Self#what-is-a-topic).
    pub fn with_limits(text: &str, limits: &Limits) -> Result<Self, ParseError> {
        Self::check(text, limits)?;
        Ok(Self(text.into()))
    }

    /// Whether this is a clone of the other one, or the other way round.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Says whether the text is a topic, without making one.
    ///
    /// It reads the text once and allocates nothing unless the text is refused. A text that is too long is refused
    /// unread.
    ///
    /// # Errors
    ///
    /// If the text is not a topic, as [above](Self#what-is-a-topic).
    pub fn check(text: &str, limits: &Limits) -> Result<(), ParseError> {
        scan(text, limits, Stars::Refused).map_err(|fault| ParseError::new(What::Topic, text, fault))
    }

    /// Makes a topic of a text that [`Topic::check`] has already passed.
    #[doc(hidden)]
    #[must_use]
    pub fn from_trusted(text: Arc<str>) -> Self {
        debug_assert!(Self::check(&text, &Limits::new().segments(usize::MAX).bytes(usize::MAX)).is_ok());
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the dots.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the first segment is `$sys`: a topic on which the bus reports about itself.
    ///
    /// Only patterns that spell `$sys` see such a topic, so a handler on `**` is not called for the report of its own
    /// failure.
    ///
    /// ```
    /// use sigtree_middleware::{Pattern, Topic};
    ///
    /// let report = Topic::new("$sys.handler.failed")?;
    /// assert!(report.is_reserved());
    /// assert!(!Pattern::new("**")?.matches(&report));
    /// assert!(Pattern::new("$sys.**")?.matches(&report));
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        is_reserved(&self.0)
    }

    /// The topic under this one: a child's name, a dot, and the name inside the child.
    ///
    /// ```
    /// use sigtree_middleware::Topic;
    ///
    /// assert_eq!(Topic::new("radar")?.join("track.new")?, "radar.track.new");
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the name is not a topic by itself, or the two together exceed the default [`Limits`].
    pub fn join(&self, name: &str) -> Result<Self, ParseError> {
        self.join_with_limits(name, &Limits::new())
    }

    /// The same where topics may be longer or shorter.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_with_limits(&self, name: &str, limits: &Limits) -> Result<Self, ParseError> {
        Self::check(name, limits)?;
        Self::with_limits(&format!("{self}.{name}"), limits)
    }

    /// Whether both are clones of one topic, which is quicker to see than that they are equal.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Topic {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Sound because equality, order and hash are those of the text.
impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for Topic {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Topic {
    type Error = ParseError;

    fn try_from(text: &str) -> Result<Self, ParseError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Topic {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        Self::new(text)
    }
}

impl PartialEq<str> for Topic {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Topic {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

/// What a scan does about `*`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stars {
    /// Topics have none.
    Refused,
    /// Patterns look at theirs themselves.
    Passed,
}

/// Applies the rules of names that topics and patterns share, in one pass over the bytes.
pub(crate) fn scan(text: &str, limits: &Limits, stars: Stars) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(Fault::of(Reason::Empty));
    }
    if text.len() > limits.bytes {
        return Err(Fault::of(Reason::TooLong { bytes: text.len(), most: limits.bytes }));
    }
    if text.starts_with('/') {
        return Err(Fault::at(Reason::LeadingSlash, 0));
    }
    let mut segments = 1;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'.' if at == start => return Err(Fault::at(EMPTY_SEGMENT, at)),
            b'.' if segments >= limits.segments => {
                return Err(Fault::at(Reason::TooDeep { most: limits.segments }, at));
            }
            b'.' => {
                segments += 1;
                start = at + 1;
            }
            b'*' if stars == Stars::Passed => {}
            b'!'..=b')' | b'+'..=b'{' | b'}' | b'~' => {}
            // The later bytes of a character that was looked at when its first byte came by.
            0x80..=0xBF => {}
            _ => check_char(text[at..].chars().next().unwrap_or('\0')).map_err(|reason| Fault::at(reason, at))?,
        }
    }
    if start == text.len() { Err(Fault::at(EMPTY_SEGMENT, start)) } else { Ok(()) }
}

pub(crate) const EMPTY_SEGMENT: Reason = Reason::EmptySegment { separator: "dot" };

/// Whether the character may stand in the segment of a topic.
pub(crate) fn check_char(c: char) -> Result<(), Reason> {
    match c {
        '*' => Err(Reason::Wildcard),
        '|' => Err(Reason::Bar),
        '\u{2024}' | '\u{3002}' | '\u{FE52}' | '\u{FF0E}' | '\u{FF61}' => Err(Reason::LookAlike(c)),
        _ if c.is_control() => Err(Reason::Control(c)),
        _ if c.is_whitespace() => Err(Reason::Whitespace(c)),
        _ if text::is_invisible(c) => Err(Reason::Invisible(c)),
        _ => Ok(()),
    }
}

/// Whether the first segment of the topic is `$sys`.
pub(crate) fn is_reserved(topic: &str) -> bool {
    topic.strip_prefix("$sys").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
