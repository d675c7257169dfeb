//! Electronic warfare: judges the tracks of the radar and answers the dangerous ones.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use sigtree::{Bus, Error, Receiver, Signal};

use crate::plot::Place;
use crate::threat::{self, CALM_LEVEL, Countermeasure, Engagement, Site, Threat, Watch};
use crate::tracker::Track;

/// Passing further away than this is not coming at the site.
const RADIUS_M: f64 = 10_000.0;

/// Listens to the parent's tracks, speaks on a child of its own.
#[derive(Debug)]
pub struct Defence {
    site: OnceLock<Site>,
    watch: Mutex<Watch>,
    threat: Signal<Threat>,
    countermeasure: Signal<Countermeasure>,
}

impl Defence {
    /// Protects `place`, or, if nobody says what is to be protected, the place of the first plot.
    pub fn on(bus: &Bus, place: Option<Place>) -> Result<Receiver<Self>, Error> {
        let ew = bus.child("ew")?;
        let defence = Receiver::new(Defence {
            site: place.map(site).map_or_else(OnceLock::new, OnceLock::from),
            watch: Mutex::default(),
            threat: ew.signal("threat")?,
            countermeasure: ew.signal("countermeasure")?,
        });
        defence.connect(bus, ["radar.track.new", "radar.track.updated"], Self::judge)?;
        defence.connect(bus, "radar.track.lost", Self::forget)?;
        Ok(defence)
    }

    /// Where the site is, if that is known yet.
    pub fn place(&self) -> Option<Place> {
        self.site.get().map(|site| site.place)
    }

    /// How many threats are being answered.
    pub fn engaged(&self) -> usize {
        self.watch().engaged()
    }

    fn judge(&self, track: &Track) {
        let Some(place) = track.place else { return };
        let threat = threat::assess(track, self.site.get_or_init(|| site(place)));
        let change = self.watch().update(&threat);
        if threat.level > CALM_LEVEL {
            self.threat.emit(threat);
        }
        match change {
            Some(Engagement::Engaging) => threat::answer(&threat).into_iter().for_each(|answer| self.say(answer)),
            Some(Engagement::Ended) => self.say(threat::stand_down(threat.icao)),
            None => {}
        }
    }

    fn forget(&self, track: &Track) {
        let ended = self.watch().forget(track.icao);
        if ended.is_some() {
            self.say(threat::stand_down(track.icao));
        }
    }

    fn say(&self, countermeasure: Countermeasure) {
        self.countermeasure.emit(countermeasure);
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The surroundings of a place.
pub fn site(place: Place) -> Site {
    Site { place, radius_m: RADIUS_M }
}
