//! A pattern on the first line and a topic on the second: what is read matches what it should, and nothing panics.
#![no_main]

#[path = "../../tests/support/oracle.rs"]
mod oracle;

use libfuzzer_sys::fuzz_target;
use sigtree::middleware::Kind;
use sigtree::{Limits, ParseError, Pattern, Topic};

type Read = fn(&str) -> Result<Pattern, ParseError>;
type Write = fn(&Pattern) -> Result<Vec<String>, ParseError>;

const CONVERTERS: [(Read, Write); 4] = [
    (Pattern::from_nats, Pattern::to_nats),
    (Pattern::from_mqtt, Pattern::to_mqtt),
    (Pattern::from_amqp, Pattern::to_amqp),
    (Pattern::from_redis, Pattern::to_redis),
];

/// The oracle tries every way to read `**`; more of them would take it for ever.
const MOST_DEEPS: usize = 6;

fuzz_target!(|text: &str| {
    let (pattern, topic) = text.split_once('\n').unwrap_or((text, "a.b"));
    let topic = Topic::check(topic, &Limits::new()).is_ok().then_some(topic);
    if let Ok(read) = Pattern::new(pattern) {
        check(&read, topic);
        for (from, to) in CONVERTERS {
            converts(&read, from, to, topic);
        }
    }
    for (from, to) in CONVERTERS {
        if let Ok(read) = from(pattern) {
            check(&read, topic);
            converts(&read, from, to, topic);
        }
    }
});

fn check(pattern: &Pattern, topic: Option<&str>) {
    let text = pattern.to_string();
    assert_eq!(&text.parse::<Pattern>().expect("what is written is read"), pattern);
    let Some(topic) = topic else { return };
    let matches = pattern.matches(topic);
    assert!(!matches || topic.starts_with(pattern.literal_prefix()));
    if matches!(pattern.kind(), Kind::Exact(_) | Kind::Wildcard(_)) && text.matches("**").count() <= MOST_DEEPS {
        assert_eq!(matches, oracle::matches(&text, topic), "`{text}` and `{topic}`");
    }
}

/// What is written for a broker matches together what the pattern matches. A part that matches no topic of ours, since it
/// would begin like a regular expression, is not read back.
fn converts(pattern: &Pattern, from: Read, to: Write, topic: Option<&str>) {
    let Ok(written) = to(pattern) else { return };
    let read: Vec<_> = written.iter().filter_map(|text| from(text).ok()).collect();
    if let Some(topic) = topic.filter(|topic| *topic != "$sys" && !topic.starts_with("$sys.")) {
        let matches = read.iter().any(|read| read.matches(topic));
        assert_eq!(matches, pattern.matches(topic), "`{pattern}` as {written:?}, and `{topic}`");
    }
}
