//! Texts that others wrote: which characters [mislead](misleads), [one line](OneLine) without them, and messages that quote too much
//! of them. And numbers of things.

use std::fmt::{self, Display, Write as _};

/// Whether a terminal does something else with a character than show it where it stands: control characters, and those
/// that leave no mark or move the marks of others.
///
/// For tools that print what others wrote: names and payloads that are allowed may have such characters.
///
/// ```
/// use sigtree_middleware::misleads;
///
/// assert!("\u{1b}[2J".contains(misleads) && "user\u{202e}nimda".contains(misleads));
/// assert!(!"Łódź 東京 🚢".contains(misleads));
/// ```
#[must_use]
pub fn misleads(c: char) -> bool {
    c.is_control()
        || is_invisible(c)
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200c}'..='\u{200f}' | '\u{2028}' | '\u{2029}'
            | '\u{2061}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character only hides or turns what stands beside it. Of those that mislead, they have no place in names;
/// joiners and soft hyphens do, for some scripts are not written without.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Anything as one line that is shown as it stands: characters that [mislead](misleads), line breaks among them, are written as in a
/// literal, `\n` or `\u{1b}`.
///
/// For lists with a line for each thing, whose names and descriptions others wrote.
///
/// ```
/// use sigtree_middleware::OneLine;
///
/// assert_eq!(OneLine("two\nlines\u{1b}[2J").to_string(), r"two\nlines\u{1b}[2J");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OneLine<T>(pub T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Hands on what is written to it, escaped.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            c if misleads(c) => write!(self.0, "{}", c.escape_default()),
            c => self.0.write_char(c),
        })
    }
}

/// So many of them, in words: `1 event`, `2 events`.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Counted<N>(pub N, pub &'static str);

impl<N: Display + PartialEq + From<u8>> Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(n, one) = self;
        let many = if *n == N::from(1) { "" } else { "s" };
        write!(f, "{n} {one}{many}")
    }
}

/// A message that quotes what a hostile hand wrote, without its middle if it is longer than 500 bytes.
pub(crate) fn shortened(text: String) -> String {
    const MOST: usize = 500;
    if text.len() <= MOST {
        return text;
    }
    let tail = (text.len() - MOST / 2..).find(|&begin| text.is_char_boundary(begin)).unwrap_or(text.len());
    format!("{}…{}", beginning(&text, MOST / 2), &text[tail..])
}

/// The longest beginning of the text of at most `most` bytes that ends between two characters.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let words = [0_u64, 1, 2, 11].map(|n| Counted(n, "event").to_string());
        assert_eq!(words, ["0 events", "1 event", "2 events", "11 events"]);
    }

    #[test]
    fn long_messages_lose_their_middle() {
        assert_eq!(shortened("a".repeat(500)), "a".repeat(500));
        let long = shortened(format!("invalid type: {}, expected u32", "ł".repeat(1 << 20)));
        assert!(long.len() <= 504 && long.starts_with("invalid type: łł") && long.ends_with("łł, expected u32"));
        assert_eq!(long.matches('…').count(), 1);
    }

    #[test]
    fn whole_ranges_mislead() {
        for range in ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{0}'..='\u{1f}'] {
            assert!(range.clone().all(misleads), "{range:?}");
        }
        assert!(['\u{7f}', '\u{9b}', '\u{ad}', '\u{feff}', '\u{e0001}'].into_iter().all(misleads));
        assert!(!" aß🚢\u{301}".contains(misleads));
    }

    #[test]
    fn one_line_stays_one_line_and_is_not_escaped_twice() {
        let hostile: String = ('\u{0}'..='\u{2fff}').collect();
        let line = OneLine(&hostile).to_string();
        assert!(!line.contains(misleads));
        assert_eq!(OneLine(&line).to_string(), line);
        assert_eq!(OneLine("Łódź `東京` \\ 🚢").to_string(), "Łódź `東京` \\ 🚢");
    }
}
