//! What a running bus takes over of a configuration.

use std::fmt;

use super::BusConfig;
use super::keys::KEYS;
use crate::bus::Bus;

impl Bus {
    /// A bus with these settings, and otherwise the defaults: `Bus::builder().config(config).build()`.
    #[must_use]
    pub fn with(config: &BusConfig) -> Self {
        Self::builder().config(config).build()
    }

    /// The settings it has now.
    #[must_use]
    pub fn config(&self) -> BusConfig {
        self.core().backstage.config()
    }

    /// Takes over what a running bus can take over: queues and the [pool](Bus::pool) change their size, and how long emits wait
    /// for a place, without losing what waits; reliable connections how long an attempt may take, and how many there are. What it
    /// cannot stays as it is, and is in the report.
    ///
    /// It concerns what leaves it to the bus, here, not on children: the queues of subscriptions that were given no other queue,
    /// [`Reliable`](crate::Reliable) and [`Metering`](crate::Metering) where they say nothing themselves; and new children.
    ///
    /// # Examples
    ///
    /// [`BusConfig`] has one.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn reconfigure(&self, config: &BusConfig) -> Reconfigured {
        let backstage = &self.core().backstage;
        let before = backstage.config();
        let changed: Vec<_> = KEYS.iter().filter(|key| (key.show)(&before) != (key.show)(config)).collect();
        let has_pool_above = self.core().parent.is_some();
        let mut report = Reconfigured::default();
        let mut config = config.clone();
        for key in changed {
            let why = match key.name {
                _ if key.is_fixed => Some("it is decided when the bus is built"),
                "workers" if has_pool_above => Some("the pool is that of the bus above"),
                _ => None,
            };
            if let Some(why) = why {
                report.refused.push((key.name, why.into()));
                let kept = (key.set)(config.clone(), &(key.show)(&before));
                config = kept.unwrap_or(config);
            } else {
                report.applied.push(key.name);
            }
        }
        let trouble = backstage.reconfigure(&config);
        if let Some(meter) = self.core().meter() {
            meter.take_over(&config);
        }
        if report.applied.contains(&"overflow") && trouble.keep_overflow > 0 {
            let why = format!("queues that are there keep theirs ({})", trouble.keep_overflow);
            report.refused.push(("overflow", why.into()));
        }
        if let Some(error) = trouble.workers {
            report.refused.push(("workers", error.to_string().into()));
        }
        report
    }
}

/// What a running bus took over of a configuration, and what it did not: from [`Bus::reconfigure`].
#[derive(Debug, Clone, Default)]
pub struct Reconfigured {
    applied: Vec<&'static str>,
    refused: Vec<(&'static str, Box<str>)>,
}

impl Reconfigured {
    /// The keys that were changed.
    #[must_use]
    pub fn applied(&self) -> &[&'static str] {
        &self.applied
    }

    /// The keys that differ and were not changed, or not everywhere, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.refused.iter().map(|(key, why)| (*key, &**why))
    }
}

impl fmt::Display for Reconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.applied.as_slice() {
            [] => f.write_str("nothing changed")?,
            applied => write!(f, "changed {}", applied.join(", "))?,
        }
        self.refused.iter().try_for_each(|(key, why)| write!(f, "; not {key}: {why}"))
    }
}
