//! What each stock piece adds to an emit to one handler, in its usual case: nothing fails, what may pass passes.
//!
//! Pieces behind a feature are measured when it is on: `cargo bench --all-features --bench limits -- pieces`.

use std::hint::black_box;
use std::time::Duration;

use sigtree::middleware::{
    Batch, Calls, CircuitBreaker, Correlation, Counters, DeadLetter, Debounce, Deduplicate, Fault, Inspect, Latest,
    Retry, Route, Sample, Scoped, Timeout, Trace, Transform, Validate,
};
use sigtree::{Bus, Connection, Event, Filter, History, Middleware, Next, Signal, Stack};

use crate::allocations;
use crate::clock::{compare, each};
use crate::table::Table;
use crate::tracks::{Bare, TRACK, Track, see};

/// A piece as it is used, and the stack of a bus that has it.
type Piece = (&'static str, Stack);

const MINUTE: Duration = Duration::from_secs(60);
const MOST: f64 = 1_000.0;

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("pieces") {
        return;
    }
    let pieces = [which_end_or_change(), which_stand_around_handlers(), which_govern_the_flow(), which_watch()];
    for (name, stack) in pieces.into_iter().flatten() {
        row(table, name, stack);
    }
    for (name, feature, pieces) in [limiting(), timing(), telling(), serving()] {
        match pieces {
            None => table.missing(name, feature),
            Some(pieces) => pieces.into_iter().for_each(|(name, stack)| row(table, name, stack)),
        }
    }
}

fn row(table: &mut Table, name: &str, stack: Stack) {
    let (through, _with) = signal(stack);
    let (straight, _without) = signal(Stack::new());
    let bare = Bare::new(1);
    let [with, without, limit] =
        compare([each(emits(&through)), each(emits(&straight)), each(|| bare.emit(black_box(&TRACK)))]);
    let adds = match allocations_of(emits(&through)) {
        0.0 => format!("{name} adds"),
        some => format!("{name} allocates {some} x and adds"),
    };
    table.most(&adds, with - without, limit, "ns", MOST);
}

fn signal(stack: Stack) -> (Signal<Track>, Connection) {
    let signal = Bus::builder().stack(stack).build().signal::<Track>("radar.track.updated").expect("a good topic");
    let connection = signal.connect(see).expect("a handler of its type");
    (signal, connection)
}

/// Emits of one track after the other.
fn emits(signal: &Signal<Track>) -> impl FnMut() {
    let mut track = TRACK;
    move || {
        track.id += 1;
        signal.emit(black_box(&track));
    }
}

/// How often an emit allocates, on average, with two digits that say something.
fn allocations_of(mut emit: impl FnMut()) -> f64 {
    const EMITS: u32 = 10_000;
    let all = allocations::of(|| (0..EMITS).for_each(|_| emit()));
    (all as f64 / f64::from(EMITS) * 100.0).round() / 100.0
}

fn alone(piece: impl Middleware) -> Stack {
    Stack::new().with(piece)
}

fn pass(event: &Event<'_>, next: Next<'_>) {
    next.run(event);
}

fn look(event: &Event<'_>) {
    black_box(event.topic());
}

fn is_new(track: &Track) -> bool {
    track.id > 0
}

fn which_end_or_change() -> Vec<Piece> {
    let scoped = Scoped::new("radar.**", pass).expect("a good pattern");
    let route = Route::to_topic("radar.**", "archive").expect("a good pattern and topic");
    vec![
        ("a closure that goes on", alone(pass)),
        ("Filter", alone(Filter::payload(is_new))),
        ("Validate, one rule", alone(Validate::new().rule("is new", is_new))),
        ("Transform", alone(Transform::new(|track: &Track| *track))),
        ("Scoped, around the closure", alone(scoped)),
        ("Route, to a topic that nobody hears", alone(route)),
        ("Fault, which discards 1 in 100", alone(Fault::seeded(1).discard(0.01))),
    ]
}

fn which_stand_around_handlers() -> Vec<Piece> {
    vec![
        ("Retry", alone(Retry::times(3))),
        ("Timeout", alone(Timeout::new(MINUTE))),
        ("CircuitBreaker, in a row", alone(CircuitBreaker::consecutive(5))),
        ("CircuitBreaker, by rate", alone(CircuitBreaker::rate(0.5, MINUTE, 10))),
        ("DeadLetter", alone(DeadLetter::new())),
        ("Counters", alone(Counters::new())),
        ("Calls", alone(Calls::new())),
    ]
}

fn which_govern_the_flow() -> Vec<Piece> {
    let new_keys = Deduplicate::within(MINUTE).by_payload(|track: &Track| track.id);
    let one_key = Deduplicate::within(MINUTE).by_payload(|_: &Track| 1);
    vec![
        ("Deduplicate, a new key each time", alone(new_keys)),
        ("Deduplicate, always the same key", alone(one_key)),
        ("Sample, 1 in 10", alone(Sample::one_in(10))),
        ("Sample, 1 in a minute", alone(Sample::one_per(MINUTE))),
        ("Debounce, in a burst", alone(Debounce::new(MINUTE))),
        ("Latest, in a burst", alone(Latest::new(MINUTE))),
        ("Batch of 100", alone(Batch::new(100, MINUTE))),
    ]
}

fn which_watch() -> Vec<Piece> {
    vec![
        ("Inspect", alone(Inspect::new(look))),
        ("Correlation", alone(Correlation::new())),
        ("History", alone(History::new())),
        ("Trace, nobody subscribed", alone(Trace::new())),
    ]
}

/// Pieces that need a feature, and their stacks if it is on.
type Optional = (&'static str, &'static str, Option<Vec<Piece>>);

fn limiting() -> Optional {
    #[cfg(not(feature = "governor"))]
    let pieces = None;
    #[cfg(feature = "governor")]
    let pieces = {
        use sigtree::middleware::{RateLimit, Throttle};
        Some(vec![
            ("RateLimit, not reached", alone(RateLimit::new(1_000_000_000, Duration::from_secs(1)))),
            ("RateLimit, reached", alone(RateLimit::new(1, MINUTE))),
            ("Throttle, in a burst", alone(Throttle::new(MINUTE))),
        ])
    };
    ("RateLimit, Throttle", "governor", pieces)
}

fn timing() -> Optional {
    #[cfg(not(feature = "hdrhistogram"))]
    let pieces = None;
    #[cfg(feature = "hdrhistogram")]
    let pieces = Some(vec![("Latency", alone(sigtree::middleware::Latency::new()))]);
    ("Latency", "hdrhistogram", pieces)
}

fn telling() -> Optional {
    #[cfg(not(feature = "metrics"))]
    let pieces = None;
    #[cfg(feature = "metrics")]
    let pieces = Some(vec![("Metrics, no recorder", alone(sigtree::middleware::Metrics::new()))]);
    ("Metrics", "metrics", pieces)
}

fn serving() -> Optional {
    #[cfg(not(feature = "tower"))]
    let pieces = None;
    #[cfg(feature = "tower")]
    let pieces = {
        use sigtree::middleware::Tower;
        Some(vec![("Tower, around nothing", alone(Tower::layer(tower_layer::Identity::new())))])
    };
    ("Tower", "tower", pieces)
}
