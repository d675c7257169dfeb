//! [`Memory`]: what a piece remembers of each key, of so many keys at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, UnitWeighter};

use super::Key;

/// A small value for each key. When there are too many keys, some are pushed out, and counted.
pub(crate) struct Memory<V> {
    cache: Cache<Key, V, UnitWeighter, DefaultHashBuilder, Forgotten>,
    forgotten: Forgotten,
}

/// Counts the keys that are pushed out.
#[derive(Clone, Default)]
struct Forgotten(Arc<AtomicU64>);

impl<V: Copy> Memory<V> {
    /// Pushes out the keys that came first, or nearly so: for what matters for a time after it was seen.
    pub(crate) fn of_latest(keys: usize) -> Self {
        Self::with_share_of_busy(keys, 0.0)
    }

    /// Keeps half of its room for keys that are seen again and again, so that a flood of others does not push them out.
    #[cfg(feature = "governor")]
    pub(crate) fn of_busiest(keys: usize) -> Self {
        Self::with_share_of_busy(keys, 0.5)
    }

    fn with_share_of_busy(keys: usize, share: f64) -> Self {
        let keys = keys.max(1);
        let forgotten = Forgotten::default();
        let options = OptionsBuilder::new()
            .estimated_items_capacity(keys)
            .weight_capacity(keys as u64)
            .hot_allocation(share)
            .ghost_allocation(share)
            .build()
            .expect("both capacities are given");
        let cache = Cache::with_options(options, UnitWeighter, DefaultHashBuilder::default(), forgotten.clone());
        Self { cache, forgotten }
    }

    /// Decides by what is remembered of a key what is to be remembered, `None` for no change, and what to answer.
    ///
    /// No other thread comes in between. `decide` may be called more than once.
    pub(crate) fn change<R>(&self, key: Key, decide: impl Fn(Option<V>) -> (Option<V>, R)) -> R {
        let known = |_: &Key, value: &mut V| {
            let (new, answer) = decide(Some(*value));
            *value = new.unwrap_or(*value);
            EntryAction::Retain(answer)
        };
        match self.cache.entry(&key, None, known) {
            EntryResult::Retained(answer) => answer,
            EntryResult::Vacant(place) => {
                let (new, answer) = decide(None);
                if let Some(new) = new {
                    // It would be refused if somebody had removed the key, which nobody does.
                    let _ = place.insert(new);
                }
                answer
            }
            // We neither remove nor replace, nor wait for so long only.
            _ => decide(None).1,
        }
    }

    /// How many keys were pushed out.
    pub(crate) fn forgotten(&self) -> u64 {
        // Relaxed: it only counts.
        self.forgotten.0.load(Ordering::Relaxed)
    }
}

impl<V> Lifecycle<Key, V> for Forgotten {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: V) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn count(memory: &Memory<u64>, key: u64) -> u64 {
        memory.change(Key::of(&key), |n| (Some(n.unwrap_or(0) + 1), n.unwrap_or(0)))
    }

    #[test]
    fn the_keys_that_came_first_go_first() {
        let memory = Memory::of_latest(100);
        (0..1_000).for_each(|key| assert_eq!(count(&memory, key), 0));
        assert_eq!(memory.forgotten(), 900);
        // The room is parted, and keys do not spread evenly.
        assert!((960..1_000).all(|key| count(&memory, key) == 1), "the last ones are known");
        assert!((100..900).all(|key| count(&memory, key) == 0), "those before are not");
    }

    #[test]
    fn room_for_none_is_room_for_one() {
        let memory = Memory::of_latest(0);
        assert_eq!((count(&memory, 1), count(&memory, 1), count(&memory, 2)), (0, 1, 0));
        assert_eq!(memory.forgotten(), 1);
    }

    #[cfg(feature = "governor")]
    #[test]
    fn a_flood_does_not_push_out_the_busy_ones() {
        let memory = Memory::of_busiest(100);
        (10..1_000).for_each(|key| assert_eq!(count(&memory, key), 0));
        (0..100).for_each(|n| assert_eq!(count(&memory, n % 10), n / 10));
        (1_000..9_000).for_each(|key| assert_eq!(count(&memory, key), 0));
        assert!((0..10).all(|busy| count(&memory, busy) == 10));
    }

    #[test]
    fn no_change_is_lost_between_threads() {
        let memory = Memory::of_latest(100);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).map(|n| count(&memory, n % 3)).max());
            }
        });
        assert_eq!((0..3).map(|key| count(&memory, key)).sum::<u64>(), 4_000);
    }
}
