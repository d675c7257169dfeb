//! What an aircraft says, when it is due, and how that looks as a line.

use jiff::civil::DateTime;

use super::aircraft::{Aircraft, Role};

/// What an aircraft says, in the order it says it.
#[derive(Debug, Clone, Copy)]
pub enum Saying {
    Ident,
    Position,
    Velocity,
    Squawk,
    Altitude,
    AllCall,
    Farewell,
}

impl Saying {
    pub const ALL: [Saying; 7] = [
        Saying::Ident,
        Saying::Position,
        Saying::Velocity,
        Saying::Squawk,
        Saying::Altitude,
        Saying::AllCall,
        Saying::Farewell,
    ];

    /// Whether it is time for `aircraft` to say so.
    pub fn is_due(self, aircraft: &Aircraft) -> bool {
        let every = |rounds, offset| aircraft.is_heard() && aircraft.age % rounds == offset;
        match self {
            // Bandits do not say who they are.
            Saying::Ident => aircraft.role != Role::Bandit && every(10, 1),
            Saying::Position => every(1, 0),
            Saying::Velocity => every(2, 0),
            Saying::Squawk => aircraft.role != Role::Bandit && every(20, 3),
            Saying::Altitude => every(8, 5),
            Saying::AllCall => every(6, 2),
            Saying::Farewell => aircraft.role == Role::Helicopter && aircraft.age == aircraft.life,
        }
    }

    /// The line, without a line end.
    pub fn line(self, aircraft: &Aircraft, now: DateTime) -> String {
        let head = head(aircraft, now);
        let Aircraft { callsign, squawk, place, .. } = aircraft;
        let feet = nearest(25, aircraft.altitude_ft);
        match self {
            Saying::Ident => format!("MSG,1{head}{callsign},,,,,,,,,,,"),
            Saying::Position => {
                let (lat, lon) = (decimal(5, place.lat), decimal(5, place.lon));
                format!("MSG,3{head},{feet},,,{lat},{lon},,,0,0,0,0")
            }
            Saying::Velocity => {
                let (speed, heading) = (decimal(1, aircraft.speed_kt), decimal(1, aircraft.heading));
                let climb = nearest(64, aircraft.climb_fpm);
                format!("MSG,4{head},,{speed},{heading},,,{climb},,,,,")
            }
            Saying::Squawk => format!("MSG,6{head},{feet},,,,,,{squawk},0,0,0,0"),
            Saying::Altitude => format!("MSG,5{head},{feet},,,,,,,0,,0,0"),
            Saying::AllCall => format!("MSG,8{head},,,,,,,,,,,0"),
            Saying::Farewell => format!("STA,{head}RM"),
        }
    }
}

/// Fields 3 to 10, with the commas around them.
fn head(aircraft: &Aircraft, now: DateTime) -> String {
    let stamp = now.strftime("%Y/%m/%d,%H:%M:%S%.3f").to_string();
    format!(",1,1,{},1,{stamp},{stamp},", aircraft.icao)
}

/// The nearest multiple of `step`.
fn nearest(step: i32, value: f64) -> i32 {
    (value / f64::from(step)).round() as i32 * step
}

/// A number with so many decimals; what rounds to nothing is `0.0`, never `-0.0`.
fn decimal(decimals: usize, value: f64) -> String {
    let scale = 10_f64.powi(decimals as i32);
    // The sum of -0.0 and 0.0 is 0.0.
    format!("{:.decimals$}", (value * scale).round() / scale + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Place;
    use crate::sbs::{self, Code, Icao};
    use fastrand::Rng;
    use jiff::SignedDuration;
    use jiff::civil::date;

    const NOON: DateTime = date(2026, 11, 21).at(12, 0, 0, 0);

    fn aircraft() -> Aircraft {
        Aircraft {
            icao: Icao(0x4840D6),
            callsign: "KLM1023".into(),
            squawk: Code(0o271),
            place: Place { lat: 52.2572, lon: -0.000_001 },
            heading: 182.88,
            speed_kt: 420.5,
            altitude_ft: 38_010.0,
            climb_fpm: -832.0,
            ..Aircraft::first(0, &mut Rng::with_seed(1))
        }
    }

    #[test]
    fn the_lines_of_an_aircraft() {
        let head = "1,1,4840D6,1,2026/11/21,12:00:00.000,2026/11/21,12:00:00.000";
        for (saying, line) in [
            (Saying::Ident, format!("MSG,1,{head},KLM1023,,,,,,,,,,,")),
            (Saying::Position, format!("MSG,3,{head},,38000,,,52.25720,0.00000,,,0,0,0,0")),
            (Saying::Velocity, format!("MSG,4,{head},,,420.5,182.9,,,-832,,,,,")),
            (Saying::Squawk, format!("MSG,6,{head},,38000,,,,,,0271,0,0,0,0")),
            (Saying::Altitude, format!("MSG,5,{head},,38000,,,,,,,0,,0,0")),
            (Saying::AllCall, format!("MSG,8,{head},,,,,,,,,,,,0")),
            (Saying::Farewell, format!("STA,,{head},RM")),
        ] {
            assert_eq!(saying.line(&aircraft(), NOON), line);
            assert!(sbs::parse(line.as_bytes()).is_ok(), "{line}");
        }
    }

    #[test]
    fn stamps_read_as_they_were_written() {
        for days in [0, 58, 59, 60, 789, 790, 11_016, 11_017, 20_778, 47_481] {
            let millis = days * 86_400_000 + 45_296_789;
            let now = date(1970, 1, 1).at(0, 0, 0, 0) + SignedDuration::from_millis(millis);
            let line = Saying::Altitude.line(&aircraft(), now);
            let Ok(sbs::Message::Altitude(altitude)) = sbs::parse(line.as_bytes()) else { panic!("{line}") };
            assert_eq!(altitude.stamp, Some(millis), "{line}");
        }
    }

    #[test]
    fn decimals() {
        assert_eq!(decimal(5, -1.02826), "-1.02826");
        assert_eq!(decimal(2, 51.0), "51.00");
        assert_eq!(decimal(1, -0.001), "0.0");
        assert_eq!(decimal(0, -832.0), "-832");
        assert_eq!(nearest(64, -31.0), 0);
        assert_eq!(nearest(25, 37_012.5), 37_025);
    }
}
