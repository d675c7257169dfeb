//! Settings come from the environment, from files and from the program, and say which key is wrong, and where.
#![cfg(feature = "config")]

use std::fs;
use std::process::Command;
use std::time::Duration;

use sigtree::middleware::Backoff;
use sigtree::{Bus, BusConfig, ConfigError, ManualClock, Metering, Mode, Overflow, Queue, Reliable, Subscription, sys};

const MINUTE: Duration = Duration::from_secs(60);

fn vars(vars: &[(&str, &str)]) -> Result<BusConfig, ConfigError> {
    BusConfig::new().with_vars("APP", vars.iter().copied())
}

/// What is said of a file with this text, without the name of its directory.
fn file(text: &str) -> Result<BusConfig, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bus.toml");
    fs::write(&path, text).unwrap();
    let error = |error: ConfigError| error.to_string().replace(&format!("{}", path.display()), "bus.toml");
    BusConfig::from_file(&path).map_err(error)
}

#[test]
fn every_key_is_read_from_variables_and_files() {
    let all = BusConfig::new()
        .queue_size(10_000)
        .overflow(Overflow::Block(Duration::from_millis(250)))
        .delivery_timeout(Duration::from_secs(9))
        .retries(0)
        .dead_letters(7)
        .slow_handler(Duration::from_millis(20))
        .metrics_interval(Duration::from_secs(1))
        .workers(8)
        .depth_limit(5)
        .cached_topics(64)
        .max_segments(4)
        .max_bytes(80);
    let text = all.to_string();
    assert_eq!(file(&text).as_ref(), Ok(&all), "{text}");
    let pairs = text.lines().map(|line| line.split_once(" = ").unwrap());
    let named = pairs.map(|(key, value)| (format!("APP_{}", key.to_uppercase()), value.trim_matches('"')));
    assert_eq!(BusConfig::new().with_vars("APP", named).unwrap(), all);
    assert_eq!(file("").unwrap(), BusConfig::default());
}

#[test]
fn variables_of_others_are_left_alone_and_come_over_the_file() {
    let file = file("queue_size = 10_000\nworkers = 2").unwrap();
    let both = file.with_vars("APP", [("APP_WORKERS", "3"), ("APPLE_WORKERS", "x"), ("WORKERS", "y")]).unwrap();
    assert_eq!((both.queue_size, both.workers), (10_000, 3));
}

#[test]
fn times_are_seconds_or_milliseconds() {
    for (text, millis) in [("5", 5_000), ("5s", 5_000), ("0.25 s", 250), ("0.25", 250), ("250ms", 250), ("40 ms", 40)] {
        assert_eq!(vars(&[("APP_TIMEOUT", text)]).unwrap().delivery_timeout, Duration::from_millis(millis));
        assert_eq!(vars(&[("APP_BLOCK_TIMEOUT", text)]).unwrap().block_timeout, Duration::from_millis(millis));
    }
    assert_eq!(file("timeout = 0.5").unwrap().delivery_timeout, Duration::from_millis(500));
}

#[test]
fn a_wrong_variable_is_named_with_what_is_allowed() {
    let error = vars(&[("APP_QUEUE_SIZ", "5")]).unwrap_err();
    assert!(error.is_unknown_key() && !error.is_bad_value());
    assert_eq!(
        error.to_string(),
        "there is no key `queue_siz` for the variable `APP_QUEUE_SIZ`: use one of queue_size, overflow, block_timeout, \
         delivery_timeout, retries, dead_letters, slow_handler, metrics_interval, workers, depth_limit, cached_topics, max_segments, max_bytes"
    );
    for (name, value, allowed) in [
        ("QUEUE_SIZE", "0", "a whole number from 1 on"),
        ("WORKERS", "-3", "a whole number from 1 on"),
        ("DEPTH_LIMIT", "99999999999", "a whole number from 1 on"),
        ("OVERFLOW", "explode", "`drop_newest`, `drop_oldest`, `latest`, `block` or `error`"),
        ("BLOCK_TIMEOUT", "soon", "a number of seconds, such as `5` or `0.25`, or of milliseconds, such as `250ms`"),
        ("BLOCK_TIMEOUT", "-1", "a number of seconds, such as `5` or `0.25`, or of milliseconds, such as `250ms`"),
        ("TIMEOUT", "0", "a number of seconds above 0, or of milliseconds, such as `250ms`"),
        ("RETRIES", "-1", "a whole number"),
    ] {
        let (name, key) = (format!("APP_{name}"), name.to_lowercase());
        let error = vars(&[(&name, value)]).unwrap_err();
        assert!(error.is_bad_value());
        assert_eq!((error.key(), error.origin()), (Some(key.as_str()), format!("the variable `{name}`").as_str()));
        assert_eq!(error.to_string(), format!("`{key}` in the variable `{name}` is `{value}`: it has to be {allowed}"));
    }
}

#[test]
fn a_wrong_line_is_named_with_its_number() {
    assert_eq!(
        file("# sizes\nqueue_size = 'many'").unwrap_err(),
        "`queue_size` in line 2 of the file `bus.toml` is `many`: it has to be a whole number from 1 on"
    );
    assert_eq!(
        file("workers = 2.5").unwrap_err(),
        "`workers` in line 1 of the file `bus.toml` is `2.5`: it has to be a whole number from 1 on"
    );
    let table = file("[bus]\nworkers = 2").unwrap_err();
    assert!(table.starts_with("there is no key `bus` for the file `bus.toml`: use one of queue_size,"), "{table}");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let missing = BusConfig::from_file("no/such/file.toml").unwrap_err();
    assert!(missing.is_unreadable());
    assert!(missing.to_string().starts_with("cannot read the file `no/such/file.toml`: "), "{missing}");
    let broken = file("queue_size = ").unwrap_err();
    assert!(broken.starts_with("cannot read the file `bus.toml`: ") && broken.contains("line 1"), "{broken}");
}

/// The test runs itself, with variables of its own: to set them here would be felt by others.
#[test]
fn the_environment_of_the_process_is_read() {
    if std::env::var_os("SIGTREE_CHILD").is_some() {
        let config = BusConfig::from_env("SKELLY_EVENT_BUS").unwrap();
        assert_eq!((config.queue_size, config.workers), (50_000, 6));
        assert_eq!(config.delivery_timeout, Duration::from_secs(10));
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_environment_of_the_process_is_read"])
        .envs([("SIGTREE_CHILD", "1"), ("SKELLY_EVENT_BUS_QUEUE_SIZE", "50000")])
        .envs([("SKELLY_EVENT_BUS_WORKERS", "6"), ("SKELLY_EVENT_BUS_TIMEOUT", "10")])
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

fn emit_three(bus: &Bus, queue: &Subscription<u32>) -> (u64, u64, u64) {
    (1..=3_u32).for_each(|n| drop(bus.emit("n", n)));
    let stats = queue.stats();
    (stats.dropped_newest, stats.dropped_oldest, stats.received + stats.depth as u64)
}

#[test]
fn a_bus_and_its_children_are_as_configured() {
    let config =
        BusConfig::new().queue_size(2).overflow(Overflow::DropOldest).depth_limit(3).max_segments(2).workers(2);
    let bus = Bus::with(&config);
    assert_eq!(bus.config(), config);
    let queue = bus.subscribe("n").unwrap();
    assert_eq!(emit_three(&bus, &queue), (0, 1, 2));
    assert!(bus.try_emit("a.b.c", 1_u32).unwrap_err().is_bad_name());
    let child = bus.child("child").unwrap();
    assert_eq!(child.subscribe::<u32>("n").unwrap().stats().capacity, 2);
    assert_eq!(child.config().depth_limit, 3);
    assert_eq!(child.pool().unwrap().stats().workers, 2);
    let own = bus.on("n").queue(Queue::bounded(7)).subscribe::<u32>().unwrap();
    assert_eq!(own.stats().capacity, 7);
}

#[test]
fn a_child_says_that_the_pool_is_not_its_own() {
    let bus = Bus::with(&BusConfig::new().workers(1));
    let child = bus.child("child").unwrap();
    let pool = child.pool().unwrap();
    let report = child.reconfigure(&child.config().workers(3));
    assert!(report.applied().is_empty(), "{report}");
    assert_eq!(report.refused().collect::<Vec<_>>(), [("workers", "the pool is that of the bus above")]);
    assert_eq!((pool.stats().workers, child.config().workers), (1, 1));
}

#[test]
fn a_running_bus_takes_over_what_it_can_and_loses_nothing() {
    let bus = Bus::with(&BusConfig::new().queue_size(2).workers(1));
    let pool = bus.pool().unwrap();
    let (waits, own) = (bus.subscribe::<u32>("n").unwrap(), bus.on("n").queue(Queue::bounded(5)).subscribe::<u32>());
    (1..=2_u32).for_each(|n| drop(bus.emit("n", n)));

    let new = bus.config().queue_size(4).workers(3).block_timeout(MINUTE).overflow(Overflow::Error).max_bytes(9);
    let report = bus.reconfigure(&new);
    assert_eq!(report.applied(), ["queue_size", "overflow", "block_timeout", "workers"]);
    let refused: Vec<_> = report.refused().collect();
    assert_eq!(
        refused,
        [("max_bytes", "it is decided when the bus is built"), ("overflow", "queues that are there keep theirs (2)")]
    );
    assert_eq!(
        report.to_string(),
        "changed queue_size, overflow, block_timeout, workers; not max_bytes: it is decided when the bus is built; \
         not overflow: queues that are there keep theirs (2)"
    );
    (3..=5_u32).for_each(|n| drop(bus.emit("n", n)));
    assert_eq!(waits.drain().map(|n| *n).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((own.unwrap().stats().capacity, waits.stats().capacity), (5, 4));
    assert_eq!((pool.stats().workers, pool.stats().queue.capacity), (3, 4));
    assert_eq!(bus.subscribe::<u32>("m").unwrap().stats().capacity, 4);
    assert_eq!(bus.config().max_bytes, 255);
    assert_eq!(bus.reconfigure(&bus.config()).to_string(), "nothing changed");
}

#[test]
fn reliable_subscriptions_go_by_the_bus_now() {
    let (clock, second) = (ManualClock::new(), Duration::from_secs(1));
    let config = BusConfig::new().delivery_timeout(second).retries(1).dead_letters(1);
    let bus = Bus::builder().clock(clock.clone()).config(&config).build();
    let at_once = || Reliable::new().backoff(Backoff::every(Duration::ZERO));
    let queue = bus.on("n").mode(Mode::Reliable(at_once())).subscribe::<u32>().unwrap();
    let own = at_once().timeout(second).retries(0);
    let own = bus.on("n").mode(Mode::Reliable(own)).subscribe::<u32>().unwrap();
    let dead = |queue: &Subscription<u32>| queue.dead_letters().unwrap().stats();
    let runs_out = |queue: &Subscription<u32>, time| {
        let taken = queue.try_recv().unwrap();
        clock.advance(time);
        !taken.ack()
    };

    bus.emit("n", 1_u32);
    assert!(runs_out(&queue, second) && runs_out(&queue, second));
    assert_eq!(dead(&queue).kept, 1);
    bus.emit("n", 2_u32);
    assert!(runs_out(&queue, second) && runs_out(&queue, second));
    assert_eq!((dead(&queue).kept, dead(&queue).evicted), (2, 1));

    let report = bus.reconfigure(&config.delivery_timeout(3 * second).retries(0).dead_letters(9));
    assert_eq!(report.applied(), ["delivery_timeout", "retries", "dead_letters"]);
    bus.emit("n", 3_u32);
    assert!(!runs_out(&queue, second), "there are three seconds now");
    bus.emit("n", 4_u32);
    assert!(runs_out(&queue, 3 * second));
    assert_eq!(dead(&queue).kept, 3, "and no second attempt");
    assert!(runs_out(&own, second));
    assert_eq!(dead(&own).kept, 1, "it goes by its own");
}

#[test]
fn reliable_handlers_go_by_the_bus_now() {
    let (clock, second) = (ManualClock::new(), Duration::from_secs(1));
    let config = BusConfig::new().delivery_timeout(second).retries(1);
    let bus = Bus::builder().clock(clock.clone()).config(&config).build();
    let slow = {
        let clock = clock.clone();
        move |seconds: &u32| {
            clock.advance(*seconds * second);
            Err::<(), _>("out of paper")
        }
    };
    let reliable = Reliable::new().backoff(Backoff::every(second));
    let handler = bus.on("n").mode(Mode::Reliable(reliable)).connect(slow).unwrap();
    let late = bus.subscribe::<sigtree::middleware::HandlerLate>("$sys.late").unwrap();
    let failed = bus.subscribe::<sys::HandlerFailed>("$sys.handler.failed").unwrap();

    bus.emit("n", 2_u32);
    clock.advance(second);
    assert_eq!((late.drain().count(), failed.drain().count()), (2, 1));
    bus.reconfigure(&config.delivery_timeout(3 * second).retries(0));
    bus.emit("n", 2_u32);
    assert_eq!((late.drain().count(), failed.drain().count()), (0, 1));
    drop(handler);
}

#[test]
fn a_measured_bus_calls_those_slow_that_the_bus_does() {
    let (clock, ms) = (ManualClock::new(), Duration::from_millis);
    let bus = Bus::builder().clock(clock.clone()).config(&BusConfig::new().slow_handler(ms(10))).build();
    bus.measure(Metering::new());
    let _takes = bus.connect("n", move |time: &u64| clock.advance(ms(*time))).unwrap();
    let slow = || bus.metrics().buses[0].slow.first().map_or(0, |slow| slow.calls);
    bus.emit("n", 11_u64);
    assert_eq!(slow(), 1);
    bus.reconfigure(&bus.config().slow_handler(ms(30)));
    bus.emit("n", 29_u64);
    assert_eq!(slow(), 1);
    bus.emit("n", 31_u64);
    assert_eq!(slow(), 2);
    bus.measure(Metering::new().slow(ms(5)));
    bus.reconfigure(&bus.config().slow_handler(ms(50)));
    bus.emit("n", 6_u64);
    assert_eq!(slow(), 1, "it goes by its own");
}
