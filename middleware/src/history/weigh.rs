//! [`Weigh`]: how many bytes a payload counts for.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;

use crate::Erased;
use crate::text::Counted;

/// Says how many bytes a payload takes, for a [`History`](crate::History) or a [`DeadLetter`](crate::DeadLetter) that is
/// bounded by bytes.
///
/// Types that own memory elsewhere implement it and are registered with
/// [`HistoryBuilder::weigh`](crate::HistoryBuilder::weigh) or [`DeadLetter::weigh`](crate::DeadLetter::weigh). All others count for their own size, without what they
/// point to.
///
/// # Examples
///
/// ```
/// use sigtree_middleware::{History, Weigh};
///
/// struct Frame { pixels: Vec<u8> }
///
/// impl Weigh for Frame {
///     fn bytes(&self) -> usize {
///         size_of_val(self) + self.pixels.capacity()
///     }
/// }
///
/// let history = History::builder().bytes(64 << 20).weigh::<Frame>().build();
/// assert!(history.is_empty());
/// assert!(Frame { pixels: vec![0; 100] }.bytes() > 100);
/// ```
pub trait Weigh: Any {
    /// The bytes this value takes, with what it owns elsewhere.
    fn bytes(&self) -> usize {
        size_of_val(self)
    }
}

/// The registered types.
#[derive(Clone, Default)]
pub(crate) struct Scales(BTreeMap<TypeId, fn(&Erased) -> usize>);

impl Scales {
    pub(crate) fn register<T: Weigh>(&mut self) {
        self.0.insert(TypeId::of::<T>(), |payload| payload.downcast_ref::<T>().map_or(0, Weigh::bytes));
    }

    pub(crate) fn weigh(&self, payload: &Erased) -> usize {
        match self.0.get(&payload.type_id()) {
            Some(bytes) => bytes(payload),
            None => size_of_val(payload),
        }
    }
}

impl fmt::Debug for Scales {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Counted(self.0.len(), "type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighs_registered_types_by_what_they_say() {
        struct Heavy;
        impl Weigh for Heavy {
            fn bytes(&self) -> usize {
                1_000
            }
        }
        struct Plain(#[expect(dead_code, reason = "only its size matters")] u64);
        impl Weigh for Plain {}

        let mut scales = Scales::default();
        assert_eq!(scales.weigh(&Heavy), 0);
        scales.register::<Heavy>();
        scales.register::<Plain>();
        assert_eq!(scales.weigh(&Heavy), 1_000);
        assert_eq!(scales.weigh(&Plain(1)), 8);
        assert_eq!(scales.weigh(&[0_u32; 5]), 20);
    }
}
