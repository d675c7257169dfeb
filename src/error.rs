use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use sigtree_middleware::{Counted, ParseError, Pattern, SpeedError, Topic};

use crate::queue::Loss;
use crate::subscription::Label;

/// Something that was refused, with what to do about it.
///
/// Ask the `is_*` predicates to tell one refusal from another; more kinds may come.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// let refused = bus.try_emit("radar..track", 1_u32).unwrap_err();
/// assert!(refused.is_bad_name());
/// assert_eq!(refused.to_string(), "invalid topic `radar..track`: empty segment at byte 6: remove one dot");
/// ```
#[derive(Clone)]
pub struct Error(Kind);

#[derive(Clone)]
enum Kind {
    Parse(ParseError),
    TypeMismatch {
        topic: Box<str>,
        fixed: &'static str,
        given: &'static str,
    },
    Reserved(Box<str>),
    TooDeep {
        limit: u32,
        chain: Box<[Topic]>,
    },
    NotUnique(Arc<str>),
    ChildExists(Box<str>),
    WouldDeadlock,
    Timeout,
    Undone {
        count: u64,
        of: Waited,
    },
    OwnJob,
    #[cfg(feature = "async")]
    OwnCall,
    Speed(SpeedError),
    QueueFull(QueueFull),
    ShuttingDown(Arc<str>),
}

/// What was waited for, and not done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    Jobs,
    #[cfg(feature = "async")]
    Calls,
}

impl Error {
    pub(crate) fn type_mismatch(topic: &str, fixed: &'static str, given: &'static str) -> Self {
        Self(Kind::TypeMismatch { topic: topic.into(), fixed, given })
    }

    pub(crate) fn reserved(topic: &str) -> Self {
        Self(Kind::Reserved(topic.into()))
    }

    pub(crate) fn too_deep(limit: u32, chain: &[Topic]) -> Self {
        Self(Kind::TooDeep { limit, chain: chain.into() })
    }

    pub(crate) fn not_unique(name: &Arc<str>) -> Self {
        Self(Kind::NotUnique(name.clone()))
    }

    pub(crate) fn child_exists(name: &str) -> Self {
        Self(Kind::ChildExists(name.into()))
    }

    pub(crate) fn would_deadlock() -> Self {
        Self(Kind::WouldDeadlock)
    }

    pub(crate) fn timeout() -> Self {
        Self(Kind::Timeout)
    }

    /// So many of these were waited for, and not done in time.
    pub(crate) fn undone(count: usize, of: Waited) -> Self {
        Self(Kind::Undone { count: count as u64, of })
    }

    /// A job waits for the pool that runs it.
    pub(crate) fn own_job() -> Self {
        Self(Kind::OwnJob)
    }

    /// A call of a serial async handler waits for the next one.
    #[cfg(feature = "async")]
    pub(crate) fn own_call() -> Self {
        Self(Kind::OwnCall)
    }

    pub(crate) fn queue_full(full: QueueFull) -> Self {
        Self(Kind::QueueFull(full))
    }

    pub(crate) fn shutting_down(bus: &Arc<str>) -> Self {
        Self(Kind::ShuttingDown(bus.clone()))
    }

    /// A topic or pattern is malformed; [`parse_error`](Error::parse_error) has the byte.
    #[must_use]
    pub fn is_bad_name(&self) -> bool {
        matches!(self.0, Kind::Parse(_))
    }

    /// A topic has one payload type, and this is another.
    #[must_use]
    pub fn is_type_mismatch(&self) -> bool {
        matches!(self.0, Kind::TypeMismatch { .. })
    }

    /// Topics under `$sys` are the bus's own.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        matches!(self.0, Kind::Reserved(_))
    }

    /// Handlers emit within handlers, deeper than the bus allows.
    #[must_use]
    pub fn is_too_deep(&self) -> bool {
        matches!(self.0, Kind::TooDeep { .. })
    }

    /// A connection of this name is there already.
    #[must_use]
    pub fn is_not_unique(&self) -> bool {
        matches!(self.0, Kind::NotUnique(_))
    }

    /// A child of this name is there already, made with other options.
    #[must_use]
    pub fn is_child_exists(&self) -> bool {
        matches!(self.0, Kind::ChildExists(_))
    }

    /// Waiting would wait for the waiting thread itself, also for a place in a queue that only this thread takes from.
    #[must_use]
    pub fn is_would_deadlock(&self) -> bool {
        #[cfg(feature = "async")]
        if matches!(self.0, Kind::OwnCall) {
            return true;
        }
        matches!(self.0, Kind::WouldDeadlock | Kind::OwnJob) || self.full_queue().is_some_and(QueueFull::would_deadlock)
    }

    /// The time to wait ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Kind::Timeout | Kind::Undone { .. })
    }

    /// A replay cannot have this speed.
    #[must_use]
    pub fn is_bad_speed(&self) -> bool {
        matches!(self.0, Kind::Speed(_))
    }

    /// A queue had no place for the event; [`full_queue`](Error::full_queue) tells which. Other handlers and queues have it.
    #[must_use]
    pub fn is_queue_full(&self) -> bool {
        matches!(self.0, Kind::QueueFull(_))
    }

    /// The bus was [shut down](crate::Bus::shutdown), or is being: nobody has the event.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        matches!(self.0, Kind::ShuttingDown(_))
    }

    /// Which queue was full, if that is why.
    #[must_use]
    pub fn full_queue(&self) -> Option<&QueueFull> {
        match &self.0 {
            Kind::QueueFull(full) => Some(full),
            _ => None,
        }
    }

    /// What is wrong with the name, if that is what was refused.
    #[must_use]
    pub fn parse_error(&self) -> Option<&ParseError> {
        match &self.0 {
            Kind::Parse(error) => Some(error),
            _ => None,
        }
    }

    /// The topics of the innermost emits, the outermost first, if they were too deep.
    #[must_use]
    pub fn chain(&self) -> &[Topic] {
        match &self.0 {
            Kind::TooDeep { chain, .. } => chain,
            _ => &[],
        }
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self(Kind::Parse(error))
    }
}

impl From<SpeedError> for Error {
    fn from(error: SpeedError) -> Self {
        Self(Kind::Speed(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Parse(error) => error.fmt(f),
            Kind::Speed(error) => error.fmt(f),
            Kind::QueueFull(full) => full.fmt(f),
            Kind::TypeMismatch { topic, fixed, given } => {
                write!(f, "topic `{topic}` carries `{fixed}`, not `{given}`: {}", mend_of_type(fixed, given))
            }
            Kind::Reserved(topic) => {
                write!(
                    f,
                    "topic `{topic}` is reserved: topics under `$sys` are the bus's own reports; use another name"
                )
            }
            Kind::TooDeep { limit, chain } => {
                write!(f, "emits within emits are more than {limit} deep: ")?;
                for topic in chain {
                    write!(f, "`{topic}` -> ")?;
                }
                f.write_str("refused; break the circle, use `emit_later`, or raise the bus's depth limit")
            }
            Kind::NotUnique(name) => {
                write!(f, "a connection named `{name}` is there already: disconnect it first or use another name")
            }
            Kind::ChildExists(name) => {
                write!(f, "a child named `{name}` is there already: take it with `bus.child` or use another name")
            }
            Kind::ShuttingDown(bus) => {
                write!(f, "bus `{bus}` is shut down: it takes nothing more; emit before its end, or on another bus")
            }
            Kind::WouldDeadlock => f.write_str(
                "waiting here would wait for this thread: it is inside an emit that holds the handler; \
                 the handler is disconnected all the same",
            ),
            Kind::OwnJob => f.write_str(
                "waiting here would wait for this very job: it is a job of this pool; let another thread wait for the pool",
            ),
            #[cfg(feature = "async")]
            Kind::OwnCall => f.write_str(
                "waiting here would wait for this very call: the handler is serial, and this event would be its next; \
                 emit without waiting, or on another topic",
            ),
            Kind::Timeout => {
                f.write_str("a call was still running when the time ran out; the handler is disconnected all the same")
            }
            Kind::Undone { count, of } => {
                let (all, one) = match of {
                    Waited::Jobs => ("jobs", "job"),
                    #[cfg(feature = "async")]
                    Waited::Calls => ("calls of async handlers", "call"),
                };
                let left = Counted(*count, one);
                write!(f, "{all} were not done when the time ran out: {left} ")?;
                f.write_str(match count {
                    1 => "is left, and goes on; wait longer for it",
                    _ => "are left, and go on; wait longer for them",
                })
            }
        }
    }
}

/// What to do about a payload of another type: often it is the right one, lent or shared.
fn mend_of_type(fixed: &str, given: &str) -> &'static str {
    if given.strip_prefix('&').is_some_and(|lent| lent == fixed) {
        return "emit what is lent with `emit_ref`";
    }
    let shared = given.strip_prefix("alloc::sync::Arc<").and_then(|rest| rest.strip_suffix('>'));
    if shared == Some(fixed) {
        return "emit what is shared with `emit_shared`";
    }
    "a topic has one payload type; use another topic or that type"
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

/// A queue that had no place for an event.
#[derive(Clone)]
pub struct QueueFull {
    label: Arc<Label>,
    capacity: usize,
    loss: Loss,
}

impl QueueFull {
    pub(crate) fn new(label: Arc<Label>, capacity: usize, loss: Loss) -> Self {
        Self { label, capacity, loss }
    }

    /// The pattern it was subscribed to.
    #[must_use]
    pub fn pattern(&self) -> &Pattern {
        &self.label.pattern
    }

    /// Its name, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.label.name.as_deref()
    }

    /// Where it was subscribed.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.label.site
    }

    /// How many events wait in it, or in the event's lane: as many as there are places.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether the emit did not wait, because only its own thread takes from the queue.
    #[must_use]
    pub fn would_deadlock(&self) -> bool {
        self.loss == Loss::WouldDeadlock
    }
}

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is full: {} wait", self.label, self.capacity)?;
        f.write_str(match self.loss {
            Loss::TimedOut => ", and none was taken in time: take faster, wait longer, or give it more places",
            Loss::WouldDeadlock => ", and only this thread takes from it: take first, or from another thread",
            _ => ": take faster, give it more places, or let it drop the oldest",
        })
    }
}

impl fmt::Debug for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueFull({self})")
    }
}

impl std::error::Error for QueueFull {}
