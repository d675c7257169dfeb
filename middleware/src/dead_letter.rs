//! [`DeadLetter`]: keeps what did not get through.

mod letter;
mod letters;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use letter::{DeadReason, Letter};

use letters::{Letters, Store};

use crate::history::Scales;
use crate::panics::{Panics, discard};
use crate::replay::Owner;
use crate::text::Counted;
use crate::{
    Advice, Answer, Entry, Event, EventId, HandlerCall, Landing, Middleware, Next, Place, Problem, Replay, Site,
    Standing, Tally, Weigh,
};

/// Keeps the events that handlers failed on, each with the handler, its error and the number of tries.
///
/// It is a handle: give a bus a clone and keep one. A setter makes a piece of its own, which starts anew. Reach for it
/// when an event must not be gone because a handler was out of order: [look](Self::letters) at what is there,
/// [drop](Self::remove) it, or [replay](Self::replay) it when the handler is mended. Each handler that fails makes a
/// letter of its own. If asked it also keeps what layers further in [refused](Self::refused), and what [met
/// nobody](Self::unheard).
///
/// It is bounded by count (1,000) and [bytes](Self::bytes). What falls out, the oldest first, is gone, and
/// [counted](Self::stats). It dies with the process. An event on which a layer panicked is not kept, nor is one whose
/// payload cannot be shared, which is counted. Handlers of a parent are the parent's: it needs dead letters of its own.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use sigtree::Bus;
/// use sigtree::middleware::DeadLetter;
///
/// static MENDED: AtomicBool = AtomicBool::new(false);
///
/// let bus = Bus::new();
/// let dead = DeadLetter::new();
/// bus.layer(dead.clone());
/// let _printer = bus.connect("print", |_: &u32| if MENDED.load(Ordering::Relaxed) { Ok(()) } else { Err("no paper") })?;
/// bus.emit("print", 7_u32);
///
/// let letters = dead.letters();
/// assert_eq!((letters[0].payload(), letters[0].error(), letters[0].attempts()), (Some(&7_u32), Some("no paper"), 1));
/// assert!(letters[0].to_string().starts_with("1. `print` for handler of `print` ("));
///
/// MENDED.store(true, Ordering::Relaxed);
/// assert_eq!(dead.replay().run(&bus).replayed, 1);
/// assert!(dead.is_empty());
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Each handler is called by itself. Since it may [keep](Middleware::retains) any payload, the bus puts each into one
/// `Arc`. An event that gets through costs nothing else; a letter takes a lock and a few allocations.
///
/// # Concurrency
///
/// The lock is held for a few instructions, never while a payload is weighed, dropped, or looked at.
///
/// # Place
///
/// It keeps the event as it is where it stands, and sees what layers further in make of a failure. An event that one of
/// them held it keeps as it was there: what changed it before that changes it again in a replay. So it belongs behind
/// what changes payloads, lest they are changed again when it is replayed, and before a [`Retry`](crate::Retry), lest
/// each try makes a letter:
///
/// ```
/// use sigtree::{Bus, Stack, Transform};
/// use sigtree::middleware::DeadLetter;
///
/// let double = || Transform::new(|n: &u32| n * 2);
/// let replayed = |stack: Stack, dead: &DeadLetter| {
///     let bus = Bus::new();
///     bus.set_stack(stack);
///     let _broken = bus.connect("n", |_: &u32| Err("broken"))?;
///     bus.emit("n", 1_u32);
///     let letter = dead.letters().remove(0);
///     Ok::<_, sigtree::Error>(letter.payload::<u32>().copied())
/// };
/// let (kept, doubled) = (DeadLetter::new(), DeadLetter::new());
///
/// // Replayed on a bus that doubles, it is doubled as the original was.
/// assert_eq!(replayed(Stack::new().with(kept.clone()).with(double()), &kept)?, Some(1));
/// // The wrong way round for that: what was doubled is doubled again.
/// assert_eq!(replayed(Stack::new().with(double()).with(doubled.clone()), &doubled)?, Some(2));
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct DeadLetter {
    count: usize,
    bytes: usize,
    scales: Scales,
    refused: bool,
    unheard: bool,
    store: Arc<Store>,
}

/// What became of the events that did not get through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterStats {
    /// Letters kept so far, those that are gone included.
    pub kept: u64,
    /// Letters that fell out, because there were too many or their bytes.
    pub evicted: u64,
    /// Events that were larger than all letters may be.
    pub refused: u64,
    /// Events whose payload could not be shared.
    pub unkept: u64,
}

impl DeadLetter {
    /// Keeps at most 1,000 letters, of events that handlers failed on.
    #[must_use]
    pub fn new() -> Self {
        let (count, bytes) = (1_000, usize::MAX);
        Self { count, bytes, scales: Scales::default(), refused: false, unheard: false, store: Arc::default() }
    }

    /// Keeps at most this many letters.
    #[must_use]
    pub fn count(self, most: usize) -> Self {
        Self { count: most, ..self.anew() }
    }

    /// Keeps at most this many bytes: what payloads [weigh](Self::weigh), the reasons' texts, and
    /// [`Entry::OVERHEAD`](crate::Entry::OVERHEAD) for each letter.
    ///
    /// An event larger than that alone is refused and counted, and pushes nothing out.
    #[must_use]
    pub fn bytes(self, most: usize) -> Self {
        Self { bytes: most, ..self.anew() }
    }

    /// Asks payloads of this type how many bytes they take; others count for their own size.
    #[must_use]
    pub fn weigh<T: Weigh>(mut self) -> Self {
        self.scales.register::<T>();
        self.anew()
    }

    /// Keeps also the events that layers further in end with a reason, and those a layer does not let a handler have.
    ///
    /// Of several reasons in one emit the first one stands, and makes the letter.
    #[must_use]
    pub fn refused(self) -> Self {
        Self { refused: true, ..self.anew() }
    }

    /// Keeps also the events that meet nobody, here or on the buses above; on a connection it changes nothing.
    #[must_use]
    pub fn unheard(self) -> Self {
        Self { unheard: true, ..self.anew() }
    }

    /// Keeps an event that a layer refuses: for layers of one's own, which then [discard](Next::discard) it.
    ///
    /// Such a layer says that it [keeps payloads](Middleware::retains).
    pub fn keep(&self, event: &Event<'_>, reason: impl Into<Arc<str>>) {
        self.put(event, DeadReason::Refused(reason.into()), None);
    }

    /// Keeps an event that did not get through somewhere else, for the one it was for: for those who write a queue.
    ///
    /// The letter gets its sequence here, and the payload is weighed.
    pub fn add(&self, entry: Entry, reason: DeadReason, to: Site<'_>, attempts: u32) {
        let bytes = self.scales.weigh(entry.erased()).saturating_add(Entry::OVERHEAD);
        self.post(Letter::to(entry.weighing(bytes), reason, Some((to, attempts))));
    }

    /// The letters, the oldest first.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.store.letters.lock().list.iter().cloned().collect()
    }

    /// Whether both keep their letters in one place, as clones do.
    #[must_use]
    pub fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.store, &other.store)
    }

    /// How many letters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.letters.lock().list.len()
    }

    /// Whether there is no letter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of the events that did not get through.
    #[must_use]
    pub fn stats(&self) -> DeadLetterStats {
        let Letters { kept, evicted, .. } = *self.store.letters.lock();
        // Relaxed: both only count.
        let [refused, unkept] = [&self.store.refused, &self.store.unkept].map(|count| count.load(Ordering::Relaxed));
        DeadLetterStats { kept, evicted, refused, unkept }
    }

    /// Takes out the letter with this sequence.
    pub fn remove(&self, sequence: u64) -> Option<Letter> {
        self.store.letters.lock().remove(sequence)
    }

    /// Takes out the letters for which `choose` says `true`.
    pub fn take_if(&self, mut choose: impl FnMut(&Letter) -> bool) -> Vec<Letter> {
        let letters = self.letters();
        let chosen = letters.iter().filter(|letter| choose(letter)).map(Letter::sequence).collect();
        self.store.take(&chosen)
    }

    /// Takes out all letters.
    pub fn take(&self) -> Vec<Letter> {
        let mut letters = self.store.letters.lock();
        letters.bytes = 0;
        std::mem::take(&mut letters.list).into()
    }

    /// Gives the events of all letters once more.
    ///
    /// An event with several letters is given once. It goes through the stack and to **all** handlers of its topic, also
    /// to those that succeeded the first time; they can tell by [`Event::is_replayed`]. What fails again comes back as a
    /// new letter.
    ///
    /// The letters are taken out when their event is given, and put back if the target refuses it or panics, or if nobody
    /// is called with it: because a layer ends it, such as a [`Deduplicate`](crate::Deduplicate) that has seen it, or because
    /// the handler is muted or gone. A handler that a layer leaves alone meanwhile, such as a
    /// [`CircuitBreaker`](crate::CircuitBreaker), makes a new letter, also unless [asked](Self::refused). An event that a layer
    /// holds back counts as given: what a [`Debounce`](crate::Debounce) drops of it is gone. The
    /// [report](crate::ReplayReport) tells how many there were of each.
    ///
    /// Those that the replay leaves out, or never comes to, stay; those that somebody else took out meanwhile are not given.
    pub fn replay(&self) -> Replay {
        self.replay_if(|_| true)
    }

    /// The same for the letters for which `choose` says `true`.
    pub fn replay_if(&self, mut choose: impl FnMut(&Letter) -> bool) -> Replay {
        let mut chosen = self.letters();
        chosen.retain(|letter| choose(letter));
        let mut sequences: HashMap<EventId, Vec<u64>> = HashMap::new();
        let mut entries = Vec::new();
        for letter in chosen {
            let of_event = sequences.entry(letter.entry().id()).or_default();
            of_event.push(letter.sequence());
            if of_event.len() == 1 {
                entries.push(letter.into_entry());
            }
        }
        Replay::of(entries).owned_by(Post { letters: self.clone(), sequences })
    }

    fn anew(self) -> Self {
        Self { store: Arc::default(), ..self }
    }

    fn put(&self, event: &Event<'_>, reason: DeadReason, handler: Option<&HandlerCall<'_>>) {
        let Some(payload) = event.share_erased() else {
            self.store.unkept.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let bytes = self.scales.weigh(&*payload).saturating_add(Entry::OVERHEAD);
        let to = handler.map(|handler| (handler.site(), handler.calls()));
        self.post(Letter::to(Entry::of(event, payload, bytes), reason, to));
    }

    fn post(&self, letter: Letter) {
        if letter.bytes() > self.bytes {
            self.store.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Dropped when the lock is free: payloads are the user's.
        drop(self.change(|letters| letters.add(letter)));
    }

    /// Whether a handler that a layer leaves out makes a letter: if asked to, or if the event comes from one.
    fn keeps_left_out(&self, event: &Event<'_>) -> bool {
        self.refused || event.is_replayed() && self.store.letters.lock().are_given_of(event.id())
    }

    /// Changes what is there; what that says, and the letters that fall out for it.
    fn change<R>(&self, change: impl FnOnce(&mut Letters) -> R) -> (R, Vec<Letter>) {
        let mut letters = self.store.letters.lock();
        (change(&mut letters), letters.evict(self.count, self.bytes))
    }
}

impl Default for DeadLetter {
    fn default() -> Self {
        Self::new()
    }
}

/// The letters of a replay, by their events.
struct Post {
    letters: DeadLetter,
    sequences: HashMap<EventId, Vec<u64>>,
}

impl Owner for Post {
    fn give(&self, entry: &Entry, give: &dyn Fn() -> Landing) -> Option<Landing> {
        let sequences = self.sequences.get(&entry.id())?;
        let given = self.letters.store.letters.lock().begin_giving(entry.id(), sequences)?;
        let (mut landing, mut panics) = (Landing::Refused, Panics::default());
        panics.catch(|| landing = give());
        drop(self.letters.change(|letters| letters.end_giving(given, landing)));
        panics.resume();
        Some(landing)
    }
}

impl Middleware for DeadLetter {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let emission = event.emission();
        let on_bus = next.place() == Place::Bus;
        let refused_before = emission.reason().is_some();
        next.run_each(event, &Watch { dead: self, event });
        match emission.reason() {
            Some(reason) if self.refused && !refused_before => self.keep(event, &*reason),
            None if self.unheard && on_bus && met_nobody(event) => self.put(event, DeadReason::Unheard, None),
            _ => {}
        }
    }

    fn retains(&self) -> bool {
        true
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn standing(&self, _now: Duration) -> Standing {
        Standing::keeping_dead(self.len() as u64)
    }

    fn describe(&self) -> Cow<'static, str> {
        let mut line = format!("dead letters, at most {}", self.count);
        if self.bytes < usize::MAX {
            let _ = write!(line, " and {}", Counted(self.bytes, "byte"));
        }
        line.push_str(match (self.refused, self.unheard) {
            (false, false) => "",
            (true, false) => ", also the refused",
            (false, true) => ", also the unheard",
            (true, true) => ", also the refused and unheard",
        });
        line.into()
    }
}

fn met_nobody(event: &Event<'_>) -> bool {
    let ended = event.emission().ended();
    event.tally() == Tally::default() && !ended.is_held() && !ended.is_stopped()
}

/// Looks at what becomes of each handler, with the event as it came by the layer.
struct Watch<'w, 'e> {
    dead: &'w DeadLetter,
    event: &'w Event<'e>,
}

impl Advice for Watch<'_, '_> {
    fn around(&self, handler: &HandlerCall<'_>, _event: &Event<'_>) -> Answer {
        let answer = handler.call();
        match &answer {
            Answer::Failed(problem) => {
                self.dead.put(self.event, DeadReason::Failed(text_of(problem)), Some(handler));
            }
            Answer::Skipped(reason) if handler.is_left_out() && self.dead.keeps_left_out(self.event) => {
                self.dead.put(self.event, DeadReason::LeftOut(reason.as_ref().into()), Some(handler));
            }
            _ => {}
        }
        answer
    }
}

/// What a problem says; an error's own words may panic.
fn text_of(problem: &Problem) -> Arc<str> {
    match catch_unwind(AssertUnwindSafe(|| problem.to_string())) {
        Ok(text) => text.into(),
        Err(panic) => {
            discard(panic);
            "an error that panicked when asked what it is".into()
        }
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("count", &self.count)
            .field("bytes", &self.bytes)
            .field("refused", &self.refused)
            .field("unheard", &self.unheard)
            .field("letters", &self.len())
            .field("stats", &self.stats())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Filter;
    use crate::support::Rig;

    /// Refuses everything, so that each event makes a letter.
    fn refusing(dead: &DeadLetter) -> impl Middleware + use<> {
        (dead.clone(), Filter::new(|_: &Event<'_>| false).reason("no"))
    }

    fn numbers(letters: &[Letter]) -> Vec<(u64, u32)> {
        letters.iter().map(|letter| (letter.sequence(), letter.payload().copied().unwrap_or_default())).collect()
    }

    #[test]
    fn forgets_the_oldest_and_counts_it() {
        let rig = Rig::new();
        let dead = DeadLetter::new().count(2).refused();
        (1..=5).for_each(|n: u32| drop(rig.emit(&refusing(&dead), "n", n)));
        assert_eq!(numbers(&dead.letters()), [(4, 4), (5, 5)]);
        assert_eq!(dead.stats(), DeadLetterStats { kept: 5, evicted: 3, ..DeadLetterStats::default() });

        let nothing = DeadLetter::new().count(0).refused();
        rig.emit(&refusing(&nothing), "n", 1_u32);
        assert_eq!((nothing.len(), nothing.stats().evicted), (0, 1));
    }

    #[test]
    fn bytes_are_payload_overhead_and_reason() {
        struct Heavy;
        impl Weigh for Heavy {
            fn bytes(&self) -> usize {
                1_000
            }
        }
        let rig = Rig::new();
        let letter = Entry::OVERHEAD + size_of::<u32>() + "no".len();
        let dead = DeadLetter::new().bytes(2 * letter).weigh::<Heavy>().refused();
        (1..=3).for_each(|n: u32| drop(rig.emit(&refusing(&dead), "n", n)));
        rig.emit(&refusing(&dead), "heavy", Heavy);
        assert_eq!(numbers(&dead.letters()), [(2, 2), (3, 3)]);
        assert_eq!(dead.letters()[0].bytes(), letter);
        assert_eq!(dead.stats(), DeadLetterStats { kept: 3, evicted: 1, refused: 1, unkept: 0 });
        // What was taken out makes room.
        dead.take();
        (4..=5).for_each(|n: u32| drop(rig.emit(&refusing(&dead), "n", n)));
        dead.remove(4);
        rig.emit(&refusing(&dead), "n", 6_u32);
        assert_eq!((numbers(&dead.letters()), dead.stats().evicted), (vec![(5, 5), (6, 6)], 1));
    }

    #[test]
    fn letters_are_taken_out_by_sequence_or_by_choice() {
        let rig = Rig::new();
        let dead = DeadLetter::new().refused();
        (1..=5).for_each(|n: u32| drop(rig.emit(&refusing(&dead), "n", n)));
        assert_eq!(dead.remove(2).and_then(|letter| letter.payload().copied()), Some(2_u32));
        assert!(dead.remove(2).is_none());
        assert_eq!(numbers(&dead.take_if(|letter| letter.sequence() > 3)), [(4, 4), (5, 5)]);
        assert_eq!(numbers(&dead.take()), [(1, 1), (3, 3)]);
        assert!(dead.is_empty());
    }

    #[test]
    fn refused_events_are_kept_when_asked_for_and_never_twice() {
        let rig = Rig::new();
        let (silent, dead, outer) = (DeadLetter::new(), DeadLetter::new().refused(), DeadLetter::new().refused());
        rig.emit(&refusing(&silent), "n", 1_u32);
        assert!(silent.is_empty());
        rig.emit(&(outer.clone(), refusing(&dead)), "n", 1_u32);
        assert_eq!((dead.letters()[0].reason(), outer.len()), (&DeadReason::Refused("no".into()), 1));
        assert_eq!(dead.letters()[0].to_string(), "1. `n`, refused: no");

        // What was refused before it came here is not refused here.
        let discarding = |event: &Event<'_>, next: Next<'_>| {
            next.clone().discard(event, "earlier");
            next.run(event);
        };
        rig.emit(&(discarding, dead.clone()), "n", 2_u32);
        assert_eq!(dead.len(), 1);
    }

    #[test]
    fn a_payload_on_the_stack_is_counted() {
        let rig = Rig::new();
        let dead = DeadLetter::new().refused();
        rig.emit_borrowed(&refusing(&dead), "n", &1_u32);
        assert_eq!((dead.len(), dead.stats().unkept), (0, 1));
    }

    #[test]
    fn says_what_it_keeps() {
        assert_eq!(DeadLetter::new().describe(), "dead letters, at most 1000");
        let all = DeadLetter::new().count(5).bytes(64).refused().unheard();
        assert_eq!(all.describe(), "dead letters, at most 5 and 64 bytes, also the refused and unheard");
    }
}
