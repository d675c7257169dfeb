use std::any::type_name;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::{CallCount, Event, Mark, Next, Standing, Topic};

/// Advice around the rest of a chain: look at an event, go on, change it, or end it.
///
/// Call [`next.run(event)`](Next::run) to go on and return to end the event; what stands after `run` happens when the
/// handlers are done. The first layer added sees the event first; that is the only order there is.
///
/// Closures `Fn(&Event, Next)`, with both types written, tuples, `Option`, `Arc` and `Box<dyn Middleware>` of middleware are middleware.
///
/// # Examples
///
/// A layer of one's own that counts what passes:
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use sigtree::{Bus, Event, Middleware, Next};
///
/// #[derive(Default)]
/// struct Count(AtomicU32);
///
/// impl Middleware for Count {
///     fn handle(&self, event: &Event<'_>, next: Next<'_>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         next.run(event);
///     }
/// }
///
/// let count = std::sync::Arc::new(Count::default());
/// let bus = Bus::new();
/// bus.layer(count.clone());
/// bus.emit("a", 1_u32);
/// assert_eq!(count.0.load(Ordering::Relaxed), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not middleware",
    note = "a closure is middleware with both types written: `|event: &Event, next: Next| next.run(event)`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Handles one event: `next.run(event)` goes on, returning ends it.
    fn handle(&self, event: &Event<'_>, next: Next<'_>);

    /// Whether it keeps payloads beyond the call; then every payload is put into one `Arc` before the first layer.
    fn retains(&self) -> bool {
        false
    }

    /// Whether it wants to see the events of a topic; asked once per route, so it must always answer the same.
    ///
    /// A layer that answers `false` is left out of the route. In a tuple it is called all the same if another member wants the
    /// topic, so `handle` must be able to meet any event.
    fn applies_to(&self, topic: &Topic) -> bool {
        let _ = topic;
        true
    }

    /// Whether it holds events under this mark, or is made of a layer that does; on their way back they find it by this.
    fn holds(&self, mark: Mark) -> bool {
        let _ = mark;
        false
    }

    /// Whether it is around the handlers whenever they are called: also when an event goes on that a layer further on held.
    ///
    /// Such an event passes by the layers before the one that held it, unless they say yes here: one that lends
    /// [`Advice`](crate::Advice) or keeps a context does. It then sees the event twice, the second time as it is where it
    /// was held; [`Emission::resuming`](crate::Emission::resuming) tells which time it is.
    fn stands_around(&self) -> bool {
        false
    }

    /// Releases what it holds, now and in this thread.
    fn flush(&self) {}

    /// The same when it leaves a stack, unless it is in the new one too: `stays` tells by the [mark](Self::holds).
    ///
    /// A piece that leaves this as it is releases its events early if it stays.
    fn flush_unless(&self, stays: &dyn Fn(Mark) -> bool) {
        let _ = stays;
        self.flush();
    }

    /// What it counted of the calls through a connection, if it counts such, by the connection's
    /// [id](crate::HandlerCall::id): for whoever looks into a bus.
    fn calls_of(&self, connection: u64) -> Option<CallCount> {
        let _ = connection;
        None
    }

    /// What it is in the middle of, for whoever looks into a bus: how many events it holds, which circuits are open.
    ///
    /// `now` is the time on the clock of the bus that it stands on.
    fn standing(&self, now: Duration) -> Standing {
        let _ = now;
        Standing::default()
    }

    /// One line for people: what it is and how it is set.
    fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed(short_name(type_name::<Self>()))
    }
}

/// `a::b::Filter<c::D>` without its path and parameters: `Filter`.
pub(crate) fn short_name(full: &'static str) -> &'static str {
    let end = full.find('<').unwrap_or(full.len());
    full[..end].rsplit("::").next().unwrap_or(full)
}

impl<F> Middleware for F
where
    F: Fn(&Event<'_>, Next<'_>) + Send + Sync + 'static,
{
    #[inline]
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        self(event, next);
    }

    fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed("closure")
    }
}

macro_rules! forward {
    ($([$($parameter:tt)*] $pointer:ty),*) => { $(
        impl<$($parameter)*> Middleware for $pointer {
            #[inline]
            fn handle(&self, event: &Event<'_>, next: Next<'_>) {
                (**self).handle(event, next);
            }

            fn retains(&self) -> bool {
                (**self).retains()
            }

            fn applies_to(&self, topic: &Topic) -> bool {
                (**self).applies_to(topic)
            }

            fn holds(&self, mark: Mark) -> bool {
                (**self).holds(mark)
            }

            fn stands_around(&self) -> bool {
                (**self).stands_around()
            }

            fn flush(&self) {
                (**self).flush();
            }

            fn flush_unless(&self, stays: &dyn Fn(Mark) -> bool) {
                (**self).flush_unless(stays);
            }

            fn calls_of(&self, connection: u64) -> Option<CallCount> {
                (**self).calls_of(connection)
            }

            fn standing(&self, now: Duration) -> Standing {
                (**self).standing(now)
            }

            fn describe(&self) -> Cow<'static, str> {
                (**self).describe()
            }
        }
    )* };
}

// A `Box<F>` is a closure already; a `Box<dyn Middleware>` is not.
forward!([M: Middleware + ?Sized] Arc<M>, [] Box<dyn Middleware>);

/// `None` lets everything through.
impl<M: Middleware> Middleware for Option<M> {
    #[inline]
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match self {
            Some(layer) => layer.handle(event, next),
            None => next.run(event),
        }
    }

    fn retains(&self) -> bool {
        self.as_ref().is_some_and(Middleware::retains)
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.as_ref().is_some_and(|layer| layer.applies_to(topic))
    }

    fn holds(&self, mark: Mark) -> bool {
        self.as_ref().is_some_and(|layer| layer.holds(mark))
    }

    fn stands_around(&self) -> bool {
        self.as_ref().is_some_and(Middleware::stands_around)
    }

    fn flush(&self) {
        if let Some(layer) = self {
            layer.flush();
        }
    }

    fn flush_unless(&self, stays: &dyn Fn(Mark) -> bool) {
        if let Some(layer) = self {
            layer.flush_unless(stays);
        }
    }

    fn calls_of(&self, connection: u64) -> Option<CallCount> {
        self.as_ref().and_then(|layer| layer.calls_of(connection))
    }

    fn standing(&self, now: Duration) -> Standing {
        self.as_ref().map_or_else(Standing::default, |layer| layer.standing(now))
    }

    fn describe(&self) -> Cow<'static, str> {
        self.as_ref().map_or(Cow::Borrowed("none"), Middleware::describe)
    }
}

/// A tuple is one layer: its members are called directly, the first one first.
macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)*) => { $(
        impl<$first: Middleware, $($rest: Middleware),*> Middleware for ($first, $($rest,)*) {
            #[inline]
            #[allow(non_snake_case)]
            fn handle(&self, event: &Event<'_>, next: Next<'_>) {
                let ($first, $($rest,)*) = self;
                if event.is_straight() {
                    tuples!(@link event, next, [] $first $($rest)*);
                } else {
                    next.through_each(&[$first, $($rest,)*], event);
                }
            }

            fn retains(&self) -> bool {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.retains() $(|| $rest.retains())*
            }

            fn applies_to(&self, topic: &Topic) -> bool {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.applies_to(topic) $(|| $rest.applies_to(topic))*
            }

            fn holds(&self, mark: Mark) -> bool {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.holds(mark) $(|| $rest.holds(mark))*
            }

            fn stands_around(&self) -> bool {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.stands_around() $(|| $rest.stands_around())*
            }

            fn flush(&self) {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.flush();
                $( $rest.flush(); )*
            }

            fn flush_unless(&self, stays: &dyn Fn(Mark) -> bool) {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.flush_unless(stays);
                $( $rest.flush_unless(stays); )*
            }

            fn calls_of(&self, connection: u64) -> Option<CallCount> {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.calls_of(connection) $(.or_else(|| $rest.calls_of(connection)))*
            }

            fn standing(&self, now: Duration) -> Standing {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                $first.standing(now) $(.and($rest.standing(now)))*
            }

            fn describe(&self) -> Cow<'static, str> {
                #[allow(non_snake_case)]
                let ($first, $($rest,)*) = self;
                let mut line = $first.describe().into_owned();
                $( line.push_str(", "); line.push_str(&$rest.describe()); )*
                Cow::Owned(line)
            }
        }
    )* };
    (@link $event:expr, $next:expr, [$($seen:ident)*] $last:ident) => {{
        let next = $next;
        tuples!(@call $event, next, $last, $($seen)*)
    }};
    (@link $event:expr, $next:expr, [$($seen:ident)*] $first:ident $($rest:ident)+) => {
        tuples!(@link $event, $next, [$first $($seen)*] $($rest)+)
    };
    (@call $event:expr, $next:ident, $layer:ident,) => { $layer.handle($event, $next) };
    (@call $event:expr, $next:ident, $layer:ident, $before:ident $($more:ident)*) => {{
        let next = Next::before($layer, &$next);
        tuples!(@call $event, next, $before, $($more)*)
    }};
}

tuples! {
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
