//! What happens to lines on their way.

use fastrand::Rng;

/// Does to a line, which has no line end yet, one of ten things that real feeds have shown.
pub fn damage(line: &mut Vec<u8>, random: &mut Rng) {
    match random.u8(..10) {
        0 => line.clear(),
        1 => line.truncate(line.len() / 3),
        2 => line.truncate(line.len() / 2),
        3 => line[10..16].copy_from_slice(b"GGGGGG"),
        4 => line[..3].copy_from_slice(b"M\xB3G"),
        5 => line[4] = b'9',
        6 => misread_latitude(line),
        7 => *line = b"*8D4CA2D6990C5A9F900000000000;".to_vec(),
        8 => *line = b"MSG,3,1,1,4CA2D6,1,,,,,,37000,,,0.00000,0.00000,,,0,0,0,0".to_vec(),
        _ => *line = b"MSG,3,1,1,4CA2D6,1,,,,,,37000,,,91.45735,-1.02826,,,0,0,0,0".to_vec(),
    }
}

/// Turns 56 degrees into 16: a good line, and an aircraft that cannot be there.
fn misread_latitude(line: &mut [u8]) {
    const LATITUDE: usize = 14;
    if let Some(digit) = line.split_mut(|byte| *byte == b',').nth(LATITUDE).and_then(<[u8]>::first_mut) {
        *digit = b'1';
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sbs::{self, Message};

    const LINE: &[u8] = b"MSG,3,1,1,4840D6,1,2026/11/21,12:00:00.000,2026/11/21,12:00:00.000,,38000,,,56.25720,\
                          3.91900,,,0,0,0,0";

    /// What is read from [`LINE`] after some damage.
    fn outcome(random: &mut Rng) -> String {
        let mut line = LINE.to_vec();
        damage(&mut line, random);
        match sbs::parse(&line) {
            Ok(Message::Position(position)) => format!("a plot at {} north", position.lat),
            Ok(message) => format!("{message:?}"),
            Err(reject) => reject.kind().into(),
        }
    }

    #[test]
    fn damage_is_refused_or_is_a_plot_elsewhere() {
        let mut random = Rng::with_seed(1);
        let outcomes: BTreeSet<_> = (0..500).map(|_| outcome(&mut random)).collect();
        let expected = [
            "a plot at 0 north",
            "a plot at 16.2572 north",
            "bad ICAO address",
            "bad transmission type",
            "empty line",
            "not SBS",
            "not text",
            "out of range",
            "too few fields",
        ];
        assert_eq!(Vec::from_iter(outcomes), expected);
    }
}
