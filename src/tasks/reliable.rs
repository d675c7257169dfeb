//! Async handlers in reliable mode: their events wait in a queue, and keep their place until they are done with.

use std::any::TypeId;
use std::panic::Location;
use std::sync::{Arc, Weak};

use sigtree_middleware::{Cause, DeadLetter, Event, Topic};

use super::desk::Desk;
use super::handler::AsyncFn1;
use super::home::NOWHERE;
use super::running::CallOf;
use crate::connection::Connection;
use crate::dispatch::core::Core;
use crate::dispatch::slot::{Call, Called, Slot};
use crate::error::Error;
use crate::handler::Outcome;
use crate::on::On;
use crate::queue::QueueStats;
use crate::reliable::Settles;
use crate::subscription::{Fed, Feed, Label, Received, Receives};

impl On {
    #[track_caller]
    pub(super) fn connect_async_reliable<T, F, O>(
        mut self,
        handler: F,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error>
    where
        T: Receives + ?Sized,
        F: AsyncFn1<Received<T>, O>,
        O: Outcome + 'static,
    {
        let most = if self.take_serial() { 1 } else { usize::MAX };
        let core = self.core().clone();
        let fed = Fed::new(&self, site)?;
        let outlet = fed.outlet_of_calls();
        let Fed { feed, ledger, label, .. } = fed;
        let ledger = ledger.expect("the queue of a reliable handler has a ledger");
        let desk = Desk::new(ledger.clone(), label, handler, most, &core);
        let call = Reliably { desk, feed, core: Arc::downgrade(&core) };
        let link = self.connect_call(call, T::payload_type(), site)?;
        ledger.connected(link.id());
        core.backstage.add_outlet(outlet);
        Ok(link)
    }
}

/// The handler at the bus's end: it puts events into the queue.
struct Reliably<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    desk: Arc<Desk<T, F, O>>,
    feed: Feed<T>,
    core: Weak<Core>,
}

impl<T, F, O> Call for Reliably<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    const RETAINS: bool = true;

    fn call(&self, event: &Event<'_>) -> Called {
        if !self.accepts(event.payload_type()) {
            return Called::OtherType;
        }
        let Some(core) = self.core.upgrade() else { return Called::Skipped };
        if !self.desk.home.is_found() {
            event.emission().set_error(NOWHERE.into());
            return Called::Failed;
        }
        // Until it is done or dead; before somebody can be done with it.
        core.tasks.begin();
        let called = self.feed.call(event);
        if called == Called::Done {
            self.desk.look();
        } else {
            core.tasks.end();
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

    fn undone_calls(&self) -> usize {
        self.feed.undone()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        self.desk.explain(notes);
        self.feed.explain(notes);
    }
}

impl<T, F, O> Drop for Reliably<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    fn drop(&mut self) {
        self.desk.end();
    }
}

impl Settles for Core {
    fn settled(&self) {
        self.tasks.end();
    }

    fn gave_up(&self, topic: &Topic, label: &Arc<Label>, why: &str) {
        let of = CallOf::new(topic, label.clone());
        self.report_late_failure(&of.failure(Cause::Error(why.into())), label.slot());
    }
}
