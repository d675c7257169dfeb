//! [`Route`]: sends events to another topic or bus too.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Event, IntoPattern, Limits, Middleware, Next, ParseError, Pattern, Topic};

/// Sends the events of a pattern to another topic of the same bus, or to another bus, besides where they go anyway.
///
/// Reach for it to copy errors to an alarm, orders to an audit, one part of a tree to another. It is the same event that
/// arrives, with its id, time and envelope; handlers there count in the emitter's delivery. First the event goes on
/// here, then it is sent, unless `event.stop()` ended this bus's handlers (that holds for topics) or a layer panicked.
/// With [`instead`](Route::instead) it is only sent.
///
/// On the same bus it meets the remaining layers and the handlers of the other topic, and does not bubble; see
/// [`Next::redirect`]. On another bus it meets all that an event of that bus meets. If the payload is not of the type of
/// the other topic, it is refused there, and that is reported on `$sys.refused`.
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which starts anew.
///
/// There are no circles. What was sent to a topic is not sent to a topic of that bus again, by this `Route` or another;
/// what is on the topic already, because the pattern matches that too, is not sent there; and an event visits each bus once,
/// whichever routes, bridges and parents lead there.
///
/// ```
/// use sigtree::{Bus, Event};
/// use sigtree::middleware::Route;
///
/// let (shop, audit) = (Bus::new(), Bus::new());
/// shop.layer(Route::to_topic("orders.*.failed", "alarm")?);
/// shop.layer(Route::to_bus("orders.**", audit.downgrade())?.under("shop")?);
/// let _alarm = shop.connect("alarm", |n: &u32| assert_eq!(*n, 2))?;
/// let _audit = audit.connect("shop.orders.**", |event: &Event| println!("{}", event.topic()))?;
/// assert_eq!(shop.emit("orders.a.paid", 1_u32).called(), 1);
/// assert_eq!(shop.emit("orders.a.failed", 2_u32).called(), 2);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// On a topic that does not match, nothing. On one that does, the pattern is matched again, and the event goes through
/// the rest of the chain, or the other bus's, once more. To another bus, payloads are put into an `Arc` in case somebody
/// there keeps them, and events keep a list of the buses they visited.
///
/// # Place
///
/// It sends what reaches it, as it is there. So it belongs behind what removes secrets, and behind the filters whose
/// judgement is to hold for the copies to another bus, too:
///
/// ```
/// use sigtree::{Bus, Filter, Stack};
/// use sigtree::middleware::Route;
///
/// let (bus, other) = (Bus::new(), Bus::new());
/// let route = || Route::to_bus("**", other.downgrade());
/// let even = || Filter::payload(|n: &u32| n % 2 == 0);
/// let _seen = other.connect("n", |_: &u32| {})?;
///
/// bus.set_stack(Stack::new().with(even()).with(route()?));
/// assert_eq!(bus.emit("n", 1_u32).called(), 0);
///
/// // The wrong way round: what is filtered here is sent there.
/// bus.set_stack(Stack::new().with(route()?).with(even()));
/// assert_eq!(bus.emit("n", 1_u32).called(), 1);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "copy")]
#[doc(alias = "forward")]
#[doc(alias = "tee")]
pub struct Route {
    pattern: Pattern,
    when: Option<Arc<Condition>>,
    /// None is the same bus.
    bus: Option<Arc<dyn Destination>>,
    names: Names,
    instead: bool,
    counts: Arc<Counts>,
}

type Condition = dyn Fn(&Event<'_>) -> bool + Send + Sync;

/// What the topic is called where an event is sent.
#[derive(Clone)]
enum Names {
    Same,
    One(Topic),
    Under(Topic),
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    lost: AtomicU64,
}

/// What became of the events that a [`Route`] was to send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteStats {
    /// Events that were sent.
    pub sent: u64,
    /// Events that could not be sent: the bus is gone, or the topic got too long. What went in a circle is not among them.
    pub lost: u64,
}

/// Where a [`Route`] sends events: a bus, kept alive or not.
pub trait Destination: Send + Sync + 'static {
    /// Takes an event, under this topic.
    fn receive(&self, topic: &Topic, event: &Event<'_>) -> Arrival;

    /// What people call it.
    fn name(&self) -> Cow<'_, str>;
}

/// What a [`Destination`] says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It came.
    Taken,
    /// It was here before: it went in a circle, which ends here.
    Known,
    /// There is nobody any more.
    Gone,
}

impl Route {
    /// Sends the events of a pattern to another topic of the same bus, too.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern, or `topic` not a topic.
    pub fn to_topic(pattern: impl IntoPattern, topic: impl AsRef<str>) -> Result<Self, ParseError> {
        Self::new(pattern, None, Names::One(Topic::new(topic)?))
    }

    /// Sends the events of a pattern to another bus, too, under the same topics.
    ///
    /// Give it a `WeakBus`, unless the other bus is to be kept alive by this one.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn to_bus(pattern: impl IntoPattern, bus: impl Destination) -> Result<Self, ParseError> {
        Self::new(pattern, Some(Arc::new(bus)), Names::Same)
    }

    fn new(pattern: impl IntoPattern, bus: Option<Arc<dyn Destination>>, names: Names) -> Result<Self, ParseError> {
        let pattern = pattern.into_pattern(&Limits::new())?;
        Ok(Self { pattern, when: None, bus, names, instead: false, counts: Arc::default() })
    }

    /// Sends them all to one topic.
    ///
    /// # Errors
    ///
    /// If it is not a topic.
    pub fn topic(self, topic: impl AsRef<str>) -> Result<Self, ParseError> {
        Ok(Self { names: Names::One(Topic::new(topic)?), ..self.anew() })
    }

    /// Puts a name before their topics: `a` becomes `prefix.a`. What gets too long by that is lost, and counted.
    ///
    /// # Errors
    ///
    /// If the prefix is not a topic.
    pub fn under(self, prefix: impl AsRef<str>) -> Result<Self, ParseError> {
        Ok(Self { names: Names::Under(Topic::new(prefix)?), ..self.anew() })
    }

    /// Sends only the events that satisfy the predicate.
    #[must_use]
    pub fn when(self, predicate: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { when: Some(Arc::new(predicate)), ..self.anew() }
    }

    /// Sends them instead of letting them go on; what cannot be sent goes on.
    ///
    /// What was sent to another bus ends here with the reason `sent to another bus`.
    #[must_use]
    pub fn instead(self) -> Self {
        Self { instead: true, ..self.anew() }
    }

    /// What became of the events so far.
    #[must_use]
    pub fn stats(&self) -> RouteStats {
        let Counts { sent, lost } = &*self.counts;
        // Relaxed: they only count.
        let [sent, lost] = [sent, lost].map(|count| count.load(Ordering::Relaxed));
        RouteStats { sent, lost }
    }

    fn anew(self) -> Self {
        Self { counts: Arc::default(), ..self }
    }

    fn wants(&self, event: &Event<'_>) -> bool {
        // On the same bus, what was sent to another topic once stays there.
        let may_go = self.bus.is_some() || !event.is_redirected();
        may_go && self.pattern.matches(event.topic()) && self.when.as_ref().is_none_or(|when| when(event))
    }

    /// Sends an event, and counts it; whether it came there.
    fn send(&self, event: &Event<'_>, next: Next<'_>) -> bool {
        let arrival = match (self.name_of(event.topic()), &self.bus) {
            (None, _) => Arrival::Gone,
            (Some(topic), Some(bus)) => bus.receive(&topic, event),
            (Some(topic), None) if topic == *event.topic() => Arrival::Known,
            (Some(topic), None) => {
                next.redirect(event, &topic);
                Arrival::Taken
            }
        };
        match arrival {
            Arrival::Taken => drop(self.counts.sent.fetch_add(1, Ordering::Relaxed)),
            Arrival::Known => {}
            Arrival::Gone => drop(self.counts.lost.fetch_add(1, Ordering::Relaxed)),
        }
        arrival == Arrival::Taken
    }

    /// What a topic is called where it is sent, unless that is too long.
    fn name_of(&self, topic: &Topic) -> Option<Topic> {
        match &self.names {
            Names::Same => Some(topic.clone()),
            Names::One(name) => Some(name.clone()),
            Names::Under(prefix) => prefix.join(topic).ok(),
        }
    }

    fn run_instead(&self, event: &Event<'_>, next: Next<'_>) {
        if !self.send(event, next.clone()) {
            next.run(event);
        } else if self.bus.is_some() {
            next.discard(event, "sent to another bus");
        }
    }

    fn run_and_send(&self, event: &Event<'_>, next: Next<'_>) {
        next.clone().run(event);
        if self.bus.is_some() || !event.emission().level_is_stopped() {
            self.send(event, next);
        }
    }
}

impl Middleware for Route {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match (self.wants(event), self.instead) {
            (false, _) => next.run(event),
            (true, true) => self.run_instead(event, next),
            (true, false) => self.run_and_send(event, next),
        }
    }

    fn retains(&self) -> bool {
        self.bus.is_some()
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.pattern.matches(topic)
    }

    fn describe(&self) -> Cow<'static, str> {
        let bus = self.bus.as_ref().map(|bus| format!(" to bus `{}`", bus.name())).unwrap_or_default();
        let names = match &self.names {
            Names::Same => String::new(),
            Names::One(topic) => format!(" to topic `{topic}`"),
            Names::Under(prefix) => format!(" under `{prefix}`"),
        };
        let instead = if self.instead { ", instead" } else { "" };
        format!("route of `{}`{bus}{names}{instead}", self.pattern).into()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("is", &self.describe()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::support::Rig;

    /// Writes down what comes, and says always the same of it.
    struct Box(Mutex<Vec<String>>, Arrival);

    impl Destination for Arc<Box> {
        fn receive(&self, topic: &Topic, event: &Event<'_>) -> Arrival {
            assert!(event.share_erased().is_some(), "it can be kept");
            self.0.lock().push(topic.to_string());
            self.1
        }

        fn name(&self) -> Cow<'_, str> {
            Cow::Borrowed("box")
        }
    }

    fn there(arrival: Arrival) -> Arc<Box> {
        Arc::new(Box(Mutex::default(), arrival))
    }

    #[test]
    fn sends_matching_events_to_another_topic_besides() {
        let rig = Rig::new();
        let route = Route::to_topic("a.*", "z").unwrap().when(|event| event.payload() != Some(&2_u32));
        for (topic, n) in [("a.b", 1_u32), ("a.b", 2), ("b", 3)] {
            rig.emit(&route, topic, n);
        }
        let instead = route.clone().instead();
        rig.emit(&instead, "a.c", 4_u32);
        assert_eq!(rig.seen(), ["a.b 1", "z 1", "a.b 2", "b 3", "z 4"]);
        assert_eq!([&route, &instead].map(|route| (route.stats().sent, route.stats().lost)), [(1, 0); 2]);
    }

    #[test]
    fn what_was_sent_once_is_not_sent_again() {
        let rig = Rig::new();
        let circle = || (Route::to_topic("a", "b").unwrap(), Route::to_topic("b", "a").unwrap());
        rig.emit(&(circle(), circle()), "a", 1_u32);
        assert_eq!(rig.seen(), ["a 1", "b 1", "b 1"]);
    }

    #[test]
    fn what_is_on_the_topic_already_is_not_sent_there() {
        let rig = Rig::new();
        let route = || Route::to_topic("**", "log").unwrap();
        for route in [route(), route().instead()] {
            rig.emit(&route, "log", 1_u32);
            assert_eq!(route.stats(), RouteStats::default());
        }
        assert_eq!(rig.seen(), ["log 1", "log 1"]);
    }

    #[test]
    fn a_stopped_level_calls_nobody_of_the_other_topic_either() {
        let rig = Rig::new();
        let stop = |event: &Event<'_>, next: Next<'_>| {
            next.run(event);
            event.stop();
        };
        rig.emit(&(Route::to_topic("a", "b").unwrap(), stop), "a", 1_u32);
        assert_eq!(rig.seen(), ["a 1"]);
        // Another bus is another level.
        let there = there(Arrival::Taken);
        rig.emit(&(Route::to_bus("a", there.clone()).unwrap(), stop), "a", 2_u32);
        assert_eq!(*there.0.lock(), ["a"]);
    }

    #[test]
    fn sends_to_another_bus_under_a_name_of_its_own() {
        let (rig, there) = (Rig::new(), there(Arrival::Taken));
        let to = || Route::to_bus("**", there.clone()).unwrap();
        for route in [to(), to().topic("x").unwrap(), to().under("p").unwrap(), to().instead()] {
            rig.emit(&route, "a", 1_u32);
        }
        assert_eq!(*there.0.lock(), ["a", "x", "p.a", "a"]);
        assert_eq!(rig.seen().len(), 3);
        assert_eq!(rig.emit(&to().instead(), "a", 1_u32).reason.as_deref(), Some("sent to another bus"));
    }

    #[test]
    fn what_cannot_be_sent_is_counted_and_goes_on() {
        let rig = Rig::new();
        for (arrival, lost) in [(Arrival::Gone, 1), (Arrival::Known, 0)] {
            let route = Route::to_bus("a", there(arrival)).unwrap().instead();
            rig.emit(&route, "a", 1_u32);
            assert_eq!((route.stats().sent, route.stats().lost), (0, lost));
        }
        let long = Route::to_bus("a.**", there(Arrival::Taken)).unwrap().under("p".repeat(250)).unwrap();
        rig.emit(&long, "a.bcdefgh", 1_u32);
        assert_eq!((long.stats().sent, long.stats().lost), (0, 1));
        assert_eq!(rig.seen(), ["a 1", "a 1", "a.bcdefgh 1"]);
    }

    #[test]
    fn says_what_it_sends_where() {
        let to = Route::to_topic("a.*", "b").unwrap();
        assert_eq!(to.describe(), "route of `a.*` to topic `b`");
        assert_eq!(to.under("c").unwrap().describe(), "route of `a.*` under `c`");
        let to = Route::to_bus("a.*", there(Arrival::Taken)).unwrap().topic("d").unwrap();
        assert_eq!(to.instead().describe(), "route of `a.*` to bus `box` to topic `d`, instead");
        assert!(Route::to_topic("a", "b.*").is_err() && Route::to_topic("a..b", "b").is_err());
    }
}
