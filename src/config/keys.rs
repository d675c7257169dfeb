//! The keys of a configuration: a line each, for those who read, write and compare them.
//!
//! A new setting is a field of [`BusConfig`] with its setter, and a line here.

use std::str::FromStr;
use std::time::Duration;

use super::BusConfig;
use crate::queue::Overflow;

/// A whole number that is not 0.
macro_rules! number {
    ($field:ident) => {
        Key::new(
            stringify!($field),
            "a whole number from 1 on",
            |config| config.$field.to_string(),
            |config, text| Some(config.$field(positive(text)?)),
        )
    };
}

/// A whole number.
macro_rules! count {
    ($field:ident) => {
        Key::new(
            stringify!($field),
            "a whole number",
            |config| config.$field.to_string(),
            |config, text| Some(config.$field(whole(text)?)),
        )
    };
}

/// A time; those of less than `$least` are not allowed.
macro_rules! seconds {
    ($field:ident) => {
        seconds!(
            $field,
            Duration::ZERO,
            "a number of seconds, such as `5` or `0.25`, or of milliseconds, such as `250ms`"
        )
    };
    ($field:ident, $least:expr, $allowed:expr) => {
        Key::new(
            stringify!($field),
            $allowed,
            |config| config.$field.as_secs_f64().to_string(),
            |config, text| Some(config.$field(seconds(text).filter(|time| *time >= $least)?)),
        )
    };
}

/// A time that is not 0.
macro_rules! above_nought {
    ($field:ident) => {
        seconds!($field, Duration::from_nanos(1), "a number of seconds above 0, or of milliseconds, such as `250ms`")
    };
}

/// What a full queue does.
macro_rules! overflow {
    ($field:ident) => {
        Key::new(
            stringify!($field),
            "`drop_newest`, `drop_oldest`, `latest`, `block` or `error`",
            |config| name_of(config.$field).into(),
            |config, text| {
                let overflow = overflow(text, config.block_timeout)?;
                Some(config.$field(overflow))
            },
        )
    };
}

pub(super) static KEYS: [Key; 13] = [
    number!(queue_size),
    overflow!(overflow),
    seconds!(block_timeout),
    above_nought!(delivery_timeout).or("timeout"),
    count!(retries),
    count!(dead_letters),
    seconds!(slow_handler),
    above_nought!(metrics_interval),
    number!(workers),
    number!(depth_limit).fixed(),
    number!(cached_topics).fixed(),
    number!(max_segments).fixed(),
    number!(max_bytes).fixed(),
];

pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it is called as well, where it is read.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only what is read has other names"))]
    alias: Option<&'static str>,
    /// What it may be, for messages.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only what is read can be wrong"))]
    pub(super) allowed: &'static str,
    /// The value, as text.
    pub(super) show: fn(&BusConfig) -> String,
    /// Takes the value over from text; `None` if it is not allowed.
    pub(super) set: fn(BusConfig, &str) -> Option<BusConfig>,
    /// Whether it stays as it is while a bus lives.
    pub(super) is_fixed: bool,
}

impl Key {
    const fn new(
        name: &'static str,
        allowed: &'static str,
        show: fn(&BusConfig) -> String,
        set: fn(BusConfig, &str) -> Option<BusConfig>,
    ) -> Self {
        Self { name, alias: None, allowed, show, set, is_fixed: false }
    }

    const fn or(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    const fn fixed(mut self) -> Self {
        self.is_fixed = true;
        self
    }

    #[cfg(feature = "config")]
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name || key.alias == Some(name))
    }

    /// The value, as a TOML file has it.
    pub(super) fn toml(&self, config: &BusConfig) -> String {
        let text = (self.show)(config);
        if text.parse::<f64>().is_ok() { text } else { format!("{text:?}") }
    }
}

fn positive<N: FromStr + PartialEq + Default>(text: &str) -> Option<N> {
    whole(text).filter(|number| *number != N::default())
}

fn whole<N: FromStr>(text: &str) -> Option<N> {
    text.replace('_', "").parse().ok()
}

fn seconds(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(millis) => millis.trim().parse().ok().map(Duration::from_millis),
        None => Duration::try_from_secs_f64(text.strip_suffix('s').unwrap_or(text).trim().parse().ok()?).ok(),
    }
}

fn overflow(text: &str, timeout: Duration) -> Option<Overflow> {
    let waits = Overflow::Block(timeout);
    let all = [Overflow::DropNewest, Overflow::DropOldest, Overflow::Latest, waits, Overflow::Error];
    all.into_iter().find(|overflow| name_of(*overflow) == text)
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
