//! A store finds what it was given by topic and time, whole transactions at a time, and keeps its bound.
#![cfg(feature = "redb")]

mod support;

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sigtree_middleware::{Codec, History, Recording, Store, StoreError};
use support::{Layered, Rig};
use tempfile::TempDir;

fn numbers() -> Codec {
    Codec::new().with::<u32>("**").unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// 0 to 11, one a second, on `a.x`, `a.y` and `b` in turn.
fn filled(store: &Store) {
    let rig = Rig::new();
    let recording = Recording::builder(&numbers()).open_sink(store.clone()).unwrap();
    for n in 0..12_u32 {
        rig.emit(&recording, ["a.x", "a.y", "b"][n as usize % 3], n);
        rig.clock.advance(Duration::from_secs(1));
    }
    recording.sync().unwrap();
}

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("flight.redb")).unwrap();
    (folder, store)
}

fn read(records: Result<sigtree_middleware::Records, StoreError>) -> Vec<u32> {
    records.unwrap().map(|record| record.unwrap().decode().unwrap()).collect()
}

#[test]
fn it_finds_by_topic_and_time() {
    let (_folder, store) = fresh();
    assert!(store.is_empty().unwrap());
    assert_eq!(read(store.query().records()), [0_u32; 0]);
    filled(&store);
    assert_eq!(store.len().unwrap(), 12);
    let query = || store.query();
    assert_eq!(read(query().records()), (0..12).collect::<Vec<_>>());
    assert_eq!(read(query().matching("b").unwrap().records()), [2, 5, 8, 11]);
    assert_eq!(read(query().matching("a.*").unwrap().records()), [0, 1, 3, 4, 6, 7, 9, 10]);
    assert_eq!(read(query().matching("c").unwrap().records()), [0_u32; 0]);
    assert_eq!(read(query().since(at(10)).records()), [10, 11]);
    assert_eq!(read(query().since(at(3)).until(at(5)).records()), [3, 4]);
    assert_eq!(read(query().matching("a.**").unwrap().since(at(3)).until(at(7)).records()), [3, 4, 6]);
    assert_eq!(read(query().since(at(5)).until(at(5)).records()), [0_u32; 0]);
    assert!(query().matching("a..b").is_err());
}

#[test]
fn it_plays_and_seeks() {
    let (_folder, store) = fresh();
    filled(&store);
    let rig = Rig::new();
    let target = Layered { rig: &rig, layer: None::<History> };
    let mut player = store.query().matching("b").unwrap().player(&numbers());
    assert_eq!(player.run(&target).replayed, 4);
    player.seek(Duration::from_secs(8));
    assert_eq!(player.run(&target).replayed, 2);
    assert_eq!(rig.seen(), ["b 2*", "b 5*", "b 8*", "b 11*", "b 8*", "b 11*"]);
}

#[test]
fn a_player_tells_which_record_is_of_another_type() {
    let (folder, store) = fresh();
    filled(&store);
    let target = Layered { rig: &Rig::new(), layer: None::<History> };
    let codec = Codec::new().with::<bool>("b").unwrap();
    let report = store.query().matching("b").unwrap().player(&codec).run(&target);
    let what = "record 3: the payload of topic `b` is no `bool`: invalid type: integer `2`, expected a boolean";
    let begin = format!("{}: {what}", folder.path().join("flight.redb").display());
    assert!(report.unread == 4 && report.reasons[0].starts_with(&begin), "{:?}", report.reasons);
}

#[test]
fn it_is_there_after_a_restart_and_goes_on() {
    let (folder, store) = fresh();
    filled(&store);
    assert!(Store::open(folder.path().join("flight.redb")).is_err(), "it is open already");
    drop(store);
    let store = Store::open(folder.path().join("flight.redb")).unwrap();
    filled(&store);
    let sequences: Vec<_> = store.query().records().unwrap().map(|record| record.unwrap().sequence()).collect();
    assert_eq!(sequences.len(), 24);
    assert_eq!(sequences[..4], [1, 13, 2, 14], "by time, then by sequence");
}

#[test]
fn two_recordings_share_it() {
    let (_folder, store) = fresh();
    std::thread::scope(|scope| {
        scope.spawn(|| filled(&store));
        scope.spawn(|| filled(&store));
    });
    assert_eq!(store.len().unwrap(), 24);
}

#[test]
fn a_bounded_one_forgets_the_oldest_in_all_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::bounded(folder.path().join("flight.redb"), 5).unwrap();
    filled(&store);
    assert_eq!((store.len().unwrap(), store.removed()), (5, 7));
    assert_eq!(read(store.query().records()), [7, 8, 9, 10, 11]);
    assert_eq!(read(store.query().matching("a.x").unwrap().records()), [9]);
    assert_eq!(read(store.query().until(at(8)).records()), [7]);
}

#[test]
fn what_is_read_stands_still_while_more_is_written() {
    let (_folder, store) = fresh();
    filled(&store);
    let records = store.query().records();
    filled(&store);
    assert_eq!(read(records).len(), 12);
}

#[test]
fn what_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flight.redb");
    fs::write(&path, "not a database, whatever its name says").unwrap();
    for path in [path, folder.path().into(), folder.path().join("no/such.redb")] {
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
    }
}
