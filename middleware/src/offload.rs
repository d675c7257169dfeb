//! [`Offload`]: lets events go on in another thread; [`Executor`]: what runs them there.

mod executor;
mod order;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use executor::{Executor, Job, Refused, Taken};
use order::Order;

use crate::flow::{Counts, FlowStats};
use crate::{Event, Held, Mark, Middleware, Next, Standing, Topic};

/// Lets events go on in another thread: a pool's, a runtime's, the main thread when it comes round.
///
/// Reach for it where handlers take long and emitters must not wait. Around one connection, [`On::on`] is the short way to it:
/// the handler and its layers then run on the executor. In a bus's stack it stands before all handlers of the bus.
///
/// The emit says that the event [is held](https://docs.rs/sigtree/latest/sigtree/struct.Delivery.html#method.is_held), and knows
/// nothing of the calls; failures are reported as ever. An event that the executor refuses is ended with the reason that it
/// gives, and counted as dropped; so is one whose job the executor drops unrun.
///
/// Events go on in any order, several at once. [`serial`](Self::serial) keeps their order, one at a time.
///
/// [`On::on`]: https://docs.rs/sigtree/latest/sigtree/struct.On.html#method.on
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use sigtree::{Bus, middleware::{Job, Offload, Refused}};
///
/// let (jobs, waiting) = mpsc::channel::<Job>();
/// let bus = Bus::new();
/// bus.layer(Offload::to(move |job| jobs.send(job).map_err(|_| Refused::because("nobody runs jobs any more"))));
/// let (said, heard) = mpsc::channel();
/// let _hears = bus.connect("a", move |n: &u32| said.send(*n).unwrap())?;
///
/// assert!(bus.emit("a", 7_u32).is_held());
/// assert!(heard.try_recv().is_err());
/// std::thread::spawn(move || waiting.iter().for_each(Job::run));
/// assert_eq!(heard.recv(), Ok(7));
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// Two allocations and a job for each event, beside the `Arc` of its payload; the handlers cost the emitter nothing.
///
/// # Place
///
/// Layers before it run in the emitter's thread and see the emit's end before the handlers were called; layers behind it run
/// where the handlers do. So what looks at the clock, or at what handlers did, when `next.run` is over belongs behind it. Layers that
/// stand around each call, as [`Retry`](crate::Retry), [`DeadLetter`](crate::DeadLetter) and [`Counters`](crate::Counters) do, may
/// stand on either side. What every stock piece does before it and behind it is on the page of
/// [pairs](crate::pairs#events-that-are-held).
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use sigtree::{Bus, Event, Next, Stack, middleware::{Job, Offload}};
///
/// let later = Arc::new(Mutex::new(Vec::new()));
/// let jobs = later.clone();
/// let offload = Offload::to(move |job: Job| {
///     jobs.lock().unwrap().push(job);
///     Ok(())
/// });
/// let order = Arc::new(Mutex::new(Vec::new()));
/// let note = |what: &'static str| {
///     let order = order.clone();
///     move || order.lock().unwrap().push(what)
/// };
/// let stopwatch = |over: &'static str| {
///     let over = note(over);
///     move |event: &Event<'_>, next: Next<'_>| {
///         next.run(event);
///         over();
///     }
/// };
///
/// let bus = Bus::new();
/// bus.set_stack(Stack::new().with(stopwatch("wrong")).with(offload).with(stopwatch("right")));
/// let called = note("handler");
/// let _slow = bus.connect("a", move |_: &u32| called())?;
/// bus.emit("a", 1_u32);
/// let jobs = std::mem::take(&mut *later.lock().unwrap());
/// jobs.into_iter().for_each(Job::run);
/// assert_eq!(*order.lock().unwrap(), ["wrong", "handler", "right"]);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "spawn")]
#[doc(alias = "background")]
pub struct Offload(Arc<Inner>);

struct Inner {
    executor: Arc<dyn Executor>,
    mark: Mark,
    order: Option<Order>,
    counts: Arc<Counts>,
}

impl Offload {
    /// Lets events go on as jobs of this executor.
    #[must_use]
    pub fn to(mut executor: impl Executor) -> Self {
        executor.settle();
        Self::of(Arc::new(executor), false)
    }

    fn of(executor: Arc<dyn Executor>, serial: bool) -> Self {
        let (mark, counts) = (Mark::new(), Arc::new(Counts::default()));
        let order = serial.then(Order::new);
        Self(Arc::new(Inner { executor, mark, order, counts }))
    }

    /// Keeps events in the order in which they came, and lets one go on at a time; a piece of its own, which starts anew.
    ///
    /// What waits for its turn waits here, without a bound; the executor has one job of it at a time.
    #[must_use]
    pub fn serial(&self) -> Self {
        Self::of(self.0.executor.clone(), true)
    }

    /// What runs the jobs.
    #[must_use]
    pub fn executor(&self) -> Arc<dyn Executor> {
        self.0.executor.clone()
    }

    /// Lets an event that another layer holds go on as one of its jobs, in the order of the others if that is kept.
    ///
    /// # Errors
    ///
    /// If the executor takes no job: why. The event is dropped then.
    pub fn release(&self, held: Held) -> Result<(), Refused> {
        self.0.submit(held)
    }

    /// What became of the events: passed, dropped, held.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        self.0.counts.stats()
    }
}

impl Inner {
    fn submit(&self, held: Held) -> Result<(), Refused> {
        let ticket = Ticket::new(held, self.counts.clone());
        match &self.order {
            None => self.executor.execute(Job::new(move || ticket.release())),
            Some(order) => order.submit(ticket, &self.executor),
        }
    }
}

impl Middleware for Offload {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        let Inner { mark, counts, .. } = &*self.0;
        if event.resumes(*mark) {
            return next.run(event);
        }
        match next.hand_over(event, *mark, |held| self.0.submit(held)) {
            Some(Ok(())) => {}
            Some(Err(refused)) => next.discard(event, refused.reason()),
            None => {
                counts.pass_early();
                next.run(event);
            }
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

    /// Nothing: what it gave to the executor goes on there.
    fn flush(&self) {}

    fn standing(&self, _now: Duration) -> Standing {
        Standing::holding(self.stats().held)
    }

    fn describe(&self) -> Cow<'static, str> {
        let executor = self.0.executor.describe();
        if self.0.order.is_some() {
            format!("on {executor}, one at a time").into()
        } else {
            format!("on {executor}").into()
        }
    }
}

/// An event on its way through an executor: released once, or counted as dropped.
struct Ticket {
    held: Option<Held>,
    counts: Arc<Counts>,
}

impl Ticket {
    fn new(held: Held, counts: Arc<Counts>) -> Self {
        counts.hold();
        Self { held: Some(held), counts }
    }

    fn release(mut self) {
        if let Some(held) = self.held.take() {
            self.counts.release(&held);
        }
    }
}

/// An executor may drop a job unrun.
impl Drop for Ticket {
    fn drop(&mut self) {
        if self.held.take().is_some() {
            self.counts.drop_held();
        }
    }
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload").field("to", &self.0.executor.describe()).field("stats", &self.stats()).finish()
    }
}
