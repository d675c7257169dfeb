//! [`Scoped`]: a layer for some topics only.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::{CallCount, Event, IntoPattern, Limits, Mark, Middleware, Next, ParseError, Pattern, Standing, Topic};

/// Any middleware, limited to the topics of a pattern; all other events pass it by.
///
/// Reach for it when a rule is about a part of the tree of topics. Like every pattern, it sees a bus's own reports only if
/// it spells `$sys`, and that around a connection: the layers of a bus see none of its reports.
///
/// # Cost
///
/// On a topic that does not match, nothing: the bus asks once per route and leaves the layer out. On one that does, the
/// pattern is matched again for each event, since a layer before it may have redirected the event, and a tuple does not
/// ask at all.
///
/// # Place
///
/// It looks at the topic that the event has when it comes by. Behind a layer that redirects, that is the new one; for an
/// event that goes on after a layer further on held it, the one it had there:
///
/// ```
/// use sigtree::{Bus, Event, Next, Stack};
/// use sigtree::middleware::{Filter, Scoped, Topic};
///
/// let closed = || Scoped::new("orders.**", Filter::new(|_: &Event| false).reason("closed"));
/// let archive = Topic::new("archive")?;
/// let redirect = move |event: &Event, next: Next| next.redirect(event, &archive);
/// let bus = Bus::new();
/// let _archive = bus.connect("archive", |_: &u32| {})?;
///
/// bus.set_stack(Stack::new().with(closed()?).with(redirect.clone()));
/// assert_eq!(bus.emit("orders.new", 1_u32).called(), 0);
///
/// // The wrong way round: the order is an `archive` event by now, and the rule does not see it.
/// bus.set_stack(Stack::new().with(redirect).with(closed()?));
/// assert_eq!(bus.emit("orders.new", 1_u32).called(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
pub struct Scoped<M> {
    pattern: Pattern,
    middleware: M,
}

impl<M: Middleware> Scoped<M> {
    /// Limits `middleware` to the topics that match `pattern`.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn new(pattern: impl IntoPattern, middleware: M) -> Result<Self, ParseError> {
        Ok(Self { pattern: pattern.into_pattern(&Limits::new())?, middleware })
    }
}

impl<M: Middleware> Scoped<M> {
    /// Whether an event comes back that was held within, where it may have got another topic.
    fn held(&self, event: &Event<'_>) -> bool {
        event.emission().resuming().is_some_and(|mark| self.middleware.holds(mark))
    }
}

impl<M: Middleware> Middleware for Scoped<M> {
    #[inline]
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if self.applies_to(event.topic()) || self.held(event) {
            self.middleware.handle(event, next);
        } else {
            next.run(event);
        }
    }

    fn retains(&self) -> bool {
        self.middleware.retains()
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.pattern.matches(topic) && self.middleware.applies_to(topic)
    }

    fn holds(&self, mark: Mark) -> bool {
        self.middleware.holds(mark)
    }

    fn stands_around(&self) -> bool {
        self.middleware.stands_around()
    }

    fn flush(&self) {
        self.middleware.flush();
    }

    fn flush_unless(&self, stays: &dyn Fn(Mark) -> bool) {
        self.middleware.flush_unless(stays);
    }

    fn calls_of(&self, connection: u64) -> Option<CallCount> {
        self.middleware.calls_of(connection)
    }

    fn standing(&self, now: Duration) -> Standing {
        self.middleware.standing(now)
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("on `{}`: {}", self.pattern, self.middleware.describe()).into()
    }
}

impl<M> fmt::Debug for Scoped<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;
    use crate::{Filter, History, Stack};

    fn closed(pattern: &str) -> Scoped<impl Middleware> {
        Scoped::new(pattern, Filter::new(|_: &Event<'_>| false)).unwrap()
    }

    #[test]
    fn concerns_matching_topics_only() {
        let rig = Rig::new();
        let stack = Stack::new().with(closed("a.*"));
        for topic in ["a.b", "a", "a.b.c", "b"] {
            rig.emit(&stack, topic, 1_u32);
        }
        assert_eq!(rig.seen(), ["a 1", "a.b.c 1", "b 1"]);
    }

    #[test]
    fn checks_the_topic_again_when_it_is_called() {
        let rig = Rig::new();
        let redirect = |event: &Event<'_>, next: Next<'_>| next.redirect(event, &Topic::new("b").unwrap());
        rig.emit(&(redirect, closed("a")), "a", 1_u32);
        rig.emit(&(redirect, closed("b")), "a", 2_u32);
        assert_eq!(rig.seen(), ["b 1"]);
    }

    #[test]
    fn a_scope_in_a_scope_is_both() {
        let rig = Rig::new();
        let both = Scoped::new("a.**", closed("**.z")).unwrap();
        for topic in ["a.z", "a.b", "b.z"] {
            rig.emit(&both, topic, 1_u32);
        }
        assert_eq!(rig.seen(), ["a.b 1", "b.z 1"]);
    }

    #[test]
    fn reports_of_the_bus_are_seen_when_spelled() {
        let report = Topic::new("$sys.refused").unwrap();
        assert!(!closed("**").applies_to(&report));
        assert!(closed("$sys.**").applies_to(&report));
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        assert!(Scoped::new("a..b", History::new()).is_err());
    }

    #[test]
    fn says_what_it_limits() {
        assert_eq!(closed("a.*").describe(), "on `a.*`: filter, else `filtered`");
        assert!(Scoped::new("a", History::new()).unwrap().retains());
    }
}
