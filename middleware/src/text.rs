//! [`misleads`]: which characters a terminal does not show as they are.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_ranges_mislead() {
        for range in ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{0}'..='\u{1f}'] {
            assert!(range.clone().all(misleads), "{range:?}");
        }
        assert!(['\u{7f}', '\u{9b}', '\u{ad}', '\u{feff}', '\u{e0001}'].into_iter().all(misleads));
        assert!(!" aß🚢\u{301}".contains(misleads));
    }
}
