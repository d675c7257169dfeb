//! The radar picture: hears what aircraft say, and tells what became of their tracks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sigtree::{Bus, Error, Receiver, Signal};

use crate::feed::{HeardReading, LevelReading, MotionReading, PlotReading, Reading};
use crate::sbs::{Clock, Ident, Squawk, Status};
use crate::tracker::{Change, Refused, Track, Tracker};

/// A tracker that listens on a bus and answers on the same one.
#[derive(Debug)]
pub struct Picture {
    tracker: Mutex<Tracker>,
    new: Signal<Track>,
    updated: Signal<Track>,
    lost: Signal<Track>,
}

impl Picture {
    /// Listens to `adsb.*` and answers on `track.*`, beginning with the tracks of `tracker`.
    pub fn on(radar: &Bus, tracker: Tracker) -> Result<Receiver<Self>, Error> {
        let picture = Receiver::new(Picture {
            tracker: Mutex::new(tracker),
            new: radar.signal("track.new")?,
            updated: radar.signal("track.updated")?,
            lost: radar.signal("track.lost")?,
        });
        picture.connect(radar, "adsb.position", Self::hear::<PlotReading>)?;
        picture.connect(radar, "adsb.velocity", Self::hear::<MotionReading>)?;
        picture.connect(radar, "adsb.altitude", Self::hear::<LevelReading>)?;
        picture.connect(radar, "adsb.heard", Self::hear::<HeardReading>)?;
        picture.connect(radar, "adsb.ident", Self::hear::<Ident>)?;
        picture.connect(radar, "adsb.squawk", Self::hear::<Squawk>)?;
        picture.connect(radar, "adsb.status", Self::hear::<Status>)?;
        picture.connect(radar, "adsb.clock", Self::hear::<Clock>)?;
        Ok(picture)
    }

    /// The tracks as they are now; who holds the guard holds up the radar.
    pub fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the tracker does not believe is the handler's error, and so stands in the emitter's `Delivery`.
    fn hear<R: Reading>(&self, reading: &R) -> Result<(), Refused> {
        let (change, mut lost) = {
            let mut tracker = self.tracker();
            (tracker.apply(&reading.report()), tracker.take_lost())
        };
        // Whoever hears of a track may ask for the tracks, so the tracker is not locked here.
        while let Some(change) = lost {
            self.tell(change);
            lost = self.tracker().take_lost();
        }
        if let Some(change) = change? {
            self.tell(change);
        }
        Ok(())
    }

    fn tell(&self, change: Change) {
        match change {
            Change::New(track) => self.new.emit(track),
            Change::Updated(track) => self.updated.emit(track),
            Change::Lost(track) => self.lost.emit(track),
        };
    }
}
