//! [`Subscription`]: events that wait in a queue for somebody who takes them.

mod asked;
mod batch;
mod fed;
mod feed;
mod received;
mod recv;
#[cfg(feature = "async")]
mod stream;

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "async")]
use sigtree_middleware::Clock;
use sigtree_middleware::{DeadLetter, Erased, IntoPattern};

use crate::bus::Bus;
use crate::connection::{Connection, ConnectionId, Mute};
use crate::error::Error;
use crate::lifecycle::Life;
use crate::on::On;
#[cfg(feature = "async")]
use crate::queue::Nap;
use crate::queue::{Pipe, QueueStats};
use crate::reliable::{Ledger, ReliableStats};
use crate::signal::Signal;

pub(crate) use asked::Asked;
#[cfg(feature = "async")]
pub use batch::RecvBatch;
pub(crate) use fed::Fed;
pub(crate) use feed::{Feed, Label};
pub(crate) use received::{Addressed, Parcel};
pub use received::{Received, Receives};
pub use recv::{Recv, RecvError};

/// Events of a pattern in a bounded queue, to be taken when and where it suits: connect pushes, subscribe pulls.
///
/// Emitting threads put events in and go on; what happens when the queue is full is for [`Overflow`](crate::Overflow) to
/// say. A clone takes from the same queue, so several threads or tasks share the load and each event goes to one of them.
/// Dropped, with all clones, it ends; what still waits is dropped with it, or becomes dead letters if it is
/// [reliable](crate::Reliable). [`disconnect`](Self::disconnect) ends it for all clones at once, and what waits can still be taken.
///
/// | to take | |
/// |---|---|
/// | what is there | [`try_recv`](Self::try_recv), [`drain`](Self::drain) |
/// | the next, within a time | [`recv_timeout`](Self::recv_timeout) |
/// | the next, whenever it comes | [`recv_blocking`](Self::recv_blocking), `for event in &subscription` |
/// | the next, in a task | [`recv`](Self::recv)`.await`; with the feature `async` it is a `Stream` |
/// | many at once | [`recv_batch_timeout`](Self::recv_batch_timeout); in a task `recv_batch`, with the feature `async` |
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// let tracks = bus.subscribe::<u32>("radar.*")?;
/// bus.emit("radar.new", 7_u32);
/// bus.emit("radar.lost", 8_u32);
///
/// let first = tracks.try_recv()?;
/// assert_eq!((first.topic().as_str(), *first), ("radar.new", 7));
/// assert_eq!(tracks.drain().map(|track| *track).collect::<Vec<_>>(), [8]);
/// assert!(tracks.try_recv().unwrap_err().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Without a type it takes events of all types:
///
/// ```
/// use sigtree::{Bus, Subscription};
///
/// let bus = Bus::new();
/// let all: Subscription = bus.subscribe("**")?;
/// bus.emit("count", 7_u32);
/// bus.emit("name", "seven");
/// let numbers = all.drain().filter_map(|event| event.payload::<u32>().copied());
/// assert_eq!(numbers.collect::<Vec<_>>(), [7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it keeps
///
/// An event is one allocation, whoever keeps it, and each queue holds one reference. Its id and time are there if somebody
/// asked for them in the emit, or if the queue is [`stamped`](crate::Queue::stamped).
///
/// # Order
///
/// Events of one lane are taken in the order in which they were put in, which for one emitting thread is that of its emits;
/// [`Queue`](crate::Queue) says which lane is taken from first.
///
/// # Concurrency
///
/// To put an event in, an emit takes no lock (with [`Overflow::Latest`](crate::Overflow) it takes one for a look into a table),
/// and it wakes a thread or task only if one sleeps. Those who wait let others run once, look again, and
/// sleep; they do not spin.
#[must_use = "dropping a subscription ends it"]
#[doc(alias = "channel")]
#[doc(alias = "consumer")]
pub struct Subscription<T: Receives + ?Sized = Erased> {
    pipe: Arc<Pipe<Parcel<T>>>,
    link: Arc<Connection>,
    addressed: Addressed,
    /// Of a reliable one.
    ledger: Option<Arc<Ledger<T>>>,
    /// The bus's, for tasks that wait so long.
    #[cfg(feature = "async")]
    clock: Arc<dyn Clock>,
    /// That the stream waits.
    #[cfg(feature = "async")]
    nap: Option<Nap>,
}

impl Bus {
    /// Puts the events of a pattern into a queue of 1,024 places, which drops the newest when it is full, unless the bus's
    /// [`BusConfig`](crate::BusConfig) has another.
    ///
    /// With a type it takes that type's events, as a typed handler does; without one, all. [`Bus::on`] has more:
    /// filters, layers, another [`Queue`](crate::Queue).
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    #[track_caller]
    pub fn subscribe<T: Receives + ?Sized>(&self, pattern: impl IntoPattern) -> Result<Subscription<T>, Error> {
        self.on(pattern).subscribe()
    }
}

impl<T: Any + Send + Sync> Signal<T> {
    /// Puts the events of this topic into a queue of 1,024 places: see [`Bus::subscribe`].
    ///
    /// # Errors
    ///
    /// None as long as the bus keeps its rules; the result is there so that all ways to connect look alike.
    #[track_caller]
    pub fn subscribe(&self) -> Result<Subscription<T>, Error> {
        self.on().subscribe()
    }
}

impl On {
    /// Connects a queue, whose events are taken by [`Subscription`].
    ///
    /// Conditions and layers of this builder stand before the queue.
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect); shutting down, if the bus was [shut down](Bus::shutdown).
    ///
    /// # Panics
    ///
    /// If the mode is reliable, and the queue drops its oldest event or keeps the latest only: it would lose what it took.
    #[track_caller]
    pub fn subscribe<T: Receives + ?Sized>(mut self) -> Result<Subscription<T>, Error> {
        let site = Location::caller();
        // A queue keeps its order itself.
        self.take_serial();
        let core = self.core().clone();
        let fed = Fed::new(&self, site)?;
        let outlet = fed.outlet();
        let Fed { pipe, ledger, addressed, feed, .. } = fed;
        let link = self.connect_call(feed, T::payload_type(), site)?;
        if let Some(ledger) = &ledger {
            ledger.connected(link.id());
        }
        core.backstage.add_outlet(outlet);
        pipe.open_handle();
        let subscription = Subscription {
            pipe,
            link: Arc::new(link),
            addressed,
            ledger,
            #[cfg(feature = "async")]
            clock: core.clock.clone(),
            #[cfg(feature = "async")]
            nap: None,
        };
        // It was noted before this look: a shutdown closes it, or is seen here.
        if core.life() > Life::Running { Err(Error::shutting_down(&core.name)) } else { Ok(subscription) }
    }
}

impl<T: Receives + ?Sized> Subscription<T> {
    /// The connection's id on its bus, as in [`Bus::disconnect`] and in the figures of [`Bus::metrics`].
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.link.id()
    }

    /// Ends it for all clones: nothing more comes, what waits can still be taken, and then each of them is told that it is closed.
    ///
    /// Who sleeps in one of them is woken, and so is an emit that waits for a place. What was taken from a
    /// [reliable](crate::Reliable) one and fails is still given again; what is left when the last clone is dropped becomes dead
    /// letters, as ever.
    ///
    /// # Concurrency
    ///
    /// When it returns no emit that begins finds it. One that was under way may still put its event in: whoever looks again has it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let plots = bus.subscribe::<u32>("plot")?;
    /// let workers: Vec<_> = (0..2)
    ///     .map(|_| {
    ///         let plots = plots.clone();
    ///         thread::spawn(move || plots.into_iter().map(|plot| *plot).sum::<u32>())
    ///     })
    ///     .collect();
    /// bus.emit("plot", 3_u32);
    /// bus.emit("plot", 4_u32);
    /// plots.disconnect();
    /// assert_eq!(bus.emit("plot", 5_u32).called(), 0);
    /// assert_eq!(workers.into_iter().map(|worker| worker.join().unwrap()).sum::<u32>(), 7);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn disconnect(&self) {
        self.link.end();
        // The bus's end closes it, too, but not before the last emit that is inside it has ended, which may wait for a place.
        self.pipe.close();
    }

    fn pop(&self) -> Option<Received<T>> {
        match &self.ledger {
            None => self.pipe.pop().map(|parcel| Received::of(parcel, &self.addressed)),
            Some(ledger) => ledger.take(),
        }
    }

    /// Takes the next event, if one is there.
    ///
    /// # Errors
    ///
    /// Empty, if none waits; closed, if none waits and none will come, because the bus is gone or [shut down](Bus::shutdown), or
    /// the subscription was disconnected.
    pub fn try_recv(&self) -> Result<Received<T>, RecvError> {
        self.pipe.note_taker();
        self.found(self.pop())
    }

    /// What was found, or why nothing was.
    fn found(&self, found: Option<Received<T>>) -> Result<Received<T>, RecvError> {
        RecvError::unless(found, || self.pipe.is_over(), || self.pop())
    }

    /// Takes the next event, and sleeps until one comes or the time is over.
    ///
    /// # Errors
    ///
    /// Empty, if none came in time; closed, as with [`try_recv`](Self::try_recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Received<T>, RecvError> {
        // A timeout too far off for the clock is none.
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Takes the next event, and sleeps until one comes.
    ///
    /// # Errors
    ///
    /// Closed, as with [`try_recv`](Self::try_recv).
    pub fn recv_blocking(&self) -> Result<Received<T>, RecvError> {
        self.recv_until(None)
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<Received<T>, RecvError> {
        self.pipe.note_taker();
        loop {
            let found = self.found(self.pipe.find_until(deadline, || self.pop(), || self.pipe.is_over()));
            // Over when it looked, and not any more: an emit put one in, which another one took and may give back.
            if deadline.is_none() && is_empty(&found) {
                continue;
            }
            return found;
        }
    }

    /// Takes the next event, in a task: a future that any runtime can run.
    ///
    /// Dropped before it is ready, it has taken nothing.
    ///
    /// # Errors
    ///
    /// Closed, as with [`try_recv`](Self::try_recv).
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(self)
    }

    /// The events that are there, taken one by one as they are asked for; it ends when none is there.
    pub fn drain(&self) -> impl Iterator<Item = Received<T>> {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    /// How many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pipe.len() + self.ledger.as_ref().map_or(0, |ledger| ledger.ready())
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no event will come any more; those that wait can still be taken, and those of a reliable one that fail come back.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.pipe.is_closed()
    }

    /// What came, was taken and was lost.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.pipe.stats()
    }

    /// Gives the queue so many places, while events come and are taken; none that is in is lost, and their order stays.
    ///
    /// Where fewer places are left than events wait, these stay until they are taken, and new ones meet a full queue. A queue that
    /// was given another size keeps what comes in lists behind a lock, held for a push or a take; it has no ring any more.
    ///
    /// # Panics
    ///
    /// If there are no places.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, Queue};
    ///
    /// let bus = Bus::new();
    /// let plots = bus.on("plot").queue(Queue::bounded(1)).subscribe::<u32>()?;
    /// bus.emit("plot", 1_u32);
    /// assert_eq!(bus.emit("plot", 2_u32).skipped(), 1);
    /// plots.resize(2);
    /// bus.emit("plot", 3_u32);
    /// assert_eq!(plots.drain().map(|plot| *plot).collect::<Vec<_>>(), [1, 3]);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[track_caller]
    pub fn resize(&self, capacity: usize) {
        assert!(capacity > 0, "a queue has at least one place");
        self.pipe.resize(capacity);
    }

    /// What became of the events that were taken, if it is [reliable](crate::Reliable).
    #[must_use]
    pub fn reliable_stats(&self) -> Option<ReliableStats> {
        Some(self.ledger.as_ref()?.stats())
    }

    /// Where events go that were not done with, if it is [reliable](crate::Reliable).
    #[must_use]
    pub fn dead_letters(&self) -> Option<&DeadLetter> {
        Some(self.ledger.as_ref()?.dead_letters())
    }

    /// Lets no event in while the guard lives: see [`Connection::mute`].
    pub fn mute(&self) -> Mute {
        self.link.mute()
    }
}

fn is_empty<R>(received: &Result<R, RecvError>) -> bool {
    received.as_ref().err().is_some_and(RecvError::is_empty)
}

impl<T: Receives + ?Sized> Clone for Subscription<T> {
    fn clone(&self) -> Self {
        self.pipe.open_handle();
        Self {
            pipe: self.pipe.clone(),
            link: self.link.clone(),
            addressed: self.addressed.clone(),
            ledger: self.ledger.clone(),
            #[cfg(feature = "async")]
            clock: self.clock.clone(),
            #[cfg(feature = "async")]
            nap: None,
        }
    }
}

impl<T: Receives + ?Sized> Drop for Subscription<T> {
    fn drop(&mut self) {
        if self.pipe.close_handle()
            && let Some(ledger) = &self.ledger
        {
            ledger.end();
        }
    }
}

impl<T: Receives + ?Sized> Iterator for &Subscription<T> {
    type Item = Received<T>;

    /// Takes the next event, and sleeps until one comes; `None` when none will.
    fn next(&mut self) -> Option<Received<T>> {
        self.recv_blocking().ok()
    }
}

impl<T: Receives + ?Sized> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.link.id()).field("stats", &self.stats()).finish()
    }
}
