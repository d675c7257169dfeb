//! What the decoder says on the bus: one typed signal for each kind of message.

use sigtree::{Bus, Delivery, Error, Signal};

use crate::plot::{Level, Motion, Plot, Report};
use crate::sbs::{Altitude, Clock, Heard, Ident, Message, Notice, Position, Squawk, Status, Velocity};

/// A message with units: as the feed said it, until a layer has made it metric. So the topic keeps one payload type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measured<F, M> {
    /// In feet and knots.
    Feed(F),
    /// In metres and metres per second.
    Metric(M),
}

pub type PlotReading = Measured<Position, Plot>;
pub type MotionReading = Measured<Velocity, Motion>;
pub type LevelReading = Measured<Altitude, Level>;
pub type HeardReading = Measured<Heard, Level>;

impl<F: Copy + Into<M>, M: Copy> Measured<F, M> {
    /// The metric message, converted now if no layer has done so.
    pub fn metric(&self) -> M {
        match *self {
            Measured::Feed(message) => message.into(),
            Measured::Metric(message) => message,
        }
    }
}

/// What the tracker can take in, whatever it is.
pub trait Reading: Copy + PartialEq + Send + Sync + 'static {
    fn report(&self) -> Report;
}

macro_rules! readings {
    ($($reading:ty => $kind:ident($take:expr);)*) => { $(
        impl Reading for $reading {
            fn report(&self) -> Report {
                Report::$kind($take(self))
            }
        }
    )* };
}

readings! {
    PlotReading => Plot(Measured::metric);
    MotionReading => Motion(Measured::metric);
    LevelReading => Level(Measured::metric);
    HeardReading => Level(Measured::metric);
    Ident => Ident(|ident: &Ident| *ident);
    Squawk => Squawk(|squawk: &Squawk| *squawk);
    Status => Status(|status: &Status| *status);
    Clock => Clock(|clock: &Clock| *clock);
}

/// Sends each message on the topic of its kind. The signals are found once, so a line costs no look-up.
#[derive(Debug)]
pub struct Decoder {
    position: Signal<PlotReading>,
    velocity: Signal<MotionReading>,
    altitude: Signal<LevelReading>,
    heard: Signal<HeardReading>,
    ident: Signal<Ident>,
    squawk: Signal<Squawk>,
    status: Signal<Status>,
    clock: Signal<Clock>,
    notice: Signal<Notice>,
}

impl Decoder {
    /// A decoder that speaks on `adsb`.
    pub fn new(adsb: &Bus) -> Result<Self, Error> {
        Ok(Decoder {
            position: adsb.signal("position")?,
            velocity: adsb.signal("velocity")?,
            altitude: adsb.signal("altitude")?,
            heard: adsb.signal("heard")?,
            ident: adsb.signal("ident")?,
            squawk: adsb.signal("squawk")?,
            status: adsb.signal("status")?,
            clock: adsb.signal("clock")?,
            notice: adsb.signal("notice")?,
        })
    }

    pub fn emit(&self, message: &Message) -> Delivery {
        match *message {
            Message::Position(position) => self.position.emit(Measured::Feed(position)),
            Message::Velocity(velocity) => self.velocity.emit(Measured::Feed(velocity)),
            Message::Altitude(altitude) => self.altitude.emit(Measured::Feed(altitude)),
            Message::Heard(heard) => self.heard.emit(Measured::Feed(heard)),
            Message::Ident(ident) => self.ident.emit(ident),
            Message::Squawk(squawk) => self.squawk.emit(squawk),
            Message::Status(status) => self.status.emit(status),
            Message::Clock(clock) => self.clock.emit(clock),
            Message::Notice(notice) => self.notice.emit(notice),
        }
    }
}
