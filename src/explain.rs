use std::fmt;

use sigtree_middleware::{Layer, OneLine, Pattern, Topic};

use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::index::hash;
use crate::dispatch::plan::sinks;
use crate::dispatch::route::{Part, Parts};
use crate::dispatch::slot::Slot;
use crate::error::Error;
use crate::inspection::LayerSeen;

/// What an emit on a topic would meet, level by level, from [`Bus::explain`]: print it.
///
/// A level has the mutes of patterns, the layers and the handlers, in the order in which an event meets them, and the
/// buses it goes down to. A layer has its name, description, call site, how many events it holds, and the circuits that are open. A
/// handler has its pattern, name, priority, call site and conditions; a bridge names its bus. Line breaks and control characters in
/// all of these are written as `\n` and `\u{1b}`.
#[derive(Debug, Clone)]
pub struct Explanation {
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    bus: String,
    topic: Topic,
    mutes: Vec<Pattern>,
    layers: Vec<LayerSeen>,
    handlers: Vec<String>,
    sinks: Vec<String>,
}

impl Bus {
    /// Says which layers and handlers an event on a topic meets, in order, with the places where they were connected.
    ///
    /// # Errors
    ///
    /// If the topic is malformed.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, Event};
    ///
    /// let bus = Bus::new();
    /// let _log = bus.on("radar.**").named("log").connect(|_: &Event| {})?;
    /// let text = bus.explain("radar.track.new")?.to_string();
    /// assert!(text.contains("1. `radar.**` named `log`"), "{text}");
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    pub fn explain(&self, topic: impl AsRef<str>) -> Result<Explanation, Error> {
        let mut topic = Topic::with_limits(topic.as_ref(), &self.core().limits)?;
        let mut levels = Vec::new();
        for core in self.core().upwards() {
            levels.push(Level::of(core, &topic));
            // The bus's own reports have the same name on every level.
            if let Some(parent) = &core.parent
                && !topic.is_reserved()
            {
                topic = Topic::from_trusted(format!("{}.{topic}", parent.prefix).into());
            }
        }
        Ok(Explanation { levels })
    }
}

impl Level {
    fn of(core: &Core, topic: &Topic) -> Self {
        let settings = core.settings.load_full().unwrap_or_default();
        let concerns = |layer: &&Layer| !topic.is_reserved() && layer.middleware().applies_to(topic);
        let now = core.clock.elapsed();
        let sinks = sinks(&settings, topic);
        let below = sinks.iter().filter_map(|sink| Some((sink.child.upgrade()?, &sink.topic)));
        Self {
            bus: core.name.to_string(),
            topic: topic.clone(),
            mutes: settings.mutes.iter().filter(|pattern| pattern.matches(topic)).cloned().collect(),
            layers: settings.stack.layers().iter().filter(concerns).map(|layer| LayerSeen::of(layer, now)).collect(),
            handlers: handlers(core, topic),
            sinks: below.map(|(child, topic)| format!("`{topic}` on bus `{}`", child.name)).collect(),
        }
    }
}

fn handlers(core: &Core, topic: &Topic) -> Vec<String> {
    let mut lines = Vec::new();
    let nodes = core.index_now().find(topic, hash(topic));
    for part in Parts::of(&nodes).iter() {
        part.table().for_each(&mut |slot| lines.push(handler(slot, part)));
    }
    lines
}

/// One handler: what it is to the bus first, then its conditions, then why it is not called.
fn handler(slot: &dyn Slot, part: &Part) -> String {
    let mut line = format!("`{}`", part.node().pattern());
    if let Some(name) = slot.name() {
        line += &format!(" named `{name}`");
    }
    if part.priority() != 0 {
        line += &format!(", priority {}", part.priority());
    }
    let site = slot.header().site();
    line += &format!(" ({}:{})", site.file(), site.line());
    let mut notes = Vec::new();
    slot.explain(&mut notes);
    notes.extend(slot.queue_stats().map(|queue| format!("queue, {queue}")));
    if slot.is_expired() {
        notes.push("gone".into());
    } else if slot.header().is_muted() {
        notes.push("muted".into());
    }
    notes.iter().for_each(|note| line += &format!(", {note}"));
    line
}

/// Several lines: for each level its mutes, its layers, its handlers, and the buses below.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for level in &self.levels {
            writeln!(f, "`{}` on bus `{}`", OneLine(&level.topic), OneLine(&level.bus))?;
            for layer in &level.layers {
                writeln!(f, "  layer {layer}")?;
            }
            for pattern in &level.mutes {
                writeln!(f, "  handlers muted by `{}`", OneLine(pattern))?;
            }
            for (i, handler) in level.handlers.iter().enumerate() {
                writeln!(f, "  {}. {}", i + 1, OneLine(handler))?;
            }
            if level.handlers.is_empty() {
                writeln!(f, "  no handlers")?;
            }
            for sink in &level.sinks {
                writeln!(f, "  then {}", OneLine(sink))?;
            }
        }
        Ok(())
    }
}
