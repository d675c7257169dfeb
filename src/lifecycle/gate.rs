//! [`Pause`]: events wait before a bus until it goes on.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree_middleware::{Event, Held, Mark, Middleware, Next, Stack, StackError, Standing, Topic};

use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::failure::discard;

impl Bus {
    /// Lets events wait, in order, until the guard is dropped or somebody calls [`start`](Bus::start).
    ///
    /// A bus is running when it is built. While it is paused, an emit says that the event [is held](crate::Delivery::is_held): no
    /// layer, handler or queue has it. As many wait as the bus's queues have places
    /// ([`BusConfig::queue_size`](crate::BusConfig)); more are ended with a reason, which the delivery has and `$sys.filtered` tells. What
    /// was accepted before goes on: queues can be taken from, jobs and async handlers run. Children are not paused, but what
    /// they let bubble waits here. Of several pauses, the bus goes on when the last one is over.
    ///
    /// The pause is the first layer of the stack, and a stack that [replaces](Bus::set_stack) this one ends it. Events that wait
    /// keep the bus alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let plots = bus.subscribe::<u32>("plot")?;
    /// let pause = bus.pause();
    /// assert!(bus.emit("plot", 1_u32).is_held());
    /// assert!(plots.is_empty());
    /// drop(pause);
    /// bus.emit("plot", 2_u32);
    /// assert_eq!(plots.drain().map(|plot| *plot).collect::<Vec<_>>(), [1, 2]);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn pause(&self) -> Pause {
        let gate = Arc::new(Gate::new(self.core()));
        // Behind the pauses that there are, so that what waited there comes by here.
        let before = self.core().backstage.gates();
        let shut = |stack: &Stack| {
            let behind = before.iter().find_map(|last| stack.with_after(&last.name, &gate.name, gate.clone()).ok());
            Ok::<_, StackError>(behind.unwrap_or_else(|| Stack::new().with_named(&gate.name, gate.clone()).and(stack)))
        };
        // It cannot fail.
        let _ = self.edit_stack(shut);
        self.core().backstage.add_gate(&gate);
        Pause { gate }
    }

    /// Ends every [pause](Bus::pause): what waits goes on, in order and in this thread, before what comes. A bus that is not paused is
    /// running already. One that was shut down stays so.
    pub fn start(&self) {
        self.core().backstage.gates().iter().for_each(|gate| gate.release(true));
    }

    /// Whether events wait until it goes on.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let stack = self.core().stack_now().1;
        // One that left with a stack that was replaced is over, though nobody opened it.
        let stands = |gate: &Gate| stack.layers().iter().any(|layer| layer.name() == Some(gate.name.as_str()));
        self.core().backstage.gates().iter().any(|gate| stands(gate) && !gate.line.lock().open)
    }
}

/// Lets the events of a bus wait while it lives: from [`Bus::pause`].
///
/// When it is dropped, they go on in the thread that drops it. A panic that a policy lets through ends there; it was reported.
#[must_use = "the bus goes on when this is dropped"]
pub struct Pause {
    gate: Arc<Gate>,
}

impl Pause {
    /// How many events wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.gate.line.lock().waiting.len()
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.gate.release(true);
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

/// The layer that makes a pause.
pub(crate) struct Gate {
    name: String,
    mark: Mark,
    capacity: usize,
    core: Weak<Core>,
    /// Never held while an event goes on.
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Held>,
    /// Whether some thread lets them go on, one after the other.
    leaving: bool,
    /// Whether it is to open then, whoever lets them go on.
    ends: bool,
    /// Whether the pause is over: set when the last one is through, so nothing overtakes it.
    open: bool,
}

/// Why an event does not wait.
enum Not {
    Paused,
    Place,
}

impl Gate {
    fn new(core: &Arc<Core>) -> Self {
        let (mark, capacity, core) = (Mark::new(), core.backstage.queue().capacity(), Arc::downgrade(core));
        Self { name: format!("pause {mark:?}"), mark, capacity, core, line: Mutex::default() }
    }

    /// Puts an event in line, or says why not.
    fn put(&self, held: Held) -> Result<(), Not> {
        let not = {
            let mut line = self.line.lock();
            if line.open {
                Not::Paused
            } else if line.waiting.len() >= self.capacity {
                Not::Place
            } else {
                line.waiting.push_back(held);
                return Ok(());
            }
        };
        // Without the lock: its payload may be the user's to drop.
        drop(held);
        Err(not)
    }

    /// Lets what waits go on, one after the other, unless another thread does; that one then opens, too, if this was to.
    fn release(&self, opens: bool) {
        {
            let mut line = self.line.lock();
            line.ends |= opens;
            if std::mem::replace(&mut line.leaving, true) {
                return;
            }
        }
        while let Some(held) = self.next() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| held.release())) {
                discard(Some(panic));
            }
        }
        self.leave();
    }

    /// The next one; if there is none, nobody is on the way any more.
    fn next(&self) -> Option<Held> {
        let mut line = self.line.lock();
        let next = line.waiting.pop_front();
        if next.is_none() {
            line.leaving = false;
            line.open = line.ends;
        }
        next
    }

    /// Leaves the stack, if it is open.
    fn leave(&self) {
        if self.line.lock().open
            && let Some(core) = self.core.upgrade()
        {
            // It may have left with a stack that was replaced.
            let _ = Bus::of(core).edit_stack(|stack| stack.without(&self.name));
        }
    }
}

impl Middleware for Gate {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if event.resumes(self.mark) {
            return next.run(event);
        }
        match next.hand_over(event, self.mark, |held| self.put(held)) {
            Some(Ok(())) => {}
            Some(Err(Not::Place)) => {
                next.discard(event, format!("the bus is paused, and {} events wait already", self.capacity));
            }
            Some(Err(Not::Paused)) | None => next.run(event),
        }
    }

    fn retains(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        !topic.is_reserved()
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.mark
    }

    /// Lets go on what waits; the pause goes on, too.
    fn flush(&self) {
        self.release(false);
    }

    fn standing(&self, _now: Duration) -> Standing {
        Standing::holding(self.line.lock().waiting.len() as u64)
    }

    fn describe(&self) -> Cow<'static, str> {
        "pause".into()
    }
}
