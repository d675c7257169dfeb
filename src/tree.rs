//! Parents and children, and bridges between buses that are neither.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

use sigtree_middleware::{Event, IntoPattern, Topic};

use crate::builder::BusBuilder;
use crate::bus::Bus;
use crate::connection::Connection;
use crate::dispatch::core::{Core, Parent};
use crate::dispatch::index::hash;
use crate::dispatch::slot::{Call, Called};
use crate::error::Error;
use crate::lifecycle::Life;
use crate::payload::PayloadType;

impl Bus {
    /// The child of this name, made if there is none: a bus with its own handlers and stack, whose events go up.
    ///
    /// What is `track.new` on the child is `radar.track.new` on the parent of the child `radar`. What the child's stack lets out goes to
    /// the child's handlers and then through the parent's stack to the parent's handlers. The parent holds its children weakly, so a
    /// child that nobody keeps is gone with its handlers, detached ones too; a child holds its parent. It takes over the parent's
    /// policy, clock, ids and limits, not its stack. A name that is too long for the parent is refused there, and reported.
    ///
    /// # Errors
    ///
    /// If the name is malformed or reserved; it may have several segments.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, Event};
    ///
    /// let site = Bus::new();
    /// let _all = site.connect("radar.**", |event: &Event| println!("{}", event.topic()))?;
    /// let radar = site.child("radar")?;
    /// let _own = radar.connect("track.*", |id: &u32| println!("track {id}"))?;
    /// assert_eq!(radar.emit("track.new", 7_u32).called(), 2);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn child(&self, name: impl AsRef<str>) -> Result<Self, Error> {
        ChildBuilder::new(self, name.as_ref()).get_or_build()
    }

    /// A child with options: one that does not bubble, or that hears its parent.
    pub fn child_builder(&self, name: impl AsRef<str>) -> ChildBuilder<'_> {
        ChildBuilder::new(self, name.as_ref())
    }

    /// The bus above.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.core().parent.as_ref().map(|parent| Self::of(parent.core.clone()))
    }

    /// The children that are alive, by the time they were made.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        self.core().living_children().into_iter().map(Self::of).collect()
    }

    /// Passes the events of a pattern on to another bus, under the same topics, for as long as the connection lives.
    ///
    /// Each event visits a bus once, however bridges, parents and sinks are arranged: circles end where they began. The other bus is
    /// not kept alive. What the other bus refuses (another payload type, a name that is too long for it, a report of this bus under its
    /// own name) is counted and reported there; here the delivery has it as its reason.
    ///
    /// # Errors
    ///
    /// If the pattern is malformed.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, Event};
    ///
    /// let (radar, archive) = (Bus::new(), Bus::new());
    /// let _there = radar.bridge("track.**", &archive)?;
    /// let _back = archive.bridge("track.**", &radar)?;
    /// let _kept = archive.connect("**", |event: &Event| println!("{}", event.topic()))?;
    /// radar.emit("track.new", 7_u32);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[track_caller]
    pub fn bridge(&self, pattern: impl IntoPattern, other: &Self) -> Result<Connection, Error> {
        self.bridge_to(pattern, other, None, Location::caller())
    }

    /// The same with a name put before the topics: `a` becomes `prefix.a`.
    ///
    /// # Errors
    ///
    /// If the pattern or the prefix is malformed. An event whose new topic is too long is refused by the other bus, and reported there.
    #[track_caller]
    pub fn bridge_under(
        &self,
        pattern: impl IntoPattern,
        other: &Self,
        prefix: impl AsRef<str>,
    ) -> Result<Connection, Error> {
        let prefix = Topic::with_limits(prefix.as_ref(), &other.core().limits)?;
        if prefix.is_reserved() {
            return Err(Error::reserved(&prefix));
        }
        self.bridge_to(pattern, other, Some(prefix), Location::caller())
    }

    fn bridge_to(
        &self,
        pattern: impl IntoPattern,
        other: &Self,
        prefix: Option<Topic>,
        site: &'static Location<'static>,
    ) -> Result<Connection, Error> {
        let bridge = Bridge { to: Arc::downgrade(other.core()), prefix };
        self.on(pattern).connect_call(bridge, None, site)
    }
}

/// A handler that passes events on to another bus.
struct Bridge {
    to: Weak<Core>,
    prefix: Option<Topic>,
}

impl Call for Bridge {
    const RETAINS: bool = true;

    fn call(&self, event: &Event<'_>) -> Called {
        let Some(to) = self.to.upgrade() else { return Called::Dead };
        let payload = PayloadType { id: event.payload_type(), name: "another type" };
        match &self.prefix {
            None => to.receive(event.topic(), hash(event.topic()), event, payload),
            Some(prefix) => match prefix.join_with_limits(event.topic(), &to.limits) {
                Ok(topic) => to.receive(&topic, hash(&topic), event, payload),
                Err(error) => drop(to.refuse(error.into())),
            },
        }
        // The other bus counts its own calls; this one is not a handler of the user's.
        Called::OtherType
    }

    fn ends_itself(&self) -> bool {
        true
    }

    fn is_expired(&self) -> bool {
        self.to.strong_count() == 0
    }

    fn explain(&self, notes: &mut Vec<String>) {
        let to = self.to.upgrade().map_or_else(|| "a bus that is gone".into(), |to| format!("`{}`", to.name));
        let under = self.prefix.as_ref().map(|prefix| format!(" under `{prefix}`"));
        notes.push(format!("bridge to {to}{}", under.unwrap_or_default()));
    }
}

/// A child bus in the making, from [`Bus::child_builder`].
#[must_use = "a builder makes nothing until `build`"]
pub struct ChildBuilder<'p> {
    parent: &'p Bus,
    name: Box<str>,
    isolated: bool,
    sink: bool,
    settings: Option<BusBuilder>,
}

impl<'p> ChildBuilder<'p> {
    fn new(parent: &'p Bus, name: &str) -> Self {
        Self { parent, name: name.into(), isolated: false, sink: false, settings: None }
    }

    /// Keeps its events to itself: they do not go up.
    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }

    /// Lets the parent's events under its name come down to it, after the parent's own handlers.
    pub fn sink(mut self) -> Self {
        self.sink = true;
        self
    }

    /// Other settings than the parent's; its name is kept.
    pub fn settings(mut self, settings: BusBuilder) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Makes the child.
    ///
    /// # Errors
    ///
    /// If the name is malformed or reserved, or a child of this name is alive.
    pub fn build(self) -> Result<Bus, Error> {
        let prefix = self.prefix()?;
        let (child, was_there) = self.add(&prefix);
        if was_there { Err(Error::child_exists(&prefix)) } else { Ok(Bus::of(child)) }
    }

    fn get_or_build(self) -> Result<Bus, Error> {
        let prefix = self.prefix()?;
        Ok(Bus::of(self.add(&prefix).0))
    }

    /// The child of this name, and whether it was there already.
    fn add(&self, prefix: &Topic) -> (Arc<Core>, bool) {
        let parent = self.parent.core();
        if let Some(child) = parent.living_child(prefix) {
            return (child, true);
        }
        // Made without a lock, because its layers are asked things; of two made at once, the first one added stays.
        let (child, was_there) = parent.add_child(prefix, self.make(prefix));
        if self.sink && !was_there {
            parent.add_sink(prefix, &child);
        }
        // After it was added: a shutdown that did not find it there began before this look.
        let life = parent.life();
        if life > Life::Running && !was_there {
            child.close(life);
        }
        (child, was_there)
    }

    fn prefix(&self) -> Result<Topic, Error> {
        let prefix = Topic::with_limits(&self.name, &self.parent.core().limits)?;
        if prefix.is_reserved() { Err(Error::reserved(&prefix)) } else { Ok(prefix) }
    }

    fn make(&self, prefix: &Topic) -> Arc<Core> {
        let core = self.parent.core();
        let mut settings = BusBuilder::of_child(core, prefix);
        if let Some(own) = &self.settings {
            settings = own.for_child(settings);
        }
        settings.build_child(Parent { core: core.clone(), prefix: prefix.clone(), bubbles: !self.isolated })
    }
}

impl fmt::Debug for ChildBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildBuilder")
            .field("name", &self.name)
            .field("isolated", &self.isolated)
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}
