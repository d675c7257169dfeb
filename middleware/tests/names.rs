//! Topics and patterns: what they accept, what they refuse in which words, and what they match.

#[path = "../../tests/support/oracle.rs"]
mod oracle;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;
use sigtree_middleware::{IntoPattern, Kind, Limits, ParseError, Pattern, Segment, Topic};

fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

fn unlimited() -> Limits {
    Limits::new().segments(100_000).bytes(10_000_000)
}

#[test]
fn topics_are_refused_in_these_words() {
    let table = [
        ("", "invalid topic ``: empty text: write at least one segment"),
        ("orders..new", "invalid topic `orders..new`: empty segment at byte 7: remove one dot"),
        (".orders", "invalid topic `.orders`: empty segment at byte 0: remove one dot"),
        ("orders.", "invalid topic `orders.`: empty segment at byte 7: remove one dot"),
        (".", "invalid topic `.`: empty segment at byte 0: remove one dot"),
        (
            "orders.*",
            "invalid topic `orders.*`: wildcard `*` at byte 7: \
             emit to a concrete name, connect with the pattern",
        ),
        (
            "orders.**",
            "invalid topic `orders.**`: wildcard `*` at byte 7: \
             emit to a concrete name, connect with the pattern",
        ),
        ("h*d", "invalid topic `h*d`: wildcard `*` at byte 1: emit to a concrete name, connect with the pattern"),
        ("new order", "invalid topic `new order`: space at byte 3: write `-` or `_` instead"),
        ("new\u{a0}order", "invalid topic `new\\u{a0}order`: whitespace `\\u{a0}` at byte 3: write `-` or `_` instead"),
        ("new\0", "invalid topic `new\\u{0}`: control character `\\u{0}` at byte 3: remove it"),
        ("new\n", "invalid topic `new\\n`: control character `\\n` at byte 3: remove it"),
        ("a\u{85}", "invalid topic `a\\u{85}`: control character `\\u{85}` at byte 1: remove it"),
        ("a\u{7f}", "invalid topic `a\\u{7f}`: control character `\\u{7f}` at byte 1: remove it"),
        ("a\u{200b}b", "invalid topic `a\\u{200b}b`: invisible character `\\u{200b}` at byte 1: remove it"),
        ("\u{202e}evil", "invalid topic `\\u{202e}evil`: invisible character `\\u{202e}` at byte 0: remove it"),
        (
            "a|b",
            "invalid topic `a|b`: `|`, which separates the patterns of a list, at byte 1: \
             leave it out of names",
        ),
        (
            "/orders/",
            "invalid topic `/orders/`: `/`, which marks a regular expression, at byte 0: \
             begin with another character",
        ),
        (
            "orders．new",
            "invalid topic `orders．new`: `．` (U+FF0E), which only looks like a dot, at byte 6: \
             write a plain dot",
        ),
        ("é․b", "invalid topic `é․b`: `․` (U+2024), which only looks like a dot, at byte 2: write a plain dot"),
        (
            "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q",
            "invalid topic `a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q`: more than 16 segments at byte 31: \
             use fewer, or raise `Limits::segments`",
        ),
    ];
    for (text, message) in table {
        assert_eq!(Topic::new(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn patterns_are_refused_in_these_words() {
    let table = [
        ("", "invalid pattern ``: empty text: write at least one segment"),
        ("orders..*", "invalid pattern `orders..*`: empty segment at byte 7: remove one dot"),
        (
            "a.h*d",
            "invalid pattern `a.h*d`: `*` as a part of a segment at byte 3: \
             write `*` for the whole segment, or use a regular expression",
        ),
        (
            "a.***",
            "invalid pattern `a.***`: `*` as a part of a segment at byte 2: \
             write `*` for the whole segment, or use a regular expression",
        ),
        (" a", "invalid pattern ` a`: space at byte 0: write `-` or `_` instead"),
        ("a | b..c", "invalid pattern `b..c`: empty segment at byte 2: remove one dot"),
        ("a | ", "invalid pattern ``: empty pattern in a list: remove one `|`"),
        ("|", "invalid pattern ``: empty pattern in a list: remove one `|`"),
        ("a || b", "invalid pattern ``: empty pattern in a list: remove one `|`"),
        (
            "/a",
            "invalid pattern `/a`: no closing `/`: \
             end the regular expression with `/`, and write a slash inside it as `\\/`",
        ),
        (
            "/a/b",
            "invalid pattern `/a/b`: text after the closing `/` at byte 3: \
             write a slash inside a regular expression as `\\/`, and ` | ` between two patterns",
        ),
        ("//", "invalid regular expression ``: empty text: write an expression that matches whole topics"),
        ("/(a/", "invalid regular expression `(a`: unclosed group: correct it, and write a dot of the topic as `\\.`"),
        (
            "/(a{1000}){1000}/",
            "invalid regular expression `(a{1000}){1000}`: compiles to more than 1048576 bytes: \
             use smaller repetitions, or raise `Limits::regex_bytes`",
        ),
    ];
    for (text, message) in table {
        assert_eq!(Pattern::new(text).unwrap_err().to_string(), message);
    }
    assert_eq!(
        Pattern::any::<[&str; 0]>([]).unwrap_err().to_string(),
        "invalid pattern ``: empty list: give at least one pattern"
    );
    let many = Limits::new().list(2);
    assert_eq!(
        Pattern::with_limits("a | b | c", &many).unwrap_err().to_string(),
        "invalid pattern `a | b`: more than 2 patterns in a list: use a wildcard, or raise `Limits::list`"
    );
}

#[test]
fn predicates_name_the_mistake() {
    type Predicate = fn(&ParseError) -> bool;
    let predicates: [(&str, Predicate); 9] = [
        ("empty", ParseError::is_empty),
        ("empty segment", ParseError::is_empty_segment),
        ("wildcard", ParseError::is_wildcard),
        ("too long", ParseError::is_too_long),
        ("too deep", ParseError::is_too_deep),
        ("too many", ParseError::is_too_many),
        ("bad character", ParseError::is_bad_character),
        ("bad regex", ParseError::is_bad_regex),
        ("not exact", ParseError::is_not_exact),
    ];
    let table = [
        (Topic::new("").unwrap_err(), "empty"),
        (Topic::new("a..b").unwrap_err(), "empty segment"),
        (Topic::new("*").unwrap_err(), "wildcard"),
        (Pattern::new("h*").unwrap_err(), "wildcard"),
        (Topic::new("a".repeat(256)).unwrap_err(), "too long"),
        (Topic::new("a.".repeat(17)).unwrap_err(), "too deep"),
        (Pattern::any((0..65).map(|n| n.to_string())).unwrap_err(), "too many"),
        (Topic::new("a b").unwrap_err(), "bad character"),
        (Pattern::new("/(/").unwrap_err(), "bad regex"),
        (Pattern::new("**.a").unwrap().to_nats().unwrap_err(), "not exact"),
    ];
    for (error, expected) in table {
        let named: Vec<_> = predicates.iter().filter(|(_, is)| is(&error)).map(|(name, _)| *name).collect();
        assert_eq!(named, [expected], "{error}");
    }
}

#[test]
fn errors_give_the_text_and_the_byte() {
    let error = Topic::new("orders..new").unwrap_err();
    assert_eq!((error.text(), error.offset()), ("orders..new", Some(7)));
    assert_eq!(Topic::new("").unwrap_err().offset(), None);
    assert_eq!(error, error.clone());
    assert_eq!(size_of::<Result<(), ParseError>>(), size_of::<usize>());
    assert_eq!(size_of::<Topic>(), 2 * size_of::<usize>());
}

#[test]
fn names_in_any_script_are_welcome() {
    for text in ["bestellung.größe", "заказ.новый", "注文.新規", "a.🛰", "$price", "a-b_c:d/e#f", "col·lecció"]
    {
        assert_eq!(topic(text).as_str(), text);
        assert!(pattern(text).matches(text));
    }
    // An accent of its own is another text than a letter with its accent: nothing is normalised.
    assert_ne!(topic("e\u{301}"), topic("\u{e9}"));
    // The same dots, by Unicode or IDNA, and none of them ours.
    for dot in ['\u{2024}', '\u{3002}', '\u{fe52}', '\u{ff0e}', '\u{ff61}'] {
        assert!(Topic::new(format!("a{dot}b")).unwrap_err().is_bad_character());
        assert!(Pattern::new(format!("a{dot}*")).is_err());
    }
}

#[test]
fn huge_names_are_refused_by_their_length() {
    for text in ["a".repeat(1 << 20), "a.".repeat(10_000), "é".repeat(1 << 19), "\0".repeat(1 << 20)] {
        for error in [Topic::new(&text).unwrap_err(), Pattern::new(&text).unwrap_err()] {
            assert!(error.is_too_long());
            assert!(error.text().len() <= 80 && text.starts_with(error.text()));
            assert!(error.to_string().len() < 1_000);
        }
    }
    let bars = "a|".repeat(1 << 20);
    assert!(Pattern::new(bars).unwrap_err().is_too_long());
    let message = Topic::new("a".repeat(1 << 20)).unwrap_err().to_string();
    let quoted = "a".repeat(80);
    assert_eq!(
        message,
        format!(
            "invalid topic `{quoted}…`: 1048576 bytes, at most 255 are allowed: \
             shorten it, or raise `Limits::bytes`"
        )
    );
    assert!(topic("radar").join(&"a".repeat(1 << 20)).unwrap_err().is_too_long());
}

#[test]
fn limits_hold_to_the_last_byte_and_segment() {
    assert!(Topic::new("a".repeat(255)).is_ok());
    assert!(Topic::new("a".repeat(256)).unwrap_err().is_too_long());
    let segments = |count| vec!["a"; count].join(".");
    assert!(Topic::new(segments(16)).is_ok());
    assert!(Topic::new(segments(17)).unwrap_err().is_too_deep());
    let deep = segments(10_000);
    assert_eq!(Topic::with_limits(&deep, &unlimited()).unwrap().segments().count(), 10_000);
    assert!(Topic::with_limits("a", &Limits::new().bytes(0)).unwrap_err().is_too_long());
}

#[test]
fn topics_are_texts() {
    let new = topic("orders.new");
    assert_eq!(new, "orders.new");
    assert_eq!(new, *"orders.new");
    assert_eq!(new.to_string(), "orders.new");
    assert_eq!(format!("{new:?}"), r#""orders.new""#);
    assert_eq!(format!("{new:>12}"), "  orders.new");
    assert_eq!(new.len(), 10);
    assert!(new.clone().ptr_eq(&new) && !new.ptr_eq(&topic("orders.new")));
    assert_eq!("orders.new".parse::<Topic>().unwrap(), Topic::try_from("orders.new".to_owned()).unwrap());
    let counts = HashMap::from([(new.clone(), 1)]);
    assert_eq!(counts["orders.new"], 1);
    let sorted: BTreeSet<Topic> = ["b", "a.b", "a"].map(topic).into();
    assert!(sorted.iter().eq(["a", "a.b", "b"].map(topic).iter()));
    assert_eq!(Pattern::from(new.clone()).as_topic(), Some(&new));
}

#[test]
fn children_prefix_the_name() {
    let radar = topic("radar");
    assert_eq!(radar.join("adsb.track").unwrap(), "radar.adsb.track");
    assert_eq!(
        radar.join("adsb..track").unwrap_err().to_string(),
        "invalid topic `adsb..track`: empty segment at byte 5: remove one dot"
    );
    for name in ["", ".", "*", "/a", &"a".repeat(250)] {
        assert!(radar.join(name).is_err(), "{name}");
    }
}

#[test]
fn equal_sets_have_equal_texts() {
    let table = [
        ("a.**.**", "a.**"),
        ("a.**.*", "a.*.**"),
        ("a.*.**", "a.*.**"),
        ("a.*.**.*", "a.*.*.**"),
        ("**.**.**", "**"),
        ("*.**", "**"),
        ("**.*", "**"),
        ("**.*.*", "*.*.**"),
        ("**.a.**.*.b.**.**", "**.a.*.**.b.**"),
        ("a|b", "a | b"),
        ("a  |  b|a", "a | b"),
        ("a|a", "a"),
        ("a.** | a.**.**", "a.**"),
        (r"/a\/b/", r"/a\/b/"),
        ("/x|y/ | a", "/x|y/ | a"),
        (r"/a\\\/|b/|c", r"/a\\\/|b/ | c"),
    ];
    for (given, canonical) in table {
        assert_eq!(pattern(given).as_str(), canonical);
        assert_eq!(pattern(canonical), pattern(given));
        assert_eq!(hash(&pattern(canonical)), hash(&pattern(given)));
    }
    // The order of a list is kept, and is part of what it is.
    assert_ne!(pattern("a | b"), pattern("b | a"));
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn matching_by_table() {
    let table = [
        ("a.b", "a.b", true),
        ("a.b", "a", false),
        ("a.b", "a.B", false),
        ("a.*", "a.b", true),
        ("a.*", "a", false),
        ("a.*", "a.b.c", false),
        ("a.**", "a", true),
        ("a.**", "a.b.c", true),
        ("a.**", "ab", false),
        ("**", "a", true),
        ("**.b", "b", true),
        ("**.b", "a.b.b", true),
        ("**.b", "a.b.c", false),
        ("a.**.b.**.c", "a.x.b.b.y.c", true),
        ("a.**.b.**.c", "a.x.c", false),
        ("a | b.*", "b.c", true),
        ("a | b.*", "c", false),
        (r"/a\.(b|c)/", "a.c", true),
        (r"/a\.(b|c)/", "a.cd", false),
        ("/a|ab/", "ab", true),
        ("/b/", "abc", false),
    ];
    for (text, topic, expected) in table {
        assert_eq!(pattern(text).matches(topic), expected, "{text} on {topic}");
    }
}

#[test]
fn reserved_topics_are_seen_by_those_who_spell_them() {
    let report = "$sys.handler.failed";
    for text in ["$sys.**", "$sys.*.failed", "$sys.handler.failed", r"/\$sys\..*/", "a | $sys.**"] {
        assert!(pattern(text).matches(report) && pattern(text).sees_reserved(), "{text}");
    }
    for text in ["**", "*.handler.failed", "**.failed", "*.**.failed", "/.*/", r"/(\$sys).*/", "a | **"] {
        assert!(!pattern(text).matches(report) && !pattern(text).sees_reserved(), "{text}");
    }
    assert!(topic(report).is_reserved() && topic("$sys").is_reserved());
    assert!(!topic("$system.up").is_reserved() && !topic("a.$sys").is_reserved());
    assert!(pattern("**").matches("$system.up") && pattern("**").matches("a.$sys"));
    assert!(!pattern("**").matches("$sys") && pattern("$sys.**").matches("$sys"));
}

#[test]
fn hostile_wildcards_match_in_bounded_steps() {
    let limits = unlimited();
    let long = vec!["a"; 2_000].join(".");
    let deep = Pattern::with_limits(&vec!["**"; 200].join("."), &limits).unwrap();
    assert_eq!(deep.as_str(), "**");
    let alternating = Pattern::with_limits(&vec!["**.a"; 200].join("."), &limits).unwrap();
    assert!(alternating.matches(&long));
    let unmatched = Pattern::with_limits(&(vec!["**.a"; 200].join(".") + ".b"), &limits).unwrap();
    assert!(!unmatched.matches(&long));
    let stars = Pattern::with_limits(&(vec!["**.*.a"; 200].join(".") + ".**.b"), &limits).unwrap();
    assert!(!stars.matches(&long));
}

#[test]
fn hostile_regular_expressions_are_harmless_or_refused() {
    let nested = "(".repeat(400) + &")".repeat(400);
    let long = "a".repeat(1_021);
    for text in
        ["(a{1000}){1000}", "((a{100}){100}){100}", &nested, "((((", "a)|(b", "(?x)a # ", "[a", "a{2", "*", "\\"]
    {
        assert!(Pattern::regex(text).unwrap_err().is_bad_regex(), "{text}");
    }
    assert!(Pattern::regex(&long).unwrap_err().is_too_long());
    assert!(Pattern::regex("").unwrap_err().is_empty());
    assert!(Pattern::regex(&"(".repeat(1 << 20)).unwrap_err().is_too_long());
    // Exponential for an engine that tries one way after another.
    let catastrophic = Pattern::regex("(a+)+(a|a)*b").unwrap();
    assert!(!catastrophic.matches(&"a".repeat(255)));
    assert!(catastrophic.matches(&("a".repeat(254) + "b")));
}

#[test]
fn regular_expressions_keep_their_slashes() {
    let slashes = "/".repeat(1_020);
    for source in ["a/b", r"a\/b", r"a\\/b", r"[/]b", r"\\\/", &slashes] {
        let pattern = Pattern::regex(source).unwrap();
        assert_eq!(pattern.to_string().parse::<Pattern>().unwrap(), pattern);
    }
    assert_eq!(Pattern::regex("a/b").unwrap(), Pattern::regex(r"a\/b").unwrap());
    assert!(pattern(r"/a\/b/").matches("a/b"));
    assert!(pattern(r"/a\\\/b/").matches(r"a\/b"));
}

#[test]
fn literal_prefixes_are_never_too_long() {
    let table = [
        ("a.b", "a.b"),
        ("a.*", "a."),
        ("a.**", "a"),
        ("a.*.**", "a."),
        ("**", ""),
        ("a | a.b", ""),
        (r"/radar\.(adsb|mlat)\..*/", "radar."),
        (r"/radar\.[a-z]+/", "radar."),
        ("/ab*/", "a"),
        ("/ab+*/", "a"),
        ("/ab?c/", "a"),
        ("/ab{0,2}/", "a"),
        ("/abc|d/", ""),
        ("/ab(c)|d/", ""),
        ("/ab[(]|d/", ""),
        ("/ab(?x: # ( \n)|d/", ""),
        (r"/ab\|d/", "ab|d"),
        ("/(?i)abc/", ""),
        (r"/a\d/", "a"),
        (r"/a\</", "a"),
        ("/^a/", ""),
        (r"/\$sys\..*/", "$sys."),
        ("/größe.*/", "größe"),
        ("/größ?/", "grö"),
    ];
    for (text, prefix) in table {
        assert_eq!(pattern(text).literal_prefix(), prefix, "{text}");
    }
}

#[test]
fn patterns_show_what_they_are_made_of() {
    assert!(matches!(pattern("a.b").kind(), Kind::Exact(topic) if *topic == "a.b"));
    let wildcard = pattern("a.**.*.b");
    let Kind::Wildcard(segments) = wildcard.kind() else { panic!("{wildcard} has wildcards") };
    assert!(segments.eq([Segment::Literal("a"), Segment::One, Segment::Deep, Segment::Literal("b")]));
    assert!(matches!(pattern("/a/").kind(), Kind::Regex(regex) if regex.as_str() == "^(?:a)$"));
    let list = pattern("a | b.* | /c/");
    let Kind::List(members) = list.kind() else { panic!("{list} is a list") };
    assert_eq!(members, ["a", "b.*", "/c/"].map(pattern));
    assert!(pattern("a").is_exact() && !wildcard.is_exact() && list.as_topic().is_none());
    assert_eq!(format!("{list:?}"), r#""a | b.* | /c/""#);
}

#[test]
fn lists_are_flattened_and_without_repetitions() {
    let list = Pattern::any([pattern("a | b.*"), pattern("a"), pattern("/c/ | b.*")]).unwrap();
    assert_eq!(list.as_str(), "a | b.* | /c/");
    assert_eq!(Pattern::any(["a"]).unwrap(), pattern("a"));
    assert!(Pattern::any(Vec::<Pattern>::new()).unwrap_err().is_empty());
    assert!(Pattern::any((0..64).map(|n| n.to_string())).is_ok());
    assert!(Pattern::any((0..100).map(|_| "a")).is_ok());
    assert!(Pattern::any(["a", "b..c"]).unwrap_err().is_empty_segment());
}

#[test]
fn whatever_names_topics_becomes_a_pattern() {
    fn made(given: impl IntoPattern) -> String {
        given.into_pattern(&Limits::new()).unwrap().to_string()
    }
    let (text, exact, wild) = ("a.*".to_owned(), topic("a"), pattern("a.*"));
    let (array, texts) = (["a", "b"], vec!["a".to_owned(), "b".to_owned()]);
    let (owned, patterns) = (array.map(str::to_owned), array.map(pattern));
    assert_eq!(made("a.*"), "a.*");
    assert_eq!(made(&text), "a.*");
    assert_eq!(made(text), "a.*");
    assert_eq!(made(&exact), "a");
    assert_eq!(made(exact), "a");
    assert_eq!(made(&wild), "a.*");
    assert_eq!(made(wild), "a.*");
    assert_eq!(made(&owned), "a | b");
    assert_eq!(made(owned), "a | b");
    assert_eq!(made(array.as_slice()), "a | b");
    assert_eq!(made(array.to_vec()), "a | b");
    assert_eq!(made(array), "a | b");
    assert_eq!(made(&texts), "a | b");
    assert_eq!(made(texts), "a | b");
    assert_eq!(made(patterns.as_slice()), "a | b");
    assert_eq!(made(patterns.to_vec()), "a | b");
    assert_eq!(made(patterns), "a | b");
    assert!("a.b".into_pattern(&Limits::new().segments(1)).unwrap_err().is_too_deep());
    assert!(["a.b"].into_pattern(&Limits::new().segments(1)).unwrap_err().is_too_deep());
}

#[cfg(feature = "serde")]
#[test]
fn serde_writes_texts_and_checks_what_it_reads() {
    let names = (topic("orders.new"), pattern(r"orders.* | /a\/b\..*/"));
    let json = serde_json::to_string(&names).unwrap();
    assert_eq!(json, r#"["orders.new","orders.* | /a\\/b\\..*/"]"#);
    assert_eq!(serde_json::from_str::<(Topic, Pattern)>(&json).unwrap(), names);
    let refused = serde_json::from_str::<Topic>(r#""orders..new""#).unwrap_err().to_string();
    assert!(refused.starts_with("invalid topic `orders..new`: empty segment at byte 7: remove one dot"), "{refused}");
    let refused = serde_json::from_str::<Pattern>("7").unwrap_err().to_string();
    assert!(refused.contains("expected a pattern"), "{refused}");
}

fn a_topic() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..8).prop_map(|segments| segments.join("."))
}

fn a_topic_or_report() -> impl Strategy<Value = String> {
    prop_oneof![9 => a_topic(), 1 => a_topic().prop_map(|topic| format!("$sys.{topic}"))]
}

fn a_wildcard() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "*", "**"]), 1..8)
        .prop_map(|segments| segments.join("."))
}

fn a_regex() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "/", r"\/", r"\.", ".", "(a|b)", "[ab/|]", "(?:c)", "a*", "b?", "c+", "|", r"\\", "a{0,2}", "[(]",
        "^",
    ]);
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn a_list() -> impl Strategy<Value = String> {
    let member = prop_oneof![a_topic(), a_wildcard(), a_regex().prop_map(|source| format!("/{source}/"))];
    prop::collection::vec(member, 1..4).prop_map(|members| members.join("|"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn matches_what_the_oracle_matches(wildcard in a_wildcard(), topic in a_topic_or_report()) {
        prop_assert_eq!(pattern(&wildcard).matches(&topic), oracle::matches(&wildcard, &topic));
    }

    #[test]
    fn the_canonical_text_means_the_same(wildcard in a_wildcard(), topic in a_topic_or_report()) {
        let canonical = pattern(&wildcard).to_string();
        prop_assert_eq!(oracle::matches(&wildcard, &topic), oracle::matches(&canonical, &topic));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn topics_read_back(text in "\\PC{1,6}(\\.\\PC{1,6}){0,3}") {
        if let Ok(topic) = Topic::new(&text) {
            prop_assert_eq!(topic.as_str(), &text);
            prop_assert_eq!(topic.to_string().parse::<Topic>().unwrap(), topic);
        }
    }

    #[test]
    fn patterns_read_back(text in a_list()) {
        if let Ok(pattern) = Pattern::new(text) {
            let again: Pattern = pattern.to_string().parse().unwrap();
            prop_assert_eq!(again.to_string(), pattern.to_string());
        }
    }

    #[test]
    fn regular_expressions_match_whole_topics_behind_their_prefix(source in a_regex(), topic in "[abc./|(]{0,6}") {
        if let Ok(pattern) = Pattern::regex(&source) {
            let plain = regex::Regex::new(&format!(r"\A(?:{source})\z")).unwrap();
            prop_assert_eq!(pattern.matches(&topic), plain.is_match(&topic));
            let read = Pattern::new(pattern.as_str()).unwrap();
            prop_assert_eq!(read.matches(&topic), plain.is_match(&topic));
        }
    }

    #[test]
    fn any_text_is_accepted_or_refused_without_a_panic(text in any::<String>(), limit in 0_usize..40) {
        let limits = Limits::new().segments(limit).bytes(limit).list(limit);
        let topic = Topic::with_limits(&text, &limits).err();
        let pattern = Pattern::with_limits(&text, &limits).err();
        for error in topic.into_iter().chain(pattern) {
            prop_assert!(error.offset().is_none_or(|at| at <= text.len()));
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn check_agrees_with_new_and_accepted_topics_match_themselves(text in "[a-cA-C.*|/ é．]{0,12}") {
        prop_assert_eq!(Topic::check(&text, &Limits::new()).err(), Topic::new(&text).err());
        if let Ok(topic) = Topic::new(&text) {
            prop_assert!(pattern(&text).matches(&topic) && pattern("**").matches(&topic));
            prop_assert_eq!(topic.segments().collect::<Vec<_>>().join("."), topic.as_str());
        }
    }
}

#[test]
fn equal_patterns_are_one_key() {
    let set: HashSet<Pattern> = ["a.**.*", "a.*.**", "a.*.**.**"].map(pattern).into();
    assert_eq!(set.len(), 1);
}
