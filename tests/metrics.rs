//! What a measured bus counts and times.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sigtree::metrics::{BusMetrics, Figures, PatternMetrics, TopicMetrics};
use sigtree::middleware::Counters;
use sigtree::{
    Bus, Clock, ConnectionSet, Event, Filter, Mailbox, ManualClock, Metering, Mode, Overflow, Queue, Reliable,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn measured() -> Bus {
    Bus::builder().metered(Metering::new()).build()
}

fn own(bus: &Bus) -> BusMetrics {
    bus.metrics().buses.remove(0)
}

fn topic(seen: &BusMetrics, name: &str) -> Figures {
    let find = |topic: &&TopicMetrics| topic.topic.as_deref() == Some(name);
    seen.topics.iter().find(find).map(|topic| topic.figures).unwrap_or_default()
}

fn pattern<'s>(seen: &'s BusMetrics, name: &str) -> &'s PatternMetrics {
    seen.patterns.iter().find(|pattern| pattern.pattern.as_str() == name).expect("a pattern with handlers")
}

#[test]
fn few_events_are_counted_one_by_one() {
    let bus = measured();
    bus.layer(Filter::payload(|n: &u32| *n < 100));
    let _log = bus.on("job.*").named("log").connect(|_: &Event<'_>| {}).unwrap();
    let _work = bus.on("job.print").connect(|n: &u32| if *n == 7 { Err("no sevens") } else { Ok(()) }).unwrap();
    let _panics = bus.connect("job.*", |n: &u32| assert_ne!(*n, 8, "no eights")).unwrap();
    for n in [1_u32, 7, 8, 100] {
        bus.emit("job.print", n);
    }
    bus.emit("job.copy", 1_u32);
    bus.emit("nobody", 1_u32);

    let seen = own(&bus);
    let print = topic(&seen, "job.print");
    assert_eq!((print.emitted, print.delivered, print.failed, print.filtered), (4, 9, 2, 1));
    let copy = topic(&seen, "job.copy");
    assert_eq!((copy.emitted, copy.delivered, copy.failed, copy.filtered), (1, 2, 0, 0));
    let wild = pattern(&seen, "job.*");
    assert_eq!((wild.figures.emitted, wild.figures.delivered, wild.figures.failed), (4, 8, 1));
    assert_eq!(wild.connections[0].name.as_deref(), Some("log"));
    assert_eq!((wild.connections[0].delivered, wild.connections[0].failed), (4, 0));
    assert_eq!((wild.connections[1].delivered, wild.connections[1].failed), (4, 1));
    let exact = pattern(&seen, "job.print");
    assert_eq!((exact.figures.emitted, exact.figures.delivered, exact.connections[0].failed), (3, 3, 1));
    assert_eq!((seen.total.emitted, seen.total.delivered, seen.total.failed, seen.total.filtered), (5, 11, 2, 1));
}

#[test]
fn what_conditions_and_layers_of_a_connection_keep_from_it_is_counted() {
    let bus = Bus::builder().metered(Metering::new().every(1)).build();
    let few = |n: &u32| *n < 2;
    let _from = bus.on("job").named("from").from("radar").connect(|_: &u32| {}).unwrap();
    let _own = bus.on("job").named("own").middleware(Filter::payload(few)).connect(|_: &u32| {}).unwrap();
    let mailbox = Mailbox::new();
    let behind = bus.on("job").named("behind").middleware(Filter::payload(few)).on(mailbox.clone());
    let _behind = behind.connect(|_: &u32| {}).unwrap();
    // What its queue has no place for is dropped, and what another layer holds comes later: neither is filtered.
    let full = bus.on("job").named("full").filter_payload(|n: &u32| *n > 0).queue(Queue::bounded(2));
    let _full = full.subscribe::<u32>().unwrap();
    let _wild = bus.on("*").filter_payload(few).subscribe::<u32>().unwrap();
    for n in 0..2_000_u32 {
        bus.emit("job", n);
    }
    while mailbox.run_one() {}

    let seen = own(&bus);
    let exact = pattern(&seen, "job");
    let of = |name: &str| exact.connections.iter().find(|seen| seen.name.as_deref() == Some(name)).unwrap();
    let counts = |name: &str| (of(name).delivered, of(name).filtered);
    assert_eq!((counts("from"), counts("own"), counts("full")), ((0, 2_000), (2, 1_998), (2, 1)));
    assert_eq!(of("full").queue.unwrap().dropped_newest, 1_997);
    // Of the 1,024 that the mailbox ran the layer behind it let two by; what it refused is ended by the connection's own layer, too.
    assert_eq!((counts("behind"), mailbox.stats().received), ((2, 1_998), 1_024));
    assert_eq!((exact.figures.filtered, exact.figures.delivered), (2_000 + 1_998 + 1 + 1_998, 6));
    assert_eq!(pattern(&seen, "*").figures.filtered, 1_998);
    // A topic has the figures of the queues that are its own, and no others; what its bus's layers ended is another count.
    let job = topic(&seen, "job");
    assert_eq!((job.dropped, job.depth, job.filtered), (1_997, 2, 0));
    assert_eq!((seen.total.dropped, seen.total.depth), (1_997, 4));
}

#[test]
fn queues_of_topics_beyond_the_room_count_for_the_others() {
    let bus = Bus::builder().metered(Metering::new().room(1)).build();
    let _queues = ["a", "b", "c"].map(|topic| bus.on(topic).queue(Queue::bounded(1)).subscribe::<u32>().unwrap());
    ["a", "b", "b", "c"].into_iter().for_each(|topic| drop(bus.emit(topic, 1_u32)));
    let seen = own(&bus);
    let figures: Vec<_> = seen.topics.iter().map(|of| (of.topic.as_deref(), of.figures)).collect();
    let counts = figures.iter().map(|(topic, of)| (*topic, of.emitted, of.dropped, of.depth));
    assert_eq!(counts.collect::<Vec<_>>(), [(Some("a"), 1, 0, 1), (None, 3, 1, 2)]);
}

/// Every way an emit can go: one quiet handler, several, loud ones, by name, by signal, pinned, from below.
#[test]
fn every_way_is_counted() {
    let site = measured();
    let radar = site.child("radar").unwrap();
    let _above = site.connect("radar.**", |_: &u32| {}).unwrap();
    let signal = radar.signal::<u32>("track").unwrap();
    let one = signal.connect(|_| {}).unwrap();
    let emit_all = || {
        radar.emit("track", 1_u32);
        radar.emit("track", 1_u32);
        signal.emit(1);
        signal.pin().emit(1);
        radar.event("track").emit(1_u32);
    };
    emit_all();
    let two = signal.connect(|_| {}).unwrap();
    emit_all();
    let loud = signal.on().priority(3).connect(|_: &Event<'_>| {}).unwrap();
    emit_all();
    radar.layer(Counters::new());
    emit_all();
    let below = own(&radar);
    assert_eq!(topic(&below, "track").emitted, 20);
    assert_eq!(topic(&below, "track").delivered, 5 + 10 + 15 + 15);
    assert_eq!(pattern(&below, "track").figures.emitted, 20);
    let connections: Vec<_> = pattern(&below, "track").connections.iter().map(|one| one.delivered).collect();
    assert_eq!(connections, [10, 20, 15]);
    let all = site.metrics();
    assert_eq!(topic(&all.buses[0], "radar.track").emitted, 20);
    assert_eq!((all.total.emitted, all.buses.len()), (40, 2));
    drop((one, two, loud));
    assert_eq!(topic(&own(&radar), "track").emitted, 20, "what was counted stays");
}

#[test]
fn events_are_counted_exactly_while_handlers_come_and_go() {
    let (threads, each) = (4_u64, 10_000_u64);
    let bus = measured();
    let _stays = bus.connect("**", |_: &u64| {}).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let emitters: Vec<_> = (0..threads)
            .map(|thread| {
                let bus = &bus;
                scope.spawn(move || (0..each).for_each(|n| drop(bus.emit(["a", "b.c"][(n + thread) as usize % 2], n))))
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let connections: ConnectionSet = ["a", "b.*", "*.c"]
                    .map(|pattern| bus.connect(pattern, |_: &u64| {}).unwrap())
                    .into_iter()
                    .collect();
                std::hint::black_box(bus.metrics());
                drop(connections);
            }
        });
        emitters.into_iter().for_each(|emitter| emitter.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    let seen = own(&bus);
    let half = threads * each / 2;
    assert_eq!((topic(&seen, "a").emitted, topic(&seen, "b.c").emitted), (half, half));
    assert_eq!(pattern(&seen, "**").figures.emitted, 2 * half);
}

#[test]
fn many_events_are_estimated_well_and_with_every_one_exactly() {
    let run = |metering: Metering| {
        let bus = Bus::builder().metered(metering).build();
        let _two = [(); 2].map(|()| bus.connect("n", |_: &u64| {}).unwrap());
        let signal = bus.signal::<u64>("n").unwrap();
        (0..200_000).for_each(|n| drop(signal.emit(n)));
        own(&bus).total
    };
    let exact = run(Metering::new().every(1));
    assert_eq!((exact.emitted, exact.delivered, exact.latency.measured), (200_000, 400_000, 200_000));
    let estimated = run(Metering::new());
    assert_eq!(estimated.emitted, 200_000);
    assert!((385_000..=400_000).contains(&estimated.delivered), "{}", estimated.delivered);
    assert!((400..3_000).contains(&estimated.latency.measured), "{}", estimated.latency.measured);
}

#[test]
fn latency_is_of_handlers_and_of_all_of_them_together() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).metered(Metering::new().every(1)).build();
    let (fast, slow) = (clock.clone(), clock);
    let _fast = bus.connect("job.*", move |_: &u64| fast.sleep(MS(1))).unwrap();
    let _slow = bus.connect("job.print", move |ms: &u64| slow.sleep(MS(*ms))).unwrap();
    (1..=100_u64).for_each(|ms| drop(bus.emit("job.print", ms)));

    let seen = own(&bus);
    let (fast, slow) = (pattern(&seen, "job.*").figures.latency, pattern(&seen, "job.print").figures.latency);
    assert_eq!((fast.max, slow.max, slow.mean), (MS(1), MS(100), Duration::from_micros(50_500)));
    let mut of_connection = pattern(&seen, "job.print").connections[0].latency;
    assert_eq!(of_connection.recent_p95.take().is_some(), cfg!(feature = "hdrhistogram"));
    assert_eq!(of_connection, slow);
    let together = topic(&seen, "job.print").latency;
    let mut of_bus = seen.total.latency;
    assert_eq!(of_bus.recent_p95.take().is_some(), cfg!(feature = "hdrhistogram"));
    assert_eq!((together.max, together.measured, of_bus), (MS(101), 100, together));
    if cfg!(feature = "hdrhistogram") {
        let near = |time: Option<Duration>, ms| time.is_some_and(|time| time >= MS(ms) && time <= MS(ms) * 101 / 100);
        let all = [(slow.p50, 50), (slow.p95, 95), (slow.p99, 99), (together.p95, 96)];
        assert!(all.into_iter().all(|(time, ms)| near(time, ms)), "{all:?}");
    }
}

#[test]
fn the_slowest_handlers_are_told_by_name_and_call_site() {
    let clock = ManualClock::new();
    let metering = Metering::new().slow(MS(10)).slowest(2);
    let bus = Bus::builder().clock(clock.clone()).metered(metering).build();
    let handler =
        |clock: ManualClock| move |ms: &[u64; 3], event: &Event<'_>| clock.sleep(MS(ms[event.topic().len() - 3]));
    let line = line!() + 1;
    let connect = |name: &str| bus.on("job").named(name).connect(handler(clock.clone()));
    let _three = ["a", "b", "c"].map(|name| connect(name).unwrap());
    bus.emit("job", [10_u64; 3]);
    assert_eq!(own(&bus).slow, [], "at most the threshold is not slow");
    bus.emit("job", [20_u64; 3]);
    let two = bus
        .on("jobs")
        .connect({
            let clock = clock.clone();
            move |ms: &u64| clock.sleep(MS(*ms))
        })
        .unwrap();
    [90_u64, 30].into_iter().for_each(|ms| drop(bus.emit("jobs", ms)));
    drop(two);

    let slow = own(&bus).slow;
    assert_eq!((slow.len(), slow[0].pattern.as_str(), slow[0].name.as_deref()), (2, "jobs", None));
    assert_eq!((slow[0].calls, slow[0].worst, slow[0].last), (2, MS(90), MS(30)));
    assert_eq!((slow[1].calls, slow[1].worst, slow[1].site.file(), slow[1].site.line()), (1, MS(20), file!(), line));
    assert!(slow[0].to_string().ends_with("2 calls, 90.0ms at worst, 30.0ms lately"), "{}", slow[0]);
}

#[test]
fn topics_beyond_the_room_share_a_row() {
    let bus = Bus::builder().metered(Metering::new().room(2)).build();
    let _all = bus.connect("job.*", |_: &u32| {}).unwrap();
    for n in 0..1_000 {
        bus.emit(format!("job.n{n}"), 1_u32);
    }
    let seen = own(&bus);
    let topics: Vec<_> = seen.topics.iter().map(|topic| (topic.topic.as_deref(), topic.figures.emitted)).collect();
    assert_eq!(topics, [(Some("job.n0"), 1), (Some("job.n1"), 1), (None, 998)]);
    assert_eq!(pattern(&seen, "job.*").figures.emitted, 1_000);
    assert!(bus.metrics().to_string().contains("  other topics"));
}

#[test]
fn many_patterns_on_one_topic_are_counted_while_they_change() {
    let bus = measured();
    let mut connections: Vec<_> =
        (0..100).map(|n| bus.connect([format!("a.b{n}"), "a.b".into()], |_: &u32| {}).unwrap()).collect();
    for left in (90..100).rev() {
        bus.emit("a.b", 1_u32);
        connections.truncate(left);
    }
    bus.emit("a.b", 1_u32);
    let seen = own(&bus);
    assert_eq!(topic(&seen, "a.b").emitted, 11);
    assert_eq!(topic(&seen, "a.b").delivered, (90..=100).sum::<u64>());
    assert_eq!(seen.patterns.iter().map(|pattern| pattern.figures.emitted).max(), Some(11));
}

#[test]
fn measuring_is_switched_on_and_off_for_a_tree() {
    let site = Bus::new();
    let radar = site.child("radar").unwrap();
    let _handler = radar.connect("track", |_: &u32| {}).unwrap();
    let emit = || (0..3).for_each(|_| drop(radar.emit("track", 1_u32)));
    emit();
    assert!(site.metrics().buses.iter().all(|bus| !bus.measured && bus.topics.is_empty()));
    site.measure(Metering::new());
    emit();
    assert!(site.metrics().buses.iter().all(|bus| bus.measured));
    assert_eq!(site.metrics().total.emitted, 3);
    assert!(own(&site.child("later").unwrap()).measured, "children that are made later are measured too");
    site.measure(Metering::new());
    assert_eq!(site.metrics().total.emitted, 0, "figures start at nought");
    emit();
    site.stop_measuring();
    emit();
    assert_eq!((site.metrics().total.emitted, own(&radar).measured), (0, false));
}

#[test]
fn queues_are_seen_whether_a_bus_is_measured_or_not() {
    let bus = Bus::new();
    let queue = bus.on("frame.*").named("screen").queue(Queue::bounded(2)).subscribe::<u32>().unwrap();
    (0..5_u32).for_each(|n| drop(bus.emit("frame.new", n)));
    queue.try_recv().unwrap();
    let seen = own(&bus);
    assert_eq!((seen.total.dropped, seen.total.depth), (3, 1));
    assert_eq!(pattern(&seen, "frame.*").connections[0].queue, Some(queue.stats()));
    let table = bus.metrics().to_string();
    let line = table.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!((line[0], &line[2..]), ("`screen`", &["-", "0", "0", "3", "-", "1/2", "-", "-", "-", "-"][..]));

    // The same in an inspection.
    let inspection = bus.inspect();
    assert_eq!(inspection.connections().next().unwrap().queue, Some(queue.stats()));
    let words = "queue, 1 of 2 wait, 2 at most; 1 received, 3 dropped";
    assert!(inspection.to_string().contains(&format!("; {words}\n")), "{inspection}");
    assert!(inspection.to_dot().contains(&format!("\\n{words}")), "{}", inspection.to_dot());
    assert!(bus.explain("frame.new").unwrap().to_string().contains(words));
    drop(queue);
    assert_eq!(own(&bus).total.depth, 0);
}

#[test]
fn what_a_queue_alone_on_its_topic_is_given_counts_once_whatever_becomes_of_it() {
    for every in [1, 1_000] {
        let bus = Bus::builder().metered(Metering::new().every(every)).build();
        let queue = bus.on("n").queue(Queue::bounded(1).overflow(Overflow::Error)).subscribe::<u32>().unwrap();
        (0..200_u32).for_each(|n| drop(bus.emit("n", n)));
        let of = topic(&own(&bus), "n");
        assert_eq!((of.emitted, of.failed, queue.stats().dropped_newest), (200, 199, 199), "one in {every}");
        if every == 1 {
            assert_eq!(of.delivered, 200);
        }
    }
}

/// Its end panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "as told");
    }
}

#[test]
fn an_event_counts_though_the_one_that_gave_place_to_it_panics() {
    let bus = measured();
    let queue = bus.on("n").queue(Queue::bounded(1).overflow(Overflow::DropOldest)).subscribe::<Bomb>().unwrap();
    let emit = || drop(support::quietly(|| bus.emit("n", Bomb)));
    (0..300).for_each(|_| emit());
    let of = topic(&own(&bus), "n");
    assert_eq!((of.emitted, of.failed, queue.stats().dropped_oldest), (300, 299, 299));
    std::mem::forget(queue.try_recv().unwrap().into_shared());
}

#[test]
fn the_bus_s_pool_is_seen_when_it_runs() {
    let bus = measured();
    assert_eq!(own(&bus).pool, None);
    let pool = bus.pool().unwrap();
    let _work = bus.on("n").on(pool.clone()).connect(|n: &u32| assert!(*n < 3, "no threes")).unwrap();
    (1..=3_u32).for_each(|n| drop(bus.emit("n", n)));
    pool.drain(Duration::from_secs(60)).unwrap();
    let seen = own(&bus).pool.unwrap();
    assert_eq!((seen.run, seen.queue.depth, seen), (3, 0, pool.stats()));
    let table = bus.metrics().to_string();
    let line = table.lines().find(|line| line.trim().starts_with("pool")).unwrap();
    assert_eq!(line.split_whitespace().take(7).collect::<Vec<_>>(), ["pool", "-", "3", "0", "0", "-", "0/1024"]);
}

#[test]
fn a_reliable_connection_s_dead_letters_are_seen() {
    let bus = Bus::new();
    let reliable = Mode::Reliable(Reliable::new().retries(0));
    let queue = bus.on("n").mode(reliable).subscribe::<u32>().unwrap();
    let _plain = bus.subscribe::<u32>("n").unwrap();
    bus.emit("n", 1_u32);
    queue.try_recv().unwrap().fail("broken");
    let seen = own(&bus);
    let dead: Vec<_> = pattern(&seen, "n").connections.iter().map(|connection| connection.dead_letters).collect();
    assert_eq!((dead, seen.dead_letters), (vec![Some(1), None], 1));
}

#[test]
fn what_a_mailbox_runs_counts_when_it_runs() {
    let bus = measured();
    let mailbox = Mailbox::new();
    let _work = bus.on("job").on(mailbox.clone()).connect(|_: &u32| {}).unwrap();
    (0..3_u32).for_each(|n| drop(bus.emit("job", n)));
    assert_eq!(pattern(&own(&bus), "job").figures.delivered, 0);
    assert_eq!(mailbox.drain(), 3);
    let seen = own(&bus);
    let job = pattern(&seen, "job");
    assert_eq!((job.figures.emitted, job.figures.delivered, job.connections[0].delivered), (3, 3, 3));
}

/// A handler must not be kept alive by the figures, nor the bus.
#[test]
fn figures_keep_nothing_alive() {
    let bus = measured();
    let shared = std::sync::Arc::new(());
    let kept = shared.clone();
    let connection = bus
        .connect("n", move |_: &u32| {
            let _ = &kept;
        })
        .unwrap();
    bus.emit("n", 1_u32);
    bus.emit("n", 1_u32);
    connection.disconnect_wait(MS(10_000)).unwrap();
    assert_eq!(std::sync::Arc::strong_count(&shared), 1);
    let weak = bus.downgrade();
    drop(bus);
    assert!(weak.upgrade().is_none());
}

#[test]
fn it_prints_as_a_table() {
    let clock = ManualClock::new();
    let site = Bus::builder().name("site").clock(clock.clone()).metered(Metering::new()).build();
    let radar = site.child("radar").unwrap();
    let line = line!() + 1;
    let _work = radar.on("track").named("work").connect(move |ms: &u64| clock.sleep(MS(*ms))).unwrap();
    [1_u64, 60].into_iter().for_each(|ms| drop(radar.emit("track", ms)));
    let table = site.metrics().to_string();
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["emitted", "delivered", "failed", "dropped", "filtered", "depth", "p50", "p95", "p99", "max"]);
    assert_eq!(rows[1][..7], ["all", "2", "2", "0", "0", "0", "0"][..]);
    assert_eq!(rows[2][..4], ["bus", "`site`", "0", "0"]);
    assert_eq!(rows[3][..4], ["bus", "`site.radar`", "2", "2"]);
    assert_eq!(rows[4][..8], ["topic", "`track`", "2", "2", "0", "0", "0", "0"]);
    assert_eq!(rows[5][..8], ["pattern", "`track`", "2", "2", "0", "0", "0", "0"]);
    assert_eq!(rows[6][..4], ["`work`", &*format!("{}:{line}", file!()), "-", "2"]);
    assert_eq!(rows[6].last(), Some(&"60.0ms"));
    assert_eq!(
        table.lines().last().unwrap(),
        format!("slow: `work` of `track` ({}:{line}): 1 call, 60.0ms at worst, 60.0ms lately", file!())
    );
    let widths: std::collections::HashSet<_> = table.lines().take(7).map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 1, "{table}");
}

#[cfg(feature = "serde")]
#[test]
fn it_is_serialized() {
    let bus = measured();
    let _queue = bus.on("frame").subscribe::<u32>().unwrap();
    bus.emit("frame", 1_u32);
    let json = serde_json::to_value(bus.metrics()).unwrap();
    let own = &json["buses"][0];
    assert_eq!((&own["topics"][0]["topic"], &own["topics"][0]["figures"]["emitted"]), (&"frame".into(), &1.into()));
    let connection = &own["patterns"][0]["connections"][0];
    assert_eq!((&connection["queue"]["depth"], &connection["delivered"]), (&1.into(), &1.into()));
    assert!(connection["site"].as_str().unwrap().contains("tests/metrics.rs:"));
    assert_eq!(serde_json::to_value(bus.inspect()).unwrap()["patterns"][0]["connections"][0]["queue"]["depth"], 1);
}

#[test]
fn failures_that_come_after_the_call_are_the_connections_too() {
    let bus = measured();
    let _batches =
        bus.on("row").batch(1, MS(60_000)).connect(|_: &[sigtree::Received<u32>]| Err("the disk is full")).unwrap();
    bus.emit("row", 1_u32);
    let seen = own(&bus);
    assert_eq!((seen.total.failed, pattern(&seen, "row").figures.failed), (1, 1));
    assert_eq!(pattern(&seen, "row").connections[0].failed, 1);
    assert_eq!(bus.inspect().connections().next().unwrap().failures, 1);
}

#[cfg(feature = "async")]
mod async_handlers {
    use sigtree::Received;

    use super::*;

    async fn fails(n: Received<u32>) -> Result<(), &'static str> {
        if *n == 0 { Ok(()) } else { Err("the network is down") }
    }

    #[test]
    fn failures_of_async_handlers_are_the_connections_too() {
        let bus = Bus::builder().metered(Metering::new()).spawner(pollster::block_on::<sigtree::Task>).build();
        let reliable = Reliable::new().retries(0);
        let _connections = ConnectionSet::from_iter([
            bus.on("plain").connect_async(fails).unwrap(),
            bus.on("serial").serial().connect_async(fails).unwrap(),
            bus.on("latest").mode(Mode::LatestOnly).connect_async(fails).unwrap(),
            bus.on("reliable").mode(Mode::Reliable(reliable)).connect_async(fails).unwrap(),
            bus.on("waited").connect_async(fails).unwrap(),
            bus.reply_async("asked", |n: Received<u32>| async move { assert_eq!(*n, 0) }).unwrap(),
        ]);
        for topic in ["plain", "serial", "latest", "reliable"] {
            bus.emit(topic, 0_u32);
            bus.emit(topic, 1_u32);
        }
        pollster::block_on(bus.emit_and_wait("waited", 1_u32));
        assert!(bus.request::<u32, ()>("asked", 1).wait().unwrap_err().is_failed());

        let seen = own(&bus);
        for topic in ["plain", "serial", "latest", "reliable", "waited", "asked"] {
            let figures = pattern(&seen, topic);
            assert_eq!((figures.figures.failed, figures.connections[0].failed), (1, 1), "{topic}");
        }
        assert_eq!(seen.total.failed, 6);
        assert!(bus.inspect().connections().all(|connection| connection.failures == 1));
    }
}

#[test]
fn what_newer_events_replaced_before_a_handler_was_called_is_dropped() {
    let bus = Bus::new();
    let later = Mailbox::new();
    let _newest = bus.on("frame").on(later.clone()).mode(Mode::LatestOnly).connect(|_: &u32| {}).unwrap();
    let _all = bus.connect("frame", |_: &u32| {}).unwrap();
    (1..=5_u32).for_each(|n| drop(bus.emit("frame", n)));
    let seen = own(&bus);
    let replaced: Vec<_> = pattern(&seen, "frame").connections.iter().map(|connection| connection.replaced).collect();
    assert_eq!(replaced, [Some(4), None]);
    assert_eq!((pattern(&seen, "frame").figures.dropped, seen.total.dropped), (4, 4));
    assert_eq!(later.drain(), 1);
    assert_eq!(own(&bus).total.dropped, 4);
}
