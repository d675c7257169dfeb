use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::{CallCount, Event, Mark, Middleware, Next, OneLine, Standing, Topic};

/// Layers in order: the first one added sees the event first.
///
/// A stack is a value: build it, clone it cheaply, give it to a bus, swap it for another while events flow. It is
/// middleware itself, so stacks nest.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use sigtree::{Bus, Event, Next, Stack};
///
/// let order = Arc::new(Mutex::new(Vec::new()));
/// let note = |name: &'static str| {
///     let order = order.clone();
///     move |event: &Event, next: Next| {
///         order.lock().unwrap().push(format!("{name} in"));
///         next.run(event);
///         order.lock().unwrap().push(format!("{name} out"));
///     }
/// };
/// let bus = Bus::new();
/// bus.set_stack(Stack::new().with(note("first")).with(note("second")));
/// bus.emit("a", 1_u32);
/// assert_eq!(*order.lock().unwrap(), ["first in", "second in", "second out", "first out"]);
/// ```
#[derive(Clone, Default)]
pub struct Stack {
    layers: Arc<[Layer]>,
}

/// One layer of a stack, with the name it was given and the place where it was put there.
#[derive(Clone)]
pub struct Layer {
    middleware: Arc<dyn Middleware>,
    name: Option<Arc<str>>,
    site: Option<&'static Location<'static>>,
    applies: bool,
}

impl Stack {
    /// A stack without layers: everything passes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same stack with one more layer, the innermost.
    #[must_use]
    #[track_caller]
    pub fn with(self, middleware: impl Middleware) -> Self {
        self.push(Layer { site: Some(Location::caller()), ..Layer::new(middleware) })
    }

    /// The same stack with one more layer, the innermost, under a name.
    #[must_use]
    #[track_caller]
    pub fn with_named(self, name: &str, middleware: impl Middleware) -> Self {
        self.push(Layer::named(name, middleware))
    }

    /// The same stack with a layer under a name in front of the one named `at`.
    ///
    /// # Errors
    ///
    /// If no layer has that name.
    #[track_caller]
    pub fn with_before(&self, at: &str, name: &str, middleware: impl Middleware) -> Result<Self, StackError> {
        let place = self.place_of(at)?;
        Ok(self.spliced(place, place, Some(Layer::named(name, middleware))))
    }

    /// The same stack with a layer under a name behind the one named `at`.
    ///
    /// # Errors
    ///
    /// If no layer has that name.
    #[track_caller]
    pub fn with_after(&self, at: &str, name: &str, middleware: impl Middleware) -> Result<Self, StackError> {
        let place = self.place_of(at)? + 1;
        Ok(self.spliced(place, place, Some(Layer::named(name, middleware))))
    }

    /// The same stack with another layer under the name `at`, in the place of the one that had it.
    ///
    /// # Errors
    ///
    /// If no layer has that name.
    #[track_caller]
    pub fn with_replaced(&self, at: &str, middleware: impl Middleware) -> Result<Self, StackError> {
        let place = self.place_of(at)?;
        Ok(self.spliced(place, place + 1, Some(Layer::named(at, middleware))))
    }

    /// The same stack without the layer named `at`.
    ///
    /// # Errors
    ///
    /// If no layer has that name.
    pub fn without(&self, at: &str) -> Result<Self, StackError> {
        let place = self.place_of(at)?;
        Ok(self.spliced(place, place + 1, None))
    }

    /// This stack's layers, then the other's.
    #[must_use]
    pub fn and(&self, inner: &Self) -> Self {
        Self { layers: self.layers.iter().chain(&*inner.layers).cloned().collect() }
    }

    /// The same stack with something in the place of each layer that stands around it, under its name: for the test kit.
    #[doc(hidden)]
    #[must_use]
    pub fn wrapped_by<M: Middleware>(&self, wrap: impl Fn(&Layer) -> M) -> Self {
        let within = |layer: &Layer| Layer { middleware: Arc::new(wrap(layer)), ..layer.clone() };
        Self { layers: self.layers.iter().map(within).collect() }
    }

    /// The layers, the outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How many layers keep payloads: for those who write a bus.
    #[must_use]
    pub fn retaining(&self) -> usize {
        self.layers.iter().filter(|layer| layer.middleware.retains()).count()
    }

    /// Releases what those pieces hold that are not in the other stack: for those who write a bus.
    pub fn flush_unless_in(&self, other: &Self) {
        let stays = |mark| other.holds(mark);
        for layer in &*self.layers {
            if !other.layers.iter().any(|kept| Arc::ptr_eq(&kept.middleware, &layer.middleware)) {
                layer.middleware.flush_unless(&stays);
            }
        }
    }

    /// What an event meets that goes on when the layer which held it is no longer in its stack: for those who write a bus.
    ///
    /// These are the layers `behind` that one, and of those before it the ones that stand around handlers. Where it stood
    /// there is a gap with its mark.
    #[must_use]
    pub fn with_gap(&self, mark: Mark, behind: usize) -> Self {
        let (before, behind) = self.layers.split_at(self.layers.len().saturating_sub(behind));
        let around = before.iter().rev().skip(1).rev().filter(|layer| layer.middleware.stands_around());
        if behind.is_empty() && around.clone().next().is_none() {
            return Self::new();
        }
        let gap = Layer::new(Gap(mark));
        Self { layers: around.cloned().chain([gap]).chain(behind.iter().cloned()).collect() }
    }

    /// How many layers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether everything passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The same layers, told once which of them concern a topic: for those who write a bus.
    ///
    /// It is this very stack, without a copy, when all of them do.
    #[must_use]
    pub fn for_topic(&self, topic: &Topic) -> Self {
        if self.layers.iter().all(|layer| layer.middleware.applies_to(topic)) {
            return self.clone();
        }
        if !self.layers.iter().any(|layer| layer.middleware.applies_to(topic)) {
            // Nothing sees the event, so nothing can send it to another topic either.
            return Self::new();
        }
        let layers = self.layers.iter().map(|layer| {
            let applies = layer.middleware.applies_to(topic);
            Layer { applies, ..layer.clone() }
        });
        Self { layers: layers.collect() }
    }

    fn push(self, layer: Layer) -> Self {
        Self { layers: self.layers.iter().cloned().chain([layer]).collect() }
    }

    /// Where the first layer of this name stands.
    fn place_of(&self, name: &str) -> Result<usize, StackError> {
        let place = self.layers.iter().position(|layer| layer.name() == Some(name));
        place.ok_or_else(|| StackError {
            name: name.into(),
            known: self.layers.iter().filter_map(Layer::name).map(Box::from).collect(),
        })
    }

    /// The layers before `from`, then another, then those from `to` on.
    fn spliced(&self, from: usize, to: usize, layer: Option<Layer>) -> Self {
        let (before, after) = (self.layers[..from].iter().cloned(), self.layers[to..].iter().cloned());
        Self { layers: before.chain(layer).chain(after).collect() }
    }
}

/// No layer of a stack has the name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackError {
    name: Box<str>,
    known: Box<[Box<str>]>,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no layer named `{}`: ", self.name)?;
        match &*self.known {
            [] => f.write_str("no layer has a name; give it one with `with_named`"),
            known => write!(f, "the names are `{}`", known.join("`, `")),
        }
    }
}

impl Error for StackError {}

impl Layer {
    fn new(middleware: impl Middleware) -> Self {
        Self { middleware: Arc::new(middleware), name: None, site: None, applies: true }
    }

    #[track_caller]
    fn named(name: &str, middleware: impl Middleware) -> Self {
        Self { name: Some(name.into()), site: Some(Location::caller()), ..Self::new(middleware) }
    }

    /// What the layer does.
    #[inline]
    #[must_use]
    pub fn middleware(&self) -> &dyn Middleware {
        &*self.middleware
    }

    /// The same without keeping it: for the test kit, which knows a layer again by it.
    #[doc(hidden)]
    #[must_use]
    pub fn downgrade(&self) -> Weak<dyn Middleware> {
        Arc::downgrade(&self.middleware)
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was put into a stack, unless it was collected from an iterator.
    #[must_use]
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.site
    }

    /// Whether it keeps payloads of the events it sees; `routed` says that it was asked for the topic.
    #[must_use]
    pub fn may_retain(&self, routed: bool) -> bool {
        (self.applies || !routed) && self.middleware.retains()
    }

    /// Whether it is to handle this event: known from the route, unless there is none or something takes the event off it.
    #[inline]
    pub(crate) fn takes(&self, event: &Event<'_>, routed: bool) -> bool {
        if routed && event.is_straight() { self.applies } else { self.takes_off_the_way(event, routed) }
    }

    /// The layer that held an event is found by its mark alone: within it the event may have got another topic.
    #[cold]
    fn takes_off_the_way(&self, event: &Event<'_>, routed: bool) -> bool {
        match event.returning_to() {
            None => self.wants(event, routed),
            Some(mark) => self.middleware.holds(mark) || (self.middleware.stands_around() && self.wants(event, routed)),
        }
    }

    fn wants(&self, event: &Event<'_>, routed: bool) -> bool {
        if routed && !event.is_redirected() { self.applies } else { self.middleware.applies_to(event.topic()) }
    }
}

/// Stands where a layer stood, for the events that layer held.
struct Gap(Mark);

impl Middleware for Gap {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        event.emission().end_resuming();
        next.run(event);
    }

    fn holds(&self, mark: Mark) -> bool {
        mark == self.0
    }
}

/// A stack within a stack is one layer.
impl Middleware for Stack {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        Next::new(&self.layers, &next).run(event);
    }

    fn retains(&self) -> bool {
        self.layers.iter().any(|layer| layer.middleware.retains())
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.layers.iter().any(|layer| layer.middleware.applies_to(topic))
    }

    fn holds(&self, mark: Mark) -> bool {
        self.layers.iter().any(|layer| layer.middleware.holds(mark))
    }

    fn stands_around(&self) -> bool {
        self.layers.iter().any(|layer| layer.middleware.stands_around())
    }

    fn flush(&self) {
        self.layers.iter().for_each(|layer| layer.middleware.flush());
    }

    fn flush_unless(&self, stays: &dyn Fn(Mark) -> bool) {
        self.layers.iter().for_each(|layer| layer.middleware.flush_unless(stays));
    }

    fn calls_of(&self, connection: u64) -> Option<CallCount> {
        self.layers.iter().find_map(|layer| layer.middleware.calls_of(connection))
    }

    fn standing(&self, now: Duration) -> Standing {
        self.layers.iter().fold(Standing::default(), |all, layer| all.and(layer.middleware.standing(now)))
    }

    fn describe(&self) -> Cow<'static, str> {
        let lines: Vec<_> = self.layers.iter().map(|layer| layer.middleware.describe()).collect();
        format!("stack of {}", lines.join(", ")).into()
    }
}

impl<M: Middleware> FromIterator<M> for Stack {
    fn from_iter<I: IntoIterator<Item = M>>(layers: I) -> Self {
        Self { layers: layers.into_iter().map(Layer::new).collect() }
    }
}

/// One line a layer, the outermost first: `1. quiet hours: filter, else `filtered` (src/main.rs:7)`.
impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, layer) in self.layers.iter().enumerate() {
            writeln!(f, "{}. {layer}", i + 1)?;
        }
        Ok(())
    }
}

/// Its name, what it is, and where it was put into a stack, as far as there is any; [on one line](OneLine).
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{}: ", OneLine(name))?;
        }
        write!(f, "{}", OneLine(self.middleware.describe()))?;
        match self.site {
            Some(site) => write!(f, " ({}:{})", site.file(), site.line()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.layers.iter()).finish()
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("name", &self.name).field("is", &self.middleware.describe()).finish()
    }
}
