//! Text that a terminal shows and does not obey.

use std::borrow::Cow;
use std::fmt::Write as _;

use sigtree::middleware::misleads;

/// The same text with each control character, and each that hides or turns others around, written as `\u{1b}`.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    escape(text, |safe, c| {
        let _ = write!(safe, "{}", c.escape_unicode());
    })
}

/// The same JSON with those characters as JSON has them, `\u001b`, so that it means what it meant.
pub(crate) fn json(line: &str) -> Cow<'_, str> {
    escape(line, |safe, c| {
        // Between the parts of an object, where these may stand, a space is as good.
        if matches!(c, '\t' | '\r' | '\n') {
            safe.push(' ');
            return;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    })
}

fn escape(text: &str, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(misleads) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match misleads(c) {
            true => write(&mut safe, c),
            false => safe.push(c),
        }
    }
    safe.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_stays() {
        for harmless in ["radar.track", "Łódź 東京 🚢", r#"{"a":"\u001b[2J"}"#] {
            assert!(matches!(text(harmless), Cow::Borrowed(same) if same == harmless));
            assert!(matches!(json(harmless), Cow::Borrowed(same) if same == harmless));
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(text("\u{1b}[2J\u{9b}31m\u{202e}\n"), r"\u{1b}[2J\u{9b}31m\u{202e}\u{a}");
    }

    #[test]
    fn json_means_what_it_meant() {
        let line = "{\t\"a\": \"\u{9b}2J \u{202e} \u{e0001}\"}\r";
        let safe = json(line);
        assert!(!safe.contains(misleads), "{safe}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&safe), value(line));
    }
}
