//! [`Completion`]: an emit whose async handlers are waited for.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sigtree_middleware::{Failure, Topic};

use super::running::{CallOf, Ended, Step};
use crate::bus::Bus;
use crate::delivery::Delivery;
use crate::dispatch::thread;

impl Bus {
    /// Emits, and gives a future that runs the async handlers and ends when all of them have.
    ///
    /// Other handlers are called before this returns, as in any emit. The future runs the async ones at the same time, or
    /// [one after the other](Completion::serial), and gives the delivery with all failures in it. What these handlers
    /// emit is not waited for, and neither are handlers with a [mode](crate::On::mode): those run in the background.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, Received};
    ///
    /// let bus = Bus::new();
    /// let _store = bus.connect_async("sample", |n: Received<u32>| async move { if *n > 9 { Err("too large") } else { Ok(()) } })?;
    /// let delivery = pollster::block_on(bus.emit_and_wait("sample", 10_u32));
    /// assert_eq!((delivery.called(), delivery.failures().len()), (1, 1));
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn emit_and_wait<T: Any + Send + Sync>(&self, topic: impl AsRef<str>, payload: T) -> Completion {
        Completion::of(|| self.emit(topic, payload))
    }
}

/// An emit whose async handlers run while this is awaited; it ends with the [`Delivery`].
///
/// Dropped before that, it ends those that have begun where they are, and those that have not never begin; either is a failure,
/// reported as ever. [`cancel`](Self::cancel) tells which had not begun.
#[must_use = "the async handlers run while it is awaited"]
pub struct Completion {
    delivery: Option<Delivery>,
    failures: Vec<Arc<Failure>>,
    /// Those that run.
    running: FuturesUnordered<Stepping>,
    /// Those that wait for their turn, the next one last.
    waiting: Vec<Pin<Box<dyn Step>>>,
    serial: bool,
}

/// An async handler that had not begun when its emit was cancelled.
#[derive(Debug, Clone)]
pub struct Unstarted {
    /// The topic of the event.
    pub topic: Topic,
    /// The pattern of the connection.
    pub pattern: Arc<str>,
    /// The connection's name, if it has one.
    pub name: Option<Arc<str>>,
    /// Where it was connected.
    pub location: &'static Location<'static>,
}

impl Completion {
    fn of(emit: impl FnOnce() -> Delivery) -> Self {
        let gathering = Gathering::begin();
        let delivery = emit();
        let mut waiting = gathering.end();
        waiting.reverse();
        Self {
            delivery: Some(delivery),
            failures: Vec::new(),
            running: FuturesUnordered::new(),
            waiting,
            serial: false,
        }
    }

    /// Runs one async handler after the other, in the order of calls.
    pub fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// Gives up; which handlers had not begun. Those that have end where they are, which is reported as a failure of each.
    #[allow(clippy::must_use_candidate, reason = "the names are wanted rarely")]
    pub fn cancel(mut self) -> Vec<Unstarted> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.reverse();
        let calls = std::mem::take(&mut self.running).into_iter().map(|stepping| stepping.0).chain(waiting);
        calls.filter_map(|mut call| call.as_mut().forgo().then(|| Unstarted::of(call.of()))).collect()
    }

    /// Lets begin what is to run now.
    fn begin(&mut self) {
        while !self.waiting.is_empty() && (!self.serial || self.running.is_empty()) {
            self.running.extend(self.waiting.pop().map(Stepping));
        }
    }
}

impl Unstarted {
    fn of(call: &CallOf) -> Self {
        let label = &call.label;
        Self {
            topic: call.topic().clone(),
            pattern: label.pattern.as_str().into(),
            name: label.name.clone(),
            location: label.site,
        }
    }
}

impl fmt::Display for Unstarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, pattern, name, location } = self;
        write!(f, "the handler of `{pattern}`")?;
        if let Some(name) = name {
            write!(f, " named `{name}`")?;
        }
        write!(f, " ({location}) had not begun with `{topic}`")
    }
}

impl Future for Completion {
    type Output = Delivery;

    /// # Panics
    ///
    /// If it is polled again when it has ended.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Delivery> {
        loop {
            self.begin();
            match self.running.poll_next_unpin(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(ended)) => self.failures.extend(ended.err()),
                Poll::Ready(None) => {
                    let delivery = self.delivery.take().expect("polled after it had ended");
                    return Poll::Ready(delivery.with_failures(std::mem::take(&mut self.failures)));
                }
            }
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("delivery", &self.delivery)
            .field("running", &self.running.len())
            .field("waiting", &self.waiting.len())
            .finish()
    }
}

/// A call as a future.
struct Stepping(Pin<Box<dyn Step>>);

impl Future for Stepping {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        self.0.as_mut().step(context)
    }
}

/// That an emit of this thread gathers the calls of async handlers; what is emitted inside of it does not.
pub(super) struct Gathering(());

struct Basket {
    depth: u32,
    /// Whether its emit is one that was made later; those that are made when its emit ends are as deep as it, and are not it.
    later: bool,
    calls: Vec<Pin<Box<dyn Step>>>,
}

std::thread_local! {
    static BASKETS: RefCell<Vec<Basket>> = const { RefCell::new(Vec::new()) };
}

impl Gathering {
    fn begin() -> Self {
        let basket = Basket { depth: thread::depth() + 1, later: thread::is_draining(), calls: Vec::new() };
        BASKETS.with_borrow_mut(|baskets| baskets.push(basket));
        Self(())
    }

    fn end(self) -> Vec<Pin<Box<dyn Step>>> {
        BASKETS
            .with_borrow_mut(|baskets| baskets.last_mut().map(|basket| std::mem::take(&mut basket.calls)))
            .unwrap_or_default()
    }

    /// Takes a call, if an emit of this depth gathers.
    ///
    /// # Errors
    ///
    /// The call, if not.
    pub(super) fn take(depth: u32, call: Pin<Box<dyn Step>>) -> Result<(), Pin<Box<dyn Step>>> {
        let is_of = |basket: &&mut Basket| basket.depth == depth && basket.later == thread::is_draining();
        BASKETS.with_borrow_mut(|baskets| match baskets.last_mut().filter(is_of) {
            Some(basket) => {
                basket.calls.push(call);
                Ok(())
            }
            None => Err(call),
        })
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        let basket = BASKETS.with_borrow_mut(Vec::pop);
        drop(basket);
    }
}
