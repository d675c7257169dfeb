//! [`Pattern`]: which topics one connection wants.

mod into_pattern;
mod list;
mod parse;
mod regular;
mod wildcard;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::Limits;
use crate::parse_error::ParseError;
use crate::topic::{Topic, is_reserved};

pub use into_pattern::IntoPattern;
pub use wildcard::{Segment, Segments};

pub(crate) use parse::segments as parse_segments;

use list::List;
use regular::Regular;

/// A set of topics: one of them, all that fit some wildcards, all that fit a regular expression, or a list of these.
///
/// # How patterns are written
///
/// | text | matches |
/// |---|---|
/// | `orders.new` | that topic |
/// | `orders.*` | `*` is exactly one segment: `orders.new`, not `orders` or `orders.new.urgent` |
/// | `orders.**` | `**` is any number of segments, also none: `orders`, `orders.new`, `orders.new.urgent` |
/// | `**.failed` | wildcards stand anywhere: `failed`, `orders.failed`, `orders.new.failed` |
/// | `/radar\.(adsb\|mlat)\..*/` | a regular expression between slashes, for the whole topic; a slash inside is `\/` |
/// | `orders.* \| radar.**` | a list: whatever one of its patterns matches |
///
/// A wildcard is a whole segment; `h*d` is refused. Apart from wildcards a pattern obeys the rules of a
/// [`Topic`](Topic#what-is-a-topic), and the same [`Limits`].
///
/// # Reserved topics
///
/// Topics whose first segment is `$sys` are matched only by patterns that spell it: by a first segment `$sys`, or
/// by a regular expression whose text begins with `\$sys`. A list sees them if one of its patterns does. So `**` is
/// every topic but those.
///
/// # One set, one text
///
/// Patterns are equal if their texts are, so each set of wildcards has one text: in a run of wildcards all `*` come
/// first and then at most one `**`, and what matches every topic is written `**`. `a.**.*` becomes `a.*.**`. A list
/// keeps its order and drops repetitions; a list of one is that one.
///
/// ```
/// use sigtree_middleware::Pattern;
///
/// assert_eq!(Pattern::new("a.**.*.**")?.as_str(), "a.*.**");
/// assert_eq!(Pattern::new("*.**")?.as_str(), "**");
/// assert_eq!(Pattern::new("a|b.*|a")?.as_str(), "a | b.*");
/// # Ok::<(), sigtree_middleware::ParseError>(())
/// ```
///
/// # Examples
///
/// ```
/// use sigtree_middleware::Pattern;
///
/// let tracks = Pattern::new("radar.*.track")?;
/// assert!(tracks.matches("radar.adsb.track"));
/// assert!(!tracks.matches("radar.track"));
///
/// let feeds = Pattern::regex(r"radar\.(adsb|mlat)\..*")?;
/// assert!(feeds.matches("radar.mlat.track"));
///
/// let both = Pattern::any([tracks, feeds])?;
/// assert_eq!(both.to_string(), r"radar.*.track | /radar\.(adsb|mlat)\..*/");
/// # Ok::<(), sigtree_middleware::ParseError>(())
/// ```
#[doc(alias = "glob")]
#[doc(alias = "subject")]
#[doc(alias = "channel")]
#[doc(alias = "topic filter")]
#[doc(alias = "binding key")]
#[derive(Clone)]
pub struct Pattern(Shape);

/// Each holds an `Arc`, so that a pattern is cheap to clone.
#[derive(Clone)]
enum Shape {
    Exact(Topic),
    /// The canonical text; it has at least one wildcard.
    Wildcard(Arc<str>),
    Regex(Arc<Regular>),
    List(Arc<List>),
}

/// What sort of pattern it is, and what it is made of.
#[derive(Debug, Clone)]
pub enum Kind<'a> {
    /// One topic.
    Exact(&'a Topic),
    /// Segments of which at least one is a wildcard.
    Wildcard(Segments<'a>),
    /// A regular expression, compiled and anchored to the whole topic.
    ///
    /// By itself it does not know the rule of [reserved topics](Pattern#reserved-topics); [`Pattern::matches`] does.
    Regex(&'a regex::Regex),
    /// Two or more patterns, none of them a list.
    List(&'a [Pattern]),
}

impl Pattern {
    /// Reads a pattern, within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// If the text is not a pattern, as [above](Self#how-patterns-are-written). In a list, the error speaks of the
    /// one pattern at fault.
    pub fn new(text: impl AsRef<str>) -> Result<Self, ParseError> {
        Self::with_limits(text.as_ref(), &Limits::new())
    }

    /// Reads a pattern, within the given limits.
    ///
    /// # Errors
    ///
    /// If the text is not a pattern, as [above](Self#how-patterns-are-written).
    pub fn with_limits(text: &str, limits: &Limits) -> Result<Self, ParseError> {
        parse::pattern(text, limits)
    }

    /// Makes a pattern of a regular expression, written without the slashes around it.
    ///
    /// It matches whole topics, as if written `^(?:...)$`. Matching takes time in proportion to the topic, whatever
    /// the expression. The syntax is that of the crate [`regex`](https://docs.rs/regex/latest/regex/#syntax);
    /// prefer `[a-z]` or `[^.]` to `\w`, which stands for the letters of every script and compiles to tens of
    /// thousands of bytes.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// let pattern = Pattern::regex(r"zone-[0-9]+\.alarm")?;
    /// assert!(pattern.matches("zone-7.alarm"));
    /// assert!(!pattern.matches("old.zone-7.alarm"));
    /// assert_eq!(pattern, Pattern::new(r"/zone-[0-9]+\.alarm/")?);
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the expression is empty, malformed, longer than four times [`Limits::bytes`], nested more than 50 deep,
    /// or compiles to more than [`Limits::regex_bytes`].
    pub fn regex(expression: &str) -> Result<Self, ParseError> {
        Self::regex_with_limits(expression, &Limits::new())
    }

    pub(crate) fn regex_with_limits(expression: &str, limits: &Limits) -> Result<Self, ParseError> {
        Ok(Self(Shape::Regex(Arc::new(Regular::new(expression, limits)?))))
    }

    /// Makes one pattern of many, within the default [`Limits`]: it matches what one of them matches.
    ///
    /// Lists among them are flattened, repetitions dropped; a list of one is that one.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// let pattern = Pattern::any(["orders.*", "radar.**"])?;
    /// assert!(pattern.matches("orders.new") && pattern.matches("radar"));
    /// assert_eq!(pattern, Pattern::new("orders.* | radar.**")?);
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is none, if there are more than [`Limits::list`] different ones, or if one of them is not a pattern.
    pub fn any<I>(patterns: I) -> Result<Self, ParseError>
    where
        I: IntoIterator,
        I::Item: IntoPattern,
    {
        Self::any_with_limits(patterns, &Limits::new())
    }

    pub(crate) fn any_with_limits<I>(patterns: I, limits: &Limits) -> Result<Self, ParseError>
    where
        I: IntoIterator,
        I::Item: IntoPattern,
    {
        list::gather(patterns.into_iter().map(|pattern| pattern.into_pattern(limits)), limits)
    }

    /// Whether the topic is one of those the pattern stands for.
    ///
    /// The topic is taken as it is; whether it is a [`Topic`] is not checked. For wildcards the time is at most in
    /// proportion to the segments of the pattern times those of the topic, for regular expressions to the length of
    /// the topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match &self.0 {
            Shape::Exact(exact) => exact == topic,
            Shape::Wildcard(text) => wildcard::matches(text, topic) && (self.sees_reserved() || !is_reserved(topic)),
            Shape::Regex(regular) => regular.matches(topic) && (self.sees_reserved() || !is_reserved(topic)),
            Shape::List(list) => list.members().iter().any(|member| member.matches(topic)),
        }
    }

    /// Whether the pattern can match topics whose first segment is `$sys`.
    ///
    /// See [Reserved topics](Self#reserved-topics).
    #[must_use]
    pub fn sees_reserved(&self) -> bool {
        match &self.0 {
            Shape::Exact(topic) => topic.is_reserved(),
            Shape::Wildcard(text) => is_reserved(text),
            Shape::Regex(regular) => regular.source().starts_with(r"\$sys"),
            Shape::List(list) => list.members().iter().any(Self::sees_reserved),
        }
    }

    /// Whether the pattern is one topic.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.0, Shape::Exact(_))
    }

    /// The topic, if the pattern is one.
    #[must_use]
    pub fn as_topic(&self) -> Option<&Topic> {
        match &self.0 {
            Shape::Exact(topic) => Some(topic),
            _ => None,
        }
    }

    /// What sort of pattern it is, and what it is made of.
    ///
    /// ```
    /// use sigtree_middleware::{Kind, Pattern, Segment};
    ///
    /// let pattern = Pattern::new("radar.*.**")?;
    /// let Kind::Wildcard(segments) = pattern.kind() else { unreachable!("it has wildcards") };
    /// assert!(segments.eq([Segment::Literal("radar"), Segment::One, Segment::Deep]));
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    #[must_use]
    pub fn kind(&self) -> Kind<'_> {
        match &self.0 {
            Shape::Exact(topic) => Kind::Exact(topic),
            Shape::Wildcard(text) => Kind::Wildcard(Segments::of(text)),
            Shape::Regex(regular) => Kind::Regex(regular.regex()),
            Shape::List(list) => Kind::List(list.members()),
        }
    }

    /// The canonical text, which reads back as an equal pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Shape::Exact(topic) => topic,
            Shape::Wildcard(text) => text,
            Shape::Regex(regular) => regular.text(),
            Shape::List(list) => list.text(),
        }
    }

    /// A text with which every matching topic begins; it may be empty.
    ///
    /// An index uses it to leave most topics unexamined. For a list it is always empty: ask its patterns.
    ///
    /// ```
    /// use sigtree_middleware::Pattern;
    ///
    /// assert_eq!(Pattern::new("radar.*.track")?.literal_prefix(), "radar.");
    /// assert_eq!(Pattern::new("radar.**")?.literal_prefix(), "radar");
    /// assert_eq!(Pattern::regex(r"radar\.(adsb|mlat)\..*")?.literal_prefix(), "radar.");
    /// # Ok::<(), sigtree_middleware::ParseError>(())
    /// ```
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        match &self.0 {
            Shape::Exact(topic) => topic,
            Shape::Wildcard(text) => wildcard::literal_prefix(text),
            Shape::Regex(regular) => regular.literal_prefix(),
            Shape::List(_) => "",
        }
    }
}

impl From<Topic> for Pattern {
    fn from(topic: Topic) -> Self {
        Self(Shape::Exact(topic))
    }
}

impl From<&Topic> for Pattern {
    fn from(topic: &Topic) -> Self {
        topic.clone().into()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl AsRef<str> for Pattern {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for Pattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Pattern {
    type Error = ParseError;

    fn try_from(text: &str) -> Result<Self, ParseError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        Self::new(text)
    }
}
