//! Taking many events at once.

use std::time::{Duration, Instant};

use super::{Received, Receives, RecvError, Subscription};

impl<T: Receives + ?Sized> Subscription<T> {
    /// Takes up to so many events, in order: it sleeps until there are as many or the time is over, and gives what came.
    ///
    /// The time that a [reliable](crate::Reliable::timeout) subscription gives for an event begins when that is taken, so it also runs
    /// while others are waited for.
    ///
    /// # Errors
    ///
    /// Empty, if none came in time; closed, as with [`try_recv`](Self::try_recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sigtree::Bus;
    ///
    /// let bus = Bus::new();
    /// let rows = bus.subscribe::<u32>("row")?;
    /// (1..=5_u32).for_each(|row| drop(bus.emit("row", row)));
    ///
    /// let batch = rows.recv_batch_timeout(3, Duration::from_secs(1))?;
    /// assert_eq!(batch.iter().map(|row| **row).collect::<Vec<_>>(), [1, 2, 3]);
    /// drop(bus);
    /// let rest = rows.recv_batch_timeout(3, Duration::from_secs(1))?;
    /// assert_eq!(rest.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_batch_timeout(&self, most: usize, timeout: Duration) -> Result<Vec<Received<T>>, RecvError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut batch = Vec::new();
        while batch.len() < most {
            match self.recv_until(deadline) {
                Ok(received) => batch.push(received),
                Err(error) if batch.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(batch)
    }
}

#[cfg(feature = "async")]
pub use in_a_task::RecvBatch;

#[cfg(feature = "async")]
mod in_a_task {
    use std::fmt;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use super::{Received, Receives, RecvError, Subscription};
    use crate::queue::Nap;
    use crate::tasks::Timer;

    impl<T: Receives + ?Sized> Subscription<T> {
        /// Takes up to so many events into `batch`, in order, in a task: it ends when there are as many there, when the time is over
        /// on the bus's clock, or when none will come any more. How many it took.
        ///
        /// Dropped before it is ready, what it took is in `batch`.
        ///
        /// # Errors
        ///
        /// Closed, if it took none and none will come; see [`try_recv`](Self::try_recv).
        pub fn recv_batch<'s>(
            &'s self,
            batch: &'s mut Vec<Received<T>>,
            most: usize,
            timeout: Duration,
        ) -> RecvBatch<'s, T> {
            let timer = Timer::start(&*self.clock, timeout);
            RecvBatch { subscription: self, batch, most, taken: 0, timer, naps: [None, None] }
        }
    }

    /// Many events of a [`Subscription`], from [`recv_batch`](Subscription::recv_batch).
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct RecvBatch<'s, T: Receives + ?Sized> {
        subscription: &'s Subscription<T>,
        batch: &'s mut Vec<Received<T>>,
        most: usize,
        taken: usize,
        timer: Arc<Timer>,
        /// That it waits for an event, and for the timer.
        naps: [Option<Nap>; 2],
    }

    impl<T: Receives + ?Sized> Future for RecvBatch<'_, T> {
        type Output = Result<usize, RecvError>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            let this = &mut *self;
            let [event_nap, timer_nap] = &mut this.naps;
            while this.taken < this.most {
                match this.subscription.poll_recv(event_nap, context) {
                    Poll::Ready(Ok(received)) => {
                        this.batch.push(received);
                        this.taken += 1;
                    }
                    Poll::Ready(Err(error)) if this.taken == 0 => return Poll::Ready(Err(error)),
                    Poll::Ready(Err(_)) => break,
                    Poll::Pending => {
                        std::task::ready!(this.timer.poll(timer_nap, context));
                        *event_nap = None;
                        break;
                    }
                }
            }
            Poll::Ready(Ok(this.taken))
        }
    }

    impl<T: Receives + ?Sized> fmt::Debug for RecvBatch<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("RecvBatch").field("most", &self.most).field("taken", &self.taken).finish_non_exhaustive()
        }
    }
}
