//! `sigtree replay` gives the lines of a recording once more, where and as fast as it is told.

mod support;

use std::io::Read;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use support::Place;

/// Listens for one connection, and says what came.
fn listen() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = thread::spawn(move || {
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        text
    });
    (address, heard)
}

#[test]
fn lines_go_to_standard_output_as_they_are() {
    let place = Place::with_flight();
    for speed in ["instant", "real", "x100", "0.9x"] {
        assert_eq!(place.run(&["replay", "flight.jsonl", "--speed", speed]).fine().out, place.read("flight.jsonl"));
    }
    let piped = place.run_with(&["replay", "-", "--speed", "instant"], place.read("flight.jsonl")).fine();
    assert_eq!(piped.out, place.read("flight.jsonl"));
}

#[test]
fn lines_go_to_a_socket_with_their_pauses() {
    let place = Place::with_flight();
    let (address, heard) = listen();
    let said = place.run(&["replay", "flight.jsonl", "--to", &format!("tcp:{address}"), "--json"]).fine();
    assert_eq!(heard.join().unwrap(), place.read("flight.jsonl"));
    let report = said.json();
    assert_eq!((&report["replayed"], &report["skipped"]), (&6.into(), &0.into()));
    // Six events, 10 ms apart.
    assert!(report["seconds"].as_f64().unwrap() >= 0.05, "{report}");
}

#[test]
fn people_are_told_what_was_done() {
    let place = Place::with_flight();
    let (address, heard) = listen();
    let said = place.run(&["replay", "flight.jsonl", "--speed", "instant", "--to", &format!("tcp://{address}")]).fine();
    assert!(said.out.starts_with(&format!("replayed 6 events to {address} in ")), "{said:?}");
    heard.join().unwrap();
}

#[test]
fn nobody_listening_is_told_in_one_line() {
    let place = Place::with_flight();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = place.run(&["replay", "flight.jsonl", "--to", &format!("tcp:{address}")]);
    assert_eq!((said.code, &*said.out, said.err.lines().count()), (Some(4), "", 1));
    assert!(said.err.starts_with(&format!("error: cannot connect to {address}: let something listen there")));
}

#[test]
fn a_listener_that_goes_away_is_told() {
    let place = Place::with_flight();
    place.write("long.jsonl", place.read("flight.jsonl").repeat(20_000));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let gone = thread::spawn(move || drop(listener.accept().unwrap()));
    let said = place.run(&["replay", "long.jsonl", "--speed", "instant", "--to", &format!("tcp:{address}")]);
    gone.join().unwrap();
    assert_eq!((said.code, &*said.out), (Some(4), ""));
    assert!(said.err.contains("takes no more"), "{said:?}");
}

#[test]
fn lines_that_cannot_be_read_are_passed_over() {
    let place = Place::with_flight();
    let good = place.read("flight.jsonl");
    place.append("flight.jsonl", "{\"torn");
    let said = place.run(&["replay", "flight.jsonl", "--speed", "instant"]);
    assert_eq!((said.code, said.out), (Some(0), good));
    assert!(said.err.contains("line 7: torn"), "{}", said.err);
}
