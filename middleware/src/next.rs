use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::{Advice, Advised, Erased, Event, Held, Home, Host, Kept, Layer, Mark, Middleware, Topic};

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
    /// Layers of a tuple for an event that may be on its way back to one of them, then the rest.
    Each { layers: &'n [&'n dyn Middleware], after: &'n Next<'n> },
}

/// What stands at the end of a chain: for those who write a bus.
pub trait Terminal {
    /// Takes the event the chain let through.
    fn deliver(&self, event: &Event<'_>);

    /// Whether something behind the chain keeps payloads.
    fn retains(&self) -> bool;

    /// What the chain stands around.
    fn place(&self) -> Place<'_>;

    /// The bus that the chain stands on, if it stands on one: not the one the event was emitted on, as a rule.
    fn host(&self) -> Option<&dyn Host> {
        None
    }

    /// Where an event goes on that a layer of the chain holds under this mark, if it is taken back; `behind` layers of the
    /// chain's stack are further on than that layer.
    fn home(&self, mark: Mark, behind: usize) -> Option<Arc<dyn Home>> {
        let _ = (mark, behind);
        None
    }
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

    /// Goes through layers that [`Stack::for_topic`](crate::Stack::for_topic) asked already: for those who write a bus.
    #[inline]
    pub fn run_routed(layers: &'n [Layer], end: &'n dyn Terminal, event: &Event<'_>) {
        walk(layers, end, true, event);
    }

    /// One more layer in front of a chain, for an event [on the straight way](Event::is_straight).
    #[inline]
    #[must_use]
    pub fn before(layer: &'n dyn Middleware, after: &'n Next<'n>) -> Self {
        Self(Link::Before { layer, after })
    }

    /// Goes on with the event: the remaining layers, then the handlers.
    #[inline(always)]
    pub fn run(self, event: &Event<'_>) {
        match self.0 {
            Link::Before { layer, after } => layer.handle(event, after.clone()),
            Link::Each { layers, after } => after.through_each(layers, event),
            Link::Layers { rest: [], end, .. } => end.deliver(event),
            Link::Layers { rest, end, routed } => walk_on(rest, end, routed, event),
        }
    }

    /// Goes through layers in front of this chain, except for those that the event passes by on its way back.
    #[cold]
    #[inline(never)]
    pub(crate) fn through_each(&self, layers: &[&dyn Middleware], event: &Event<'_>) {
        match layers {
            [] => self.clone().run(event),
            [layer, rest @ ..] if event.passes_by(*layer) => self.through_each(rest, event),
            [layer, rest @ ..] => layer.handle(event, Next(Link::Each { layers: rest, after: self })),
        }
    }

    /// Goes on, with advice around each handler of this bus, or around the one handler the chain stands around.
    ///
    /// The event then takes the way of all its features: each handler is called by itself, through the advice.
    pub fn run_each(self, event: &Event<'_>, advice: &dyn Advice) {
        let advised = Advised::new(advice, event.advised());
        self.run(&event.with_advice(Some(&advised)));
    }

    /// Takes the event out of the chain, to go on later behind the layer with this mark; then do not run the rest.
    ///
    /// The layer says that it [keeps payloads](Middleware::retains) and that it [holds](Middleware::holds) events under
    /// the mark, and lets an event pass that [is coming back](Event::resumes):
    ///
    /// ```
    /// use sigtree::middleware::{Event, Held, Mark, Middleware, Next};
    /// use std::sync::Mutex;
    ///
    /// /// Keeps the newest event back until it is flushed.
    /// struct Newest(Mark, Mutex<Option<Held>>);
    ///
    /// impl Middleware for Newest {
    ///     fn handle(&self, event: &Event<'_>, next: Next<'_>) {
    ///         if event.resumes(self.0) {
    ///             return next.run(event);
    ///         }
    ///         match next.hold(event, self.0) {
    ///             Some(held) => drop(self.1.lock().unwrap().replace(held)),
    ///             None => next.run(event),
    ///         }
    ///     }
    ///
    ///     fn retains(&self) -> bool {
    ///         true
    ///     }
    ///
    ///     fn holds(&self, mark: Mark) -> bool {
    ///         mark == self.0
    ///     }
    ///
    ///     fn flush(&self) {
    ///         let held = self.1.lock().unwrap().take();
    ///         if let Some(held) = held {
    ///             held.release();
    ///         }
    ///     }
    /// }
    ///
    /// let bus = sigtree::Bus::new();
    /// bus.layer(Newest(Mark::new(), Mutex::new(None)));
    /// let _seen = bus.connect("n", |n: &u32| assert_eq!(*n, 2))?;
    /// assert!(bus.emit("n", 1_u32).is_held());
    /// bus.emit("n", 2_u32);
    /// bus.flush();
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    ///
    /// `None` if the event cannot be kept, or the chain's end does not take events back.
    #[must_use]
    pub fn hold(&self, event: &Event<'_>, mark: Mark) -> Option<Held> {
        let held = Held::of(event, mark, self.home(mark)?, self.host(event))?;
        event.emission().note_held();
        Some(held)
    }

    /// The same for an event that is given to somebody who may refuse it; then it is not held.
    ///
    /// # Errors
    ///
    /// What `take` says.
    pub fn hand_over<E>(
        &self,
        event: &Event<'_>,
        mark: Mark,
        take: impl FnOnce(Held) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let taken = take(Held::of(event, mark, self.home(mark)?, self.host(event))?);
        if taken.is_ok() {
            event.emission().note_held();
        }
        Some(taken)
    }

    /// Where an event goes on that is held here.
    fn home(&self, mark: Mark) -> Option<Arc<dyn Home>> {
        match self.0 {
            Link::Layers { rest, end, .. } => end.home(mark, rest.len()),
            Link::Before { after, .. } | Link::Each { after, .. } => after.home(mark),
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
            Link::Each { layers, after } => layers.iter().any(|layer| layer.retains()) || after.retains(),
        }
    }

    /// The bus that the chain stands on, whose clock and reports are a layer's own; the event may come from another one, whose
    /// [host](crate::Emission::host) its deadline is on.
    pub fn host<'h>(&self, event: &'h Event<'_>) -> &'h dyn Host
    where
        'n: 'h,
    {
        self.end_host().unwrap_or(event.emission().host())
    }

    fn end_host(&self) -> Option<&'n dyn Host> {
        match self.0 {
            Link::Layers { end, .. } => end.host(),
            Link::Before { after, .. } | Link::Each { after, .. } => after.end_host(),
        }
    }

    /// What the chain stands around.
    #[must_use]
    pub fn place(&self) -> Place<'n> {
        match self.0 {
            Link::Layers { end, .. } => end.place(),
            Link::Before { after, .. } | Link::Each { after, .. } => after.place(),
        }
    }
}

/// Goes to the first of the layers that takes the event, or to the end.
#[inline]
fn walk(mut rest: &[Layer], end: &dyn Terminal, routed: bool, event: &Event<'_>) {
    while let Some((layer, tail)) = rest.split_first() {
        rest = tail;
        if layer.takes(event, routed) {
            return layer.middleware().handle(event, Next(Link::Layers { rest, end, routed }));
        }
    }
    end.deliver(event);
}

/// The same, apart: a layer that goes on is then so short that those of a tuple are inlined into each other.
#[inline(never)]
fn walk_on(rest: &[Layer], end: &dyn Terminal, routed: bool, event: &Event<'_>) {
    walk(rest, end, routed, event);
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

    fn host(&self) -> Option<&dyn Host> {
        self.end_host()
    }

    /// The layers of the stack within are no layers of the one around it.
    fn home(&self, mark: Mark, _behind: usize) -> Option<Arc<dyn Home>> {
        Next::home(self, mark)
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
