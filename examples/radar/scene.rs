//! A simulated sky that speaks SBS: the same seed gives the same lines.
//!
//! Airliners cross at cruising height or climb and descend, helicopters circle low, and a few bandits come in fast
//! and low towards the [`SITE`]. Aircraft fall silent and others take their place. As on a real feed, a few lines
//! in a hundred are repeated and a few in a thousand are damaged.

use std::time::Duration;

use crate::plot::Place;

/// What the bandits are after.
pub const SITE: Place = Place { lat: 56.0, lon: 3.0 };

/// 2026-11-21 12:00:00, when every scene begins.
const BEGINNING: u64 = 1_795_262_400_000;

/// Each aircraft has one turn in this time, and says where it is.
const ROUND_MS: u64 = 500;

/// The scene, handed out line by line in the order of time.
#[derive(Debug, Clone)]
pub struct Scene {
    random: Random,
    aircraft: Vec<Aircraft>,
    /// Whose turn it is, and what it may say next.
    turn: usize,
    saying: usize,
    round: u64,
    rounds: u64,
    /// The line before, which is repeated now and then.
    last: Vec<u8>,
}

impl Scene {
    /// A scene of so many `aircraft` at a time, over at the end of `duration`.
    pub fn new(seed: u64, aircraft: usize, duration: Duration) -> Self {
        let rounds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) / ROUND_MS;
        Scene::with_rounds(seed, aircraft, rounds)
    }

    /// A scene that goes on for as long as lines are asked for.
    pub fn endless(seed: u64, aircraft: usize) -> Self {
        Scene::with_rounds(seed, aircraft, u64::MAX)
    }

    fn with_rounds(seed: u64, aircraft: usize, rounds: u64) -> Self {
        let mut random = Random(seed);
        let aircraft = (0..aircraft).map(|n| Aircraft::first(n, &mut random)).collect();
        Scene { random, aircraft, turn: 0, saying: 0, round: 0, rounds, last: Vec::new() }
    }

    /// Appends one line with its line end; `false`, and nothing appended, when the scene is over.
    pub fn write_line(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.last.is_empty() && self.random.one_in(40) {
            out.extend_from_slice(&self.last);
            return true;
        }
        let Some((turn, saying, now)) = self.next_due() else {
            return false;
        };
        let start = out.len();
        self.aircraft[turn].say(saying, now, out);
        if self.random.one_in(250) {
            damage(&mut self.random, start, out);
        }
        out.extend_from_slice(b"\r\n");
        self.last.clear();
        self.last.extend_from_slice(&out[start..]);
        true
    }

    /// Moves on to the next aircraft with something to say: which one, what, and when.
    fn next_due(&mut self) -> Option<(usize, Saying, u64)> {
        let count = self.aircraft.len() as u64;
        while count > 0 && self.round < self.rounds {
            let now = BEGINNING + self.round * ROUND_MS + self.turn as u64 * ROUND_MS / count;
            let (turn, saying) = (self.turn, Saying::ALL[self.saying]);
            if self.saying == 0 {
                self.aircraft[turn].fly(&mut self.random);
            }
            self.advance();
            if self.aircraft[turn].is_due(saying) {
                return Some((turn, saying, now));
            }
        }
        None
    }

    fn advance(&mut self) {
        self.saying += 1;
        if self.saying == Saying::ALL.len() {
            self.saying = 0;
            self.turn += 1;
        }
        if self.turn == self.aircraft.len() {
            self.turn = 0;
            self.round += 1;
        }
    }
}

/// What an aircraft says, in the order it says it.
#[derive(Debug, Clone, Copy)]
enum Saying {
    Ident,
    Position,
    Velocity,
    Squawk,
    Altitude,
    AllCall,
    Farewell,
}

impl Saying {
    const ALL: [Saying; 7] = [
        Saying::Ident,
        Saying::Position,
        Saying::Velocity,
        Saying::Squawk,
        Saying::Altitude,
        Saying::AllCall,
        Saying::Farewell,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Airliner,
    Helicopter,
    Bandit,
}

#[derive(Debug, Clone)]
struct Aircraft {
    role: Role,
    icao: u32,
    callsign: [u8; 7],
    squawk: u64,
    place: Place,
    heading: f64,
    /// Degrees per second.
    turning: f64,
    speed_kt: f64,
    altitude_ft: f64,
    climb_fpm: f64,
    /// Rounds until it is first heard, rounds it is heard for, and rounds of silence after that.
    age: i64,
    life: i64,
    silence: i64,
}

impl Aircraft {
    /// The aircraft a scene begins with: most are there already, the others come soon.
    fn first(n: usize, random: &mut Random) -> Self {
        let role = match n % 16 {
            7 => Role::Bandit,
            3 | 11 | 14 => Role::Helicopter,
            _ => Role::Airliner,
        };
        let mut aircraft = Aircraft::new(role, random);
        aircraft.age = match role {
            Role::Bandit => -(random.between(30.0, 200.0) as i64),
            _ => (random.between(-0.2, 0.8) * aircraft.life as f64) as i64,
        };
        aircraft
    }

    fn new(role: Role, random: &mut Random) -> Self {
        let (near, far, speeds, heights, life) = match role {
            Role::Airliner => (20e3, 200e3, (380.0, 490.0), (9_000.0, 39_000.0), (240.0, 1_200.0)),
            Role::Helicopter => (15e3, 60e3, (70.0, 130.0), (500.0, 1_800.0), (200.0, 900.0)),
            Role::Bandit => (55e3, 80e3, (560.0, 640.0), (250.0, 700.0), (230.0, 290.0)),
        };
        let place = SITE.ahead(random.between(0.0, 360.0), random.between(near, far));
        let altitude_ft = random.between(heights.0, heights.1);
        Aircraft {
            role,
            icao: 0x40_0000 + random.below(0xC_0000) as u32,
            callsign: callsign(role, random),
            squawk: random.below(0o7000),
            place,
            heading: if role == Role::Bandit { place.bearing_to(SITE) } else { random.between(0.0, 360.0) },
            turning: if role == Role::Helicopter { random.between(-3.0, 3.0) } else { 0.0 },
            speed_kt: random.between(speeds.0, speeds.1),
            altitude_ft,
            climb_fpm: if role == Role::Airliner { random.between(-1_800.0, 1_800.0) } else { 0.0 },
            age: 0,
            life: (random.between(life.0, life.1) * 1_000.0 / ROUND_MS as f64) as i64,
            silence: (random.between(70.0, 150.0) * 1_000.0 / ROUND_MS as f64) as i64,
        }
    }

    /// One round of flight.
    fn fly(&mut self, random: &mut Random) {
        self.age += 1;
        if self.age < 0 {
            return;
        }
        if self.age > self.life + self.silence {
            *self = Aircraft::new(self.role, random);
        }
        let seconds = ROUND_MS as f64 / 1_000.0;
        if self.role == Role::Airliner && random.one_in(120) {
            self.turning = random.between(-1.5, 1.5);
            self.climb_fpm = random.between(-1_800.0, 1_800.0);
        } else if self.role == Role::Airliner && random.one_in(30) {
            (self.turning, self.climb_fpm) = (0.0, 0.0);
        }
        self.heading = (self.heading + self.turning * seconds).rem_euclid(360.0);
        self.altitude_ft = (self.altitude_ft + self.climb_fpm * seconds / 60.0).clamp(200.0, 41_000.0);
        self.place = self.place.ahead(self.heading, self.speed_kt * 1_852.0 / 3_600.0 * seconds);
    }

    fn is_due(&self, saying: Saying) -> bool {
        let every = |rounds, offset| (0..self.life).contains(&self.age) && self.age % rounds == offset;
        match saying {
            // Bandits do not say who they are.
            Saying::Ident => self.role != Role::Bandit && every(10, 1),
            Saying::Position => every(1, 0),
            Saying::Velocity => every(2, 0),
            Saying::Squawk => self.role != Role::Bandit && every(20, 3),
            Saying::Altitude => every(8, 5),
            Saying::AllCall => every(6, 2),
            Saying::Farewell => self.role == Role::Helicopter && self.age == self.life,
        }
    }

    fn say(&self, saying: Saying, now: u64, out: &mut Vec<u8>) {
        match saying {
            Saying::Ident => {
                self.begin(b"MSG,1", now, out);
                out.extend_from_slice(&self.callsign);
                out.extend_from_slice(b",,,,,,,,,,,");
            }
            Saying::Position => {
                self.begin(b"MSG,3", now, out);
                out.push(b',');
                self.put_altitude(out);
                out.extend_from_slice(b",,,");
                put_decimal(self.place.lat, 5, out);
                out.push(b',');
                put_decimal(self.place.lon, 5, out);
                out.extend_from_slice(b",,,0,0,0,0");
            }
            Saying::Velocity => {
                self.begin(b"MSG,4", now, out);
                out.extend_from_slice(b",,");
                put_decimal(self.speed_kt, 1, out);
                out.push(b',');
                put_decimal(self.heading, 1, out);
                out.extend_from_slice(b",,,");
                put_decimal((self.climb_fpm / 64.0).round() * 64.0, 0, out);
                out.extend_from_slice(b",,,,,");
            }
            Saying::Squawk => {
                self.begin(b"MSG,6", now, out);
                out.push(b',');
                self.put_altitude(out);
                out.extend_from_slice(b",,,,,,");
                put_digits(self.squawk, 8, 4, out);
                out.extend_from_slice(b",0,0,0,0");
            }
            Saying::Altitude => {
                self.begin(b"MSG,5", now, out);
                out.push(b',');
                self.put_altitude(out);
                out.extend_from_slice(b",,,,,,,0,,0,0");
            }
            Saying::AllCall => {
                self.begin(b"MSG,8", now, out);
                out.extend_from_slice(b",,,,,,,,,,,0");
            }
            Saying::Farewell => {
                self.begin(b"STA,", now, out);
                out.extend_from_slice(b"RM");
            }
        }
    }

    /// The first ten fields and the comma behind them.
    fn begin(&self, kind: &[u8], now: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(kind);
        out.extend_from_slice(b",1,1,");
        put_digits(self.icao.into(), 16, 6, out);
        out.extend_from_slice(b",1,");
        let stamp = out.len();
        put_stamp(now, out);
        out.push(b',');
        out.extend_from_within(stamp..);
    }

    fn put_altitude(&self, out: &mut Vec<u8>) {
        put_decimal((self.altitude_ft / 25.0).round() * 25.0, 0, out);
    }
}

fn callsign(role: Role, random: &mut Random) -> [u8; 7] {
    const AIRLINES: [&[u8; 3]; 10] = [b"SAS", b"KLM", b"BAW", b"DLH", b"RYR", b"EZY", b"AFR", b"NAX", b"LOT", b"FIN"];
    let mut name = *b"HEL0000";
    if role == Role::Airliner {
        name[..3].copy_from_slice(AIRLINES[random.below(10) as usize]);
    }
    for digit in &mut name[3..] {
        *digit = b'1' + random.below(9) as u8;
    }
    name
}

/// Does to the line from `start` on what happens to lines.
fn damage(random: &mut Random, start: usize, out: &mut Vec<u8>) {
    let len = out.len() - start;
    match random.below(10) {
        0 => out.truncate(start),
        1 => out.truncate(start + len / 3),
        2 => out.truncate(start + len / 2),
        3 => out[start + 10..start + 16].copy_from_slice(b"GGGGGG"),
        4 => out[start..start + 3].copy_from_slice(b"M\xB3G"),
        5 => out[start + 4] = b'9',
        6 => misread_latitude(&mut out[start..]),
        7 => replace(start, b"*8D4CA2D6990C5A9F900000000000;", out),
        8 => replace(start, b"MSG,3,1,1,4CA2D6,1,,,,,,37000,,,0.00000,0.00000,,,0,0,0,0", out),
        _ => replace(start, b"MSG,3,1,1,4CA2D6,1,,,,,,37000,,,91.45735,-1.02826,,,0,0,0,0", out),
    }
}

/// Turns 56 degrees into 16: a good line, and an aircraft that cannot be there.
fn misread_latitude(line: &mut [u8]) {
    const LATITUDE: usize = 14;
    if let Some(digit) = line.split_mut(|byte| *byte == b',').nth(LATITUDE).and_then(<[u8]>::first_mut) {
        *digit = b'1';
    }
}

fn replace(start: usize, with: &[u8], out: &mut Vec<u8>) {
    out.truncate(start);
    out.extend_from_slice(with);
}

/// Writes a number with so many decimals.
fn put_decimal(value: f64, decimals: u32, out: &mut Vec<u8>) {
    let scale = 10_u64.pow(decimals);
    let scaled = (value.abs() * scale as f64).round() as u64;
    if value < 0.0 && scaled > 0 {
        out.push(b'-');
    }
    let whole = scaled / scale;
    put_digits(whole, 10, whole.checked_ilog10().unwrap_or(0) as usize + 1, out);
    if decimals > 0 {
        out.push(b'.');
        put_digits(scaled % scale, 10, decimals as usize, out);
    }
}

/// Writes exactly `width` digits.
fn put_digits(mut value: u64, base: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b"0123456789ABCDEF"[(value % base) as usize];
        value /= base;
    }
}

/// Writes `2026/11/21,12:00:00.000,`.
fn put_stamp(millis: u64, out: &mut Vec<u8>) {
    let (days, millis) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = date(days);
    for (value, width, end) in [
        (year, 4, b'/'),
        (month, 2, b'/'),
        (day, 2, b','),
        (millis / 3_600_000, 2, b':'),
        (millis / 60_000 % 60, 2, b':'),
        (millis / 1_000 % 60, 2, b'.'),
        (millis % 1_000, 3, b','),
    ] {
        put_digits(value, 10, width, out);
        out.push(end);
    }
    out.pop();
}

/// Year, month and day so many days after 1970-01-01, good until 2100.
fn date(days: u64) -> (u64, u64, u64) {
    // Four years from March to February have one leap day, and it is the last.
    let since_1968 = days + 671;
    let (era, day) = (since_1968 / 1_461, since_1968 % 1_461);
    let year = (day / 365).min(3);
    let day = day - year * 365;
    let month = (day * 5 + 2) / 153;
    let late = u64::from(month >= 10);
    (1968 + era * 4 + year + late, month + 3 - 12 * late, day - (month * 153 + 2) / 5 + 1)
}

/// SplitMix64: a counter and a good mixer.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbs::{self, Message};

    fn lines(mut scene: Scene, most: usize) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut line = Vec::new();
        while lines.len() < most && scene.write_line(&mut line) {
            lines.push(std::mem::take(&mut line));
        }
        lines
    }

    #[test]
    fn the_same_seed_is_the_same_scene() {
        let scene = |seed| lines(Scene::new(seed, 8, Duration::from_secs(20)), usize::MAX);
        assert_eq!(scene(7), scene(7));
        assert_ne!(scene(7), scene(8));
    }

    #[test]
    fn most_lines_are_good_and_in_the_order_of_time() {
        let lines = lines(Scene::new(1, 48, Duration::from_secs(180)), usize::MAX);
        let read: Vec<_> = lines.iter().map(|line| sbs::parse(line)).collect();
        let bad = read.iter().filter(|message| message.is_err()).count();
        assert!(lines.len() > 20_000, "{}", lines.len());
        assert!(bad > 20 && bad * 100 < lines.len(), "{bad} of {}", lines.len());
        let stamps: Vec<_> = read
            .iter()
            .filter_map(|message| match message {
                Ok(Message::Position(position)) => position.stamp,
                _ => None,
            })
            .collect();
        assert!(stamps.is_sorted());
        assert_eq!(stamps[0] / 1_000, BEGINNING as i64 / 1_000);
    }

    #[test]
    fn an_endless_scene_does_not_end() {
        assert_eq!(lines(Scene::endless(3, 16), 200_000).len(), 200_000);
        assert_eq!(lines(Scene::endless(3, 0), 10).len(), 0);
    }

    #[test]
    fn stamps_read_as_they_were_written() {
        for days in [0, 58, 59, 60, 789, 790, 11_016, 11_017, 20_778, 47_481] {
            let millis = days * 86_400_000 + 45_296_789;
            let mut line = b"CLK,,1,-1,,-1,".to_vec();
            put_stamp(millis, &mut line);
            let clock = sbs::Clock { stamp: Some(millis as i64) };
            assert_eq!(sbs::parse(&line), Ok(Message::Clock(clock)), "{}", String::from_utf8_lossy(&line));
        }
    }

    #[test]
    fn decimals() {
        let text = |value, decimals| {
            let mut out = Vec::new();
            put_decimal(value, decimals, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(-1.02826, 5), "-1.02826");
        assert_eq!(text(51.0, 2), "51.00");
        assert_eq!(text(-0.001, 1), "0.0");
        assert_eq!(text(-832.0, 0), "-832");
    }
}
