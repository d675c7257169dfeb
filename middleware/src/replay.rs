//! [`Replay`]: the past, emitted once more.

mod control;
mod moments;
mod pace;
mod player;
mod speed;

use std::fmt;
use std::ops::RangeBounds;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use control::ReplayControl;
pub use moments::Moments;
pub use player::Player;
pub use speed::{ParseSpeedError, Speed, SpeedError};

use crate::text::shortened;
use crate::{
    Clock, Entry, Envelope, Erased, EventId, IntoPattern, Limits, ParseError, Sealed, Stamp, SystemClock, Topic,
};

/// Emits entries of a [`History`](crate::History) once more, on the same bus or on another.
///
/// Get one from [`History::replay`](crate::History::replay), say which entries and how fast, and [`run`](Self::run) it.
/// Each call that chooses entries narrows what is left, so `.matching("a.**")?.last(3)` is the last three of `a.**`.
///
/// A replayed event has the id, the times, the payload and the envelope of the original, without its deadline, which has
/// passed, and is marked as [replayed](crate::Event::is_replayed); a history does not record it again unless asked to. It
/// goes through the bus's stack and to its handlers like any event. What is recorded during a replay is not part of it. Events that handlers
/// emit in answer are new ones, not marked: replay the causes, by [`matching`](Self::matching), and the answers come anew.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
/// use sigtree::Bus;
/// use sigtree::middleware::{History, ManualClock, SequentialIds, Speed};
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).ids(SequentialIds::default()).build();
/// let history = History::new();
/// bus.layer(history.clone());
/// for n in 1..=3_u32 {
///     bus.emit("radar.track", n);
///     clock.advance(Duration::from_secs(1));
/// }
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let tracks = seen.clone();
/// let _late = bus.connect("radar.*", move |n: &u32| tracks.lock().unwrap().push(*n))?;
/// let report = history.replay().last(2).speed(Speed::RealTime)?.clock(clock).run(&bus);
///
/// assert_eq!(*seen.lock().unwrap(), [2, 3]);
/// assert_eq!((report.replayed, report.waited), (2, Duration::from_secs(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a replay does nothing until `run` is called"]
pub struct Replay {
    entries: Vec<Entry>,
    /// When each of them happened.
    moments: Vec<Duration>,
    speed: Speed,
    clock: Box<dyn Clock>,
    owner: Option<Arc<dyn Owner>>,
}

/// Who has what a replay gives, and lets go of it then.
pub(crate) trait Owner: Send + Sync {
    /// Calls `give` and says what became of the event; `None` if the entry is no longer there.
    fn give(&self, entry: &Entry, give: &dyn Fn() -> Landing) -> Option<Landing>;
}

/// What a [`Replay`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Events that the target took.
    pub replayed: usize,
    /// Of those, events that nobody was called with.
    pub unheard: usize,
    /// Of those, events that a layer held back before anybody was called: what becomes of them is the layer's to say.
    pub held: usize,
    /// Events that the target refused.
    pub refused: usize,
    /// Entries that could not be read, where a [`Player`] reads them.
    pub unread: usize,
    /// Why entries were unread or refused: the first eight reasons, with the topic, and the line or the sequence.
    pub reasons: Vec<String>,
    /// The time spent in pauses.
    pub waited: Duration,
}

/// So many reasons are kept.
const REASONS: usize = 8;

/// What a replay emits on: a bus, for instance.
pub trait Target {
    /// Emits an event once more, and says what became of it.
    fn replay(&self, event: &Replayed<'_>) -> Landing;
}

/// What became of a replayed event at its [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Landing {
    /// A handler was called with it.
    Called,
    /// A layer holds it back.
    Held,
    /// It was taken, and met nobody: a layer ended it, or its handlers are gone, muted, or left alone.
    Unheard,
    /// It was refused before anybody saw it; [`Replayed::refuse`] says why.
    Refused,
}

/// One event on its way to a [`Target`].
#[derive(Debug)]
pub struct Replayed<'r> {
    entry: &'r Entry,
    sealed: Sealed,
    refusal: OnceLock<String>,
}

impl Replay {
    /// Replays these entries, in this order.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let mut moments = Moments::new();
        let moments = entries.iter().map(|entry| moments.of(entry.stamp())).collect();
        Self { entries, moments, speed: Speed::Instant, clock: Box::new(SystemClock::new()), owner: None }
    }

    pub(crate) fn owned_by(self, owner: impl Owner + 'static) -> Self {
        Self { owner: Some(Arc::new(owner)), ..self }
    }

    /// Keeps the entries whose topics match.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn matching(self, pattern: impl IntoPattern) -> Result<Self, ParseError> {
        let pattern = pattern.into_pattern(&Limits::new())?;
        Ok(self.filter(|entry| pattern.matches(entry.topic())))
    }

    /// Keeps the entries for which `keep` says `true`.
    pub fn filter(self, mut keep: impl FnMut(&Entry) -> bool) -> Self {
        self.choose(|entry, _| keep(entry))
    }

    fn choose(mut self, mut keep: impl FnMut(&Entry, Duration) -> bool) -> Self {
        let all = self.entries.into_iter().zip(self.moments);
        (self.entries, self.moments) = all.filter(|(entry, moment)| keep(entry, *moment)).unzip();
        self
    }

    /// Keeps the entries with these sequences.
    ///
    /// ```
    /// # use sigtree_middleware::History;
    /// let history = History::new();
    /// let from_the_tenth_on = history.replay().range(10..);
    /// # assert!(from_the_tenth_on.entries().is_empty());
    /// ```
    pub fn range(self, sequences: impl RangeBounds<u64>) -> Self {
        self.filter(|entry| sequences.contains(&entry.sequence()))
    }

    /// Keeps what was emitted at this [moment](Moments) or later: for entries of one run, a time on its bus's clock.
    pub fn since(self, moment: Duration) -> Self {
        self.choose(|_, own| own >= moment)
    }

    /// Keeps what was emitted before this [moment](Moments).
    pub fn until(self, moment: Duration) -> Self {
        self.choose(|_, own| own < moment)
    }

    /// Keeps the events that no other led to: those without a [`causation`](Entry::causation).
    ///
    /// A bus whose handlers emit makes the others again by itself.
    pub fn roots(self) -> Self {
        self.filter(|entry| entry.causation().is_none())
    }

    /// Keeps the last `n` entries.
    pub fn last(mut self, n: usize) -> Self {
        let surplus = self.entries.len().saturating_sub(n);
        self.entries.drain(..surplus);
        self.moments.drain(..surplus);
        self
    }

    /// Sets the speed; [`Speed::Instant`] unless said otherwise.
    ///
    /// # Errors
    ///
    /// If it is [`Speed::Times`] of a number that is not finite and above zero.
    pub fn speed(self, speed: Speed) -> Result<Self, SpeedError> {
        Ok(Self { speed: speed.checked()?, ..self })
    }

    /// Pauses by this clock; by a [`SystemClock`] unless said otherwise.
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Box::new(clock), ..self }
    }

    /// The entries that will be replayed.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Replays the entries and returns when the last one is done.
    ///
    /// Each event has its moment, counted from the first; the time that handlers take is not added to the pauses. When
    /// an event was recorded later than one that was emitted after it, there is no pause between the two. Between runs of
    /// a program there is none either: see [`Moments`].
    pub fn run(&self, target: &(impl Target + ?Sized)) -> ReplayReport {
        let mut report = ReplayReport::default();
        let began = self.clock.elapsed();
        for (entry, moment) in self.entries.iter().zip(&self.moments) {
            let passed = self.clock.elapsed().saturating_sub(began);
            let pause = self.due(*moment).saturating_sub(passed);
            if !pause.is_zero() {
                self.clock.sleep(pause);
                report.waited = report.waited.saturating_add(pause);
            }
            give(self.owner.as_deref(), entry, target, &mut report);
        }
        report
    }

    /// When an event is due, counted from the beginning of the replay.
    fn due(&self, moment: Duration) -> Duration {
        let first = self.moments.first().copied().unwrap_or_default();
        self.speed.pause_for(moment.saturating_sub(first))
    }

    /// The same replay, to be paused, stepped and sought in.
    pub fn player(self) -> Player {
        let entries: Arc<[(Duration, Entry)]> = self.moments.into_iter().zip(self.entries).collect();
        let again = move || {
            let entries = entries.clone();
            (0..entries.len()).map(move |i| entries[i].clone())
        };
        let player = Player::of_moments(again).clock_in(self.clock).owned_by(self.owner);
        player.control().set_speed(self.speed).expect("a speed that was checked");
        player
    }
}

/// Gives an entry to a target, through its owner if it has one, and reports what became of it.
fn give(owner: Option<&dyn Owner>, entry: &Entry, target: &(impl Target + ?Sized), report: &mut ReplayReport) {
    let event = Replayed::of(entry);
    let give = || target.replay(&event);
    let landing = match owner {
        Some(owner) => owner.give(entry, &give),
        None => Some(give()),
    };
    if let Some(landing) = landing {
        report.count(landing);
    }
    if let (Some(Landing::Refused), Some(reason)) = (landing, event.refusal.get()) {
        report.keep(format_args!("event {} on `{}`: {reason}", entry.sequence(), entry.topic()));
    }
}

impl ReplayReport {
    fn count_unread(&mut self, reason: &dyn fmt::Display) {
        self.unread += 1;
        self.keep(reason);
    }

    fn keep(&mut self, reason: impl fmt::Display) {
        if self.reasons.len() < REASONS {
            self.reasons.push(shortened(reason.to_string()));
        }
    }

    fn count(&mut self, landing: Landing) {
        self.replayed += usize::from(landing != Landing::Refused);
        match landing {
            Landing::Called => {}
            Landing::Held => self.held += 1,
            Landing::Unheard => self.unheard += 1,
            Landing::Refused => self.refused += 1,
        }
    }
}

impl IntoIterator for Replay {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("entries", &self.entries.len())
            .field("speed", &self.speed)
            .finish_non_exhaustive()
    }
}

impl<'r> Replayed<'r> {
    fn of(entry: &'r Entry) -> Self {
        let envelope = entry.envelope().cloned().unwrap_or_default();
        let sealed = Sealed::new(Envelope { replayed: true, deadline: None, reply_to: None, ..envelope });
        Self { entry, sealed, refusal: OnceLock::new() }
    }

    /// Refuses it, and says why, for the [report](ReplayReport::reasons): for those who write a [`Target`].
    pub fn refuse(&self, reason: impl fmt::Display) -> Landing {
        // Of several reasons, the first is told.
        let _ = self.refusal.set(reason.to_string());
        Landing::Refused
    }

    /// The entry it was made from.
    #[must_use]
    pub fn entry(&self) -> &'r Entry {
        self.entry
    }

    /// The topic of the original.
    #[must_use]
    pub fn topic(&self) -> &'r Topic {
        self.entry.topic()
    }

    /// The payload of the original, shared.
    #[must_use]
    pub fn share_erased(&self) -> Arc<Erased> {
        self.entry.share_erased()
    }

    /// The id of the original.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.entry.id()
    }

    /// The times of the original.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.entry.stamp()
    }

    /// The envelope of the original, marked as replayed and without a deadline.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        self.sealed.envelope()
    }

    /// The same envelope on its way: for those who write a bus.
    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }
}
