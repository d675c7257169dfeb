//! What a line can say: one type for each kind of message.

use std::fmt;
use std::str;

/// What one line said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Message {
    /// MSG 1: who it is.
    Ident(Ident),
    /// MSG 2 and 3: where it is.
    Position(Position),
    /// MSG 4: where it is going.
    Velocity(Velocity),
    /// MSG 5, and MSG 3 when the receiver has not worked out the position yet.
    Altitude(Altitude),
    /// MSG 6: the four digits the pilot dialled.
    Squawk(Squawk),
    /// MSG 7 and 8: signs of life.
    Heard(Heard),
    /// SEL, ID and AIR: something happened on the receiver's screen.
    Notice(Notice),
    /// STA: the receiver changed its mind about an aircraft.
    Status(Status),
    /// CLK: the receiver's clock.
    Clock(Clock),
}

/// The callsign an aircraft announces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ident {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub callsign: Callsign,
}

/// A position report. Speed and track come with it only from aircraft on the ground (MSG 2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub lat: f64,
    pub lon: f64,
    pub altitude_ft: Option<i32>,
    pub speed_kt: Option<f32>,
    pub track_deg: Option<f32>,
    pub on_ground: bool,
}

/// A velocity report; receivers leave out what they could not decode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Velocity {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub speed_kt: Option<f32>,
    pub track_deg: Option<f32>,
    pub climb_fpm: Option<i32>,
}

/// An altitude without a position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Altitude {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub altitude_ft: Option<i32>,
    pub on_ground: bool,
}

/// The transponder code and the lights that go with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Squawk {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub code: Option<Code>,
    pub alert: bool,
    pub emergency: bool,
    pub ident: bool,
}

/// An aircraft that was heard and said little else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub link: Link,
    pub altitude_ft: Option<i32>,
    pub on_ground: bool,
}

/// To whom a [`Heard`] aircraft was talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// MSG 7: to another aircraft's collision avoidance.
    AirToAir,
    /// MSG 8: to everyone.
    AllCall,
}

/// Something that happened on the receiver's screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notice {
    pub kind: NoticeKind,
    pub icao: Option<Icao>,
    pub stamp: Option<i64>,
    pub callsign: Callsign,
}

/// What a [`Notice`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// SEL: the user selected an aircraft.
    Selected,
    /// ID: an aircraft set or changed its callsign.
    NewCallsign,
    /// AIR: an aircraft was heard for the first time.
    NewAircraft,
}

/// The receiver's view of one aircraft.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Status {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub state: State,
}

/// The five states of a [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// PL
    PositionLost,
    /// SL
    SignalLost,
    /// RM
    Removed,
    /// AD
    Deleted,
    /// OK
    Good,
}

/// The receiver's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    pub stamp: Option<i64>,
}

/// The 24-bit address of an aircraft; prints as six hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Icao(pub u32);

impl fmt::Display for Icao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06X}", self.0)
    }
}

/// A transponder code; prints as four octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Up to eight printable ASCII characters, padded with spaces on the inside and trimmed on the outside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Callsign([u8; 8]);

impl Callsign {
    /// An aircraft that has not said who it is.
    pub const NONE: Callsign = Callsign([b' '; 8]);

    /// The callsign in `text`, or `None` if it is too long or not plain ASCII.
    pub fn new(text: &[u8]) -> Option<Callsign> {
        let mut name = [b' '; 8];
        name.get_mut(..text.len())?.copy_from_slice(text);
        name.iter().all(|byte| matches!(byte, b' '..=b'~')).then_some(Callsign(name))
    }

    /// The callsign without its padding.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.trim_ascii()).unwrap_or_default()
    }
}

impl fmt::Display for Callsign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Callsign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_codes_keep_their_zeros() {
        assert_eq!(Icao(0xABC).to_string(), "000ABC");
        assert_eq!(Code(0o271).to_string(), "0271");
    }

    #[test]
    fn a_callsign_is_up_to_eight_plain_characters() {
        let text = |text: &str| Callsign::new(text.as_bytes()).map(|callsign| callsign.to_string());
        assert_eq!(text("KLM1023 ").as_deref(), Some("KLM1023"));
        assert_eq!(text("").as_deref(), Some(""));
        for refused in ["NINECHARS", "R\u{D6}D1", "A\tB", "A\0B"] {
            assert_eq!(text(refused), None, "{refused:?}");
        }
        assert_eq!(format!("{:>6}|", Callsign::NONE), "      |");
    }
}
