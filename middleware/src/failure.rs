use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::{OneLine, Topic};

/// One handler or layer that failed: what happened, where it was connected, what it was called with.
#[derive(Debug)]
pub struct Failure {
    /// The topic of the event.
    pub topic: Topic,
    /// The pattern of the connection that failed; `None` for a layer of the stack.
    pub pattern: Option<Arc<str>>,
    /// The name given to the connection, if any.
    pub name: Option<Arc<str>>,
    /// Where the handler was connected.
    pub site: Option<&'static Location<'static>>,
    /// What went wrong.
    pub cause: Cause,
}

/// Why a handler or layer failed.
#[derive(Debug)]
pub enum Cause {
    /// It returned this error.
    Error(Box<dyn Error + Send + Sync>),
    /// It panicked with this message.
    Panic(Box<str>),
}

impl Cause {
    /// Takes the message out of what [`std::panic::catch_unwind`] caught.
    #[must_use]
    pub fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Panic(text.unwrap_or("a panic without a message").into())
    }

    /// Whether it was a panic.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panic(_))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(message) => write!(f, "panicked: {message}"),
        }
    }
}

/// Names and messages are written as [`OneLine`] does it, a message of several lines line by line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => write!(f, "handler of `{}`", OneLine(pattern))?,
            None => write!(f, "layer")?,
        }
        if let Some(name) = &self.name {
            write!(f, " named `{}`", OneLine(name))?;
        }
        if let Some(site) = self.site {
            write!(f, " ({}:{})", site.file(), site.line())?;
        }
        write!(f, " on `{}`: ", self.topic)?;
        // An assertion that failed has several lines.
        let cause = self.cause.to_string();
        let mut lines = cause.lines();
        write!(f, "{}", OneLine(lines.next().unwrap_or_default()))?;
        lines.try_for_each(|line| write!(f, "\n{}", OneLine(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_command_a_terminal() {
        let failure = Failure {
            topic: Topic::new("a").unwrap(),
            pattern: Some("a".into()),
            name: Some("two\nlines".into()),
            site: None,
            cause: Cause::Error("red\x1b[31m\nnext".into()),
        };
        assert_eq!(failure.to_string(), "handler of `a` named `two\\nlines` on `a`: red\\u{1b}[31m\nnext");
    }
}
