//! [`OnBatch`]: handlers that take many events at once.

mod desk;
mod turn;

use std::any::TypeId;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sigtree_middleware::{DeadLetter, Event};

use crate::connection::Connection;
use crate::dispatch::slot::{Call, Called, Slot};
use crate::error::Error;
use crate::handler::Outcome;
use crate::on::On;
use crate::queue::QueueStats;
use crate::subscription::{Fed, Feed, Received, Receives};
use desk::Desk;

/// A handler in the making that takes many events at once, from [`On::batch`].
///
/// Events wait in a [queue](On::queue) until there are as many as a batch has, or the oldest has waited as long as it may. Then
/// the handler is called with all of them, in order: on the connection's [executor](On::on) if it has one, else in the thread
/// that brought the last one, or in the clock's if the time was over. Batches of a connection are handled one after the other;
/// while one is, emitters put theirs into the queue and go on. What finds no place there fares as the queue says.
///
/// The emit says that the handler was called when the event is in the queue; the handler's own failures are reported as ever.
///
/// # What is not lost
///
/// [`Bus::flush`](crate::Bus::flush) has what waits handled now, full or not. When the connection ends, what waits is handled by
/// whoever ends it, executor or not, before the disconnect returns; so hold no lock then that the handler wants. With the bus it is
/// handled by whoever drops its last handle, or leaves the emit that was inside.
///
/// No new call starts after a disconnect. So if a batch is being handled just then, in another thread or further out in this one, it
/// is the last: what waits behind it is lost, [counted](crate::QueueStats::abandoned) and logged, or becomes dead letters in
/// reliable mode. [`disconnect_wait`](Connection::disconnect_wait) waits for the batch.
///
/// In [reliable](crate::Reliable) mode a batch whose handler returns is done; if it fails or panics, each event of it has failed, and
/// comes again in a later batch. Those that still fail when the connection ends become dead letters.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
/// use sigtree::{Bus, ManualClock, Received};
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let table = Arc::new(Mutex::new(Vec::new()));
/// let rows = table.clone();
/// let _writer = bus.on("row").batch(3, Duration::from_secs(1)).connect(move |batch: &[Received<u32>]| {
///     rows.lock().unwrap().push(batch.iter().map(|row| **row).collect::<Vec<_>>());
/// })?;
///
/// (1..=5_u32).for_each(|row| drop(bus.emit("row", row)));
/// assert_eq!(*table.lock().unwrap(), [vec![1, 2, 3]]);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(*table.lock().unwrap(), [vec![1, 2, 3], vec![4, 5]]);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder connects nothing until `connect`"]
pub struct OnBatch {
    on: On,
    most: usize,
    within: Duration,
}

impl On {
    /// Gives the handler many events at once: `most` of them, or those there are when the oldest has waited so long.
    ///
    /// # Panics
    ///
    /// If a batch has no events, or more than the [queue](On::queue), which is to be chosen before, has places.
    #[track_caller]
    pub fn batch(self, most: usize, within: Duration) -> OnBatch {
        assert!(most > 0, "a batch has at least one event");
        assert!(
            most <= self.queue_or_default().capacity(),
            "a batch has as many events as its queue has places, or fewer"
        );
        OnBatch { on: self, most, within }
    }
}

impl OnBatch {
    /// Connects the handler.
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    ///
    /// # Panics
    ///
    /// As [`subscribe`](On::subscribe).
    #[track_caller]
    pub fn connect<T, O, F>(self, handler: F) -> Result<Connection, Error>
    where
        T: Receives + ?Sized,
        O: Outcome,
        F: Fn(&[Received<T>]) -> O + Send + Sync + 'static,
    {
        let Self { mut on, most, within } = self;
        let site = Location::caller();
        // Batches are in order as it is.
        on.take_serial();
        let executor = on.take_executor();
        let core = on.core().clone();
        let fed = Fed::new(&on, site)?;
        let handle = move |batch: &[Received<T>]| handler(batch).into_result();
        let desk = Desk::new(&fed, most, within, executor, &core, Box::new(handle));
        let outlet = fed.outlet();
        let Fed { feed, ledger, .. } = fed;
        let link = on.connect_call(Gather { desk, feed }, T::payload_type(), site)?;
        if let Some(ledger) = ledger {
            ledger.connected(link.id());
        }
        core.backstage.add_outlet(outlet);
        Ok(link)
    }
}

/// The handler at the bus's end: it puts events into the queue.
struct Gather<T: Receives + ?Sized> {
    desk: Arc<Desk<T>>,
    feed: Feed<T>,
}

impl<T: Receives + ?Sized> Call for Gather<T> {
    const RETAINS: bool = true;

    fn call(&self, event: &Event<'_>) -> Called {
        let called = self.feed.call(event);
        if called == Called::Done {
            self.desk.look();
        }
        called
    }

    fn accepts(&self, payload: TypeId) -> bool {
        self.feed.accepts(payload)
    }

    fn flush(&self) {
        self.desk.flush();
    }

    fn ended(&self) {
        self.desk.end();
    }

    fn placed(&self, slot: Weak<dyn Slot>) {
        self.desk.placed(slot);
    }

    fn queue_stats(&self) -> Option<QueueStats> {
        self.feed.queue_stats()
    }

    fn dead_letters(&self) -> Option<&DeadLetter> {
        self.feed.dead_letters()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(format!("batches of {} or {:?}", self.desk.most(), self.desk.within()));
        self.feed.explain(notes);
    }
}

impl<T: Receives + ?Sized> Drop for Gather<T> {
    fn drop(&mut self) {
        self.desk.end();
    }
}
