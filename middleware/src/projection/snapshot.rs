//! [`Snapshot`]: a state, and what it takes to go on from there.

use std::collections::VecDeque;
#[cfg(feature = "recording")]
use std::{fs, io, path::Path};

#[cfg(feature = "recording")]
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::EventId;

/// How many of the latest events a projection knows again.
const RECENT: usize = 256;

/// The state of a [`Projection`](crate::Projection) at some moment, to [resume](crate::Projection::resume) from after a restart.
///
/// With the feature `recording` it can be saved to a file and loaded; it is what `serde` makes of it, too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(Serialize, Deserialize))]
pub struct Snapshot<S> {
    pub(super) state: S,
    pub(super) folded: u64,
    pub(super) recent: Recent,
}

impl<S> Snapshot<S> {
    /// The state.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The state, without the rest.
    #[must_use]
    pub fn into_state(self) -> S {
        self.state
    }

    /// How many events were folded into it.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }
}

#[cfg(feature = "recording")]
impl<S> Snapshot<S> {
    /// Writes it to a file, whole or not at all: what was there before stays until the new one is safe on the disk.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or the state has no form in JSON.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()>
    where
        S: Serialize,
    {
        let path = path.as_ref();
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        fs::write(&beside, serde_json::to_vec(self)?)?;
        fs::File::open(&beside)?.sync_all()?;
        fs::rename(&beside, path)
    }

    /// Reads one that was saved.
    ///
    /// # Errors
    ///
    /// If there is none, or it is not that of such a state.
    pub fn load(path: impl AsRef<Path>) -> io::Result<Self>
    where
        S: DeserializeOwned,
    {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

/// The events folded last, the oldest in front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "recording", serde(transparent))]
pub(super) struct Recent(VecDeque<EventId>);

impl Recent {
    pub(super) fn add(&mut self, id: EventId) {
        if self.0.len() >= RECENT {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }

    pub(super) fn contains(&self, id: EventId) -> bool {
        // What is asked for is usually one of the latest.
        self.0.iter().rev().any(|known| *known == id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_the_latest_and_no_more() {
        let mut recent = Recent::default();
        (0..1_000).for_each(|n| recent.add(EventId::from_bits(n)));
        assert!(
            recent.contains(EventId::from_bits(999)) && recent.contains(EventId::from_bits(1_000 - RECENT as u128))
        );
        assert!(!recent.contains(EventId::from_bits(999 - RECENT as u128)));
    }

    #[test]
    #[cfg(feature = "recording")]
    fn it_is_saved_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("balance.json");
        let mut recent = Recent::default();
        recent.add(EventId::from_bits(7));
        let snapshot = Snapshot { state: vec![1, 2], folded: 2, recent };
        snapshot.save(&path).unwrap();
        assert_eq!(Snapshot::load(&path).unwrap(), snapshot);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            r#"{"state":[1,2],"folded":2,"recent":["00000000000000000000000007"]}"#
        );
        assert!(Snapshot::<String>::load(&path).is_err());
        assert!(snapshot.save(folder.path().join("no/such.json")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
