//! [`Transport`]: what carries the messages of one direction of a link.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::subscription::RecvError;

/// What carries the messages of one direction of a [`Link`](crate::Link): a queue, or a broker.
pub trait Transport<M>: Send + Sync {
    /// What it is: `queue`, `nats`.
    fn name(&self) -> &str;

    /// Takes a message, and waits so long for a place.
    ///
    /// # Errors
    ///
    /// The message, if there is no place, or nobody will receive any more.
    fn send(&self, message: M, timeout: Duration) -> Result<(), LinkSendError<M>>;

    /// Gives the next message, and sleeps so long until there is one.
    ///
    /// # Errors
    ///
    /// [Empty](RecvError::empty), if there is none in time; [closed](RecvError::closed), if none will come.
    fn recv(&self, timeout: Duration) -> Result<M, RecvError>;

    /// Ends it: nothing more is sent; what waits can be received.
    fn close(&self);

    /// Whether it was ended.
    fn is_closed(&self) -> bool;

    /// What it counted.
    fn flow(&self) -> Flow;
}

/// What one direction of a link counted. When nobody sends or receives, `sent` is `received`, `dropped` and `queue_size` together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Flow {
    /// Messages that were to be sent, the dropped ones among them.
    pub sent: u64,
    /// Messages that were received.
    pub received: u64,
    /// Messages that found no place, and were handed back.
    pub dropped: u64,
    /// Messages that wait.
    pub queue_size: u64,
    /// The share of what was to be sent that was dropped, from 0 to 1.
    pub drop_rate: f64,
}

impl Flow {
    /// What these counts come to.
    #[must_use]
    pub fn of(received: u64, dropped: u64, queue_size: u64) -> Self {
        let sent = received + dropped + queue_size;
        let drop_rate = if sent == 0 { 0.0 } else { dropped as f64 / sent as f64 };
        Self { sent, received, dropped, queue_size, drop_rate }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, received, dropped, queue_size, .. } = self;
        write!(f, "{sent} sent, {received} received, {dropped} dropped, {queue_size} waiting")
    }
}

/// A message that was not sent.
pub struct LinkSendError<M> {
    message: M,
    closed: bool,
}

impl<M> LinkSendError<M> {
    /// There was no place for it.
    pub fn full(message: M) -> Self {
        Self { message, closed: false }
    }

    /// Nobody will receive it.
    pub fn closed(message: M) -> Self {
        Self { message, closed: true }
    }

    /// Whether there was no place: the other side is behind.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.closed
    }

    /// Whether the other side is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The message.
    #[must_use]
    pub fn into_message(self) -> M {
        self.message
    }
}

impl<M> fmt::Display for LinkSendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.closed {
            "the other side is gone"
        } else {
            "the queue is full: the other side is behind; drop the message, or wait with `send_timeout`"
        })
    }
}

impl<M> fmt::Debug for LinkSendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkSendError({self})")
    }
}

impl<M> Error for LinkSendError<M> {}
