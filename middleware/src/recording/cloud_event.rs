//! A record as a CloudEvents 1.0 JSON object.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::codec::in_one_line;
use super::{LONGEST_TOPIC, Record, foreign_id, source_uri};
use crate::text::shortened;
use crate::{Envelope, EventId, Limits, Priority, Source, Stamp, Topic};

/// The attributes, in the order in which they are written.
///
/// CloudEvents allows texts, truth values and 32-bit numbers, and no lists; so an offset is a text, and lists are texts of
/// JSON.
#[derive(Serialize, Deserialize)]
struct CloudEvent<'e> {
    #[serde(borrow)]
    specversion: Cow<'e, str>,
    #[serde(borrow)]
    id: Cow<'e, str>,
    #[serde(borrow)]
    source: Cow<'e, str>,
    #[serde(borrow, rename = "type")]
    topic: Cow<'e, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Cow<'e, str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    noecho: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    replayed: bool,
    #[serde(borrow, default)]
    data: Option<&'e RawValue>,
    #[serde(skip_serializing, default)]
    data_base64: Option<IgnoredAny>,
}

/// The bus that emitted it may have larger limits than most. Whoever counts by topics counts on a bound.
const LIMITS: Limits = Limits::new().segments(LONGEST_TOPIC).bytes(LONGEST_TOPIC);

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Why a text is no event: the attribute that is wrong, and what is wrong with it.
pub(super) type Fault = Cow<'static, str>;

/// Appends the record and a line feed.
pub(super) fn write(record: &Record, line: &mut Vec<u8>) -> Result<(), Fault> {
    let begin = line.len();
    let event = CloudEvent::of(record)?;
    serde_json::to_writer(&mut *line, &event).map_err(|error| Fault::Owned(error.to_string()))?;
    // A payload that is raw JSON may have line feeds between its parts, where a space is as good.
    line[begin..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Ok(())
}

pub(super) fn read(line: &str) -> Result<Record, Fault> {
    // Serde would take a list of the attributes as well.
    if !line.trim_ascii_start().starts_with('{') {
        return Err("not a JSON object".into());
    }
    let event: CloudEvent<'_> = serde_json::from_str(line).map_err(|error| in_one_line(&error))?;
    event.record()
}

impl<'e> CloudEvent<'e> {
    fn of(record: &'e Record) -> Result<Self, Fault> {
        let none = Envelope::default();
        let envelope = record.envelope().unwrap_or(&none);
        Ok(Self {
            specversion: "1.0".into(),
            id: record.foreign_id().map_or_else(|| record.id().to_string().into(), Cow::Borrowed),
            source: source_uri::write(record.envelope().and_then(|envelope| envelope.source.as_ref())),
            topic: record.topic().as_str().into(),
            time: Some(write_time(record.time())?.into()),
            sequence: Some(format!("{:012}", record.sequence()).into()),
            offset: Some(write_offset(record.offset()).into()),
            correlationid: envelope.correlation.as_deref().map(|text| text.to_owned().into()),
            causationid: envelope.causation.map(|id| id.to_string().into()),
            priority: write_priority(envelope.priority).map(Cow::Borrowed),
            targets: write_list(&envelope.targets),
            meta: write_list(&envelope.meta),
            noecho: envelope.no_echo,
            replayed: envelope.replayed,
            data: Some(record.raw()),
            data_base64: None,
        })
    }

    fn record(self) -> Result<Record, Fault> {
        if self.specversion != "1.0" {
            return Err(fault("specversion", "is not `1.0`"));
        }
        if self.data_base64.is_some() {
            return Err(fault("data_base64", "is not read: payloads are JSON"));
        }
        let envelope = self.envelope()?;
        let wall = self.time.as_deref().map_or(Ok(UNIX_EPOCH), read_time)?;
        let offset = self.offset.as_deref().map_or(Ok(Duration::ZERO), read_offset)?;
        let sequence = self.sequence.as_deref().map_or(Ok(0), str::parse);
        let id = read_id("id", envelope.source.as_ref(), &self.id)?;
        let record = Record::new(
            sequence.map_err(|error| fault("sequence", error))?,
            Topic::with_limits(&self.topic, &LIMITS).map_err(|error| fault("type", error))?,
            id,
            Stamp { offset, wall },
            (envelope != Envelope::default()).then(|| Arc::new(envelope)),
            self.data.unwrap_or(RawValue::NULL).to_owned(),
        );
        let foreign = self.id.parse::<EventId>().is_err();
        Ok(if foreign { record.with_foreign_id(self.id.into()) } else { record })
    }

    #[allow(clippy::needless_update, reason = "what is not written keeps its default")]
    fn envelope(&self) -> Result<Envelope, Fault> {
        let source = source_uri::read(&self.source);
        let causation = self.causationid.as_deref().map(|text| read_id("causationid", source.as_ref(), text));
        Ok(Envelope {
            priority: self.priority.as_deref().map_or(Ok(Priority::Normal), read_priority)?,
            correlation: self.correlationid.as_deref().map(Arc::from),
            causation: causation.transpose()?,
            targets: read_list::<Vec<Arc<str>>>("targets", self.targets.as_deref())?.into(),
            meta: read_list("meta", self.meta.as_deref())?,
            no_echo: self.noecho,
            replayed: self.replayed,
            source,
            ..Envelope::default()
        })
    }
}

/// Ids of others are those of their source, and so are the ids of what led to their events.
fn read_id(attribute: &str, source: Option<&Source>, text: &str) -> Result<EventId, Fault> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) if text.is_empty() => Err(fault(attribute, "is empty")),
        // As it is written, so that it is the same when it is read again.
        Err(_) => Ok(foreign_id::read(&source_uri::write(source), text)),
    }
}

fn fault(attribute: &str, what: impl fmt::Display) -> Fault {
    shortened(format!("attribute `{attribute}`: {what}")).into()
}

fn write_time(time: SystemTime) -> Result<String, Fault> {
    let time = Timestamp::try_from(time).map_err(|error| fault("time", error))?;
    Ok(time.to_string())
}

fn read_time(text: &str) -> Result<SystemTime, Fault> {
    let time: Timestamp = text.parse().map_err(|error| fault("time", error))?;
    Ok(time.into())
}

/// Seconds and nanoseconds, with nothing lost.
fn write_offset(offset: Duration) -> String {
    format!("{}.{:09}", offset.as_secs(), offset.subsec_nanos())
}

fn read_offset(text: &str) -> Result<Duration, Fault> {
    let parts = text.split_once('.').filter(|(_, nanos)| nanos.len() == 9 && nanos.bytes().all(|b| b.is_ascii_digit()));
    let offset = parts.and_then(|(secs, nanos)| Some(Duration::new(secs.parse().ok()?, nanos.parse().ok()?)));
    offset.ok_or_else(|| fault("offset", "is not seconds with nine digits after the point"))
}

fn write_priority(priority: Priority) -> Option<&'static str> {
    match priority {
        Priority::Low => Some("low"),
        Priority::Normal => None,
        Priority::High => Some("high"),
        Priority::Critical => Some("critical"),
    }
}

fn read_priority(text: &str) -> Result<Priority, Fault> {
    match text {
        "low" => Ok(Priority::Low),
        "normal" => Ok(Priority::Normal),
        "high" => Ok(Priority::High),
        "critical" => Ok(Priority::Critical),
        _ => Err(fault("priority", "is none of low, normal, high and critical")),
    }
}

fn write_list<T: Serialize>(list: &[T]) -> Option<Cow<'static, str>> {
    if list.is_empty() {
        return None;
    }
    serde_json::to_string(list).ok().map(Cow::Owned)
}

fn read_list<T: for<'de> Deserialize<'de> + Default>(attribute: &str, text: Option<&str>) -> Result<T, Fault> {
    let list = text.map_or(Ok(T::default()), serde_json::from_str);
    list.map_err(|error| fault(attribute, in_one_line(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventId, Source};

    fn record(envelope: Option<Envelope>, data: &str) -> Record {
        Record::new(
            7,
            Topic::new("radar.track").unwrap(),
            EventId::from_bits(1),
            Stamp { offset: Duration::new(1, 5), wall: UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789) },
            envelope.map(Arc::new),
            RawValue::from_string(data.to_owned()).unwrap(),
        )
    }

    fn line(record: &Record) -> String {
        let mut line = Vec::new();
        write(record, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_record_is_one_line() {
        assert_eq!(
            line(&record(None, "{\"id\": 7,\r\n\"text\": \"a\\nb\"}")),
            "{\"specversion\":\"1.0\",\"id\":\"00000000000000000000000001\",\"source\":\"/sigtree\",\"type\":\
             \"radar.track\",\"time\":\"2001-09-09T01:46:40.123456789Z\",\"sequence\":\"000000000007\",\"offset\":\
             \"1.000000005\",\"data\":{\"id\": 7,  \"text\": \"a\\nb\"}}\n"
        );
    }

    #[test]
    #[allow(clippy::needless_update, reason = "what is not written keeps its default")]
    fn everything_comes_back() {
        let full = Envelope {
            source: Some(Source::named("tower 7")),
            priority: Priority::Critical,
            correlation: Some("a\"b".into()),
            causation: Some(EventId::from_bits(u128::MAX)),
            targets: ["x".into(), "y,z".into()].into_iter().collect(),
            meta: vec![("unit".into(), "kg".into()), ("unit".into(), "\n".into())],
            no_echo: true,
            replayed: true,
            ..Envelope::default()
        };
        for envelope in [None, Some(full)] {
            let first = record(envelope, "[1,2]");
            let second = read(line(&first).trim_end()).unwrap();
            assert_eq!(second.envelope(), first.envelope());
            assert_eq!((second.topic(), second.id(), second.stamp()), (first.topic(), first.id(), first.stamp()));
            assert_eq!((second.sequence(), second.data()), (first.sequence(), first.data()));
            assert_eq!(line(&second), line(&first));
        }
    }

    #[test]
    fn others_write_their_events_in_another_way() {
        let foreign = r#" {"type":"a", "id":"00000000000000000000000001","source":"https://example.com/x%20y","data":null,
            "specversion":"1.0","time":"1970-01-01T02:00:00+02:00","datacontenttype":"application/json","other":{"a":1}} "#;
        let record = read(foreign).unwrap();
        assert_eq!((record.time(), record.offset(), record.sequence()), (UNIX_EPOCH, Duration::ZERO, 0));
        assert_eq!(record.source().unwrap().as_str(), "https://example.com/x y");
        assert_eq!(record.data(), "null");
    }

    #[test]
    fn the_example_of_the_specification_is_read_and_written_again() {
        let example = r#"{"specversion":"1.0","type":"com.example.someevent","source":"/my{context}","id":"A234-1234-1234",
            "time":"2018-04-05T17:31:00Z","comexampleextension1":"value","comexampleothervalue":5,
            "datacontenttype":"application/json","data":{"appinfoA":"abc","appinfoB":123,"appinfoC":true}}"#;
        let first = read(example).unwrap();
        assert_eq!(first.foreign_id(), Some("A234-1234-1234"));
        let again = line(&first);
        assert!(again.contains(r#""id":"A234-1234-1234","source":"/my%7Bcontext%7D""#), "{again}");
        assert_eq!(read(again.trim_end()).unwrap().id(), first.id());

        let effect = example.replace("A234-1234-1234\"", "B\",\"causationid\":\"A234-1234-1234\"");
        assert_eq!(read(&effect).unwrap().causation(), Some(first.id()), "of the same source");
        assert_eq!(read(line(&read(&effect).unwrap()).trim_end()).unwrap().causation(), Some(first.id()));
        assert_ne!(read(&example.replace("my", "your")).unwrap().id(), first.id());
    }

    #[test]
    fn a_topic_beyond_the_default_limits_comes_back() {
        for name in ["a".repeat(LONGEST_TOPIC), vec!["a"; 100].join(".")] {
            let text = line(&record(None, "1")).replace("radar.track", &name);
            let back = read(text.trim_end()).unwrap();
            assert_eq!((back.topic().as_str(), line(&back)), (&*name, text));
        }
        let text = line(&record(None, "1")).replace("radar.track", &"a".repeat(LONGEST_TOPIC + 1));
        assert!(read(text.trim_end()).unwrap_err().contains("4097 bytes, at most 4096 are allowed"));
    }

    #[test]
    fn faults_name_the_attribute() {
        let with = |from: &str, to: &str| {
            let text = line(&record(Some(Envelope { priority: Priority::Low, ..Envelope::default() }), "1"));
            assert!(text.contains(from), "{from}");
            read(&text.replace(from, to)).unwrap_err().into_owned()
        };
        assert!(with("radar.track", "radar..track").starts_with("attribute `type`: invalid topic"));
        assert_eq!(with("\"id\":\"00000000000000000000000001\"", "\"id\":\"\""), "attribute `id`: is empty");
        assert!(with("2001-09-09", "2001-19-09").starts_with("attribute `time`: "));
        assert!(with("1.000000005", "1.5").starts_with("attribute `offset`: "));
        assert!(with("000000000007", "-7").starts_with("attribute `sequence`: "));
        assert!(with("\"low\"", "\"lazy\"").starts_with("attribute `priority`: "));
        assert!(with("\"1.0\"", "\"0.3\"").starts_with("attribute `specversion`: "));
        assert!(with("\"data\"", "\"data_base64\"").starts_with("attribute `data_base64`: "));
        assert!(with("\"data\"", "\"targets\":\"[\",\"data\"").starts_with("attribute `targets`: "));
        assert!(with("\"type\"", "\"tope\"").starts_with("missing field `type`"));
        assert!(with("\"data\"", "\"id\"").starts_with("duplicate field `id`"));
    }

    #[test]
    fn times_that_no_calendar_has_are_faults() {
        let far = Record::new(
            1,
            Topic::new("a").unwrap(),
            EventId::from_bits(1),
            Stamp { offset: Duration::MAX, wall: UNIX_EPOCH + Duration::from_secs(1 << 60) },
            None,
            RawValue::NULL.to_owned(),
        );
        assert!(write(&far, &mut Vec::new()).unwrap_err().starts_with("attribute `time`: "));
        assert_eq!(read_offset(&write_offset(Duration::MAX)).unwrap(), Duration::MAX);
    }
}
