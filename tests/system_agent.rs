//! A system: the modules of an agent on one bus. They take what they choose by type, source or predicate, each in the mode it needs, with
//! priorities, figures, health, settings from the environment, dead letters, and a shutdown that loses nothing.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::middleware::{Backoff, DeadLetter};
use sigtree::{
    Bus, BusConfig, Error, HealthReason, ManualClock, Metering, Mode, Overflow, Priority, Queue, Received, Reliable,
    Subscription,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What the user does.
#[derive(Debug, PartialEq)]
struct RawEvent(&'static str);

/// What the analysis makes of it.
#[derive(Debug, PartialEq)]
struct StateChange(&'static str);

fn seen<T: Copy + Send + Sync + 'static>(events: &Subscription<T>) -> Vec<T> {
    events.drain().map(|event| *event).collect()
}

fn emit_from(bus: &Bus, source: &str, topic: &str, state: &'static str) {
    bus.event(topic).source(sigtree::Source::named(source)).emit(state);
}

#[test]
fn the_environment_decides_sizes_times_and_workers() -> Result<(), Box<dyn std::error::Error>> {
    let vars = [
        ("SKELLY_EVENT_BUS_QUEUE_SIZE", "10000"),
        ("SKELLY_EVENT_BUS_WORKERS", "8"),
        ("SKELLY_EVENT_BUS_TIMEOUT", "7"),
    ];
    let config = BusConfig::new().with_vars("SKELLY_EVENT_BUS", vars)?;
    assert_eq!((config.queue_size, config.workers, config.delivery_timeout), (10_000, 8, 7 * SECOND));

    let bus = Bus::with(&config);
    assert_eq!(bus.pool()?.stats().workers, 8);
    let raw = bus.subscribe::<RawEvent>("raw")?;
    assert_eq!(raw.stats().capacity, 10_000);

    let wrong = BusConfig::new().with_vars("SKELLY_EVENT_BUS", [("SKELLY_EVENT_BUS_WORKERS", "many")]).unwrap_err();
    assert_eq!((wrong.key(), wrong.is_bad_value()), (Some("workers"), true));

    // Settings that change while events wait.
    bus.emit("raw", RawEvent("key"));
    let report = bus.reconfigure(&config.queue_size(20_000).delivery_timeout(10 * SECOND));
    assert_eq!(report.applied(), ["queue_size", "delivery_timeout"]);
    assert_eq!((raw.stats().capacity, raw.len()), (20_000, 1));
    Ok(())
}

#[test]
fn a_module_takes_types_sources_or_what_a_predicate_says() -> Result<(), Error> {
    let bus = Bus::new();
    // By type, whatever the topic; by several types, as the topics they have.
    let raw = bus.subscribe::<RawEvent>("**")?;
    let both: Subscription = bus.subscribe(["raw", "state"])?;
    bus.emit("raw", RawEvent("key"));
    bus.emit("state", StateChange("focused"));
    bus.emit("animation", "wave");
    assert_eq!(raw.len(), 1);
    let names: Vec<_> = both.drain().map(|event| event.topic().to_string()).collect();
    assert_eq!(names, ["raw", "state"]);

    // By one source, or one of several.
    let capture = bus.on("note").from("capture").subscribe::<&str>()?;
    let either = bus.on("note").from("capture").from("analysis").subscribe::<&str>()?;
    for source in ["capture", "analysis", "storage"] {
        emit_from(&bus, source, "note", "ready");
    }
    assert_eq!((capture.len(), either.len()), (1, 2));

    // By a predicate.
    let urgent = bus.on("state").filter(|event| event.priority() >= Priority::High).subscribe::<StateChange>()?;
    bus.emit("state", StateChange("idle"));
    bus.event("state").priority(Priority::High).emit(StateChange("distracted"));
    assert_eq!(*urgent.try_recv().unwrap(), StateChange("distracted"));
    assert!(urgent.is_empty());
    Ok(())
}

#[test]
fn each_module_has_the_mode_it_needs() -> Result<(), Error> {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let fast = bus.on("state").mode(Mode::BestEffort).queue(Queue::bounded(2)).subscribe::<u32>()?;
    let dead = DeadLetter::new();
    let rules = Reliable::new().timeout(5 * SECOND).retries(1).backoff(Backoff::every(SECOND)).dead_letters(&dead);
    let storage = bus.on("state").mode(Mode::Reliable(rules)).subscribe::<u32>()?;
    let screen = bus.on("state").mode(Mode::LatestOnly).subscribe::<u32>()?;
    for state in 1..=3_u32 {
        bus.emit("state", state);
    }

    assert_eq!(seen(&fast), [1, 2], "best effort: what finds no place is lost");
    assert_eq!(fast.stats().dropped_newest, 1);
    assert_eq!(seen(&screen), [3], "latest only");

    // Reliable: done, failed, and taken by somebody who never says anything.
    let takes = || storage.try_recv().expect("an event");
    takes().ack();
    takes().fail("the disk is full");
    let forgotten = takes();
    clock.advance(SECOND);
    takes().ack();
    clock.advance(5 * SECOND);
    clock.advance(SECOND);
    let again = takes();
    assert_eq!((*again, again.attempt()), (3, 2));
    again.fail("the disk is full");
    assert!(!forgotten.ack(), "too late, and told so");

    let letters = dead.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].payload(), letters[0].attempts(), letters[0].error()),
        (Some(&3_u32), 2, Some("the disk is full"))
    );
    let stats = storage.reliable_stats().unwrap();
    assert_eq!((stats.acked, stats.dead, stats.in_flight, stats.waiting), (2, 1, 0, 0));

    // The disk is mended: what is dead is emitted once more.
    dead.replay().run(&bus);
    assert_eq!((*takes(), dead.len()), (3, 0));
    Ok(())
}

#[test]
fn what_is_urgent_is_taken_first() -> Result<(), Error> {
    let bus = Bus::new();
    let interventions = bus.subscribe::<&str>("intervention")?;
    for (priority, name) in
        [(Priority::Low, "tip"), (Priority::Normal, "nudge"), (Priority::High, "break"), (Priority::Critical, "stop")]
    {
        bus.event("intervention").priority(priority).emit(name);
    }
    assert_eq!(seen(&interventions), ["stop", "break", "nudge", "tip"]);
    Ok(())
}

#[test]
fn a_publisher_is_told_which_queue_is_full_and_may_wait() -> Result<(), Error> {
    let bus = Bus::new();
    let queue = Queue::bounded(1).overflow(Overflow::Error);
    let storage = bus.on("raw").named("storage").queue(queue).subscribe::<u32>()?;
    bus.try_emit("raw", 1_u32)?;
    let error = bus.try_emit("raw", 2_u32).unwrap_err();
    let full = error.full_queue().unwrap();
    assert_eq!((error.is_queue_full(), full.name(), full.capacity()), (true, Some("storage"), 1));

    let writer =
        thread::spawn(move || (storage.recv_timeout(MINUTE).map(|n| *n), storage.recv_timeout(MINUTE).map(|n| *n)));
    bus.emit_timeout("raw", 3_u32, MINUTE)?;
    assert_eq!(writer.join().unwrap(), (Ok(1), Ok(3)));
    Ok(())
}

#[test]
fn similar_messages_come_in_batches() -> Result<(), Error> {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let written = Arc::new(Mutex::new(Vec::new()));
    let rows = written.clone();
    let _storage = bus.on("raw").batch(3, SECOND).connect(move |batch: &[Received<u32>]| {
        rows.lock().push(batch.iter().map(|raw| **raw).collect::<Vec<_>>());
    })?;
    (1..=4_u32).for_each(|n| drop(bus.emit("raw", n)));
    clock.advance(SECOND);
    assert_eq!(*written.lock(), [vec![1, 2, 3], vec![4]]);
    Ok(())
}

#[test]
fn figures_say_how_it_goes_and_health_says_what_is_wrong() -> Result<(), Error> {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).metered(Metering::new().every(1)).build();
    let slow = clock.clone();
    let _analysis = bus.on("raw").named("analysis").connect(move |n: &u32| {
        sigtree::Clock::sleep(&slow, Duration::from_millis(200));
        if *n == 9 { Err("nine is too much") } else { Ok(()) }
    })?;
    let screen = bus.on("raw").named("screen").queue(Queue::bounded(10)).subscribe::<u32>()?;
    (0..10_u32).for_each(|n| drop(bus.emit("raw", n)));

    let metrics = bus.metrics();
    let total = &metrics.total;
    assert_eq!((total.emitted, total.delivered, total.failed, total.depth), (10, 20, 1, 10));
    assert!(total.latency.p50.is_some() && total.latency.p99.is_some());
    let slowest = &metrics.buses[0].slow[0];
    assert_eq!((slowest.name.as_deref(), slowest.calls), (Some("analysis"), 10));
    assert!(metrics.to_string().contains("screen"), "{metrics}");

    let health = bus.health();
    let is_full = |reason: &HealthReason| matches!(reason, HealthReason::QueueDepth { depth: 10, .. });
    assert!(health.reasons.iter().any(is_full), "{health}");
    assert!(health.reasons.iter().any(|reason| matches!(reason, HealthReason::Latency { .. })), "{health}");

    screen.drain().for_each(drop);
    bus.measure(Metering::new());
    assert!(bus.health().is_healthy(), "the screen keeps up, and the figures begin anew");
    Ok(())
}

#[test]
fn a_shutdown_refuses_what_comes_and_lets_what_was_accepted_end() -> Result<(), Error> {
    let bus = Bus::new();
    let pause = bus.pause();
    let raw = bus.subscribe::<u32>("raw")?;
    let gone = bus.subscribe::<u32>("raw")?;
    bus.emit("raw", 1_u32);
    bus.start();
    drop(pause);
    drop(gone);
    assert_eq!(bus.connections(), 1, "who unsubscribes is gone");
    bus.emit("raw", 2_u32);

    let storage = thread::spawn(move || raw.into_iter().map(|n| *n).collect::<Vec<_>>());
    let report = bus.shutdown(MINUTE);
    assert!(report.is_clean(), "{report}");
    assert_eq!(storage.join().unwrap(), [1, 2]);
    assert!(bus.try_emit("raw", 3_u32).unwrap_err().is_shutting_down());
    assert!(bus.subscribe::<u32>("raw").unwrap_err().is_shutting_down());
    Ok(())
}
