//! [`RequestError`]: why no answer came, and [`Unanswered`]: whose.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use sigtree_middleware::{OneLine, Pattern};

use crate::delivery::Delivery;
use crate::error::Error;
use crate::subscription::Label;

/// Who answers requests: one connection that was made with [`reply`](crate::Bus::reply) or its like.
#[derive(Clone)]
pub struct Responder(Arc<Label>);

impl Responder {
    pub(super) fn of(label: Arc<Label>) -> Self {
        Self(label)
    }

    /// The pattern it was connected to.
    #[must_use]
    pub fn pattern(&self) -> &Pattern {
        &self.0.pattern
    }

    /// Its name, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Where it was connected.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.0.site
    }
}

/// Pattern, name and call site, as failures name handlers.
impl fmt::Display for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Label { pattern, name, site, .. } = &*self.0;
        write!(f, "responder of `{}`", OneLine(pattern.as_str()))?;
        if let Some(name) = name {
            write!(f, " named `{}`", OneLine(name))?;
        }
        write!(f, " ({}:{})", site.file(), site.line())
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Responder({self})")
    }
}

/// A responder that was asked, and whose answer is not there.
#[derive(Debug, Clone)]
pub struct Unanswered {
    /// Who it is.
    pub by: Responder,
    /// Why.
    pub why: Silence,
}

/// Why a responder gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Silence {
    /// It had not answered when the time was up.
    Missing,
    /// It returned an error or panicked, with this message.
    Failed(Arc<str>),
    /// It answered with a value of this type, which is not the one that was asked for.
    OtherType(&'static str),
    /// It let go of the request: dropped the [`Question`](crate::Question), or its executor did not run it.
    Dropped,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("has not answered"),
            Self::Failed(message) => {
                let mut lines = message.lines();
                write!(f, "failed: {}", OneLine(lines.next().unwrap_or_default()))?;
                lines.try_for_each(|line| write!(f, "\n{}", OneLine(line)))
            }
            Self::OtherType(given) => write!(f, "answered with `{given}`: ask for that type"),
            Self::Dropped => f.write_str("dropped the request"),
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.by, self.why)
    }
}

/// Why there is no answer to a request.
///
/// Exactly one of the `is_*` predicates holds; more kinds may come. [`unanswered`](Self::unanswered) tells of each responder
/// that was asked.
///
/// | | |
/// |---|---|
/// | [`is_refused`](Self::is_refused) | nobody has it: a bad topic, another payload type, too deep, a bus that shuts down |
/// | [`is_unheard`](Self::is_unheard) | there is no responder, or none was let to it; known at once |
/// | [`is_timeout`](Self::is_timeout) | the time was up, and somebody might still have answered |
/// | [`is_failed`](Self::is_failed) | a responder returned an error or panicked, and no other one answered |
/// | [`is_other_type`](Self::is_other_type) | a responder answered with another type, and no other one answered |
/// | [`is_dropped`](Self::is_dropped) | whoever had the request let go of it without an answer |
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// assert!(bus.request::<u32, u32>("double", 4).wait().unwrap_err().is_unheard());
///
/// let _bad = bus.on("double").named("doubler").try_reply(|_: &u32| Err::<u32, _>("out of paper"))?;
/// let error = bus.request::<u32, u32>("double", 4).wait().unwrap_err();
/// assert!(error.is_failed());
/// assert_eq!(error.unanswered()[0].by.name(), Some("doubler"));
/// assert!(error.to_string().ends_with("failed: out of paper"));
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct RequestError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    topic: Box<str>,
    why: Why,
    unanswered: Vec<Unanswered>,
}

#[derive(Debug, Clone)]
enum Why {
    Refused(Error),
    Unheard(Delivery),
    Timeout,
    Failed,
    OtherType,
    Dropped,
}

impl RequestError {
    fn new(topic: &str, why: Why, unanswered: Vec<Unanswered>) -> Self {
        Self(Box::new(Inner { topic: topic.into(), why, unanswered }))
    }

    pub(super) fn refused(topic: &str, error: Error) -> Self {
        Self::new(topic, Why::Refused(error), Vec::new())
    }

    /// Nobody answered, for these reasons.
    pub(super) fn silent(topic: &str, delivery: &Delivery, unanswered: Vec<Unanswered>, timed_out: bool) -> Self {
        let any = |is: fn(&Silence) -> bool| unanswered.iter().any(|one| is(&one.why));
        let why = if timed_out {
            Why::Timeout
        } else if unanswered.is_empty() {
            Why::Unheard(delivery.clone())
        } else if any(|why| matches!(why, Silence::Failed(_))) {
            Why::Failed
        } else if any(|why| matches!(why, Silence::OtherType(_))) {
            Why::OtherType
        } else {
            Why::Dropped
        };
        Self::new(topic, why, unanswered)
    }

    /// The topic of the request.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// The bus refused it, and nobody was asked; [`refusal`](Self::refusal) says why: a bus that was shut down, for one, by
    /// [`Error::is_shutting_down`].
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.0.why, Why::Refused(_))
    }

    /// Nobody was asked: there is no responder, or it was muted, filtered, or not meant.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        matches!(self.0.why, Why::Unheard(_))
    }

    /// The time was up. With nobody in [`unanswered`](Self::unanswered), a layer of the bus holds the request.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.why, Why::Timeout)
    }

    /// A responder failed, and none answered.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self.0.why, Why::Failed)
    }

    /// A responder gave an answer of another type, and none the right one.
    #[must_use]
    pub fn is_other_type(&self) -> bool {
        matches!(self.0.why, Why::OtherType)
    }

    /// Whoever had the request dropped it.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        matches!(self.0.why, Why::Dropped)
    }

    /// Why the bus refused it, if it did.
    #[must_use]
    pub fn refusal(&self) -> Option<&Error> {
        match &self.0.why {
            Why::Refused(error) => Some(error),
            _ => None,
        }
    }

    /// The responders that were asked, in that order, and why none of them answered.
    #[must_use]
    pub fn unanswered(&self) -> &[Unanswered] {
        &self.0.unanswered
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { topic, why, unanswered } = &*self.0;
        match why {
            Why::Refused(error) => return error.fmt(f),
            Why::Unheard(delivery) => {
                let topic = OneLine(topic);
                return write!(f, "nobody answers requests on `{topic}` ({delivery}): connect one with `reply`");
            }
            Why::Timeout if unanswered.is_empty() => {
                return write!(f, "no answer on `{}` in time: a layer holds the request", OneLine(topic));
            }
            Why::Timeout => write!(f, "no answer on `{}` in time", OneLine(topic))?,
            Why::Failed | Why::OtherType | Why::Dropped => write!(f, "no answer on `{}`", OneLine(topic))?,
        }
        for (n, one) in unanswered.iter().enumerate() {
            write!(f, "{} {one}", if n == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestError({self})")
    }
}

impl std::error::Error for RequestError {}
