//! [`Validate`]: refuses payloads that are not in order.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::middleware::short_name;
use crate::text::Counted;
use crate::{DeadLetter, Destination, Envelope, Event, Middleware, Next, Place, Sealed, Topic};

/// Lets payloads pass that are in order, and says of the others what is wrong with them.
///
/// Reach for it where data comes in from outside, so that handlers can rely on it. Events with a payload of another
/// type pass untouched. First the [required](Self::required) fields are looked at, and all that are missing are named; if none
/// is, the rules follow in the order they were given, up to the first that is broken.
///
/// What is refused is counted and, unless you say otherwise, ended with the reason. Or it goes [to a topic](Self::to_topic),
/// [to another bus](Self::to_bus), [to dead letters](Self::to_dead_letters), or [to a closure](Self::to).
///
/// It is a handle: give a bus a clone, keep one, and read its [`stats`](Self::stats). A setter makes a piece of its own,
/// which starts anew.
///
/// # Cost
///
/// One call of each closure for each payload of its type. A refusal makes its reason's text.
///
/// # Place
///
/// It sees the payload as it is where it stands. So it belongs behind what mends payloads:
///
/// ```
/// use sigtree::{Bus, Stack, Transform};
/// use sigtree::middleware::Validate;
///
/// let trim = || Transform::new(|name: &String| name.trim().to_owned());
/// let no_space = || Validate::<String>::new().rule("has space at its ends", |name| name.trim() == name);
/// let bus = Bus::new();
/// let _names = bus.connect("name", |_: &String| {})?;
///
/// bus.set_stack(Stack::new().with(trim()).with(no_space()));
/// assert_eq!(bus.emit("name", String::from(" anna ")).called(), 1);
///
/// bus.set_stack(Stack::new().with(no_space()).with(trim()));
/// assert_eq!(bus.emit("name", String::from(" anna ")).filtered(), Some("has space at its ends"));
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Event, Topic};
/// use sigtree::middleware::Validate;
///
/// struct Order { customer: Option<String>, items: Vec<u32> }
///
/// let bus = Bus::new();
/// let orders = Validate::<Order>::new()
///     .required("customer", |order| order.customer.is_some())
///     .required("items", |order| !order.items.is_empty())
///     .rule("more than 9 items", |order| order.items.len() <= 9)
///     .to_topic(Topic::new("order.refused")?);
/// bus.layer(orders.clone());
/// let _refused = bus.connect("order.refused", |_: &Order, event: &Event| {
///     assert_eq!(event.meta("refused"), Some("missing: customer, items"));
/// })?;
/// let _new = bus.connect("order.new", |_: &Order| {})?;
///
/// assert_eq!(bus.emit("order.new", Order { customer: None, items: vec![] }).failed(), 0);
/// assert_eq!(orders.stats().refused, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Validate<T> {
    required: Vec<(Cow<'static, str>, Arc<Holds<T>>)>,
    rules: Vec<Arc<Rule<T>>>,
    onward: Onward,
    refused: Arc<AtomicU64>,
}

type Holds<T> = dyn Fn(&T) -> bool + Send + Sync;
type Rule<T> = dyn Fn(&T, &Event<'_>) -> Result<(), Cow<'static, str>> + Send + Sync;
type See = dyn Fn(&Event<'_>, &str) + Send + Sync;

/// Where refused events go.
#[derive(Clone)]
enum Onward {
    Nowhere,
    Topic(Topic),
    Bus(Arc<dyn Destination>),
    DeadLetters(DeadLetter),
    Closure(Arc<See>),
}

/// What a [`Validate`] did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidateStats {
    /// Events that were refused.
    pub refused: u64,
}

impl<T: Any> Validate<T> {
    /// Lets everything pass, until fields and rules are given.
    #[must_use]
    pub fn new() -> Self {
        Self { required: Vec::new(), rules: Vec::new(), onward: Onward::Nowhere, refused: Arc::default() }
    }

    /// A field that must be there; `is_there` looks.
    #[must_use]
    pub fn required(
        mut self,
        field: impl Into<Cow<'static, str>>,
        is_there: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.required.push((field.into(), Arc::new(is_there)));
        self.anew()
    }

    /// A rule; a payload for which `holds` says `false` is refused for this reason.
    #[must_use]
    pub fn rule(
        self,
        reason: impl Into<Cow<'static, str>>,
        holds: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Self {
        let reason = reason.into();
        self.push(move |payload, _| if holds(payload) { Ok(()) } else { Err(reason.clone()) })
    }

    /// A rule that says itself what is wrong.
    #[must_use]
    pub fn try_rule<R: Into<Cow<'static, str>>>(
        self,
        check: impl Fn(&T) -> Result<(), R> + Send + Sync + 'static,
    ) -> Self {
        self.push(move |payload, _| check(payload).map_err(Into::into))
    }

    /// A rule about the event around the payload: that it has a source, for instance.
    #[must_use]
    pub fn event_rule(
        self,
        reason: impl Into<Cow<'static, str>>,
        holds: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let reason = reason.into();
        self.push(move |_, event| if holds(event) { Ok(()) } else { Err(reason.clone()) })
    }

    /// Sends what is refused to another topic of this bus instead, through the remaining layers.
    ///
    /// The topic carries payloads of this type. The reason travels along as metadata, under `refused`. A layer around
    /// one connection has no other topics, and ends the event.
    #[must_use]
    pub fn to_topic(self, topic: Topic) -> Self {
        self.onward(Onward::Topic(topic))
    }

    /// Sends what is refused to another bus instead, under the same topic, and ends it here with the reason.
    ///
    /// The reason travels along as metadata, under `refused`. Give it a `WeakBus`, unless the other bus is to be kept alive
    /// by this one. An event that was there before, or comes when that bus is gone, is ended all the same.
    #[must_use]
    pub fn to_bus(self, bus: impl Destination) -> Self {
        self.onward(Onward::Bus(Arc::new(bus)))
    }

    /// Shows what is refused to a closure, with the reason, and ends it.
    #[must_use]
    pub fn to(self, see: impl Fn(&Event<'_>, &str) + Send + Sync + 'static) -> Self {
        self.onward(Onward::Closure(Arc::new(see)))
    }

    /// Puts what is refused into dead letters, and ends it with the reason.
    ///
    /// They need not be a layer themselves. Where they are, before this one and
    /// [asked to keep what is refused](DeadLetter::refused), it would be there twice.
    #[must_use]
    pub fn to_dead_letters(self, letters: &DeadLetter) -> Self {
        self.onward(Onward::DeadLetters(letters.clone()))
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> ValidateStats {
        // Relaxed: it only counts.
        ValidateStats { refused: self.refused.load(Ordering::Relaxed) }
    }

    fn onward(self, onward: Onward) -> Self {
        Self { onward, ..self.anew() }
    }

    fn anew(self) -> Self {
        Self { refused: Arc::default(), ..self }
    }

    fn push(mut self, rule: impl Fn(&T, &Event<'_>) -> Result<(), Cow<'static, str>> + Send + Sync + 'static) -> Self {
        self.rules.push(Arc::new(rule));
        self.anew()
    }

    fn check(&self, payload: &T, event: &Event<'_>) -> Result<(), Cow<'static, str>> {
        let missing = self.required.iter().filter(|(_, is_there)| !is_there(payload));
        let missing: Vec<&str> = missing.map(|(field, _)| &**field).collect();
        if !missing.is_empty() {
            return Err(format!("missing: {}", missing.join(", ")).into());
        }
        self.rules.iter().try_for_each(|rule| rule(payload, event))
    }

    fn refuse(&self, event: &Event<'_>, next: Next<'_>, reason: Cow<'static, str>) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        match &self.onward {
            Onward::Topic(topic) if next.place() == Place::Bus => {
                let sealed = Sealed::new(with_reason(event, &reason));
                return next.redirect(&event.with_envelope(Some(&sealed)), topic);
            }
            Onward::Bus(bus) => {
                let sealed = Sealed::new(with_reason(event, &reason));
                bus.receive(event.topic(), &event.with_envelope(Some(&sealed)));
            }
            Onward::DeadLetters(letters) => letters.keep(event, &*reason),
            Onward::Closure(see) => see(event, &reason),
            Onward::Nowhere | Onward::Topic(_) => {}
        }
        next.discard(event, reason);
    }
}

/// The event's envelope, with the reason among its metadata.
fn with_reason(event: &Event<'_>, reason: &str) -> Envelope {
    let mut envelope = event.envelope().cloned().unwrap_or_default();
    envelope.meta.push(("refused".into(), reason.into()));
    envelope
}

impl<T: Any> Default for Validate<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Any> Middleware for Validate<T> {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match event.payload().map_or(Ok(()), |payload| self.check(payload, event)) {
            Ok(()) => next.run(event),
            Err(reason) => self.refuse(event, next, reason),
        }
    }

    fn retains(&self) -> bool {
        matches!(self.onward, Onward::Bus(_) | Onward::DeadLetters(_) | Onward::Closure(_))
    }

    fn describe(&self) -> Cow<'static, str> {
        let (name, fields, rules) = (short_name(type_name::<T>()), self.required.len(), self.rules.len());
        let (fields, rules) = (Counted(fields, "field"), Counted(rules, "rule"));
        format!("validate `{name}`: {fields} and {rules}, else {}", self.onward).into()
    }
}

impl fmt::Display for Onward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("ended"),
            Self::Topic(topic) => write!(f, "to `{topic}`"),
            Self::Bus(bus) => write!(f, "to bus `{}`", bus.name()),
            Self::DeadLetters(_) => f.write_str("to dead letters"),
            Self::Closure(_) => f.write_str("to a closure"),
        }
    }
}

impl<T> Clone for Validate<T> {
    fn clone(&self) -> Self {
        Self {
            required: self.required.clone(),
            rules: self.rules.clone(),
            onward: self.onward.clone(),
            refused: self.refused.clone(),
        }
    }
}

impl<T> fmt::Debug for Validate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validate")
            .field("payload", &type_name::<T>())
            .field("required", &self.required.iter().map(|(field, _)| field).collect::<Vec<_>>())
            .field("rules", &self.rules.len())
            .field("onward", &format_args!("{}", self.onward))
            .field("refused", &self.refused)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;
    use crate::{DeadReason, Inspect};

    /// A number that is there, even, and below 100.
    fn number() -> Validate<u32> {
        Validate::new()
            .required("digits", |n| *n != 0)
            .required("a one", |n| *n % 10 == 1)
            .rule("odd tens", |n: &u32| (n / 10).is_multiple_of(2))
            .try_rule(|n| if *n < 100 { Ok(()) } else { Err(format!("{n} is too much")) })
    }

    #[test]
    fn names_all_missing_fields_or_the_first_broken_rule() {
        let rig = Rig::new();
        let reasons = [0_u32, 10, 11, 111, 201, 21].map(|n| rig.emit(&number(), "n", n).reason.unwrap_or_default());
        assert_eq!(
            reasons,
            ["missing: digits, a one", "missing: a one", "odd tens", "odd tens", "201 is too much", ""]
        );
        rig.emit(&number(), "name", String::from("anna"));
        assert_eq!(rig.seen(), ["n 21", "name anna"]);
    }

    #[test]
    fn rules_may_be_about_the_event() {
        let rig = Rig::new();
        let layer = Validate::<u32>::new().event_rule("no source", |event| event.source().is_some());
        let sent = Envelope { source: Some("anna".into()), ..Envelope::default() };
        assert_eq!(rig.emit(&layer, "n", 1_u32).reason.as_deref(), Some("no source"));
        assert_eq!(rig.emit_in(&layer, "n", 1_u32, Some(sent)).reason, None);
        assert_eq!(layer.stats().refused, 1);
    }

    #[test]
    fn what_is_refused_goes_to_a_topic_with_the_reason_and_the_envelope() {
        let rig = Rig::new();
        let layer = number().to_topic(Topic::new("refused").unwrap());
        let look = Inspect::new(|event: &Event<'_>| {
            assert_eq!((event.meta("refused"), event.correlation()), (Some("missing: a one"), Some("c")));
        });
        let correlated = Envelope { correlation: Some("c".into()), ..Envelope::default() };
        assert_eq!(rig.emit_in(&(layer.clone(), look), "n", 2_u32, Some(correlated)).reason, None);
        assert_eq!(rig.seen(), ["refused 2"]);

        // Around one connection there is nothing to redirect to.
        rig.stand_around("n", None);
        assert_eq!(rig.emit(&layer, "n", 3_u32).reason.as_deref(), Some("missing: a one"));
        assert_eq!((rig.seen().len(), layer.stats().refused), (1, 2));
    }

    #[test]
    fn what_is_refused_goes_to_dead_letters() {
        let rig = Rig::new();
        let letters = DeadLetter::new();
        let layer = number().to_dead_letters(&letters);
        assert_eq!(rig.emit(&layer, "n", 2_u32).reason.as_deref(), Some("missing: a one"));
        rig.emit(&layer, "n", 1_u32);
        let letters = letters.take();
        assert_eq!((letters.len(), letters[0].reason()), (1, &DeadReason::Refused("missing: a one".into())));
        assert_eq!(letters[0].payload(), Some(&2_u32));
        assert!(layer.retains() && number().to(|_, _| {}).retains() && !number().retains());
    }

    #[test]
    fn says_what_it_asks_and_where_the_rest_goes() {
        assert_eq!(number().describe(), "validate `u32`: 2 fields and 2 rules, else ended");
        let there = number().to_topic(Topic::new("a").unwrap());
        assert_eq!(there.describe(), "validate `u32`: 2 fields and 2 rules, else to `a`");
        let kept = number().to_dead_letters(&DeadLetter::new());
        assert_eq!(kept.describe(), "validate `u32`: 2 fields and 2 rules, else to dead letters");
        let seen = number().to(|_, _| {});
        assert_eq!(seen.describe(), "validate `u32`: 2 fields and 2 rules, else to a closure");
    }
}
