//! A system: the engines of an aircraft design. What one changes the others work out on a pool of threads; a slow or failing one holds up
//! nobody, and questions are answered under the correlation they came with.

mod support;

use std::sync::{Arc, Barrier};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::{Bus, Correlation, Error, Event, History, Priority, Question, WorkerPool};
use support::{boom, quietly};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct ConfigurationChanged {
    mass: f64,
}

fn pool() -> WorkerPool {
    WorkerPool::builder().name("engine").max_workers(4).start().unwrap()
}

#[test]
fn engines_work_side_by_side_and_the_designer_goes_on() -> Result<(), Error> {
    let (bus, pool) = (Bus::new(), pool());
    // Four engines and the designer meet: on fewer threads they would wait for ever.
    let meet = Arc::new(Barrier::new(5));
    let threads = Arc::new(Mutex::new(Vec::new()));
    let engines: Vec<_> = ["materials", "propulsion", "sensors", "aerodynamics"]
        .into_iter()
        .map(|engine| {
            let (meet, threads) = (meet.clone(), threads.clone());
            bus.on("configuration.changed").named(engine).target(engine).on(pool.clone()).connect(
                move |change: &ConfigurationChanged| {
                    assert!(change.mass > 0.0);
                    threads.lock().push(std::thread::current().name().map(String::from));
                    meet.wait();
                },
            )
        })
        .collect::<Result<_, _>>()?;

    let delivery = bus
        .event("configuration.changed")
        .source("design")
        .priority(Priority::High)
        .emit(ConfigurationChanged { mass: 12e3 });
    assert!(delivery.is_held(), "it goes on elsewhere");
    meet.wait();
    pool.drain(MINUTE)?;
    let mut threads = std::mem::take(&mut *threads.lock());
    threads.sort_unstable();
    let names: Vec<_> = threads.iter().flatten().map(String::as_str).collect();
    assert_eq!(names, ["engine-1", "engine-2", "engine-3", "engine-4"]);
    drop(engines);
    pool.stop(MINUTE)
}

#[test]
fn an_engine_that_fails_stops_no_other_and_no_thread() -> Result<(), Error> {
    let (bus, pool) = (Bus::new(), pool());
    let done = Arc::new(Mutex::new(Vec::new()));
    let masses = done.clone();
    let panics = |_: &f64| quietly(|| boom("no engine fits"));
    let _panics = bus.on("configuration").named("propulsion").on(pool.clone()).connect(panics)?;
    let _fails =
        bus.on("configuration").named("sensors").on(pool.clone()).connect(|_: &f64| Err::<(), _>("no power"))?;
    let _works = bus
        .on("configuration")
        .named("materials")
        .serial()
        .on(pool.clone())
        .connect(move |mass: &f64| masses.lock().push(*mass))?;
    (0..100).for_each(|n| drop(bus.emit("configuration", f64::from(n))));
    pool.drain(MINUTE)?;
    assert_eq!(*done.lock(), (0..100).map(f64::from).collect::<Vec<_>>(), "one at a time, in order");
    assert_eq!((bus.failures(), pool.stats().workers), (200, 4));
    Ok(())
}

#[test]
fn questions_are_answered_on_the_pool_under_their_correlation() -> Result<(), Box<dyn std::error::Error>> {
    let (bus, pool) = (Bus::new(), pool());
    bus.layer(Correlation::new());
    let _thrust =
        bus.on("thrust").named("propulsion").on(pool).reply_later(|asked: Question<f64, (f64, String)>| {
            let correlation = asked.event().correlation().unwrap_or("none").to_owned();
            let thrust = **asked.event() * 0.3;
            asked.answer((thrust, correlation));
        })?;
    let (thrust, correlation): (f64, String) =
        bus.request("thrust", 10_000.0_f64).correlation("design-7").timeout(MINUTE).wait()?;
    assert_eq!((thrust, correlation.as_str()), (3_000.0, "design-7"));
    Ok(())
}

#[test]
fn the_last_thousand_events_are_kept() -> Result<(), Error> {
    let bus = Bus::new();
    let history = History::builder().count(1_000).build();
    bus.layer(history.clone());
    let _hears = bus.connect("**", |_: &Event<'_>| {})?;
    (0..1_500_u32).for_each(|n| drop(bus.emit("module.added", n)));
    assert_eq!(history.len(), 1_000);
    Ok(())
}
