//! [`Link`]: two parties that send each other messages, each through a bounded queue.

mod local;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::queue::{Overflow, Queue};
use crate::subscription::RecvError;

use local::Local;
pub use transport::{Flow, LinkSendError, Transport};

/// Two parties that send each other messages: a radar its tracks, the other side what it does about them.
///
/// Each direction is a bounded queue of 100 places, and neither side ever waits for the other unless it says how long: a message
/// that finds no place is handed back, and counted. So a side that is slow or stopped costs the other nothing.
///
/// A link stands beside the bus, for the two parties that know each other; what others are to hear is emitted on a bus. Its queues are
/// two [`Transport`]s, for which a broker can stand in.
///
/// # Examples
///
/// ```
/// use sigtree::Link;
///
/// struct Tracks(Vec<u32>);
/// struct Jam(u32);
///
/// let (radar, jammer) = Link::<Tracks, Jam>::named("radar", "jammer").ends();
/// radar.send(Tracks(vec![7, 8])).map_err(|_| "the jammer is behind")?;
///
/// let tracks = jammer.try_recv()?;
/// jammer.send(Jam(tracks.0[0])).map_err(|_| "the radar is behind")?;
///
/// assert_eq!(radar.try_recv()?.0, 7);
/// assert_eq!(radar.stats().out.received, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Concurrency
///
/// A clone of an end is the same end; several threads can send and receive through it, and each message goes to one of them. An end
/// that is gone, with all clones, closes the link: the other side takes what waits, and is told then.
pub struct Link<A, B> {
    names: [Arc<str>; 2],
    there: Arc<dyn Transport<A>>,
    back: Arc<dyn Transport<B>>,
}

impl<A: Send + 'static, B: Send + 'static> Link<A, B> {
    /// The places of a direction that nobody chose otherwise: 100.
    pub const CAPACITY: usize = 100;

    /// A link in this process, whose sides have these names.
    #[must_use]
    pub fn named(left: &str, right: &str) -> Self {
        Self::with(left, right, Self::CAPACITY, Self::CAPACITY)
    }

    /// The same with other numbers of places, from left to right and back.
    ///
    /// # Panics
    ///
    /// If there are no places in a direction.
    #[must_use]
    #[track_caller]
    pub fn with(left: &str, right: &str, there: usize, back: usize) -> Self {
        let queue = |capacity| Queue::bounded(capacity).overflow(Overflow::DropNewest);
        Self::over(left, right, Local::new(queue(there)), Local::new(queue(back)))
    }

    /// A link over other transports: a broker's, in place of the queues.
    #[must_use]
    pub fn over(
        left: &str,
        right: &str,
        there: impl Transport<A> + 'static,
        back: impl Transport<B> + 'static,
    ) -> Self {
        Self { names: [left.into(), right.into()], there: Arc::new(there), back: Arc::new(back) }
    }

    /// The two ends, the left one first.
    pub fn ends(self) -> (End<A, B>, End<B, A>) {
        let Self { names: [left, right], there, back } = self;
        let left_end =
            End(Arc::new(Side { name: left.clone(), other: right.clone(), out: there.clone(), back: back.clone() }));
        (left_end, End(Arc::new(Side { name: right, other: left, out: back, back: there })))
    }
}

/// One side of a [`Link`]: it sends `A`s and receives `B`s.
#[must_use = "an end that is dropped closes the link"]
pub struct End<A, B>(Arc<Side<A, B>>);

struct Side<A, B> {
    name: Arc<str>,
    other: Arc<str>,
    out: Arc<dyn Transport<A>>,
    back: Arc<dyn Transport<B>>,
}

/// What a [`Link`] counts, as one side sees it.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LinkStats {
    /// What carries the messages: `queue`, or a broker.
    pub backend: Arc<str>,
    /// Whether both sides are there.
    pub running: bool,
    /// From this side to the other one.
    pub out: Flow,
    /// From the other side to this one.
    pub back: Flow,
}

impl<A, B> End<A, B> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Sends a message, if there is a place for it; it never waits.
    ///
    /// # Errors
    ///
    /// The message: full, or the other side is gone.
    pub fn send(&self, message: A) -> Result<(), LinkSendError<A>> {
        self.0.out.send(message, Duration::ZERO)
    }

    /// The same, and waits so long for a place.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_timeout(&self, message: A, timeout: Duration) -> Result<(), LinkSendError<A>> {
        self.0.out.send(message, timeout)
    }

    /// Takes the next message, if one is there.
    ///
    /// # Errors
    ///
    /// Empty; or closed, if the other side is gone and nothing waits.
    pub fn try_recv(&self) -> Result<B, RecvError> {
        self.0.back.recv(Duration::ZERO)
    }

    /// The same, and sleeps until there is one or the time is over.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<B, RecvError> {
        self.0.back.recv(timeout)
    }

    /// What was sent, received and dropped.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        let Side { out, back, .. } = &*self.0;
        LinkStats {
            backend: out.name().into(),
            running: !out.is_closed() && !back.is_closed(),
            out: out.flow(),
            back: back.flow(),
        }
    }
}

impl<A, B> Drop for Side<A, B> {
    fn drop(&mut self) {
        self.out.close();
        self.back.close();
    }
}

impl<A, B> Clone for End<A, B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A, B> fmt::Debug for End<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "End({} to {}, {})", self.0.name, self.0.other, self.stats())
    }
}

impl<A, B> fmt::Debug for Link<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("names", &self.names).finish_non_exhaustive()
    }
}

impl fmt::Display for LinkStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, running, out, back } = self;
        write!(f, "{backend}, {}; out: {out}; back: {back}", if *running { "running" } else { "closed" })
    }
}
