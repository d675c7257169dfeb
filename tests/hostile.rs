//! Hostile names and patterns end in a clear error or in the right answer, never in a panic or in a blow-up.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sigtree::{Bus, Error, Limits, Pattern};
use support::{Recorder, oracle};

/// Every use of a name; whether each took it.
fn try_all(bus: &Bus, name: &str) -> [Result<(), Error>; 4] {
    [
        bus.connect(name, |_: &u32| {}).map(drop),
        bus.try_emit(name, 1_u32).map(drop),
        bus.signal::<u32>(name).map(drop),
        bus.child(name).map(drop),
    ]
}

/// The message is short and on one line, whatever was refused.
fn assert_clear(error: &Error, name: &str) {
    let message = error.to_string();
    let start = name.chars().take(40).collect::<String>();
    // The reports of the bus have types of their own.
    assert!(error.is_bad_name() || error.is_reserved() || name.starts_with("$sys."), "{message}");
    assert!(message.len() < 1_000, "{} bytes for {start:?}", message.len());
    assert!(!message.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{message:?}");
}

/// What is hostile by its size, its characters or its wildcards.
fn corpus() -> Vec<String> {
    let mut corpus: Vec<String> = vec![
        "a".repeat(1 << 20),
        ".".repeat(1 << 20),
        "*".repeat(1 << 20),
        "é".repeat(1 << 19),
        vec!["a"; 10_000].join("."),
        vec!["*"; 10_000].join("."),
        vec!["**"; 10_000].join("."),
        format!("/{}/", "(a*)*".repeat(10_000)),
        format!("/{}/", "(".repeat(10_000)),
        "/(a{1000}){1000}/".into(),
        "/((a{100}){100}){100}/".into(),
        r"/\w{1000}/".into(),
        "/(?i)[\\p{L}]{500}/".into(),
        format!("/{}/", "a|".repeat(1_000)),
        "/[/".into(),
        "/(/".into(),
        "/*/".into(),
        r"/\/".into(),
        "//".into(),
        "/".into(),
        "/a".into(),
        "/a/b".into(),
        "|".into(),
        "a|".into(),
        "|a".into(),
        "a||b".into(),
        vec!["a"; 1_000].join("|"),
        (0..1_000).map(|n| format!("a{n}")).collect::<Vec<_>>().join("|"),
        "$sys".into(),
        "$sys.dead".into(),
        "$sys.*.x".into(),
    ];
    let odd = [
        '\0', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', ' ', '\u{a0}', '\u{2028}', '\u{200b}', '\u{2060}',
        '\u{feff}', '\u{202a}', '\u{202e}', '\u{2066}', '．', '﹒', '․', '。', '｡', '*', '|',
    ];
    for c in odd {
        for name in [format!("{c}"), format!("a{c}"), format!("{c}a"), format!("a.{c}.b"), format!("a{c}b.c")] {
            corpus.push(name);
        }
    }
    for wild in ["h*d", "a.**b", "***", "a.***", "****", "*a", "a*.b", ".", "..", ".a", "a.", "a..b", ""] {
        corpus.extend([wild.to_owned(), format!("x.{wild}"), format!("{wild}.x"), format!("a|{wild}")]);
    }
    corpus
}

#[test]
fn a_hostile_corpus_is_refused_or_taken_with_a_clear_word() {
    let bus = Bus::new();
    let corpus = corpus();
    assert!(corpus.len() >= 190, "{}", corpus.len());
    let mut refused = 0;
    for name in &corpus {
        for result in try_all(&bus, name) {
            if let Err(error) = result {
                assert_clear(&error, name);
                refused += 1;
            }
        }
    }
    assert!(refused > 3 * corpus.len(), "{refused}");
    assert_eq!((bus.connections(), bus.emit("a", 1_u32).called()), (0, 0));
}

#[test]
fn names_of_every_script_are_taken_and_compared_byte_for_byte() {
    let bus = Bus::new();
    for name in ["é", "e\u{301}", "日本.語", "Ａ", "a:b", "a#", "+", ">", "$SYS.x", "a/b", "\\", "😀"] {
        let _handler = bus.connect(name, |_: &u32| {}).unwrap();
        assert_eq!(bus.emit(name, 1_u32).called(), 1, "{name}");
        assert_eq!(bus.connections(), 1);
    }
    let _composed = bus.connect("é", |_: &u32| {}).unwrap();
    assert_eq!(bus.emit("e\u{301}", 1_u32).called(), 0);
    assert_eq!(bus.emit("É", 1_u32).called(), 0);
}

#[test]
fn many_double_stars_are_matched_in_reasonable_steps() {
    let limits = Limits::new().segments(1_000).bytes(10_000);
    let bus = Bus::builder().limits(limits).build();
    let alternating = vec!["**.a"; 32].join(".");
    let starred = vec!["**.*"; 32].join(".");
    let deep = vec!["**"; 32].join(".");
    let _connections = [
        bus.connect(&alternating, |_: &u32| {}).unwrap(),
        bus.connect(format!("{alternating}.b"), |_: &u32| {}).unwrap(),
        bus.connect(&starred, |_: &u32| {}).unwrap(),
        bus.connect(&deep, |_: &u32| {}).unwrap(),
        bus.connect("**.**.**", |_: &u32| {}).unwrap(),
    ];
    let a = |n: usize| vec!["a"; n].join(".");
    for (topic, called) in
        [(a(31), 2), (a(32), 4), (a(500), 4), (format!("{}.b", a(500)), 4), (format!("{}.c", a(500)), 3)]
    {
        for _ in 0..3 {
            assert_eq!(bus.emit(&topic, 1_u32).called(), called, "{} segments", topic.split('.').count());
        }
    }
}

#[test]
fn expressions_that_blow_up_elsewhere_are_linear_here() {
    let bus = Bus::builder().limits(Limits::new().bytes(100_000)).build();
    let _connections = ["(a*)*b", "(a|aa)+", "(a|a)*c", "([a-z]+)*d", "(.*)(.*)(.*)(.*)x"]
        .map(|expression| bus.connect(Pattern::regex(expression).unwrap(), |_: &u32| {}).unwrap());
    for _ in 0..3 {
        assert_eq!(bus.emit("a".repeat(50_000), 1_u32).called(), 1);
        assert_eq!(bus.emit("a".repeat(50_000) + "x", 1_u32).called(), 1);
    }
}

#[test]
fn limits_are_those_of_the_bus_and_of_its_children() {
    let bus = Bus::builder().limits(Limits::new().segments(2).bytes(5).list(2)).build();
    for (name, fine) in [("a.b", true), ("a.b.c", false), ("abcde", true), ("abcdef", false)] {
        assert!(try_all(&bus, name).iter().all(|result| result.is_ok() == fine), "{name}");
        let child = bus.child("x").unwrap();
        assert!(try_all(&child, name).iter().all(|result| result.is_ok() == fine), "{name}");
    }
    assert!(bus.connect(["a", "b"], |_: &u32| {}).is_ok());
    assert!(bus.connect(["a", "b", "c"], |_: &u32| {}).unwrap_err().is_bad_name());
    assert!(bus.mute("a.b.c").is_err());
}

/// Whether a text is a pattern of segments, said as plainly as possible.
fn is_pattern(text: &str) -> bool {
    let bad = |c: char| c == '*' || c == '|' || c.is_whitespace() || c.is_control() || c == '\u{200b}' || c == '．';
    let segment = |text: &str| text == "*" || text == "**" || (!text.is_empty() && !text.contains(bad));
    text.split('.').all(segment) && !text.starts_with('/') && text.split('.').count() <= 16
}

fn is_topic(text: &str) -> bool {
    is_pattern(text) && !text.contains('*')
}

fn names(segments: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(select(segments), 1..8).prop_map(|segments| segments.join("."))
}

const IN_PATTERNS: &[&str] =
    &["a", "b", "*", "**", "**", "*", "a", "b", "é", "$sys", "a*", "", "\0", "x．y", "a b", "日本", "A"];
const IN_TOPICS: &[&str] = &["a", "b", "a", "b", "é", "a", "b", "日本", "$sys", "A", "x", ""];

#[test]
fn the_bus_agrees_with_the_oracle_on_hostile_names() {
    let bus = Bus::builder().cached_topics(64).build();
    let seen = Recorder::new();
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(pattern in names(IN_PATTERNS), topics in vec(names(IN_TOPICS), 1..4))| {
        let connected = bus.connect(&pattern, seen.numbers());
        prop_assert_eq!(connected.is_ok(), is_pattern(&pattern), "{:?}", pattern);
        for topic in &topics {
            let delivery = bus.emit(topic, 1_u32);
            let refused = !is_topic(topic) || topic == "$sys" || topic.starts_with("$sys.");
            prop_assert_eq!(delivery.refusal().is_some(), refused, "{:?}", topic);
            let expected = !refused && connected.is_ok() && oracle::matches(&pattern, topic);
            prop_assert_eq!(seen.take().len(), usize::from(expected), "{:?} on {:?}", pattern, topic);
        }
    });
    assert_eq!(bus.connections(), 0);
}
