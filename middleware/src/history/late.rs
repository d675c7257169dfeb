//! [`Late`]: a connection that comes late and asks for the past.

use std::sync::Arc;

use super::Entry;
use super::ring::Gone;
use crate::{At, Topic};

/// A connection that came late and wants the past without a gap and without a duplicate: for those who write a bus.
///
/// The bus first makes the connection visible to its emits, as of some version, and then calls
/// [`History::follow`](crate::History::follow). From then on every recorded event reaches the connection by one of three
/// ways, and by one only:
///
/// - its emit began at that version or later: the bus calls the connection itself, and the history says nothing;
/// - its emit began earlier and it is in the history by now: it is in [`catch_up`](Self::catch_up), if it is among the
///   last so many;
/// - its emit began earlier and it is recorded after that: it comes as a [`straggler`](Self::straggler).
///
/// All but `straggler` are called under the history's lock. They must be short, and must not use the history.
pub trait Late: Send + Sync {
    /// The connection's bus, and the first of its versions whose emits see the connection. Events that the history has
    /// from other buses are not for it.
    fn before(&self) -> At;

    /// Whether the connection wants to see the events of a topic.
    fn wants(&self, topic: &Topic) -> bool;

    /// Takes the past, the oldest entry first: called once, before the first straggler.
    fn catch_up(&self, entries: Vec<Entry>);

    /// Takes an event that was recorded after the catch-up though its emit began before the connection.
    ///
    /// No lock is held. Threads may call it at the same time, so stragglers may come out of order; their
    /// [`sequence`](Entry::sequence) tells. It runs in whichever thread recorded or read last, and must not panic.
    fn straggler(&self, entry: &Entry);

    /// Whether no straggler can come any more, or none is wanted; then it is forgotten.
    fn is_done(&self) -> bool;
}

/// The connections that may still have stragglers.
#[derive(Default)]
pub(super) struct Followers {
    late: Vec<Arc<dyn Late>>,
    /// The first version that all of them see by themselves: entries of later emits concern nobody here.
    settled: u64,
}

impl Followers {
    /// Hands over the past, and remembers whom to tell of stragglers.
    pub(super) fn admit<'r>(
        &mut self,
        late: Arc<dyn Late>,
        last: usize,
        entries: impl DoubleEndedIterator<Item = &'r Entry>,
        fallout: &mut Fallout,
    ) {
        fallout.done.extend(self.late.extract_if(.., |late| late.is_done()));
        let wanted = entries.rev().filter(|entry| is_for(&*late, entry)).take(last);
        let mut past: Vec<Entry> = wanted.cloned().collect();
        past.reverse();
        late.catch_up(past);
        self.settled = self.settled.max(late.before().version);
        self.late.push(late);
    }

    /// Notes whom an entry is to be told to, once the lock is released.
    pub(super) fn notice(&mut self, entry: &Entry, fallout: &mut Fallout) {
        if entry.at().version >= self.settled {
            return;
        }
        fallout.done.extend(self.late.extract_if(.., |late| late.is_done()));
        let concerned = self.late.iter().filter(|late| is_for(&***late, entry));
        fallout.stragglers.extend(concerned.map(|late| (late.clone(), entry.clone())));
    }
}

fn is_for(late: &dyn Late, entry: &Entry) -> bool {
    let before = late.before();
    entry.at().bus == before.bus && entry.at().version < before.version && late.wants(entry.topic())
}

/// What happened under the lock and has to be seen to without it.
#[derive(Default)]
pub(super) struct Fallout {
    /// Dropped outside the lock, for a payload's `Drop` is foreign code.
    pub(super) gone: Gone,
    stragglers: Vec<(Arc<dyn Late>, Entry)>,
    /// Dropped outside the lock too.
    done: Vec<Arc<dyn Late>>,
}

impl Fallout {
    pub(super) fn settle(self) {
        for (late, entry) in &self.stragglers {
            late.straggler(entry);
        }
    }
}
