//! `sigtree filter` writes the lines that are asked for as they are.

mod support;

use serde_json::json;
use support::Place;

#[test]
fn the_output_is_a_recording_again() {
    let place = Place::with_flight();
    let all = place.read("flight.jsonl");
    let new = place.run(&["filter", "flight.jsonl", "--pattern", "radar.*.new"]).fine();
    let expected: Vec<_> = all.lines().filter(|line| line.contains("radar.track.new")).collect();
    assert_eq!(new.lines(), expected);
    assert_eq!(new.data(), [json!({ "id": 1 }), json!({ "id": 2 }), json!({ "id": 3 })]);
    assert_eq!(place.run(&["filter", "flight.jsonl"]).fine().out, all);
}

#[test]
fn lines_stay_as_they_are_to_the_last_attribute() {
    let place = Place::new();
    let line = r#" {"more":[1e400],"specversion":"1.0","id":"00000000000000000000000001","source":"/x","type":"n","data": 1.10} "#;
    place.write("foreign.jsonl", format!("{line}\n"));
    assert_eq!(place.run(&["filter", "foreign.jsonl"]).fine().out, format!("{line}\n"));
}

#[test]
fn an_event_must_be_all_that_is_asked_for() {
    let place = Place::with_flight();
    let ids = |args: &[&str]| {
        let said = place.run(&[&["filter", "flight.jsonl"], args].concat()).fine();
        said.data().iter().map(|data| data["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["-p", "**.new", "-p", "*.*.lost", "--where", "data.id=2"]), [2, 2]);
    assert_eq!(ids(&["--where", "data.why=far", "--where", "source=tower"]), [1, 2, 3]);
    assert_eq!(ids(&["--where", "source=nobody"]), [0; 0]);
    assert_eq!(ids(&["--since", "10ms", "--until", "40ms"]), [1, 2, 2]);
    assert_eq!(ids(&["--from", "1970-01-01", "--to", "1970-01-01T00:00:00.02Z"]), [1, 1]);
    assert_eq!(ids(&["--pattern", "/radar\\..*/", "--from", "2100-01-01"]), [0; 0]);
}

#[test]
fn conditions_are_on_what_stands_in_the_file() {
    let place = Place::with_flight();
    let ids = |condition: &str| {
        let said = place.run(&["filter", "flight.jsonl", "--where", condition]).fine();
        said.data().iter().map(|data| data["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("type=radar.track.new"), [1, 2, 3]);
    assert_eq!(ids("topic!=radar.track.new"), [1, 2, 3]);
    assert_eq!(ids("source=/sigtree"), [0; 0]);
    assert_eq!(ids("sequence>=5"), [3, 3]);
    assert_eq!(ids("time<1970-01-01T00:00:00.02Z"), [1, 1]);
    assert_eq!([ids("data.id>2"), ids("data.id=3.0"), ids("data.id!=2.0")], [vec![3, 3], vec![3, 3], vec![1, 1, 3, 3]]);
    let anonymous = place.read("flight.jsonl").replace("\"tower\"", "\"/sigtree\"");
    let said = place.run_with(&["filter", "-", "--where", "source=/sigtree"], anonymous.clone()).fine();
    assert_eq!(said.out, anonymous);
}

#[test]
fn numbers_beyond_those_of_floats_are_told_apart() {
    let place = Place::with_flight();
    let line = place.read("flight.jsonl").lines().next().unwrap().to_owned();
    let numbers =
        ["9007199254740992", "9007199254740993", "18446744073709551616", "18446744073709551617", "-0.5", "1.0"];
    let text = numbers.map(|number| line.replace(r#"{"id":1}"#, &format!(r#"{{"n":{number}}}"#)) + "\n").concat();
    place.write("numbers.jsonl", &text);
    let kept = |condition: &str| place.run(&["filter", "numbers.jsonl", "--where", condition]).fine().lines().len();
    numbers.iter().for_each(|number| assert_eq!(kept(&format!("data.n={number}")), 1, "{number}"));
    assert_eq!([kept("data.n=1"), kept("data.n!=1"), kept("data.n<0"), kept("data.n>9007199254740992")], [1, 5, 1, 3]);
}

#[test]
fn an_attribute_that_no_event_has_is_told() {
    let place = Place::with_flight();
    let said = place.run(&["filter", "flight.jsonl", "--where", "sorce=tower"]);
    assert_eq!((said.code, &*said.out), (Some(0), ""));
    assert!(said.err.starts_with("warning: no event has an attribute `sorce`: use data.FIELD for"), "{}", said.err);
    place.write("other.jsonl", place.read("flight.jsonl").replacen("\"type\"", "\"subject\":\"s\",\"type\"", 1));
    let said = place.run(&["filter", "other.jsonl", "--where", "subject=s"]).fine();
    assert_eq!(said.data(), [json!({ "id": 1 })]);
}

#[test]
fn an_event_without_a_time_lies_within_no_times() {
    let place = Place::with_flight();
    let timeless = r#"{"specversion":"1.0","id":"7","source":"x","type":"n","data":7}"#;
    place.append("flight.jsonl", &format!("{timeless}\n"));
    assert_eq!(place.run(&["filter", "flight.jsonl", "--to", "2100-01-01"]).fine().lines().len(), 6);
    assert_eq!(place.run(&["filter", "flight.jsonl", "--from", "1900-01-01"]).fine().lines().len(), 6);
    let shown = place.run(&["filter", "flight.jsonl", "--pretty", "-p", "n"]).fine();
    assert_eq!(shown.out, "- n 7 from x\n");
}

#[test]
fn several_files_and_standard_input_follow_each_other() {
    let place = Place::with_flight();
    place.record("second.jsonl", 10);
    let both = place.run_with(&["filter", "-", "second.jsonl", "-p", "**.lost"], place.read("flight.jsonl")).fine();
    let ids: Vec<_> = both.data().iter().map(|data| data["id"].clone()).collect();
    assert_eq!(ids, [1, 2, 3, 10, 11, 12]);
}

#[test]
fn all_parts_of_a_recording_are_read() {
    let place = Place::new();
    let builder = sigtree::middleware::Recording::builder(&sigtree::middleware::Codec::json()).part_events(2);
    let bus = support::Recorded::open(builder, &place.path("flight.jsonl"));
    (0..7).for_each(|n| bus.emit("n", json!(n)));
    assert_eq!(place.run(&["filter", "flight.jsonl"]).fine().data(), (0..7).map(|n| json!(n)).collect::<Vec<_>>());
    assert_eq!(place.run(&["filter", "flight.part-000002.jsonl"]).fine().data(), [json!(2), json!(3)]);
    std::fs::remove_file(place.path("flight.jsonl")).unwrap();
    let said = place.run(&["filter", "flight.jsonl"]);
    assert_eq!((said.code, said.lines().len()), (Some(3), 6));
    assert!(said.err.starts_with("error: no `flight.jsonl`, only full parts before it: put it beside"), "{}", said.err);
}

#[test]
fn it_can_be_read_by_people() {
    let place = Place::with_flight();
    let said = place.run(&["filter", "flight.jsonl", "--pretty", "--where", "data.id=1"]).fine();
    assert_eq!(
        said.lines(),
        [
            r#"1970-01-01T00:00:00.000Z radar.track.new {"id":1} from tower"#,
            r#"1970-01-01T00:00:00.010Z radar.track.lost {"id":1,"why":"far"} from tower"#,
        ]
    );
}
