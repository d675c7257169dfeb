//! A recording is cut into parts and kept within its bounds, and touches no file of others.
#![cfg(feature = "recording")]

mod support;

use std::fs;

use sigtree_middleware::{Codec, Reader, Recording};
use support::Rig;
use support::recordings::{Place, builder, emit, numbers};

#[test]
fn parts_are_rotated_by_events_and_by_bytes() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_events(2).open(&place.path).unwrap();
    emit(&rig, &recording, 0..5);
    drop(recording);
    assert_eq!(place.files(), ["flight.jsonl", "flight.part-000001.jsonl", "flight.part-000002.jsonl"]);
    let recording = builder().part_events(2).open(&place.path).unwrap();
    emit(&rig, &recording, 5..7);
    recording.sync().unwrap();
    assert_eq!((place.files().len(), recording.stats().parts), (4, 1));
    drop(recording);
    assert_eq!(place.read(), (0..7).map(|n| (u64::from(n) + 1, n)).collect::<Vec<_>>());

    let place = Place::new();
    let recording = builder().part_bytes(500).open(&place.path).unwrap();
    emit(&rig, &recording, 0..20);
    recording.sync().unwrap();
    assert_eq!(place.read().len(), 20);
    for name in place.files() {
        assert!(fs::metadata(place.folder.path().join(name)).unwrap().len() <= 500);
    }
}

#[test]
fn all_parts_together_keep_the_bound() {
    let (rig, place, all) = (Rig::new(), Place::new(), Place::new());
    let recording_of_all = builder().open(&all.path).unwrap();
    let recording = builder().part_bytes(1_000).bytes(5_000).open(&place.path).unwrap();
    for n in 0..200_u32 {
        rig.emit(&(recording.clone(), recording_of_all.clone()), "n", n);
        recording.sync().unwrap();
        assert!(place.bytes() <= 5_000);
    }
    let read = place.read();
    assert!(place.bytes() > 3_000 && read.len() > 15);
    assert_eq!(read.last(), Some(&(200, 199)));
    assert!(read.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
    drop(recording_of_all);
    assert_eq!(recording.stats().removed_bytes + place.bytes(), all.bytes());
}

#[test]
fn files_of_others_are_neither_read_nor_thrown_away() {
    let (rig, place) = (Rig::new(), Place::new());
    let others = ["flight.20240501.jsonl", "flight.000001.jsonl", "flight.part-1.jsonl"];
    for name in others {
        emit(&rig, &Recording::open(place.folder.path().join(name), &numbers()).unwrap(), 0..50);
    }
    let recording = builder().bytes(1_000).open(&place.path).unwrap();
    emit(&rig, &recording, 7..8);
    recording.sync().unwrap();
    assert_eq!(place.read(), [(1, 7)]);
    assert_eq!((place.files().len(), recording.stats().removed_bytes), (4, 0));
}

#[test]
fn what_comes_back_from_an_archive_is_read_and_kept() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_bytes(250).bytes(1_000).open(&place.path).unwrap();
    let first = place.part(1);
    emit(&rig, &recording, 0..3);
    recording.sync().unwrap();
    let archived = fs::read(&first).unwrap();
    emit(&rig, &recording, 3..20);
    drop(recording);
    assert!(!first.exists());
    fs::write(&first, archived).unwrap();

    let recording = builder().part_bytes(250).bytes(1_000).open(&place.path).unwrap();
    emit(&rig, &recording, 20..40);
    drop(recording);
    assert_eq!((place.read()[0], first.exists()), ((1, 0), true));
}

#[test]
fn numbers_go_on_when_all_parts_are_archived() {
    let (rig, place) = (Rig::new(), Place::new());
    emit(&rig, &builder().part_events(2).open(&place.path).unwrap(), 0..7);
    let mut reader = Reader::open(&place.path).unwrap();
    assert_eq!(reader.by_ref().take(6).count(), 6);
    for number in 1..=3 {
        fs::remove_file(place.part(number)).unwrap();
    }
    emit(&rig, &builder().part_events(2).open(&place.path).unwrap(), 7..11);
    assert_eq!(place.files(), ["flight.jsonl", "flight.part-000007.jsonl", "flight.part-000008.jsonl"]);
    let rest: Vec<u64> = reader.map(|record| record.unwrap().sequence()).collect();
    assert_eq!(rest, [7, 8, 9, 10, 11], "whoever has read the archived ones goes on with the new ones");
}

#[test]
fn a_part_overwrites_no_file() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_events(1).open(&place.path).unwrap();
    fs::write(place.part(1), "from an archive\n").unwrap();
    emit(&rig, &recording, 0..2);
    recording.sync().unwrap();
    assert_eq!(fs::read_to_string(place.part(1)).unwrap(), "from an archive\n");
    assert_eq!(place.files(), ["flight.jsonl", "flight.part-000001.jsonl", "flight.part-000002.jsonl"]);
}

#[test]
fn a_line_larger_than_all_that_is_allowed_is_refused() {
    let (rig, place) = (Rig::new(), Place::new());
    let codec = Codec::new().with::<String>("**").unwrap();
    let recording = Recording::builder(&codec).bytes(2_000).open(&place.path).unwrap();
    rig.emit(&recording, "a", "x".repeat(10));
    rig.emit(&recording, "a", "x".repeat(2_000));
    rig.emit(&recording, "a", "x".repeat(1_750));
    assert!(recording.sync().is_err());
    assert_eq!((recording.stats().written, recording.stats().failed), (2, 1));
    let lengths: Vec<_> =
        Reader::open(&place.path).unwrap().map(|record| record.unwrap().decode::<String>().unwrap().len()).collect();
    assert_eq!(lengths, [1_750], "the smaller one had to go");
}
