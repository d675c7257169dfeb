//! Fuses reports into tracks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::plot::{Motion, Place, Plot, Report};
use crate::sbs::{Callsign, Code, Icao, Ident, State, Status};

/// A track that has not been heard for this long is lost.
pub const LOST_AFTER_MS: i64 = 60_000;

/// Faster than this between two plots is an error of the receiver, not an aircraft.
pub const MAX_SPEED_MS: f64 = 1_200.0;

/// A feed that invents aircraft must not fill the memory.
pub const MAX_TRACKS: usize = 100_000;

/// Plots are this far off without being wrong.
const SLACK_M: f64 = 500.0;

/// After this many refused plots in a row, the plot we believed is the wrong one.
const STRIKES: u8 = 5;

/// Everything known about one aircraft.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    pub icao: Icao,
    pub callsign: Callsign,
    pub place: Option<Place>,
    pub altitude_m: Option<f32>,
    pub speed_ms: Option<f32>,
    pub heading: Option<f32>,
    pub climb_ms: Option<f32>,
    pub squawk: Option<Code>,
    pub emergency: bool,
    pub on_ground: bool,
    pub first_seen: i64,
    pub last_seen: i64,
    pub messages: u32,
    pub plots: u32,
    /// When `place` was true, if its line said so.
    plotted: Option<i64>,
    /// Plots refused since the last good one.
    strikes: u8,
}

impl Track {
    fn new(icao: Icao, now: i64) -> Self {
        Track {
            icao,
            callsign: Callsign::NONE,
            place: None,
            altitude_m: None,
            speed_ms: None,
            heading: None,
            climb_ms: None,
            squawk: None,
            emergency: false,
            on_ground: false,
            first_seen: now,
            last_seen: now,
            messages: 0,
            plots: 0,
            plotted: None,
            strikes: 0,
        }
    }

    fn update(&mut self, report: &Report, now: i64) -> Result<(), Refused> {
        // A line that comes late does not make its aircraft older.
        self.last_seen = self.last_seen.max(now);
        self.messages = self.messages.saturating_add(1);
        match report {
            Report::Plot(plot) => self.plot(plot, plot.stamp.map(|_| now))?,
            Report::Motion(motion) => self.motion(motion),
            Report::Level(level) => self.altitude_m = level.altitude_m.or(self.altitude_m),
            Report::Ident(ident) => self.ident(ident),
            Report::Squawk(squawk) => {
                self.squawk = squawk.code.or(self.squawk);
                self.emergency = squawk.emergency;
            }
            Report::Status(_) | Report::Clock(_) => {}
        }
        Ok(())
    }

    fn plot(&mut self, plot: &Plot, at: Option<i64>) -> Result<(), Refused> {
        if let Err(refused) = self.plausible(plot.place, at) {
            self.strikes += 1;
            if self.strikes < STRIKES {
                return Err(refused);
            }
        }
        self.strikes = 0;
        self.place = Some(plot.place);
        self.plotted = at;
        self.plots = self.plots.saturating_add(1);
        self.on_ground = plot.on_ground;
        self.altitude_m = plot.altitude_m.or(self.altitude_m);
        self.speed_ms = plot.speed_ms.or(self.speed_ms);
        self.heading = plot.heading.or(self.heading);
        Ok(())
    }

    fn motion(&mut self, motion: &Motion) {
        self.speed_ms = motion.speed_ms.or(self.speed_ms);
        self.heading = motion.heading.or(self.heading);
        self.climb_ms = motion.climb_ms.or(self.climb_ms);
    }

    fn ident(&mut self, ident: &Ident) {
        if ident.callsign != Callsign::NONE {
            self.callsign = ident.callsign;
        }
    }

    /// Whether the aircraft can have come from its last place to this one; without dates, who knows.
    fn plausible(&self, place: Place, at: Option<i64>) -> Result<(), Refused> {
        let (Some(last), Some(plotted), Some(at)) = (self.place, self.plotted, at) else {
            return Ok(());
        };
        if at < plotted {
            return Err(Refused::OutOfOrder);
        }
        let seconds = (at - plotted) as f64 / 1_000.0;
        if last.distance_m(place) > SLACK_M + MAX_SPEED_MS * seconds {
            return Err(Refused::Jump);
        }
        Ok(())
    }
}

/// What became of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    New(Track),
    Updated(Track),
    Lost(Track),
}

impl Change {
    /// The track as it is now, or as it was when it was lost.
    pub fn track(&self) -> &Track {
        match self {
            Change::New(track) | Change::Updated(track) | Change::Lost(track) => track,
        }
    }
}

/// Why a good message was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    Jump,
    OutOfOrder,
    TooManyTracks,
}

impl Refused {
    /// A short name to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Refused::Jump => "impossible jump",
            Refused::OutOfOrder => "older than the last plot",
            Refused::TooManyTracks => "too many tracks",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Jump => write!(f, "the plot is further off than {MAX_SPEED_MS} m/s could have carried it"),
            Refused::OutOfOrder => f.write_str("the plot is older than the one before it"),
            Refused::TooManyTracks => write!(f, "there are {MAX_TRACKS} tracks already"),
        }
    }
}

impl std::error::Error for Refused {}

/// The picture: one track for each aircraft heard in the last minute of feed time.
///
/// Time is what the feed says it is, so a recording gives the same picture at any speed. A feed without dates has no
/// time: its tracks are never lost, and no jump is impossible.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    tracks: HashMap<Icao, Track, BuildHasherDefault<IcaoHasher>>,
    clock: FeedClock,
    next_sweep: i64,
    /// Found by the last sweep and not handed out yet.
    lost: Vec<Icao>,
}

impl Tracker {
    /// An empty picture.
    pub fn new() -> Self {
        Tracker::default()
    }

    /// Takes in one report and says what it changed; `None` if it concerns no track.
    ///
    /// Ask [`take_lost`](Tracker::take_lost) afterwards: time has passed for the other tracks, too.
    ///
    /// # Errors
    /// The report cannot be true. If its aircraft has a track, it still counts as heard.
    pub fn apply(&mut self, report: &Report) -> Result<Option<Change>, Refused> {
        let now = self.clock.tick(report.stamp());
        let icao = match report {
            Report::Plot(plot) => plot.icao,
            Report::Motion(motion) => motion.icao,
            Report::Level(level) => level.icao,
            Report::Ident(ident) => ident.icao,
            Report::Squawk(squawk) => squawk.icao,
            Report::Status(status) => return Ok(self.status(status)),
            Report::Clock(_) => return Ok(None),
        };
        let full = self.tracks.len() >= MAX_TRACKS;
        match self.tracks.entry(icao) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().update(report, now)?;
                Ok(Some(Change::Updated(*entry.get())))
            }
            Entry::Vacant(_) if full => Err(Refused::TooManyTracks),
            Entry::Vacant(entry) => {
                let track = entry.insert(Track::new(icao, now));
                track.update(report, now)?;
                Ok(Some(Change::New(*track)))
            }
        }
    }

    /// Takes one track that has gone silent out of the picture; call it until it says `None`.
    ///
    /// Looks through the tracks at most once per second of feed time; in between it costs a comparison.
    pub fn take_lost(&mut self) -> Option<Change> {
        if self.lost.is_empty() {
            self.sweep();
        }
        let track = self.tracks.remove(&self.lost.pop()?)?;
        Some(Change::Lost(track))
    }

    /// The tracks in order of their address.
    pub fn sorted(&self) -> Vec<&Track> {
        let mut tracks: Vec<_> = self.tracks.values().collect();
        tracks.sort_unstable_by_key(|track| track.icao);
        tracks
    }

    /// The track of one aircraft.
    pub fn get(&self, icao: Icao) -> Option<&Track> {
        self.tracks.get(&icao)
    }

    /// How many tracks there are.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// The feed's time, in milliseconds since 1970; zero before the first dated line.
    pub fn now(&self) -> i64 {
        self.clock.now
    }

    fn status(&mut self, status: &Status) -> Option<Change> {
        match status.state {
            State::Removed | State::Deleted => self.tracks.remove(&status.icao).map(Change::Lost),
            State::PositionLost | State::SignalLost | State::Good => None,
        }
    }

    fn sweep(&mut self) {
        let now = self.clock.now;
        // Behind by more than a second, and the feed's clock was set back.
        if now < self.next_sweep && self.next_sweep - now <= 1_000 {
            return;
        }
        self.next_sweep = now + 1_000;
        let silent = self.tracks.values().filter(|track| (now - track.last_seen).abs() > LOST_AFTER_MS);
        self.lost.extend(silent.map(|track| track.icao));
        // A hash map has no order of its own; a replay must lose them in the same one.
        self.lost.sort_unstable_by(|a, b| b.cmp(a));
    }
}

/// The time of the feed: that of its latest line, unless that line alone is far off.
#[derive(Debug, Clone, Default)]
struct FeedClock {
    now: i64,
    doubts: u8,
}

impl FeedClock {
    const FAR_MS: i64 = 600_000;
    const DOUBTS: u8 = 3;

    /// Moves on to `stamp` and returns the time to give the line.
    ///
    /// One wrong year must not make the whole picture old, so a leap is believed when several lines in a row agree.
    fn tick(&mut self, stamp: Option<i64>) -> i64 {
        let Some(stamp) = stamp else { return self.now };
        if self.now != 0 && (stamp - self.now).abs() > Self::FAR_MS {
            self.doubts += 1;
            if self.doubts < Self::DOUBTS {
                return self.now;
            }
            self.now = stamp;
        }
        self.doubts = 0;
        self.now = self.now.max(stamp);
        stamp
    }
}

/// Spreads a 24-bit address over 64 bits with one multiplication.
#[derive(Debug, Default, Clone, Copy)]
pub struct IcaoHasher(u64);

impl Hasher for IcaoHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(value)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbs;

    const ICAO: Icao = Icao(0x4CA2D6);
    const START: i64 = 1_800_000_000_000;

    fn report(line: &str) -> Report {
        Report::from_message(&sbs::parse(line.as_bytes()).unwrap()).unwrap()
    }

    fn plot(icao: Icao, ms: i64, lat: f64, lon: f64) -> Report {
        let (speed_ms, heading, on_ground) = (None, None, false);
        let place = Place { lat, lon };
        Report::Plot(Plot {
            icao,
            stamp: Some(START + ms),
            place,
            altitude_m: Some(3_000.0),
            speed_ms,
            heading,
            on_ground,
        })
    }

    fn clock(ms: i64) -> Report {
        Report::Clock(sbs::Clock { stamp: Some(START + ms) })
    }

    #[test]
    fn reports_of_one_aircraft_become_one_track() {
        let mut tracker = Tracker::new();
        let changes: Vec<_> = [
            "MSG,1,,,4CA2D6,,2026/11/21,12:00:00.000,,,RYR1427,,,,,,,,,,,",
            "MSG,3,,,4CA2D6,,2026/11/21,12:00:00.500,,,,10000,,,51.5,-1.0,,,0,0,0,0",
            "MSG,4,,,4CA2D6,,2026/11/21,12:00:01.000,,,,,360,90,,,-600,,,,,",
            "MSG,6,,,4CA2D6,,2026/11/21,12:00:01.500,,,,10000,,,,,,7700,0,1,0,0",
            "MSG,8,,,4CA2D6,,2026/11/21,12:00:02.000,,,,,,,,,,,,,,0",
        ]
        .iter()
        .map(|line| tracker.apply(&report(line)).unwrap().unwrap())
        .collect();
        assert!(matches!(changes[0], Change::New(_)));
        assert!(changes[1..].iter().all(|change| matches!(change, Change::Updated(_))));
        let track = tracker.get(ICAO).unwrap();
        assert_eq!(changes[4].track(), track);
        assert_eq!((track.callsign.as_str(), track.squawk, track.emergency), ("RYR1427", Some(Code(0o7700)), true));
        assert_eq!((track.altitude_m, track.heading), (Some(3_048.0), Some(90.0)));
        assert_eq!((track.messages, track.plots, track.last_seen - track.first_seen), (5, 1, 2_000));
    }

    #[test]
    fn a_silent_track_is_lost_once() {
        let mut tracker = Tracker::new();
        tracker.apply(&plot(Icao(2), 0, 50.0, 0.0)).unwrap();
        tracker.apply(&plot(Icao(1), 0, 51.0, 0.0)).unwrap();
        tracker.apply(&plot(Icao(3), 30_000, 52.0, 0.0)).unwrap();
        assert_eq!(tracker.take_lost(), None);
        tracker.apply(&clock(60_001)).unwrap();
        let lost: Vec<_> = std::iter::from_fn(|| tracker.take_lost()).map(|change| change.track().icao).collect();
        assert_eq!(lost, [Icao(1), Icao(2)]);
        assert_eq!(tracker.len(), 1);
    }

    #[test]
    fn a_late_line_makes_no_track_older() {
        let mut tracker = Tracker::new();
        tracker.apply(&plot(ICAO, 120_000, 50.0, 0.0)).unwrap();
        assert_eq!(tracker.apply(&plot(ICAO, 0, 50.0, 0.0)), Err(Refused::OutOfOrder));
        tracker.apply(&clock(122_000)).unwrap();
        assert_eq!(tracker.take_lost(), None);
    }

    #[test]
    fn the_receiver_may_remove_a_track() {
        let mut tracker = Tracker::new();
        tracker.apply(&plot(ICAO, 0, 50.0, 0.0)).unwrap();
        let removal = report("STA,,5,179,4CA2D6,10103,2027/01/15,08:00:00.000,,,RM");
        assert!(matches!(tracker.apply(&removal), Ok(Some(Change::Lost(_)))));
        assert_eq!(tracker.apply(&removal), Ok(None));
        assert_eq!(tracker.len(), 0);
    }

    #[test]
    fn an_impossible_jump_is_refused_until_it_insists() {
        let mut tracker = Tracker::new();
        tracker.apply(&plot(ICAO, 0, 50.0, 0.0)).unwrap();
        let verdicts: Vec<_> = (1..=5).map(|n| tracker.apply(&plot(ICAO, n * 500, 53.0, 0.0)).is_ok()).collect();
        assert_eq!(verdicts, [false, false, false, false, true]);
        assert_eq!(tracker.apply(&plot(ICAO, 2_000, 53.0, 0.0)), Err(Refused::OutOfOrder));
        assert_eq!(tracker.get(ICAO).unwrap().plots, 2);
    }

    #[test]
    fn a_feed_without_dates_has_tracks_too() {
        let mut tracker = Tracker::new();
        for lat in ["51.5", "51.6", "51.7"] {
            let plot = report(&format!("MSG,3,,,4CA2D6,,,,,,,10000,,,{lat},-1.0,,,0,0,0,0"));
            assert!(tracker.apply(&plot).is_ok());
        }
        assert_eq!((tracker.get(ICAO).unwrap().plots, tracker.take_lost()), (3, None));
    }

    #[test]
    fn one_wrong_year_ages_nothing() {
        let mut tracker = Tracker::new();
        tracker.apply(&plot(ICAO, 0, 50.0, 0.0)).unwrap();
        tracker.apply(&clock(1_000_000_000_000)).unwrap();
        assert_eq!((tracker.now(), tracker.take_lost()), (START, None));
        tracker.apply(&clock(100)).unwrap();
        for _ in 0..3 {
            tracker.apply(&clock(1_000_000_000_000)).unwrap();
        }
        assert!(tracker.take_lost().is_some(), "but three lines that agree are a new recording");
    }

    #[test]
    fn the_number_of_tracks_is_bounded() {
        let mut tracker = Tracker::new();
        for n in 0..MAX_TRACKS as u32 {
            tracker.apply(&plot(Icao(n + 1), 0, 50.0, 0.0)).unwrap();
        }
        assert_eq!(tracker.apply(&plot(Icao(0xFFFFFF), 0, 50.0, 0.0)), Err(Refused::TooManyTracks));
        assert_eq!(tracker.len(), MAX_TRACKS);
    }
}
