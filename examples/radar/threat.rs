//! Who is coming at the site, and what to do about it. Nothing here keeps the tracks; it only judges them.

use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasherDefault;

use crate::plot::Place;
use crate::sbs::{Code, Icao};
use crate::tracker::{IcaoHasher, Track};

/// From this level on a threat is answered.
pub const ANSWER_LEVEL: u8 = 8;

/// An answered threat is left alone again at this level: two apart, so that no one is answered twice a second.
pub const CALM_LEVEL: u8 = 5;

/// What is to be protected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Site {
    pub place: Place,
    /// Passing further away than this is not coming at it.
    pub radius_m: f64,
}

/// How dangerous one track is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threat {
    pub icao: Icao,
    /// From 0, harmless, to 10.
    pub level: u8,
    pub reason: Reason,
    /// Metres per second towards the site; negative when going away.
    pub closing_ms: f64,
    /// `None` for a track that is not coming closer.
    pub seconds_to_site: Option<f64>,
}

impl Threat {
    fn harmless(track: &Track, reason: Reason) -> Self {
        Threat { icao: track.icao, level: 0, reason, closing_ms: 0.0, seconds_to_site: None }
    }
}

/// What decided the level of a [`Threat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unplaced,
    OnGround,
    GoingAway,
    PassingBy,
    Approaching,
    FastApproach,
    LowAndFast,
    Hijacked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reason::Unplaced => "position or motion unknown",
            Reason::OnGround => "on the ground",
            Reason::GoingAway => "going away",
            Reason::PassingBy => "passing by",
            Reason::Approaching => "approaching",
            Reason::FastApproach => "approaching fast",
            Reason::LowAndFast => "approaching low and fast",
            Reason::Hijacked => "approaching, squawks 7500",
        })
    }
}

/// Judges one track: how soon it could be here counts most, then how it comes.
pub fn assess(track: &Track, site: &Site) -> Threat {
    let (Some(place), Some(speed), Some(heading)) = (track.place, track.speed_ms, track.heading) else {
        return Threat::harmless(track, Reason::Unplaced);
    };
    if track.on_ground {
        return Threat::harmless(track, Reason::OnGround);
    }
    // How far the site is along the heading, and how far beside it.
    let (east, north) = place.offset_m(site.place);
    let (sin, cos) = f64::from(heading).to_radians().sin_cos();
    let (ahead, beside) = (east * sin + north * cos, east * cos - north * sin);
    let distance = ahead.hypot(beside).max(1.0);
    let closing_ms = f64::from(speed) * ahead / distance;
    if closing_ms <= 0.0 {
        return Threat { closing_ms, ..Threat::harmless(track, Reason::GoingAway) };
    }
    let seconds = distance / closing_ms;
    let (level, reason) =
        if beside.abs() > site.radius_m { (1, Reason::PassingBy) } else { judge(track, speed, seconds) };
    Threat { icao: track.icao, level, reason, closing_ms, seconds_to_site: Some(seconds) }
}

fn judge(track: &Track, speed: f32, seconds: f64) -> (u8, Reason) {
    let soon = match seconds {
        ..60.0 => 5,
        ..120.0 => 4,
        ..300.0 => 3,
        ..600.0 => 2,
        _ => 1,
    };
    let fast = speed > 270.0;
    let low = track.altitude_m.is_some_and(|metres| metres < 600.0);
    match (fast, low) {
        _ if track.squawk == Some(Code(0o7500)) => (soon + 4, Reason::Hijacked),
        (true, true) => (soon + 5, Reason::LowAndFast),
        (true, false) => (soon + 2, Reason::FastApproach),
        (false, _) => (soon, Reason::Approaching),
    }
}

/// What is done against a threat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Countermeasure {
    pub icao: Icao,
    pub kind: Technique,
    pub power_dbm: f32,
    pub effectiveness: f32,
    pub confidence: f32,
    pub engagement: Engagement,
    pub kill_probability: f32,
}

/// How a [`Countermeasure`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Technique {
    NoiseJam,
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Technique::NoiseJam => "NOISE_JAM",
        })
    }
}

/// How far a [`Countermeasure`] has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engagement {
    Engaging,
    Ended,
}

impl fmt::Display for Engagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Engagement::Engaging => "ENGAGING",
            Engagement::Ended => "ENDED",
        })
    }
}

/// The answer to a threat of [`ANSWER_LEVEL`] or more.
pub fn answer(threat: &Threat) -> Option<Countermeasure> {
    (threat.level >= ANSWER_LEVEL).then_some(Countermeasure {
        icao: threat.icao,
        kind: Technique::NoiseJam,
        power_dbm: 40.0,
        effectiveness: 0.8,
        confidence: 0.85,
        engagement: Engagement::Engaging,
        kill_probability: 0.75,
    })
}

/// The end of an answer.
pub fn stand_down(icao: Icao) -> Countermeasure {
    Countermeasure {
        icao,
        kind: Technique::NoiseJam,
        power_dbm: f32::NEG_INFINITY,
        effectiveness: 0.0,
        confidence: 1.0,
        engagement: Engagement::Ended,
        kill_probability: 0.0,
    }
}

/// Remembers who is being answered, so that each threat is answered once.
#[derive(Debug, Default)]
pub struct Watch {
    engaged: HashSet<Icao, BuildHasherDefault<IcaoHasher>>,
}

impl Watch {
    /// Engages at [`ANSWER_LEVEL`], ends at [`CALM_LEVEL`], and says nothing in between.
    pub fn update(&mut self, threat: &Threat) -> Option<Engagement> {
        if threat.level >= ANSWER_LEVEL {
            return self.engaged.insert(threat.icao).then_some(Engagement::Engaging);
        }
        if threat.level <= CALM_LEVEL {
            return self.forget(threat.icao);
        }
        None
    }

    /// Ends the engagement of a lost track, if there was one.
    pub fn forget(&mut self, icao: Icao) -> Option<Engagement> {
        self.engaged.remove(&icao).then_some(Engagement::Ended)
    }

    /// How many threats are being answered.
    pub fn engaged(&self) -> usize {
        self.engaged.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Motion, Plot, Report};
    use crate::tracker::Tracker;

    const SITE: Site = Site { place: Place { lat: 56.0, lon: 3.0 }, radius_m: 10_000.0 };

    /// A track north of the site.
    fn track(metres: f64, altitude_m: f32, speed_ms: f32, heading: f32) -> Track {
        let (icao, stamp) = (Icao(1), Some(1_000));
        let place = SITE.place.ahead(0.0, metres);
        let (altitude_m, speed_ms, heading) = (Some(altitude_m), Some(speed_ms), Some(heading));
        let mut tracker = Tracker::new();
        let plot = Plot { icao, stamp, place, altitude_m, speed_ms: None, heading: None, on_ground: false };
        tracker.apply(&Report::Plot(plot)).unwrap();
        let motion = Motion { icao, stamp, speed_ms, heading, climb_ms: None };
        *tracker.apply(&Report::Motion(motion)).unwrap().unwrap().track()
    }

    /// An airliner about to pass overhead, but for one thing.
    fn but(change: impl FnOnce(&mut Track)) -> Track {
        let mut airliner = track(10_000.0, 10_000.0, 240.0, 180.0);
        change(&mut airliner);
        airliner
    }

    #[test]
    fn who_is_dangerous() {
        for (track, level, reason) in [
            (track(80_000.0, 150.0, 310.0, 180.0), 8, Reason::LowAndFast),
            (track(15_000.0, 150.0, 310.0, 180.0), 10, Reason::LowAndFast),
            (track(15_000.0, 10_000.0, 310.0, 180.0), 7, Reason::FastApproach),
            (track(10_000.0, 10_000.0, 240.0, 180.0), 5, Reason::Approaching),
            (track(2_000.0, 300.0, 60.0, 180.0), 5, Reason::Approaching),
            (track(80_000.0, 150.0, 310.0, 150.0), 1, Reason::PassingBy),
            (track(15_000.0, 150.0, 310.0, 0.0), 0, Reason::GoingAway),
            (but(|track| track.on_ground = true), 0, Reason::OnGround),
            (but(|track| track.heading = None), 0, Reason::Unplaced),
            (but(|track| track.squawk = Some(Code(0o7500))), 9, Reason::Hijacked),
        ] {
            let threat = assess(&track, &SITE);
            assert_eq!((threat.level, threat.reason), (level, reason), "{threat:?}");
            assert_eq!(answer(&threat).is_some(), level >= 8);
        }
    }

    #[test]
    fn how_soon() {
        let threat = assess(&track(31_000.0, 150.0, 310.0, 180.0), &SITE);
        assert!((threat.closing_ms - 310.0).abs() < 0.1);
        assert!((threat.seconds_to_site.unwrap() - 100.0).abs() < 0.1);
    }

    #[test]
    fn a_threat_is_answered_once_and_calmed_once() {
        let mut watch = Watch::default();
        let threat = assess(&track(15_000.0, 150.0, 310.0, 180.0), &SITE);
        let said: Vec<_> =
            [7, 8, 9, 7, 8, 6, 5, 5].iter().filter_map(|&level| watch.update(&Threat { level, ..threat })).collect();
        assert_eq!(said, [Engagement::Engaging, Engagement::Ended]);
        assert_eq!((watch.engaged(), watch.forget(Icao(1))), (0, None));
    }
}
