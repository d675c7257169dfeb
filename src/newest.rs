//! [`Newest`]: the layer around a handler that is only called with the latest event of each topic.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sigtree_middleware::{Event, Executor, Held, Job, Mark, Middleware, Next, Panics, Standing, Topic};

use crate::sync::{AtomicU64, Mutex, Ordering};

/// While the handler is at an event of a topic, keeps the newest of those that follow; it is called with that one next.
pub(crate) struct Newest(Arc<Inner>);

struct Inner {
    mark: Mark,
    executor: Option<Arc<dyn Executor>>,
    /// The topics the handler is at, or is to be; and what comes next.
    busy: Mutex<HashMap<Topic, Option<Held>>>,
    replaced: Arc<AtomicU64>,
}

impl Newest {
    pub(crate) fn new(executor: Option<Arc<dyn Executor>>) -> Self {
        let replaced = Arc::new(AtomicU64::new(0));
        Self(Arc::new(Inner { mark: Mark::new(), executor, busy: Mutex::new(HashMap::new()), replaced }))
    }

    /// The count of events that a newer one took the place of.
    pub(crate) fn replaced(&self) -> Arc<AtomicU64> {
        self.0.replaced.clone()
    }

    /// Calls the handler here, unless it is at an event of the topic in another thread, or further out in this one.
    fn call(&self, event: &Event<'_>, next: Next<'_>) {
        let inner = &self.0;
        let busy = |topic| Busy { inner: inner.clone(), topic, drains: true };
        if inner.begin(event.topic()) {
            let _busy = busy(event.topic().clone());
            return next.run(event);
        }
        match next.hold(event, inner.mark) {
            None => next.run(event),
            Some(held) => {
                let topic = held.topic().clone();
                if inner.post(held) {
                    drop(busy(topic));
                }
            }
        }
    }

    /// Has the handler called on the executor, with whatever is the newest then.
    fn hand_over(&self, event: &Event<'_>, next: Next<'_>, executor: &dyn Executor) {
        let inner = &self.0;
        let submit = |held: Held| {
            let topic = held.topic().clone();
            if !inner.post(held) {
                return Ok(());
            }
            let busy = Busy { inner: inner.clone(), topic, drains: false };
            executor.execute(Job::new(move || busy.drain()))
        };
        match next.hand_over(event, inner.mark, submit) {
            None => next.run(event),
            Some(Ok(())) => {}
            Some(Err(refused)) => next.discard(event, refused.reason()),
        }
    }
}

impl Inner {
    /// Whether the handler is free for a topic; then the caller is at it.
    fn begin(&self, topic: &Topic) -> bool {
        let mut busy = self.busy.lock();
        let is_free = !busy.contains_key(topic);
        if is_free {
            busy.insert(topic.clone(), None);
        }
        is_free
    }

    /// Leaves an event for whoever is at its topic, in the place of an older one; whether nobody was, and the caller is.
    fn post(&self, held: Held) -> bool {
        let (older, is_free) = {
            let mut busy = self.busy.lock();
            match busy.get_mut(held.topic()) {
                Some(next) => (next.replace(held), false),
                None => {
                    busy.insert(held.topic().clone(), Some(held));
                    (None, true)
                }
            }
        };
        if older.is_some() {
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        is_free
    }
}

/// That the handler is at a topic, or is to be.
struct Busy {
    inner: Arc<Inner>,
    topic: Topic,
    /// Whether it is called with what came meanwhile; not if its job was never run.
    drains: bool,
}

impl Busy {
    fn drain(mut self) {
        self.drains = true;
    }

    /// What came meanwhile; if nothing did, the handler is free.
    fn next(&self) -> Option<Held> {
        let mut busy = self.inner.busy.lock();
        let next = busy.get_mut(&self.topic).and_then(Option::take);
        if next.is_none() {
            busy.remove(&self.topic);
        }
        next
    }
}

/// Also if the handler panicked; a panic that is to go on does when the handler is free.
impl Drop for Busy {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        while let Some(held) = self.next() {
            panics.catch(|| {
                if self.drains {
                    held.release();
                }
            });
        }
        panics.resume();
    }
}

impl Middleware for Newest {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if event.resumes(self.0.mark) {
            return next.run(event);
        }
        match self.0.executor.clone() {
            None => self.call(event, next),
            Some(executor) => self.hand_over(event, next, &*executor),
        }
    }

    fn retains(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.0.mark
    }

    /// Nothing: whoever is at a topic takes what is left there.
    fn flush(&self) {}

    fn standing(&self, _now: Duration) -> Standing {
        let held = self.0.busy.lock().values().flatten().count();
        let replaced = self.0.replaced.load(Ordering::Relaxed);
        Standing::holding(held as u64).noting(format!("{replaced} replaced by newer ones"))
    }

    fn describe(&self) -> Cow<'static, str> {
        match &self.0.executor {
            None => Cow::Borrowed("the latest only"),
            Some(executor) => format!("the latest only, on {}", executor.describe()).into(),
        }
    }
}
