//! Why a line was not read.

use std::fmt;

use super::field::Field;

/// Why a line was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reject {
    Empty,
    TooLong,
    NotUtf8,
    NotSbs,
    UnknownType,
    BadTransmissionType,
    TooFewFields { found: usize, needed: usize },
    BadIcao,
    BadCallsign,
    BadSquawk,
    BadStatus,
    BadNumber { field: Field },
    OutOfRange { field: Field },
    MissingPosition,
}

impl Reject {
    /// A short name to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Reject::Empty => "empty line",
            Reject::TooLong => "line too long",
            Reject::NotUtf8 => "not text",
            Reject::NotSbs => "not SBS",
            Reject::UnknownType => "unknown message type",
            Reject::BadTransmissionType => "bad transmission type",
            Reject::TooFewFields { .. } => "too few fields",
            Reject::BadIcao => "bad ICAO address",
            Reject::BadCallsign => "bad callsign",
            Reject::BadSquawk => "bad squawk",
            Reject::BadStatus => "bad status",
            Reject::BadNumber { .. } => "bad number",
            Reject::OutOfRange { .. } => "out of range",
            Reject::MissingPosition => "missing position",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reject::Empty => f.write_str("the line is empty"),
            Reject::TooLong => f.write_str("the line is far longer than any SBS line"),
            Reject::NotUtf8 => f.write_str("the line is not text"),
            Reject::NotSbs => f.write_str("the line has no commas, so it is not SBS"),
            Reject::UnknownType => f.write_str("field 1 is none of MSG, SEL, ID, AIR, STA, CLK"),
            Reject::BadTransmissionType => f.write_str("field 2 (transmission type) is not 1 to 8"),
            Reject::TooFewFields { found, needed } => {
                write!(f, "the line ends in field {found}, this message needs {needed}")
            }
            Reject::BadIcao => f.write_str("field 5 (ICAO address) is not six hex digits, or is zero"),
            Reject::BadCallsign => f.write_str("field 11 (callsign) is not up to eight ASCII characters"),
            Reject::BadSquawk => f.write_str("field 18 (squawk) is not up to four octal digits"),
            Reject::BadStatus => f.write_str("field 11 (status) is none of PL, SL, RM, AD, OK"),
            Reject::BadNumber { field } => {
                write!(f, "field {} ({field}) is not a number", field.number())
            }
            Reject::OutOfRange { field } => {
                write!(f, "field {} ({field}) is out of range", field.number())
            }
            Reject::MissingPosition => f.write_str("a position report without latitude and longitude"),
        }
    }
}

impl std::error::Error for Reject {}
