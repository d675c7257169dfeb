//! Ids of others, who need not write ULIDs.

use crate::EventId;

/// The id of an event that somebody else named: the same in every run, from the source and the text.
///
/// Within one source a text names one event, as CloudEvents has it, so two events have one id by accident only: FNV-1a of
/// 128 bits is spread well, and no match for somebody who looks for two texts that fall together.
pub(super) fn read(source: &str, text: &str) -> EventId {
    // No text has this byte, so the two cannot be confused.
    let bytes = source.bytes().chain([0xff]).chain(text.bytes());
    EventId::from_bits(bytes.fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)))
}

const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn source_and_text_make_the_id() {
        let sources = ["", "/a", "/ab", "urn:x"];
        let texts = (0..1_000).map(|n| n.to_string());
        let ids: BTreeSet<_> = texts.flat_map(|text| sources.map(|source| read(source, &text))).collect();
        assert_eq!(ids.len(), 4_000);
        assert_ne!(read("a", "b"), read("", "ab"));
    }

    #[test]
    fn it_is_the_same_in_every_version() {
        assert_eq!(read("/mycontext", "A234-1234-1234").to_string(), "17JQF226N854F7ANGDQC3VT5MT");
    }
}
