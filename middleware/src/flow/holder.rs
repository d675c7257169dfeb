//! [`Holder`]: what the pieces that hold events have in common.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::{Agenda, By, Counts, Key, Time};
use crate::panics::Panics;
use crate::{Alarm, Clock, Event, Held, Mark, Next};

/// A piece that holds events: what its clones share.
pub(crate) struct Holder<H: Hold> {
    pub(crate) settings: H,
    pub(crate) mark: Mark,
    pub(crate) counts: Counts,
    time: Time,
    state: Mutex<H::State>,
    /// For the clock, which is not to keep it.
    me: Weak<Self>,
}

/// In which the pieces differ; their settings have it.
pub(crate) trait Hold: Clone + Send + Sync + 'static {
    /// What is held.
    type State: Default + Send;
    /// What waits for its time.
    type Waiting;
    /// What goes on in one go.
    type Ready;

    /// Which events are one stream.
    fn by(&self) -> &By;

    /// Puts an event in that came at this time.
    fn put(&self, state: &mut Self::State, key: Key, held: Held, now: Duration, counts: &Counts) -> Put;

    /// What waits, by the time it is due.
    fn waiting(state: &mut Self::State) -> &mut Agenda<Self::Waiting>;

    /// Makes ready what waited until now.
    fn make_ready(&self, state: &mut Self::State, key: Key, waiting: Self::Waiting, now: Duration);

    /// Makes everything ready.
    fn flush(state: &mut Self::State);

    /// Takes the next that is ready on its way, unless it has to wait for others.
    fn next_ready(state: &mut Self::State) -> Option<Self::Ready>;

    /// Lets it go on.
    fn let_go_of(&self, ready: &Self::Ready, counts: &Counts, panics: &mut Panics);

    /// Notes that it is through, so that those who waited for it may go.
    fn arrive(state: &mut Self::State, ready: &Self::Ready);
}

/// What came of putting an event in.
pub(crate) struct Put {
    /// The older one whose place it took.
    pub(crate) replaced: Option<Held>,
    /// Whether something is to go on now.
    pub(crate) is_ready: bool,
}

impl<H: Hold> Holder<H> {
    pub(crate) fn new(settings: H) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            settings,
            mark: Mark::new(),
            counts: Counts::default(),
            time: Time::default(),
            state: Mutex::default(),
            me: me.clone(),
        })
    }

    /// One of its own with other settings, which holds nothing yet.
    pub(crate) fn with(&self, change: impl FnOnce(&mut H)) -> Arc<Self> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Self::new(settings)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, H::State> {
        self.state.lock()
    }

    /// The stream of an event; `None` if it is in none, or was held here before: then it goes on.
    pub(crate) fn key_of(&self, event: &Event<'_>) -> Option<Key> {
        if event.resumes(self.mark) { None } else { self.settings.by().key_of(event) }
    }

    pub(crate) fn clock(&self, event: &Event<'_>, next: &Next<'_>) -> &dyn Clock {
        &**self.time.clock(event, next)
    }

    /// Holds an event: what it replaces is dropped, and counted, and what is ready therefore goes on.
    pub(crate) fn hold(&self, key: Key, held: Held, clock: &dyn Clock) {
        let now = clock.elapsed();
        let (Put { replaced, is_ready }, alarm) = {
            let mut state = self.lock();
            self.counts.hold();
            let put = self.settings.put(&mut state, key, held, now, &self.counts);
            (put, H::waiting(&mut state).alarm())
        };
        let mut panics = Panics::default();
        panics.catch(|| self.wake(clock, alarm));
        self.drop_older(replaced, &mut panics);
        if is_ready {
            panics.catch(|| self.let_go());
        }
        panics.resume();
    }

    /// Drops an event in whose place a newer one goes on, and counts it.
    pub(crate) fn drop_older(&self, older: Option<Held>, panics: &mut Panics) {
        if older.is_some() {
            self.counts.drop_held();
            panics.catch(|| drop(older));
        }
    }

    /// Sets the alarm, if it is to be set.
    fn wake(&self, clock: &dyn Clock, alarm: Option<Duration>) {
        if let Some(at) = alarm {
            clock.wake(at, self.me.clone());
        }
    }

    pub(crate) fn flush(&self) {
        H::flush(&mut self.lock());
        self.let_go();
    }

    /// Lets go on what is ready, and may go: what has to wait goes in the thread that it waits for.
    ///
    /// Both look at the state under one lock: either that thread finds what was made ready, or we find that it has arrived.
    pub(crate) fn let_go(&self) {
        let mut panics = Panics::default();
        while let Some(ready) = self.next_ready() {
            self.settings.let_go_of(&ready, &self.counts, &mut panics);
            H::arrive(&mut self.lock(), &ready);
            panics.catch(|| drop(ready));
        }
        panics.resume();
    }

    fn next_ready(&self) -> Option<H::Ready> {
        H::next_ready(&mut self.lock())
    }
}

impl<H: Hold> Alarm for Holder<H> {
    fn ring(&self) {
        let Some(clock) = self.time.known() else { return };
        let now = clock.elapsed();
        let alarm = {
            let mut state = self.lock();
            H::waiting(&mut state).rang(now);
            while let Some((key, waiting)) = H::waiting(&mut state).take_due(now) {
                self.settings.make_ready(&mut state, key, waiting, now);
            }
            H::waiting(&mut state).alarm()
        };
        let mut panics = Panics::default();
        panics.catch(|| self.wake(&**clock, alarm));
        panics.catch(|| self.let_go());
        panics.resume();
    }
}

/// The last handle is gone: no stack has the layer any more.
impl<H: Hold> Drop for Holder<H> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// What a piece that holds events says of itself, the same for every one: for its `impl Middleware`.
macro_rules! holds {
    () => {
        fn retains(&self) -> bool {
            true
        }

        fn applies_to(&self, topic: &$crate::Topic) -> bool {
            !topic.is_reserved()
        }

        fn holds(&self, mark: $crate::Mark) -> bool {
            mark == self.0.mark
        }

        fn flush(&self) {
            self.0.flush();
        }

        fn flush_unless(&self, stays: &dyn Fn($crate::Mark) -> bool) {
            if !stays(self.0.mark) {
                self.0.flush();
            }
        }

        fn standing(&self, _now: std::time::Duration) -> $crate::Standing {
            $crate::Standing::holding(self.stats().held)
        }
    };
}
pub(crate) use holds;
