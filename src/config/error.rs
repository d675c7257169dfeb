use std::fmt;

use super::keys::KEYS;

/// Why a configuration was not read: which key, where it stands, and what is allowed.
///
/// # Examples
///
/// ```
/// use sigtree::BusConfig;
///
/// let error = BusConfig::new().with_vars("APP", [("APP_WORKERS", "many")]).unwrap_err();
/// assert_eq!(error.key(), Some("workers"));
/// assert_eq!(
///     error.to_string(),
///     "`workers` in the variable `APP_WORKERS` is `many`: it has to be a whole number from 1 on"
/// );
/// ```
pub struct ConfigError {
    pub(super) key: Option<Box<str>>,
    /// `the variable ..`, `the file ..`.
    pub(super) origin: Box<str>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    UnknownKey,
    BadValue {
        value: Box<str>,
        allowed: &'static str,
    },
    /// Why, as the system or the reader of the format says.
    Unreadable(Box<str>),
}

impl ConfigError {
    /// The key it is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Where it comes from: the variable, or the file and the line.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// There is no such key.
    #[must_use]
    pub fn is_unknown_key(&self) -> bool {
        matches!(self.kind, Kind::UnknownKey)
    }

    /// The key may not have this value.
    #[must_use]
    pub fn is_bad_value(&self) -> bool {
        matches!(self.kind, Kind::BadValue { .. })
    }

    /// The file is not there, cannot be read, or is no TOML.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self.kind, Kind::Unreadable(_))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, kind, .. } = self;
        let key = self.key.as_deref().unwrap_or_default();
        match kind {
            Kind::UnknownKey => {
                let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
                write!(f, "there is no key `{key}` for {origin}: use one of {}", known.join(", "))
            }
            Kind::BadValue { value, allowed } => {
                write!(f, "`{key}` in {origin} is `{value}`: it has to be {allowed}")
            }
            Kind::Unreadable(why) => write!(f, "cannot read {origin}: {why}"),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self})")
    }
}

impl std::error::Error for ConfigError {}
