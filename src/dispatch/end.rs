//! The end of a bus's chain: its handlers, then the ways down and up.

use std::sync::Arc;

use sigtree_middleware::{Event, Home, Host, Mark, Place, Stack, Terminal};

use super::core::Core;
use super::route::{Route, Sink};
use crate::held::BusHome;

/// What the chain of a topic runs into.
pub(super) struct End<'r> {
    pub(super) core: &'r Core,
    pub(super) route: &'r Route,
    pub(super) layers: &'r Stack,
}

impl End<'_> {
    /// Delivers an event that was held, redirected, or carries advice.
    #[cold]
    fn deliver_off_the_way(&self, event: &Event<'_>) {
        event.emission().end_resuming();
        if event.is_redirected() {
            return self.core.deliver_redirected(event, self.route.payload);
        }
        if self.admits(event) {
            self.core.run_parts(&self.route.parts, event);
        }
        self.pass_on(event);
    }

    /// Whether the handlers are to be called: no layer stopped this level, and the topic is not muted.
    #[inline]
    fn admits(&self, event: &Event<'_>) -> bool {
        let emission = event.emission();
        if emission.level_is_stopped() {
            return false;
        }
        if self.route.muted {
            emission.add_muted(self.route.parts.handlers() as u32);
        }
        !self.route.muted
    }

    /// The ways down and up.
    #[inline(never)]
    fn pass_on(&self, event: &Event<'_>) {
        let Self { core, route, .. } = self;
        for Sink { child, topic, hash } in &route.sinks {
            match child.upgrade() {
                Some(child) => child.receive(topic, *hash, event, route.payload),
                None => core.try_forget_sinks(),
            }
        }
        if let Some(up) = &route.up
            && !event.emission().bubbling_is_stopped()
        {
            up.parent.receive(&up.topic, up.hash, event, route.payload);
        }
    }
}

impl Terminal for End<'_> {
    fn deliver(&self, event: &Event<'_>) {
        event.emission().note_arrived();
        if !event.is_straight() {
            return self.deliver_off_the_way(event);
        }
        if self.admits(event) {
            self.route.parts.run(self.core, event);
        }
        if self.route.goes_on() {
            self.pass_on(event);
        }
    }

    fn retains(&self) -> bool {
        self.core.retains_on(self.route)
    }

    fn place(&self) -> Place<'_> {
        Place::Bus
    }

    fn host(&self) -> Option<&dyn Host> {
        Some(self.core)
    }

    fn home(&self, mark: Mark, behind: usize) -> Option<Arc<dyn Home>> {
        let core = self.core.me.upgrade()?;
        let (topic, layers) = (self.route.topic.clone(), self.layers.with_gap(mark, behind));
        let _token = core.backstage.home_token();
        Some(Arc::new(BusHome { core, topic, layers, _token }))
    }
}
