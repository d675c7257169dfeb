//! [`Condition`]: what an event must have, as `--where` says it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use sigtree::Priority;
use sigtree::middleware::Record;

use crate::attributes::{self, attribute};
use crate::decimal::Decimal;
use crate::times;

/// An attribute of an event, or a part of its payload, and what it must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    key: Key,
    relation: Relation,
    wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq)]
enum Key {
    /// By its name as well as by what is written.
    Source,
    Time,
    Priority,
    Meta(String),
    /// One whose text is a number.
    Number(&'static str),
    /// As it is written.
    Attribute(Cow<'static, str>),
    /// Names of fields and numbers of elements, from the outside in.
    Data(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Relation {
    Is,
    /// The opposite of `Is`; so it holds for what is not there, too.
    IsNot,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// The value, as all that it may be.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    text: String,
    /// What stands between the quotes, if it is a string of JSON.
    unquoted: Option<String>,
    number: Option<Decimal>,
    is_json: bool,
}

/// What an event has.
enum Found<'e> {
    Text(Cow<'e, str>),
    Number(Option<Decimal>),
    /// `true`, `false`, `null`, a list or an object, as JSON.
    Other(&'e str),
}

impl Condition {
    /// Whether it does for an event, which is given as its line too.
    pub(crate) fn holds(&self, record: &Record, line: &[u8]) -> bool {
        let found = self.key.find(record, line);
        let any = |admits: fn(Ordering) -> bool| found.iter().any(|found| self.wanted.order(found).is_some_and(admits));
        match self.relation {
            Relation::Is => any(Ordering::is_eq),
            Relation::IsNot => !any(Ordering::is_eq),
            Relation::Less => any(Ordering::is_lt),
            Relation::AtMost => any(Ordering::is_le),
            Relation::Greater => any(Ordering::is_gt),
            Relation::AtLeast => any(Ordering::is_ge),
        }
    }

    /// The attribute that is looked for, if `sigtree` writes none of this name: somebody else may, or it is a mistake.
    pub(crate) fn foreign_attribute(&self) -> Option<&str> {
        match &self.key {
            Key::Attribute(Cow::Owned(name)) => Some(name),
            _ => None,
        }
    }
}

impl Key {
    fn find<'e>(&self, record: &'e Record, line: &'e [u8]) -> Vec<Found<'e>> {
        let envelope = record.envelope();
        let one = |found: Option<Found<'e>>| found.into_iter().collect();
        match self {
            Self::Source => {
                let name = record.source().map(|source| Found::Text(source.as_str().into()));
                name.into_iter().chain(attribute(line, "source").map(Found::of)).collect()
            }
            Self::Time => one(attributes::time(record, line).map(|time| Found::Number(moment(time)))),
            Self::Priority => one(Some(Found::Number(rank(envelope.map(|all| all.priority).unwrap_or_default())))),
            Self::Meta(key) => {
                let meta = envelope.into_iter().flat_map(|all| &all.meta).filter(|(name, _)| **name == **key);
                meta.map(|(_, value)| Found::Text((**value).into())).collect()
            }
            Self::Number(name) => {
                one(attribute(line, name).map(|text| Found::Number(Decimal::parse(text.trim_matches('"')))))
            }
            Self::Attribute(name) => {
                // What is false is not written.
                let unwritten = || matches!(&**name, "noecho" | "replayed").then_some("false");
                one(attribute(line, name).or_else(unwritten).map(Found::of))
            }
            Self::Data(path) => one(part(record.data(), path).map(Found::of)),
        }
    }
}

impl<'e> Found<'e> {
    fn of(json: &'e str) -> Self {
        match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map_or(Self::Other(json), |text: String| Self::Text(text.into())),
            Some(b'-' | b'0'..=b'9') => Self::Number(Decimal::parse(json)),
            _ => Self::Other(json),
        }
    }
}

impl Wanted {
    fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            unquoted: serde_json::from_str(text).ok(),
            number: Decimal::parse(text),
            // This one knows how deep is too deep.
            is_json: serde_json::from_str::<Value>(text).is_ok(),
        }
    }

    /// How what was found stands to it; `None` if they are of two kinds.
    fn order(&self, found: &Found<'_>) -> Option<Ordering> {
        match found {
            Found::Text(text) if **text == self.text => Some(Ordering::Equal),
            Found::Text(text) => Some((**text).cmp(self.unquoted.as_ref().unwrap_or(&self.text))),
            Found::Number(number) => Some(number.as_ref()?.cmp(self.number.as_ref()?)),
            Found::Other(json) => (self.is_json && is_same(json, &self.text)).then_some(Ordering::Equal),
        }
    }
}

/// Whether two texts are the same JSON, written in whatever way.
fn is_same(one: &str, other: &str) -> bool {
    fn read<'j, T: serde::Deserialize<'j>>(one: &'j str, other: &'j str) -> Option<(T, T)> {
        Some((serde_json::from_str(one).ok()?, serde_json::from_str(other).ok()?))
    }
    type Fields<'j> = HashMap<String, &'j RawValue>;

    if let Some((one, other)) = Decimal::parse(one).zip(Decimal::parse(other)) {
        return one == other;
    }
    if let Some((one, other)) = read::<String>(one, other) {
        return one == other;
    }
    if let Some((one, other)) = read::<Vec<&RawValue>>(one, other) {
        return one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one.get(), other.get()));
    }
    if let Some((one, other)) = read::<Fields<'_>>(one, other) {
        let has =
            |(name, value): (&String, &&RawValue)| other.get(name).is_some_and(|it| is_same(value.get(), it.get()));
        return one.len() == other.len() && one.iter().all(has);
    }
    one.trim() == other.trim()
}

fn part<'d>(data: &'d str, path: &[String]) -> Option<&'d str> {
    path.iter().try_fold(data, |value, name| {
        let part = match value.as_bytes().first()? {
            b'{' => *serde_json::from_str::<HashMap<String, &RawValue>>(value).ok()?.get(name)?,
            b'[' => *serde_json::from_str::<Vec<&RawValue>>(value).ok()?.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
        Some(part.get())
    })
}

/// A time as a number.
fn moment(time: SystemTime) -> Option<Decimal> {
    Decimal::parse(&Timestamp::try_from(time).ok()?.as_nanosecond().to_string())
}

/// A priority as a number.
fn rank(priority: Priority) -> Option<Decimal> {
    Decimal::parse(match priority {
        Priority::Low => "0",
        Priority::Normal => "1",
        Priority::High => "2",
        Priority::Critical => "3",
    })
}

fn parse_priority(text: &str) -> Result<Priority, String> {
    match text {
        "low" => Ok(Priority::Low),
        "normal" => Ok(Priority::Normal),
        "high" => Ok(Priority::High),
        "critical" => Ok(Priority::Critical),
        _ => Err(String::from("a priority is low, normal, high or critical")),
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(condition: &str) -> Result<Self, String> {
        let (key, relation, text) = split(condition).ok_or("write it as KEY=VALUE; or with !=, <, <=, > or >=")?;
        let key: Key = key.parse()?;
        let mut wanted = Wanted::of(text);
        match &key {
            Key::Time => wanted.number = moment(times::parse(text)?),
            Key::Priority => wanted.number = rank(parse_priority(text)?),
            Key::Number(name) if wanted.number.is_none() => return Err(format!("`{name}` is a number")),
            _ => {}
        }
        Ok(Self { key, relation, wanted })
    }
}

/// The key, what it has to be, and to what.
fn split(condition: &str) -> Option<(&str, Relation, &str)> {
    let (key, rest) = condition.split_at(condition.find(['=', '<', '>'])?);
    let (relation, length) = match rest.as_bytes() {
        [b'<', b'=', ..] => (Relation::AtMost, 2),
        [b'>', b'=', ..] => (Relation::AtLeast, 2),
        [b'<', ..] => (Relation::Less, 1),
        [b'>', ..] => (Relation::Greater, 1),
        _ if key.ends_with('!') => (Relation::IsNot, 1),
        _ => (Relation::Is, 1),
    };
    let key = if relation == Relation::IsNot { &key[..key.len() - 1] } else { key };
    Some((key.trim_end(), relation, &rest[length..]))
}

/// The attributes that are written in recordings, and need no other care.
const WRITTEN: [&str; 9] =
    ["specversion", "id", "type", "correlationid", "causationid", "targets", "meta", "noecho", "replayed"];

impl FromStr for Key {
    type Err = String;

    fn from_str(key: &str) -> Result<Self, String> {
        let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
        let written = |key: &str| WRITTEN.into_iter().find(|name| *name == key);
        match (first, rest) {
            ("source", None) => Ok(Self::Source),
            ("time", None) => Ok(Self::Time),
            ("priority", None) => Ok(Self::Priority),
            ("sequence", None) => Ok(Self::Number("sequence")),
            ("offset", None) => Ok(Self::Number("offset")),
            ("topic", None) => Ok(Self::Attribute("type".into())),
            ("correlation", None) => Ok(Self::Attribute("correlationid".into())),
            ("causation", None) => Ok(Self::Attribute("causationid".into())),
            ("meta", Some(name)) => Ok(Self::Meta(name.to_owned())),
            ("data", None) => Ok(Self::Data(Vec::new())),
            ("data", Some(path)) => Ok(Self::Data(path.split('.').map(str::to_owned).collect())),
            (name, None) if written(name).is_some() => Ok(Self::Attribute(written(name).unwrap_or_default().into())),
            (name, None) if may_be_an_attribute(name) => Ok(Self::Attribute(name.to_owned().into())),
            _ => Err(format!("no key `{key}`: use {KEYS}")),
        }
    }
}

/// What can be asked for; told where a name is none of them.
pub(crate) const KEYS: &str = "data.FIELD for a part of the payload, meta.NAME, or an attribute as it stands in the file: type \
     (or topic), source, id, time, sequence, offset, correlationid, causationid, priority";

/// What CloudEvents allows for names.
fn may_be_an_attribute(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"specversion":"1.0","id":"A-1","source":"tower%207","type":"radar.track","subject":"s",
        "time":"2026-11-21T07:10:16.5Z","sequence":"000000000010","offset":"9.500000000","correlationid":"c-7",
        "causationid":"A-0","priority":"high","meta":"[[\"unit\",\"kg\"]]","grade":3,
        "data":{"id":7,"alt":-1.50,"big":9007199254740993,"huge":18446744073709551617,"name":"a=b","ten":"10",
        "quoted":"\"q\"","list":[1,{"x":null}],"odd.name":true}}"#;

    fn holds(condition: &str) -> bool {
        let record = Record::from_line(LINE).unwrap();
        condition.parse::<Condition>().unwrap().holds(&record, LINE.as_bytes())
    }

    fn all_hold(conditions: &[&str]) {
        conditions.iter().for_each(|condition| assert!(holds(condition), "{condition}"));
    }

    fn none_holds(conditions: &[&str]) {
        conditions.iter().for_each(|condition| assert!(!holds(condition), "{condition}"));
    }

    #[test]
    fn attributes_and_parts_of_payloads_are_compared() {
        all_hold(&["correlation=c-7", "priority=high", "meta.unit=kg", "data.id=7", "data.name=a=b"]);
        all_hold(&["data.list.1.x=null", "data.list=[1, {\"x\": null}]", "data.list=[1.0, {\"x\": null}]"]);
        none_holds(&["source=tow", "data.id=8", "data.none=null", "causation=", "meta.x=kg", "data.id.x=7"]);
        none_holds(&["data.list=[1]", "data.list=[1, {\"y\": null}]", "data.list=[", "data.list.2=1", "data.list.x=1"]);
    }

    #[test]
    fn attributes_have_the_names_that_stand_in_the_file() {
        all_hold(&["id=A-1", "type=radar.track", "topic=radar.track", "correlationid=c-7", "causationid=A-0"]);
        all_hold(&["source=tower 7", "source=tower%207", "subject=s", "grade=3", "noecho=false", "specversion=1.0"]);
        all_hold(&["meta=[[\"unit\",\"kg\"]]", "priority!=low", "sequence=10", "sequence=000000000010", "offset=9.5"]);
        none_holds(&["id=A-2", "type=radar", "noecho=true", "nothing=1", "source=tower", "source!=tower 7"]);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        all_hold(&["data.id=7.0", "data.id=7e0", "data.alt=-1.5", "data.alt<0", "data.alt>-2", "data.id>=7"]);
        all_hold(&["data.id<10", "sequence>9", "offset<10", "data.big=9007199254740993", "data.big>9007199254740992"]);
        all_hold(&["data.big!=9007199254740992", "data.huge=18446744073709551617", "data.huge<18446744073709551618"]);
        none_holds(&["data.id!=7.0", "data.id>7", "data.id<=6.9", "data.big=9007199254740992", "data.id>10"]);
    }

    #[test]
    fn strings_are_compared_as_text() {
        all_hold(&["data.ten=10", "data.ten=\"10\"", "data.ten<9", "data.name>a", "data.quoted=\"q\"", "id<B"]);
        none_holds(&["data.ten=10.0", "data.id=\"7\"", "data.name<a", "data.ten>9"]);
    }

    #[test]
    fn times_and_priorities_have_an_order_of_their_own() {
        all_hold(&["time=2026-11-21T08:10:16.500+01:00", "time>2026-11-21", "time<2026-11-22", "priority>normal"]);
        none_holds(&["time=2026-11-21", "priority>=critical", "priority<high"]);
    }

    #[test]
    fn what_is_not_there_is_not_anything() {
        all_hold(&["data.none!=1", "traceparent!=x", "data.name!=1", "data.list!=1"]);
        none_holds(&["data.none<1", "data.none>=1", "data.list<1", "data.name<1", "data.odd<2"]);
    }

    #[test]
    fn mistakes_are_told() {
        let error = |condition: &str| condition.parse::<Condition>().unwrap_err();
        assert_eq!(error("data.id"), "write it as KEY=VALUE; or with !=, <, <=, > or >=");
        for unknown in ["dta.id=7", "Type=x", "correlation_id=7", "=7", "meta_unit=kg"] {
            assert!(error(unknown).starts_with("no key `"), "{unknown}");
        }
        assert!(error("correlation_id=7").contains("correlationid"));
        assert_eq!(error("priority=urgent"), "a priority is low, normal, high or critical");
        assert_eq!(error("sequence=first"), "`sequence` is a number");
        assert!(error("time=now").starts_with("write it like 2026-"));
    }

    #[test]
    fn names_of_others_are_known_as_such() {
        let foreign = |condition: &str| condition.parse::<Condition>().unwrap().foreign_attribute().map(str::to_owned);
        assert_eq!(foreign("subject=s").as_deref(), Some("subject"));
        assert_eq!(["topic=a", "id=1", "causation=1", "data.x=1"].map(foreign), [None, None, None, None]);
    }
}
