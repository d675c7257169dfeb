//! What the bus says to `tracing`. Alone in its process, because `tracing` notes who listens for all threads at once.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sigtree::Bus;
use tracing::field::{Field, Visit};
use tracing::{Metadata, Subscriber, span};

/// A subscriber that writes down the errors of one thread.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>, Arc<AtomicU64>);

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.1.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?};", field.name()).expect("a string takes it");
    }
}

#[test]
fn every_failure_is_a_tracing_event_with_topic_and_call_site() {
    let errors = Errors::default();
    tracing::subscriber::with_default(errors.clone(), || {
        let bus = Bus::builder().name("traced").build();
        let line = line!() + 1;
        let _handler = bus.connect("a.*", |_: &u32| Err("broken")).unwrap();
        bus.emit("a.b", 1_u32);
        let lines = std::mem::take(&mut *errors.0.lock());
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in ["bus=traced", "topic=a.b", "broken", "handler of `a.*`", &format!("traced.rs:{line}")] {
            assert!(lines[0].contains(part), "{part} in {}", lines[0]);
        }
    });
}
