//! [`Trace`]: tells `tracing` what the bus does.

use std::borrow::Cow;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Span, field};

use crate::{Event, Middleware, Next, Place, Tally};

const TARGET: &str = "sigtree::middleware";

/// Puts a [`tracing`] span around the rest of the chain.
///
/// Around a bus it is the span `emit`, with the fields `bus` (the one it is around, whichever the event was emitted on),
/// `topic`, `id`, `depth` (of an emit within an emit) and `fanout` (how many handlers were called, recorded when they are
/// done). Around one connection it is the span `handle`,
/// with `handler` (its name, if it has one) and `pattern`. Before the span closes, one event in it has what became of
/// the emit behind this layer: `called`, `skipped`, `muted`, `failed`.
///
/// An event that a layer further on holds has two spans with the same id: one when it comes, which calls nobody, and one
/// when it goes on.
///
/// The target is `sigtree::middleware`, the level [`TRACE`](Level::TRACE) unless you choose [another](Trace::at).
///
/// # Cost
///
/// While nobody listens at the level, one comparison; the event gets no id and no time. While somebody does, what the
/// subscriber costs, and the event's id.
///
/// # Place
///
/// The span is around what stands behind it. As the first layer it shows every emit and how long the other layers take;
/// behind a filter it shows only what was let through:
///
/// ```
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Filter, Trace};
///
/// let even = || Filter::payload(|n: &u32| n % 2 == 0);
/// let bus = Bus::new();
///
/// // Right, to see every emit: 1 is an `emit` span with `fanout` 0.
/// bus.set_stack(Stack::new().with(Trace::new()).with(even()));
/// bus.emit("n", 1_u32);
///
/// // Wrong: nothing is seen of 1.
/// bus.set_stack(Stack::new().with(even()).with(Trace::new()));
/// bus.emit("n", 1_u32);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    level: Level,
}

impl Trace {
    /// Spans and events at the level `TRACE`.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Level::TRACE)
    }

    /// Spans and events at this level.
    #[must_use]
    pub fn at(level: Level) -> Self {
        Self { level }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Trace {
    #[inline]
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if self.level > LevelFilter::current() {
            next.run(event);
        } else {
            self.run_traced(event, next);
        }
    }

    /// Handlers are called also when an event goes on that a layer further on held.
    fn stands_around(&self) -> bool {
        true
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("trace at {}", self.level).into()
    }
}

/// `tracing` has one call site for each level, made by its macros; and they look at the fields only when enabled.
macro_rules! at_level {
    ($level:expr, $make:ident, $($fields:tt)*) => {
        match $level {
            Level::ERROR => tracing::$make!(target: TARGET, Level::ERROR, $($fields)*),
            Level::WARN => tracing::$make!(target: TARGET, Level::WARN, $($fields)*),
            Level::INFO => tracing::$make!(target: TARGET, Level::INFO, $($fields)*),
            Level::DEBUG => tracing::$make!(target: TARGET, Level::DEBUG, $($fields)*),
            Level::TRACE => tracing::$make!(target: TARGET, Level::TRACE, $($fields)*),
        }
    };
}

impl Trace {
    fn run_traced(self, event: &Event<'_>, next: Next<'_>) {
        let span = match next.place() {
            Place::Bus => self.emit_span(next.host(event).name(), event),
            Place::Connection { pattern, name } => self.handle_span(pattern, name),
        };
        let _inside = span.enter();
        let before = event.tally();
        next.run(event);
        let tally = event.tally().since(before);
        span.record("fanout", tally.called);
        self.tell(tally);
    }

    fn emit_span(self, bus: &str, event: &Event<'_>) -> Span {
        at_level!(
            self.level,
            span,
            "emit",
            bus,
            topic = event.topic().as_str(),
            id = %event.id(),
            depth = event.emission().depth(),
            fanout = field::Empty,
        )
    }

    fn handle_span(self, pattern: &str, name: Option<&str>) -> Span {
        at_level!(self.level, span, "handle", handler = name, pattern)
    }

    fn tell(self, tally: Tally) {
        let Tally { called, skipped, muted, failed } = tally;
        at_level!(self.level, event, called, skipped, muted, failed, "done");
    }
}
