//! Patterns of NATS, MQTT, AMQP and Redis: converted exactly, there and back, or refused with what to do instead.

use proptest::prelude::*;
use sigtree_middleware::{ParseError, Pattern};

type Read = fn(&str) -> Result<Pattern, ParseError>;
type Write = fn(&Pattern) -> Result<Vec<String>, ParseError>;
/// Whether the other system's pattern matches a topic of ours, which it may spell its own way.
type Matches = fn(&str, &str) -> bool;

const NATS: (Read, Write, Matches) = (Pattern::from_nats, Pattern::to_nats, nats);
const MQTT: (Read, Write, Matches) = (Pattern::from_mqtt, Pattern::to_mqtt, mqtt);
const AMQP: (Read, Write, Matches) = (Pattern::from_amqp, Pattern::to_amqp, amqp);
const REDIS: (Read, Write, Matches) = (Pattern::from_redis, Pattern::to_redis, redis);

fn nats(subject: &str, topic: &str) -> bool {
    fn fits(subject: &[&str], topic: &[&str]) -> bool {
        match (subject, topic) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            (["*", after @ ..], [_, rest @ ..]) => fits(after, rest),
            ([wanted, after @ ..], [given, rest @ ..]) => wanted == given && fits(after, rest),
            _ => false,
        }
    }
    fits(&split(subject, '.'), &split(topic, '.'))
}

fn mqtt(filter: &str, topic: &str) -> bool {
    fn fits(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) | ([], []) => true,
            (["+", after @ ..], [_, rest @ ..]) => fits(after, rest),
            ([wanted, after @ ..], [given, rest @ ..]) => wanted == given && fits(after, rest),
            _ => false,
        }
    }
    fits(&split(filter, '/'), &split(topic, '.'))
}

fn amqp(key: &str, topic: &str) -> bool {
    fn fits(key: &[&str], topic: &[&str]) -> bool {
        match (key, topic) {
            ([], []) => true,
            (["#", after @ ..], _) => (0..=topic.len()).any(|taken| fits(after, &topic[taken..])),
            (["*", after @ ..], [_, rest @ ..]) => fits(after, rest),
            ([wanted, after @ ..], [given, rest @ ..]) => wanted == given && fits(after, rest),
            _ => false,
        }
    }
    fits(&split(key, '.'), &split(topic, '.'))
}

fn redis(glob: &str, topic: &str) -> bool {
    fn fits(glob: &[char], topic: &[char]) -> bool {
        match (glob, topic) {
            ([], []) => true,
            (['*', after @ ..], _) => (0..=topic.len()).any(|taken| fits(after, &topic[taken..])),
            (['?', after @ ..], [_, rest @ ..]) => fits(after, rest),
            (['\\', wanted, after @ ..], [given, rest @ ..]) => wanted == given && fits(after, rest),
            ([wanted, after @ ..], [given, rest @ ..]) => wanted == given && fits(after, rest),
            _ => false,
        }
    }
    fits(&glob.chars().collect::<Vec<_>>(), &topic.chars().collect::<Vec<_>>())
}

fn split(text: &str, separator: char) -> Vec<&str> {
    text.split(separator).collect()
}

fn reads_as((read, ..): (Read, Write, Matches), table: &[(&str, &str)]) {
    for (theirs, ours) in table {
        assert_eq!(read(theirs).unwrap().as_str(), *ours, "{theirs}");
    }
}

fn refuses_to_read((read, ..): (Read, Write, Matches), table: &[(&str, &str)]) {
    for (theirs, message) in table {
        assert_eq!(read(theirs).unwrap_err().to_string(), *message);
    }
}

fn writes_as((_, write, _): (Read, Write, Matches), table: &[(&str, &[&str])]) {
    for (ours, theirs) in table {
        assert_eq!(write(&Pattern::new(ours).unwrap()).unwrap(), *theirs, "{ours}");
    }
}

fn refuses_to_write((_, write, _): (Read, Write, Matches), table: &[(&str, &str)]) {
    for (ours, message) in table {
        let error = write(&Pattern::new(ours).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), *message);
        assert!(error.is_not_exact(), "{error}");
    }
}

#[test]
fn nats_by_table() {
    reads_as(
        NATS,
        &[
            ("a.b", "a.b"),
            ("a.*", "a.*"),
            ("a.>", "a.*.**"),
            ("a.*.>", "a.*.*.**"),
            (">", "**"),
            ("*", "*"),
            ("$JS.>", "$JS.*.**"),
        ],
    );
    writes_as(
        NATS,
        &[
            ("a.b", &["a.b"]),
            ("a.*.b", &["a.*.b"]),
            ("a.**", &["a", "a.>"]),
            ("a.*.**", &["a.>"]),
            ("*.*.**", &["*.>"]),
            ("**", &[">"]),
            ("a | b.**", &["a", "b", "b.>"]),
            ("b | b.**", &["b", "b.>"]),
            ("$sys.**", &["$sys", "$sys.>"]),
        ],
    );
    refuses_to_read(
        NATS,
        &[
            ("", "invalid NATS pattern ``: empty text: write at least one segment"),
            ("a..b", "invalid NATS pattern `a..b`: empty segment at byte 2: remove one dot"),
            (
                "a.>.b",
                "invalid NATS pattern `a.>.b`: `>` before the end or inside a token at byte 2: write it as the last token",
            ),
            (
                "a.b>",
                "invalid NATS pattern `a.b>`: `>` before the end or inside a token at byte 3: write it as the last token",
            ),
            (
                "a.**",
                "invalid NATS pattern `a.**`: `*` as a part of a segment at byte 2: \
                 write `*` for the whole segment, or use a regular expression",
            ),
            ("a b", "invalid NATS pattern `a b`: space at byte 1: write `-` or `_` instead"),
            (
                "a|b",
                "invalid NATS pattern `a|b`: `|`, which separates the patterns of a list, at byte 1: leave it out of names",
            ),
            (
                "/a/",
                "invalid NATS pattern `/a/`: `/`, which marks a regular expression, at byte 0: begin with another character",
            ),
        ],
    );
    refuses_to_write(
        NATS,
        &[
            (
                "**.b",
                "pattern `**.b` has no exact NATS form: `**` before the end: subscribe to `>` and filter on arrival",
            ),
            (
                "a.*.**.b",
                "pattern `a.*.**.b` has no exact NATS form: `**` before the end: subscribe to `a.*.>` and filter on arrival",
            ),
            ("a.b>c", "pattern `a.b>c` has no exact NATS form: `>` in a segment: rename the segment"),
            (
                r"/radar\.(adsb|mlat)\..*/",
                "pattern `/radar\\.(adsb|mlat)\\..*/` has no exact NATS form: regular expression: \
                 subscribe to `radar.>` and filter on arrival",
            ),
            (
                "/ra.*/",
                "pattern `/ra.*/` has no exact NATS form: regular expression: subscribe to `>` and filter on arrival",
            ),
            (
                "a | b.**.c",
                "pattern `b.**.c` has no exact NATS form: `**` before the end: subscribe to `b.>` and filter on arrival",
            ),
        ],
    );
}

#[test]
fn mqtt_by_table() {
    reads_as(
        MQTT,
        &[
            ("a/b", "a.b"),
            ("a/+", "a.*"),
            ("a/#", "a.**"),
            ("a/+/#", "a.*.**"),
            ("#", "**"),
            ("+/#", "**"),
            ("$SYS/#", "$SYS.**"),
        ],
    );
    writes_as(
        MQTT,
        &[
            ("a.b", &["a/b"]),
            ("a.*.b", &["a/+/b"]),
            ("a.**", &["a/#"]),
            ("a.*.**", &["a/+/#"]),
            ("**", &["#"]),
            ("a | b.**", &["a", "b/#"]),
        ],
    );
    refuses_to_read(
        MQTT,
        &[
            ("/a", "invalid MQTT pattern `/a`: empty segment at byte 0: remove one slash"),
            ("a/", "invalid MQTT pattern `a/`: empty segment at byte 2: remove one slash"),
            ("a//b", "invalid MQTT pattern `a//b`: empty segment at byte 2: remove one slash"),
            (
                "a/b.c",
                "invalid MQTT pattern `a/b.c`: `.` inside a level at byte 3: \
                 rename the level, a dot would divide it here",
            ),
            (
                "a/#/b",
                "invalid MQTT pattern `a/#/b`: `#` before the end or inside a level at byte 2: write it as the last level",
            ),
            (
                "a/b#",
                "invalid MQTT pattern `a/b#`: `#` before the end or inside a level at byte 3: write it as the last level",
            ),
            ("a/b+", "invalid MQTT pattern `a/b+`: `+` inside a level at byte 3: write it as a level of its own"),
            (
                "a/*",
                "invalid MQTT pattern `a/*`: `*` inside a level at byte 2: rename the level, `*` is a wildcard here",
            ),
            (
                "$share/group/a",
                "invalid MQTT pattern `$share/group/a`: shared subscription at byte 0: \
                 leave out `$share` and the name of the group",
            ),
        ],
    );
    refuses_to_write(
        MQTT,
        &[
            (
                "a.**.b",
                "pattern `a.**.b` has no exact MQTT form: `**` before the end: subscribe to `a/+/#` and filter on arrival",
            ),
            ("a.b/c", "pattern `a.b/c` has no exact MQTT form: `/`, `+` or `#` in a segment: rename the segment"),
            ("a.b+", "pattern `a.b+` has no exact MQTT form: `/`, `+` or `#` in a segment: rename the segment"),
            ("a.#", "pattern `a.#` has no exact MQTT form: `/`, `+` or `#` in a segment: rename the segment"),
            (
                "$share.a",
                "pattern `$share.a` has no exact MQTT form: `$share` as the first segment: rename the segment",
            ),
            (
                r"/a\..*/",
                "pattern `/a\\..*/` has no exact MQTT form: regular expression: subscribe to `a/+/#` and filter on arrival",
            ),
        ],
    );
}

#[test]
fn amqp_by_table() {
    reads_as(
        AMQP,
        &[
            ("a.b", "a.b"),
            ("a.*", "a.*"),
            ("a.#", "a.**"),
            ("#.b", "**.b"),
            ("a.#.b.#", "a.**.b.**"),
            ("#.*", "**"),
            ("a#.b", "a#.b"),
        ],
    );
    writes_as(
        AMQP,
        &[
            ("a.*.b", &["a.*.b"]),
            ("a.**.b", &["a.#.b"]),
            ("**", &["#"]),
            ("a | **.b", &["a", "#.b"]),
            ("a#.b", &["a#.b"]),
        ],
    );
    refuses_to_read(
        AMQP,
        &[
            ("a..b", "invalid AMQP pattern `a..b`: empty segment at byte 2: remove one dot"),
            (
                "a.b*",
                "invalid AMQP pattern `a.b*`: `*` as a part of a segment at byte 3: \
                 write `*` for the whole segment, or use a regular expression",
            ),
        ],
    );
    refuses_to_write(
        AMQP,
        &[
            ("a.#", "pattern `a.#` has no exact AMQP form: `#` as a segment: rename the segment"),
            ("/a/", "pattern `/a/` has no exact AMQP form: regular expression: subscribe to `#` and filter on arrival"),
        ],
    );
}

#[test]
fn redis_by_table() {
    reads_as(
        REDIS,
        &[
            ("a.b", "a.b"),
            ("a.*", "a.*.**"),
            ("*", "**"),
            ("**", "**"),
            ("*.b", "*.**.b"),
            ("a.*.*.b", "a.*.*.**.b"),
            (r"a\?.b\[c\]", "a?.b[c]"),
            (r"a\.*", "a.*.**"),
            (r"a\\", r"a\"),
            (r"a\", r"a\"),
        ],
    );
    let reads_back = [
        ("sig.**", &["sig", "sig.*"] as &[&str]),
        ("**.b", &["b", "*.b"]),
        ("a.**.b", &["a.b", "a.*.b"]),
        ("a.*.**", &["a.*"]),
        ("a.*.*.**.b", &["a.*.*.b"]),
        ("**.b.**", &["b", "*.b", "b.*", "*.b.*"]),
        ("**", &["*"]),
        ("a?.[b]", &[r"a\?.\[b\]"]),
        (r"a\b", &[r"a\\b"]),
        ("a | b.**", &["a", "b", "b.*"]),
    ];
    writes_as(REDIS, &reads_back);
    refuses_to_read(
        REDIS,
        &[
            (
                "h?llo",
                "invalid Redis pattern `h?llo`: `?` and `[`, which stand for one character, at byte 1: \
                 use a regular expression, or write a backslash before a plain one",
            ),
            (
                "[ab]",
                "invalid Redis pattern `[ab]`: `?` and `[`, which stand for one character, at byte 0: \
                 use a regular expression, or write a backslash before a plain one",
            ),
            (
                "a.b*",
                "invalid Redis pattern `a.b*`: `*` as a part of a segment at byte 3: \
                 write `*` for the whole segment, or use a regular expression",
            ),
            (
                r"a.\*",
                "invalid Redis pattern `a.\\*`: `*` as a part of a segment at byte 2: \
                 write `*` for the whole segment, or use a regular expression",
            ),
            ("a..b", "invalid Redis pattern `a..b`: empty segment at byte 2: remove one dot"),
            ("a.", "invalid Redis pattern `a.`: empty segment at byte 2: remove one dot"),
        ],
    );
    refuses_to_write(
        REDIS,
        &[
            (
                "a.*.b",
                "pattern `a.*.b` has no exact Redis form: `*` would match dots too: \
                 subscribe to `a.*.b` and filter on arrival",
            ),
            (
                "**.a.**.b.**.c.**.d.**.e.**.f.**.g",
                "pattern `**.a.**.b.**.c.**.d.**.e.**.f.**.g` has no exact Redis form: more than 64 globs: \
                 subscribe to `*` and filter on arrival",
            ),
            (
                r"/a\..*/",
                "pattern `/a\\..*/` has no exact Redis form: regular expression: subscribe to `a.*` and filter on arrival",
            ),
        ],
    );
}

#[test]
fn hostile_texts_are_refused_by_their_length() {
    for text in
        ["a.".repeat(1 << 19), ">".repeat(1 << 20), "*".repeat(1 << 20), "/".repeat(1 << 20), "#.".repeat(10_000)]
    {
        for (read, ..) in [NATS, MQTT, AMQP, REDIS] {
            assert!(read(&text).unwrap_err().is_too_long());
        }
    }
    let deep = vec!["a"; 17];
    for ((read, ..), separator) in [(NATS, "."), (MQTT, "/"), (AMQP, "."), (REDIS, ".")] {
        assert!(read(&deep.join(separator)).unwrap_err().is_too_deep());
    }
}

fn segments_of(choice: &'static [&'static str], separator: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(choice), 1..6).prop_map(move |segments| segments.join(separator))
}

fn a_topic() -> impl Strategy<Value = String> {
    segments_of(&["a", "b", "ab"], ".")
}

fn a_pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(segments_of(&["a", "b", "ab", "*", "**"], "."), 1..3).prop_map(|members| members.join(" | "))
}

/// Writing keeps the set of topics, and reading what was written gives it back; a refusal offers a set that holds it.
fn there_and_back((read, write, matches): (Read, Write, Matches), ours: &str, topics: &[String]) {
    let pattern = Pattern::new(ours).unwrap();
    let (written, is_exact) = match write(&pattern) {
        Ok(written) => (written, true),
        Err(error) => (offered(&error), false),
    };
    let again = Pattern::any(written.iter().map(|theirs| read(theirs).unwrap())).unwrap();
    // A refusal speaks of the one pattern of a list that is at fault.
    let refused = write(&pattern).err().map_or(pattern, |error| Pattern::new(error.text()).unwrap());
    for topic in topics {
        let wanted = refused.matches(topic);
        let given = written.iter().any(|theirs| matches(theirs, topic));
        assert!(if is_exact { given == wanted } else { given || !wanted }, "{ours} as {written:?} on {topic}");
        assert_eq!(given, again.matches(topic), "{written:?} as {again} on {topic}");
    }
}

/// The subscriptions that a refusal names as wide enough.
fn offered(error: &ParseError) -> Vec<String> {
    let message = error.to_string();
    let (_, offer) = message.split_once("subscribe to `").unwrap();
    let (offer, _) = offer.split_once("` and filter").unwrap();
    offer.split("` and `").map(str::to_owned).collect()
}

/// Reading keeps the set of topics.
fn reads_exactly((read, _, matches): (Read, Write, Matches), theirs: &str, topics: &[String]) {
    if let Ok(pattern) = read(theirs) {
        for topic in topics {
            assert_eq!(pattern.matches(topic), matches(theirs, topic), "{theirs} as {pattern} on {topic}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn what_is_written_is_the_same_set(ours in a_pattern(), topics in prop::collection::vec(a_topic(), 16)) {
        for system in [NATS, MQTT, AMQP, REDIS] {
            there_and_back(system, &ours, &topics);
        }
    }

    #[test]
    fn what_is_read_is_the_same_set(
        subject in segments_of(&["a", "b", "*", ">", "a>"], "."),
        filter in segments_of(&["a", "b", "+", "#", "a+", ""], "/"),
        key in segments_of(&["a", "b", "*", "#", "#a"], "."),
        glob in segments_of(&["a", "b", "*", "**", "a*", r"\a", "?", "[ab]"], "."),
        topics in prop::collection::vec(a_topic(), 16),
    ) {
        for (system, theirs) in [(NATS, subject), (MQTT, filter), (AMQP, key), (REDIS, glob)] {
            reads_exactly(system, &theirs, &topics);
        }
    }

    #[test]
    fn literal_text_survives_the_journey(name in r"[a-c?\[\]\\^$-]{1,4}(\.[a-c?\[\]\\^$-]{1,4}){0,2}") {
        for (read, write, matches) in [NATS, MQTT, AMQP, REDIS] {
            let pattern = Pattern::new(&name).unwrap();
            let written = write(&pattern).unwrap();
            prop_assert_eq!(written.len(), 1);
            prop_assert!(matches(&written[0], &name));
            prop_assert_eq!(read(&written[0]).unwrap(), pattern);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in any::<String>()) {
        for (read, ..) in [NATS, MQTT, AMQP, REDIS] {
            if let Err(error) = read(&text) {
                prop_assert!(error.offset().is_none_or(|at| at <= text.len()));
            }
        }
    }
}
