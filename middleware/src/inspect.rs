//! [`Inspect`]: looks and goes on.

use std::borrow::Cow;
use std::fmt;

use crate::{Event, Middleware, Next, Tally};

/// Looks at each event and goes on: before the handlers, or [after](Inspect::after) them.
///
/// Reach for it to log, count or assert; it can neither change nor end an event. What must be around the rest, such as
/// a timer, is a closure `|event: &Event, next: Next|`, which is middleware too.
///
/// # Cost
///
/// One call of your closure for each event. It runs in the emitter's thread, so the emitter waits for it.
///
/// # Place
///
/// It sees what the layers before it let through, as they left it. So whoever wants to see everything belongs before
/// the filters:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use sigtree::{Bus, Event, Stack};
/// use sigtree::middleware::{Filter, Inspect};
///
/// let count = |n: &Arc<AtomicU32>| {
///     let n = n.clone();
///     Inspect::new(move |_: &Event| { n.fetch_add(1, Ordering::Relaxed); })
/// };
/// let even = || Filter::payload(|n: &u32| n % 2 == 0);
/// let (right, wrong) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
/// let bus = Bus::new();
///
/// bus.set_stack(Stack::new().with(count(&right)).with(even()));
/// bus.emit("n", 1_u32);
/// assert_eq!(right.load(Ordering::Relaxed), 1);
///
/// bus.set_stack(Stack::new().with(even()).with(count(&wrong)));
/// bus.emit("n", 1_u32);
/// assert_eq!(wrong.load(Ordering::Relaxed), 0);
/// ```
#[doc(alias = "tap")]
#[derive(Clone)]
pub struct Inspect<F> {
    around: F,
    when: &'static str,
}

impl Inspect<()> {
    /// Looks at the event, then goes on.
    #[must_use]
    pub fn new(
        look: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> Inspect<impl Fn(&Event<'_>, Next<'_>) + Send + Sync + 'static> {
        let around = move |event: &Event<'_>, next: Next<'_>| {
            look(event);
            next.run(event);
        };
        Inspect { around, when: "inspect" }
    }

    /// Goes on, then looks at the event and at what became of it behind this layer.
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::middleware::{Event, Inspect, Tally};
    ///
    /// let bus = Bus::new();
    /// bus.layer(Inspect::after(|event: &Event, tally: Tally| {
    ///     if tally.called == 0 {
    ///         eprintln!("nobody listens to {}", event.topic());
    ///     }
    /// }));
    /// bus.emit("radar.track", 7_u32);
    /// ```
    #[must_use]
    pub fn after(
        look: impl Fn(&Event<'_>, Tally) + Send + Sync + 'static,
    ) -> Inspect<impl Fn(&Event<'_>, Next<'_>) + Send + Sync + 'static> {
        let around = move |event: &Event<'_>, next: Next<'_>| {
            let before = event.tally();
            next.run(event);
            look(event, event.tally().since(before));
        };
        Inspect { around, when: "inspect after" }
    }
}

impl<F> Middleware for Inspect<F>
where
    F: Fn(&Event<'_>, Next<'_>) + Send + Sync + 'static,
{
    #[inline]
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        (self.around)(event, next);
    }

    fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.when)
    }
}

impl<F> fmt::Debug for Inspect<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect").field("when", &self.when).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::support::Rig;

    #[test]
    fn looks_before_and_after_the_rest() {
        let rig = Rig::new();
        let log = Arc::new(Mutex::new(Vec::new()));
        let note = |called: u32| {
            let log = log.clone();
            move |event: &Event<'_>, tally: Tally| {
                assert_eq!(tally.called, called);
                log.lock().push(format!("{} {called}", event.topic()));
            }
        };
        let before = note(0);
        let stack = (Inspect::after(note(1)), Inspect::new(move |event: &Event<'_>| before(event, event.tally())));
        rig.emit(&stack, "a", 1_u32);
        rig.emit(&stack, "b", 2_u32);
        assert_eq!(*log.lock(), ["a 0", "a 1", "b 0", "b 1"]);
        assert_eq!(rig.seen(), ["a 1", "b 2"]);
    }

    #[test]
    fn after_counts_what_happened_behind_it() {
        let rig = Rig::new();
        let tally = Arc::new(Mutex::new(Tally::default()));
        let seen = tally.clone();
        let earlier = |event: &Event<'_>, next: Next<'_>| {
            event.emission().add_called(5);
            next.run(event);
        };
        rig.emit(&(earlier, Inspect::after(move |_: &Event<'_>, tally| *seen.lock() = tally)), "a", 1_u32);
        assert_eq!(*tally.lock(), Tally { called: 1, ..Tally::default() });
    }

    #[test]
    fn says_when_it_looks() {
        assert_eq!(Inspect::new(|_: &Event<'_>| ()).describe(), "inspect");
        assert_eq!(Inspect::after(|_: &Event<'_>, _| ()).describe(), "inspect after");
    }
}
