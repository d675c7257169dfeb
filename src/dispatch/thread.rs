//! What a thread knows about the emits it is inside of: how deep it is, which topics led there, what comes later.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use sigtree_middleware::Topic;

use super::failure::discard;

/// Set in the depth when emits wait for the outermost one to end, so that leaving it looks at one number only.
const LATER: u32 = 1 << 31;
/// Set in the depth while those are made, so that they neither nest nor count as inside of one another.
const DRAINING: u32 = 1 << 30;
const FLAGS: u32 = LATER | DRAINING;

macro_rules! per_thread {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        #[cfg(not(any(sigtree_loom, sigtree_shuttle)))]
        thread_local! { $( static $name: $type = const { $value }; )* }
        #[cfg(sigtree_loom)]
        loom::thread_local! { $( static $name: $type = $value; )* }
        #[cfg(sigtree_shuttle)]
        shuttle::thread_local! { $( static $name: $type = $value; )* }
    };
}

per_thread! {
    DEPTH: Cell<u32> = Cell::new(0);
    PINS: Cell<u32> = Cell::new(0);
    RESUMING: RefCell<Vec<u64>> = RefCell::new(Vec::new());
    CHAIN: RefCell<Vec<(u32, Topic)>> = RefCell::new(Vec::new());
    QUEUE: RefCell<VecDeque<Box<dyn FnOnce()>>> = RefCell::new(VecDeque::new());
}

/// Counts an emit of this thread while it lives.
pub(crate) struct Inside(u32);

impl Inside {
    #[inline]
    pub(crate) fn enter() -> Self {
        DEPTH.with(|depth| {
            let inside = depth.get() + 1;
            depth.set(inside);
            Self(inside & !FLAGS)
        })
    }

    /// How many emits the thread is inside of, this one included.
    #[inline]
    pub(crate) fn depth(&self) -> u32 {
        self.0
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        DEPTH.with(|depth| come_to(depth, depth.get() - 1));
    }
}

/// Comes back to a depth; what waits for the outermost emit to end is made if that has ended.
#[inline]
fn come_to(depth: &Cell<u32>, outside: u32) {
    depth.set(outside);
    if outside == LATER {
        run_later();
    }
}

/// Makes the emits of this thread at least so deep while it lives: for what stands for an emit that was.
pub(crate) struct AtDepth(u32);

impl AtDepth {
    pub(crate) fn new(depth: u32) -> Self {
        DEPTH.with(|now| {
            let before = now.get();
            now.set(before & FLAGS | (before & !FLAGS).max(depth));
            Self(before & !FLAGS)
        })
    }
}

impl Drop for AtDepth {
    fn drop(&mut self) {
        DEPTH.with(|depth| come_to(depth, depth.get() & FLAGS | self.0));
    }
}

/// Counts a pinned signal of this thread while it lives: it holds handlers alive as an emit does.
pub(crate) struct PinCount(std::marker::PhantomData<*const ()>);

impl PinCount {
    pub(crate) fn new() -> Self {
        PINS.with(|pins| pins.set(pins.get() + 1));
        Self(std::marker::PhantomData)
    }
}

impl Drop for PinCount {
    fn drop(&mut self) {
        PINS.with(|pins| pins.set(pins.get() - 1));
    }
}

/// How many emits this thread is inside of.
pub(crate) fn depth() -> u32 {
    DEPTH.with(Cell::get) & !FLAGS
}

/// Whether this thread makes the emits that waited for its outermost one to end.
#[cfg(feature = "async")]
pub(crate) fn is_draining() -> bool {
    DEPTH.with(Cell::get) & DRAINING != 0
}

/// Whether this thread may be holding handlers alive itself.
pub(crate) fn holds_handlers() -> bool {
    depth() > 0 || PINS.with(Cell::get) > 0
}

/// That a held event of a bus goes on in this thread, while it lives.
pub(crate) struct Resuming(std::marker::PhantomData<*const ()>);

impl Resuming {
    pub(crate) fn on(bus: u64) -> Self {
        // A thread that ends may be past that: then it is not known here, and a shutdown waits for it.
        let _ = RESUMING.try_with(|resuming| resuming.borrow_mut().push(bus));
        Self(std::marker::PhantomData)
    }

    /// How many held events of a bus go on in this thread.
    pub(crate) fn here(bus: u64) -> usize {
        let count = |resuming: &RefCell<Vec<u64>>| resuming.borrow().iter().filter(|on| **on == bus).count();
        RESUMING.try_with(count).unwrap_or(0)
    }
}

impl Drop for Resuming {
    fn drop(&mut self) {
        let _ = RESUMING.try_with(|resuming| resuming.borrow_mut().pop());
    }
}

/// Runs `job` when the outermost emit of this thread has ended, in order; at once if there is none.
pub(crate) fn later(job: Box<dyn FnOnce()>) {
    if DEPTH.with(Cell::get) == 0 {
        return job();
    }
    QUEUE.with(|queue| queue.borrow_mut().push_back(job));
    DEPTH.with(|depth| depth.set(depth.get() | LATER));
}

/// Runs what waits, and what is added meanwhile. The depth stays flagged until the queue is empty, so jobs do not nest.
///
/// A job that panics does not keep the others from running: the first panic goes on behind the last of them.
#[cold]
fn run_later() {
    struct Drained;
    impl Drop for Drained {
        fn drop(&mut self) {
            DEPTH.with(|depth| depth.set(depth.get() & !FLAGS));
        }
    }
    DEPTH.with(|depth| depth.set(depth.get() | DRAINING));
    let drained = Drained;
    let mut first = None;
    while let Some(job) = QUEUE.with(|queue| queue.borrow_mut().pop_front()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
            match first {
                None => first = Some(panic),
                Some(_) => discard(Some(panic)),
            }
        }
    }
    drop(drained);
    match first {
        // A second panic would end the process: it was reported, and is dropped for the one that is on its way.
        Some(panic) if std::thread::panicking() => discard(Some(panic)),
        Some(panic) => resume_unwind(panic),
        None => {}
    }
}

/// Notes the topic of a deep emit, for the message in case the limit is reached; returns the topics noted so far.
#[cold]
pub(crate) fn note_deep(depth: u32, topic: &Topic) {
    CHAIN.with(|chain| {
        let mut chain = chain.borrow_mut();
        chain.retain(|(at, _)| *at < depth);
        chain.push((depth, topic.clone()));
    });
}

/// The topics of the deep emits above `depth`, the outermost first.
#[cold]
pub(crate) fn deep_chain(depth: u32) -> Vec<Topic> {
    CHAIN.with(|chain| chain.borrow().iter().filter(|(at, _)| *at < depth).map(|(_, topic)| topic.clone()).collect())
}
