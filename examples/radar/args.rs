//! The command line.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub const HELP: &str = "\
Plays a radar picture through a sigtree bus.

Usage: cargo run --release --example radar -- [OPTIONS]

Where the lines come from (without any of these: a simulated scene)
  --sbs FILE           a recording of an SBS-1 feed; - reads standard input
  --connect HOST:PORT  a live receiver, usually on port 30003
  --lines N            a speed run: N simulated lines, made before the clock starts

The simulated scene
  --seed N             another seed is another scene       [1]
  --aircraft N         aircraft in the air at a time       [48]
  --minutes N          length of the scene                 [5]

  --help               prints this
";

/// The exit code for a command line that was not understood.
pub const EXIT_USAGE: u8 = 2;

/// What the user asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Help,
    Play(Source),
}

/// Where the lines come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Scene { seed: u64, aircraft: usize, duration: Duration },
    SpeedRun { seed: u64, aircraft: usize, lines: usize },
    File(PathBuf),
    Stdin,
    Receiver(String),
}

/// Reads the arguments, without the name of the program.
///
/// # Errors
/// An argument was not understood; the message says what to write instead. Exit with [`EXIT_USAGE`].
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut given = Given::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (name, inline) = split(&arg);
        let mut value = || inline.clone().or_else(|| args.next()).ok_or_else(|| missing(&name));
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--sbs" => set(&mut given.sbs, &name, value()?)?,
            "--connect" => set(&mut given.connect, &name, address(value()?)?)?,
            "--lines" => set(&mut given.lines, &name, number(&name, &value()?, 1, 100_000_000)?)?,
            "--seed" => set(&mut given.seed, &name, number(&name, &value()?, 0, u64::MAX)?)?,
            "--aircraft" => set(&mut given.aircraft, &name, number(&name, &value()?, 1, 100_000)?)?,
            "--minutes" => set(&mut given.minutes, &name, number(&name, &value()?, 1, 100_000)?)?,
            _ => {
                return Err(UsageError(format!("unknown argument `{name}`; --help lists the known ones")));
            }
        }
    }
    given.source().map(Command::Play)
}

/// A command line that was not understood.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UsageError {}

/// The arguments as given, before they are looked at together.
#[derive(Default)]
struct Given {
    sbs: Option<OsString>,
    connect: Option<String>,
    lines: Option<u64>,
    seed: Option<u64>,
    aircraft: Option<u64>,
    minutes: Option<u64>,
}

impl Given {
    fn source(self) -> Result<Source, UsageError> {
        let simulated = self.seed.or(self.aircraft).or(self.minutes).is_some();
        let seed = self.seed.unwrap_or(1);
        let aircraft = self.aircraft.unwrap_or(48) as usize;
        match (self.sbs, self.connect, self.lines) {
            (None, None, None) => {
                let duration = Duration::from_secs(self.minutes.unwrap_or(5) * 60);
                Ok(Source::Scene { seed, aircraft, duration })
            }
            (None, None, Some(_)) if self.minutes.is_some() => {
                Err(UsageError("--lines and --minutes both set the length of the scene; give one of them".into()))
            }
            (None, None, Some(lines)) => Ok(Source::SpeedRun { seed, aircraft, lines: lines as usize }),
            (Some(_), None, None) | (None, Some(_), None) if simulated => {
                Err(UsageError("--seed, --aircraft and --minutes are for the simulated scene; leave them out".into()))
            }
            (Some(path), None, None) if path == "-" => Ok(Source::Stdin),
            (Some(path), None, None) => Ok(Source::File(path.into())),
            (None, Some(address), None) => Ok(Source::Receiver(address)),
            _ => Err(UsageError("give only one of --sbs, --connect and --lines".into())),
        }
    }
}

/// Takes `--name=value` apart.
fn split(arg: &OsStr) -> (String, Option<OsString>) {
    match arg.to_str().and_then(|text| text.split_once('=')) {
        Some((name, value)) if name.starts_with("--") => (name.into(), Some(value.into())),
        _ => (arg.to_string_lossy().into_owned(), None),
    }
}

fn set<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), UsageError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(UsageError(format!("{name} is there twice; give it once"))),
    }
}

fn missing(name: &str) -> UsageError {
    UsageError(format!("{name} needs a value behind it; --help shows which"))
}

fn number(name: &str, value: &OsString, least: u64, most: u64) -> Result<u64, UsageError> {
    let text = value.to_string_lossy();
    match text.replace('_', "").parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(UsageError(format!("{name} needs a whole number from {least} to {most}, not `{text}`"))),
    }
}

fn address(value: OsString) -> Result<String, UsageError> {
    let wrong = |text: &str| UsageError(format!("--connect needs HOST:PORT, as in localhost:30003, not `{text}`"));
    let text = value.into_string().map_err(|value| wrong(&value.to_string_lossy()))?;
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(text),
        _ => Err(wrong(&text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_understood() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        for (line, source) in [
            ("", Source::Scene { seed: 1, aircraft: 48, duration: minutes(5) }),
            ("--seed 7 --aircraft=3 --minutes 2", Source::Scene { seed: 7, aircraft: 3, duration: minutes(2) }),
            ("--lines 1_000_000 --seed 0", Source::SpeedRun { seed: 0, aircraft: 48, lines: 1_000_000 }),
            ("--sbs day.sbs", Source::File("day.sbs".into())),
            ("--sbs=day.sbs", Source::File("day.sbs".into())),
            ("--sbs -", Source::Stdin),
            ("--connect [::1]:30003", Source::Receiver("[::1]:30003".into())),
        ] {
            assert_eq!(read(line), Ok(Command::Play(source)), "{line}");
        }
        assert_eq!(read("--sbs x --help"), Ok(Command::Help));
    }

    #[test]
    fn what_is_not_and_what_to_do() {
        for (line, says) in [
            ("--sbs", "needs a value"),
            ("--speed 3", "unknown argument `--speed`"),
            ("day.sbs", "unknown argument `day.sbs`"),
            ("--seed -1", "from 0 to"),
            ("--aircraft 0", "from 1 to 100000, not `0`"),
            ("--lines many", "not `many`"),
            ("--connect localhost", "as in localhost:30003"),
            ("--connect :30003", "as in localhost:30003"),
            ("--connect a:99999", "as in localhost:30003"),
            ("--sbs a --connect b:1", "only one of"),
            ("--sbs a --lines 3", "only one of"),
            ("--sbs a --seed 3", "leave them out"),
            ("--lines 3 --minutes 3", "give one of them"),
            ("--seed 1 --seed 1", "twice"),
        ] {
            let error = read(line).expect_err(line);
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
