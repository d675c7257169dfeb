//! What is in the air, and how it flies.

use std::ops::Range;

use fastrand::Rng;

use super::chance::{between, one_in};
use super::{ROUND_MS, SITE};
use crate::plot::Place;
use crate::sbs::{Code, Icao};

/// One aircraft: who it is, where it is, and how long it will be heard.
#[derive(Debug, Clone)]
pub struct Aircraft {
    pub role: Role,
    pub icao: Icao,
    pub callsign: String,
    pub squawk: Code,
    pub place: Place,
    pub heading: f64,
    /// Degrees per second.
    pub turning: f64,
    pub speed_kt: f64,
    pub altitude_ft: f64,
    pub climb_fpm: f64,
    /// Rounds until it is first heard, rounds it is heard for, and rounds of silence after that.
    pub age: i64,
    pub life: i64,
    pub silence: i64,
}

impl Aircraft {
    /// The aircraft a scene begins with: most are there already, the others come soon.
    pub fn first(n: usize, random: &mut Rng) -> Self {
        let role = match n % 16 {
            7 => Role::Bandit,
            3 | 11 | 14 => Role::Helicopter,
            _ => Role::Airliner,
        };
        let mut aircraft = Aircraft::new(role, random);
        aircraft.age = match role {
            Role::Bandit => -(between(30.0..200.0, random) as i64),
            _ => (between(-0.2..0.8, random) * aircraft.life as f64) as i64,
        };
        aircraft
    }

    fn new(role: Role, random: &mut Rng) -> Self {
        let habits = role.habits();
        let place = SITE.ahead(between(0.0..360.0, random), between(habits.distance_m, random));
        Aircraft {
            role,
            icao: Icao(random.u32(0x40_0000..0x4C_0000)),
            callsign: callsign(role, random),
            squawk: Code(random.u16(..0o7000)),
            place,
            heading: if role == Role::Bandit { place.bearing_to(SITE) } else { between(0.0..360.0, random) },
            turning: if role == Role::Helicopter { between(-3.0..3.0, random) } else { 0.0 },
            speed_kt: between(habits.speed_kt, random),
            altitude_ft: between(habits.altitude_ft, random),
            climb_fpm: if role == Role::Airliner { between(-1_800.0..1_800.0, random) } else { 0.0 },
            age: 0,
            life: rounds(between(habits.life_s, random)),
            silence: rounds(between(70.0..150.0, random)),
        }
    }

    /// Whether it is in the air and says so.
    pub fn is_heard(&self) -> bool {
        (0..self.life).contains(&self.age)
    }

    /// One round of flight; another one takes its place when its time is over.
    pub fn fly(&mut self, random: &mut Rng) {
        self.age += 1;
        if self.age < 0 {
            return;
        }
        if self.age > self.life + self.silence {
            *self = Aircraft::new(self.role, random);
        }
        if self.role == Role::Airliner {
            self.steer(random);
        }
        self.glide(ROUND_MS as f64 / 1_000.0);
    }

    /// Begins a turn and a climb now and then, and ends them sooner.
    fn steer(&mut self, random: &mut Rng) {
        if one_in(120, random) {
            self.turning = between(-1.5..1.5, random);
            self.climb_fpm = between(-1_800.0..1_800.0, random);
        } else if one_in(30, random) {
            (self.turning, self.climb_fpm) = (0.0, 0.0);
        }
    }

    fn glide(&mut self, seconds: f64) {
        self.heading = (self.heading + self.turning * seconds).rem_euclid(360.0);
        self.altitude_ft = (self.altitude_ft + self.climb_fpm * seconds / 60.0).clamp(200.0, 41_000.0);
        self.place = self.place.ahead(self.heading, self.speed_kt * 1_852.0 / 3_600.0 * seconds);
    }
}

/// What an aircraft is there for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    Airliner,
    Helicopter,
    Bandit,
}

/// Where aircraft of a role begin, and how.
struct Habits {
    distance_m: Range<f64>,
    speed_kt: Range<f64>,
    altitude_ft: Range<f64>,
    life_s: Range<f64>,
}

impl Role {
    fn habits(self) -> Habits {
        let (distance_m, speed_kt, altitude_ft, life_s) = match self {
            Role::Airliner => (20e3..200e3, 380.0..490.0, 9_000.0..39_000.0, 240.0..1_200.0),
            Role::Helicopter => (15e3..60e3, 70.0..130.0, 500.0..1_800.0, 200.0..900.0),
            Role::Bandit => (55e3..80e3, 560.0..640.0, 250.0..700.0, 230.0..290.0),
        };
        Habits { distance_m, speed_kt, altitude_ft, life_s }
    }
}

fn callsign(role: Role, random: &mut Rng) -> String {
    const AIRLINES: [&str; 10] = ["SAS", "KLM", "BAW", "DLH", "RYR", "EZY", "AFR", "NAX", "LOT", "FIN"];
    let operator = if role == Role::Airliner { AIRLINES[random.usize(..AIRLINES.len())] } else { "HEL" };
    format!("{operator}{}", random.u16(1_000..10_000))
}

fn rounds(seconds: f64) -> i64 {
    (seconds * 1_000.0 / ROUND_MS as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A newcomer of that role after so many rounds.
    fn flown(role: Role, rounds: usize) -> Aircraft {
        let mut random = Rng::with_seed(3);
        let mut aircraft = Aircraft::new(role, &mut random);
        (0..rounds).for_each(|_| aircraft.fly(&mut random));
        aircraft
    }

    #[test]
    fn bandits_come_straight_for_the_site() {
        let far = |rounds| flown(Role::Bandit, rounds).place.distance_m(SITE);
        assert!(far(100) < far(0) && far(200) < far(100));
        assert!((flown(Role::Bandit, 0).heading - flown(Role::Bandit, 200).heading).abs() < 1e-9);
    }

    #[test]
    fn another_one_takes_its_place() {
        let first = flown(Role::Helicopter, 0);
        let over = (first.life + first.silence) as usize;
        assert_eq!(flown(Role::Helicopter, over).icao, first.icao);
        assert!(flown(Role::Helicopter, first.life as usize - 1).is_heard());
        assert!(!flown(Role::Helicopter, over).is_heard());
        let next = flown(Role::Helicopter, over + 1);
        assert!(next.icao != first.icao && next.is_heard());
    }
}
