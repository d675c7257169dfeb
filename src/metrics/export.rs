//! Figures for the `metrics` facade.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::{BusMetrics, Latency, MetricsSnapshot, PatternMetrics};

impl MetricsSnapshot {
    /// Tells the [`metrics`](https://docs.rs/metrics) facade, for an exporter such as Prometheus's: call it on each scrape, or
    /// every few seconds.
    ///
    /// | metric | labels | what it is |
    /// |---|---|---|
    /// | `sigtree_emitted_total` | `bus` | events |
    /// | `sigtree_delivered_total` | `bus`, `pattern` | calls of handlers |
    /// | `sigtree_failed_total` | `bus`, `pattern` | calls that failed |
    /// | `sigtree_refused_total` | `bus` | emits that were refused |
    /// | `sigtree_dropped_total` | `bus`, `reason` | events that layers ended (`filtered`) and that queues lost (`newest`, `oldest`, `replaced`, `timed out`, `would deadlock`, `abandoned`) |
    /// | `sigtree_slow_handlers_total` | `bus`, `pattern` | calls that were found slow |
    /// | `sigtree_dead_letters` | `bus` | dead letters that are kept |
    /// | `sigtree_queue_depth`, `sigtree_queue_capacity` | `bus`, `pattern`, `connection` | how many events wait in a queue, of how many that can |
    /// | `sigtree_dispatch_latency_seconds` | `bus`, `quantile` | how long all handlers of an event took |
    /// | `sigtree_handler_latency_seconds` | `bus`, `pattern`, `quantile` | how long a call took |
    ///
    /// There is no label for a topic, since there may be any number. A `connection` is its name or its call site; queues that
    /// share one count together. A `quantile` is `0.5`, `0.95`, `0.99` or `1`.
    ///
    /// Use this or the layer [`Metrics`](crate::middleware::Metrics), not both for one bus: some names are the same. Counters
    /// never go down: when a bus is [measured](crate::Bus::measure) anew they stand until they are overtaken.
    pub fn export(&self) {
        describe();
        self.buses.iter().for_each(BusMetrics::export);
    }
}

impl BusMetrics {
    fn export(&self) {
        let bus = || ("bus", self.bus.to_string());
        counter!("sigtree_emitted_total", &[bus()]).absolute(self.total.emitted);
        counter!("sigtree_refused_total", &[bus()]).absolute(self.refused);
        gauge!("sigtree_dead_letters", &[bus()]).set(self.dead_letters as f64);
        for (reason, count) in self.losses() {
            counter!("sigtree_dropped_total", &[bus(), ("reason", reason.to_owned())]).absolute(count);
        }
        for (quantile, seconds) in self.total.latency.quantiles() {
            gauge!("sigtree_dispatch_latency_seconds", &[bus(), ("quantile", quantile.to_owned())]).set(seconds);
        }
        self.patterns.iter().for_each(|pattern| self.export_pattern(pattern));
    }

    fn export_pattern(&self, pattern: &PatternMetrics) {
        let labels = [("bus", self.bus.to_string()), ("pattern", pattern.pattern.to_string())];
        let with = |name, value: &str| [labels[0].clone(), labels[1].clone(), (name, value.to_owned())];
        counter!("sigtree_delivered_total", &labels).absolute(pattern.figures.delivered);
        counter!("sigtree_failed_total", &labels).absolute(pattern.figures.failed);
        let slow = self.slow.iter().filter(|slow| slow.pattern == pattern.pattern);
        counter!("sigtree_slow_handlers_total", &labels).absolute(slow.map(|slow| slow.calls).sum());
        for (quantile, seconds) in pattern.figures.latency.quantiles() {
            gauge!("sigtree_handler_latency_seconds", &with("quantile", quantile)).set(seconds);
        }
        for (connection, depth, capacity) in pattern.queues() {
            gauge!("sigtree_queue_depth", &with("connection", &connection)).set(depth as f64);
            gauge!("sigtree_queue_capacity", &with("connection", &connection)).set(capacity as f64);
        }
    }

    fn losses(&self) -> [(&'static str, u64); 7] {
        let connections = || self.patterns.iter().flat_map(|pattern| &pattern.connections);
        let queues = || connections().filter_map(|seen| seen.queue);
        let replaced: u64 = connections().filter_map(|seen| seen.replaced).sum();
        [
            ("filtered", self.total.filtered),
            ("newest", queues().map(|queue| queue.dropped_newest).sum()),
            ("oldest", queues().map(|queue| queue.dropped_oldest).sum()),
            ("replaced", replaced + queues().map(|queue| queue.replaced).sum::<u64>()),
            ("timed out", queues().map(|queue| queue.timed_out).sum()),
            ("would deadlock", queues().map(|queue| queue.would_deadlock).sum()),
            ("abandoned", queues().map(|queue| queue.abandoned).sum()),
        ]
    }
}

impl PatternMetrics {
    /// The depth and capacity of queues, together where they are told by the same label.
    fn queues(&self) -> Vec<(String, usize, usize)> {
        let mut queues: Vec<(String, usize, usize)> = Vec::new();
        for connection in &self.connections {
            let Some(queue) = connection.queue else { continue };
            let label = connection.label();
            match queues.iter_mut().find(|(known, ..)| *known == label) {
                Some((_, depth, capacity)) => (*depth, *capacity) = (*depth + queue.depth, *capacity + queue.capacity),
                None => queues.push((label, queue.depth, queue.capacity)),
            }
        }
        queues
    }
}

impl Latency {
    fn quantiles(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let max = (self.measured > 0).then_some(self.max);
        let all = [("0.5", self.p50), ("0.95", self.p95), ("0.99", self.p99), ("1", max)];
        all.into_iter().filter_map(|(quantile, time)| Some((quantile, time?.as_secs_f64())))
    }
}

/// Tells the recorder what the metrics are, for people.
fn describe() {
    describe_counter!("sigtree_emitted_total", "events that came by");
    describe_counter!("sigtree_refused_total", "emits that were refused");
    describe_counter!("sigtree_dropped_total", "events that a layer ended or a queue lost");
    describe_counter!("sigtree_delivered_total", "calls of handlers, the failed ones included");
    describe_counter!("sigtree_failed_total", "calls of handlers that failed");
    describe_counter!("sigtree_slow_handlers_total", "calls of handlers that took long");
    describe_gauge!("sigtree_dead_letters", "events that are kept because they did not get through");
    describe_gauge!("sigtree_queue_depth", "events that wait in a queue");
    describe_gauge!("sigtree_queue_capacity", "events that can wait in a queue");
    describe_gauge!("sigtree_dispatch_latency_seconds", "how long all handlers of an event took");
    describe_gauge!("sigtree_handler_latency_seconds", "how long a call of a handler took");
}
