//! How a bus pauses, goes on and ends.

mod gate;
mod report;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use sigtree_middleware::Layer;

use crate::backstage::Outlet;
use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::slot::Slot;
use crate::dispatch::thread::{self, Resuming};
use crate::sync::nap;

pub(crate) use gate::Gate;
pub use gate::Pause;
pub use report::{Left, ShutdownReport};

/// How far a bus is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Life {
    #[default]
    Running,
    /// It refuses emits; what was accepted goes on, and so does what comes from other buses that are closing.
    Closing,
    /// It refuses events from other buses, too.
    Closed,
}

impl Bus {
    /// Ends the bus and its children: refuses new emits, lets what was accepted end, and says what did not within `timeout`.
    ///
    /// 1. Emits are [refused](crate::Error::is_shutting_down) from now on, those that handlers make from here on among them; they are
    ///    counted and reported as other refusals are. An emit of another thread was either refused, or it is delivered wholly.
    /// 2. Emits that are running end. A [`Pinned`](crate::Pinned) signal that some thread has counts as one.
    /// 3. What layers hold goes on, in this thread, as with [`flush`](Bus::flush), and a [pause](Bus::pause) ends.
    /// 4. Jobs on executors, and calls of async handlers, end.
    /// 5. Subscriptions close: who takes from them gets what waits, and then the end. It waits until nothing does, and until
    ///    those of [reliable](crate::Reliable) ones are done with; not for a queue that only this thread takes from.
    /// 6. The bus's own [pool](Bus::pool) ends.
    ///
    /// Where the time is over, it goes on with the next step without waiting. What is left then is in the report; it is not taken
    /// away: jobs run on, and events can still be taken. A thread that empties a [`Mailbox`](crate::Mailbox) empties it first, or
    /// waits for itself here. Inside a handler, running emits are not waited for: one of them is this one. On an executor, all is
    /// waited for but the job that this is in, and the end of the threads; inside an async handler, its own call is waited for in vain.
    ///
    /// It keeps the thread: in a task, call it where that is no harm, as in tokio's `spawn_blocking`.
    ///
    /// The bus stays as it is: handlers are connected, reports on `$sys` are made, and a second shutdown looks again. A child that is
    /// made from now on is shut down, too. A bus that
    /// is only dropped ends without waiting for anything: its last handle takes the handlers, and its threads, with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let plots = bus.subscribe::<u32>("plot")?;
    /// bus.emit("plot", 7_u32);
    /// let consumer = std::thread::spawn(move || plots.into_iter().map(|plot| *plot).sum::<u32>());
    ///
    /// let report = bus.shutdown(Duration::from_secs(60));
    /// assert!(report.is_clean(), "{report}");
    /// assert_eq!(consumer.join().unwrap(), 7);
    /// assert!(bus.try_emit("plot", 8_u32).unwrap_err().is_shutting_down());
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[must_use = "the report says what was lost"]
    pub fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        let deadline = Instant::now().checked_add(timeout);
        let buses = self.close_with_those_below();
        let emits_ended = || thread::holds_handlers() || buses.iter().all(|bus| !bus.core().is_emitting());
        wait_until(deadline, emits_ended);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            buses.iter().for_each(Self::start);
            wait_until(deadline, || {
                self.flush();
                emits_ended() && buses.iter().all(|bus| bus.core().is_idle())
            })
        }));
        let outlets: Vec<_> = buses.iter().flat_map(|bus| bus.core().backstage.outlets()).collect();
        outlets.iter().for_each(|outlet| outlet.close());
        wait_until(deadline, || outlets.iter().all(|outlet| outlet.undone() == 0 || outlet.is_own()));
        // Only what was waited for in vain: an emit that is about to be refused is on its way for a moment, too.
        let is_idle = matches!(ended, Ok(true));
        let unended = if is_idle { Vec::new() } else { buses.iter().flat_map(Self::unended).collect() };
        // What waits for an async handler was told of as a call.
        let waiting = buses.iter().flat_map(|bus| bus.waiting(|outlet| is_idle || !outlet.is_of_calls()));
        let left = unended.into_iter().chain(waiting).collect();
        buses.iter().for_each(|bus| bus.core().close(Life::Closed));
        self.end_pool(deadline);
        if let Err(panic) = ended {
            resume_unwind(panic);
        }
        ShutdownReport::new(left)
    }

    /// Whether it was shut down, or is being.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.core().life() > Life::Running
    }

    /// This bus, and all that are below it, closing. Each is before its children are looked for: a child that is made meanwhile is
    /// either among them, or finds its parent closing.
    fn close_with_those_below(&self) -> Vec<Self> {
        self.core().close(Life::Closing);
        let below = self.children();
        std::iter::once(self.clone()).chain(below.iter().flat_map(Self::close_with_those_below)).collect()
    }

    /// The events that wait in those of its queues.
    fn waiting(&self, of: impl Fn(&dyn Outlet) -> bool) -> impl Iterator<Item = Left> {
        let core = self.core().clone();
        core.backstage.outlets().into_iter().filter(move |outlet| of(&**outlet)).filter_map(move |outlet| {
            let (bus, queue) = (core.name.clone(), outlet.label().to_string().into());
            let count = outlet.undone();
            (count > 0).then_some(Left::Events { bus, queue, count })
        })
    }

    /// What else has not ended on this bus.
    fn unended(&self) -> Vec<Left> {
        let core = self.core();
        let bus = || core.name.clone();
        let mut left = Vec::new();
        if core.is_emitting() && !thread::holds_handlers() {
            left.push(Left::Emits { bus: bus() });
        }
        let mut going_on = core.going_on() as u64;
        for (layer, connection) in core.layers_everywhere() {
            let count = layer.middleware().standing(core.clock.elapsed()).held;
            if count > 0 {
                let layer = layer.middleware().describe().as_ref().into();
                left.push(Left::Held { bus: bus(), layer, connection, count });
                going_on = going_on.saturating_sub(count);
            }
        }
        if going_on > 0 {
            left.push(Left::Running { bus: bus(), count: going_on });
        }
        #[cfg(feature = "async")]
        left.extend(self.calls_left());
        left
    }

    /// The async calls that are not done, for each handler, and those of handlers that are gone.
    #[cfg(feature = "async")]
    fn calls_left(&self) -> Vec<Left> {
        let core = self.core();
        let left = |connection, count| Left::Calls { bus: core.name.clone(), connection, count };
        let mut unknown = self.running();
        let mut calls = Vec::new();
        for slot in core.slots() {
            let count = slot.undone_calls().min(unknown);
            if count > 0 {
                unknown -= count;
                calls.push(left(Some(owner(&*slot)), count));
            }
        }
        if unknown > 0 {
            calls.push(left(None, unknown));
        }
        calls
    }

    /// Ends the pool that belongs to this bus, without waiting for jobs beyond the deadline.
    fn end_pool(&self, deadline: Option<Instant>) {
        if let Some(pool) = self.core().backstage.pool() {
            let left = match deadline {
                // Its job waits for this.
                _ if pool.has_this_thread() => Duration::ZERO,
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            // What did not end is in the report, if this bus had given it there.
            let _ = pool.stop(left);
        }
    }
}

/// What a report calls a connection by.
fn owner(slot: &dyn Slot) -> Box<str> {
    let site = slot.header().site();
    slot.name().map_or_else(|| site.to_string(), |name| format!("`{name}` ({site})")).into()
}

impl Core {
    /// Whether no layer holds anything, nothing goes on that was held, and no async handler runs.
    fn is_idle(&self) -> bool {
        #[cfg(feature = "async")]
        if !self.tasks.are_none() {
            return false;
        }
        let is_idle = self.going_on() == 0;
        // As in `is_emitting`.
        fence(Ordering::Acquire);
        is_idle
    }

    /// How many events are held or go on, but for those that wait for this thread to end.
    fn going_on(&self) -> usize {
        self.backstage.homes().saturating_sub(Resuming::here(self.id))
    }

    /// The layers of the stack and those of the connections, with the place where these were connected.
    fn layers_everywhere(&self) -> Vec<(Layer, Option<Box<str>>)> {
        let stack = self.stack_now().1;
        let own = stack.layers().iter().map(|layer| (layer.clone(), None));
        let slots = self.slots();
        let of_slots = slots.iter().flat_map(|slot| {
            let owner = owner(&**slot);
            slot.layers().iter().map(move |layer| (layer.clone(), Some(owner.clone())))
        });
        own.chain(of_slots).collect()
    }
}

/// Looks again and again, with pauses that grow; whether it is done before the time is over.
fn wait_until(deadline: Option<Instant>, done: impl Fn() -> bool) -> bool {
    let mut pause = Duration::from_micros(20);
    while !done() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return false;
        }
        nap(left.map_or(pause, |left| left.min(pause)));
        pause = (2 * pause).min(Duration::from_millis(5));
    }
    true
}
