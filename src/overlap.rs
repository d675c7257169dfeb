//! Whether two patterns have a topic in common.

use std::borrow::Cow;

use sigtree_middleware::{Kind, Pattern, Segment};

/// A pattern, and the name another bus puts before its topics; empty for a bus's own.
#[derive(Clone, Copy)]
pub(crate) struct Under<'p> {
    pub(crate) name: &'p str,
    pub(crate) pattern: &'p Pattern,
}

/// Whether a topic can match both.
///
/// Of a regular expression and a pattern that is no topic only the literal beginnings are compared: they may be taken to
/// have a topic in common where they have none, never the other way round.
pub(crate) fn overlap(a: Under<'_>, b: Under<'_>) -> bool {
    match (a.pattern.kind(), b.pattern.kind()) {
        (Kind::List(members), _) => members.iter().any(|pattern| overlap(Under { pattern, ..a }, b)),
        (_, Kind::List(members)) => members.iter().any(|pattern| overlap(a, Under { pattern, ..b })),
        _ if a.is_hidden() || b.is_hidden() => false,
        (Kind::Exact(topic), _) => b.matches(&a.full(topic)),
        (_, Kind::Exact(topic)) => a.matches(&b.full(topic)),
        (Kind::Regex(_), _) | (_, Kind::Regex(_)) => {
            let (a, b) = (a.full(a.pattern.literal_prefix()), b.full(b.pattern.literal_prefix()));
            a.starts_with(&*b) || b.starts_with(&*a)
        }
        (Kind::Wildcard(_), Kind::Wildcard(_)) => {
            a.pattern.sees_reserved() == b.pattern.sees_reserved() && meet(&a.segments(), &b.segments())
        }
    }
}

impl<'p> Under<'p> {
    /// Whether its topics are reports of a bus, which have no name on another one.
    fn is_hidden(&self) -> bool {
        !self.name.is_empty() && self.pattern.sees_reserved()
    }

    /// A local name as the other bus calls it.
    fn full(&self, local: &'p str) -> Cow<'p, str> {
        if self.name.is_empty() { local.into() } else { format!("{}.{local}", self.name).into() }
    }

    fn matches(&self, topic: &str) -> bool {
        if self.name.is_empty() {
            return self.pattern.matches(topic);
        }
        let local = topic.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('.'));
        local.is_some_and(|local| self.pattern.matches(local))
    }

    fn segments(&self) -> Vec<Segment<'p>> {
        let name = self.name.split('.').filter(|segment| !segment.is_empty()).map(Segment::Literal);
        match self.pattern.kind() {
            Kind::Wildcard(segments) => name.chain(segments).collect(),
            _ => name.collect(),
        }
    }
}

/// Whether some segments match both, in time proportional to the product of their lengths.
fn meet(a: &[Segment<'_>], b: &[Segment<'_>]) -> bool {
    // At `j`: whether what was taken of `a` so far, from its end, and `b[j..]` meet. Of `a` nothing was taken yet.
    let mut meets = vec![true; b.len() + 1];
    for j in (0..b.len()).rev() {
        meets[j] = b[j] == Segment::Deep && meets[j + 1];
    }
    for first in a.iter().rev() {
        let before = meets.clone();
        for j in (0..=b.len()).rev() {
            meets[j] = match (first, b.get(j)) {
                (Segment::Deep, None) => before[j],
                (Segment::Deep, Some(_)) | (_, Some(Segment::Deep)) => before[j] || meets[j + 1],
                (_, None) => false,
                (Segment::Literal(one), Some(Segment::Literal(other))) => one == other && before[j + 1],
                (_, Some(_)) => before[j + 1],
            };
        }
    }
    meets[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overlaps(a: (&str, &str), b: (&str, &str)) -> bool {
        let (first, second) = (Pattern::new(a.1).unwrap(), Pattern::new(b.1).unwrap());
        overlap(Under { name: a.0, pattern: &first }, Under { name: b.0, pattern: &second })
    }

    #[test]
    fn names_stand_before_the_patterns() {
        assert!(overlaps(("radar", "track.*"), ("", "radar.**")));
        assert!(overlaps(("radar", "new"), ("", "*.new")));
        assert!(!overlaps(("radar", "track.*"), ("", "sonar.**")));
        assert!(overlaps(("", "radar.*"), ("radar", "a")));
        assert!(!overlaps(("", "radar"), ("radar", "a")));
    }

    #[test]
    fn reserved_topics_are_seen_by_those_that_spell_them() {
        assert!(!overlaps(("", "**"), ("", "$sys.dead")));
        assert!(!overlaps(("", "**"), ("", "$sys.**")));
        assert!(overlaps(("", "$sys.*"), ("", "$sys.**")));
        assert!(overlaps(("", "$sys.*"), ("", "$sys.dead")));
        assert!(!overlaps(("", "radar.**"), ("radar", "$sys.dead")));
    }

    #[test]
    fn a_regular_expression_is_compared_by_its_beginning() {
        let regex = Pattern::regex(r"radar\.[0-9]+").unwrap();
        let other = |text| overlap(Under { name: "", pattern: &regex }, Under { name: "", pattern: &text });
        assert!(other(Pattern::new("radar.7").unwrap()));
        assert!(!other(Pattern::new("radar.x").unwrap()));
        assert!(other(Pattern::new("radar.*").unwrap()));
        assert!(!other(Pattern::new("sonar.*").unwrap()));
        assert!(other(Pattern::any(["sonar.*", "*.7"]).unwrap()));
    }

    fn patterns() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 1..5).prop_map(|parts| parts.join("."))
    }

    /// Every topic of two letters with up to eight segments, which is enough for patterns of four.
    fn topics() -> impl Iterator<Item = String> {
        (1..=8_u32).flat_map(|len| {
            (0..1_u32 << len).map(move |bits| {
                let letters: Vec<_> = (0..len).map(|i| if bits >> i & 1 == 0 { "a" } else { "b" }).collect();
                letters.join(".")
            })
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_trying_all_topics(a in patterns(), b in patterns()) {
            let (first, second) = (Pattern::new(&a).unwrap(), Pattern::new(&b).unwrap());
            let common = topics().any(|topic| first.matches(&topic) && second.matches(&topic));
            prop_assert_eq!(overlaps(("", &a), ("", &b)), common);
            prop_assert_eq!(overlaps(("", &b), ("", &a)), common);
        }
    }
}
