//! What tests of recordings share: a folder of its own, numbers to record, and a sink that fails as it is told.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::{Codec, Reader, Record, Recording, RecordingBuilder, Sink, Unwritten};
use tempfile::TempDir;

use super::Rig;

/// A folder of its own, and a recording in it.
pub struct Place {
    pub folder: TempDir,
    pub path: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flight.jsonl");
        Self { folder, path }
    }

    pub fn part(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("flight.part-{number:06}.jsonl"))
    }

    pub fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn bytes(&self) -> u64 {
        fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    /// The sequences and numbers that can be read.
    pub fn read(&self) -> Vec<(u64, u32)> {
        let records = Reader::open(&self.path).unwrap().filter_map(Result::ok);
        records.map(|record| (record.sequence(), record.decode().unwrap())).collect()
    }
}

/// A codec of one type, whatever the topic.
pub fn numbers() -> Codec {
    Codec::new().with::<u32>("**").unwrap()
}

pub fn builder() -> RecordingBuilder {
    Recording::builder(&numbers())
}

pub fn emit(rig: &Rig, recording: &Recording, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        rig.emit(recording, "n", n);
    }
}

/// Fails as it is told, and writes down what it does.
#[derive(Clone, Default)]
pub struct Moody(pub Arc<Mutex<Mood>>);

#[derive(Default)]
pub struct Mood {
    pub fails: Option<ErrorKind>,
    pub panics: bool,
    pub panics_in_sync: bool,
    pub last: u64,
    pub written: Vec<u64>,
    pub syncs: u32,
}

impl Sink for Moody {
    fn write(&mut self, records: &[Record]) -> Result<(), Unwritten> {
        let mut mood = self.0.lock();
        if mood.panics {
            panic_quietly();
        }
        if let Some(kind) = mood.fails {
            return Err(Unwritten { lost: records.len(), error: kind.into() });
        }
        mood.written.extend(records.iter().map(Record::sequence));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut mood = self.0.lock();
        mood.syncs += 1;
        if mood.panics_in_sync {
            panic_quietly();
        }
        mood.fails.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn last_sequence(&self) -> u64 {
        self.0.lock().last
    }

    fn describe(&self) -> String {
        "moody".into()
    }
}

/// Panics without a word.
pub fn panic_quietly() {
    std::panic::resume_unwind(Box::new("never"));
}
