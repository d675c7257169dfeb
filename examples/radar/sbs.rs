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

mod field;
mod fields;
mod message;
mod reject;
mod stamp;

use std::str;

pub use field::Field;
pub use message::{
    Altitude, Callsign, Clock, Code, Heard, Icao, Ident, Link, Message, Notice, NoticeKind, Position, Squawk, State,
    Status, Velocity,
};
pub use reject::Reject;

use fields::Fields;

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

fn read(line: &[u8]) -> Result<Message, Reject> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Err(Reject::Empty);
    }
    let fields = Fields::cut(line);
    if fields.count() == 1 {
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
        altitude_ft: if fields.has(Field::Altitude) { fields.altitude()? } else { None },
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
}
