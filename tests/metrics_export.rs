//! The figures of a bus, in Prometheus's words.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use sigtree::middleware::DeadLetter;
use sigtree::{Bus, Clock, Filter, ManualClock, Metering, Queue};

#[test]
fn an_exporter_has_the_rows() {
    let clock = ManualClock::new();
    let bus = Bus::builder().name("radar").clock(clock.clone()).metered(Metering::new()).build();
    bus.layer(DeadLetter::new());
    bus.layer(Filter::payload(|ms: &u64| *ms < 1_000));
    let fail = move |ms: &u64| {
        clock.sleep(Duration::from_millis(*ms));
        if *ms == 80 { Err("too slow") } else { Ok(()) }
    };
    let _work = bus.on("job.*").named("work").connect(fail).unwrap();
    let _queue = bus.on("job.*").named("screen").queue(Queue::bounded(2)).subscribe::<u64>().unwrap();
    for ms in [1_u64, 80, 2, 2_000] {
        bus.emit("job.print", ms);
    }
    assert!(bus.try_emit("a..b", 1_u64).is_err());

    let recorder = PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        bus.metrics().export();
        bus.metrics().export();
    });
    let page = page.render();
    for row in [
        "sigtree_emitted_total{bus=\"radar\"} 4",
        "sigtree_refused_total{bus=\"radar\"} 1",
        "sigtree_dropped_total{bus=\"radar\",reason=\"filtered\"} 1",
        "sigtree_dropped_total{bus=\"radar\",reason=\"newest\"} 1",
        "sigtree_delivered_total{bus=\"radar\",pattern=\"job.*\"} 5",
        "sigtree_failed_total{bus=\"radar\",pattern=\"job.*\"} 1",
        "sigtree_slow_handlers_total{bus=\"radar\",pattern=\"job.*\"} 1",
        "sigtree_dead_letters{bus=\"radar\"} 1",
        "sigtree_queue_depth{bus=\"radar\",pattern=\"job.*\",connection=\"screen\"} 2",
        "sigtree_queue_capacity{bus=\"radar\",pattern=\"job.*\",connection=\"screen\"} 2",
        "sigtree_dispatch_latency_seconds{bus=\"radar\",quantile=\"1\"} 0.08",
        "sigtree_handler_latency_seconds{bus=\"radar\",pattern=\"job.*\",quantile=\"1\"} 0.08",
        "# TYPE sigtree_emitted_total counter",
        "# TYPE sigtree_queue_depth gauge",
    ] {
        assert!(page.lines().any(|line| line == row), "{row}\n\n{page}");
    }
}
