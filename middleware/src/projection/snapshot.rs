//! [`Snapshot`]: a state, and what it takes to go on from there.

use std::collections::VecDeque;
use std::fmt;
#[cfg(feature = "recording")]
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

#[cfg(feature = "recording")]
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::EventId;
#[cfg(feature = "recording")]
use crate::file_error::FileError;
#[cfg(feature = "recording")]
use crate::folder;

/// How many of the latest events a projection knows again.
pub(super) const RECENT: usize = 256;

/// The state of a [`Projection`](crate::Projection) at some moment, to [resume](crate::Projection::resume) from after a restart.
///
/// With the feature `recording` it can be saved to a file and loaded; it is what `serde` makes of it, too.
#[derive(Clone, PartialEq, Eq)]
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
    /// Writes it to a file, whole or not at all: what was there before stays until the new one is safe on the disk. When it
    /// returns, the new one outlives a failure of power too, where folders can be synced.
    ///
    /// Until then it stands beside it, in a file of that name and `.new`; so save to one path from one place at a time.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or the state has no form in JSON.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()>
    where
        S: Serialize,
    {
        let path = path.as_ref();
        let json = serde_json::to_vec(self).map_err(io::Error::from).map_err(FileError::at(path))?;
        Ok(replace(path, &json, folder::sync_names).map_err(FileError::at(path))?)
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
        let path = path.as_ref();
        let read = fs::read(path).and_then(|json| Ok(serde_json::from_slice(&json)?));
        Ok(read.map_err(FileError::at(path))?)
    }
}

/// Puts these bytes in the place of a file, and syncs its name then. What is half written is thrown away.
#[cfg(feature = "recording")]
fn replace(path: &Path, bytes: &[u8], sync_name: impl FnOnce(&Path)) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))?;
    sync_name(path);
    Ok(())
}

/// Counts alone: a state may be large, and is nobody's business in a log.
impl<S> fmt::Debug for Snapshot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("folded", &self.folded).finish_non_exhaustive()
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
    fn it_is_shown_in_numbers() {
        let snapshot = Snapshot { state: vec![7; 1_000], folded: 3, recent: Recent::default() };
        assert_eq!(format!("{snapshot:?}"), "Snapshot { folded: 3, .. }");
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
        let name = path.display().to_string();
        let error = Snapshot::<String>::load(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: invalid type: ")), "{error}");

        let missing = folder.path().join("no/such.json");
        for error in [snapshot.save(&missing).unwrap_err(), Snapshot::<u32>::load(&missing).unwrap_err()] {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(error.to_string().starts_with(&format!("{}: ", missing.display())), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(feature = "recording")]
    fn its_name_is_synced_when_the_new_one_is_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (path, taken) = (folder.path().join("balance.json"), folder.path().join("taken"));
        fs::create_dir_all(taken.join("by a folder")).unwrap();
        let mut synced = Vec::new();
        for bytes in ["old", "new"] {
            replace(&path, bytes.as_bytes(), |path| synced.push(fs::read_to_string(path).unwrap())).unwrap();
        }
        assert!(replace(&taken, b"new", |_| panic!("nothing was put in place")).is_err());
        assert_eq!(synced, ["old", "new"]);
    }

    #[test]
    #[cfg(feature = "recording")]
    fn what_cannot_be_put_in_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).unwrap();
        let snapshot = Snapshot { state: 1, folded: 0, recent: Recent::default() };
        assert!(snapshot.save(&path).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
