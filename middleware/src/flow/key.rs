//! [`Key`] and [`By`]: which events belong together.

use std::any::Any;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, LazyLock};

use crate::Event;

/// Stands for a key of the user's: 128 bits of hash under keys that are this process's secret.
///
/// So a key takes 16 bytes however long it is, no user's `Eq` or `Drop` runs under a lock, and nobody outside can make
/// two keys meet. By chance two of a million do in one of 10^26 processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64, u64);

impl Key {
    pub(crate) fn of(key: &(impl Hash + ?Sized)) -> Self {
        static SECRETS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
        Self(SECRETS[0].hash_one(key), SECRETS[1].hash_one(key))
    }
}

/// Which events are one stream.
#[derive(Clone)]
pub(crate) enum By {
    Bus,
    Topic,
    Key(Arc<KeyOf>),
}

type KeyOf = dyn Fn(&Event<'_>) -> Option<Key> + Send + Sync;

impl By {
    pub(crate) fn id() -> Self {
        Self::Key(Arc::new(|event| Some(Key::of(&event.id()))))
    }

    pub(crate) fn key<K: Hash>(key: impl Fn(&Event<'_>) -> K + Send + Sync + 'static) -> Self {
        Self::Key(Arc::new(move |event| Some(Key::of(&key(event)))))
    }

    pub(crate) fn payload<T: Any, K: Hash>(key: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        Self::Key(Arc::new(move |event| event.payload().map(|payload| Key::of(&key(payload)))))
    }

    /// The stream of an event; `None` if it is in none: a payload of another type, or a report of the bus.
    pub(crate) fn key_of(&self, event: &Event<'_>) -> Option<Key> {
        if event.topic().is_reserved() {
            return None;
        }
        match self {
            Self::Bus => Some(Key(0, 0)),
            Self::Topic => Some(Key::of(event.topic().as_str())),
            Self::Key(key) => key(event),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bus => "per bus",
            Self::Topic => "per topic",
            Self::Key(_) => "by key",
        })
    }
}

impl fmt::Debug for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The choices of streams, the same for every piece that has them; it sets `settings.by`.
macro_rules! keyed {
    ($piece:ident) => {
        impl $piece {
            /// Takes all events that come by for one stream.
            #[must_use]
            pub fn per_bus(self) -> Self {
                self.set(|settings| settings.by = $crate::flow::By::Bus)
            }

            /// Takes the events of each topic for a stream of their own, which is what it does unless told otherwise.
            #[must_use]
            pub fn per_topic(self) -> Self {
                self.set(|settings| settings.by = $crate::flow::By::Topic)
            }

            /// Takes the events with the same key for one stream, whatever their topics.
            #[must_use]
            pub fn by_key<K: std::hash::Hash>(
                self,
                key: impl Fn(&$crate::Event<'_>) -> K + Send + Sync + 'static,
            ) -> Self {
                self.set(|settings| settings.by = $crate::flow::By::key(key))
            }

            /// Takes the payloads with the same key for one stream, whatever their topics; events with a payload of another
            /// type pass untouched and are not counted.
            #[must_use]
            pub fn by_payload<T: std::any::Any, K: std::hash::Hash>(
                self,
                key: impl Fn(&T) -> K + Send + Sync + 'static,
            ) -> Self {
                self.set(|settings| settings.by = $crate::flow::By::payload(key))
            }
        }
    };
}
pub(crate) use keyed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_are_equal_and_others_are_not() {
        assert_eq!(Key::of("anna"), Key::of(&String::from("anna")));
        assert_ne!(Key::of("anna"), Key::of("bert"));
        let Key(one, other) = Key::of("anna");
        assert_ne!(one, other, "the halves have secrets of their own");
    }
}
