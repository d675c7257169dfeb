//! Topics, patterns and ids as strings, and figures as they are.
//!
//! What is read is checked as [`Topic::new`] and [`Pattern::new`] check it, within the default limits.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::calls::CallCount;
use crate::id::EventId;
use crate::pattern::Pattern;
use crate::topic::Topic;

impl Serialize for Topic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text { meant: "a topic", made: PhantomData })
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text { meant: "a pattern", made: PhantomData })
    }
}

/// As the 26 characters of the ULID's text form.
impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text { meant: "an event id", made: PhantomData })
    }
}

/// Reads a string without a copy in between.
struct Text<T> {
    meant: &'static str,
    made: PhantomData<T>,
}

impl<T: FromStr<Err: Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meant)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Times as seconds, with a fraction.
impl Serialize for CallCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("CallCount", 4)?;
        fields.serialize_field("calls", &self.calls)?;
        fields.serialize_field("failures", &self.failures)?;
        fields.serialize_field("time", &self.time.as_secs_f64())?;
        fields.serialize_field("longest", &self.longest.as_secs_f64())?;
        fields.end()
    }
}
