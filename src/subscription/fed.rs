//! [`Fed`]: a queue that is to be connected, as its builder wants it.

use std::panic::Location;
use std::sync::Arc;

use super::{Addressed, Feed, Label, Parcel, Receives};
use crate::backstage::PipeOutlet;
use crate::error::Error;
use crate::mode::Mode;
use crate::on::On;
use crate::queue::{Overflow, Pipe, Queue};
use crate::reliable::Ledger;

/// A queue, what puts events into it, and what they are known by.
pub(crate) struct Fed<T: Receives + ?Sized> {
    pub(crate) pipe: Arc<Pipe<Parcel<T>>>,
    /// Of a reliable one.
    pub(crate) ledger: Option<Arc<Ledger<T>>>,
    pub(crate) addressed: Addressed,
    pub(crate) label: Arc<Label>,
    pub(crate) feed: Feed<T>,
    has_default_queue: bool,
}

impl<T: Receives + ?Sized> Fed<T> {
    /// # Panics
    ///
    /// If it is to be reliable, and its queue is one that loses what it took.
    #[track_caller]
    pub(crate) fn new(on: &On, site: &'static Location<'static>) -> Result<Self, Error> {
        let label = Arc::new(on.label(site)?);
        let is_reliable = matches!(on.chosen_mode(), Mode::Reliable(_));
        let queue = queue_of(on, is_reliable);
        // What is given again is told by its id.
        let addressed = Addressed::by(&label.pattern, queue.is_stamped() || is_reliable);
        let (pipe, ledger) = match on.chosen_mode() {
            Mode::BestEffort => (Pipe::new(queue), None),
            Mode::LatestOnly => (Pipe::new(queue.overflow(Overflow::Latest)), None),
            Mode::Reliable(rules) => {
                assert_keeps(queue);
                let rules = on.core().backstage.rules(rules.clone());
                let (pipe, clock) = (Pipe::keeping(queue), on.core().clock.clone());
                let ledger = Ledger::new(pipe.clone(), rules, clock, addressed.clone(), label.clone());
                (pipe, Some(ledger))
            }
        };
        let feed = Feed::new(pipe.clone(), addressed.clone(), label.clone(), ledger.clone());
        Ok(Self { pipe, ledger, addressed, label, feed, has_default_queue: on.own_queue().is_none() })
    }

    /// The queue as its bus sees it.
    pub(crate) fn outlet(&self) -> Arc<PipeOutlet<Parcel<T>>> {
        PipeOutlet::new(&self.pipe, self.has_default_queue, self.label.clone())
    }

    /// The same where an async handler takes from it, whose calls are counted.
    #[cfg(feature = "async")]
    pub(crate) fn outlet_of_calls(&self) -> Arc<PipeOutlet<Parcel<T>>> {
        PipeOutlet::of_calls(&self.pipe, self.has_default_queue, self.label.clone())
    }
}

/// The queue that was chosen, or the bus's; what the bus does when that is full is not for a reliable one, whose losses are seen.
fn queue_of(on: &On, is_reliable: bool) -> Queue {
    let queue = on.queue_or_default();
    if is_reliable && on.own_queue().is_none() { queue.overflow(Overflow::Error) } else { queue }
}

#[track_caller]
fn assert_keeps(queue: Queue) {
    let loses = matches!(queue.when_full(), Overflow::DropOldest | Overflow::Latest);
    assert!(!loses, "a reliable subscription loses nothing that it took: choose another overflow");
}
