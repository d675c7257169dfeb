//! Two lists as one that shows where they differ.

use similar::{Algorithm, ChangeTag, capture_diff_slices, group_diff_ops};

/// How many equal lines stand around each difference; what is between is left out.
const AROUND: usize = 3;

/// Expected lines begin with `-`, those that were seen with `+`, and those of both with neither.
pub(super) fn diff(expected: &[String], seen: &[String]) -> String {
    let operations = capture_diff_slices(Algorithm::Myers, expected, seen);
    let hunks = group_diff_ops(operations, AROUND);
    let hunks = hunks.iter().map(|hunk| {
        let changes = hunk.iter().flat_map(|operation| operation.iter_changes(expected, seen));
        changes.map(|change| format!("  {} {}", sign(change.tag()), change.value())).collect::<Vec<_>>().join("\n")
    });
    format!("  (- expected, + seen)\n{}", hunks.collect::<Vec<_>>().join("\n    ...\n"))
}

/// The same for two texts, line by line.
pub(super) fn diff_texts(expected: &str, seen: &str) -> String {
    let lines = |text: &str| text.lines().map(String::from).collect::<Vec<_>>();
    diff(&lines(expected), &lines(seen))
}

fn sign(tag: ChangeTag) -> char {
    match tag {
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
        ChangeTag::Equal => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    #[test]
    fn what_is_equal_and_far_from_a_difference_is_left_out() {
        let text = diff(&list("xabcdefghiy"), &list("abcdefghiz"));
        assert_eq!(
            text,
            "  (- expected, + seen)\n  - x\n    a\n    b\n    c\n    ...\n    g\n    h\n    i\n  - y\n  + z"
        );
    }
}
