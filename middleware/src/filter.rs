//! [`Filter`]: lets some events pass.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use crate::{Event, Middleware, Next};

/// Lets the events pass that meet a condition, and ends the others with a reason.
///
/// Reach for it to keep noise from the handlers of a bus, or of one connection. To hold something back on some topics
/// only, put it into a [`Scoped`](crate::Scoped).
///
/// What it holds back is seen by no layer further on and by no handler, and does not bubble. The delivery has the
/// [reason](Filter::reason), which is `filtered` unless you say otherwise.
///
/// # Cost
///
/// One call of your closure for each event. A reason that is a `String` is copied for each event held back; a literal
/// is not.
///
/// # Place
///
/// What stands before a filter sees everything, what stands behind it sees what it lets through. So a filter for noise
/// belongs before a history:
///
/// ```
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Filter, History};
///
/// let loud = || Filter::payload(|decibel: &u32| *decibel > 60).reason("too quiet");
/// let (right, wrong) = (History::new(), History::new());
/// let bus = Bus::new();
///
/// bus.set_stack(Stack::new().with(loud()).with(right.clone()));
/// bus.emit("noise", 20_u32);
/// assert_eq!(right.len(), 0);
///
/// bus.set_stack(Stack::new().with(wrong.clone()).with(loud()));
/// bus.emit("noise", 20_u32);
/// assert_eq!(wrong.len(), 1);
/// ```
#[derive(Clone)]
pub struct Filter<F> {
    keep: F,
    reason: Cow<'static, str>,
}

impl<F> Filter<F>
where
    F: Fn(&Event<'_>) -> bool + Send + Sync + 'static,
{
    /// Lets the events pass for which `keep` says `true`.
    #[must_use]
    pub fn new(keep: F) -> Self {
        Self { keep, reason: Cow::Borrowed("filtered") }
    }
}

impl Filter<()> {
    /// Lets the payloads pass for which `keep` says `true`, and all events with a payload of another type.
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::middleware::Filter;
    ///
    /// let bus = Bus::new();
    /// bus.layer(Filter::payload(|n: &u32| n % 2 == 0).reason("odd"));
    /// let _numbers = bus.connect("numbers", |_: &u32| {})?;
    /// let _names = bus.connect("names", |_: &&str| {})?;
    ///
    /// assert_eq!(bus.emit("numbers", 1_u32).called(), 0);
    /// assert_eq!(bus.emit("numbers", 2_u32).called(), 1);
    /// assert_eq!(bus.emit("names", "anna").called(), 1);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[must_use]
    pub fn payload<T: Any>(
        keep: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Filter<impl Fn(&Event<'_>) -> bool + Send + Sync + 'static> {
        Filter::new(move |event: &Event<'_>| event.payload().is_none_or(&keep))
    }
}

impl<F> Filter<F> {
    /// Sets the reason that the delivery gives for an event held back.
    #[must_use]
    pub fn reason(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), ..self }
    }
}

impl<F> Middleware for Filter<F>
where
    F: Fn(&Event<'_>) -> bool + Send + Sync + 'static,
{
    #[inline]
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        if (self.keep)(event) {
            next.run(event);
        } else {
            next.discard(event, self.reason.clone());
        }
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("filter, else `{}`", self.reason).into()
    }
}

impl<F> fmt::Debug for Filter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("reason", &self.reason).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    #[test]
    fn ends_what_the_condition_refuses() {
        let rig = Rig::new();
        let filter = Filter::new(|event: &Event<'_>| event.topic().starts_with("radar"));
        assert_eq!(rig.emit(&filter, "radar.track", 1_u32).reason, None);
        assert_eq!(rig.emit(&filter, "sonar.ping", 2_u32).reason.as_deref(), Some("filtered"));
        assert_eq!(rig.seen(), ["radar.track 1"]);
    }

    #[test]
    fn looks_at_payloads_of_its_type_only() {
        let rig = Rig::new();
        let even = Filter::payload(|n: &u32| n.is_multiple_of(2));
        rig.emit(&even, "n", 1_u32);
        rig.emit(&even, "n", 2_u32);
        rig.emit(&even, "name", String::from("anna"));
        assert_eq!(rig.seen(), ["n 2", "name anna"]);
    }

    #[test]
    fn gives_its_reason_borrowed_or_owned() {
        let rig = Rig::new();
        let literal = Filter::new(|_: &Event<'_>| false).reason("never");
        let computed = Filter::new(|_: &Event<'_>| false).reason(format!("limit {}", 3));
        assert_eq!(rig.emit(&literal, "a", 1_u32).reason.as_deref(), Some("never"));
        assert_eq!(rig.emit(&computed, "a", 1_u32).reason.as_deref(), Some("limit 3"));
        assert_eq!(computed.describe(), "filter, else `limit 3`");
    }
}
