//! What the tracker works with: metric units, and places on the globe.

use crate::sbs::{Altitude, Clock, Heard, Icao, Ident, Message, Position, Squawk, Status, Velocity};

/// A message in metric units. What carries no units is what the feed said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Report {
    Plot(Plot),
    Motion(Motion),
    Level(Level),
    Ident(Ident),
    Squawk(Squawk),
    Status(Status),
    Clock(Clock),
}

impl Report {
    /// The metric form of a message; `None` for what only concerns the receiver's screen.
    pub fn from_message(message: &Message) -> Option<Report> {
        Some(match *message {
            Message::Position(position) => Report::Plot(position.into()),
            Message::Velocity(velocity) => Report::Motion(velocity.into()),
            Message::Altitude(altitude) => Report::Level(altitude.into()),
            Message::Heard(heard) => Report::Level(heard.into()),
            Message::Ident(ident) => Report::Ident(ident),
            Message::Squawk(squawk) => Report::Squawk(squawk),
            Message::Status(status) => Report::Status(status),
            Message::Clock(clock) => Report::Clock(clock),
            Message::Notice(_) => return None,
        })
    }

    /// The aircraft it is about, if it is about one.
    pub fn icao(&self) -> Option<Icao> {
        Some(match self {
            Report::Plot(plot) => plot.icao,
            Report::Motion(motion) => motion.icao,
            Report::Level(level) => level.icao,
            Report::Ident(ident) => ident.icao,
            Report::Squawk(squawk) => squawk.icao,
            Report::Status(status) => status.icao,
            Report::Clock(_) => return None,
        })
    }

    /// Milliseconds since 1970, if the line had a readable date.
    pub fn stamp(&self) -> Option<i64> {
        match self {
            Report::Plot(plot) => plot.stamp,
            Report::Motion(motion) => motion.stamp,
            Report::Level(level) => level.stamp,
            Report::Ident(ident) => ident.stamp,
            Report::Squawk(squawk) => squawk.stamp,
            Report::Status(status) => status.stamp,
            Report::Clock(clock) => clock.stamp,
        }
    }
}

/// Where an aircraft is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plot {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub place: Place,
    pub altitude_m: Option<f32>,
    pub speed_ms: Option<f32>,
    pub heading: Option<f32>,
    pub on_ground: bool,
}

impl From<Position> for Plot {
    fn from(position: Position) -> Self {
        Plot {
            icao: position.icao,
            stamp: position.stamp,
            place: Place { lat: position.lat, lon: position.lon },
            altitude_m: position.altitude_ft.map(metres),
            speed_ms: position.speed_kt.map(metres_per_second),
            heading: position.track_deg,
            on_ground: position.on_ground,
        }
    }
}

/// Where an aircraft is going.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub speed_ms: Option<f32>,
    pub heading: Option<f32>,
    pub climb_ms: Option<f32>,
}

impl From<Velocity> for Motion {
    fn from(velocity: Velocity) -> Self {
        Motion {
            icao: velocity.icao,
            stamp: velocity.stamp,
            speed_ms: velocity.speed_kt.map(metres_per_second),
            heading: velocity.track_deg,
            climb_ms: velocity.climb_fpm.map(|feet| metres(feet) / 60.0),
        }
    }
}

/// How high an aircraft is, if it said so; at the least it was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    pub icao: Icao,
    pub stamp: Option<i64>,
    pub altitude_m: Option<f32>,
}

impl From<Altitude> for Level {
    fn from(altitude: Altitude) -> Self {
        Level { icao: altitude.icao, stamp: altitude.stamp, altitude_m: altitude.altitude_ft.map(metres) }
    }
}

impl From<Heard> for Level {
    fn from(heard: Heard) -> Self {
        Level { icao: heard.icao, stamp: heard.stamp, altitude_m: heard.altitude_ft.map(metres) }
    }
}

/// Feet to metres.
pub fn metres(feet: i32) -> f32 {
    feet as f32 * 0.3048
}

/// Knots to metres per second.
pub fn metres_per_second(knots: f32) -> f32 {
    knots * (1_852.0 / 3_600.0)
}

/// A place on the globe, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    pub lat: f64,
    pub lon: f64,
}

const METRES_PER_DEGREE: f64 = 111_194.926_6;

impl Place {
    /// Metres to `other`, as on a flat map: within 1 % for the few hundred kilometres a receiver hears, and right
    /// across the date line.
    pub fn distance_m(self, other: Place) -> f64 {
        let (east, north) = self.offset_m(other);
        east.hypot(north)
    }

    /// The heading from here to `other`, in degrees from north.
    pub fn bearing_to(self, other: Place) -> f64 {
        let (east, north) = self.offset_m(other);
        east.atan2(north).to_degrees().rem_euclid(360.0)
    }

    /// The place `metres` further along `heading`.
    pub fn ahead(self, heading: f64, metres: f64) -> Place {
        let (east, north) = heading.to_radians().sin_cos();
        let lat = (self.lat + north * metres / METRES_PER_DEGREE).clamp(-90.0, 90.0);
        let lon = self.lon + east * metres / METRES_PER_DEGREE / shrink(self.lat, lat);
        Place { lat, lon: (lon + 180.0).rem_euclid(360.0) - 180.0 }
    }

    /// Metres east and metres north from here to `other`.
    pub fn offset_m(self, other: Place) -> (f64, f64) {
        let mut lon = other.lon - self.lon;
        if lon.abs() > 180.0 {
            lon -= lon.signum() * 360.0;
        }
        (lon * METRES_PER_DEGREE * shrink(self.lat, other.lat), (other.lat - self.lat) * METRES_PER_DEGREE)
    }
}

/// How much shorter a degree of longitude is half-way between two latitudes than at the equator.
fn shrink(lat: f64, other: f64) -> f64 {
    ((lat + other) / 2.0).to_radians().cos().max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONDON: Place = Place { lat: 51.4700, lon: -0.4543 };
    const PARIS: Place = Place { lat: 49.0097, lon: 2.5479 };

    fn close(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() < tolerance, "{value} is not {expected}");
    }

    #[test]
    fn distances_and_bearings() {
        close(LONDON.distance_m(PARIS), 348_000.0, 3_000.0);
        close(LONDON.bearing_to(PARIS), 142.0, 1.0);
        close(Place { lat: 0.0, lon: 179.9 }.distance_m(Place { lat: 0.0, lon: -179.9 }), 22_239.0, 1.0);
        assert_eq!(PARIS.distance_m(PARIS), 0.0);
    }

    #[test]
    fn going_ahead_is_the_way_back_from_bearing_and_distance() {
        for heading in [1.0, 45.0, 179.0, 300.0] {
            let there = PARIS.ahead(heading, 20_000.0);
            close(PARIS.distance_m(there), 20_000.0, 1.0);
            close(PARIS.bearing_to(there), heading, 0.1);
        }
        close(Place { lat: 0.0, lon: 179.99 }.ahead(90.0, 5_000.0).lon, -179.965, 0.001);
    }

    #[test]
    fn units() {
        assert_eq!(metres(10_000), 3_048.0);
        close(metres_per_second(360.0).into(), 185.2, 1e-4);
    }
}
