//! A simulated sky that speaks SBS: the same seed gives the same lines.
//!
//! Airliners cross at cruising height or climb and descend, helicopters circle low, and a few bandits come in fast
//! and low towards the [`SITE`]. Aircraft fall silent and others take their place. As on a real feed, a few lines
//! in a hundred are repeated and a few in a thousand are damaged.

mod aircraft;
mod chance;
mod damage;
mod saying;

use std::time::Duration;

use fastrand::Rng;
use jiff::SignedDuration;
use jiff::civil::{DateTime, date};

use crate::plot::Place;
use aircraft::Aircraft;
use chance::one_in;
use damage::damage;
use saying::Saying;

/// What the bandits are after.
pub const SITE: Place = Place { lat: 56.0, lon: 3.0 };

/// When every scene begins.
const BEGINNING: DateTime = date(2026, 11, 21).at(12, 0, 0, 0);

/// Each aircraft has one turn in this time, and says where it is.
const ROUND_MS: u64 = 500;

/// The scene, handed out line by line in the order of time.
#[derive(Debug, Clone)]
pub struct Scene {
    random: Rng,
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
        let mut random = Rng::with_seed(seed);
        let aircraft = (0..aircraft).map(|n| Aircraft::first(n, &mut random)).collect();
        Scene { random, aircraft, turn: 0, saying: 0, round: 0, rounds, last: Vec::new() }
    }

    /// Appends one line with its line end; `false`, and nothing appended, when the scene is over.
    pub fn write_line(&mut self, out: &mut Vec<u8>) -> bool {
        let repeats = !self.last.is_empty() && one_in(40, &mut self.random);
        if !repeats {
            let Some(line) = self.next_line() else {
                return false;
            };
            self.last = line;
        }
        out.extend_from_slice(&self.last);
        true
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let (turn, saying, now) = self.next_due()?;
        let mut line = saying.line(&self.aircraft[turn], now).into_bytes();
        if one_in(250, &mut self.random) {
            damage(&mut line, &mut self.random);
        }
        line.extend_from_slice(b"\r\n");
        Some(line)
    }

    /// Moves on to the next aircraft with something to say: which one, what, and when.
    fn next_due(&mut self) -> Option<(usize, Saying, DateTime)> {
        while !self.aircraft.is_empty() && self.round < self.rounds {
            let (now, turn, saying) = (self.now(), self.turn, Saying::ALL[self.saying]);
            if self.saying == 0 {
                self.aircraft[turn].fly(&mut self.random);
            }
            self.advance();
            if saying.is_due(&self.aircraft[turn]) {
                return Some((turn, saying, now));
            }
        }
        None
    }

    /// The turns of a round are spread over its time.
    fn now(&self) -> DateTime {
        let millis = self.round * ROUND_MS + self.turn as u64 * ROUND_MS / self.aircraft.len() as u64;
        BEGINNING + SignedDuration::from_millis(millis as i64)
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
        assert_eq!(stamps[0] / 1_000, 1_795_262_400);
    }

    #[test]
    fn an_endless_scene_does_not_end() {
        assert_eq!(lines(Scene::endless(3, 16), 200_000).len(), 200_000);
        assert_eq!(lines(Scene::endless(3, 0), 10).len(), 0);
    }
}
