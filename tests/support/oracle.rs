//! What patterns with wildcards match, said as plainly as possible and with no thought of speed.

/// Whether the pattern, of literal segments, `*` and `**`, matches the topic.
pub(crate) fn matches(pattern: &str, topic: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let topic: Vec<&str> = topic.split('.').collect();
    let is_seen = topic[0] != "$sys" || pattern[0] == "$sys";
    is_seen && fits(&pattern, &topic)
}

fn fits(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], []) => true,
        (["**", after @ ..], []) => fits(after, topic),
        (["**", after @ ..], [_, rest @ ..]) => fits(after, topic) || fits(pattern, rest),
        (["*", after @ ..], [_, rest @ ..]) => fits(after, rest),
        ([wanted, after @ ..], [given, rest @ ..]) => wanted == given && fits(after, rest),
        _ => false,
    }
}
