//! What calls an async handler: it makes the future, and hands it to whoever waits for it, or to the spawner.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use sigtree_middleware::{Event, IntoPattern};

use super::completion::Gathering;
use super::line::Line;
use super::running::{CallOf, Running, Step};
use super::spawner::Task;
use crate::bus::Bus;
use crate::connection::Connection;
use crate::dispatch::core::Core;
use crate::dispatch::slot::{Call, Called, Slot};
use crate::error::Error;
use crate::handler::Outcome;
use crate::mode::Mode;
use crate::on::On;
use crate::subscription::{Addressed, Label, Parcel, Received, Receives};

impl Bus {
    /// Connects an async handler: each event begins a call of it, which runs in the background.
    ///
    /// An emit begins the calls and goes on; they run at the same time, on the bus's [spawner](crate::BusBuilder::spawner), or with the
    /// feature `tokio` on the runtime that the emit is made in. With [`emit_and_wait`](Bus::emit_and_wait) they run in
    /// whoever awaits that. Failures and panics are reported as those of other handlers, when they happen.
    ///
    /// How many calls run at once, or wait in line, has no bound: where events may come faster than they are handled, choose a
    /// [mode](On::mode), or take them from a [subscription](Bus::subscribe) in a task.
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect). An emit that finds no spawner counts the handler as failed.
    ///
    /// # Examples
    ///
    /// [`Spawner`](crate::Spawner) has one.
    #[track_caller]
    pub fn connect_async<T, F, O>(&self, pattern: impl IntoPattern, handler: F) -> Result<Connection, Error>
    where
        T: Receives + ?Sized,
        F: AsyncFn1<Received<T>, O>,
        O: Outcome + 'static,
    {
        self.on(pattern).connect_async(handler)
    }
}

impl On {
    /// Connects an async handler: see [`Bus::connect_async`]. Conditions and layers of this builder are met before a call begins.
    ///
    /// With [`serial`](Self::serial) a call begins when the one before it has ended, however that was, in the order of the events. An
    /// emit that [waits](Bus::emit_and_wait) gets in line when it is first awaited.
    ///
    /// ```
    /// use sigtree::{Bus, Received, Task};
    ///
    /// let bus = Bus::builder().spawner(|task: Task| drop(std::thread::spawn(|| pollster::block_on(task)))).build();
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let store = move |n: Received<u32>| {
    ///     let said = said.clone();
    ///     async move { said.send(*n).map_err(|_| "nobody hears") }
    /// };
    /// let _stores = bus.on("sample").serial().connect_async(store)?;
    /// (0..100_u32).for_each(|n| drop(bus.emit("sample", n)));
    /// assert!(heard.iter().take(100).eq(0..100));
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    ///
    /// # Modes
    ///
    /// In [reliable](crate::Reliable) mode an event is given until a call of it ends well, or it is a dead letter. With
    /// [`LatestOnly`](Mode::LatestOnly) there is one call for each topic at a time; the newest event that came meanwhile is next, and what
    /// it overtook is [counted](Bus::inspect). What waits when the task is dropped is reported as a failure, and when the connection
    /// ends it is gone.
    ///
    /// In both, calls run in the background, so [`emit_and_wait`](Bus::emit_and_wait) does not wait for them. Calls that begin in the
    /// clock's thread, or in one that ended another, have no runtime at hand: they run on the bus's spawner, else, with the
    /// feature `tokio`, on the runtime that was at hand when this was connected or, if none was, when an event first came. An emit that
    /// finds neither counts the handler as failed.
    ///
    /// # Errors
    ///
    /// As [`connect`](On::connect).
    ///
    /// # Panics
    ///
    /// If the mode is reliable, and the queue drops its oldest event or keeps the latest only: it would lose what it took.
    #[track_caller]
    pub fn connect_async<T, F, O>(mut self, handler: F) -> Result<Connection, Error>
    where
        T: Receives + ?Sized,
        F: AsyncFn1<Received<T>, O>,
        O: Outcome + 'static,
    {
        let site = Location::caller();
        match self.chosen_mode() {
            Mode::BestEffort => {}
            Mode::Reliable(_) => return self.connect_async_reliable(handler, site),
            Mode::LatestOnly => return self.connect_async_latest(handler, site),
        }
        let line = self.take_serial().then(Line::default);
        let label = Arc::new(self.label(site)?);
        let addressed = Addressed::by(&label.pattern, false);
        let core = Arc::downgrade(self.core());
        let call = Async { handler: Arc::new(handler), line, addressed, label, core, of: std::marker::PhantomData };
        self.connect_call(call, T::payload_type(), site)
    }
}

/// A closure that takes an `A` and returns a future of an `O`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async handler",
    note = "it takes a `Received<T>` and returns a future: `|event: Received<u32>| async move {{ .. }}`"
)]
pub trait AsyncFn1<A, O>: Send + Sync + 'static {
    #[doc(hidden)]
    type Future: Future<Output = O> + Send + 'static;

    #[doc(hidden)]
    fn begin(&self, argument: A) -> Self::Future;
}

impl<A, O, F, Fut> AsyncFn1<A, O> for F
where
    F: Fn(A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'static,
{
    type Future = Fut;

    fn begin(&self, argument: A) -> Fut {
        self(argument)
    }
}

/// An async handler in a table.
struct Async<T: ?Sized, F, O> {
    handler: Arc<F>,
    /// Where calls wait for each other, if they are to.
    line: Option<Line>,
    addressed: Addressed,
    label: Arc<Label>,
    core: Weak<Core>,
    of: std::marker::PhantomData<fn(Arc<T>) -> O>,
}

impl<T, F, O> Call for Async<T, F, O>
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
        let (Some(parcel), Some(core)) = (Parcel::of(event, &self.addressed), self.core.upgrade()) else {
            return Called::Skipped;
        };
        let received = Received::of(parcel, &self.addressed);
        let label = self.label.clone();
        match &self.line {
            None => begin(self.handler.begin(received), None, label, &core, event),
            Some(line) => {
                let handler = self.handler.clone();
                let later = async move { handler.begin(received).await };
                begin(later, Some(line.clone()), label, &core, event)
            }
        }
    }

    fn accepts(&self, payload: std::any::TypeId) -> bool {
        T::payload_type().is_none_or(|of| of().id == payload)
    }

    fn placed(&self, slot: Weak<dyn Slot>) {
        self.label.placed(slot);
    }

    fn undone_calls(&self) -> usize {
        // Each call has the label, and so has this.
        Arc::strong_count(&self.label) - 1
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(if self.line.is_some() { "async, one at a time" } else { "async" }.into());
    }
}

/// Begins a call: in whoever waits for the emit, or in the background, where it may stand in a line.
pub(super) fn begin<F, O>(
    future: F,
    line: Option<Line>,
    label: Arc<Label>,
    core: &Arc<Core>,
    event: &Event<'_>,
) -> Called
where
    F: Future<Output = O> + Send + 'static,
    O: Outcome + 'static,
{
    let of = CallOf::new(event.topic(), label);
    let call: Pin<Box<dyn Step>> = Box::pin(Running::new(future, line, of, core));
    let Err(mut call) = Gathering::take(event.emission().depth(), call) else { return Called::Done };
    call.as_mut().line_up();
    match core.spawn(Task::of_call(call)) {
        Ok(()) => Called::Done,
        Err(error) => {
            event.emission().set_error(error.into());
            Called::Failed
        }
    }
}

impl Core {
    /// Runs a task in the background.
    fn spawn(&self, task: Task) -> Result<(), &'static str> {
        if let Some(spawner) = &self.spawner {
            spawner.spawn(task);
            return Ok(());
        }
        #[cfg(feature = "tokio")]
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(task));
            return Ok(());
        }
        task.forgo();
        Err("nothing runs async handlers here: give the bus a spawner, or emit and wait")
    }
}
