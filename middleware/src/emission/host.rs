//! [`Host`]: what an emit asks of its bus.

use std::sync::Arc;

use super::Stamp;
use crate::{Clock, Erased, EventId};

/// What an emit asks of its bus, and only when somebody asks the event.
pub trait Host {
    /// The bus's name.
    fn name(&self) -> &str;

    /// The bus's clock.
    fn clock(&self) -> &dyn Clock;

    /// The same for keeping: for layers that ask for the time when no event comes by.
    fn share_clock(&self) -> Arc<dyn Clock>;

    /// A new id for an event of this time.
    fn next_id(&self, stamp: Stamp) -> EventId;

    /// Makes one of the bus's own reports, such as `$sys.breaker`, if anybody listens; only then the payload is made.
    fn report(&self, topic: &str, make: &mut dyn FnMut() -> Arc<Erased>) {
        let _ = (topic, make);
    }
}
