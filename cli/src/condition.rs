//! [`Condition`]: what an event must have, as `--where` says it.

use std::str::FromStr;

use serde_json::Value;
use sigtree::Priority;
use sigtree::middleware::Record;

/// An attribute of an event, or a part of its payload, and what it must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    key: Key,
    /// The value as a text, and as the JSON it may be.
    text: String,
    json: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum Key {
    Id,
    Source,
    Correlation,
    Causation,
    Priority,
    Meta(String),
    /// Names of fields and numbers of elements, from the outside in.
    Data(Vec<String>),
}

impl Condition {
    pub(crate) fn holds(&self, record: &Record) -> bool {
        let envelope = record.envelope();
        match &self.key {
            Key::Id => self.is(&record.id().to_string()),
            Key::Source => record.source().is_some_and(|source| self.is(source.as_str())),
            Key::Correlation => envelope.and_then(|all| all.correlation.as_deref()).is_some_and(|text| self.is(text)),
            Key::Causation => record.causation().is_some_and(|id| self.is(&id.to_string())),
            Key::Priority => self.is(name_of(envelope.map(|all| all.priority).unwrap_or_default())),
            Key::Meta(key) => {
                let mut meta = envelope.into_iter().flat_map(|all| &all.meta);
                meta.any(|(name, value)| **name == **key && self.is(value))
            }
            Key::Data(path) => record.decode::<Value>().is_ok_and(|data| self.is_value(part(&data, path))),
        }
    }

    fn is(&self, text: &str) -> bool {
        self.text == text
    }

    fn is_value(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::String(text)) => self.is(text),
            value => value.is_some() && value == self.json.as_ref(),
        }
    }
}

fn part<'v>(data: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(data, |value, name| match value {
        Value::Object(fields) => fields.get(name),
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

fn name_of(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
        Priority::Critical => "critical",
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(condition: &str) -> Result<Self, String> {
        let (key, text) = condition.split_once('=').ok_or("write it as KEY=VALUE")?;
        Ok(Self { key: key.parse()?, text: text.to_owned(), json: serde_json::from_str(text).ok() })
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(key: &str) -> Result<Self, String> {
        let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
        match (first, rest) {
            ("id", None) => Ok(Self::Id),
            ("source", None) => Ok(Self::Source),
            ("correlation", None) => Ok(Self::Correlation),
            ("causation", None) => Ok(Self::Causation),
            ("priority", None) => Ok(Self::Priority),
            ("meta", Some(name)) => Ok(Self::Meta(name.to_owned())),
            ("data", None) => Ok(Self::Data(Vec::new())),
            ("data", Some(path)) => Ok(Self::Data(path.split('.').map(str::to_owned).collect())),
            _ => Err(format!(
                "no key `{key}`: use id, source, correlation, causation, priority, meta.NAME, data or data.FIELD"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str) -> bool {
        let line = r#"{"specversion":"1.0","id":"00000000000000000000000001","source":"tower","type":"t",
            "correlationid":"c-7","priority":"high","meta":"[[\"unit\",\"kg\"]]",
            "data":{"id":7,"name":"a=b","list":[1,{"x":null}],"odd.name":true}}"#;
        condition.parse::<Condition>().unwrap().holds(&Record::from_line(line).unwrap())
    }

    #[test]
    fn attributes_and_parts_of_payloads_are_compared() {
        let hold = ["source=tower", "correlation=c-7", "priority=high", "meta.unit=kg", "data.id=7", "data.name=a=b"];
        assert!(hold.iter().all(|condition| holds(condition)));
        assert!(holds("data.list.1.x=null") && holds("data.list=[1, {\"x\": null}]"));
        assert!(holds("id=00000000000000000000000001"));
        let fail =
            ["source=tow", "data.id=8", "data.id=\"7\"", "data.none=null", "causation=", "meta.x=kg", "data.id.x=7"];
        assert!(!fail.iter().any(|condition| holds(condition)));
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!("data.id".parse::<Condition>(), Err("write it as KEY=VALUE".to_owned()));
        assert!("topic=a".parse::<Condition>().unwrap_err().starts_with("no key `topic`: use id, source"));
    }
}
