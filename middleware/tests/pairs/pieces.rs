//! Every stock piece as the pairs have it, on a real bus, and what it tells in the end.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;
use sigtree::middleware::{
    Batch, Calls, CircuitBreaker, CircuitState, Clock, Correlation, Counters, DeadLetter, Debounce, Deduplicate, Event,
    Fault, Filter, FlowStats, History, Inspect, Job, Latency, Latest, Letter, ManualClock, Metrics, Offload, Passing,
    RateLimit, Retry, Route, Sample, Scoped, Stack, Throttle, Timeout, Tower, Trace, Transform, Validate,
};
use sigtree::{Bus, Connection};
use tower::service_fn;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{self, Subscriber};

use crate::model::line_of_call;
use crate::script::{
    APART, BATCH, CLOSED, DEADLINE, END, INTERVAL, OPEN, Outcome, QUIET, RATE, TRIES, WINDOW, fails, ms, script,
    turn_after,
};

macro_rules! pieces {
    ($($name:ident)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Piece { $($name),* }

        impl Piece {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

pieces! {
    Batch Calls CircuitBreaker Correlation Counters DeadLetter Debounce Deduplicate Fault Filter History Inspect Latency
    Latest Metrics Offload RateLimit Retry Route Sample Scoped Throttle Timeout Tower Trace Transform Validate
}

/// Asks a piece, in the end, what it has to tell.
type Ask = Box<dyn Fn(&Bus) -> Vec<String>>;

/// A stack with a piece more, and how to ask the piece.
type Added = (Stack, Ask);

impl Piece {
    /// Puts it into a stack.
    fn add_to(self, stack: Stack, book: &Arc<Book>) -> Added {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        match self {
            Self::Filter => {
                let open = |event: &Event<'_>| {
                    !event.payload::<u32>().unwrap().is_multiple_of(5) && !CLOSED.contains(&now(event))
                };
                (stack.with(Filter::new(open)), silent())
            }
            Self::Scoped => {
                let even = Filter::payload(|n: &u32| n.is_multiple_of(2)).reason("odd");
                (stack.with(Scoped::new("b", even).unwrap()), silent())
            }
            Self::Transform => (stack.with(Transform::new(|n: &u32| n + 1)), silent()),
            Self::Correlation => (stack.with(Correlation::new()), silent()),
            Self::Validate => {
                let it = Validate::<u32>::new().rule("too large", |n| *n < 100);
                (stack.with(it.clone()), told(move || format!("refused {}", it.stats().refused)))
            }
            Self::Tower => {
                let called = Arc::new(AtomicU64::new(0));
                let sum = called.clone();
                let service = service_fn(move |passing: Passing<'_>| {
                    ready(match passing.event().payload::<u32>() {
                        Some(n) if n.is_multiple_of(7) => Err("a multiple of seven"),
                        _ => {
                            let tally = passing.run();
                            sum.fetch_add(tally.called.into(), Relaxed);
                            Ok(tally)
                        }
                    })
                });
                (stack.with(Tower::service(service)), told(move || format!("called {}", called.load(Relaxed))))
            }
            Self::Deduplicate => {
                let it = Deduplicate::within(WINDOW).by_payload(|n: &u32| *n);
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::Sample => {
                let it = Sample::one_in(2);
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::Throttle => {
                let it = Throttle::new(APART);
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::RateLimit => {
                let it = RateLimit::new(RATE.0, RATE.1);
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::Debounce => {
                let it = Debounce::new(QUIET);
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::Latest => {
                let it = Latest::new(INTERVAL);
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::Batch => {
                let it = Batch::new(BATCH.0, BATCH.1);
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::Offload => {
                let book = book.clone();
                let it = Offload::to(move |job| {
                    book.jobs.lock().push(job);
                    Ok(())
                });
                (stack.with(it.clone()), flow(move || it.stats()))
            }
            Self::Timeout => {
                let it = Timeout::new(DEADLINE);
                (stack.with(it.clone()), told(move || format!("late {}", it.stats().late)))
            }
            Self::Fault => {
                let it = Fault::seeded(1).duplicate(1.0);
                (stack.with(it.clone()), told(move || format!("duplicated {}", it.stats().duplicated)))
            }
            Self::Route => {
                let it = Route::to_topic("a", "b").unwrap();
                (stack.with(it.clone()), told(move || format!("sent {}", it.stats().sent)))
            }
            Self::Retry => {
                let it = Retry::times(TRIES).every(ms(0));
                let stats = it.clone();
                let stats = move || {
                    let stats = stats.stats();
                    format!("again, recovered, given up: {:?}", [stats.calls, stats.recovered, stats.given_up])
                };
                (stack.with(it), told(stats))
            }
            Self::CircuitBreaker => {
                let it = CircuitBreaker::consecutive(OPEN.0).open_for(OPEN.1);
                let breaker = it.clone();
                let stats = move || {
                    let open = breaker.circuits().iter().filter(|circuit| circuit.state == CircuitState::Open).count();
                    format!("left out {}, open {open}", breaker.stats().left_out)
                };
                (stack.with(it), told(stats))
            }
            Self::DeadLetter => {
                let it = DeadLetter::new().refused();
                let line = |letter: &Letter| {
                    let n: u32 = *letter.payload().unwrap();
                    format!("{n} {}, {}", letter.reason(), letter.attempts())
                };
                let letters = it.clone();
                let letters = move |_: &Bus| {
                    let mut lines: Vec<_> = letters.letters().iter().map(line).collect();
                    lines.sort();
                    lines
                };
                (stack.with(it), Box::new(letters))
            }
            Self::Calls => (stack.with(Calls::new()), Box::new(|bus| vec![calls(bus)])),
            Self::Counters => {
                let it = Counters::new();
                let counters = it.clone();
                let stats = move || {
                    let all = counters.snapshot().all;
                    format!(
                        "emitted {}, called {}, failed {}, skipped {}, filtered {}",
                        all.emitted, all.called, all.failed, all.skipped, all.filtered
                    )
                };
                (stack.with(it), told(stats))
            }
            Self::Latency => {
                let it = Latency::new();
                let latency = it.clone();
                let stats = move || {
                    let snapshot = latency.snapshot();
                    let calls: u64 = snapshot.handlers.iter().map(|(_, times)| times.count).sum();
                    format!("chain {}, calls {calls}", snapshot.chain.count)
                };
                (stack.with(it), told(stats))
            }
            Self::Metrics => {
                let book = book.clone();
                let told = move || {
                    format!(
                        "emitted {}, called {}, failed {}, dropped {}",
                        book.sum("sigtree_emitted_total"),
                        book.sum("sigtree_delivered_total"),
                        book.sum("sigtree_handler_errors_total"),
                        book.sum("sigtree_dropped_total")
                    )
                };
                (stack.with(Metrics::new()), self::told(told))
            }
            Self::Trace => {
                let book = book.clone();
                (stack.with(Trace::new()), told(move || format!("spans {}", book.spans())))
            }
            Self::Inspect => {
                let list = seen.clone();
                let look = Inspect::new(move |event: &Event<'_>| {
                    let n: u32 = *event.payload().unwrap();
                    list.lock().push(format!("{} {n}", event.topic()));
                });
                (stack.with(look), Box::new(move |_| seen.lock().clone()))
            }
            Self::History => {
                let it = History::new();
                let history = it.clone();
                let lines = move |_: &Bus| {
                    let entries = history.entries().into_iter();
                    let number = |entry: &sigtree::middleware::Entry| *entry.payload::<u32>().unwrap();
                    entries.map(|entry| format!("{} {}", entry.topic(), number(&entry))).collect()
                };
                (stack.with(it), Box::new(lines))
            }
        }
    }
}

fn silent() -> Ask {
    Box::new(|_| vec![])
}

fn told(line: impl Fn() -> String + 'static) -> Ask {
    Box::new(move |_| vec![line()])
}

fn flow(stats: impl Fn() -> FlowStats + 'static) -> Ask {
    told(move || {
        let stats = stats();
        assert_eq!((stats.held, stats.early, stats.forgotten), (0, 0, 0));
        format!("passed {}, dropped {}", stats.passed, stats.dropped)
    })
}

fn calls(bus: &Bus) -> String {
    let inspection = bus.inspect();
    let calls = || inspection.connections().filter_map(|connection| connection.calls);
    let (called, failed): (u64, u64) = (calls().map(|c| c.calls).sum(), calls().map(|c| c.failures).sum());
    format!("called {called}, failed {failed}")
}

/// Plays the script to a bus with the two pieces.
pub(crate) fn outcome(pair: [Piece; 2]) -> Outcome {
    let book = Arc::new(Book { told_by: 1 + u64::from(pair[0] == pair[1]), ..Book::default() });
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let (stack, first) = pair[0].add_to(Stack::new(), &book);
    let (stack, second) = pair[1].add_to(stack, &book);
    bus.set_stack(stack);
    let handlers = Arc::default();
    let _connections = connect(&bus, &handlers);
    let at_once = listened(pair, &book, || play(&bus, &clock, &book));
    let handlers = handlers.lock().clone();
    Outcome { handlers, failures: bus.failures(), at_once, pieces: [first(&bus), second(&bus)] }
}

fn connect(bus: &Bus, calls: &Arc<Mutex<Vec<String>>>) -> [Connection; 2] {
    let note = |handler: usize| {
        let calls = calls.clone();
        move |n: u32, event: &Event<'_>| {
            let (topic, tied, now) = (event.topic().as_str(), event.correlation().is_some(), now(event));
            calls.lock().push(line_of_call(handler, now, topic, n, tied, event.deadline()));
        }
    };
    let (first, second) = (note(0), note(1));
    let earlier: Mutex<BTreeMap<u32, AtomicU32>> = Mutex::default();
    let moody = move |n: &u32, event: &Event<'_>| {
        second(*n, event);
        let calls = earlier.lock().entry(*n).or_default().fetch_add(1, Relaxed);
        if fails(*n, calls) { Err("no") } else { Ok(()) }
    };
    [bus.connect("*", move |n: &u32, event: &Event<'_>| first(*n, event)).unwrap(), bus.connect("*", moody).unwrap()]
}

fn now(event: &Event<'_>) -> Duration {
    event.emission().host().clock().elapsed()
}

/// How many handlers were called before `emit` returned.
fn play(bus: &Bus, clock: &ManualClock, book: &Book) -> usize {
    let mut at_once = 0;
    for (at, topic, n) in script() {
        wait(at, clock, book);
        at_once += bus.emit(topic, n).called();
    }
    wait(END, clock, book);
    bus.flush();
    book.run_jobs();
    assert!(book.jobs.lock().is_empty(), "what is on its way at the end is on its last");
    at_once
}

/// Lets time pass, and runs the jobs whenever it is their turn.
fn wait(until: Duration, clock: &ManualClock, book: &Book) {
    let mut turn = turn_after(clock.elapsed());
    while turn <= until {
        clock.advance(turn - clock.elapsed());
        book.run_jobs();
        turn = turn_after(turn);
    }
    clock.advance(until - clock.elapsed());
}

/// What the `metrics` facade and `tracing` are told, and the jobs of an executor.
#[derive(Default)]
pub(crate) struct Book {
    lines: Mutex<BTreeMap<String, Arc<Line>>>,
    spans: AtomicU64,
    jobs: Mutex<Vec<Job>>,
    /// How many tell the same: a piece that stands twice.
    told_by: u64,
}

#[derive(Default)]
struct Line(AtomicU64);

/// Runs with listeners for those pieces that tell somebody else.
fn listened<R>(pair: [Piece; 2], book: &Arc<Book>, run: impl FnOnce() -> R) -> R {
    let run = || match pair.contains(&Piece::Metrics) {
        true => metrics::with_local_recorder(&**book, run),
        false => run(),
    };
    match pair.contains(&Piece::Trace) {
        true => subscriber::with_default(Spans(book.clone()), run),
        false => run(),
    }
}

impl Book {
    fn sum(&self, name: &str) -> u64 {
        self.lines.lock().get(name).map_or(0, |line| line.0.load(Relaxed)) / self.told_by
    }

    fn spans(&self) -> u64 {
        self.spans.load(Relaxed) / self.told_by
    }

    /// Runs those that are there, the newest first: an executor owes nobody an order.
    fn run_jobs(&self) {
        let jobs = std::mem::take(&mut *self.jobs.lock());
        jobs.into_iter().rev().for_each(Job::run);
    }
}

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.lines.lock().entry(key.name().to_owned()).or_default().clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Counts the spans around emits.
struct Spans(Arc<Book>);

impl Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "sigtree::middleware"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let is_emit = span.metadata().name() == "emit";
        self.0.spans.fetch_add(is_emit.into(), Relaxed);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
