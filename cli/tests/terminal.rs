//! What a terminal sees: colors when they are wanted, and nothing that it would obey.

mod support;

#[cfg(target_os = "linux")]
use std::process::{Command, Stdio};

use support::{Place, Said};

/// What comes on a terminal that `script` makes; nothing where there is no `script`.
#[cfg(target_os = "linux")]
fn on_a_terminal(place: &Place, args: &str) -> Option<String> {
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_sigtree"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(place.path(""));
    let output = command.env("TERM", "xterm").env_remove("NO_COLOR").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// A recording of somebody who means no good.
fn hostile() -> Place {
    let place = Place::new();
    place.write(
        "hostile.jsonl",
        "{\"specversion\":\"1.0\",\"id\":\"00000000000000000000000001\",\"source\":\"%1B[2J%07\",\"type\":\"n\",\
         \"data\":\"\u{9b}31m\u{202e}\\u001b[2J\"}\n{\"specversion\":\"1.0\",\"type\":\"a\u{1b}b\"}\n",
    );
    place
}

fn is_harmless(said: &Said) -> bool {
    !(said.out.clone() + &said.err).contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}')
}

#[test]
fn payloads_and_names_cannot_command_it() {
    let place = hostile();
    let said = place.run(&["tail", "hostile.jsonl", "--no-follow"]);
    assert!(is_harmless(&said), "{said:?}");
    assert_eq!(said.lines(), [r#"- n "\u{9b}31m\u{202e}\u001b[2J" from \u{1b}[2J\u{7}"#]);
    for args in [
        &["filter", "hostile.jsonl", "--pretty"][..],
        &["stats", "hostile.jsonl"],
        &["diff", "hostile.jsonl", "empty.jsonl", "--also", "source"],
        &["diff", "hostile.jsonl", "empty.jsonl", "--tree"],
        &["topics", "check", "a\u{1b}[2J.b", "-t", "a\u{9b}"],
        &["stats", "no\u{1b}[2Jfile"],
    ] {
        place.write("empty.jsonl", "");
        let said = place.run(args);
        assert!(is_harmless(&said), "{said:?}");
        assert!(!said.out.is_empty() || !said.err.is_empty());
    }
}

#[test]
fn arguments_that_are_not_understood_cannot_command_it() {
    let place = Place::with_flight();
    for args in [
        &["\u{1b}[2J\u{202e}"][..],
        &["stats", "--\u{1b}[2J\u{202e}"],
        &["tail", "flight.jsonl", "a..\u{1b}[2J\u{202e}"],
        &["tail", "flight.jsonl", "a.\u{1b}[2J\u{202e}"],
        &["filter", "flight.jsonl", "--from", "\u{1b}[2J\u{202e}"],
        &["filter", "flight.jsonl", "--where", "\u{1b}[2J\u{202e}=1"],
        &["bench", "--samples", "\u{1b}[2J\u{202e}"],
    ] {
        let said = Said::of(place.command(args).env("CLICOLOR_FORCE", "1").output().unwrap());
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(!said.err.contains("\u{1b}[2J") && !said.err.contains('\u{202e}'), "{args:?}: {said:?}");
        assert!(said.err.contains(r"\u{1b}") && said.err.contains(r"\u{202e}"), "{args:?}: {said:?}");
    }
}

#[test]
fn a_file_gets_what_was_there() {
    let place = hostile();
    let said = place.run(&["filter", "hostile.jsonl"]);
    assert_eq!(said.out, place.read("hostile.jsonl").lines().next().unwrap().to_owned() + "\n");
}

#[test]
fn colors_come_when_they_are_wanted() {
    let place = Place::with_flight();
    place.append("flight.jsonl", "torn");
    let colored = |args: &[&str], no_color: bool| {
        let mut command = place.command(&[&["filter", "flight.jsonl", "--pretty"], args].concat());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let said = Said::of(command.output().unwrap());
        [said.out, said.err].map(|text| text.contains('\u{1b}'))
    };
    assert_eq!(colored(&[], false), [false, false]);
    assert_eq!(colored(&["--color", "always"], false), [true, true]);
    assert_eq!(colored(&["--color", "never"], false), [false, false]);
    // Who says it on the command line means it.
    assert_eq!(colored(&["--color", "always"], true), [true, true]);
    assert_eq!(colored(&["--color", "auto"], true), [false, false]);
}

#[test]
fn no_color_wins_over_a_terminal_that_claims_to_have_them() {
    let place = Place::with_flight();
    let run = |no_color: &str| {
        let mut command = place.command(&["filter", "flight.jsonl", "--pretty"]);
        Said::of(command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", no_color).output().unwrap()).out
    };
    assert!(run("").contains('\u{1b}'));
    assert!(!run("1").contains('\u{1b}'));
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_gets_colors_a_bar_and_json_that_does_no_harm() {
    let place = hostile();
    let Some(said) = on_a_terminal(&place, "filter hostile.jsonl") else { return };
    assert!(said.contains(r#""data":"\u009b31m\u202e\u001b[2J"}"#), "{said:?}");
    let said = on_a_terminal(&place, "filter hostile.jsonl --pretty").unwrap();
    assert!(said.contains("\u{1b}[36mn\u{1b}[0m "), "{said:?}");

    let flight = Place::with_flight();
    flight.write("long.jsonl", flight.read("flight.jsonl").repeat(5_000));
    let said = on_a_terminal(&flight, "stats long.jsonl").unwrap();
    assert!(said.contains("B/s, ") && said.contains("events\u{1b}[0m  30000"), "{said:?}");
    let said = on_a_terminal(&flight, "stats long.jsonl --color never").unwrap();
    assert!(said.contains("events  30000") && !said.contains("[1mevents"), "{said:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn long_work_shows_how_far_it_is_where_a_terminal_sees_it() {
    let place = Place::with_flight();
    place.write("long.jsonl", place.read("flight.jsonl").repeat(1_000));
    let long = [
        ("filter long.jsonl > out", "B/s, "),
        ("stats long.jsonl > out", "B/s, "),
        ("stats - < long.jsonl > out", "B/s"),
        ("diff long.jsonl long.jsonl > out", "B/s, "),
        ("diff long.jsonl long.jsonl --tree > out", "B/s, "),
        ("tail long.jsonl no.such.topic --no-follow > out", "B/s, "),
        ("replay flight.jsonl > out", "B/s, "),
        ("bench --samples 1 > out", " of 7"),
    ];
    for (args, bar) in long {
        let Some(said) = on_a_terminal(&place, args) else { return };
        assert!(said.contains(bar), "{args}: {said:?}");
        assert!(!place.read("out").contains(bar), "{args}");
        // A file is no terminal.
        on_a_terminal(&place, &format!("{args} 2> err")).unwrap();
        assert_eq!(place.read("err"), "", "{args}");
    }
}
