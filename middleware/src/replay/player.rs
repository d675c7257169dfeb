//! [`Player`]: a replay that can be paused, stepped, sought in and read from anywhere.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use super::control::Wish;
use super::pace::Pace;
use super::{Moments, Owner, ReplayControl, ReplayReport, Speed, SpeedError, Target, give};
use crate::{Clock, Entry, IntoPattern, Limits, ParseError, SystemClock};

/// The longest it sleeps before it looks at its buttons again.
const SLICE: Duration = Duration::from_millis(20);

/// Replays entries as they are read, under the control of whoever holds its [`ReplayControl`].
///
/// Reach for it when a [`Replay`](crate::Replay) is not enough: when the past is too large to be kept in memory, or
/// somebody wants to pause, step and seek in it. It reads one entry at a time, from a `Vec` or from a file of 10 GB. What
/// it emits is what a replay emits.
///
/// To seek back it needs the past once more from its beginning, so it is made of a closure that opens it. Seeking reads
/// all entries on the way; it is a matter of minutes in a file of 10 GB.
///
/// Several runs of a program in one recording are played end to end, without a pause between two of them. Times to seek
/// and to choose by are those [moments](Moments): in the first run, times on the bus's clock.
///
/// # Examples
///
/// Step by step, in one thread:
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, History, ManualClock};
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let history = History::new();
/// bus.layer(history.clone());
/// for n in 1..=5_u32 {
///     bus.emit("count", n);
///     clock.advance(Duration::from_secs(1));
/// }
///
/// let mut player = history.replay().player();
/// assert!(player.step(&bus));
/// player.seek(Duration::from_secs(3));
/// assert_eq!(player.run(&bus).replayed, 2);
/// assert_eq!(player.control().position(), Duration::from_secs(4));
/// ```
///
/// While it runs, from wherever you like:
///
/// ```
/// use sigtree::{Bus, History};
///
/// let bus = Bus::new();
/// let history = History::new();
/// bus.layer(history.clone());
/// (0..10_u32).for_each(|n| drop(bus.emit("count", n)));
///
/// let mut player = history.replay().player();
/// let control = player.control();
/// let _until_three = bus.connect("count", move |n: &u32| if *n == 3 { control.stop() })?;
/// assert_eq!(player.run(&bus).replayed, 4);
/// assert_eq!(player.run(&bus).replayed, 6);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[must_use = "a player does nothing until `run` or `step` is called"]
pub struct Player {
    open: Box<dyn FnMut() -> Tape + Send>,
    tape: Option<Tape>,
    choices: Vec<Choice>,
    /// The latest moment of all entries that were read off the tape, played or passed over.
    read_to: Option<Duration>,
    /// The entry that is read and not yet emitted.
    ahead: Option<Placed>,
    /// Entries before this one are passed over, up to the first that is not.
    sought: Option<Duration>,
    pace: Pace,
    clock: Box<dyn Clock>,
    control: ReplayControl,
    owner: Option<Arc<dyn Owner>>,
}

/// Entries as they come, or why one of them cannot be read.
type Tape = Box<dyn Iterator<Item = Result<Placed, Unread>> + Send>;

/// Put into words for those reasons only that are kept.
type Unread = Box<dyn fmt::Display>;

/// An entry, and the moment it has among the runs before it.
type Placed = (Duration, Entry);

/// Whether an entry is played.
type Choice = Box<dyn FnMut(&Entry, Duration) -> bool + Send>;

/// What reading on brought.
enum Found {
    Entry,
    Nothing,
    Unread(Unread),
    End,
}

impl Player {
    /// Plays what `open` gives; it is called again to seek back.
    pub fn of<I>(mut open: impl FnMut() -> I + Send + 'static) -> Self
    where
        I: IntoIterator<Item = Entry>,
        I::IntoIter: Send + 'static,
    {
        Self::on(Box::new(move || Box::new(lay_out(open().into_iter().map(Ok)))))
    }

    /// The same for entries of which some may be unreadable: those are passed over and
    /// [counted](ReplayReport::unread), and the first [reasons](ReplayReport::reasons) are kept.
    pub fn try_of<I, E: fmt::Display + 'static>(mut open: impl FnMut() -> I + Send + 'static) -> Self
    where
        I: IntoIterator<Item = Result<Entry, E>>,
        I::IntoIter: Send + 'static,
    {
        Self::on(Box::new(move || Box::new(lay_out(open().into_iter().map(|entry| entry.map_err(boxed))))))
    }

    /// Plays entries whose moments are known.
    pub(super) fn of_moments<I>(mut open: impl FnMut() -> I + Send + 'static) -> Self
    where
        I: Iterator<Item = Placed> + Send + 'static,
    {
        Self::on(Box::new(move || Box::new(open().map(Ok))))
    }

    fn on(open: Box<dyn FnMut() -> Tape + Send>) -> Self {
        Self {
            open,
            tape: None,
            read_to: None,
            choices: Vec::new(),
            ahead: None,
            sought: None,
            pace: Pace::default(),
            clock: Box::new(SystemClock::new()),
            control: ReplayControl::new(Speed::Instant),
            owner: None,
        }
    }

    /// Plays the entries whose topics match.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn matching(self, pattern: impl IntoPattern) -> Result<Self, ParseError> {
        let pattern = pattern.into_pattern(&Limits::new())?;
        Ok(self.filter(move |entry| pattern.matches(entry.topic())))
    }

    /// Plays the entries for which `keep` says `true`, as well as every other choice.
    pub fn filter(self, mut keep: impl FnMut(&Entry) -> bool + Send + 'static) -> Self {
        self.choose(move |entry, _| keep(entry))
    }

    fn choose(mut self, keep: impl FnMut(&Entry, Duration) -> bool + Send + 'static) -> Self {
        self.choices.push(Box::new(keep));
        self
    }

    /// Plays the entries with these sequences.
    pub fn range(self, sequences: impl RangeBounds<u64> + Send + 'static) -> Self {
        self.filter(move |entry| sequences.contains(&entry.sequence()))
    }

    /// Plays what was emitted at this [moment](Moments) or later.
    pub fn since(self, moment: Duration) -> Self {
        self.choose(move |_, own| own >= moment)
    }

    /// Plays what was emitted before this [moment](Moments).
    pub fn until(self, moment: Duration) -> Self {
        self.choose(move |_, own| own < moment)
    }

    /// Plays the events that no other led to: see [`Replay::roots`](crate::Replay::roots).
    pub fn roots(self) -> Self {
        self.filter(|entry| entry.causation().is_none())
    }

    /// Sets the speed; [`Speed::Instant`] unless said otherwise.
    ///
    /// # Errors
    ///
    /// If it is [`Speed::Times`] of a number that is not finite and above zero.
    pub fn speed(self, speed: Speed) -> Result<Self, SpeedError> {
        self.control.set_speed(speed)?;
        Ok(self)
    }

    /// Pauses by this clock; by a [`SystemClock`] unless said otherwise.
    pub fn clock(self, clock: impl Clock) -> Self {
        self.clock_in(Box::new(clock))
    }

    pub(super) fn clock_in(self, clock: Box<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    pub(super) fn owned_by(self, owner: Option<Arc<dyn Owner>>) -> Self {
        Self { owner, ..self }
    }

    /// The buttons: a handle for other threads and for handlers.
    #[must_use]
    pub fn control(&self) -> ReplayControl {
        self.control.clone()
    }

    /// Plays on to the end, or until it is stopped; while it is paused, it waits.
    ///
    /// Each event has its moment, counted from the first of this run; the time that handlers take is not added to the
    /// pauses.
    pub fn run(&mut self, target: &(impl Target + ?Sized)) -> ReplayReport {
        let mut report = ReplayReport::default();
        self.pace = Pace::default();
        while self.follow(self.control.wish(), target, &mut report) {}
        report
    }

    /// Emits the next event now, paused or not; `false` at the end.
    pub fn step(&mut self, target: &(impl Target + ?Sized)) -> bool {
        self.emit_next(target, &mut ReplayReport::default())
    }

    /// Goes to the first event that was emitted at this [moment](Moments) or later.
    pub fn seek(&mut self, moment: Duration) {
        if self.read_to.is_some_and(|latest| latest >= moment) {
            (self.tape, self.read_to) = (None, None);
        }
        self.ahead = None;
        self.sought = Some(moment);
        self.pace = Pace::default();
    }

    /// Does what is wished for; `false` when the run is over.
    fn follow(&mut self, wish: Wish, target: &(impl Target + ?Sized), report: &mut ReplayReport) -> bool {
        match wish {
            Wish::Stop => return false,
            Wish::Wait => self.wait(),
            Wish::Seek(moment) => self.seek(moment),
            Wish::Step => return self.emit_next(target, report),
            Wish::Play(speed) => return self.play(speed, target, report),
        }
        true
    }

    /// A wait of the listener is no pause of the recording.
    fn wait(&mut self) {
        let before = self.clock.elapsed();
        self.control.wait();
        self.pace.shift(self.clock.elapsed().saturating_sub(before));
    }

    /// Does one thing: reads on, sleeps a little, or emits; `false` at the end.
    fn play(&mut self, speed: Speed, target: &(impl Target + ?Sized), report: &mut ReplayReport) -> bool {
        match self.read_on() {
            Found::End => return false,
            Found::Nothing => {}
            Found::Unread(reason) => report.count_unread(&*reason),
            Found::Entry => match self.pause_before_next(speed).min(SLICE) {
                Duration::ZERO => self.emit(target, report),
                slice => {
                    self.clock.sleep(slice);
                    report.waited = report.waited.saturating_add(slice);
                }
            },
        }
        true
    }

    fn pause_before_next(&mut self, speed: Speed) -> Duration {
        let moment = self.ahead.as_ref().map_or(Duration::ZERO, |(moment, _)| *moment);
        self.pace.pause_before(moment, speed, self.clock.elapsed())
    }

    /// Reads on to the next entry and emits it; `false` at the end.
    fn emit_next(&mut self, target: &(impl Target + ?Sized), report: &mut ReplayReport) -> bool {
        loop {
            match self.read_on() {
                Found::End => return false,
                Found::Nothing => {}
                Found::Unread(reason) => report.count_unread(&*reason),
                Found::Entry => {
                    self.emit(target, report);
                    self.pace = Pace::default();
                    return true;
                }
            }
        }
    }

    /// Reads one entry, unless there is one already.
    fn read_on(&mut self) -> Found {
        if self.ahead.is_some() {
            return Found::Entry;
        }
        let tape = self.tape.get_or_insert_with(|| (self.open)());
        match tape.next() {
            None => Found::End,
            Some(Err(reason)) => Found::Unread(reason),
            Some(Ok((moment, entry))) => {
                self.read_to = self.read_to.max(Some(moment));
                if !self.is_chosen(&entry, moment) {
                    return Found::Nothing;
                }
                self.ahead = Some((moment, entry));
                Found::Entry
            }
        }
    }

    fn is_chosen(&mut self, entry: &Entry, moment: Duration) -> bool {
        if self.sought.is_some_and(|sought| moment < sought) {
            return false;
        }
        self.sought = None;
        self.choices.iter_mut().all(|keep| keep(entry, moment))
    }

    fn emit(&mut self, target: &(impl Target + ?Sized), report: &mut ReplayReport) {
        let Some((moment, entry)) = self.ahead.take() else { return };
        // A handler that looks at the position sees that of its event.
        self.control.note(moment);
        give(self.owner.as_deref(), &entry, target, report);
    }
}

fn boxed(error: impl fmt::Display + 'static) -> Unread {
    Box::new(error)
}

/// Gives each entry its moment, as it is read.
fn lay_out(entries: impl Iterator<Item = Result<Entry, Unread>>) -> impl Iterator<Item = Result<Placed, Unread>> {
    let mut moments = Moments::new();
    entries.map(move |entry| entry.map(|entry| (moments.of(entry.stamp()), entry)))
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").field("ahead", &self.ahead).field("control", &self.control).finish_non_exhaustive()
    }
}
