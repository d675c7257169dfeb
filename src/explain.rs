use std::fmt;

use sigtree_middleware::Topic;

use crate::bus::Bus;
use crate::dispatch::core::Core;
use crate::dispatch::index::hash;
use crate::dispatch::route::Parts;
use crate::error::Error;

/// What an emit on a topic would meet, level by level, from [`Bus::explain`]: print it.
#[derive(Debug, Clone)]
pub struct Explanation {
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    bus: String,
    topic: Topic,
    layers: Vec<String>,
    handlers: Vec<String>,
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
            if topic.is_reserved() {
                // A report is made anew on each bus above, under the same name and without layers.
                continue;
            }
            if let Some(parent) = &core.parent {
                topic = Topic::from_trusted(format!("{}.{topic}", parent.prefix).into());
            }
        }
        Ok(Explanation { levels })
    }
}

impl Level {
    fn of(core: &Core, topic: &Topic) -> Self {
        let stack = core.settings.load().as_ref().map(|settings| settings.stack.clone()).unwrap_or_default();
        let layers = stack.layers().iter().filter(|layer| !topic.is_reserved() && layer.middleware().applies_to(topic));
        let layers = layers.map(|layer| match layer.name() {
            Some(name) => format!("{name}: {}", layer.middleware().describe()),
            None => layer.middleware().describe().into_owned(),
        });
        Self {
            bus: core.name.to_string(),
            topic: topic.clone(),
            layers: layers.collect(),
            handlers: handlers(core, topic),
        }
    }
}

fn handlers(core: &Core, topic: &Topic) -> Vec<String> {
    let mut lines = Vec::new();
    let nodes = core.index_now().find(topic, hash(topic));
    for part in Parts::of(&nodes).iter() {
        part.table().for_each(&mut |slot| {
            let mut line = format!("`{}`", part.node().pattern());
            if let Some(name) = slot.name() {
                line.push_str(&format!(" named `{name}`"));
            }
            if part.priority() != 0 {
                line.push_str(&format!(", priority {}", part.priority()));
            }
            let site = slot.header().site();
            line.push_str(&format!(" ({}:{})", site.file(), site.line()));
            if slot.is_expired() {
                line.push_str(", gone");
            } else if slot.header().is_muted() {
                line.push_str(", muted");
            }
            lines.push(line);
        });
    }
    lines
}

/// Several lines: for each level its layers, then its handlers.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for level in &self.levels {
            writeln!(f, "`{}` on bus `{}`", level.topic, level.bus)?;
            for layer in &level.layers {
                writeln!(f, "  layer {layer}")?;
            }
            for (i, handler) in level.handlers.iter().enumerate() {
                writeln!(f, "  {}. {handler}", i + 1)?;
            }
            if level.handlers.is_empty() {
                writeln!(f, "  no handlers")?;
            }
        }
        Ok(())
    }
}
