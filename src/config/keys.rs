//! The keys of a configuration: a line each, for those who read, write and compare them.
//!
//! A new setting is a field of [`BusConfig`] and a line here.

use std::time::Duration;

use super::BusConfig;
use crate::queue::Overflow;

pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it is called as well, where it is read.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only what is read has other names"))]
    pub(super) alias: Option<&'static str>,
    /// What it may be, for messages.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only what is read can be wrong"))]
    pub(super) allowed: &'static str,
    /// The value, as a TOML file has it.
    pub(super) show: fn(&BusConfig) -> String,
    /// Takes the value over from text; `None` if it is not allowed.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only what is read is text"))]
    pub(super) set: fn(BusConfig, &str) -> Option<BusConfig>,
    /// Why a running bus does not change it, if it does not.
    pub(super) fixed: Option<&'static str>,
}

const BUILT_IN: Option<&str> = Some("it is decided when the bus is built");
const POSITIVE: &str = "a whole number from 1 on";
const SECONDS: &str = "a number of seconds, such as `5` or `0.25`, or of milliseconds, such as `250ms`";
const OVERFLOWS: &str = "`drop_newest`, `drop_oldest`, `latest`, `block` or `error`";

#[rustfmt::skip]
pub(super) static KEYS: [Key; 8] = [
    Key { name: "queue_size", alias: None, allowed: POSITIVE, fixed: None,
        show: |c| c.queue_size.to_string(), set: |c, text| Some(c.queue_size(positive(text)?)) },
    Key { name: "overflow", alias: None, allowed: OVERFLOWS, fixed: None,
        show: |c| show_overflow(c.overflow), set: |c, text| { let overflow = overflow(text, c.block_timeout)?; Some(c.overflow(overflow)) } },
    Key { name: "block_timeout", alias: Some("timeout"), allowed: SECONDS, fixed: None,
        show: |c| c.block_timeout.as_secs_f64().to_string(), set: |c, text| Some(c.block_timeout(seconds(text)?)) },
    Key { name: "workers", alias: None, allowed: POSITIVE, fixed: None,
        show: |c| c.workers.to_string(), set: |c, text| Some(c.workers(positive(text)?)) },
    Key { name: "depth_limit", alias: None, allowed: POSITIVE, fixed: BUILT_IN,
        show: |c| c.depth_limit.to_string(), set: |c, text| Some(c.depth_limit(positive(text)?.try_into().ok()?)) },
    Key { name: "cached_topics", alias: None, allowed: POSITIVE, fixed: BUILT_IN,
        show: |c| c.cached_topics.to_string(), set: |c, text| Some(c.cached_topics(positive(text)?)) },
    Key { name: "max_segments", alias: None, allowed: POSITIVE, fixed: BUILT_IN,
        show: |c| c.max_segments.to_string(), set: |c, text| Some(c.max_segments(positive(text)?)) },
    Key { name: "max_bytes", alias: None, allowed: POSITIVE, fixed: BUILT_IN,
        show: |c| c.max_bytes.to_string(), set: |c, text| Some(c.max_bytes(positive(text)?)) },
];

#[cfg(feature = "config")]
impl Key {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name || key.alias == Some(name))
    }
}

fn positive(text: &str) -> Option<usize> {
    text.replace('_', "").parse().ok().filter(|number| *number > 0)
}

fn seconds(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(millis) => millis.trim().parse().ok().map(Duration::from_millis),
        None => Duration::try_from_secs_f64(text.trim().parse().ok()?).ok(),
    }
}

fn overflow(text: &str, timeout: Duration) -> Option<Overflow> {
    let all = [Overflow::DropNewest, Overflow::DropOldest, Overflow::Latest, Overflow::Block(timeout), Overflow::Error];
    all.into_iter().find(|overflow| name_of(*overflow) == text)
}

fn show_overflow(overflow: Overflow) -> String {
    format!("{:?}", name_of(overflow))
}

fn name_of(overflow: Overflow) -> &'static str {
    match overflow {
        Overflow::DropNewest => "drop_newest",
        Overflow::DropOldest => "drop_oldest",
        Overflow::Latest => "latest",
        Overflow::Block(_) => "block",
        Overflow::Error => "error",
    }
}
