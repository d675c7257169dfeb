//! [`Details`]: what is known of an event beside its payload, for those who keep events.

use std::sync::Arc;

use super::{Emission, Stamp};
use crate::{Envelope, Event, EventId, Topic};

/// What is known of an event beside its payload: for those who keep events.
#[derive(Debug, Clone)]
pub struct Details {
    /// The topic, as the bus names it on which the event was kept.
    pub topic: Topic,
    /// What travels with the payload, if anything does; not where answers to it go.
    pub envelope: Option<Arc<Envelope>>,
    /// Id and time, if somebody asked for them.
    pub identity: Option<(EventId, Stamp)>,
}

impl Details {
    fn are_of(&self, event: &Event<'_>, with_identity: bool) -> bool {
        let envelope = match (&self.envelope, event.share_envelope()) {
            (Some(mine), Some(its)) => Arc::ptr_eq(mine, &its),
            (None, None) => true,
            _ => false,
        };
        envelope && self.topic.is(event.topic()) && (self.identity.is_some() || !with_identity)
    }
}

impl Event<'_> {
    /// Its details for keeping: one allocation for all who keep the event on a bus. The id and the time are there if somebody asked for
    /// them before, or if they are asked for here.
    #[must_use]
    pub fn share_details(&self, with_identity: bool) -> Arc<Details> {
        let emission = self.emission();
        let with_identity = with_identity || emission.has_id();
        let known = emission.details.take().filter(|details| details.are_of(self, with_identity));
        let details = known.unwrap_or_else(|| Arc::new(self.details(with_identity)));
        emission.details.set(Some(details.clone()));
        details
    }

    fn details(&self, with_identity: bool) -> Details {
        Details {
            topic: self.topic().clone(),
            envelope: self.share_envelope().map(Envelope::without_reply_to),
            identity: with_identity.then(|| (self.id(), self.emission().stamp())),
        }
    }
}

impl Emission<'_> {
    /// Whether somebody asked for the id.
    #[inline]
    #[must_use]
    pub fn has_id(&self) -> bool {
        self.id.get().is_some()
    }
}
