//! Configurations from environment variables and files. This is the only file that names the crate config.

use std::fs;
use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Source, Value};

use super::BusConfig;
use super::error::{ConfigError, Kind};
use super::keys::Key;

impl BusConfig {
    /// The defaults, and over them the variables of the environment that begin with the prefix and `_`.
    ///
    /// # Errors
    ///
    /// As [`with_vars`](Self::with_vars).
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, BusConfig};
    ///
    /// // With SKELLY_EVENT_BUS_WORKERS=8 the bus's pool has 8 threads.
    /// let bus = Bus::with(&BusConfig::from_env("SKELLY_EVENT_BUS")?);
    /// # Ok::<(), sigtree::ConfigError>(())
    /// ```
    pub fn from_env(prefix: &str) -> Result<Self, ConfigError> {
        Self::new().with_env(prefix)
    }

    /// The defaults, and over them what a TOML file says.
    ///
    /// # Errors
    ///
    /// As [`with_file`](Self::with_file).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::new().with_file(path)
    }

    /// The same settings, but for those that the environment has: see [`from_env`](Self::from_env).
    ///
    /// # Errors
    ///
    /// As [`with_vars`](Self::with_vars).
    pub fn with_env(self, prefix: &str) -> Result<Self, ConfigError> {
        // Those that are no text belong to somebody else.
        let vars = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        self.with_vars(prefix, vars.map(|(name, value)| (name, value.to_string_lossy().into_owned())))
    }

    /// The same settings, but for those that these variables have: `queue_size` is `{prefix}_QUEUE_SIZE`.
    ///
    /// Variables that begin otherwise are others'.
    ///
    /// # Errors
    ///
    /// Unknown key, if a variable with the prefix names none; bad value, if it may not have that.
    pub fn with_vars(
        self,
        prefix: &str,
        vars: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Self, ConfigError> {
        let vars: Map<_, _> = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let source = Environment::with_prefix(prefix).prefix_separator("_").source(Some(vars));
        let origin = |key: &str| format!("the variable `{prefix}_{}`", key.to_uppercase()).into();
        let values = collect(source).map_err(|why| ConfigError {
            key: None,
            origin: format!("the variables `{prefix}_*`").into(),
            kind: Kind::Unreadable(why),
        })?;
        self.with_values(values, origin)
    }

    /// The same settings, but for those that a TOML file has.
    ///
    /// # Errors
    ///
    /// Unreadable, if it is not there or no TOML; unknown key; bad value. The message has the line.
    pub fn with_file(self, path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let file: Box<str> = format!("the file `{}`", path.display()).into();
        let unreadable = |why| ConfigError { key: None, origin: file.clone(), kind: Kind::Unreadable(why) };
        let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string().into()))?;
        let values = collect(File::from_str(&text, FileFormat::Toml)).map_err(unreadable)?;
        self.with_values(values, |key| match line_of(&text, key) {
            Some(line) => format!("line {line} of {file}").into(),
            None => file.clone(),
        })
    }

    fn with_values(self, values: Map<String, Value>, origin: impl Fn(&str) -> Box<str>) -> Result<Self, ConfigError> {
        let mut values: Vec<_> = values.into_iter().collect();
        // So that of several errors it is always the same one that is told.
        values.sort_by(|(one, _), (other, _)| one.cmp(other));
        values.into_iter().try_fold(self, |config, (name, value)| {
            let error = |kind| ConfigError { key: Some(name.as_str().into()), origin: origin(&name), kind };
            let Some(key) = Key::find(&name) else { return Err(error(Kind::UnknownKey)) };
            let shown = value.to_string();
            let set = value.into_string().ok().and_then(|text| (key.set)(config, text.trim()));
            set.ok_or_else(|| error(Kind::BadValue { value: shown.into(), allowed: key.allowed }))
        })
    }
}

/// What a source says, or why it says nothing.
fn collect(source: impl Source + Send + Sync + 'static) -> Result<Map<String, Value>, Box<str>> {
    let built = Config::builder().add_source(source).build();
    built.and_then(|config| config.collect()).map_err(|error| error.to_string().trim().into())
}

/// The line on which a key is set.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let sets = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    text.lines().position(sets).map(|line| line + 1)
}
