//! What a recording writes, a reader reads: all an event had, in the order it was recorded, from run to run.
#![cfg(feature = "recording")]

mod support;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use sigtree_middleware::{Codec, Entry, Envelope, History, Middleware, Priority, Reader, Recording, Source};
use support::Rig;
use support::recordings::{Moody, Place, builder, emit, numbers};

#[test]
fn an_event_comes_back_with_all_it_had() {
    let (rig, place, history) = (Rig::new(), Place::new(), History::new());
    let recording = Recording::open(&place.path, &Codec::new().with::<String>("**").unwrap()).unwrap();
    let full = Envelope {
        source: Some(Source::named("tower 7")),
        priority: Priority::High,
        correlation: Some("c".into()),
        meta: vec![("unit".into(), "kg".into())],
        ..Envelope::default()
    };
    rig.clock.advance(Duration::new(3, 7));
    rig.emit_in(&(history.clone(), recording.clone()), "radar.track", String::from("a\n\"b\" ł"), Some(full));
    rig.emit(&(history.clone(), recording.clone()), "radar.lost", String::new());
    recording.sync().unwrap();

    let codec = Codec::new().with::<String>("**").unwrap();
    let back: Vec<Entry> = Reader::open(&place.path).unwrap().entries(&codec).collect::<Result<_, _>>().unwrap();
    assert_eq!(back.len(), 2);
    for (entry, original) in back.iter().zip(history.entries()) {
        assert_eq!(entry.payload::<String>(), original.payload::<String>());
        assert_eq!((entry.topic(), entry.id(), entry.stamp()), (original.topic(), original.id(), original.stamp()));
        assert_eq!((entry.envelope(), entry.sequence()), (original.envelope(), original.sequence()));
    }
}

#[test]
fn a_history_writes_the_same_lines() {
    let (rig, place, history) = (Rig::new(), Place::new(), History::new());
    let recording = Recording::open(&place.path, &numbers()).unwrap();
    for n in 0..3_u32 {
        rig.emit(&(history.clone(), recording.clone()), "n", n);
    }
    rig.emit(&history, "text", String::from("unknown"));
    recording.sync().unwrap();
    let mut text = Vec::new();
    let exported = history.write_to(&numbers(), &mut text).unwrap();
    assert_eq!((exported.written, exported.unwritable), (3, 1));
    assert_eq!(String::from_utf8(text).unwrap(), fs::read_to_string(&place.path).unwrap());
}

#[test]
fn it_records_what_it_is_told_to() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording =
        builder().matching("a.**").unwrap().filter(|event| event.payload() != Some(&2_u32)).open(&place.path).unwrap();
    for (topic, n) in [("a.b", 1_u32), ("a.b", 2), ("b", 3), ("a", 4)] {
        rig.emit(&recording, topic, n);
    }
    let replayed = Envelope { replayed: true, ..Envelope::default() };
    rig.emit_in(&recording, "a", 5_u32, Some(replayed));
    drop(recording);
    assert_eq!(place.read(), [(1, 1), (2, 4)]);
    assert_eq!(rig.seen().len(), 5);
}

#[test]
fn reports_are_recorded_when_spelled() {
    let place = Place::new();
    let topic = |text| sigtree_middleware::Topic::new(text).unwrap();
    let plain = builder().open(&place.path).unwrap();
    assert!(!plain.applies_to(&topic("$sys.dead")));
    let reports = builder().matching("$sys.**").unwrap().open(&place.path).unwrap();
    assert!(reports.applies_to(&topic("$sys.dead")) && !reports.applies_to(&topic("a")));
    assert!(reports.describe().ends_with("flight.jsonl`, on `$sys.**`"));
}

#[test]
fn it_goes_on_behind_what_is_there() {
    let (rig, place) = (Rig::new(), Place::new());
    for round in 0..3_u32 {
        let recording = Recording::open(&place.path, &numbers()).unwrap();
        emit(&rig, &recording, [round]);
    }
    assert_eq!(place.read(), [(1, 0), (2, 1), (3, 2)]);
}

#[test]
fn a_torn_line_is_told_and_the_rest_is_read() {
    let (rig, place) = (Rig::new(), Place::new());
    emit(&rig, &Recording::open(&place.path, &numbers()).unwrap(), 0..3);
    let whole = fs::read(&place.path).unwrap();
    // A crash can end the file after any byte.
    for cut in whole.len() - 60..whole.len() - 2 {
        fs::write(&place.path, &whole[..cut]).unwrap();
        let mut reader = Reader::open(&place.path).unwrap();
        let errors: Vec<_> = reader.by_ref().filter_map(Result::err).collect();
        assert_eq!((reader.stats().records, reader.stats().torn), (2, 1));
        assert!(errors[0].is_torn() && errors[0].line() == 3 && errors[0].file() == Some(&*place.path));
    }
    fs::write(&place.path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(place.read().len(), 3, "a line that only lacks its end is whole");

    fs::write(&place.path, &whole[..whole.len() - 30]).unwrap();
    emit(&rig, &Recording::open(&place.path, &numbers()).unwrap(), [7]);
    let mut reader = Reader::open(&place.path).unwrap();
    let seen: Vec<_> = reader.by_ref().map(|record| record.map(|record| record.sequence()).ok()).collect();
    assert_eq!(seen, [Some(1), Some(2), None, Some(3)]);
    assert_eq!(reader.stats().not_events, 1);
}

#[test]
fn a_sequence_that_nobody_counted_up_to_is_passed_over() {
    let hostile = |sequence: u64| {
        format!(r#"{{"specversion":"1.0","id":"{:026}","source":"/x","type":"n","sequence":"{sequence}","data":7}}"#, 1)
    };
    for sequence in [u64::MAX, u64::MAX - 1, 1 << 62] {
        let (rig, place) = (Rig::new(), Place::new());
        fs::write(&place.path, format!("{}\n{}\n", hostile(4), hostile(sequence))).unwrap();
        fs::write(place.part(u64::MAX), "").unwrap();
        let recording = builder().part_events(3).open(&place.path).unwrap();
        emit(&rig, &recording, 0..2);
        recording.sync().unwrap();
        assert_eq!(place.read(), [(4, 7), (sequence, 7), (5, 0), (6, 1)]);
        assert!(place.part(4).exists());

        let sink = Moody::default();
        sink.0.lock().last = sequence;
        let recording = builder().open_sink(sink.clone()).unwrap();
        emit(&rig, &recording, 0..2);
        recording.sync().unwrap();
        assert_eq!(sink.0.lock().written, [1, 2]);
    }
}

#[test]
fn what_cannot_be_opened_is_an_error_that_names_it() {
    let place = Place::new();
    let (folder, missing) = (place.folder.path(), place.folder.path().join("no"));
    let such = missing.join("such.jsonl");
    let named = |path: &Path, error: io::Error| {
        assert!(error.to_string().starts_with(&format!("{}: ", path.display())), "{error}");
        assert_eq!(error.to_string().matches(&*path.to_string_lossy()).count(), 1, "{error}");
    };
    named(folder, Recording::open(folder, &numbers()).unwrap_err());
    named(&missing, Recording::open(&such, &numbers()).unwrap_err());
    named(&place.path, Recording::player(&place.path, &numbers()).unwrap_err());
    named(&place.path, Reader::open(&place.path).unwrap_err());
    named(&place.path, Reader::open_near_end(&place.path, 10).unwrap_err());
    named(&missing, Recording::files(&such).unwrap_err());
    assert_eq!(Reader::open(&place.path).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_part_that_goes_away_meanwhile_is_named() {
    let (rig, place) = (Rig::new(), Place::new());
    emit(&rig, &builder().part_events(2).open(&place.path).unwrap(), 0..3);
    let mut reader = Reader::open(&place.path).unwrap();
    fs::remove_file(&place.path).unwrap();
    let error = reader.by_ref().find_map(Result::err).unwrap();
    assert!(error.is_io() && error.line() == 0 && error.file() == Some(&*place.path));
    assert!(error.to_string().starts_with(&format!("{}: ", place.path.display())), "{error}");
    assert!(reader.next().is_none());
}

#[test]
fn a_player_tells_what_the_codec_said_of_which_line() {
    let (rig, place) = (Rig::new(), Place::new());
    emit(&rig, &builder().open(&place.path).unwrap(), 0..3);
    let again = support::Layered { rig: &Rig::new(), layer: None::<History> };
    let reasons = |codec: Codec| Recording::player(&place.path, &codec).unwrap().run(&again).reasons;
    let path = place.path.display();
    let wrong = reasons(Codec::new().with::<String>("**").unwrap());
    let what = "the payload of topic `n` is no `alloc::string::String`: invalid type: integer `0`, expected a string";
    assert!(wrong.len() == 3 && wrong[0].starts_with(&format!("{path}, line 1: {what}")), "{wrong:?}");
    let unknown = reasons(Codec::new());
    assert_eq!(unknown[2], format!("{path}, line 3: no type is known for topic `n`: name it with `Codec::with`"));
}

#[test]
fn a_player_reads_the_file_again_to_seek_back() {
    let (rig, place) = (Rig::new(), Place::new());
    let recording = builder().part_events(2).open(&place.path).unwrap();
    for n in 0..5 {
        emit(&rig, &recording, [n]);
        rig.clock.advance(Duration::from_secs(1));
    }
    drop(recording);
    fs::OpenOptions::new()
        .append(true)
        .open(&place.path)
        .map(|mut file| io::Write::write_all(&mut file, b"{\n"))
        .unwrap()
        .unwrap();
    let again = support::Layered { rig: &Rig::new(), layer: None::<History> };
    let mut player = Recording::player(&place.path, &numbers()).unwrap();
    let report = player.run(&again);
    assert_eq!((report.replayed, report.unread), (5, 1));
    player.seek(Duration::from_secs(3));
    assert_eq!(player.run(&again).replayed, 2);
    fs::remove_file(&place.path).unwrap();
    player.seek(Duration::ZERO);
    let report = player.run(&again);
    assert_eq!((report.replayed, report.unread), (4, 1), "the part that is gone is told");
    assert_eq!(again.rig.seen().len(), 11);
}
