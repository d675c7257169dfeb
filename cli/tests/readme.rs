//! Every command of the READMEs does what it says.
#![cfg(unix)]

mod support;

use std::env;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use support::{Place, Said};

/// The lines of the shell blocks that begin with the command.
fn commands(readme: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(readme)).unwrap_or_default();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter(|line| line.starts_with("sigtree "));
    lines.map(str::to_owned).collect()
}

/// Runs a line as a shell does, where there is a flight to look at and somebody listens.
fn run(line: &str, place: &Place) -> Said {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    if line.contains("localhost:7000") {
        thread::spawn(move || listener.accept().unwrap().0.read_to_end(&mut Vec::new()));
    }
    let line = line.replace("localhost:7000", &format!("localhost:{port}"));
    // It would go on for ever, and every machine has its own speed.
    let line = line
        .replace("sigtree tail ", "sigtree tail --no-follow ")
        .replace("sigtree bench", "sigtree bench --samples 1");
    let programs = Path::new(env!("CARGO_BIN_EXE_sigtree")).parent().unwrap();
    let path =
        env::join_paths([programs.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())));
    let shell = Command::new("sh").args(["-c", &line]).current_dir(place.path("")).env("PATH", path.unwrap()).output();
    Said::of(shell.unwrap())
}

#[test]
fn every_command_does_what_it_says() {
    let place = Place::with_flight();
    let own = commands("README.md");
    assert!(own.len() > 10);
    for line in own.iter().chain(&commands("../README.md")) {
        let said = run(line, &place);
        assert_eq!((said.code, &*said.err), (Some(0), ""), "{line}");
    }
    assert!(place.read("sigtree.bash").contains("_sigtree"));
}
