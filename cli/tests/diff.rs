//! `sigtree diff` shows where two recordings first differ, and ends with 1 if they do.

mod support;

use serde_json::json;
use support::Place;

/// A flight, and one in which something is different.
fn flights(from: &str, to: &str) -> Place {
    let place = Place::with_flight();
    let other = place.read("flight.jsonl");
    assert!(other.contains(from), "{from}");
    place.write("other.jsonl", other.replace(from, to));
    place
}

#[test]
fn other_ids_and_times_are_no_difference() {
    let place = flights("1970", "1971");
    let said = place.run(&["diff", "flight.jsonl", "other.jsonl"]).fine();
    assert_eq!(said.out, "the same 6 events\n");
    assert_eq!(place.run(&["diff", "flight.jsonl", "other.jsonl", "--also", "source,time"]).code, Some(1));
}

#[test]
fn one_event_is_no_plural() {
    let place = Place::with_flight();
    let lines = place.read("flight.jsonl");
    let (first, _) = lines.split_once('\n').unwrap();
    place.write("one.jsonl", first);
    for tree in [&[][..], &["--tree"]] {
        let said = place.run(&[&["diff", "one.jsonl", "one.jsonl"], tree].concat()).fine();
        assert_eq!(said.out, "the same 1 event\n");
    }
    let said = place.run(&["diff", "one.jsonl", "flight.jsonl"]);
    assert!(said.out.contains("one.jsonl: 1 event, flight.jsonl: 6 events; "), "{said:?}");
}

#[test]
fn times_differ_by_a_nanosecond() {
    let place = flights("1970-01-01T00:00:00.01Z", "1970-01-01T00:00:00.010000001Z");
    place.run(&["diff", "flight.jsonl", "other.jsonl"]).fine();
    let said = place.run(&["diff", "flight.jsonl", "other.jsonl", "--also", "time"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("+ radar.track.lost {\"id\":1,\"why\":\"far\"} time=1970-01-01T00:00:00.010000001Z"),
        "{}",
        said.out
    );
}

#[test]
fn json_that_is_written_in_another_way_is_the_same() {
    let place = flights(r#"{"id":2,"why":"far"}"#, r#"{ "why":"f\u0061r", "id":2 }"#);
    place.run(&["diff", "flight.jsonl", "other.jsonl"]).fine();
}

#[test]
fn the_first_difference_stands_among_its_neighbours() {
    let place = flights(r#""data":{"id":3}"#, r#""data":{"id":4}"#);
    let said = place.run(&["diff", "flight.jsonl", "other.jsonl"]);
    assert_eq!((said.code, &*said.err), (Some(1), ""));
    assert_eq!(
        said.out,
        r#"--- flight.jsonl
+++ other.jsonl
@@ event 5 @@
  radar.track.lost {"id":1,"why":"far"}
  radar.track.new {"id":2}
  radar.track.lost {"id":2,"why":"far"}
- radar.track.new {"id":3}
+ radar.track.new {"id":4}
  radar.track.lost {"id":3,"why":"far"}

flight.jsonl: 6 events, other.jsonl: 6 events; the first 4 are the same
each topic has as many events on either side
"#
    );
}

#[test]
fn a_missing_event_is_one_line() {
    let place = Place::with_flight();
    let all = place.read("flight.jsonl");
    place.write(
        "other.jsonl",
        all.lines().enumerate().filter(|(i, _)| *i != 2).fold(String::new(), |text, (_, line)| text + line + "\n"),
    );
    let said = place.run(&["diff", "flight.jsonl", "other.jsonl"]);
    assert_eq!(said.code, Some(1));
    let changed: Vec<_> =
        said.lines().into_iter().filter(|line| line.starts_with("- ") || line.starts_with("+ ")).collect();
    assert_eq!(changed, [r#"- radar.track.new {"id":2}"#]);
    assert!(
        said.out.ends_with("           -            +  topic\n           3            2  radar.track.new\n"),
        "{}",
        said.out
    );
}

#[test]
fn programs_read_one_object() {
    let place = flights(r#""data":{"id":3}"#, r#""data":{"id":4}"#);
    let said = place.run(&["diff", "flight.jsonl", "other.jsonl", "--json"]);
    assert_eq!(
        (said.code, said.json()),
        (
            Some(1),
            json!({
                "same": false,
                "same_events": 4,
                "events": { "expected": 6, "found": 6 },
                "expected": "radar.track.new {\"id\":3}",
                "found": "radar.track.new {\"id\":4}",
                "topics": [],
            })
        )
    );
    assert_eq!(place.run(&["diff", "flight.jsonl", "flight.jsonl", "--json"]).fine().json()["same"], true);
}

#[test]
fn trees_are_compared_by_what_led_to_what() {
    let place = Place::new();
    let line = |id: u32, cause: u32, topic: &str| {
        let cause = if cause == 0 { String::new() } else { format!(r#","causationid":"{cause:026}""#) };
        format!(r#"{{"specversion":"1.0","id":"{id:026}","source":"/x","type":"{topic}"{cause},"data":null}}"#) + "\n"
    };
    place.write("one.jsonl", line(1, 0, "a") + &line(2, 0, "b") + &line(3, 1, "a.x") + &line(4, 2, "b.x"));
    place.write("two.jsonl", line(5, 0, "a") + &line(6, 5, "a.x") + &line(7, 0, "b") + &line(8, 7, "b.x"));
    assert_eq!(place.run(&["diff", "one.jsonl", "two.jsonl"]).code, Some(1));
    assert_eq!(place.run(&["diff", "one.jsonl", "two.jsonl", "--tree"]).fine().out, "the same 4 events\n");
    place.write("two.jsonl", line(5, 0, "a") + &line(6, 5, "a.y"));
    let said = place.run(&["diff", "one.jsonl", "two.jsonl", "--tree"]);
    assert_eq!((said.code, &*said.out), (Some(1), "event 2 differs:\n  a null\n-   a.x null\n+   a.y null\n"));
}

#[test]
fn one_side_may_be_standard_input_and_not_both() {
    let place = Place::with_flight();
    place.run_with(&["diff", "flight.jsonl", "-"], place.read("flight.jsonl")).fine();
    let said = place.run(&["diff", "-", "-"]);
    assert_eq!((said.code, &*said.err), (Some(2), "error: both are standard input: give a file for one of them\n"));
}
