//! The radar station: what is connected to what.
//!
//! ```text
//! site                     counts and screen listen here, to everything below
//! ├── radar                the picture hears `adsb.*` and says `track.new`, `track.updated`, `track.lost`
//! │   └── adsb             the decoder says `position`, `velocity`, ... through a stack of layers
//! └── ew                   the defence hears the site's `radar.track.*`, says `threat` and `countermeasure`
//! ```

use std::error::Error;

use sigtree::{Bus, Cause, History, Receiver, SequentialIds};

use crate::checkpoint::Checkpoints;
use crate::counts::Counts;
use crate::ew::Defence;
use crate::feed::Decoder;
use crate::lines::Line;
use crate::picture::Picture;
use crate::plot::Place;
use crate::report::Rejects;
use crate::sbs;
use crate::tidy;
use crate::tracker::{Refused, Tracker};

const TOPICS: [&str; 14] = [
    "radar.adsb.position",
    "radar.adsb.velocity",
    "radar.adsb.altitude",
    "radar.adsb.heard",
    "radar.adsb.ident",
    "radar.adsb.squawk",
    "radar.adsb.status",
    "radar.adsb.clock",
    "radar.adsb.notice",
    "radar.track.new",
    "radar.track.updated",
    "radar.track.lost",
    "ew.threat",
    "ew.countermeasure",
];

/// Everything that lives as long as the radar plays.
#[derive(Debug)]
pub struct Station {
    pub site: Bus,
    pub adsb: Bus,
    pub history: History,
    pub picture: Receiver<Picture>,
    pub defence: Receiver<Defence>,
    pub checkpoints: Receiver<Checkpoints>,
    pub counts: Counts,
    decoder: Decoder,
}

impl Station {
    /// A station that protects `place`, or the place of the first plot.
    pub fn new(place: Option<Place>) -> Result<Self, Box<dyn Error>> {
        // Numbers for ids: cheaper than unique ones, and the same in every run.
        let site = Bus::builder().name("site").ids(SequentialIds::default()).build();
        let radar = site.child("radar")?;
        let adsb = radar.child("adsb")?;

        // The last 1,000 messages, as the layers before the history left them.
        let history = History::new();
        adsb.set_stack(tidy::stack(&history)?);

        let picture = Picture::on(&radar, Tracker::new())?;
        let checkpoints = Checkpoints::on(&radar, &picture, &history)?;
        let defence = Defence::on(&site, place)?;
        let counts = Counts::on(&site, &TOPICS)?;
        let decoder = Decoder::new(&adsb)?;
        Ok(Station { site, adsb, history, picture, defence, checkpoints, counts, decoder })
    }

    /// Handles one line; if it is rejected and the first of its kind, says why.
    pub fn hear(&self, line: Line<'_>, rejects: &mut Rejects) -> Option<String> {
        let message = match line.whole().and_then(sbs::parse) {
            Ok(message) => message,
            Err(reject) => return rejects.add(reject.kind(), &reject, line.bytes()),
        };
        let delivery = self.decoder.emit(&message);
        if let Some(reason) = delivery.filtered() {
            let (kind, why) = reason.split_once(": ").unwrap_or((reason, "a layer ended it"));
            return rejects.add(kind, &why, line.bytes());
        }
        let failure = delivery.failures().first()?;
        rejects.add(kind_of(&failure.cause), &failure.cause, line.bytes())
    }
}

/// The tracker's refusals are errors of its handler.
fn kind_of(cause: &Cause) -> &'static str {
    match cause {
        Cause::Error(error) => error.downcast_ref().map_or("failed handler", Refused::kind),
        Cause::Panic(_) => "panicked handler",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{SITE, Scene};

    /// Plays the first lines of a scene.
    fn played(lines: usize) -> (Station, Rejects) {
        let station = Station::new(Some(SITE)).unwrap();
        let mut rejects = Rejects::new();
        let mut scene = Scene::endless(1, 48);
        let mut line = Vec::new();
        for _ in 0..lines {
            line.clear();
            scene.write_line(&mut line);
            station.hear(Line::Whole(&line), &mut rejects);
        }
        (station, rejects)
    }

    fn count(station: &Station, topic: &str) -> u64 {
        station.counts.rows().filter(|(name, _)| name.starts_with(topic)).map(|(_, count)| count).sum()
    }

    fn radar(station: &Station) -> Bus {
        station.adsb.parent().unwrap()
    }

    #[test]
    fn every_line_is_an_event_or_rejected() {
        let (station, rejects) = played(20_000);
        let (messages, refused) = (count(&station, "radar.adsb"), radar(&station).failures());
        assert_eq!(messages + rejects.total(), 20_000 + refused, "the tracker's refusals are events as well");
        assert!(rejects.total() > 100 && refused > 0);
        let plots: u64 = station.picture.tracker().sorted().iter().map(|track| u64::from(track.plots)).sum();
        assert!(plots > 5_000 && plots <= count(&station, "radar.adsb.position"));
        assert!(count(&station, "ew.countermeasure") > 0);
    }

    #[test]
    fn a_line_said_twice_is_one_event() {
        let station = Station::new(None).unwrap();
        let mut rejects = Rejects::new();
        let line = b"MSG,3,,,4CA2D6,,2026/11/21,12:00:00.500,,,,10000,,,51.5,-1.0,,,0,0,0,0";
        let news = [(); 3].map(|()| station.hear(Line::Whole(line), &mut rejects));
        assert_eq!((count(&station, "radar.adsb"), rejects.total()), (1, 2));
        assert_eq!((news[0].is_some(), news[1].is_some(), news[2].is_some()), (false, true, false));
    }

    #[test]
    fn a_checkpoint_and_a_replay_are_the_picture() {
        for lines in [0, 1, 499, 700, 1_999, 12_345] {
            let (station, _) = played(lines);
            let rebuilt = station.checkpoints.rebuild().unwrap();
            assert_eq!(rebuilt.report.refused, 0);
            assert_eq!(rebuilt.picture.tracker().sorted(), station.picture.tracker().sorted(), "{lines} lines");
        }
    }

    #[test]
    fn nothing_is_left_behind() {
        let (station, _) = played(5_000);
        let radar = radar(&station);
        let Station { site, adsb, picture, defence, checkpoints, counts, .. } = station;
        drop((picture, defence, checkpoints, counts));
        assert_eq!((site.connections(), radar.connections(), adsb.connections()), (0, 0, 0));
    }
}
