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
    let wrong: [&[&str]; 13] = [
        &[],
        &["dance"],
        &["tail"],
        &["tail", "flight.jsonl", "a..b"],
        &["filter", "flight.jsonl", "--from", "yesterday"],
        &["filter", "flight.jsonl", "--where", "topic.x=a"],
        &["filter", "flight.jsonl", "--where", "dta.id=7"],
        &["stats", ""],
        &["stats", "flight.jsonl", "--top", "-1"],
        &["tail", "flight.jsonl", "-n", "x"],
        &["replay", "flight.jsonl", "--speed", "x0"],
        &["replay", "flight.jsonl", "--to", "tcp:7"],
        &["replay", "flight.jsonl", "--to", "tcp:localhost:65536"],
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
    place.write("flight.jsonl", "");
    let said = place.run(&["filter", "flight.jsonl", "radar.**"]);
    assert_eq!(
        (said.code, &*said.err),
        (Some(3), "error: no recording `radar.**`: if it is a pattern, `sigtree filter FILE --pattern` takes it\n")
    );
    assert!(place.run(&["stats", "flight.jsonl/x"]).err.starts_with("error: no recording `flight.jsonl/x`: "));
}

#[test]
fn something_else_than_a_recording_is_told_as_what_it_is() {
    let place = Place::new();
    place.write("flight.jsonl", "");
    place.write("flight.jsonl.gz", b"\x1f\x8b\x08\0");
    place.write("flight.jsonl.zst", b"\x28\xb5\x2f\xfd\0");
    place.write("flight.redb", b"redb\x1a\x0a\xa9\x0d\x0a");
    let told = [
        (".", "`.` is a folder: give a recording in it, a file like flight.jsonl"),
        ("flight.jsonl.gz", "`flight.jsonl.gz` is compressed: unpack it, as in `gzip -dc FILE | sigtree stats -`"),
        ("flight.jsonl.zst", "`flight.jsonl.zst` is compressed: unpack it, as in `zstd -dc FILE | sigtree stats -`"),
        (
            "flight.redb",
            "`flight.redb` is a store (redb), not a recording: read it with the library, and write what `Store::query` \
             finds with `Record::write_to`",
        ),
    ];
    for (path, what) in told {
        let commands: [&[&str]; 6] = [
            &["tail", path],
            &["filter", path],
            &["replay", path],
            &["stats", path],
            &["diff", path, "flight.jsonl"],
            &["diff", "flight.jsonl", path],
        ];
        for args in commands {
            let said = place.run(args);
            assert_eq!((said.code, &*said.out, said.err), (Some(3), "", format!("error: {what}\n")), "{args:?}");
        }
    }
}

#[test]
fn a_file_without_an_event_is_doubted_once() {
    let place = Place::new();
    place.write("notes.txt", "\0\x7fELF\nhello\n");
    let doubt =
        "warning: no line of `notes.txt` is an event: is it a recording, with one CloudEvents JSON object a line?\n";
    let commands: [&[&str]; 5] = [
        &["tail", "--no-follow", "notes.txt"],
        &["filter", "notes.txt"],
        &["replay", "notes.txt"],
        &["stats", "notes.txt"],
        &["diff", "notes.txt", "-"],
    ];
    for args in commands {
        let said = place.run(args);
        assert_eq!((said.code, said.err.matches(doubt).count()), (Some(0), 1), "{args:?}: {}", said.err);
    }
    place.write("empty.jsonl", "");
    place.run(&["stats", "empty.jsonl"]).fine();
}

#[test]
fn what_is_not_understood_is_told_once() {
    let place = Place::with_flight();
    let told: [(&[&str], &str); 5] = [
        (&["tail", "flight.jsonl", "a..b"], "'a..b' for '[PATTERN]': empty segment at byte 2: remove one dot"),
        (
            &["filter", "flight.jsonl", "-p", "a..b"],
            "'a..b' for '--pattern <PATTERN>': empty segment at byte 2: remove",
        ),
        (
            &["replay", "flight.jsonl", "--speed", "fast"],
            "'fast' for '--speed <SPEED>': write `instant`, `real`, or `x`",
        ),
        (&["stats", "flight.jsonl", "--top", "-1"], "'-1' for '--top <N>': write a whole number, like 20"),
        (&["stats", ""], "'' for '<FILE>...': it is empty: give the path of a recording, or `-` for standard input"),
    ];
    for (args, what) in told {
        let said = place.run(args);
        assert!(said.err.starts_with(&format!("error: invalid value {what}")), "{args:?}: {}", said.err);
    }
}

#[test]
fn what_all_commands_have_stands_apart_in_their_help() {
    let place = Place::new();
    for command in ["tail", "filter", "replay", "stats", "diff", "bench", "completions"] {
        let help = place.run(&[command, "-h"]).fine().out;
        let (own, common) = help.split_once("Options of all commands:\n").unwrap();
        for option in ["--json", "--color", "--strict"] {
            assert!(common.contains(option) && !own.contains(option), "{command} {option}: {help}");
        }
    }
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
