//! An inspection as a graph, in the language of Graphviz.

use std::fmt::{self, Display, Formatter, Write};

use sigtree_middleware::{Counted, OneLine};

use super::{ConnectionSeen, Inspection, State};

/// The whole graph.
pub(super) fn draw(inspection: &Inspection) -> String {
    let mut graph = Graph::default();
    graph.line("digraph sigtree {");
    graph.line("  rankdir=LR;");
    graph.line("  compound=true;");
    graph.line("  node [shape=box, fontname=\"sans-serif\"];");
    graph.line("  edge [fontname=\"sans-serif\"];");
    graph.bus(inspection);
    graph.line("}");
    graph.text
}

#[derive(Default)]
struct Graph {
    text: String,
    buses: usize,
}

impl Graph {
    /// A box for a bus and all that belongs to it, then those of its children, with arrows between them; its number.
    fn bus(&mut self, seen: &Inspection) -> usize {
        let bus = self.buses;
        self.buses += 1;
        let (name, label) = (OneLine(&seen.bus).to_string(), bus_label(seen));
        self.line(format_args!("  subgraph cluster_{bus} {{"));
        self.line(format_args!("    label=\"{}\";", Escaped(&name)));
        self.line(format_args!("    bus_{bus} [shape=folder, label=\"{}\"];", Escaped(&label)));
        self.layers(bus, seen);
        self.patterns(bus, seen);
        self.line("  }");
        for child in &seen.children {
            let below = self.bus(child);
            self.branch(bus, below, child);
        }
        bus
    }

    /// The layers, one behind the other.
    fn layers(&mut self, bus: usize, seen: &Inspection) {
        for (i, layer) in seen.layers.iter().enumerate() {
            let label = layer.to_string();
            self.line(format_args!("    layer_{bus}_{i} [shape=component, label=\"{}\"];", Escaped(&label)));
            match i.checked_sub(1) {
                None => self.line(format_args!("    bus_{bus} -> layer_{bus}_{i};")),
                Some(before) => self.line(format_args!("    layer_{bus}_{before} -> layer_{bus}_{i};")),
            }
        }
    }

    /// The patterns behind the last layer, and the connections of each.
    fn patterns(&mut self, bus: usize, seen: &Inspection) {
        let last = match seen.layers.len().checked_sub(1) {
            None => format!("bus_{bus}"),
            Some(last) => format!("layer_{bus}_{last}"),
        };
        for (p, pattern) in seen.patterns.iter().enumerate() {
            let text = OneLine(&pattern.pattern).to_string();
            self.line(format_args!("    pattern_{bus}_{p} [shape=ellipse, label=\"{}\"];", Escaped(&text)));
            self.line(format_args!("    {last} -> pattern_{bus}_{p};"));
            for (c, connection) in pattern.connections.iter().enumerate() {
                let (label, style) = (label(connection), style(connection.state));
                self.line(format_args!("    connection_{bus}_{p}_{c} [label=\"{}\"{style}];", Escaped(&label)));
                self.line(format_args!("    pattern_{bus}_{p} -> connection_{bus}_{p}_{c};"));
            }
        }
    }

    /// The ways between a bus and a child.
    fn branch(&mut self, above: usize, below: usize, child: &Inspection) {
        let Some(branch) = &child.branch else { return };
        let name = Escaped(&branch.name);
        let between = format!("ltail=cluster_{below}, lhead=cluster_{above}");
        if branch.bubbles {
            self.line(format_args!("  bus_{below} -> bus_{above} [label=\"up as {name}\", {between}];"));
        } else {
            // An arrow that is not drawn keeps the child beside its parent.
            self.line(format_args!("  bus_{below} -> bus_{above} [style=invis];"));
        }
        if branch.sink {
            self.line(format_args!(
                "  bus_{above} -> bus_{below} [label=\"down from {name}\", ltail=cluster_{above}, lhead=cluster_{below}];"
            ));
        }
    }

    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// The name, what was counted, what is muted, and how full the cache is.
fn bus_label(seen: &Inspection) -> String {
    let mut label = format!("{}\n{}", OneLine(&seen.bus), seen.counters);
    seen.mutes.iter().for_each(|pattern| label += &format!("\nmutes `{}`", OneLine(pattern)));
    if seen.cache.used > 0 {
        label += &format!("\n{}", seen.cache);
    }
    label
}

/// The name, the place, and what was counted.
fn label(connection: &ConnectionSeen) -> String {
    let mut label = String::new();
    if let Some(name) = &connection.name {
        label += &format!("{}\n", OneLine(name));
    }
    label += &format!("{}:{}", connection.site.file(), connection.site.line());
    if connection.priority != 0 {
        label += &format!("\npriority {}", connection.priority);
    }
    connection.conditions.iter().for_each(|condition| label += &format!("\n{}", OneLine(condition)));
    if connection.failures > 0 {
        label += &format!("\n{}", Counted(connection.failures, "failure"));
    }
    connection.queue.iter().for_each(|queue| label += &format!("\nqueue, {queue}"));
    connection.calls.iter().for_each(|calls| label += &format!("\n{calls}"));
    label
}

fn style(state: State) -> &'static str {
    match state {
        State::Live => "",
        State::Muted => ", style=dashed",
        State::Dead => ", color=grey, fontcolor=grey",
    }
}

/// Text within the quotes of a label, whose line breaks are those of the label: what others wrote is [`OneLine`] by now.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '"' | '\\' => write!(f, "\\{letter}"),
            '\n' => f.write_str("\\n"),
            _ => f.write_char(letter),
        })
    }
}
