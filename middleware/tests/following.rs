//! A reader that follows a recording gives every whole line once, over rotations too, and may begin near the end.
#![cfg(feature = "recording")]

mod support;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use sigtree_middleware::{Codec, LineError, Reader, Recording, RecordingBuilder};
use support::Rig;

fn builder() -> RecordingBuilder {
    Recording::builder(&Codec::new().with::<u32>("**").unwrap())
}

fn emit(rig: &Rig, recording: &Recording, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        rig.emit(recording, "n", n);
    }
    recording.sync().unwrap();
}

/// The numbers that can be read now.
fn read(reader: &mut Reader) -> Vec<u32> {
    reader.map(|record| record.unwrap().decode().unwrap()).collect()
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn it_goes_on_over_rotations() {
    let (rig, folder) = (Rig::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("flight.jsonl");
    let recording = builder().part_events(3).open(&path).unwrap();
    let mut reader = Reader::open(&path).unwrap().following();
    let mut next = 0;
    for step in [0, 1, 2, 1, 3, 7, 0, 20] {
        emit(&rig, &recording, next..next + step);
        assert_eq!(read(&mut reader), (next..next + step).collect::<Vec<_>>());
        next += step;
    }
    assert_eq!(Recording::files(&path).unwrap().len(), 12);
    assert_eq!(reader.stats().records, 34);
}

#[test]
fn what_a_bounded_recording_has_thrown_away_is_all_that_is_missed() {
    let (rig, folder) = (Rig::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("flight.jsonl");
    let recording = builder().part_events(2).bytes(2_000).open(&path).unwrap();
    let mut reader = Reader::open(&path).unwrap().following();
    emit(&rig, &recording, 0..5);
    assert_eq!(read(&mut reader), [0, 1, 2, 3, 4]);
    emit(&rig, &recording, 5..100);
    let late = read(&mut reader);
    // The part in hand is still read to its end, though it is long gone.
    assert_eq!((late[0], late.last()), (5, Some(&99)));
    assert!(late.len() > 4 && late.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn half_a_line_is_waited_for_until_its_part_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flight.jsonl");
    append(&path, b"{\"specversion\":");
    let mut reader = Reader::open(&path).unwrap().following();
    assert!(reader.next().is_none() && reader.next().is_none());
    std::fs::rename(&path, folder.path().join("flight.part-000001.jsonl")).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert!(error.is_torn() && error.line() == 1);
    assert!(reader.next().is_none());
    append(&path, b"{}\n");
    assert!(reader.next().unwrap().unwrap_err().is_not_an_event());
    assert!(reader.next().is_none());
}

#[test]
fn the_end_is_read_alone() {
    let (rig, folder) = (Rig::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("flight.jsonl");
    let recording = builder().part_events(10).open(&path).unwrap();
    emit(&rig, &recording, 0..95);
    drop(recording);
    let line = std::fs::metadata(&path).unwrap().len() / 5;
    for (lines, first) in [(0, 95), (1, 94), (5, 90), (6, 89), (15, 80), (16, 79), (95, 0), (1_000, 0)] {
        let mut reader = Reader::open_near_end(&path, lines * line).unwrap();
        assert_eq!(read(&mut reader), (first..95).collect::<Vec<_>>(), "{lines} lines");
        // The first ten lines are a digit shorter.
        assert_eq!(reader.stats().bytes, u64::from(95 - first) * line - if first == 0 { 10 } else { 0 });
    }
    let mut reader = Reader::open_near_end(&path, 6 * line - 1).unwrap().following();
    assert_eq!(read(&mut reader), [90, 91, 92, 93, 94]);
    let recording = builder().part_events(10).open(&path).unwrap();
    emit(&rig, &recording, 95..120);
    assert_eq!(read(&mut reader), (95..120).collect::<Vec<_>>());
}

#[test]
fn lines_keep_their_numbers_when_the_beginning_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flight.jsonl");
    append(&path, &b"{}\n".repeat(1_000));
    append(&path, b"[]\nbad\n");
    let errors: Vec<_> = Reader::open_near_end(&path, 7).unwrap().map(Result::unwrap_err).collect();
    assert_eq!(errors.iter().map(LineError::line).collect::<Vec<_>>(), [1_001, 1_002]);
}

#[test]
fn a_line_is_given_as_it_stands() {
    let text =
        r#" {"more":1,"specversion":"1.0","id":"00000000000000000000000001","source":"/x","type":"n","data": 7} "#;
    let mut reader = Reader::new(text.as_bytes());
    assert!(reader.line().is_empty());
    reader.next().unwrap().unwrap();
    assert_eq!(reader.line(), text.as_bytes());
}
