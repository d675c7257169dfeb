//! The bare chain: the same work without a bus, to see what the bus costs.

use std::io::Read;
use std::time::Instant;

use crate::counts::Timings;
use crate::ew;
use crate::lines::{Lines, ReadError};
use crate::plot::{Place, Report};
use crate::sbs;
use crate::threat::{self, Countermeasure, Engagement, Site, Watch};
use crate::tracker::{Change, Tracker};

/// Parser, tracker and threat assessment called one after the other.
#[derive(Debug, Default)]
pub struct Chain {
    tracker: Tracker,
    watch: Watch,
    site: Option<Site>,
    pub answers: u64,
}

impl Chain {
    /// A chain that protects `place`, or the place of the first plot.
    pub fn new(place: Option<Place>) -> Self {
        Chain { site: place.map(ew::site), ..Chain::default() }
    }

    /// Works through all lines.
    pub fn play(&mut self, lines: &mut Lines<impl Read>) -> Result<Timings, ReadError> {
        let mut timings = Timings::default();
        while let Some(line) = lines.next_line()? {
            let began = Instant::now();
            if let Some(report) = line.whole().and_then(sbs::parse).ok().as_ref().and_then(Report::from_message) {
                self.hear(&report);
            }
            timings.add(began.elapsed());
        }
        Ok(timings)
    }

    fn hear(&mut self, report: &Report) {
        if let Ok(Some(change)) = self.tracker.apply(report) {
            self.judge(&change);
        }
        while let Some(change) = self.tracker.take_lost() {
            self.judge(&change);
        }
    }

    fn judge(&mut self, change: &Change) {
        let track = change.track();
        let answer = if let Change::Lost(_) = change {
            self.watch.forget(track.icao).map(|_| threat::stand_down(track.icao))
        } else if let Some(place) = track.place {
            let threat = threat::assess(track, self.site.get_or_insert_with(|| ew::site(place)));
            self.watch.update(&threat).and_then(|engagement| answer_to(&threat, engagement))
        } else {
            None
        };
        self.answers += u64::from(answer.is_some());
    }
}

fn answer_to(threat: &threat::Threat, engagement: Engagement) -> Option<Countermeasure> {
    match engagement {
        Engagement::Engaging => threat::answer(threat),
        Engagement::Ended => Some(threat::stand_down(threat.icao)),
    }
}
