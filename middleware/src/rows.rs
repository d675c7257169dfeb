//! Rows by name, as many as are allowed: what is counted by the patterns of handlers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

/// Rows by name. When there are as many as allowed, all further names share one more. For those who write a bus.
#[doc(hidden)]
pub struct Rows<R> {
    rows: RwLock<BTreeMap<Arc<str>, Arc<R>>>,
    rest: OnceLock<Arc<R>>,
    most: usize,
}

/// What a row is called that stands for all names beyond the limit.
const REST: &str = "(others)";

/// How many patterns are told apart unless said otherwise.
pub(crate) const MOST: usize = 1_000;

impl<R> Rows<R> {
    /// No rows yet, and room for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { rows: RwLock::default(), rest: OnceLock::new(), most }
    }

    /// The row of a name, made if there is none, under the name it is to have; no lock is held meanwhile, and it may be
    /// made for nothing.
    pub fn get(&self, name: &str, make: impl FnOnce(&str) -> R) -> Arc<R> {
        let rows = self.rows.read();
        if let Some(row) = rows.get(name) {
            return row.clone();
        }
        let is_full = rows.len() >= self.most;
        drop(rows);
        if is_full { self.rest(make) } else { self.add(name, Arc::new(make(name))) }
    }

    /// Adds a row, unless another thread was first; if that took the last place, one more does no harm.
    fn add(&self, name: &str, row: Arc<R>) -> Arc<R> {
        self.rows.write().entry(name.into()).or_insert(row).clone()
    }

    fn rest(&self, make: impl FnOnce(&str) -> R) -> Arc<R> {
        match self.rest.get() {
            Some(rest) => rest.clone(),
            None => {
                let rest = Arc::new(make(REST));
                self.rest.get_or_init(|| rest).clone()
            }
        }
    }

    /// All rows by name, then the one for all further names if anybody asked for it.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<str>, Arc<R>)> {
        let rows = self.rows.read();
        let named = rows.iter().map(|(name, row)| (name.clone(), row.clone()));
        let rest = self.rest.get().map(|rest| (REST.into(), rest.clone()));
        named.chain(rest).collect()
    }
}

impl<R> fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("rows", &self.rows.read().len()).field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn names_beyond_the_limit_share_a_row() {
        let rows = Rows::new(2);
        for name in ["b", "a", "c", "b", "d"] {
            rows.get(name, |_| AtomicU32::new(0)).fetch_add(1, Ordering::Relaxed);
        }
        let all: Vec<_> = rows.all().into_iter().map(|(name, row)| (name, row.load(Ordering::Relaxed))).collect();
        assert_eq!(all, [("a".into(), 1), ("b".into(), 2), (REST.into(), 2)]);
    }
}
