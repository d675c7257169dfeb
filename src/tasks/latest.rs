//! Async handlers that are called with the latest event of each topic only.

use std::any::TypeId;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use sigtree_middleware::{Cause, Event, Topic};

use super::handler::AsyncFn1;
use super::home::{Home, NOWHERE};
use super::line::Line;
use super::running::{CallOf, Ended, Running, Step, Undone};
use super::spawner::Task;
use crate::connection::Connection;
use crate::dispatch::core::Core;
use crate::dispatch::slot::{Call, Called, Slot};
use crate::error::Error;
use crate::handler::Outcome;
use crate::on::On;
use crate::subscription::{Addressed, Label, Parcel, Received, Receives};
use crate::sync::{AtomicU64, Mutex, Ordering};

impl On {
    #[track_caller]
    pub(super) fn connect_async_latest<T, F, O>(
        mut self,
        handler: F,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error>
    where
        T: Receives + ?Sized,
        F: AsyncFn1<Received<T>, O>,
        O: Outcome + 'static,
    {
        let line = self.take_serial().then(Line::default);
        let label = Arc::new(self.label(site)?);
        let (core, home) = (Arc::downgrade(self.core()), Home::of(self.core()));
        let addressed = Addressed::by(&label.pattern, false);
        let board = Arc::new_cyclic(|me: &Weak<Board<T, F, O>>| Board {
            handler,
            line,
            label,
            core,
            home,
            posted: Mutex::new(Posted { topics: HashMap::new(), ended: false }),
            replaced: AtomicU64::new(0),
            me: me.clone(),
            of: PhantomData,
        });
        self.connect_call(Newest { board, addressed }, T::payload_type(), site)
    }
}

/// The handler at the bus's end.
struct Newest<T: Receives + ?Sized, F, O> {
    board: Arc<Board<T, F, O>>,
    addressed: Addressed,
}

/// Where the newest of each topic waits for the call before it to end.
struct Board<T: Receives + ?Sized, F, O> {
    handler: F,
    /// Where calls wait for each other, if they are to.
    line: Option<Line>,
    label: Arc<Label>,
    core: Weak<Core>,
    home: Home,
    posted: Mutex<Posted<T>>,
    replaced: AtomicU64,
    me: Weak<Self>,
    of: PhantomData<fn() -> O>,
}

struct Posted<T: Receives + ?Sized> {
    /// The topics that have a task, and what it takes next.
    topics: HashMap<Topic, Option<Received<T>>>,
    ended: bool,
}

impl<T, F, O> Board<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    /// Leaves an event for the task of its topic, in the place of an older one; whether there is such a task.
    fn post(&self, received: Received<T>) -> bool {
        let (older, has_task) = {
            let mut posted = self.posted.lock();
            match posted.topics.get_mut(received.topic()) {
                Some(next) => (next.replace(received), true),
                None => {
                    posted.topics.insert(received.topic().clone(), Some(received));
                    (None, false)
                }
            }
        };
        if older.is_some() {
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        has_task
    }

    /// Takes what is the newest when a call begins.
    fn take(&self, topic: &Topic) -> Option<Received<T>> {
        let mut posted = self.posted.lock();
        if posted.ended { None } else { posted.topics.get_mut(topic)?.take() }
    }

    /// Whether the task of a topic has another call to make; if not, the topic has no task any more.
    fn goes_on(&self, topic: &Topic) -> bool {
        let left = {
            let mut posted = self.posted.lock();
            if !posted.ended && posted.topics.get(topic).is_some_and(Option::is_some) {
                return true;
            }
            posted.topics.remove(topic)
        };
        drop(left);
        false
    }

    /// A call with whatever is the newest when it begins.
    fn call(&self, of: &CallOf) -> Pin<Box<dyn Step>> {
        let (board, topic) = (self.me.clone(), of.topic().clone());
        let future = async move {
            let call = board.upgrade().and_then(|board| Some(board.handler.begin(board.take(&topic)?)));
            match call {
                Some(call) => call.await.into_result(),
                // It was disconnected.
                None => Ok(()),
            }
        };
        let mut call = Box::pin(Running::uncounted(future, self.line.clone(), of.clone(), self.core.clone()));
        call.as_mut().line_up();
        call
    }
}

impl<T, F, O> Call for Newest<T, F, O>
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
        let board = &self.board;
        if !board.home.is_found() {
            event.emission().set_error(NOWHERE.into());
            return Called::Failed;
        }
        let (Some(parcel), Some(core)) = (Parcel::of(event, &self.addressed), board.core.upgrade()) else {
            return Called::Skipped;
        };
        if !board.post(Received::of(parcel, &self.addressed)) {
            let of = CallOf::new(event.topic(), board.label.clone());
            let call = Some(board.call(&of));
            let rounds: Rounds<T, F, O> =
                Rounds { call, of, board: board.me.clone(), undone: Some(Undone::new(&core)) };
            board.home.spawn(Task::of_call(Box::pin(rounds)));
        }
        Called::Done
    }

    fn accepts(&self, payload: TypeId) -> bool {
        T::payload_type().is_none_or(|of| of().id == payload)
    }

    fn ended(&self) {
        let left = {
            let mut posted = self.board.posted.lock();
            posted.ended = true;
            std::mem::take(&mut posted.topics)
        };
        drop(left);
    }

    fn placed(&self, slot: Weak<dyn Slot>) {
        self.board.label.placed(slot);
    }

    fn replaced(&self) -> Option<u64> {
        Some(self.board.replaced.load(Ordering::Relaxed))
    }

    fn undone_calls(&self) -> usize {
        self.board.posted.lock().topics.len()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(if self.board.line.is_some() { "async, one at a time" } else { "async" }.into());
        let replaced = self.board.replaced.load(Ordering::Relaxed);
        notes.push(format!("the latest only, {replaced} replaced by newer ones"));
    }
}

/// The task of a topic: one call after the other, as long as something newer came.
struct Rounds<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    call: Option<Pin<Box<dyn Step>>>,
    of: CallOf,
    board: Weak<Board<T, F, O>>,
    undone: Option<Undone>,
}

impl<T, F, O> Step for Rounds<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    fn step(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let Some(call) = &mut self.call else { return Poll::Ready(Ok(())) };
        let ended = ready!(call.as_mut().step(context));
        self.call = None;
        if let Some(board) = self.board.upgrade().filter(|board| board.goes_on(self.of.topic())) {
            self.call = Some(board.call(&self.of));
            // Others have their turn in between.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.undone = None;
        Poll::Ready(ended)
    }

    fn of(&self) -> &CallOf {
        &self.of
    }

    /// Its calls do.
    fn line_up(self: Pin<&mut Self>) {}

    fn forgo(mut self: Pin<&mut Self>) -> bool {
        self.call.as_mut().is_some_and(|call| call.as_mut().forgo())
    }
}

impl<T, F, O> Drop for Rounds<T, F, O>
where
    T: Receives + ?Sized,
    F: AsyncFn1<Received<T>, O>,
    O: Outcome + 'static,
{
    fn drop(&mut self) {
        let Some(mut call) = self.call.take() else { return };
        // One that has not begun has not taken its event, which is told of below.
        call.as_mut().forgo();
        drop(call);
        let Some(board) = self.board.upgrade() else { return };
        let left = board.posted.lock().topics.remove(self.of.topic()).flatten();
        if left.is_some()
            && let Some(core) = board.core.upgrade()
        {
            let cause = Cause::Error("it was dropped before it began".into());
            core.report_late_failure(&self.of.failure(cause), self.of.label.slot());
        }
    }
}
