//! One line of the SBS-1 "BaseStation" feed, read into a typed message.
//!
//! ADS-B receivers serve this text on TCP port 30003. A line has up to 22 fields between commas; which of them are
//! filled in depends on the transmission type in field 2.
//!
//! | no. | field             | filled in for MSG   | no. | field        | filled in for MSG |
//! |----:|-------------------|---------------------|----:|--------------|-------------------|
//! |   1 | message type      | always              |  12 | altitude, ft | 2, 3, 5, 6, 7     |
//! |   2 | transmission type | always (1 to 8)     |  13 | speed, kt    | 2, 4              |
//! |   3 | session           | (not used here)     |  14 | track, deg   | 2, 4              |
//! |   4 | aircraft no.      | (not used here)     |  15 | latitude     | 2, 3              |
//! |   5 | ICAO, six hex     | always              |  16 | longitude    | 2, 3              |
//! |   6 | flight no.        | (not used here)     |  17 | climb, ft/min| 4                 |
//! |   7 | date generated    | usually             |  18 | squawk       | 6                 |
//! |   8 | time generated    | usually             |  19 | alert        | 3, 5, 6           |
//! |   9 | date logged       | (not used here)     |  20 | emergency    | 3, 6              |
//! |  10 | time logged       | (not used here)     |  21 | ident (SPI)  | 3, 5, 6           |
//! |  11 | callsign          | 1; also SEL, ID; STA: its status | 22 | on ground | 2, 3, 5 to 8 |
//!
//! Real receivers differ, so reading is lenient where nothing can go wrong (fields to spare, spaces, either line
//! end, a byte order mark, empty optional fields) and strict where a plot would be: a number must be one and in
//! range, and the comma behind it must be there, since a line cut in the middle of `-1.02826` still reads as `-1.0`.

use std::fmt;
use std::str;

/// Reads one line; its line end may still be on it.
///
/// # Errors
/// What is wrong with the line, as a [`Reject`]. No bytes make it panic.
pub fn parse(line: &[u8]) -> Result<Message, Reject> {
    // Text that is not text fails in some arbitrary field; say what is really the matter.
    read(line).map_err(|reject| match str::from_utf8(line) {
        Ok(_) => reject,
        Err(_) => Reject::NotUtf8,
    })
}

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

/// The fields, numbered from zero as they stand in the line.
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
    fn whole(self) -> usize {
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

fn read(line: &[u8]) -> Result<Message, Reject> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Err(Reject::Empty);
    }
    let fields = Fields::split(line);
    if fields.count == 1 {
        return Err(Reject::NotSbs);
    }
    match fields.get(Field::Type) {
        b"MSG" => transmission(&fields),
        b"SEL" => notice(&fields, NoticeKind::Selected),
        b"ID" => notice(&fields, NoticeKind::NewCallsign),
        b"AIR" => notice(&fields, NoticeKind::NewAircraft),
        b"STA" => status(&fields),
        b"CLK" => Ok(Message::Clock(Clock { stamp: fields.stamp() })),
        _ => Err(Reject::UnknownType),
    }
}

fn transmission(fields: &Fields<'_>) -> Result<Message, Reject> {
    match fields.get(Field::Transmission) {
        b"1" => ident(fields),
        b"2" | b"3" => position(fields),
        b"4" => velocity(fields),
        b"5" => altitude(fields),
        b"6" => squawk(fields),
        b"7" => heard(fields, Link::AirToAir),
        b"8" => heard(fields, Link::AllCall),
        _ => Err(Reject::BadTransmissionType),
    }
}

fn ident(fields: &Fields<'_>) -> Result<Message, Reject> {
    fields.need(Field::Callsign)?;
    Ok(Message::Ident(Ident { icao: fields.icao()?, stamp: fields.stamp(), callsign: fields.callsign()? }))
}

fn position(fields: &Fields<'_>) -> Result<Message, Reject> {
    fields.need(Field::Longitude)?;
    match (fields.latitude()?, fields.longitude()?) {
        (Some(lat), Some(lon)) => Ok(Message::Position(Position {
            icao: fields.icao()?,
            stamp: fields.stamp(),
            lat,
            lon,
            altitude_ft: fields.altitude()?,
            speed_kt: fields.speed()?,
            track_deg: fields.track()?,
            on_ground: fields.flag(Field::OnGround)?,
        })),
        (None, None) if !fields.get(Field::Altitude).is_empty() => altitude(fields),
        _ => Err(Reject::MissingPosition),
    }
}

fn velocity(fields: &Fields<'_>) -> Result<Message, Reject> {
    fields.need(Field::Climb)?;
    Ok(Message::Velocity(Velocity {
        icao: fields.icao()?,
        stamp: fields.stamp(),
        speed_kt: fields.speed()?,
        track_deg: fields.track()?,
        climb_fpm: fields.climb()?,
    }))
}

fn altitude(fields: &Fields<'_>) -> Result<Message, Reject> {
    fields.need(Field::Altitude)?;
    Ok(Message::Altitude(Altitude {
        icao: fields.icao()?,
        stamp: fields.stamp(),
        altitude_ft: fields.altitude()?,
        on_ground: fields.flag(Field::OnGround)?,
    }))
}

fn squawk(fields: &Fields<'_>) -> Result<Message, Reject> {
    fields.need(Field::Squawk)?;
    Ok(Message::Squawk(Squawk {
        icao: fields.icao()?,
        stamp: fields.stamp(),
        code: fields.code()?,
        alert: fields.flag(Field::Alert)?,
        emergency: fields.flag(Field::Emergency)?,
        ident: fields.flag(Field::Ident)?,
    }))
}

fn heard(fields: &Fields<'_>, link: Link) -> Result<Message, Reject> {
    fields.need(Field::Icao)?;
    Ok(Message::Heard(Heard {
        icao: fields.icao()?,
        stamp: fields.stamp(),
        link,
        altitude_ft: if fields.count >= Field::Altitude.whole() { fields.altitude()? } else { None },
        on_ground: fields.flag(Field::OnGround)?,
    }))
}

fn notice(fields: &Fields<'_>, kind: NoticeKind) -> Result<Message, Reject> {
    let icao = match fields.get(Field::Icao) {
        b"" => None,
        _ => Some(fields.icao()?),
    };
    Ok(Message::Notice(Notice { kind, icao, stamp: fields.stamp(), callsign: fields.callsign()? }))
}

fn status(fields: &Fields<'_>) -> Result<Message, Reject> {
    // A receiver's own lines end in field 11, so there is no comma to ask for.
    let state = match fields.get(Field::Callsign) {
        b"PL" => State::PositionLost,
        b"SL" => State::SignalLost,
        b"RM" => State::Removed,
        b"AD" => State::Deleted,
        b"OK" => State::Good,
        _ => return Err(Reject::BadStatus),
    };
    Ok(Message::Status(Status { icao: fields.icao()?, stamp: fields.stamp(), state }))
}

/// A line cut at its commas; fields past the 22nd are not looked at.
struct Fields<'a> {
    line: &'a [u8],
    /// Where each field ends; the next one starts a byte later.
    ends: [usize; MAX_FIELDS],
    count: usize,
}

const MAX_FIELDS: usize = 22;

impl<'a> Fields<'a> {
    fn split(line: &'a [u8]) -> Self {
        let mut fields = Fields { line, ends: [line.len(); MAX_FIELDS], count: 0 };
        let (words, rest) = line.as_chunks::<8>();
        for (n, word) in words.iter().enumerate() {
            let mut commas = commas(u64::from_le_bytes(*word));
            while commas != 0 {
                fields.cut(n * 8 + commas.trailing_zeros() as usize / 8);
                commas &= commas - 1;
            }
        }
        let tail = words.len() * 8;
        for (n, _) in rest.iter().enumerate().filter(|(_, byte)| **byte == b',') {
            fields.cut(tail + n);
        }
        // What follows the last comma is a field too.
        fields.count = (fields.count + 1).min(MAX_FIELDS);
        fields
    }

    fn cut(&mut self, at: usize) {
        if let Some(end) = self.ends.get_mut(self.count) {
            *end = at;
            self.count += 1;
        }
    }

    /// The field without the spaces around it; empty if the line ends before it.
    fn get(&self, field: Field) -> &'a [u8] {
        let n = field as usize;
        if n >= self.count {
            return b"";
        }
        let start = if n == 0 { 0 } else { self.ends[n - 1] + 1 };
        self.line[start..self.ends[n]].trim_ascii()
    }

    fn need(&self, field: Field) -> Result<(), Reject> {
        if self.count >= field.whole() {
            return Ok(());
        }
        Err(Reject::TooFewFields { found: self.count, needed: field.whole() })
    }

    fn icao(&self) -> Result<Icao, Reject> {
        let text: &[u8; 6] = self.get(Field::Icao).try_into().map_err(|_| Reject::BadIcao)?;
        let mut address = 0;
        for byte in text {
            address = address << 4 | char::from(*byte).to_digit(16).ok_or(Reject::BadIcao)?;
        }
        // Zero is what receivers write for transponders too old to have an address: many aircraft, not one.
        if address == 0 { Err(Reject::BadIcao) } else { Ok(Icao(address)) }
    }

    fn stamp(&self) -> Option<i64> {
        Some(day_number(self.get(Field::Date))? * MILLIS_PER_DAY + time_of_day(self.get(Field::Time))?)
    }

    fn callsign(&self) -> Result<Callsign, Reject> {
        Callsign::new(self.get(Field::Callsign)).ok_or(Reject::BadCallsign)
    }

    fn code(&self) -> Result<Option<Code>, Reject> {
        let text = self.get(Field::Squawk);
        if text.len() > 4 || !text.iter().all(|byte| matches!(byte, b'0'..=b'7')) {
            return Err(Reject::BadSquawk);
        }
        let code = text.iter().fold(0, |code, byte| code << 3 | u16::from(byte - b'0'));
        Ok((!text.is_empty()).then_some(Code(code)))
    }

    fn flag(&self, field: Field) -> Result<bool, Reject> {
        match self.get(field) {
            b"" | b"0" => Ok(false),
            b"1" | b"-1" => Ok(true),
            _ => Err(Reject::BadNumber { field }),
        }
    }

    fn latitude(&self) -> Result<Option<f64>, Reject> {
        self.number(Field::Latitude, -90.0, 90.0)
    }

    fn longitude(&self) -> Result<Option<f64>, Reject> {
        self.number(Field::Longitude, -180.0, 180.0)
    }

    fn altitude(&self) -> Result<Option<i32>, Reject> {
        Ok(self.number(Field::Altitude, -2_000.0, 130_000.0)?.map(|feet| feet as i32))
    }

    fn speed(&self) -> Result<Option<f32>, Reject> {
        Ok(self.number(Field::Speed, 0.0, 4_100.0)?.map(|knots| knots as f32))
    }

    fn track(&self) -> Result<Option<f32>, Reject> {
        Ok(self.number(Field::Track, 0.0, 360.0)?.map(|degrees| degrees as f32))
    }

    fn climb(&self) -> Result<Option<i32>, Reject> {
        Ok(self.number(Field::Climb, -33_000.0, 33_000.0)?.map(|feet| feet as i32))
    }

    fn number(&self, field: Field, least: f64, most: f64) -> Result<Option<f64>, Reject> {
        let text = self.get(field);
        if text.is_empty() {
            return Ok(None);
        }
        let value = decimal(text).ok_or(Reject::BadNumber { field })?;
        if value < least || value > most { Err(Reject::OutOfRange { field }) } else { Ok(Some(value)) }
    }
}

/// Marks the commas among eight bytes: the top bit of each byte that is one, and no other bit.
fn commas(word: u64) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let word = word ^ u64::from_le_bytes([b','; 8]);
    !(((word & LOW) + LOW) | word | LOW)
}

/// Reads `-12.345`. Up to 15 digits fit a float exactly, so one division gives the nearest value; anything unusual
/// goes the slow way.
fn decimal(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    let (mut mantissa, mut point) = (0_u64, None);
    if digits.is_empty() || digits.len() > 15 {
        return unusual(text);
    }
    for (n, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(n),
            _ => return unusual(text),
        }
    }
    let value = match point {
        None => mantissa as f64,
        Some(_) if digits.len() == 1 => return None,
        Some(n) => mantissa as f64 / POWERS[digits.len() - 1 - n],
    };
    Some(if negative { -value } else { value })
}

#[cold]
fn unusual(text: &[u8]) -> Option<f64> {
    str::from_utf8(text).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Days from 1970-01-01 to `2026/11/21` or `2026-11-21`.
fn day_number(date: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, first, m1, m2, second, d1, d2] = date else {
        return None;
    };
    if first != second || !matches!(first, b'/' | b'-') {
        return None;
    }
    let (year, month, day) = (digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(month, year) {
        return None;
    }
    // Years start in March here, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 719_469)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Milliseconds from midnight to `18:06:07`, with or without a fraction.
fn time_of_day(time: &[u8]) -> Option<i64> {
    let (&[h1, h2, b':', m1, m2, b':', s1, s2], fraction) = time.split_first_chunk::<8>()? else {
        return None;
    };
    let (hour, minute, second) = (digits(&[h1, h2])?, digits(&[m1, m2])?, digits(&[s1, s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000 + millis(fraction)?)
}

/// Milliseconds in `.710`, `.7`, `.710123` or nothing.
fn millis(fraction: &[u8]) -> Option<i64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let decimals = fraction.strip_prefix(b".")?;
    if !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |n: usize| decimals.get(n).map_or(0, |byte| i64::from(byte - b'0'));
    Some(digit(0) * 100 + digit(1) * 10 + digit(2))
}

fn digits(text: &[u8]) -> Option<i64> {
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2008-11-28 14:53:50.594
    const STAMP: Option<i64> = Some(1_227_884_030_594);
    const PLOT: &str = "MSG,3,5,211,4CA2D6,10057,2008/11/28,14:53:50.594,2008/11/28,14:58:51.153,,37000,,,\
                        51.45735,-1.02826,,,0,0,0,0";

    fn read(line: &str) -> Message {
        parse(line.as_bytes()).unwrap_or_else(|reject| panic!("{line:?}: {reject}"))
    }

    fn reject(line: &str) -> Reject {
        match parse(line.as_bytes()) {
            Ok(message) => panic!("{line:?} was read as {message:?}"),
            Err(reject) => reject,
        }
    }

    fn plot() -> Position {
        Position {
            icao: Icao(0x4CA2D6),
            stamp: STAMP,
            lat: 51.45735,
            lon: -1.02826,
            altitude_ft: Some(37_000),
            speed_kt: None,
            track_deg: None,
            on_ground: false,
        }
    }

    #[test]
    fn a_position_in_the_styles_receivers_write_it() {
        for line in [
            PLOT.to_string(),
            format!("{PLOT}\r\n"),
            format!("{PLOT}\n"),
            format!("\u{FEFF}{PLOT}\r\n"),
            format!("  {PLOT}  "),
            format!("{PLOT},,extra,fields,1"),
            PLOT.replace('/', "-"),
            PLOT.replace(',', " , "),
            PLOT.replace(",0,0,0,0", ",,,,"),
            PLOT.replace(",0,0,0,0", ""),
            PLOT.replace(",0,0,0,0", ",0"),
            PLOT.replace("5,211,4CA2D6,10057", "1,1,4CA2D6,1"),
            PLOT.replace("5,211,4CA2D6,10057", ",,4ca2d6,"),
            PLOT.replace("2008/11/28,14:58:51.153", ","),
            PLOT.replace(".594", ".594123"),
            PLOT.replace("37000", "37000.0"),
            PLOT.replace("37000", "+37000"),
            PLOT.replace("51.45735", "5.145735e1"),
            PLOT.replace("51.45735", "51.4573500000000000"),
        ] {
            assert_eq!(read(&line), Message::Position(plot()), "{line:?}");
        }
    }

    #[test]
    fn a_position_on_the_ground_brings_its_speed() {
        let line = "MSG,2,496,603,400CB6,13168,2008/10/13,12:24:32.414,2008/10/13,12:28:52.074,,,0,76.4,\
                    258.3,54.05735,-4.38826,,,,,,0";
        assert_eq!(
            reject(line),
            Reject::OutOfRange { field: Field::Latitude },
            "a field too many, as in the old manual"
        );

        let line = "MSG,2,1,1,400CB6,1,2008/10/13,12:24:32.414,2008/10/13,12:28:52.074,,0,76.4,258.3,54.05735,\
                    -4.38826,,,,,,-1";
        let Message::Position(plot) = read(line) else { panic!("not a position") };
        assert_eq!((plot.speed_kt, plot.track_deg, plot.on_ground), (Some(76.4), Some(258.3), true));
    }

    #[test]
    fn a_position_not_worked_out_yet_is_an_altitude() {
        let line = PLOT.replace("51.45735,-1.02826", ",");
        let altitude = Altitude { icao: Icao(0x4CA2D6), stamp: STAMP, altitude_ft: Some(37_000), on_ground: false };
        assert_eq!(read(&line), Message::Altitude(altitude));
        assert_eq!(reject(&line.replace("37000", "")), Reject::MissingPosition);
        assert_eq!(reject(&PLOT.replace("51.45735", "")), Reject::MissingPosition);
    }

    #[test]
    fn the_other_transmissions() {
        let icao = Icao(0x4CA767);
        let stamp = Some(1_266_602_293_039);
        let line = |kind: &str, rest: &str| {
            read(&format!("MSG,{kind},496,469,4CA767,27854,2010/02/19,17:58:13.039,2010/02/19,17:58:13.368,{rest}\r\n"))
        };
        let callsign = Callsign::new(b"RJA1118").unwrap();
        assert_eq!(line("1", "RJA1118,,,,,,,,,,,"), Message::Ident(Ident { icao, stamp, callsign }));
        assert_eq!(line("1", "RJA1118 ,,,,,,,,,,,"), Message::Ident(Ident { icao, stamp, callsign }));
        assert_eq!(line("1", ",,,,,,,,,,,"), Message::Ident(Ident { icao, stamp, callsign: Callsign::NONE }));
        let (speed_kt, track_deg, climb_fpm) = (Some(288.6), Some(103.2), Some(-832));
        let velocity = Velocity { icao, stamp, speed_kt, track_deg, climb_fpm };
        assert_eq!(line("4", ",,288.6,103.2,,,-832,,,,,"), Message::Velocity(velocity));
        let level = Velocity { climb_fpm: None, ..velocity };
        assert_eq!(line("4", ",,288.6,103.2,,,,,,,,"), Message::Velocity(level));
        let altitude = Altitude { icao, stamp, altitude_ft: Some(10_000), on_ground: false };
        assert_eq!(line("5", ",10000,,,,,,,0,,0,0"), Message::Altitude(altitude));
        let squawk = Squawk { icao, stamp, code: Some(Code(0o271)), alert: false, emergency: false, ident: false };
        assert_eq!(line("6", ",33325,,,,,,0271,0,0,0,0"), Message::Squawk(squawk));
        assert_eq!(line("6", ",33325,,,,,,271,0,0,0,0"), Message::Squawk(squawk));
        let trouble = Squawk { code: Some(Code(0o7700)), alert: true, emergency: true, ..squawk };
        assert_eq!(line("6", ",,,,,,,7700,-1,1,0,0"), Message::Squawk(trouble));
        let heard = Heard { icao, stamp, link: Link::AirToAir, altitude_ft: Some(3_775), on_ground: false };
        assert_eq!(line("7", ",3775,,,,,,,,,,0"), Message::Heard(heard));
        let call = Heard { link: Link::AllCall, altitude_ft: None, ..heard };
        assert_eq!(line("8", ",,,,,,,,,,,0"), Message::Heard(call));
    }

    #[test]
    fn what_the_receiver_says_of_itself() {
        let stamp = Some(1_266_602_767_710);
        let (icao, callsign) = (Some(Icao(0x4CA4E5)), Callsign::new(b"RYR1427").unwrap());
        let rest = "2010/02/19,18:06:07.710,2010/02/19,18:06:07.710";
        let notice = Notice { kind: NoticeKind::Selected, icao, stamp, callsign };
        assert_eq!(read(&format!("SEL,,496,2286,4CA4E5,27215,{rest},RYR1427")), Message::Notice(notice));
        let renamed = Notice { kind: NoticeKind::NewCallsign, ..notice };
        assert_eq!(read(&format!("ID,,496,7162,4CA4E5,27928,{rest},RYR1427\r\n")), Message::Notice(renamed));
        let new = Notice { kind: NoticeKind::NewAircraft, callsign: Callsign::NONE, ..notice };
        assert_eq!(read(&format!("AIR,,496,5906,4CA4E5,27931,{rest}")), Message::Notice(new));
        assert_eq!(read(&format!("CLK,,496,-1,,-1,{rest}")), Message::Clock(Clock { stamp }));
        for (word, state) in [
            ("PL", State::PositionLost),
            ("SL", State::SignalLost),
            ("RM", State::Removed),
            ("AD", State::Deleted),
            ("OK", State::Good),
        ] {
            let status = Status { icao: Icao(0x4CA4E5), stamp, state };
            assert_eq!(read(&format!("STA,,5,179,4CA4E5,10103,{rest},{word}")), Message::Status(status));
        }
        assert_eq!(reject(&format!("STA,,5,179,4CA4E5,10103,{rest},XX")), Reject::BadStatus);
    }

    #[test]
    fn an_odd_date_costs_the_stamp_and_not_the_plot() {
        for (from, to) in [
            ("2008/11/28,14:53:50.594", ","),
            ("2008/11/28", ""),
            ("2008/11/28", "28/11/2008"),
            ("2008/11/28", "2008/13/28"),
            ("2008/11/28", "2009/02/29"),
            ("2008/11/28", "2008/11-28"),
            ("14:53:50.594", "24:00:00.000"),
            ("14:53:50.594", "14:53"),
            ("14:53:50.594", "14:53:50,594"),
            ("14:53:50.594", "14:53:50.5x4"),
        ] {
            // The comma in "50,594" moves every field by one: that line is refused, rightly.
            if let Ok(message) = parse(PLOT.replacen(from, to, 1).as_bytes()) {
                assert_eq!(message, Message::Position(Position { stamp: None, ..plot() }), "{to:?}");
            }
        }
    }

    #[test]
    fn dates_count_from_1970() {
        for (date, day) in [
            ("1970-01-01", Some(0)),
            ("1969/12/31", Some(-1)),
            ("2000/02/29", Some(11_016)),
            ("2000/03/01", Some(11_017)),
            ("1900/02/29", None),
            ("2026-11-21", Some(20_778)),
        ] {
            assert_eq!(day_number(date.as_bytes()), day, "{date}");
        }
        assert_eq!(time_of_day(b"00:00:00"), Some(0));
        assert_eq!(time_of_day(b"23:59:59.9"), Some(86_399_900));
        assert_eq!(time_of_day(b"00:00:00.0015"), Some(1));
        assert_eq!(time_of_day(b"00:00:00."), Some(0));
    }

    #[test]
    fn what_is_refused_and_why() {
        let long = format!("{PLOT}{}", "x".repeat(4_000));
        for (line, kind) in [
            ("", "empty line"),
            ("\r\n", "empty line"),
            ("\u{FEFF}", "empty line"),
            ("HTTP/1.1 400 Bad Request", "not SBS"),
            ("*8D4CA2D6990C5A9F900000000000;", "not SBS"),
            ("msg,3,,,4CA2D6", "unknown message type"),
            ("MSGMSG,3,1,1,4CA2D6,1", "unknown message type"),
            (",,,,,", "unknown message type"),
            ("MSG,9,1,1,4CA2D6,1,,,,,,,,,,,,,,,,", "bad transmission type"),
            ("MSG,,1,1,4CA2D6,1,,,,,,,,,,,,,,,,", "bad transmission type"),
            ("MSG,3", "too few fields"),
            ("MSG,8,1,1,4CA2D6", "too few fields"),
            (&PLOT.replace("4CA2D6", "GGGGGG"), "bad ICAO address"),
            (&PLOT.replace("4CA2D6", "4CA2D"), "bad ICAO address"),
            (&PLOT.replace("4CA2D6", "~4CA2D6"), "bad ICAO address"),
            (&PLOT.replace("4CA2D6", "000000"), "bad ICAO address"),
            (&PLOT.replace("4CA2D6", "+CA2D6"), "bad ICAO address"),
            (&PLOT.replace("51.45735", "91.0"), "out of range"),
            (&PLOT.replace("-1.02826", "-180.1"), "out of range"),
            (&PLOT.replace("37000", "999999"), "out of range"),
            (&PLOT.replace("51.45735", "NaN"), "bad number"),
            (&PLOT.replace("51.45735", "inf"), "bad number"),
            (&PLOT.replace("51.45735", "-"), "bad number"),
            (&PLOT.replace("51.45735", "."), "bad number"),
            (&PLOT.replace("51.45735", "51.4.5"), "bad number"),
            (&PLOT.replace("51.45735", "51 45"), "bad number"),
            (&PLOT.replace("37000", "FL370"), "bad number"),
            ("MSG,4,1,1,4CA2D6,1,,,,,,,-5,103.2,,,64,,,,,", "out of range"),
            ("MSG,4,1,1,4CA2D6,1,,,,,,,5,361,,,64,,,,,", "out of range"),
            ("MSG,1,1,1,4CA2D6,1,,,,,NINECHARS,,,,,,,,,,,", "bad callsign"),
            ("MSG,1,1,1,4CA2D6,1,,,,,RÖD1,,,,,,,,,,,", "bad callsign"),
            ("MSG,6,1,1,4CA2D6,1,,,,,,,,,,,,7800,0,0,0,0", "bad squawk"),
            ("MSG,6,1,1,4CA2D6,1,,,,,,,,,,,,12345,0,0,0,0", "bad squawk"),
            (&long, "bad number"),
        ] {
            let reject = reject(line);
            assert_eq!(reject.kind(), kind, "{line:?}");
            assert!(!reject.to_string().contains('\n'));
        }
        assert_eq!(parse(b"MSG,\xFF\xFE"), Err(Reject::NotUtf8));
    }

    #[test]
    fn a_line_cut_anywhere_never_gives_a_wrong_plot() {
        for end in 0..PLOT.len() {
            if let Ok(Message::Position(cut)) = parse(&PLOT.as_bytes()[..end]) {
                assert_eq!(cut, plot(), "cut at {end}");
            }
        }
    }

    #[test]
    fn fields_are_cut_where_split_cuts_them() {
        for text in ["", ",", ",,,,,,,,", "a,bc,,d", "MSG,3,\0,\u{AC}\u{AD},-,.", PLOT, &PLOT.repeat(3)] {
            for start in (0..text.len().min(9)).filter(|at| text.is_char_boundary(*at)) {
                let line = &text.as_bytes()[start..];
                let fields = Fields::split(line);
                let cut: Vec<_> = line.split(|byte| *byte == b',').take(MAX_FIELDS).collect();
                assert_eq!(fields.count, cut.len(), "{text:?}");
                for field in [Field::Type, Field::Transmission, Field::Icao, Field::Latitude, Field::OnGround] {
                    assert_eq!(fields.get(field), *cut.get(field as usize).unwrap_or(&&b""[..]), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn no_byte_makes_it_panic() {
        let mut seed = 1_u32;
        let mut random = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize
        };
        for _ in 0..20_000 {
            let mut line = PLOT.as_bytes().to_vec();
            for _ in 0..random() % 6 {
                let at = random() % line.len();
                line[at] = b"\0,.-9e:/\xFF "[random() % 10];
            }
            line.truncate(random() % (line.len() * 2));
            let _ = parse(&line);
        }
    }

    #[test]
    fn fast_numbers_are_the_numbers_std_reads() {
        for text in ["0", "-0", "51.45735", "-1.02826", "179.999999", "007", "5.", ".5", "123456789.12345", "1e3", "+4"]
        {
            assert_eq!(decimal(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }
}
