//! Whether a bus says that it is well, and why not.

use std::time::Duration;

use sigtree::middleware::DeadLetter;
use sigtree::{Bus, BusConfig, Clock, HealthLimits, HealthReason, ManualClock, Metering, Queue};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_bus_of_which_nothing_is_known_is_healthy() {
    let health = Bus::new().health();
    assert!(health.is_healthy());
    assert_eq!(health.to_string(), "healthy\n");
}

#[test]
fn a_queue_is_to_be_less_than_four_fifths_full() {
    let site = Bus::builder().name("site").build();
    let radar = site.child("radar").unwrap();
    let queue = radar.on("frame").named("screen").queue(Queue::bounded(10)).subscribe::<u32>().unwrap();
    (0..7_u32).for_each(|n| drop(radar.emit("frame", n)));
    assert!(site.health().is_healthy());
    assert!(!site.health_within(&HealthLimits::new().queue_depth(0.7)).is_healthy());
    radar.emit("frame", 7_u32);
    let health = site.health();
    assert!(matches!(health.reasons[..], [HealthReason::QueueDepth { depth: 8, capacity: 10, .. }]), "{health}");
    assert_eq!(
        health.to_string(),
        "unhealthy\nqueue `screen` of `frame` on bus `site.radar`: 8 of 10 wait, 80 % or more\n"
    );
    queue.try_recv().unwrap();
    assert!(site.health().is_healthy());
}

#[cfg(feature = "hdrhistogram")]
#[test]
fn the_95th_percentile_is_to_be_below_100_ms() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).metered(Metering::new()).build();
    let _work = bus.on("job").named("work").connect(move |ms: &u64| clock.sleep(MS(*ms))).unwrap();
    (0..19).for_each(|_| drop(bus.emit("job", 1_u64)));
    bus.emit("job", 500_u64);
    assert!(bus.health().is_healthy(), "one in twenty may be slow: {}", bus.health());
    bus.emit("job", 500_u64);
    let health = bus.health();
    let [HealthReason::Latency { connection: None, p95, .. }, HealthReason::Latency { connection: Some(work), .. }] =
        &health.reasons[..]
    else {
        panic!("{health}");
    };
    assert_eq!((*p95 >= MS(500), &**work), (true, "work"));
    assert!(health.to_string().contains("handler `work` on bus `bus`: 50"), "{health}");
    assert!(bus.health_within(&HealthLimits::new().p95(MS(600))).is_healthy());
    bus.measure(Metering::new());
    assert!(bus.health().is_healthy(), "measured anew, it is as if it had never been slow");
}

#[cfg(feature = "hdrhistogram")]
#[test]
fn a_bus_that_was_slow_recovers() {
    let clock = ManualClock::new();
    let config = BusConfig::new().metrics_interval(MS(60_000));
    let bus = Bus::builder().clock(clock.clone()).config(&config).metered(Metering::new()).build();
    let sleeps = clock.clone();
    let _work = bus.connect("job", move |ms: &u64| sleeps.sleep(MS(*ms))).unwrap();
    (0..50).for_each(|_| drop(bus.emit("job", 200_u64)));
    assert!(!bus.health().is_healthy());
    clock.advance(MS(60_000));
    bus.emit("job", 1_u64);
    assert!(!bus.health().is_healthy(), "the interval before counts, too");
    clock.advance(MS(60_000));
    bus.emit("job", 1_u64);
    assert!(bus.health().is_healthy(), "{}", bus.health());
    assert!(bus.metrics().total.latency.p95 >= Some(MS(200)), "the figures are of all the time");

    bus.reconfigure(&config.metrics_interval(MS(10)));
    bus.emit("job", 200_u64);
    assert!(!bus.health().is_healthy());
    clock.advance(MS(20));
    assert!(bus.health().is_healthy(), "nothing was slow since");
}

#[test]
fn dead_letters_are_a_reason_wherever_they_are_kept() {
    let bus = Bus::new();
    let dead = DeadLetter::new();
    bus.layer(dead.clone());
    let own = DeadLetter::new();
    let fail = |_: &u32| Err::<(), _>("broken");
    let _first = bus.connect("a", fail).unwrap();
    let _second = bus.on("b").middleware(own.clone()).connect(fail).unwrap();
    assert!(bus.health().is_healthy());
    bus.emit("a", 1_u32);
    assert_eq!(bus.health().to_string(), "unhealthy\nbus `bus`: 1 dead letter, more than 0\n");
    bus.emit("b", 1_u32);
    let letters = dead.len() as u64 + own.len() as u64;
    assert!(matches!(bus.health().reasons[..], [HealthReason::DeadLetters { letters: seen, .. }] if seen == letters));
    assert!(bus.health_within(&HealthLimits::new().dead_letters(letters)).is_healthy());
}
