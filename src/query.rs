use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::vec;

use sigtree_middleware::{Emission, Event, Kept};

use crate::delivery::Delivery;
use crate::dispatch::core::Core;
use crate::dispatch::failure::{Caller, Flow};
use crate::dispatch::node::Node;
use crate::dispatch::plan::Found;
use crate::dispatch::route::Route;
use crate::dispatch::slot::{Call, Called, Entry};
use crate::dispatch::thread::{Inside, PinCount};
use crate::handler::stopped_or;
use crate::payload::PayloadType;

/// The answers of handlers, one by one, from [`Signal::query`](crate::Signal::query).
///
/// Each `next` calls handlers until one answers; dropped, it calls no more. The order is that of an emit: by priority and
/// age, own handlers before the parent's. It sees the handlers that were there when it began, and on the buses above when it
/// came there; one that was disconnected or muted since is passed over.
///
/// A handler that answers is connected with [`Signal::answer`](crate::Signal::answer) or [`On::answer`](crate::On::answer);
/// conditions, mutes and layers around that one connection hold for it as for others. Those that answer with another type
/// than `R`, and those that were connected to be told of events, are not asked; nor does an emit call one that answers.
///
/// # What it is not
///
/// A query is no event: layers of the bus's stack do not see it, histories do not record it, it does not go down to
/// children or over bridges, and `$sys.dead` does not tell that nobody answered. An `Err` is an answer like others. The
/// payload is lent, so a handler cannot [keep](Event::share) it.
///
/// Handlers that answer on a topic make emits on it as slow as handlers that look at the event do, so give a hot topic's
/// questions a topic of their own.
///
/// # Panics
///
/// A handler's panic is isolated and reported like any other's, and the next handler is asked. With
/// [`Policy::Propagate`](crate::Policy::Propagate) the panic goes on in the `next` that met it.
///
/// # Concurrency
///
/// While it lives, a handler that was disconnected may be freed only when it goes, as with a [`Pinned`](crate::Pinned).
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Event};
///
/// let bus = Bus::new();
/// let close = bus.signal::<u32>("window.close")?;
/// let _saved = close.answer(|window| *window != 7)?;
/// let _log = bus.on("window.*").answer_with(|_: &u32, event: &Event| event.topic() != "window.open")?;
/// let _busy = bus.on("**").answer(|_: &u32| -> bool { unreachable!("somebody said no before") })?;
///
/// let mut query = close.query::<bool>(&7);
/// assert!(!query.all(|may_close| may_close));
/// assert_eq!(query.delivery().called(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[must_use = "a query is lazy: handlers are called as answers are taken"]
pub struct Query<'q, T, R> {
    payload: &'q T,
    emission: Emission<'q>,
    level: Option<Level<'q>>,
    refused: Option<Delivery>,
    /// Tells `disconnect_wait` that this thread holds handlers; it also keeps the query on its thread.
    _count: PinCount,
    answer: PhantomData<fn() -> R>,
}

/// One bus on the way up, and who is still to be asked there.
struct Level<'q> {
    core: &'q Core,
    route: Arc<Route>,
    waiting: vec::IntoIter<(Arc<Node>, Entry)>,
}

impl<'q, T: Any + Send + Sync, R: Any> Query<'q, T, R> {
    pub(crate) fn new(core: &'q Core, found: Found, payload: &'q T) -> Self {
        let emission = Emission::new(core, core.at(core.stamps.version()), Inside::enter().depth());
        emission.ask();
        let (level, refused) = match found {
            Ok(route) => (route.map(|route| Level::of::<R>(core, route, &emission)), None),
            Err(error) => (None, Some(core.refuse(error))),
        };
        Self { payload, emission, level, refused, _count: PinCount::new(), answer: PhantomData }
    }

    /// Asks the next handler; its answer, if it gave one.
    fn ask_next(&mut self) -> Option<R> {
        let level = self.level.as_mut()?;
        let Some((node, slot)) = level.waiting.next() else {
            self.rise();
            return None;
        };
        let (core, emission) = (level.core, &self.emission);
        let inside = Inside::enter();
        if inside.depth() > core.easy_depth
            && let Some(error) = core.too_deep(&level.route, &inside)
        {
            self.refused = Some(core.refuse(error));
            self.level = None;
            return None;
        }
        let kept = Kept::borrowed();
        let event = Event::new(&level.route.topic, self.payload, &kept, emission);
        let caller = Caller { core, pattern: node.pattern() };
        let flow = match catch_unwind(AssertUnwindSafe(|| slot.invoke(&event))) {
            Ok(Called::Done) => {
                emission.add_called(1);
                Flow::Go
            }
            Ok(called) => caller.note(called, &*slot, &event),
            Err(panic) => caller.panicked(panic, &*slot, &event),
        };
        let answer = emission.take_answer();
        if flow == Flow::End {
            level.waiting = Vec::new().into_iter();
        }
        core.pass_panic_on(emission);
        answer?.downcast().ok().map(|answer| *answer)
    }

    /// Goes on to the bus above, if the event goes there.
    fn rise(&mut self) {
        let Some(Level { core, route, .. }) = self.level.take() else { return };
        let (Some(up), Some(parent)) = (&route.up, &core.parent) else { return };
        if self.emission.bubbling_is_stopped() {
            return;
        }
        let above = &*parent.core;
        let _ = self.emission.enter_level(above.at(above.stamps.version()));
        match above.route_named(&up.topic, up.hash, PayloadType::of::<T>()) {
            Ok(route) => self.level = route.map(|route| Level::of::<R>(above, route, &self.emission)),
            Err(error) => drop(above.refuse(error)),
        }
    }
}

impl<T, R> Query<'_, T, R> {
    /// What became of it so far: who was called, skipped, muted, and who failed.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.refused.clone().unwrap_or_else(|| Delivery::of(&self.emission))
    }
}

impl<'q> Level<'q> {
    /// The handlers of a route that answer with an `R`.
    fn of<R: Any>(core: &'q Core, route: Arc<Route>, emission: &Emission<'_>) -> Self {
        let mut waiting = Vec::new();
        for part in route.parts.iter() {
            part.table().for_each(&mut |slot| {
                if slot.answers().is_some_and(|answer| answer.id == TypeId::of::<R>()) {
                    waiting.extend(part.table().get(slot.header().age()).map(|entry| (part.node().clone(), entry)));
                }
            });
        }
        if route.muted {
            emission.add_muted(waiting.len() as u32);
            waiting.clear();
        }
        Self { core, route, waiting: waiting.into_iter() }
    }
}

impl<T: Any + Send + Sync, R: Any> Iterator for Query<'_, T, R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        while self.level.is_some() {
            let answer = self.ask_next();
            if answer.is_some() {
                return answer;
            }
        }
        None
    }
}

impl<T: Any + Send + Sync, R: Any> FusedIterator for Query<'_, T, R> {}

impl<T, R> fmt::Debug for Query<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("so_far", &self.delivery()).finish_non_exhaustive()
    }
}

/// A handler that answers, and does so only if it is asked.
pub(crate) struct Answering<F, T, R> {
    handler: F,
    form: PhantomData<fn(T) -> R>,
}

impl<F, T, R> Answering<F, T, R> {
    pub(crate) fn new(handler: F) -> Self {
        Self { handler, form: PhantomData }
    }
}

impl<F, T, R> Call for Answering<F, T, R>
where
    F: Fn(&T, &Event<'_>) -> R + Send + Sync + 'static,
    T: Any + Send + Sync,
    R: Any,
{
    const ANSWERS: bool = true;

    fn call(&self, event: &Event<'_>) -> Called {
        if !event.emission().is_question() {
            return Called::OtherType;
        }
        let Some(payload) = event.payload() else { return Called::OtherType };
        let answer = (self.handler)(payload, event);
        event.emission().set_answer(Box::new(answer));
        stopped_or(Called::Done, event)
    }

    fn accepts(&self, payload: TypeId) -> bool {
        payload == TypeId::of::<T>()
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(format!("answers with `{}`", type_name::<R>()));
    }

    fn answers() -> Option<PayloadType> {
        Some(PayloadType::of::<R>())
    }
}
