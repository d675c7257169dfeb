//! What is shown while the radar plays: answers to threats, the first rejected line of each kind, and live, the tracks.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use sigtree::{Error, Event, Receiver};

use crate::args::Source;
use crate::picture::Picture;
use crate::report;
use crate::station::Station;
use crate::threat::{Countermeasure, Engagement};
use crate::tracker::Track;

/// More answers than this are counted and not shown, unless the feed is live.
const MOST_ANSWERS: usize = 12;

/// Shows a line for what it is connected to.
#[derive(Debug)]
pub struct Screen {
    picture: Receiver<Picture>,
    most: usize,
    shown: AtomicUsize,
}

impl Screen {
    pub fn on(station: &Station, source: &Source) -> Result<Receiver<Self>, Error> {
        let live = matches!(source, Source::Receiver(_));
        let most = if live { usize::MAX } else { MOST_ANSWERS };
        let screen = Receiver::new(Screen { picture: station.picture.clone(), most, shown: AtomicUsize::new(0) });
        screen.connect(&station.site, "ew.countermeasure", Self::show_answer)?;
        if live {
            screen.connect(&station.site, ["radar.track.new", "radar.track.lost"], Self::show_track)?;
        }
        Ok(screen)
    }

    fn show_answer(&self, answer: &Countermeasure) {
        let shown = self.shown.fetch_add(1, Ordering::Relaxed);
        if shown < self.most {
            let Countermeasure { icao, kind, power_dbm, engagement, .. } = answer;
            match engagement {
                Engagement::Engaging => {
                    let track = self.picture.tracker().get(*icao).copied();
                    let height = track.and_then(|track| track.altitude_m).unwrap_or(f32::NAN);
                    let speed = track.and_then(|track| track.speed_ms).unwrap_or(f32::NAN);
                    self.show(format_args!(
                        "{engagement:<9} {icao}  {kind} at {power_dbm} dBm: it comes at {speed:.0} m/s, {height:.0} m high"
                    ));
                }
                Engagement::Ended => self.show(format_args!("{engagement:<9} {icao}  {kind}")),
            }
        } else if shown == self.most {
            self.show(format_args!("further answers are counted, not shown"));
        }
    }

    fn show_track(&self, track: &Track, event: &Event<'_>) {
        let what = event.topic().segments().last().unwrap_or_default();
        self.show(format_args!("{what:<9} {}  {}", track.icao, track.callsign));
    }

    /// Shows a line with the time of the feed.
    fn show(&self, text: fmt::Arguments<'_>) {
        let seconds = self.picture.tracker().now() / 1_000 % 86_400;
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        // Whoever closes the screen is told at the end.
        let _ = writeln!(io::stdout(), "{hours:02}:{minutes:02}:{seconds:02}  {text}");
    }
}

/// Shows the first rejected line of a kind.
pub fn show_rejected(why: &str, line: &[u8]) {
    let _ = writeln!(io::stdout(), "rejected  {why}\n          {}", report::printable(line, 72));
}
