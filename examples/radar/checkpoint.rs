//! The picture of a while ago and the events since: together they are the picture of now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sigtree::ReplayReport;
use sigtree::{Bus, Error, Event, History, Receiver};

use crate::picture::Picture;
use crate::tracker::Tracker;

/// A picture is kept every so many events. The last but one is at most twice as old, and the history reaches back to it.
const EVERY: u64 = 500;

/// Keeps the last two pictures, each with the place in the history it belongs to.
#[derive(Debug)]
pub struct Checkpoints {
    picture: Receiver<Picture>,
    history: History,
    seen: AtomicU64,
    kept: Mutex<[Checkpoint; 2]>,
}

#[derive(Debug, Clone, Default)]
struct Checkpoint {
    tracker: Tracker,
    sequence: u64,
}

/// A picture made of a checkpoint and a replay.
#[derive(Debug)]
pub struct Rebuilt {
    pub picture: Receiver<Picture>,
    pub report: ReplayReport,
    /// How many tracks the checkpoint had.
    pub began_with: usize,
}

impl Checkpoints {
    /// Keeps pictures of what is heard on `radar`, where `picture` is connected to exact topics and so is called first.
    pub fn on(radar: &Bus, picture: &Receiver<Picture>, history: &History) -> Result<Receiver<Self>, Error> {
        let checkpoints = Receiver::new(Checkpoints {
            picture: picture.clone(),
            history: history.clone(),
            seen: AtomicU64::new(0),
            kept: Mutex::default(),
        });
        checkpoints.connect(radar, "adsb.*", Self::note)?;
        Ok(checkpoints)
    }

    /// Makes the picture anew: the older checkpoint, and the events since, replayed on a bus of their own.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        let [Checkpoint { tracker, sequence }, _] = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let began_with = tracker.len();
        let radar = Bus::builder().name("replay").build();
        let picture = Picture::on(&radar, tracker)?;
        let report = self.history.replay().range(sequence + 1..).run(&radar.child("adsb")?);
        Ok(Rebuilt { picture, report, began_with })
    }

    fn note(&self, _event: &Event<'_>) {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if seen.is_multiple_of(EVERY) {
            let tracker = self.picture.tracker().clone();
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.rotate_left(1);
            kept[1] = Checkpoint { tracker, sequence: self.history.last_sequence() };
        }
    }
}
