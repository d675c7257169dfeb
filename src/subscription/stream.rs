//! A [`Subscription`] is a stream of its events.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::{Received, Receives, Subscription};

/// The events as they come; it ends when none will come any more.
impl<T: Receives + ?Sized> Stream for Subscription<T> {
    type Item = Received<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Received<T>>> {
        let mut nap = self.nap.take();
        let polled = self.poll_recv(&mut nap, context);
        self.nap = nap;
        polled.map(Result::ok)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

impl<T: Receives + ?Sized> FusedStream for Subscription<T> {
    fn is_terminated(&self) -> bool {
        self.pipe.is_over() && self.is_empty()
    }
}
