//! The attributes of an event as they are written in its line.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use sigtree::middleware::Record;

/// An attribute, as JSON; `None` if the line has none of that name.
pub(crate) fn attribute<'l>(line: &'l [u8], name: &str) -> Option<&'l str> {
    let all: HashMap<String, &RawValue> = serde_json::from_slice(line).ok()?;
    all.get(name).map(|value| value.get())
}

/// When it was emitted, in wall-clock time; `None` if the line does not say.
pub(crate) fn time(record: &Record, line: &[u8]) -> Option<SystemTime> {
    // The library reads a line that does not say as one of the epoch.
    let says = record.time() != UNIX_EPOCH || attribute(line, "time").is_some_and(|time| time != "null");
    says.then(|| record.time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_a_time_and_none_is_none() {
        let time_of = |attribute: &str| {
            let line = format!(r#"{{"specversion":"1.0","id":"1","source":"x","type":"t"{attribute}}}"#);
            time(&Record::from_line(&line).unwrap(), line.as_bytes())
        };
        assert_eq!(time_of(r#","time":"1970-01-01T00:00:00Z""#), Some(UNIX_EPOCH));
        assert_eq!(time_of(r#","time":null"#), None);
        assert_eq!(time_of(""), None);
    }
}
