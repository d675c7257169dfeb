//! `sigtree topics check` says whether names are good, what they match, and what others call them.

mod support;

use serde_json::{Value, json};
use support::Place;

#[test]
fn a_pattern_is_told_in_every_grammar() {
    let said = Place::new().run(&["topics", "check", "radar.**", "-t", "radar.track.new", "-t", "orders.new"]).fine();
    assert_eq!(
        said.out,
        "\
radar.track.new is a topic
orders.new is a topic
radar.** is a pattern with wildcards
  NATS     radar   radar.>
  MQTT     radar/#
  AMQP     radar.#
  Redis    radar   radar.*
  matches  radar.track.new
  not      orders.new
"
    );
}

#[test]
fn what_has_no_form_elsewhere_says_why() {
    let said = Place::new().run(&["topics", "check", "a.**.b"]).fine();
    assert!(
        said.out
            .contains("  NATS     none: pattern `a.**.b` has no exact NATS form: `**` before the end: subscribe to")
    );
    assert!(said.out.contains("  AMQP     a.#.b\n"));
}

#[test]
fn bad_names_are_told_and_end_with_1() {
    let place = Place::new();
    let said = place.run(&["topics", "check", "a..b", "a.b"]);
    assert_eq!((said.code, &*said.err), (Some(1), ""));
    assert_eq!(
        said.lines()[..2],
        ["invalid pattern `a..b`: empty segment at byte 2: remove one dot", "a.b is a topic"]
    );
    assert_eq!(place.run(&["topics", "check", "-t", "a.*"]).code, Some(1));
    assert_eq!(place.run(&["topics", "check"]).code, Some(2));
}

#[test]
fn names_of_others_are_read() {
    let place = Place::new();
    let first =
        |from: &str, text: &str| place.run(&["topics", "check", "--from", from, text]).fine().lines()[0].to_owned();
    assert_eq!(first("nats", "radar.>"), "radar.*.** is a pattern with wildcards");
    assert_eq!(first("mqtt", "radar/+/new"), "radar.*.new is a pattern with wildcards");
    assert_eq!(first("amqp", "radar.#"), "radar.** is a pattern with wildcards");
    assert_eq!(first("redis", "radar.track"), "radar.track is a topic");
    assert_eq!(place.run(&["topics", "check", "--from", "mqtt", "a/#/b"]).code, Some(1));
}

#[test]
fn programs_read_an_object_a_line() {
    let said = Place::new().run_with(&["topics", "check", "-", "--topic", "a.b", "--json"], "a.*\n\n a..b \n");
    assert_eq!(said.code, Some(1));
    let objects: Vec<Value> = said.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0], json!({ "topic": "a.b", "ok": true }));
    assert_eq!(objects[1]["others"]["nats"], json!({ "exact": ["a.*"] }));
    assert_eq!(objects[1]["matches"], json!([["a.b", true]]));
    assert_eq!((&objects[2]["ok"], objects[2]["error"].is_string()), (&json!(false), true));
}
