//! [`WaitFor`]: the next event of a pattern, as a future.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use sigtree_middleware::{Alarm, Clock, Event, IntoPattern};

use crate::bus::Bus;
use crate::error::Error;
use crate::on::On;
use crate::queue::{Nap, Queue, Waiters};
use crate::subscription::{Received, Receives, Subscription};
use crate::sync::{AtomicBool, Ordering};

impl Bus {
    /// Waits for the next event of a pattern, in a task; it listens from when it is awaited.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let (emitter, minute) = (bus.clone(), Duration::from_secs(60));
    /// let mut waits = bus.wait_for::<u32>("n").filter_payload(|n| *n > 5).timeout(minute).listen()?;
    /// (1..10_u32).for_each(|n| drop(emitter.emit("n", n)));
    /// assert_eq!(*pollster::block_on(waits)?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for<T: Receives + ?Sized>(&self, pattern: impl IntoPattern) -> WaitFor<T> {
        WaitFor {
            on: self.on(pattern).queue(Queue::bounded(1)),
            clock: self.core().clock.clone(),
            timeout: None,
            of: std::marker::PhantomData,
        }
    }
}

/// The next event of a pattern, made by [`Bus::wait_for`]: await it.
#[must_use = "it listens from when it is awaited"]
pub struct WaitFor<T: ?Sized> {
    on: On,
    clock: Arc<dyn Clock>,
    timeout: Option<Duration>,
    of: std::marker::PhantomData<fn() -> Arc<T>>,
}

impl<T: Receives + ?Sized> WaitFor<T> {
    /// Only one that the predicate takes.
    pub fn filter(mut self, predicate: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.on = self.on.filter(predicate);
        self
    }

    /// Only one whose payload the predicate takes.
    pub fn filter_payload(mut self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self
    where
        T: Sized,
    {
        self.on = self.on.filter_payload(predicate);
        self
    }

    /// Only so long, on the bus's clock, from when it listens.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Listens from now on, not only from when it is awaited.
    ///
    /// # Errors
    ///
    /// As [`connect`](Bus::connect).
    #[track_caller]
    pub fn listen(self) -> Result<WaitForFuture<T>, Error> {
        let subscription = self.on.subscribe()?;
        let timer = self.timeout.map(|timeout| Timer::start(&*self.clock, timeout));
        Ok(WaitForFuture { state: State::Listening { subscription, timer }, naps: [None, None] })
    }
}

impl<T: Receives + ?Sized> IntoFuture for WaitFor<T> {
    type Output = Result<Received<T>, WaitError>;
    type IntoFuture = WaitForFuture<T>;

    fn into_future(self) -> WaitForFuture<T> {
        match self.listen() {
            Ok(future) => future,
            Err(error) => WaitForFuture { state: State::Refused(Some(error)), naps: [None, None] },
        }
    }
}

impl<T: ?Sized> fmt::Debug for WaitFor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").field("on", &self.on).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The next event of a pattern, listened for.
#[must_use = "a future does nothing unless it is awaited"]
pub struct WaitForFuture<T: Receives + ?Sized> {
    state: State<T>,
    /// That it waits for an event, and for the timer.
    naps: [Option<Nap>; 2],
}

enum State<T: Receives + ?Sized> {
    Listening { subscription: Subscription<T>, timer: Option<Arc<Timer>> },
    Refused(Option<Error>),
}

impl<T: Receives + ?Sized> Future for WaitForFuture<T> {
    type Output = Result<Received<T>, WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let [event_nap, timer_nap] = &mut this.naps;
        match &mut this.state {
            State::Refused(error) => Poll::Ready(Err(WaitError(Why::Refused(error.take())))),
            State::Listening { subscription, timer } => {
                if let Poll::Ready(received) = subscription.poll_recv(event_nap, context) {
                    return Poll::Ready(received.map_err(|_| WaitError(Why::Closed)));
                }
                match timer {
                    Some(timer) => timer.poll(timer_nap, context).map(|()| Err(WaitError(Why::Timeout))),
                    None => Poll::Pending,
                }
            }
        }
    }
}

impl<T: Receives + ?Sized> fmt::Debug for WaitForFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForFuture").finish_non_exhaustive()
    }
}

/// An alarm that tasks wait for.
pub(crate) struct Timer {
    rung: AtomicBool,
    waiting: Arc<Waiters>,
}

impl Timer {
    pub(crate) fn start(clock: &dyn Clock, timeout: Duration) -> Arc<Self> {
        let timer = Arc::new(Self { rung: AtomicBool::new(false), waiting: Arc::new(Waiters::new()) });
        let alarm: Weak<Self> = Arc::downgrade(&timer);
        clock.wake(clock.elapsed().saturating_add(timeout), alarm);
        timer
    }

    pub(crate) fn poll(&self, nap: &mut Option<Nap>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.rung.load(Ordering::SeqCst) {
                *nap = None;
                return Poll::Ready(());
            }
            match nap {
                None => *nap = Some(self.waiting.nap()),
                Some(asleep) => {
                    std::task::ready!(asleep.poll(context));
                    *nap = None;
                }
            }
        }
    }
}

impl Alarm for Timer {
    fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        self.waiting.wake_all();
    }
}

/// Why no event came that was waited for.
pub struct WaitError(Why);

enum Why {
    Timeout,
    Closed,
    Refused(Option<Error>),
}

impl WaitError {
    /// Whether the time was over.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Why::Timeout)
    }

    /// Whether none will come: the bus is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.0, Why::Closed)
    }

    /// Why it could not listen, if that was it.
    #[must_use]
    pub fn refusal(&self) -> Option<&Error> {
        match &self.0 {
            Why::Refused(error) => error.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Timeout => f.write_str("no event came in time: wait longer, or look at the pattern and the filters"),
            Why::Closed => f.write_str("no event will come: the bus is gone or shut down"),
            Why::Refused(Some(error)) => error.fmt(f),
            Why::Refused(None) => f.write_str("it was refused, and said so before"),
        }
    }
}

impl fmt::Debug for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaitError({self})")
    }
}

impl std::error::Error for WaitError {}
