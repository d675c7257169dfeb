//! How large names may be.

/// How large topics and patterns may be.
///
/// The limits keep a hostile or broken producer from filling the memory with names. The defaults suit nearly every
/// program; a program that wants others says so once, where it builds its bus.
///
/// # Examples
///
/// ```
/// use sigtree_middleware::{Limits, Topic};
///
/// let limits = Limits::new().segments(2).bytes(20);
/// assert!(Topic::with_limits("orders.new", &limits).is_ok());
/// assert!(Topic::with_limits("orders.new.urgent", &limits).unwrap_err().is_too_deep());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most segments in a topic or a pattern: 16.
    pub segments: usize,
    /// Most bytes in a topic or a pattern: 255. A regular expression may be four times as long.
    pub bytes: usize,
    /// Most patterns in a list: 64.
    pub list: usize,
    /// Most bytes a compiled regular expression may take: 1 MiB.
    pub regex_bytes: usize,
}

impl Limits {
    /// The default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self { segments: 16, bytes: 255, list: 64, regex_bytes: 1 << 20 }
    }

    /// Sets the most segments a topic or a pattern may have.
    #[must_use]
    pub const fn segments(mut self, most: usize) -> Self {
        self.segments = most;
        self
    }

    /// Sets the most bytes a topic or a pattern may have.
    #[must_use]
    pub const fn bytes(mut self, most: usize) -> Self {
        self.bytes = most;
        self
    }

    /// Sets the most patterns a list may have.
    #[must_use]
    pub const fn list(mut self, most: usize) -> Self {
        self.list = most;
        self
    }

    /// Sets the most bytes a compiled regular expression may take.
    #[must_use]
    pub const fn regex_bytes(mut self, most: usize) -> Self {
        self.regex_bytes = most;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
