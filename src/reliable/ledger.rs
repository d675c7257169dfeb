//! [`Ledger`]: which events were taken from a reliable subscription and are not done with.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use sigtree_middleware::{Alarm, Clock, DeadLetter, DeadReason, Entry, Priority, Site};
use slotmap::Key as _;

#[cfg(feature = "async")]
use super::Late;
use super::book::{Book, Dead, Flight, Given, Todo, Why};
use super::{Failed, ReliableStats, Rules, Settles, Ticket, Told, text_of};
use crate::connection::ConnectionId;
use crate::dispatch::failure::discard;
use crate::queue::Pipe;
use crate::subscription::{Addressed, Label, Parcel, Received, Receives};
use crate::sync::Mutex;

/// What handles, tickets and the bus's end of a reliable subscription share.
///
/// An attempt ends once: by whoever finds it under way when he has the lock, the one who says how it went or the clock. What
/// has to do with code of others, letters, alarms, wakers and payloads, is done when the lock is free.
pub(crate) struct Ledger<T: Receives + ?Sized> {
    pipe: Arc<Pipe<Parcel<T>>>,
    book: Mutex<Book<Parcel<T>>>,
    rules: Rules,
    dead: DeadLetter,
    clock: Arc<dyn Clock>,
    addressed: Addressed,
    label: Arc<Label>,
    connection: OnceLock<ConnectionId>,
    /// Who takes without waiting.
    told: OnceLock<Weak<dyn Told>>,
    /// Who counts its events.
    settles: OnceLock<Weak<dyn Settles>>,
    me: Weak<Self>,
}

impl<T: Receives + ?Sized> Ledger<T> {
    pub(crate) fn new(
        pipe: Arc<Pipe<Parcel<T>>>,
        rules: Rules,
        clock: Arc<dyn Clock>,
        addressed: Addressed,
        label: Arc<Label>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            pipe,
            book: Mutex::new(Book::default()),
            dead: rules.dead_letters(),
            rules,
            clock,
            addressed,
            label,
            connection: OnceLock::new(),
            told: OnceLock::new(),
            settles: OnceLock::new(),
            me: me.clone(),
        })
    }

    /// Notes which connection it is of.
    pub(crate) fn connected(&self, id: ConnectionId) {
        let _ = self.connection.set(id);
    }

    /// Notes who is told that something is to be given again.
    pub(crate) fn tell(&self, told: Weak<dyn Told>) {
        let _ = self.told.set(told);
    }

    /// Notes who counts its events.
    #[cfg(feature = "async")]
    pub(crate) fn settle_with(&self, settles: Weak<dyn Settles>) {
        let _ = self.settles.set(settles);
    }

    /// Notes who is told when an attempt is late; whether it is under way.
    #[cfg(feature = "async")]
    pub(super) fn watch(&self, flight: Flight, attempt: u32, who: Weak<dyn Late>) -> bool {
        self.book.lock().watch(flight, attempt, who)
    }

    /// Has what waits for its pause given again now.
    #[cfg(feature = "async")]
    pub(crate) fn end_pauses(&self) {
        let todo = self.book.lock().end_pauses();
        self.see_to(todo);
    }

    fn settles(&self) -> Option<Arc<dyn Settles>> {
        self.settles.get().and_then(Weak::upgrade)
    }

    /// An event is done or dead.
    fn settle(&self, priority: Priority) {
        self.pipe.give_back(priority);
        if let Some(settles) = self.settles() {
            settles.settled();
        }
    }

    /// Takes the next event: one that is to be given again, or else one that was not given yet.
    pub(crate) fn take(&self) -> Option<Received<T>> {
        let until = self.clock.elapsed().saturating_add(self.rules.timeout());
        let again = {
            let mut book = self.book.lock();
            book.give_again(until).map(|given| (given, book.alarm()))
        };
        let (Given { flight, attempt, parcel }, alarm) = match again {
            Some(given) => given,
            None => {
                let parcel = self.pipe.pop()?;
                let mut book = self.book.lock();
                (book.give(parcel, until), book.alarm())
            }
        };
        // Made first: whatever goes wrong from here on, the event is not lost.
        let ticket = Ticket::new(self.me.upgrade()?, flight, attempt);
        self.set(alarm);
        Some(Received::with_ticket(parcel, &self.addressed, ticket))
    }

    pub(super) fn ack(&self, flight: Flight, attempt: u32) -> bool {
        let done = self.book.lock().ack(flight, attempt);
        done.is_some_and(|parcel| {
            self.settle(parcel.priority());
            true
        })
    }

    pub(super) fn fail(&self, flight: Flight, attempt: u32, why: impl Display) -> Failed {
        let (error, now) = (text_of(why), self.clock.elapsed());
        let (todo, alarm) = {
            let mut book = self.book.lock();
            let todo = book.fail(flight, attempt, error, now, |attempts| self.rules.pause_after(attempts));
            (todo, book.alarm())
        };
        self.set(alarm);
        let Some(todo) = todo else { return Failed::TooLate };
        let failed = if todo.dead.is_empty() { Failed::Again } else { Failed::Dead };
        self.see_to(todo);
        failed
    }

    /// Nobody takes any more: what was not given, or waits to be given again, is dead.
    pub(crate) fn end(&self) {
        let mut todo = self.book.lock().end();
        while let Some(parcel) = self.pipe.pop() {
            todo.dead.push(self.book.lock().bury_ungiven(parcel));
        }
        self.see_to(todo);
    }

    /// Whether one is to be given again that can be taken.
    pub(crate) fn ready(&self) -> usize {
        self.book.lock().ready()
    }

    pub(crate) fn stats(&self) -> ReliableStats {
        self.book.lock().stats()
    }

    pub(crate) fn dead_letters(&self) -> &DeadLetter {
        &self.dead
    }

    fn set(&self, alarm: Option<Duration>) {
        if let Some(at) = alarm {
            let me: Weak<Self> = self.me.clone();
            self.clock.wake(at, me);
        }
    }

    fn see_to(&self, todo: Todo<Parcel<T>>) {
        (0..todo.ready).for_each(|_| self.pipe.wake_taker());
        if todo.ready > 0
            && let Some(told) = self.told.get().and_then(Weak::upgrade)
        {
            told.tell();
        }
        for dead in todo.dead {
            let priority = dead.parcel.priority();
            // A payload may panic when it is weighed or dropped; whoever is told of it has no part in that.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.bury(dead))) {
                discard(Some(panic));
            }
            self.settle(priority);
        }
    }

    /// Makes a dead letter.
    fn bury(&self, dead: Dead<Parcel<T>>) {
        let Dead { parcel, attempts, why } = dead;
        let Some((payload, details)) = parcel.into_parts() else { return };
        let Some((id, stamp)) = details.identity else { return };
        // Who is told takes nothing himself: a handler.
        let kind = if self.told.get().is_some() { "connection" } else { "subscription" };
        let reason = match why {
            Why::Failed(error) => DeadReason::Failed(error),
            Why::Ended(Some(error)) => DeadReason::Abandoned(format!("the {kind} ended; last error: {error}").into()),
            Why::Ended(None) => DeadReason::Abandoned(format!("the {kind} ended").into()),
        };
        let entry = Entry::new(0, details.topic.clone(), T::erase(payload), id, stamp);
        let site = Site {
            id: self.connection.get().map_or(0, |id| id.data().as_ffi()),
            pattern: self.label.pattern.as_str(),
            name: self.label.name.as_deref(),
            location: self.label.site,
        };
        tracing::warn!(target: "sigtree::reliable", topic = %details.topic, attempts, "gave up on an event: {reason}");
        self.dead.add(entry.with_envelope(details.envelope.clone()), reason, site, attempts);
    }
}

impl<T: Receives + ?Sized> Alarm for Ledger<T> {
    fn ring(&self) {
        let now = self.clock.elapsed();
        let late: Arc<str> = format!("not done within {:?}", self.rules.timeout()).into();
        let (todo, alarm) = {
            let mut book = self.book.lock();
            let todo = book.ring(now, &late, |attempts| self.rules.pause_after(attempts));
            (todo, book.alarm())
        };
        self.set(alarm);
        for taker in todo.late.iter().filter_map(Weak::upgrade) {
            taker.be_late();
        }
        if let Some(settles) = self.settles() {
            let topics = todo.dead.iter().filter_map(|dead| dead.parcel.topic());
            topics.for_each(|topic| settles.gave_up(topic, &self.label, &late));
        }
        self.see_to(todo);
    }
}
