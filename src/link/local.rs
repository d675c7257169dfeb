//! A queue in this process as a transport.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sigtree_middleware::{Priority, Topic};

use super::transport::{Flow, LinkSendError, Transport};
use crate::queue::{Loss, Pipe, Queue, Rank};
use crate::subscription::RecvError;

pub(super) struct Local<M> {
    pipe: Arc<Pipe<M>>,
    topic: Topic,
}

impl<M> Local<M> {
    pub(super) fn new(queue: Queue) -> Self {
        Self { pipe: Pipe::new(queue), topic: Topic::from_trusted("link".into()) }
    }

    fn lost(&self, message: M, loss: Loss) -> LinkSendError<M> {
        self.pipe.count_loss(loss);
        LinkSendError::full(message)
    }
}

impl<M: Send + 'static> Transport<M> for Local<M> {
    fn name(&self) -> &str {
        "queue"
    }

    fn send(&self, message: M, timeout: Duration) -> Result<(), LinkSendError<M>> {
        if self.pipe.is_closed() {
            return Err(LinkSendError::closed(message));
        }
        let rank = Rank { priority: Priority::Normal, topic: &self.topic };
        let Err(message) = self.pipe.push(message, rank) else { return Ok(()) };
        if timeout.is_zero() {
            return Err(self.lost(message, Loss::Newest));
        }
        let waited = self.pipe.push_until(message, rank, Instant::now().checked_add(timeout));
        waited.map_err(|(message, loss)| match self.pipe.is_closed() {
            true => LinkSendError::closed(message),
            false => self.lost(message, loss),
        })
    }

    fn recv(&self, timeout: Duration) -> Result<M, RecvError> {
        let message = match timeout.is_zero() {
            true => self.pipe.pop(),
            false => self.pipe.pop_until(Instant::now().checked_add(timeout)),
        };
        RecvError::unless(message, || self.pipe.is_closed(), || self.pipe.pop())
    }

    fn close(&self) {
        self.pipe.close();
    }

    fn is_closed(&self) -> bool {
        self.pipe.is_closed()
    }

    fn flow(&self) -> Flow {
        let stats = self.pipe.stats();
        Flow::of(stats.received, stats.dropped(), stats.depth as u64)
    }
}
