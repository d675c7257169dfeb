//! `sigtree stats` counts what is in recordings.

mod support;

use serde_json::{Value, json};
use support::Place;

#[test]
fn people_see_numbers_and_bars() {
    let place = Place::with_flight();
    let said = place.run(&["stats", "flight.jsonl"]).fine();
    let bytes = place.read("flight.jsonl").len();
    let has = |text: &str| assert!(said.out.contains(text), "no {text:?} in\n{}", said.out);
    has("events  6\n");
    has(&format!("bytes   {bytes}\n"));
    has(
        "from    1970-01-01T00:00:00.000Z\nto      1970-01-01T00:00:00.050Z\ntime    50.0 ms\nrate    120.0 events a second\n",
    );
    has("radar.track.lost                 ████████████████████████\n");
    has("  median 10.0 ms, 90 % 10.0 ms, 99 % 10.0 ms, longest 10.0 ms\n");
    has("  below   100.0 ms            5  ████████████████████████████████████████\n");
    has("events over time, 1.0 ms a column, at most 1000.0 a second\n");
}

#[test]
fn programs_read_one_object() {
    let place = Place::with_flight();
    place.record("second.jsonl", 10);
    let stats = place.run(&["stats", "flight.jsonl", "second.jsonl", "--json", "--top", "1"]).fine().json();
    assert_eq!((&stats["events"], &stats["skipped"]), (&json!(12), &json!(0)));
    assert_eq!(stats["bytes"], json!(place.read("flight.jsonl").len() + place.read("second.jsonl").len()));
    // Between two recordings no time passes.
    assert_eq!((&stats["seconds"], &stats["rate"]), (&json!(0.1), &json!(120.0)));
    assert_eq!(stats["topics"][0]["topic"], "radar.track.lost");
    assert_eq!((&stats["others"]["topics"], &stats["others"]["events"]), (&json!(1), &json!(6)));
    assert_eq!(stats["gaps"]["rows"], json!([{ "below": 0.1, "events": 10 }]));
    let columns = stats["timeline"]["events"].as_array().unwrap();
    assert_eq!(columns.iter().filter_map(Value::as_u64).sum::<u64>(), 12);
}

#[test]
fn the_epoch_is_a_time_and_no_time_is_none() {
    let place = Place::with_flight();
    let first = place.read("flight.jsonl").lines().next().unwrap().to_owned();
    let timeless = first.replace(r#""time":"1970-01-01T00:00:00Z","#, "");
    assert_ne!(first, timeless);
    let stats = |line: &str| place.run_with(&["stats", "-", "--json"], format!("{line}\n")).fine().json();
    let epoch = json!("1970-01-01T00:00:00.000Z");
    assert_eq!((&stats(&first)["from"], &stats(&first)["to"]), (&epoch, &epoch));
    assert_eq!((&stats(&timeless)["from"], &stats(&timeless)["events"]), (&Value::Null, &json!(1)));
    for unknown in ["seconds", "rate", "gaps", "timeline"] {
        assert_eq!(stats(&timeless)[unknown], Value::Null, "{unknown}");
    }
    let told = place.run_with(&["stats", "-"], format!("{timeless}\n")).fine().out;
    assert!(told.contains("events  1\n") && !told.contains("time ") && !told.contains("0 ns"), "{told}");
}

#[test]
fn nothing_at_all_is_counted_as_nothing() {
    let place = Place::new();
    place.write("empty.jsonl", "");
    assert_eq!(place.run(&["stats", "empty.jsonl", "--json"]).fine().json()["events"], 0);
    assert!(place.run_with(&["stats", "-"], "").fine().out.starts_with("events  0\n"));
}

#[test]
fn many_topics_are_counted_together() {
    let place = Place::with_flight();
    let line = place.read("flight.jsonl").lines().next().unwrap().to_owned();
    let lines = (0..10_100).map(|n| line.replace("radar.track.new", &format!("t.{n}")) + "\n");
    place.write("many.jsonl", lines.collect::<String>());
    let said = place.run(&["stats", "many.jsonl", "--top", "2"]).fine();
    assert!(said.out.contains("(more than 9998 other topics)"), "{}", said.out);
}

#[test]
fn runs_of_a_program_follow_each_other_without_a_pause() {
    let place = Place::with_flight();
    let again = place.read("flight.jsonl").replace("\"0.0", "\"7.0");
    place.write("twice.jsonl", again + &place.read("flight.jsonl"));
    let stats = place.run(&["stats", "twice.jsonl", "--json"]).fine().json();
    let seconds = stats["seconds"].as_f64().unwrap();
    assert!((seconds - 0.1).abs() < 1e-6, "{seconds}");
}
