use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::Erased;

/// Where the answers to a request go: it travels in the [`Envelope`](crate::Envelope), and only a bus can read it.
///
/// Whoever keeps the envelope keeps it, but for histories, recordings and replays: a request that is given again asks nobody.
#[derive(Clone)]
pub struct ReplyTo(Arc<Erased>);

impl ReplyTo {
    /// For those who write a bus: what is dropped when nobody has the request any more.
    #[must_use]
    pub fn new(asker: impl Any + Send + Sync) -> Self {
        Self(Arc::new(asker))
    }

    /// What it was made of, if that is a `T`: for those who write a bus.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// Two are the same if they are of one request.
impl PartialEq for ReplyTo {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyTo")
    }
}
