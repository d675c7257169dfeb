//! `sigtree tail` shows the end of a recording and follows it, over the rotation of its files.

mod support;

#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::Stdio;

use serde_json::json;
use sigtree::middleware::{Codec, Recording};
#[cfg(unix)]
use support::Said;
use support::{Place, Recorded, Running};

#[test]
fn the_last_events_are_shown() {
    let place = Place::with_flight();
    let all = place.run(&["tail", "flight.jsonl", "--no-follow"]).fine();
    assert_eq!(all.lines().len(), 6);
    assert_eq!(all.lines()[0], r#"1970-01-01T00:00:00.000Z radar.track.new {"id":1} from tower"#);
    let last = place.run(&["tail", "flight.jsonl", "--no-follow", "-n", "2"]).fine();
    assert_eq!(last.lines(), all.lines()[4..]);
    assert_eq!(place.run(&["tail", "flight.jsonl", "--no-follow", "-n", "0"]).fine().out, "");
}

#[test]
fn hands_that_are_used_to_it_may_ask_it_to_follow() {
    let place = Place::with_flight();
    let tail = Running::start(place.command(&["tail", "-f", "flight.jsonl", "-n", "1", "--json"]));
    let line = place.read("flight.jsonl").lines().last().unwrap().to_owned();
    assert_eq!(tail.next(1), [&*line]);
    place.append("flight.jsonl", &format!("{line}\n"));
    assert_eq!(tail.next(1), [&*line]);
    assert_eq!(tail.stop(), "");
}

#[test]
#[cfg(unix)]
fn it_ends_with_its_reader_though_nothing_comes() {
    let place = Place::with_flight();
    let mut tail =
        place.command(&["tail", "flight.jsonl"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(tail.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains(r#"radar.track.new {"id":1}"#), "{first}");
    // The reader is gone; it would wait for ever.
    let said = Said::of(tail.wait_with_output().unwrap());
    assert_eq!((said.code, &*said.err), (Some(0), ""));
}

#[test]
fn those_that_match_may_lie_far_back() {
    let place = Place::with_flight();
    let lines = place.read("flight.jsonl");
    let new = lines.lines().next().unwrap();
    let noise = lines.lines().last().unwrap().replace("radar", "noise");
    let long = std::iter::repeat_n(&*noise, 5_000).fold(lines.clone(), |text, line| text + line + "\n");
    place.write("long.jsonl", &long);
    let said = place.run(&["tail", "long.jsonl", "radar.track.new", "--no-follow", "-n", "3", "--json"]).fine();
    assert_eq!(said.data(), [json!({ "id": 1 }), json!({ "id": 2 }), json!({ "id": 3 })]);
    assert_eq!(said.lines()[0], new);
    let said = place.run(&["tail", "long.jsonl", "radar.**", "--no-follow", "-n", "100", "--json"]).fine();
    assert_eq!(said.out, lines);
}

#[test]
fn what_comes_is_shown_over_rotations() {
    let place = Place::new();
    let bus = Recorded::open(Recording::builder(&Codec::json()).part_events(3), &place.path("flight.jsonl"));
    (0..5).for_each(|n| bus.emit("n", json!(n)));
    let tail = Running::start(place.command(&["tail", "flight.jsonl", "n", "-n", "2", "--json"]));
    let data = |lines: usize| {
        let lines = tail.next(lines);
        lines.iter().map(|line| line.rsplit_once(":").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(data(2), ["3}", "4}"]);
    for n in 5..20 {
        bus.emit("n", json!(n));
        bus.emit("other", json!(n));
        assert_eq!(data(1), [format!("{n}}}")]);
    }
    // Several rotations between two looks.
    (20..40).for_each(|n| bus.emit("n", json!(n)));
    assert_eq!(data(20), (20..40).map(|n| format!("{n}}}")).collect::<Vec<_>>());
    assert_eq!(tail.stop(), "");
}

#[test]
fn half_a_line_is_shown_when_it_is_whole_and_a_bad_one_is_told() {
    let place = Place::with_flight();
    let line = place.read("flight.jsonl").lines().last().unwrap().to_owned();
    let tail = Running::start(place.command(&["tail", "flight.jsonl", "-n", "1", "--json"]));
    assert_eq!(tail.next(1), [&*line]);
    let (first, second) = line.split_at(40);
    place.append("flight.jsonl", first);
    place.append("flight.jsonl", &format!("{second}\nno event\n{line}\n"));
    assert_eq!(tail.next(2), [&*line, &*line]);
    assert!(tail.stop().contains("flight.jsonl, line 8: not an event"));
}

#[test]
fn standard_input_is_read_to_its_end() {
    let place = Place::with_flight();
    let said = place.run_with(&["tail", "-", "**.lost", "-n", "2", "--json"], place.read("flight.jsonl")).fine();
    assert_eq!(said.data(), [json!({ "id": 2, "why": "far" }), json!({ "id": 3, "why": "far" })]);
}
