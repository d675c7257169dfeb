//! How a responder comes to its seat: through the open door, or by a ticket that travels with an event its own layers hold.

use std::ops::Deref;
use std::sync::Arc;

use sigtree_middleware::{Envelope, Event, ReplyTo, Sealed};

use super::desk::{Door, Seat};
use crate::subscription::Label;
use crate::sync::Mutex;

/// A seat that one responder has, or shares with the event that its layers hold.
pub(super) enum Place {
    Own(Seat),
    Shared(Arc<Seat>),
}

impl Place {
    /// The same for two who have it.
    pub(super) fn share(self) -> Arc<Seat> {
        match self {
            Self::Own(seat) => Arc::new(seat),
            Self::Shared(seat) => seat,
        }
    }
}

impl Deref for Place {
    type Target = Seat;

    fn deref(&self) -> &Seat {
        match self {
            Self::Own(seat) => seat,
            Self::Shared(seat) => seat,
        }
    }
}

/// A seat that travels with the request past the layers of one connection, whoever holds it there.
struct Ticket(Mutex<Option<Arc<Seat>>>);

impl Ticket {
    fn of(reply_to: &ReplyTo) -> Option<&Self> {
        reply_to.get()
    }

    fn seat(&self) -> Option<Arc<Seat>> {
        self.0.lock().clone()
    }
}

fn reply_to<'e>(event: &Event<'e>) -> Option<&'e ReplyTo> {
    event.envelope()?.reply_to.as_ref()
}

/// A seat for a responder, if anybody waits for its answer.
pub(super) fn seat(event: &Event<'_>, by: &Arc<Label>) -> Option<Place> {
    let reply_to = reply_to(event)?;
    match reply_to.get::<Door>() {
        Some(door) => door.0.take_seat(by).map(Place::Own),
        None => Ticket::of(reply_to)?.seat().filter(|seat| seat.is_wanted()).map(Place::Shared),
    }
}

/// Whether a request still waits for answers.
pub(crate) fn is_open(event: &Event<'_>) -> bool {
    let Some(reply_to) = reply_to(event) else { return false };
    match reply_to.get::<Door>() {
        Some(door) => door.0.is_open(),
        None => Ticket::of(reply_to).and_then(Ticket::seat).is_some_and(|seat| seat.is_wanted()),
    }
}

/// The envelope with which a request goes through a responder's own layers; `None` if it has that already.
pub(super) fn ticketed(event: &Event<'_>, by: &Arc<Label>) -> Option<Sealed> {
    let door = reply_to(event)?.get::<Door>()?;
    let seat = door.0.take_seat(by).map(Arc::new);
    Some(with_reply_to(event, Some(ReplyTo::new(Ticket(Mutex::new(seat))))))
}

/// The envelope with which a request goes through the layers of others: they may hold it, and nobody waits for that.
pub(crate) fn unticketed(event: &Event<'_>) -> Option<Sealed> {
    reply_to(event).map(|_| with_reply_to(event, None))
}

fn with_reply_to(event: &Event<'_>, reply_to: Option<ReplyTo>) -> Sealed {
    Sealed::new(Envelope { reply_to, ..event.envelope().cloned().unwrap_or_default() })
}

/// Gives the ticket back when the event has come out of the layers and is not held there: they may keep its envelope.
pub(crate) fn give_back(event: &Event<'_>) {
    let seat = reply_to(event).and_then(Ticket::of).and_then(|ticket| ticket.0.lock().take());
    drop(seat);
}
