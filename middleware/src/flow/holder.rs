//! [`Holder`]: what the pieces that hold events have in common.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::{By, Counts, Key, Time};
use crate::panics::Panics;
use crate::{Alarm, Clock, Event, Mark, Next};

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
    /// What goes on in one go.
    type Ready;

    /// Which events are one stream.
    fn by(&self) -> &By;

    /// Makes ready what is due by now; when the alarm is to ring again.
    fn ring(&self, state: &mut Self::State, now: Duration) -> Option<Duration>;

    /// Makes everything ready.
    fn flush(state: &mut Self::State);

    /// Takes the next that is ready on its way, unless it has to wait for others.
    fn next_ready(state: &mut Self::State) -> Option<Self::Ready>;

    /// Lets it go on.
    fn let_go_of(&self, ready: &Self::Ready, counts: &Counts, panics: &mut Panics);

    /// Notes that it is through, so that those who waited for it may go.
    fn arrive(state: &mut Self::State, ready: &Self::Ready);
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

    /// Sets the alarm, if it is to be set.
    pub(crate) fn wake(&self, clock: &dyn Clock, alarm: Option<Duration>) {
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
        let alarm = self.settings.ring(&mut self.lock(), clock.elapsed());
        self.wake(&**clock, alarm);
        self.let_go();
    }
}

/// The last handle is gone: no stack has the layer any more.
impl<H: Hold> Drop for Holder<H> {
    fn drop(&mut self) {
        self.flush();
    }
}
