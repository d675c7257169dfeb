//! However it ends, it says so in one line and in its exit code.

mod support;

use std::io::Read;
use std::process::Stdio;

use support::{Place, Said};

#[test]
fn the_codes_are_in_every_help() {
    let place = Place::new();
    for command in ["", "tail", "filter", "replay", "stats", "diff", "topics", "topics check", "bench", "completions"] {
        let args: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let said = place.run(&args).fine();
        assert!(said.out.contains("Exit codes:\n  0  fine\n"), "{command}: {}", said.out);
    }
}

#[test]
fn what_is_not_understood_ends_with_2() {
    let place = Place::with_flight();
    let wrong: [&[&str]; 8] = [
        &[],
        &["dance"],
        &["tail"],
        &["tail", "flight.jsonl", "a..b"],
        &["filter", "flight.jsonl", "--from", "yesterday"],
        &["filter", "flight.jsonl", "--where", "topic=a"],
        &["replay", "flight.jsonl", "--speed", "x0"],
        &["replay", "flight.jsonl", "--to", "tcp:7"],
    ];
    for args in wrong {
        let said = place.run(args);
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{args:?}");
    }
}

#[test]
fn what_is_not_there_ends_with_3() {
    let place = Place::new();
    let commands: [&[&str]; 5] =
        [&["tail", "x"], &["filter", "x"], &["replay", "x"], &["stats", "x"], &["diff", "x", "x"]];
    for args in commands {
        let said = place.run(args);
        assert_eq!((said.code, &*said.out), (Some(3), ""), "{args:?}");
        assert_eq!(said.err, "error: no recording `x`: give the path of one, or `-` for standard input\n");
    }
    assert_eq!(place.run(&["stats", "."]).code, Some(3));
}

#[test]
fn what_cannot_be_read_is_named_once() {
    let place = Place::with_flight();
    for args in [["stats", "flight.jsonl/x"], ["tail", "flight.jsonl/x"]] {
        let said = place.run(&args);
        assert_eq!((said.code, said.err.matches("flight.jsonl").count()), (Some(3), 1), "{}", said.err);
    }
}

#[test]
fn a_torn_line_is_told_counted_and_passed_over() {
    let place = Place::with_flight();
    place.append("flight.jsonl", r#"{"specversion":"1."#);
    let said = place.run(&["stats", "flight.jsonl", "--json"]);
    assert_eq!((said.code, &said.json()["events"], &said.json()["skipped"]), (Some(0), &6.into(), &1.into()));
    assert_eq!(
        said.err,
        "warning: flight.jsonl, line 7: torn: the file ends within it\n\
         warning: 1 line could not be read and was passed over\n"
    );
    assert_eq!(place.run(&["stats", "flight.jsonl", "--strict"]).code, Some(1));
    let tail = place.run(&["tail", "flight.jsonl", "--no-follow", "--strict"]);
    assert_eq!((tail.code, tail.lines().len(), tail.err), (Some(1), 6, said.err));
}

#[test]
fn hostile_lines_cost_themselves() {
    let place = Place::with_flight();
    let good = place.read("flight.jsonl");
    let mut bytes = b"\xff\xfe\n[]\n\0\n".to_vec();
    bytes.extend(b"[".repeat(1_000_000));
    bytes.push(b'\n');
    bytes.extend(b"x".repeat(17 << 20));
    bytes.push(b'\n');
    bytes.extend(good.replace("radar.track", "radar..track").repeat(10).bytes());
    bytes.extend(good.bytes());
    let said = place.run_with(&["filter", "-"], bytes);
    assert_eq!((said.code, &*said.out), (Some(0), &*good));
    let errors: Vec<_> = said.err.lines().collect();
    assert_eq!(errors.len(), 21);
    assert_eq!(errors[0], "warning: -, line 1: not UTF-8 at byte 0");
    assert_eq!(errors[4], "warning: -, line 5: longer than 16777216 bytes");
    assert_eq!(errors[20], "warning: 65 lines could not be read and were passed over; 20 of them are told above");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let place = Place::with_flight();
    place.write("long.jsonl", place.read("flight.jsonl").repeat(2_000));
    for args in [&["filter", "long.jsonl"][..], &["replay", "long.jsonl", "--speed", "instant"]] {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let said = Said::of(child.wait_with_output().unwrap());
        assert_eq!((said.code, &*said.err), (Some(0), ""), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_with_4() {
    let place = Place::with_flight();
    for args in [&["filter", "flight.jsonl"][..], &["replay", "flight.jsonl"], &["stats", "flight.jsonl"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let said = Said::of(
            place.command(args).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap(),
        );
        assert_eq!(said.code, Some(4), "{args:?}");
        assert!(said.err.starts_with("error: cannot write to standard output: "), "{}", said.err);
    }
}
