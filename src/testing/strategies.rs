//! Strategies for [proptest]: topics and patterns of all sorts, or such as fit each other.
//!
//! They shrink towards short, plain names. With the feature `proptest`.
//!
//! [proptest]: https://docs.rs/proptest
//!
//! # Examples
//!
//! A property of one's own: what a pattern matches, the bus delivers.
//!
//! ```
//! use proptest::prelude::*;
//! use sigtree::testing::strategies::{patterns, topics_matching};
//! use sigtree::{Bus, Event};
//!
//! let pattern_and_topic = patterns().prop_flat_map(|pattern| (Just(pattern.clone()), topics_matching(&pattern)));
//! proptest!(ProptestConfig::with_cases(32), |((pattern, topic) in pattern_and_topic)| {
//!     let bus = Bus::new();
//!     let _handler = bus.connect(&pattern, |_: &Event| {}).unwrap();
//!     prop_assert_eq!(bus.emit(&topic, ()).called(), 1);
//! });
//! ```

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::Union;
use proptest::string::string_regex;

use sigtree_middleware::{Kind, Limits, Pattern, Segment, Segments, Topic};

/// Topics a bus takes, within the default [`Limits`]: mostly short and plain, some deep, long or in other scripts; none is
/// [reserved](Topic::is_reserved).
pub fn topics() -> BoxedStrategy<Topic> {
    let usual = vec(segments(24), 1..=4);
    let deep = vec(segments(14), 5..=16);
    prop_oneof![8 => usual, 1 => deep].prop_map(|segments| topic_of(&segments)).boxed()
}

/// Topics of up to four of these segments, so that many of them are alike.
///
/// # Panics
///
/// If there is none, or one of them is not a segment.
pub fn topics_of<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> BoxedStrategy<Topic> {
    let segments: Vec<_> = segments.into_iter().map(|segment| String::from(segment.as_ref())).collect();
    vec(select(segments), 1..=4).prop_map(|segments| topic_of(&segments)).boxed()
}

/// Patterns of all sorts that see what is not [reserved](Pattern#reserved-topics): topics, wildcards, regular expressions, and
/// lists of them.
pub fn patterns() -> BoxedStrategy<Pattern> {
    patterns_from(&topics())
}

/// The same of topics from another strategy, such as [`topics_of`]: each matches one of them at least.
pub fn patterns_from(topics: &BoxedStrategy<Topic>) -> BoxedStrategy<Pattern> {
    let one = topics.clone().prop_flat_map(|topic| patterns_matching(&topic)).boxed();
    let list = vec(one.clone(), 2..=4).prop_map(|patterns| Pattern::any(patterns).expect("a short list"));
    prop_oneof![6 => one, 1 => list].boxed()
}

/// Patterns that match a topic: the topic itself, some of its segments turned into wildcards, a regular expression.
pub fn patterns_matching(topic: &Topic) -> BoxedStrategy<Pattern> {
    let exact = Just(Pattern::from(topic));
    let expression = Just(topic.clone()).prop_map(|topic| regular(&topic));
    prop_oneof![2 => exact, 6 => wildcards(topic), 1 => expression].boxed()
}

/// Topics a pattern matches, within the default [`Limits`] unless its own segments exceed them.
///
/// Of a regular expression they are those of its texts that are topics. If there are hardly any, proptest gives up with too many
/// rejects; say what a segment is with `[a-z]` or `[^.*|\s]` rather than `.`.
///
/// # Panics
///
/// If the pattern has a regular expression that proptest cannot make texts for, such as one with `^`, `$` or `\b`.
pub fn topics_matching(pattern: &Pattern) -> BoxedStrategy<Topic> {
    match pattern.kind() {
        Kind::Exact(topic) => Just(topic.clone()).boxed(),
        Kind::Wildcard(segments) => matching_wildcards(&segments),
        Kind::Regex(_) => matching_regex(pattern),
        Kind::List(patterns) => Union::new(patterns.iter().map(topics_matching)).boxed(),
    }
}

/// A segment of at most so many bytes.
fn segments(bytes: usize) -> BoxedStrategy<String> {
    let plain = text("abcdefghijklmnopqrstuvwxyz0123456789_-", 8);
    let odd = text("ABCXYZabcsyz0189$:#@!?%&+=,;<>()[]{}'\"_~-^`\\", 24);
    let foreign = text("äßéñøżλπЖш東京🚀", 4);
    prop_oneof![6 => plain, 1 => odd, 1 => foreign].prop_map(move |segment| cut(segment, bytes)).boxed()
}

/// One of these characters or more.
fn text(characters: &str, most: usize) -> impl Strategy<Value = String> + use<> {
    let characters: Vec<char> = characters.chars().collect();
    vec(select(characters), 1..=most).prop_map(String::from_iter)
}

/// The segment within so many bytes, and not the reserved one.
fn cut(mut segment: String, bytes: usize) -> String {
    let end = segment.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= bytes).last();
    segment.truncate(end.unwrap_or(0));
    if segment.is_empty() || segment == "$sys" { "a".into() } else { segment }
}

fn topic_of(segments: &[String]) -> Topic {
    topic(&segments.join(".")).unwrap_or_else(|error| panic!("{error}"))
}

/// A topic however large: the pattern it is made for may be.
fn topic(text: &str) -> Result<Topic, crate::ParseError> {
    Topic::with_limits(text, &Limits::new().segments(usize::MAX).bytes(usize::MAX))
}

/// The topic with some of its segments as wildcards; the first stays if the topic is reserved.
fn wildcards(topic: &Topic) -> BoxedStrategy<Pattern> {
    let (topic, count) = (topic.clone(), topic.segments().count());
    let choices = vec(0..5_u8, count);
    (choices, any::<Option<Index>>())
        .prop_map(move |(choices, deep)| {
            let mut wanted: Vec<_> =
                topic.segments().zip(&choices).map(|(segment, choice)| wildcard(segment, *choice)).collect();
            if topic.is_reserved() {
                wanted[0] = "$sys";
            }
            if let Some(deep) = deep {
                wanted.insert(deep.index(count + 1), "**");
            }
            // One `**` more may be too much.
            let limits = Limits::new();
            let limits = limits.segments(limits.segments.max(count)).bytes(limits.bytes.max(topic.len()));
            let pattern = Pattern::with_limits(&wanted.join("."), &limits);
            pattern.ok().filter(|pattern| pattern.matches(&topic)).unwrap_or_else(|| topic.clone().into())
        })
        .boxed()
}

fn wildcard(segment: &str, choice: u8) -> &str {
    match choice {
        0..3 => segment,
        3 => "*",
        _ => "**",
    }
}

/// A regular expression for the topic and for those with another last segment.
fn regular(topic: &Topic) -> Pattern {
    let (before, last) = topic.rsplit_once('.').map_or(("", &**topic), |(before, last)| (before, last));
    let dot = if before.is_empty() { "" } else { r"\." };
    let expression = format!("{}{dot}({}|[a-z]{{1,8}})", regex::escape(before), regex::escape(last));
    Pattern::regex(&expression).unwrap_or_else(|_| topic.into())
}

/// Most segments that all `**` of a pattern together take.
const MOST_DEEP: usize = 4;

fn matching_wildcards(wanted: &Segments<'_>) -> BoxedStrategy<Topic> {
    let Limits { segments: most_segments, bytes: most_bytes, .. } = Limits::new();
    let (mut fixed, mut ones, mut deeps, mut literal) = (0, 0, 0, 0);
    for segment in wanted.clone() {
        match segment {
            Segment::Literal(text) => literal += text.len() + 1,
            Segment::One => ones += 1,
            Segment::Deep => deeps += 1,
        }
        fixed += usize::from(segment != Segment::Deep);
    }
    // A segment that a wildcard stands for takes a byte and a dot at least.
    let room = (most_bytes + 1).saturating_sub(literal + 2 * ones);
    let extra = MOST_DEEP.min(most_segments.saturating_sub(fixed)).min(room / 2);
    let each = extra / deeps.max(1);
    let bytes = (1 + room.saturating_sub(2 * extra) / (ones + extra).max(1)).min(24);
    // A topic has a segment, even if `**` is all there is.
    let least = usize::from(fixed == 0);
    let parts: Vec<BoxedStrategy<Vec<String>>> = wanted
        .clone()
        .map(|segment| match segment {
            Segment::Literal(text) => Just(vec![String::from(text)]).boxed(),
            Segment::One => segments(bytes).prop_map(|segment| vec![segment]).boxed(),
            Segment::Deep => vec(segments(bytes), least..=each.max(least)).boxed(),
        })
        .collect();
    parts.prop_map(|parts| topic_of(&parts.concat())).boxed()
}

fn matching_regex(pattern: &Pattern) -> BoxedStrategy<Topic> {
    let text = pattern.as_str();
    let expression = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).unwrap_or(text);
    let texts = match string_regex(expression) {
        Ok(texts) => texts,
        Err(error) => panic!("no texts can be made for `{pattern}`: {error}"),
    };
    let pattern = pattern.clone();
    texts.prop_filter_map("not a topic", move |text| topic(&text).ok().filter(|topic| pattern.matches(topic))).boxed()
}
