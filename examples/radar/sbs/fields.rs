//! A line cut at its commas, and each field read as what it should be.

use std::str;

use super::field::Field;
use super::message::{Callsign, Code, Icao};
use super::reject::Reject;
use super::stamp;

/// A line cut at its commas; fields past the 22nd are not looked at.
pub struct Fields<'a> {
    texts: [&'a [u8]; MAX_FIELDS],
    count: usize,
}

const MAX_FIELDS: usize = 22;

impl<'a> Fields<'a> {
    /// Cuts a line.
    pub fn cut(line: &'a [u8]) -> Self {
        // Commas come every few bytes: too often for memchr, which is at its best when there is far to look.
        let mut fields = Fields { texts: [b""; MAX_FIELDS], count: 0 };
        for (place, text) in fields.texts.iter_mut().zip(line.split(|byte| *byte == b',')) {
            *place = text;
            fields.count += 1;
        }
        fields
    }

    /// How many there are: 1 to 22.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the line goes on behind `field`, so that nothing of it is missing.
    pub fn has(&self, field: Field) -> bool {
        self.count >= field.whole()
    }

    /// Refuses a line that does not go on behind `field`.
    pub fn need(&self, field: Field) -> Result<(), Reject> {
        if self.has(field) {
            return Ok(());
        }
        Err(Reject::TooFewFields { found: self.count, needed: field.whole() })
    }

    /// The field without the spaces around it; empty if the line ends before it.
    pub fn get(&self, field: Field) -> &'a [u8] {
        self.texts[field as usize].trim_ascii()
    }

    pub fn icao(&self) -> Result<Icao, Reject> {
        let text: &[u8; 6] = self.get(Field::Icao).try_into().map_err(|_| Reject::BadIcao)?;
        let mut address = 0;
        for byte in text {
            address = address << 4 | char::from(*byte).to_digit(16).ok_or(Reject::BadIcao)?;
        }
        // Zero is what receivers write for transponders too old to have an address: many aircraft, not one.
        if address == 0 { Err(Reject::BadIcao) } else { Ok(Icao(address)) }
    }

    /// Milliseconds since 1970; `None` if the line does not say, or says what is no time.
    pub fn stamp(&self) -> Option<i64> {
        stamp::read(self.get(Field::Date), self.get(Field::Time))
    }

    pub fn callsign(&self) -> Result<Callsign, Reject> {
        Callsign::new(self.get(Field::Callsign)).ok_or(Reject::BadCallsign)
    }

    pub fn code(&self) -> Result<Option<Code>, Reject> {
        let text = self.get(Field::Squawk);
        if text.len() > 4 || !text.iter().all(|byte| matches!(byte, b'0'..=b'7')) {
            return Err(Reject::BadSquawk);
        }
        let code = text.iter().fold(0, |code, byte| code << 3 | u16::from(byte - b'0'));
        Ok((!text.is_empty()).then_some(Code(code)))
    }

    pub fn flag(&self, field: Field) -> Result<bool, Reject> {
        match self.get(field) {
            b"" | b"0" => Ok(false),
            b"1" | b"-1" => Ok(true),
            _ => Err(Reject::BadNumber { field }),
        }
    }

    pub fn latitude(&self) -> Result<Option<f64>, Reject> {
        self.number(Field::Latitude, -90.0, 90.0)
    }

    pub fn longitude(&self) -> Result<Option<f64>, Reject> {
        self.number(Field::Longitude, -180.0, 180.0)
    }

    pub fn altitude(&self) -> Result<Option<i32>, Reject> {
        Ok(self.number(Field::Altitude, -2_000.0, 130_000.0)?.map(|feet| feet as i32))
    }

    pub fn speed(&self) -> Result<Option<f32>, Reject> {
        Ok(self.number(Field::Speed, 0.0, 4_100.0)?.map(|knots| knots as f32))
    }

    pub fn track(&self) -> Result<Option<f32>, Reject> {
        Ok(self.number(Field::Track, 0.0, 360.0)?.map(|degrees| degrees as f32))
    }

    pub fn climb(&self) -> Result<Option<i32>, Reject> {
        Ok(self.number(Field::Climb, -33_000.0, 33_000.0)?.map(|feet| feet as i32))
    }

    fn number(&self, field: Field, least: f64, most: f64) -> Result<Option<f64>, Reject> {
        let text = self.get(field);
        if text.is_empty() {
            return Ok(None);
        }
        let value = finite(text).ok_or(Reject::BadNumber { field })?;
        if value < least || value > most { Err(Reject::OutOfRange { field }) } else { Ok(Some(value)) }
    }
}

/// Any way to write a finite number that `str::parse` knows.
fn finite(text: &[u8]) -> Option<f64> {
    str::from_utf8(text).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "MSG,3,5,211,4CA2D6,10057,2008/11/28,14:53:50.594,2008/11/28,14:58:51.153,,37000,,,\
                        51.45735,-1.02826,,,0,0,0,0";

    #[test]
    fn fields_are_cut_where_split_cuts_them() {
        for text in ["", ",", ",,,,,,,,", "a,bc,,d", "MSG,3,\0,\u{AC}\u{AD},-,.", LINE, &LINE.repeat(3)] {
            for start in (0..text.len().min(9)).filter(|at| text.is_char_boundary(*at)) {
                let line = &text.as_bytes()[start..];
                let fields = Fields::cut(line);
                let cut: Vec<_> = line.split(|byte| *byte == b',').take(MAX_FIELDS).collect();
                assert_eq!(fields.count, cut.len(), "{text:?}");
                for field in [Field::Type, Field::Transmission, Field::Icao, Field::Latitude, Field::OnGround] {
                    assert_eq!(fields.get(field), *cut.get(field as usize).unwrap_or(&&b""[..]), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_as_receivers_and_attackers_write_them() {
        for (text, value) in [
            ("0", Some(0.0)),
            ("-0", Some(-0.0)),
            ("51.45735", Some(51.45735)),
            ("-1.02826", Some(-1.02826)),
            ("179.999999", Some(179.999999)),
            ("51.4573500000000000", Some(51.45735)),
            ("007", Some(7.0)),
            ("5.", Some(5.0)),
            (".5", Some(0.5)),
            ("+4", Some(4.0)),
            ("1e3", Some(1_000.0)),
            ("1e-400", Some(0.0)),
            ("1e400", None),
            ("inf", None),
            ("-Infinity", None),
            ("nan", None),
            ("", None),
            ("-", None),
            (".", None),
            ("-.", None),
            ("--1", None),
            ("1.2.3", None),
            ("1 2", None),
            ("1_000", None),
            ("0x10", None),
            ("\u{661}", None),
        ] {
            assert_eq!(finite(text.as_bytes()).map(f64::to_bits), value.map(f64::to_bits), "{text}");
        }
        assert_eq!(finite(b"5\xFF"), None);
    }
}
