//! [`Recv`]: the next event, in a task; [`RecvError`]: why there is none.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Received, Receives, Subscription, is_empty};
use crate::queue::Nap;

/// The next event of a [`Subscription`], from [`recv`](Subscription::recv).
///
/// Dropped before it is ready, it has taken nothing, and if it was woken another one is woken in its place.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Recv<'s, T: Receives + ?Sized> {
    subscription: &'s Subscription<T>,
    nap: Option<Nap>,
}

impl<'s, T: Receives + ?Sized> Recv<'s, T> {
    pub(super) fn new(subscription: &'s Subscription<T>) -> Self {
        Self { subscription, nap: None }
    }
}

impl<T: Receives + ?Sized> Future for Recv<'_, T> {
    type Output = Result<Received<T>, RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let subscription = self.subscription;
        subscription.poll_recv(&mut self.nap, context)
    }
}

impl<T: Receives + ?Sized> Subscription<T> {
    /// Takes the next event, or leaves word in `nap` that the task is to be woken.
    pub(crate) fn poll_recv(
        &self,
        nap: &mut Option<Nap>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Received<T>, RecvError>> {
        loop {
            let received = self.try_recv();
            if !is_empty(&received) {
                *nap = None;
                return Poll::Ready(received);
            }
            match nap {
                // Looks once more before it sleeps.
                None => *nap = Some(self.pipe.nap()),
                Some(asleep) => {
                    ready!(asleep.poll(context));
                    *nap = None;
                }
            }
        }
    }
}

impl<T: Receives + ?Sized> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("subscription", self.subscription).finish_non_exhaustive()
    }
}

/// Why nothing was taken: no event of a [`Subscription`], no [`Question`](crate::Question), no message of a [`Link`](crate::Link).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecvError {
    closed: bool,
}

impl RecvError {
    /// None was there, or came in time: for those who write a [`Transport`](crate::Transport).
    #[must_use]
    pub fn empty() -> Self {
        Self { closed: false }
    }

    /// None will come: for those who write a [`Transport`](crate::Transport).
    #[must_use]
    pub fn closed() -> Self {
        Self { closed: true }
    }

    /// What was found; if nothing was, whether more will come. What came before the end is found by one more look.
    pub(crate) fn unless<R>(
        found: Option<R>,
        is_over: impl FnOnce() -> bool,
        look: impl FnOnce() -> Option<R>,
    ) -> Result<R, Self> {
        match found {
            Some(found) => Ok(found),
            None if !is_over() => Err(Self::empty()),
            None => look().ok_or(Self::closed()),
        }
    }

    /// Whether none was there, or came in time: try again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.closed
    }

    /// Whether none will come: the bus is gone or shut down, the subscription was disconnected, or the other side of the link is
    /// gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.closed {
            "nothing will come: the bus is gone or shut down, the subscription was disconnected, or the other side is gone"
        } else {
            "nothing waits: try again, or wait with `recv_timeout`"
        })
    }
}

impl fmt::Debug for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecvError({self})")
    }
}

impl Error for RecvError {}
