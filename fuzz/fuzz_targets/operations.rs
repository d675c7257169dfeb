//! Two bytes an operation: whatever is done to a bus and its child, the handlers called, and their order, are those of a list.
#![no_main]

#[path = "../../tests/support/oracle.rs"]
mod oracle;

use std::cmp::Reverse;
use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use sigtree::{Bus, Connection, Event, Mute, Next, Signal, Stack};

const TOPICS: [&str; 8] = ["a", "b", "a.b", "a.c", "c.a", "c.a.b", "c.c", "a.b.c.d"];
const PATTERNS: [&str; 12] = ["a", "b", "a.b", "c.a", "*", "**", "a.*", "a.**", "**.b", "*.a.**", "c.**", "**.c.**"];
/// The child's name: what is `a` on it is `c.a` above.
const CHILD: &str = "c";

/// A handler, as the list knows it.
struct Handler {
    id: usize,
    pattern: &'static str,
    priority: i32,
    /// When its pattern came to be, which is when it had a handler again.
    created: usize,
    left: Option<u64>,
    muted: bool,
}

/// A bus and the list of its handlers, in the order of their connection.
struct Level {
    bus: Bus,
    handlers: Vec<Handler>,
    links: Vec<(usize, Connection, Option<Mute>)>,
    mutes: Vec<(&'static str, Mute)>,
    signals: Vec<(&'static str, Signal<u64>)>,
    /// Whether the stack lets events through.
    open: bool,
}

type Log = Arc<Mutex<Vec<usize>>>;

fuzz_target!(|bytes: &[u8]| {
    let log = Log::default();
    let parent = Bus::builder().cached_topics(4).build();
    let child = parent.child(CHILD).unwrap();
    let mut levels = [Level::new(child), Level::new(parent)];
    for (now, operation) in bytes.chunks_exact(2).take(400).enumerate() {
        let (what, with) = (operation[0], usize::from(operation[1]));
        let which = usize::from(what >> 7);
        let level = &mut levels[which];
        match what & 0x0f {
            0..=3 => level.connect(now, with, &log),
            4 | 5 => level.disconnect(with),
            6 => level.mute(with),
            7 => level.mute_pattern(with),
            8 => level.set_stack(with),
            9 => level.keep_signal(with),
            10 => drop(level.signals.pop()),
            11 => drop(level.bus.prune()),
            12 => emit(&mut levels, which, TOPICS[with % TOPICS.len()], true, &log),
            _ => emit(&mut levels, which, TOPICS[with % TOPICS.len()], false, &log),
        }
    }
});

/// Emits on one of the levels, and compares what was called with what the list says.
fn emit(levels: &mut [Level; 2], which: usize, topic: &'static str, by_handle: bool, log: &Log) {
    let mut expected = Vec::new();
    let above = format!("{CHILD}.{topic}");
    if which == 1 {
        levels[1].expect(topic, &mut expected);
    } else if levels[0].expect(topic, &mut expected) {
        levels[1].expect(&above, &mut expected);
    }
    let level = &levels[which];
    let signal = level.signals.iter().find(|(name, _)| *name == topic);
    let delivery = match signal.filter(|_| by_handle) {
        Some((_, signal)) => signal.emit(1_u64),
        None => level.bus.emit(topic, 1_u64),
    };
    let called = std::mem::take(&mut *log.lock().unwrap());
    assert_eq!(called, expected, "on `{topic}` of level {which}");
    assert_eq!((delivery.called(), delivery.failed()), (expected.len(), 0));
}

impl Level {
    fn new(bus: Bus) -> Self {
        Self { bus, handlers: Vec::new(), links: Vec::new(), mutes: Vec::new(), signals: Vec::new(), open: true }
    }

    fn connect(&mut self, id: usize, with: usize, log: &Log) {
        let pattern = PATTERNS[with % PATTERNS.len()];
        let priority = [0, 0, 1, -1][with / PATTERNS.len() % 4];
        let left = (with / 64 == 3).then_some(2);
        // Those that end by themselves may be taken out when any other is connected.
        self.bus.prune();
        let created = self.handlers.iter().find(|other| other.pattern == pattern).map_or(id, |other| other.created);
        let on = self.bus.on(pattern).priority(priority);
        let on = if let Some(times) = left { on.times(times) } else { on };
        let log = log.clone();
        let connection = match with / 32 % 2 {
            0 => on.connect(move |_: &u64| log.lock().unwrap().push(id)),
            _ => on.connect(move |_: &Event<'_>| log.lock().unwrap().push(id)),
        };
        self.handlers.push(Handler { id, pattern, priority, created, left, muted: false });
        self.links.push((id, connection.unwrap(), None));
        assert_eq!(self.bus.connections(), self.handlers.len());
    }

    fn disconnect(&mut self, with: usize) {
        if self.links.is_empty() {
            return;
        }
        let (id, connection, _) = self.links.swap_remove(with % self.links.len());
        let is_there = self.handlers.iter().any(|handler| handler.id == id);
        assert_eq!(connection.is_connected(), is_there);
        drop(connection);
        self.handlers.retain(|handler| handler.id != id);
    }

    fn mute(&mut self, with: usize) {
        if self.links.is_empty() {
            return;
        }
        let at = with % self.links.len();
        let (id, connection, mute) = &mut self.links[at];
        *mute = match mute.take() {
            Some(_) => None,
            None => Some(connection.mute()),
        };
        if let Some(handler) = self.handlers.iter_mut().find(|handler| handler.id == *id) {
            handler.muted = mute.is_some();
        }
    }

    fn mute_pattern(&mut self, with: usize) {
        let pattern = PATTERNS[with / 2 % PATTERNS.len()];
        match self.mutes.iter().position(|(other, _)| *other == pattern) {
            Some(at) if with % 2 == 0 => drop(self.mutes.swap_remove(at)),
            _ => self.mutes.push((pattern, self.bus.mute(pattern).unwrap())),
        }
    }

    fn set_stack(&mut self, with: usize) {
        self.open = with % 4 != 0;
        let pass = |event: &Event<'_>, next: Next<'_>| next.run(event);
        let end = |event: &Event<'_>, next: Next<'_>| next.discard(event, "closed");
        self.bus.set_stack(match with % 4 {
            0 => Stack::new().with(pass).with(end),
            1 => Stack::new(),
            _ => Stack::new().with(pass).with(pass),
        });
    }

    fn keep_signal(&mut self, with: usize) {
        let topic = TOPICS[with % TOPICS.len()];
        self.signals.push((topic, self.bus.signal(topic).unwrap()));
    }

    /// Adds who is called, and takes a call from those who have only some left; whether the event goes up.
    fn expect(&mut self, topic: &str, expected: &mut Vec<usize>) -> bool {
        if !self.open {
            return false;
        }
        if self.mutes.iter().any(|(pattern, _)| oracle::matches(pattern, topic)) {
            return true;
        }
        let mut called: Vec<_> = self
            .handlers
            .iter_mut()
            .filter(|handler| !handler.muted && oracle::matches(handler.pattern, topic))
            .collect();
        called.sort_by_key(|handler| {
            (Reverse(handler.priority), handler.pattern.contains('*'), handler.created, handler.id)
        });
        for handler in called {
            expected.push(handler.id);
            handler.left = handler.left.map(|left| left - 1);
        }
        self.handlers.retain(|handler| handler.left != Some(0));
        true
    }
}
