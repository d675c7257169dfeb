use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::{Erased, Event, Kept, Layer, Middleware, Topic};

/// The rest of the chain: run it, run it with another payload or topic, or end the event with a reason.
///
/// Clone it to run the rest more than once.
#[derive(Clone)]
pub struct Next<'n>(Link<'n>);

#[derive(Clone, Copy)]
enum Link<'n> {
    /// Layers of a stack, then what stands behind it.
    ///
    /// `routed` says that each layer was asked for the topic when the route was built.
    Layers { rest: &'n [Layer], end: &'n dyn Terminal, routed: bool },
    /// One layer of a tuple, then the rest; the compiler sees through it.
    Before { layer: &'n dyn Middleware, after: &'n Next<'n> },
}

/// What stands at the end of a chain: for those who write a bus.
pub trait Terminal {
    /// Takes the event the chain let through.
    fn deliver(&self, event: &Event<'_>);

    /// Whether something behind the chain keeps payloads.
    fn retains(&self) -> bool;

    /// What the chain stands around.
    fn place(&self) -> Place<'_>;
}

/// What a chain stands around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place<'p> {
    /// A bus: the layers see each event once.
    Bus,
    /// One connection: the layers see what this handler is called with.
    Connection {
        /// The connection's pattern.
        pattern: &'p str,
        /// The connection's name, if it has one.
        name: Option<&'p str>,
    },
}

impl<'n> Next<'n> {
    /// A chain of layers with an end; each layer is asked whether the topic concerns it.
    #[must_use]
    pub fn new(layers: &'n [Layer], end: &'n dyn Terminal) -> Self {
        Self(Link::Layers { rest: layers, end, routed: false })
    }

    /// A chain of layers that [`Stack::for_topic`](crate::Stack::for_topic) asked already: for those who write a bus.
    #[inline]
    #[must_use]
    pub fn routed(layers: &'n [Layer], end: &'n dyn Terminal) -> Self {
        Self(Link::Layers { rest: layers, end, routed: true })
    }

    /// One more layer in front of a chain.
    #[inline]
    #[must_use]
    pub fn before(layer: &'n dyn Middleware, after: &'n Next<'n>) -> Self {
        Self(Link::Before { layer, after })
    }

    /// Goes on with the event: the remaining layers, then the handlers.
    #[inline]
    pub fn run(self, event: &Event<'_>) {
        match self.0 {
            Link::Before { layer, after } => layer.handle(event, after.clone()),
            Link::Layers { mut rest, end, routed } => {
                while let Some((layer, tail)) = rest.split_first() {
                    rest = tail;
                    if layer.concerns(event, routed) {
                        return layer.middleware().handle(event, Self(Link::Layers { rest, end, routed }));
                    }
                }
                end.deliver(event);
            }
        }
    }

    /// Goes on with another payload of the same type.
    ///
    /// The payload stays on the stack, or goes into one `Arc` when something further on keeps it. A payload of another
    /// type ends the event and counts as a failure of the layer: a topic has one type.
    pub fn replace<T: Any + Send + Sync>(self, event: &Event<'_>, payload: T) {
        if !event.erased().is::<T>() {
            return refuse_type(event, std::any::type_name::<T>());
        }
        if self.retains() {
            let shared: Arc<Erased> = Arc::new(payload);
            let kept = Kept::shared(shared.clone());
            self.run(&event.with_payload(&*shared, &kept));
        } else {
            let kept = Kept::borrowed();
            self.run(&event.with_payload(&payload, &kept));
        }
    }

    /// Goes on to the handlers of another topic of this bus, through the remaining layers only, so it cannot loop.
    ///
    /// The original topic's handlers are not called, and the event does not bubble.
    pub fn redirect(self, event: &Event<'_>, topic: &Topic) {
        self.run(&event.redirected_to(topic));
    }

    /// Ends the event and says why; the reason stands in the delivery and on `$sys.filtered`.
    #[doc(alias = "reject")]
    pub fn discard(self, event: &Event<'_>, reason: impl Into<Cow<'static, str>>) {
        event.emission().discard(reason.into());
    }

    /// Whether anything further on keeps payloads.
    #[must_use]
    pub fn retains(&self) -> bool {
        match self.0 {
            Link::Layers { rest, end, routed } => end.retains() || rest.iter().any(|layer| layer.may_retain(routed)),
            Link::Before { layer, after } => layer.retains() || after.retains(),
        }
    }

    /// What the chain stands around.
    #[must_use]
    pub fn place(&self) -> Place<'n> {
        match self.0 {
            Link::Layers { end, .. } => end.place(),
            Link::Before { after, .. } => after.place(),
        }
    }
}

/// A chain can stand at the end of another one: so a stack is a layer too.
impl Terminal for Next<'_> {
    fn deliver(&self, event: &Event<'_>) {
        self.clone().run(event);
    }

    fn retains(&self) -> bool {
        Next::retains(self)
    }

    fn place(&self) -> Place<'_> {
        Next::place(self)
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("place", &self.place()).finish_non_exhaustive()
    }
}

/// Hands the bus the error, which reports it as a failure of the layer.
#[cold]
fn refuse_type(event: &Event<'_>, given: &'static str) {
    let topic = event.topic();
    let error = format!("a layer replaced the payload of `{topic}` by a `{given}`: a payload keeps its type");
    event.emission().set_error(error.into());
    event.emission().discard(Cow::Borrowed("a layer changed the payload's type"));
}
