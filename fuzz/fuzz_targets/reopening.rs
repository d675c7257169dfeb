//! Any bytes as what is there when a recording begins: it is opened, goes on behind them, and loses nothing.
#![no_main]

use std::fs;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use sigtree::Bus;
use sigtree::middleware::{Codec, Reader, Recording};

/// A folder of this process, empty.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("sigtree-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    folder
}

/// The sequences of what can be read.
fn sequences(path: &PathBuf) -> Vec<u64> {
    Reader::open(path).unwrap().filter_map(Result::ok).map(|record| record.sequence()).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, text)) = bytes.split_first() else { return };
    // The rest is the file that is being written, and a full part if the bytes say so.
    let (current, part) = text.split_at(if choice & 1 == 0 { text.len() } else { text.len() / 2 });
    let folder = folder();
    let path = folder.join("flight.jsonl");
    fs::write(&path, current).unwrap();
    if !part.is_empty() {
        fs::write(folder.join(format!("flight.part-{:06}.jsonl", choice >> 5)), part).unwrap();
    }
    let before = sequences(&path);
    if before.iter().any(|sequence| (1 << 61..1 << 62).contains(sequence)) {
        return; // So near the end of the numbers that a part may find none.
    }

    let codec = Codec::new().with::<u32>("n").unwrap();
    let recording = Recording::builder(&codec).part_events(u64::from(choice >> 1 & 3) + 1).open(&path).unwrap();
    let bus = Bus::new();
    bus.layer(recording.clone());
    (0..3_u32).for_each(|n| drop(bus.emit("n", n)));
    recording.sync().unwrap();
    assert_eq!(recording.stats().written, 3);

    let after = sequences(&path);
    let (old, new) = after.split_at(after.len() - 3);
    assert_eq!(old, before);
    assert!(new[0] + 1 == new[1] && new[1] + 1 == new[2], "{new:?}");
    fs::remove_dir_all(folder).unwrap();
});
