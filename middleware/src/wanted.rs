//! [`Wanted`]: which events a history or a recording records.

use std::fmt;

use crate::{Event, IntoPattern, Limits, ParseError, Pattern, Topic};

/// Which events are recorded: everything but replays and the bus's own reports, unless asked for.
#[derive(Default)]
pub(crate) struct Wanted {
    pattern: Option<Pattern>,
    condition: Option<Condition>,
    replays: bool,
}

type Condition = Box<dyn Fn(&Event<'_>) -> bool + Send + Sync>;

impl Wanted {
    pub(crate) fn set_pattern(&mut self, pattern: impl IntoPattern) -> Result<(), ParseError> {
        self.pattern = Some(pattern.into_pattern(&Limits::new())?);
        Ok(())
    }

    pub(crate) fn set_condition(&mut self, condition: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) {
        self.condition = Some(Box::new(condition));
    }

    pub(crate) fn set_replays(&mut self, recorded: bool) {
        self.replays = recorded;
    }

    pub(crate) fn has(&self, event: &Event<'_>) -> bool {
        self.has_topic(event.topic())
            && (self.replays || !event.is_replayed())
            && self.condition.as_ref().is_none_or(|condition| condition(event))
    }

    pub(crate) fn has_topic(&self, topic: &Topic) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches(topic),
            None => !topic.is_reserved(),
        }
    }
}

/// What a layer's description ends with.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => write!(f, ", on `{pattern}`"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("pattern", &self.pattern).field("replays", &self.replays).finish_non_exhaustive()
    }
}
