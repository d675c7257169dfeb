//! The fields of a line that are looked at.

use std::fmt;

/// The fields, numbered from zero as they stand in the line; the table in `sbs.rs` says what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Type = 0,
    Transmission = 1,
    Icao = 4,
    Date = 6,
    Time = 7,
    Callsign = 10,
    Altitude = 11,
    Speed = 12,
    Track = 13,
    Latitude = 14,
    Longitude = 15,
    Climb = 16,
    Squawk = 17,
    Alert = 18,
    Emergency = 19,
    Ident = 20,
    OnGround = 21,
}

impl Field {
    /// The number people and manuals use, from one.
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// The number of fields a line must have for this one to be whole: the comma behind it proves it.
    pub fn whole(self) -> usize {
        self.number() + 1
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Type => "message type",
            Field::Transmission => "transmission type",
            Field::Icao => "ICAO address",
            Field::Date => "date",
            Field::Time => "time",
            Field::Callsign => "callsign",
            Field::Altitude => "altitude",
            Field::Speed => "speed",
            Field::Track => "track",
            Field::Latitude => "latitude",
            Field::Longitude => "longitude",
            Field::Climb => "climb rate",
            Field::Squawk => "squawk",
            Field::Alert => "alert",
            Field::Emergency => "emergency",
            Field::Ident => "ident",
            Field::OnGround => "on ground",
        })
    }
}
