use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use sigtree_middleware::{Cause, IntoPattern, Pattern, Topic};

use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::failure::discard;
use crate::error::Error;
use crate::overlap::{Under, overlap};
use crate::sync::Mutex;

/// What a producer is told by [`Bus::on_interest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interest {
    /// The first handler came.
    Came,
    /// The last handler went.
    Gone,
}

impl Bus {
    /// Tells a producer when the first handler for a topic or pattern comes and the last one goes, while the guard lives: so
    /// it works only for those who listen.
    ///
    /// A handler counts if some topic that the pattern matches, emitted on this bus, would reach it: here, on the buses above,
    /// or on children made with [`sink`](crate::ChildBuilder::sink). If there is one already, the producer is told before
    /// this returns; otherwise first when one comes. It is told `Came` and `Gone` in turn, never two at once, and after the
    /// connect or disconnect that was the reason. Who only [keeps the last event](Bus::keep_last) is not interested: it would be for ever.
    ///
    /// # What it does not know
    ///
    /// - Layers, conditions and mutes: a handler that would refuse every event counts, and one that is muted counts on.
    /// - What listens behind a [`bridge`](Bus::bridge): the bridge itself counts as a handler.
    /// - Whether a regular expression and a wildcard have a topic in common: they count if their literal beginnings fit.
    /// - That a receiver is gone, or that `once` is over, before its slot is taken out: by an emit, a connect or
    ///   [`prune`](Bus::prune).
    ///
    /// What comes and goes while the producer is being told is not told one by one: it is told how things stand then.
    ///
    /// # Errors
    ///
    /// If the pattern is malformed.
    ///
    /// # Concurrency
    ///
    /// `tell` runs in the thread that connects or disconnects, with no lock held, and may do anything to the bus; what it
    /// captures should hold a [`WeakBus`](crate::WeakBus). If it is running in another thread, the change is told there, and
    /// the connect does not wait for it. A panic in it is caught, traced and counted in [`failures`](Bus::failures). Emits pay
    /// nothing for it; a connect and a disconnect compare their pattern with each pattern watched on their bus; and this very
    /// call looks at every connection once, under the writer's lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use sigtree::{Bus, Interest};
    ///
    /// let bus = Bus::new();
    /// let camera = Arc::new(AtomicBool::new(false));
    /// let switch = camera.clone();
    /// let _watch = bus.on_interest("camera.*", move |interest| switch.store(interest == Interest::Came, Ordering::Relaxed))?;
    ///
    /// let screen = bus.connect("camera.frame", |_: &Vec<u8>| {})?;
    /// assert!(camera.load(Ordering::Relaxed));
    /// drop(screen);
    /// assert!(!camera.load(Ordering::Relaxed));
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn on_interest(
        &self,
        pattern: impl IntoPattern,
        tell: impl Fn(Interest) + Send + Sync + 'static,
    ) -> Result<InterestWatch, Error> {
        let core = self.core();
        let pattern = pattern.into_pattern(&core.limits)?;
        core.prune();
        let (producer, bus) = (Box::new(tell), Arc::downgrade(core));
        let guard = InterestWatch { watch: Arc::new(Watch { pattern, producer, bus, books: Mutex::default() }) };
        core.post(&guard.watch, "", "");
        guard.watch.tell();
        Ok(guard)
    }
}

/// Lets a producer know of interest while it lives, from [`Bus::on_interest`].
///
/// Dropped, it tells nothing more, and what the producer's closure captured is freed unless a call of it is running.
#[must_use = "the producer is told nothing more when the guard is dropped"]
pub struct InterestWatch {
    watch: Arc<Watch>,
}

impl InterestWatch {
    /// Whether there is a handler now.
    #[must_use]
    pub fn is_interested(&self) -> bool {
        self.watch.books.lock().handlers > 0
    }

    /// The pattern that is watched.
    #[must_use]
    pub fn pattern(&self) -> &Pattern {
        &self.watch.pattern
    }
}

impl Drop for InterestWatch {
    fn drop(&mut self) {
        for core in self.watch.end().iter().filter_map(Weak::upgrade) {
            let mut posts = Vec::new();
            {
                let mut writer = core.writer.lock();
                posts.extend(writer.posts.extract_if(.., |post| Arc::ptr_eq(&post.watch, &self.watch)));
            }
            drop(posts);
        }
    }
}

impl fmt::Debug for InterestWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterestWatch")
            .field("pattern", &self.watch.pattern)
            .field("is_interested", &self.is_interested())
            .finish()
    }
}

/// A pattern that somebody watches, on all buses that its events reach.
///
/// Its books are the innermost lock: they are changed under the lock of a bus, and nothing is locked or called under theirs.
pub(crate) struct Watch {
    pattern: Pattern,
    producer: Box<dyn Fn(Interest) + Send + Sync>,
    bus: Weak<Core>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// How many handlers there are on all the buses.
    handlers: usize,
    /// What was told last, or is being told.
    told: bool,
    telling: bool,
    over: bool,
    buses: Vec<Weak<Core>>,
}

impl Watch {
    /// Tells how things stand until that is what was told last; if another call is at it, that one does.
    pub(crate) fn tell(&self) {
        while let Some(interest) = self.begin_telling() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.producer)(interest))) {
                self.note_panic(panic);
            }
            self.books.lock().telling = false;
        }
    }

    fn begin_telling(&self) -> Option<Interest> {
        let mut books = self.books.lock();
        let wanted = books.handlers > 0;
        if books.over || books.telling || books.told == wanted {
            return None;
        }
        books.told = wanted;
        books.telling = true;
        Some(if wanted { Interest::Came } else { Interest::Gone })
    }

    #[cold]
    fn note_panic(&self, panic: Box<dyn Any + Send>) {
        if let Some(core) = self.bus.upgrade() {
            core.counters.count_failure();
        }
        let cause = Cause::of_panic(&*panic);
        tracing::error!(target: "sigtree::dispatch", "a producer told of interest in `{}` {cause}", self.pattern);
        discard(Some(panic));
    }

    /// Notes a bus that its events reach; `false` if it is known, or the watch is over.
    fn enter(&self, core: &Weak<Core>) -> bool {
        let mut books = self.books.lock();
        let enters = !books.over && !books.buses.iter().any(|known| known.ptr_eq(core));
        if enters {
            // Buses that are gone took their posts with them.
            books.buses.retain(|core| core.strong_count() > 0);
            books.buses.push(core.clone());
        }
        enters
    }

    /// Ends it; the buses that know of it.
    fn end(&self) -> Vec<Weak<Core>> {
        let mut books = self.books.lock();
        books.over = true;
        std::mem::take(&mut books.buses)
    }
}

/// What one bus knows of a watch; it stands among the writer's books.
pub(crate) struct Post {
    watch: Arc<Watch>,
    /// The name this bus puts before the topics of the watching one.
    before: Box<str>,
    /// The name the watching bus puts before the topics of this one.
    under: Box<str>,
    /// How many of this bus's handlers it sees.
    handlers: usize,
}

impl Post {
    /// The pattern that is watched, as the watching bus names it.
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.watch.pattern
    }

    /// Whether handlers of a pattern can meet the events that are watched.
    pub(crate) fn sees(&self, pattern: &Pattern) -> bool {
        // The bus's own reports go up under the same name, and do not go down.
        let reserved = self.watch.pattern.sees_reserved() && pattern.sees_reserved() && self.under.is_empty();
        let meet = |before| {
            let watched = Under { name: before, pattern: &self.watch.pattern };
            overlap(watched, Under { name: &self.under, pattern })
        };
        (reserved && meet("")) || meet(&self.before)
    }

    /// Counts a handler that came; the watch, if it was the first.
    pub(crate) fn count_in(&mut self) -> Option<Arc<Watch>> {
        self.handlers += 1;
        let mut books = self.watch.books.lock();
        books.handlers += 1;
        (books.handlers == 1).then(|| self.watch.clone())
    }

    /// Counts a handler that went; the watch, if it was the last.
    pub(crate) fn count_out(&mut self) -> Option<Arc<Watch>> {
        self.handlers -= 1;
        let mut books = self.watch.books.lock();
        books.handlers -= 1;
        (books.handlers == 0).then(|| self.watch.clone())
    }
}

/// A bus that ends takes its handlers with it. No lock of a bus is held where posts are dropped.
impl Drop for Post {
    fn drop(&mut self) {
        self.watch.books.lock().handlers -= self.handlers;
        self.watch.tell();
    }
}

impl Core {
    /// Makes a watch known here and wherever its events go.
    fn post(&self, watch: &Arc<Watch>, before: &str, under: &str) {
        let Some(sinks) = self.post_here(watch, before, under) else { return };
        for (prefix, child) in sinks {
            if let Some(child) = child.upgrade() {
                child.post(watch, before, &joined(under, &prefix));
            }
        }
        if let Some(parent) = self.parent.as_ref().filter(|parent| parent.bubbles && under.is_empty()) {
            parent.core.post(watch, &joined(&parent.prefix, before), "");
        }
    }

    /// Makes a watch known here; the children that its events go down to, unless it is known already.
    fn post_here(&self, watch: &Arc<Watch>, before: &str, under: &str) -> Option<Vec<(Topic, Weak<Self>)>> {
        let mut writer = self.writer.lock();
        if !watch.enter(&self.me) {
            return None;
        }
        let mut post = Post { watch: watch.clone(), before: before.into(), under: under.into(), handlers: 0 };
        for _ in 0..writer.listening(|pattern| post.sees(pattern)) {
            // It is told when it is known everywhere.
            drop(post.count_in());
        }
        writer.posts.push(post);
        let settings = self.settings.load();
        Some(settings.as_ref().map(|settings| settings.sinks.clone()).unwrap_or_default())
    }

    /// Makes what is watched here known to a new child that hears this bus.
    pub(crate) fn post_sink(&self, prefix: &Topic, child: &Self) {
        let copy = |post: &Post| (post.watch.clone(), post.before.clone(), joined(&post.under, prefix));
        let posts: Vec<_> = self.writer.lock().posts.iter().map(copy).collect();
        for (watch, before, under) in posts {
            child.post(&watch, &before, &under);
            watch.tell();
        }
    }
}

/// A name and what stands below it; either may be empty.
fn joined(name: &str, below: &str) -> String {
    if name.is_empty() || below.is_empty() { format!("{name}{below}") } else { format!("{name}.{below}") }
}
