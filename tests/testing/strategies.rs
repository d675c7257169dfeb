//! Strategies make topics and patterns that are what they say, of all sorts.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sigtree::testing::strategies::*;
use sigtree::{Pattern, Topic};

use crate::panic_of;

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() }
}

fn with_topic(pattern: Pattern) -> impl Strategy<Value = (Pattern, Topic)> {
    let topics = topics_matching(&pattern);
    (Just(pattern), topics)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn topics_are_topics_of_any_bus(topic in topics()) {
        prop_assert_eq!(Topic::new(&topic).unwrap(), topic.clone());
        prop_assert!(!topic.is_reserved());
    }

    #[test]
    fn patterns_are_patterns_of_any_bus(pattern in patterns()) {
        prop_assert_eq!(Pattern::new(&pattern).unwrap(), pattern);
    }

    #[test]
    fn what_matches_a_pattern_does((pattern, topic) in patterns().prop_flat_map(with_topic)) {
        prop_assert!(pattern.matches(&topic), "{} {}", pattern, topic);
        prop_assert!(Topic::new(&topic).is_ok(), "{} {}", pattern, topic);
    }

    #[test]
    fn a_pattern_for_a_topic_matches_it(
        (topic, pattern) in topics().prop_flat_map(|topic| { let patterns = patterns_matching(&topic); (Just(topic), patterns) })
    ) {
        prop_assert!(pattern.matches(&topic), "{} {}", pattern, topic);
    }

    #[test]
    fn segments_are_those_that_were_given(topic in topics_of(["a", "b"]), pattern in patterns_from(&topics_of(["a", "b"]))) {
        prop_assert!(topic.segments().all(|segment| matches!(segment, "a" | "b")));
        prop_assert!(Pattern::new(&pattern).is_ok());
    }
}

/// So many values of a strategy, the same in every run.
fn values<S: Strategy>(strategy: &S, n: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..n).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn patterns_at_the_edge_of_what_is_allowed_have_topics() {
    let long = "x".repeat(250);
    let nearly_full = format!("{}.**", "y".repeat(251));
    for text in [
        "**",
        "$sys.**",
        "**.a.**.b.**",
        "*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*",
        "**.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*",
        &format!("{long}.**"),
        &format!("*.{long}.*"),
        &nearly_full,
    ] {
        let pattern = Pattern::new(text).unwrap();
        for topic in values(&topics_matching(&pattern), 200) {
            assert!(pattern.matches(&topic) && Topic::new(&topic).is_ok(), "{pattern} {topic}");
        }
    }
}

#[test]
fn regular_expressions_and_lists_have_topics_of_each_kind() {
    let pattern = Pattern::new(r"/zone-[0-9]{1,3}\.(on|off|a\/b)/ | lamp.*").unwrap();
    let topics = values(&topics_matching(&pattern), 500);
    assert!(topics.iter().all(|topic| pattern.matches(topic)));
    for sort in ["lamp.", ".on", ".off", ".a/b"] {
        assert!(topics.iter().any(|topic| topic.contains(sort)), "{sort}");
    }
    let slashes = Pattern::regex("a|b/").unwrap();
    let topics: HashSet<_> = values(&topics_matching(&slashes), 50).into_iter().collect();
    assert_eq!(topics, HashSet::from(["a", "b/"].map(|text| Topic::new(text).unwrap())));
    let anchored = Pattern::regex("^a$").unwrap();
    let message = panic_of(|| drop(topics_matching(&anchored)));
    assert!(message.starts_with("no texts can be made for `/^a$/`: "), "{message}");
}

#[test]
fn a_reserved_topic_has_patterns_that_see_it() {
    let topic = Topic::new("$sys.handler.failed").unwrap();
    let patterns: HashSet<_> = values(&patterns_matching(&topic), 500).into_iter().collect();
    assert!(patterns.iter().all(|pattern| pattern.matches(&topic)));
    assert!(patterns.contains(&Pattern::new("$sys.*.*").unwrap()), "{patterns:?}");
}

#[test]
fn all_sorts_of_patterns_come() {
    let patterns = values(&patterns(), 500);
    let kinds: HashSet<_> = patterns.iter().map(|pattern| std::mem::discriminant(&pattern.kind())).collect();
    assert_eq!(kinds.len(), 4);
    for wildcard in ["*.**", ".*", "**.", "|"] {
        assert!(patterns.iter().any(|pattern| pattern.as_str().contains(wildcard)), "{wildcard}");
    }
}
