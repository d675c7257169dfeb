//! A folder with recordings that the library wrote, and the program run in it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sigtree::middleware::{Codec, Reader, Recording, RecordingBuilder};
use sigtree::{Bus, ManualClock, SequentialIds};
use tempfile::TempDir;

/// Longer than anything takes that works.
pub const LONG: Duration = Duration::from_secs(60);

/// What the program said.
#[derive(Debug, PartialEq)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
    }

    pub fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The payloads of the lines, which are a recording.
    pub fn data(&self) -> Vec<Value> {
        let records = Reader::new(std::io::Cursor::new(self.out.clone()));
        records.map(|record| record.unwrap().decode().unwrap()).collect()
    }

    /// Nothing went wrong.
    pub fn fine(self) -> Self {
        assert_eq!((self.code, &*self.err), (Some(0), ""), "{}", self.out);
        self
    }
}

/// A folder of its own.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with `flight.jsonl`: six events, 10 ms apart.
    pub fn with_flight() -> Self {
        let place = Self::new();
        place.record("flight.jsonl", 1);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Records six events, the first with this id.
    pub fn record(&self, name: &str, first: u32) {
        let bus = Recorded::open(Recording::builder(&Codec::json()), &self.path(name));
        for id in first..first + 3 {
            bus.emit("radar.track.new", json!({ "id": id }));
            bus.emit("radar.track.lost", json!({ "id": id, "why": "far" }));
        }
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program, which sees nothing of the surroundings that changes what it says.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigtree"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    /// Runs it with this on standard input.
    pub fn run_with(&self, args: &[&str], input: impl Into<Vec<u8>>) -> Said {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
        // It may end before it has read all.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let said = Said::of(child.wait_with_output().unwrap());
        writer.join().unwrap();
        said
    }
}

/// A bus that is recorded, on a clock that is 10 ms further with each event.
pub struct Recorded {
    bus: Bus,
    clock: ManualClock,
    recording: Recording,
}

impl Recorded {
    pub fn open(builder: RecordingBuilder, path: &Path) -> Self {
        let clock = ManualClock::new();
        let bus = Bus::builder().clock(clock.clone()).ids(SequentialIds::default()).build();
        let recording = builder.open(path).unwrap();
        bus.layer(recording.clone());
        Self { bus, clock, recording }
    }

    /// Emits, and waits until it is written.
    pub fn emit(&self, topic: &str, data: Value) {
        self.bus.event(topic).source("tower").emit(data);
        self.clock.advance(Duration::from_millis(10));
        self.recording.sync().unwrap();
    }
}

/// A program that runs, and its lines as they come.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next lines, as soon as they come.
    pub fn next(&self, lines: usize) -> Vec<String> {
        let next = || self.lines.recv_timeout(LONG).expect("a line in time");
        (0..lines).map(|_| next()).collect()
    }

    /// Ends it; what it said on standard error.
    pub fn stop(mut self) -> String {
        self.child.kill().unwrap();
        Said::of(self.child.wait_with_output().unwrap()).err
    }
}

fn lines_of(out: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            // The test may be over.
            let _ = sender.send(line.unwrap());
        }
    });
    lines
}
