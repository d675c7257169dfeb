//! An inspection as a tree of lines.

use std::fmt::{self, Display, Formatter};

use sigtree_middleware::{Counted, OneLine};

use super::{Branch, CacheSeen, ConnectionSeen, CountersSeen, Inspection, LayerSeen, PatternSeen};

/// A line for each bus, mute, layer, pattern, connection and signal; what belongs to a line stands indented below it. Line breaks and
/// control characters in names and descriptions are written as `\n` and `\u{1b}`.
impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl Inspection {
    fn write(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        let (own, below) = (Indent(depth), Indent(depth + 1));
        write!(f, "{own}bus `{}`", OneLine(&self.bus))?;
        if let Some(branch) = &self.branch {
            write!(f, ", {branch}")?;
        }
        writeln!(f, ": {}", self.counters)?;
        for pattern in &self.mutes {
            writeln!(f, "{below}mutes `{}`", OneLine(pattern))?;
        }
        for (i, layer) in self.layers.iter().enumerate() {
            writeln!(f, "{below}layer {}. {layer}", i + 1)?;
        }
        for pattern in &self.patterns {
            pattern.write(f, depth + 1)?;
        }
        for signal in &self.signals {
            writeln!(f, "{below}signal `{}` of `{}`", signal.topic, signal.payload)?;
        }
        for pattern in &self.watched {
            writeln!(f, "{below}watched `{}`", OneLine(pattern))?;
        }
        if self.cache.used > 0 {
            writeln!(f, "{below}{}", self.cache)?;
        }
        self.children.iter().try_for_each(|child| child.write(f, depth + 1))
    }
}

impl PatternSeen {
    fn write(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{}`{}`", Indent(depth), OneLine(&self.pattern))?;
        if let Some(payload) = self.payload {
            write!(f, " of `{payload}`")?;
        }
        if self.routes > 0 {
            write!(f, ", in {}", Counted(self.routes, "route"))?;
        }
        writeln!(f)?;
        self.connections.iter().try_for_each(|connection| writeln!(f, "{}{connection}", Indent(depth + 1)))
    }
}

/// `live `log`, priority 3, once (src/main.rs:7); 1 failure; queue, 3 of 10 wait, 4 at most; 5 received, 2 dropped; 4 calls in 2ms, 1ms
/// at most`.
impl Display for ConnectionSeen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.word())?;
        if let Some(name) = &self.name {
            write!(f, " `{}`", OneLine(name))?;
        }
        if self.priority != 0 {
            write!(f, ", priority {}", self.priority)?;
        }
        self.conditions.iter().try_for_each(|condition| write!(f, ", {}", OneLine(condition)))?;
        write!(f, " ({}:{})", self.site.file(), self.site.line())?;
        if self.failures > 0 {
            write!(f, "; {}", Counted(self.failures, "failure"))?;
        }
        self.queue.iter().try_for_each(|queue| write!(f, "; queue, {queue}"))?;
        self.calls.iter().try_for_each(|calls| write!(f, "; {calls}"))
    }
}

/// As a [`Stack`](crate::Stack) prints it, then what it is in the middle of: `; holds 3 events`.
impl Display for LayerSeen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, description, site, held, notes } = self;
        name.iter().try_for_each(|name| write!(f, "{}: ", OneLine(name)))?;
        write!(f, "{}", OneLine(description))?;
        site.iter().try_for_each(|site| write!(f, " ({}:{})", site.file(), site.line()))?;
        if *held > 0 {
            write!(f, "; holds {}", Counted(*held, "event"))?;
        }
        notes.iter().try_for_each(|note| write!(f, "; {}", OneLine(note)))
    }
}

impl Display for Branch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "child `{}`", self.name)?;
        if !self.bubbles {
            f.write_str(", isolated")?;
        }
        if self.sink {
            f.write_str(", hears its parent")?;
        }
        Ok(())
    }
}

/// What is not nought.
impl Display for CountersSeen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { connections, failures, refusals, .. } = *self;
        write!(f, "{}", Counted(connections, "connection"))?;
        for (count, what) in [(failures, "failure"), (refusals, "refusal")] {
            if count > 0 {
                write!(f, ", {}", Counted(count, what))?;
            }
        }
        Ok(())
    }
}

/// `cache: 1 route, 2 of 4096 places used`.
impl Display for CacheSeen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { capacity, used, routes } = *self;
        write!(f, "cache: {}, {used} of {} used", Counted(routes, "route"), Counted(capacity, "place"))
    }
}

/// Two spaces for each level.
struct Indent(usize);

impl Display for Indent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (0..self.0).try_for_each(|_| f.write_str("  "))
    }
}
