//! [`Codec`]: which topics carry which types.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::LONGEST_TOPIC;
use crate::text::shortened;
use crate::{Erased, IntoPattern, Limits, ParseError, Pattern, Topic};

/// Writes payloads as JSON and reads them back, by the types that topics are said to carry.
///
/// A recording knows the topic of an event and not its type; a codec is the list of patterns and types that says it. The
/// first pattern that matches counts, so the exact ones come first. A cheap clone is the same list.
///
/// What JSON has no form for is lost, as `serde_json` has it: a `f64` that is no number becomes `null`, and cannot be read
/// back as one.
///
/// # Examples
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sigtree_middleware::Codec;
///
/// #[derive(Serialize, Deserialize)]
/// struct Track { id: u32, height: f64 }
///
/// let codec = Codec::new().with::<Track>("radar.track.*")?.with::<String>("log.**")?;
/// assert!(codec.knows("radar.track.new") && !codec.knows("radar.lost"));
/// # Ok::<(), sigtree_middleware::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct Codec(Arc<Vec<Rule>>);

/// The topics of a pattern carry this type.
#[derive(Clone)]
struct Rule {
    pattern: Pattern,
    carried: &'static str,
    write: fn(&Erased) -> Option<serde_json::Result<Box<RawValue>>>,
    read: fn(&str) -> serde_json::Result<Arc<Erased>>,
}

impl Codec {
    /// A codec that knows no topic yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads every payload as a [`serde_json::Value`]: for tools that do not know the types. What they emit is of that type.
    #[must_use]
    pub fn json() -> Self {
        let any = Self::new().with::<serde_json::Value>(["**", "$sys.**"]);
        any.expect("two patterns")
    }

    /// The topics of this pattern carry this type, unless an earlier pattern says otherwise.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn with<T>(mut self, pattern: impl IntoPattern) -> Result<Self, ParseError>
    where
        T: Any + Send + Sync + Serialize + DeserializeOwned,
    {
        let pattern = pattern.into_pattern(&Limits::new())?;
        Arc::make_mut(&mut self.0).push(Rule {
            pattern,
            carried: type_name::<T>(),
            write: |payload| payload.downcast_ref::<T>().map(serde_json::value::to_raw_value),
            read: |text| Ok(Arc::new(serde_json::from_str::<T>(text)?)),
        });
        Ok(self)
    }

    /// Whether it is said what a topic carries.
    pub fn knows(&self, topic: impl AsRef<str>) -> bool {
        self.0.iter().any(|rule| rule.pattern.matches(topic.as_ref()))
    }

    pub(super) fn write(&self, topic: &Topic, payload: &Erased) -> Result<Box<RawValue>, CodecError> {
        let rule = self.rule(topic)?;
        if topic.as_str().len() > LONGEST_TOPIC {
            return Err(CodecError::new(topic, Reason::LongTopic));
        }
        match (rule.write)(payload) {
            Some(Ok(data)) => Ok(data),
            Some(Err(error)) => Err(CodecError::new(topic, Reason::Json(rule.carried, in_one_line(&error)))),
            None => Err(CodecError::new(topic, Reason::Carries(rule.carried))),
        }
    }

    pub(super) fn read(&self, topic: &Topic, data: &str) -> Result<Arc<Erased>, CodecError> {
        let rule = self.rule(topic)?;
        let read = (rule.read)(data);
        read.map_err(|error| CodecError::new(topic, Reason::Json(rule.carried, in_one_line(&error))))
    }

    fn rule(&self, topic: &Topic) -> Result<&Rule, CodecError> {
        let rule = self.0.iter().find(|rule| rule.pattern.matches(topic));
        rule.ok_or_else(|| CodecError::new(topic, Reason::Unknown))
    }
}

/// What is parsed is one line, whose number somebody else knows. It quotes texts as long as they are.
pub(super) fn in_one_line(error: &serde_json::Error) -> String {
    shortened(error.to_string()).replace(" at line 1 column ", " at byte ")
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|rule| (&rule.pattern, rule.carried))).finish()
    }
}

/// A payload that a [`Codec`] can neither write nor read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecError {
    topic: Topic,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    Unknown,
    LongTopic,
    Carries(&'static str),
    Json(&'static str, String),
}

impl CodecError {
    fn new(topic: &Topic, reason: Reason) -> Self {
        Self { topic: topic.clone(), reason }
    }

    /// The topic of the payload.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Whether nobody said what the topic carries.
    #[must_use]
    pub fn is_unknown_topic(&self) -> bool {
        self.reason == Reason::Unknown
    }

    /// Whether the payload is of another type than the codec says, or the JSON that of another.
    #[must_use]
    pub fn is_wrong_type(&self) -> bool {
        matches!(self.reason, Reason::Carries(_) | Reason::Json(..))
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = &self.topic;
        match &self.reason {
            Reason::Unknown => write!(f, "no type is known for topic `{topic}`: name it with `Codec::with`"),
            Reason::LongTopic => {
                let topic = shortened(topic.to_string());
                write!(f, "topic `{topic}` is longer than the {LONGEST_TOPIC} bytes that a recording takes")
            }
            Reason::Carries(carried) => write!(f, "the payload of topic `{topic}` is no `{carried}`"),
            Reason::Json(carried, error) => write!(f, "the payload of topic `{topic}` is no `{carried}`: {error}"),
        }
    }
}

impl Error for CodecError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::new(text).unwrap()
    }

    #[test]
    fn the_first_pattern_that_matches_counts() {
        let codec = Codec::new().with::<u32>("a.b").unwrap().with::<String>("a.*").unwrap();
        assert_eq!(codec.write(&topic("a.b"), &7_u32).unwrap().get(), "7");
        assert_eq!(codec.write(&topic("a.c"), &String::from("7")).unwrap().get(), "\"7\"");
        assert!(codec.read(&topic("a.b"), "7").unwrap().downcast::<u32>().is_ok());
        assert!(Codec::new().with::<u32>("a..b").is_err());
    }

    #[test]
    fn errors_name_topic_and_type() {
        let codec = Codec::new().with::<u32>("a").unwrap();
        let errors = [
            codec.write(&topic("b"), &7_u32).unwrap_err(),
            codec.write(&topic("a"), &7_u64).unwrap_err(),
            codec.read(&topic("a"), "\"7\"").unwrap_err(),
        ];
        assert_eq!(errors.each_ref().map(CodecError::is_unknown_topic), [true, false, false]);
        assert_eq!(
            errors.map(|error| error.to_string()),
            [
                "no type is known for topic `b`: name it with `Codec::with`",
                "the payload of topic `a` is no `u32`",
                "the payload of topic `a` is no `u32`: invalid type: string \"7\", expected u32 at byte 3",
            ]
        );
    }

    #[test]
    fn a_topic_that_could_not_be_read_back_is_not_written() {
        let codec = Codec::new().with::<u32>("**").unwrap();
        let of_length = |n: usize| Topic::with_limits(&"a".repeat(n), &Limits::new().bytes(n)).unwrap();
        assert!(codec.write(&of_length(LONGEST_TOPIC), &7_u32).is_ok());
        let error = codec.write(&of_length(LONGEST_TOPIC + 1), &7_u32).unwrap_err();
        assert!(!error.is_wrong_type() && !error.is_unknown_topic());
        assert!(error.to_string().ends_with("aaa` is longer than the 4096 bytes that a recording takes"), "{error}");
    }

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        let codec = Codec::new().with::<f64>("a").unwrap();
        for number in [0.1 + 0.2, 5e-324, f64::MAX, 2.225_073_858_507_201e-308, -0.0] {
            let text = codec.write(&topic("a"), &number).unwrap();
            let back = codec.read(&topic("a"), text.get()).unwrap().downcast::<f64>().unwrap();
            assert_eq!(back.to_bits(), number.to_bits());
        }
    }
}
