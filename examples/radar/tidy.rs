//! The middleware between the decoder and everybody else: repeats out, units metric, nonsense out, the rest recorded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, PoisonError};

use sigtree::{Event, Filter, History, Middleware, Next, ParseError, Scoped, Stack, Transform};

use crate::feed::{HeardReading, LevelReading, Measured, MotionReading, PlotReading, Reading};
use crate::plot::{Motion, Place, Plot};
use crate::sbs::{Icao, Ident, Squawk, Status};
use crate::tracker::{IcaoHasher, MAX_SPEED_MS, MAX_TRACKS};

/// The layers in order. Repeats go first, so that nobody works for them; the history comes last, so that it holds what
/// the tracker saw and nothing else.
pub fn stack(history: &History) -> Result<Stack, ParseError> {
    let position = (
        Repeats::<PlotReading>::new(),
        Transform::new(|plot: &PlotReading| Measured::Metric(plot.metric())),
        Filter::payload(|plot: &PlotReading| is_possible_place(&plot.metric()))
            .reason("impossible place: no aircraft is there"),
    );
    let velocity = (
        Repeats::<MotionReading>::new(),
        Transform::new(|motion: &MotionReading| Measured::Metric(motion.metric())),
        Filter::payload(|motion: &MotionReading| is_possible_speed(&motion.metric()))
            .reason("impossible speed: no aircraft goes that fast"),
    );
    let altitude =
        (Repeats::<LevelReading>::new(), Transform::new(|level: &LevelReading| Measured::Metric(level.metric())));
    let heard =
        (Repeats::<HeardReading>::new(), Transform::new(|level: &HeardReading| Measured::Metric(level.metric())));
    Ok(Stack::new()
        .with(Scoped::new("position", position)?)
        .with(Scoped::new("velocity", velocity)?)
        .with(Scoped::new("altitude", altitude)?)
        .with(Scoped::new("heard", heard)?)
        .with(Scoped::new("ident", Repeats::<Ident>::new())?)
        .with(Scoped::new("squawk", Repeats::<Squawk>::new())?)
        .with(Scoped::new("status", Repeats::<Status>::new())?)
        .with(history.clone()))
}

/// Receivers that lack a satellite fix put aircraft where the equator meets Greenwich.
fn is_possible_place(plot: &Plot) -> bool {
    const NOWHERE: Place = Place { lat: 0.0, lon: 0.0 };
    plot.place != NOWHERE && plot.altitude_m.is_none_or(|metres| (-500.0..30_000.0).contains(&metres))
}

fn is_possible_speed(motion: &Motion) -> bool {
    motion.speed_ms.is_none_or(|speed| f64::from(speed) <= MAX_SPEED_MS)
}

/// Ends a message that says exactly what its aircraft said last, at the same time: two receivers heard it.
///
/// Messages without a date pass: of those, two equal ones may well be two.
struct Repeats<R> {
    last: Mutex<HashMap<Icao, R, BuildHasherDefault<IcaoHasher>>>,
}

impl<R: Reading> Repeats<R> {
    fn new() -> Self {
        Repeats { last: Mutex::default() }
    }

    fn is_repeat(&self, reading: &R) -> bool {
        let report = reading.report();
        let (Some(icao), Some(_)) = (report.icao(), report.stamp()) else { return false };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() > MAX_TRACKS {
            last.clear();
        }
        match last.entry(icao) {
            Entry::Occupied(mut entry) => entry.insert(*reading) == *reading,
            Entry::Vacant(entry) => {
                entry.insert(*reading);
                false
            }
        }
    }
}

impl<R: Reading> Middleware for Repeats<R> {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if event.payload().is_some_and(|reading| self.is_repeat(reading)) {
            next.discard(event, "repeat: exactly what the aircraft said last, at the same time");
        } else {
            next.run(event);
        }
    }

    fn describe(&self) -> Cow<'static, str> {
        "no repeats of what an aircraft said last".into()
    }
}
