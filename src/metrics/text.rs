//! Figures as a table.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use sigtree_middleware::{Counted, OneLine, write_table};

use crate::executor::PoolStats;

use super::{BusMetrics, ConnectionMetrics, Figures, Latency, MetricsSnapshot, SlowHandler};

const HEADINGS: [&str; 10] =
    ["emitted", "delivered", "failed", "dropped", "filtered", "depth", "p50", "p95", "p99", "max"];

/// A line for all buses if there are several, then for each bus, its topics, its patterns and their connections; below it the
/// slow handlers. What is not known, or means nothing there, is `-`.
impl Display for MetricsSnapshot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all = (self.buses.len() > 1).then(|| ("all".to_owned(), self.total.columns()));
        write_table(f, &HEADINGS, all.into_iter().chain(self.buses.iter().flat_map(BusMetrics::lines)))?;
        for slow in self.buses.iter().flat_map(|bus| &bus.slow) {
            writeln!(f, "slow: {slow}")?;
        }
        Ok(())
    }
}

impl BusMetrics {
    fn lines(&self) -> Vec<(String, Vec<String>)> {
        let mut lines = vec![(format!("bus `{}`", OneLine(&self.bus)), self.total.columns())];
        for topic in &self.topics {
            let name =
                topic.topic.as_ref().map_or("  other topics".into(), |name| format!("  topic `{}`", OneLine(name)));
            lines.push((name, topic.figures.columns()));
        }
        lines.extend(self.pool.map(|pool| ("  pool".to_owned(), pool_columns(&pool))));
        for pattern in &self.patterns {
            let of_pattern = (format!("  pattern `{}`", OneLine(&pattern.pattern)), pattern.figures.columns());
            let of_connections = pattern.connections.iter().map(ConnectionMetrics::line);
            lines.extend(std::iter::once(of_pattern).chain(of_connections).map(|(name, mut columns)| {
                if !self.measured {
                    columns[4] = "-".into();
                }
                (name, columns)
            }));
        }
        lines
    }
}

impl ConnectionMetrics {
    fn line(&self) -> (String, Vec<String>) {
        let name = self.name.iter().map(|name| format!("`{}` ", OneLine(name))).collect::<String>();
        let dropped = self.dropped().map_or_else(|| "-".into(), |dropped| dropped.to_string());
        let depth = self.queue.map_or_else(|| "-".into(), |queue| format!("{}/{}", queue.depth, queue.capacity));
        let [delivered, failed, filtered] = [self.delivered, self.failed, self.filtered].map(|count| count.to_string());
        let counts = ["-".into(), delivered, failed, dropped, filtered, depth];
        let columns = counts.into_iter().chain(self.latency.columns()).collect();
        (format!("    {name}{}:{}", self.site.file(), self.site.line()), columns)
    }
}

fn pool_columns(pool: &PoolStats) -> Vec<String> {
    let PoolStats { run, panicked, queue, .. } = pool;
    let depth = format!("{}/{}", queue.depth, queue.capacity);
    let counts = ["-".into(), run.to_string(), panicked.to_string(), queue.dropped().to_string(), "-".into(), depth];
    counts.into_iter().chain(Latency::default().columns()).collect()
}

impl Figures {
    fn columns(&self) -> Vec<String> {
        let Self { emitted, delivered, failed, dropped, filtered, depth, latency } = self;
        let counts = [emitted, delivered, failed, dropped, filtered, depth].map(ToString::to_string);
        counts.into_iter().chain(latency.columns()).collect()
    }
}

impl Latency {
    fn columns(&self) -> [String; 4] {
        let max = (self.measured > 0).then_some(self.max);
        [self.p50, self.p95, self.p99, max].map(|time| time.map_or("-".into(), text))
    }
}

fn text(time: Duration) -> String {
    if time.is_zero() {
        return "0".into();
    }
    format!("{time:.1?}")
}

/// `` `log` of `radar.*` (src/main.rs:7): 3 calls, 80ms at worst, 60ms lately ``.
impl Display for SlowHandler {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pattern, name, site, calls, worst, last } = self;
        match name {
            Some(name) => write!(f, "`{}` of ", OneLine(name))?,
            None => f.write_str("handler of ")?,
        }
        write!(f, "`{}` ({}:{}): {}", OneLine(pattern), site.file(), site.line(), Counted(*calls, "call"))?;
        write!(f, ", {} at worst, {} lately", text(*worst), text(*last))
    }
}
