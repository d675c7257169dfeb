//! Sources as the URIs that CloudEvents wants them to be.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::Source;

/// Stands for an event without a source, for CloudEvents has none of those.
const NOBODY: &str = "/sigtree";

/// What may not stand in a URI.
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'%').add(b'<').add(b'>').add(b'[').add(b'\\').add(b']').add(b'^').add(b'`');
const MORE: &AsciiSet = &ESCAPED.add(b'{').add(b'|').add(b'}');

pub(super) fn write(source: Option<&Source>) -> Cow<'_, str> {
    match source.map(Source::as_str) {
        None => NOBODY.into(),
        // These three mean something else, so they are escaped further than they need be.
        Some(NOBODY) => "%2Fsigtree".into(),
        Some("") => ".".into(),
        Some(".") => "%2E".into(),
        Some(name) => utf8_percent_encode(name, MORE).into(),
    }
}

pub(super) fn read(uri: &str) -> Option<Source> {
    match uri {
        NOBODY => None,
        "." => Some(Source::named("")),
        uri => Some(Source::named(&percent_decode_str(uri).decode_utf8().unwrap_or(Cow::Borrowed(uri)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        let names = ["design", "", ".", "/sigtree", "a b", "100 %", "%20", "tower/7", "urn:x:y", "Łódź", "\n\"<|>"];
        for name in names {
            let source = Source::named(name);
            let uri = write(Some(&source));
            assert!(!uri.is_empty() && uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
            assert_eq!(read(&uri), Some(source));
        }
        assert_eq!(read(&write(None)), None);
    }

    #[test]
    fn what_is_plain_stays_plain() {
        assert_eq!(write(Some(&Source::named("urn:ship:7/radar"))), "urn:ship:7/radar");
        assert_eq!(read("%FF"), Some(Source::named("%FF")));
    }
}
