use std::fmt;
use std::sync::Arc;

use sigtree_middleware::{ParseError, SpeedError, Topic};

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
    TypeMismatch { topic: Box<str>, fixed: &'static str, given: &'static str },
    Reserved(Box<str>),
    TooDeep { limit: u32, chain: Box<[Topic]> },
    NotUnique(Arc<str>),
    ChildExists(Box<str>),
    WouldDeadlock,
    Timeout,
    Speed(SpeedError),
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

    /// Waiting would wait for the waiting thread itself.
    #[must_use]
    pub fn is_would_deadlock(&self) -> bool {
        matches!(self.0, Kind::WouldDeadlock)
    }

    /// The time to wait ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Kind::Timeout)
    }

    /// A replay cannot have this speed.
    #[must_use]
    pub fn is_bad_speed(&self) -> bool {
        matches!(self.0, Kind::Speed(_))
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
            Kind::WouldDeadlock => f.write_str(
                "waiting here would wait for this thread: it is inside an emit that holds the handler; \
                 the handler is disconnected all the same",
            ),
            Kind::Timeout => {
                f.write_str("a call was still running when the time ran out; the handler is disconnected all the same")
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
