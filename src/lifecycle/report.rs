use std::fmt;
use std::sync::Arc;

use sigtree_middleware::{Counted, OneLine};

/// What did not end in time: from [`Bus::shutdown`](crate::Bus::shutdown). [`Display`](fmt::Display) writes a line for each, whatever
/// things are called.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, Left};
///
/// let bus = Bus::new();
/// let plots = bus.on("plot").named("screen").subscribe::<u32>()?;
/// bus.emit("plot", 7_u32);
///
/// let report = bus.shutdown(Duration::ZERO);
/// assert!(matches!(report.left(), [Left::Events { count: 1, .. }]));
/// assert!(report.to_string().starts_with("bus `bus`: 1 waits in the queue of `plot` named `screen`"));
/// assert_eq!(*plots.try_recv().unwrap(), 7, "what is left can still be taken");
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ShutdownReport {
    left: Vec<Left>,
}

/// One thing that did not end in time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Left {
    /// Emits were running, or a pinned signal was there.
    Emits {
        /// The bus's name.
        bus: Arc<str>,
    },
    /// A layer held events: one that gave them to an executor, as a rule.
    Held {
        /// The bus's name.
        bus: Arc<str>,
        /// What the layer is.
        layer: Box<str>,
        /// The connection that it stands around, if it does: its name, and where it was connected.
        connection: Option<Box<str>>,
        /// How many events.
        count: u64,
    },
    /// Events were on their way that a layer had held: handlers ran, on an executor as a rule.
    Running {
        /// The bus's name.
        bus: Arc<str>,
        /// How many events.
        count: u64,
    },
    /// Calls of async handlers were not done.
    Calls {
        /// The bus's name.
        bus: Arc<str>,
        /// Whose calls, if the handler is connected still: its name, and where it was connected.
        connection: Option<Box<str>>,
        /// How many calls.
        count: usize,
    },
    /// Events waited in the queue of a subscription, or were taken from a [reliable](crate::Reliable) one and are not done with.
    Events {
        /// The bus's name.
        bus: Arc<str>,
        /// The subscription's pattern, its name, and where it was made.
        queue: Box<str>,
        /// How many events.
        count: usize,
    },
}

impl ShutdownReport {
    pub(super) fn new(left: Vec<Left>) -> Self {
        Self { left }
    }

    /// Whether everything ended.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }

    /// What did not.
    #[must_use]
    pub fn left(&self) -> &[Left] {
        &self.left
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emits { bus } => write!(f, "bus `{}`: emits are running", OneLine(bus)),
            Self::Held { bus, layer, connection, count } => {
                write!(f, "bus `{}`: {} holds {count}", OneLine(bus), OneLine(layer))?;
                connection.iter().try_for_each(|connection| write!(f, " for {}", OneLine(connection)))
            }
            Self::Running { bus, count } => {
                let were = if *count == 1 { "was" } else { "were" };
                write!(f, "bus `{}`: handlers run, {} that {were} held", OneLine(bus), Counted(*count, "event"))
            }
            Self::Calls { bus, connection, count } => {
                write!(f, "bus `{}`: async handlers run, {}", OneLine(bus), Counted(*count as u64, "call"))?;
                connection.iter().try_for_each(|connection| write!(f, " of {}", OneLine(connection)))
            }
            Self::Events { bus, queue, count } => {
                let wait = if *count == 1 { "waits" } else { "wait" };
                write!(f, "bus `{}`: {count} {wait} in {}", OneLine(bus), OneLine(queue))
            }
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("everything ended");
        }
        let lines: Vec<_> = self.left.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
