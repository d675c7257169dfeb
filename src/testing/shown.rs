//! How payloads are written: known types as they are, others once their type was named.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use sigtree_middleware::{Erased, Topic};

/// Writes a payload on one line or, for a diff of two, on many.
type Show = fn(&Erased, Lines) -> Option<String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Many,
}

/// The types whose payloads can be written; clones share it.
#[derive(Clone, Default)]
pub(super) struct Shown(Arc<RwLock<HashMap<TypeId, Show>>>);

impl Shown {
    /// Payloads of this type are written with `Debug` from now on.
    pub(super) fn learn<T: Any + Debug>(&self) {
        self.0.write().insert(TypeId::of::<T>(), debug::<T>);
    }

    /// The payload on one line; `?` if its type is not known.
    pub(super) fn line(&self, payload: &Erased) -> String {
        let show = self.0.read().get(&payload.type_id()).copied();
        // Called without the lock, because it is the user's code.
        show.and_then(|show| show(payload, Lines::One)).or_else(|| well_known(payload)).unwrap_or_else(|| "?".into())
    }
}

/// One value as its payload would be written.
pub(super) fn of<T: Debug>(value: &T, lines: Lines) -> String {
    match lines {
        Lines::One => format!("{value:?}"),
        Lines::Many => format!("{value:#?}"),
    }
}

fn debug<T: Any + Debug>(payload: &Erased, lines: Lines) -> Option<String> {
    payload.downcast_ref::<T>().map(|value| of(value, lines))
}

/// Payloads of the types that need not be named.
fn well_known(payload: &Erased) -> Option<String> {
    macro_rules! try_each {
        ($($known:ty)*) => { None$(.or_else(|| debug::<$known>(payload, Lines::One)))* };
    }
    try_each! {
        () bool char String &'static str Arc<str> u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 Duration Topic
    }
}
