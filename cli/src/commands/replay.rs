//! `sigtree replay`: a recording once more, line by line.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{self, BufWriter, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use serde_json::json;
use sigtree::Speed;
use sigtree::middleware::{Counted, Entry, Landing, Player, ReplayControl, Replayed, Target};

use crate::args::of_library;
use crate::complaints::Complaints;
use crate::input::{self, Input};
use crate::output::Output;
use crate::trouble::{Trouble, Verdict};

/// Give the lines of a recording once more, with the pauses between them
///
/// The lines go out as they are. Between two runs of the program that wrote the recording there is no pause.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording, or `-` for standard input
    #[arg(value_parser = input::path())]
    file: PathBuf,

    /// instant, real, or x10 for ten times as fast
    #[arg(long, default_value = "real", value_parser = of_library::<Speed>)]
    speed: Speed,

    /// stdout, or tcp:HOST:PORT
    #[arg(long, default_value = "stdout", value_name = "WHERE")]
    to: Goal,
}

/// Where the lines go.
#[derive(Debug, Clone, PartialEq)]
enum Goal {
    Stdout,
    Tcp(String),
}

pub(crate) fn run(args: &Args, output: &mut Output, complaints: &Complaints) -> Result<Verdict, Trouble> {
    let quiet = args.to == Goal::Stdout && output.is_terminal();
    let input = match quiet {
        true => Input::open(&args.file, complaints)?,
        false => Input::open_with_progress(&args.file, complaints)?,
    };
    let (failures, failure) = channel();
    let mut tape = Some(Tape { input, failures });
    // It is opened once, for nobody seeks in it.
    let mut player = Player::try_of(move || tape.take().into_iter().flatten());
    player.control().set_speed(args.speed).map_err(|error| Trouble::Usage(error.to_string()))?;

    let began = Instant::now();
    let line = match &args.to {
        Goal::Stdout => Line::to(Box::new(Terminal(output)), args, player.control()),
        Goal::Tcp(address) => Line::to(Box::new(connect(address)?), args, player.control()),
    };
    let report = player.run(&line);
    line.finish(&args.to)?;
    if let Ok(failure) = failure.try_recv() {
        return Err(failure);
    }
    if let Goal::Tcp(address) = &args.to {
        tell(report.replayed, address, began, output, complaints)?;
    }
    Ok(Verdict::Fine)
}

fn connect(address: &str) -> Result<TcpStream, Trouble> {
    TcpStream::connect(address)
        .map_err(|error| Trouble::Output(format!("cannot connect to {address}: let something listen there: {error}")))
}

fn tell(lines: usize, to: &str, began: Instant, output: &mut Output, complaints: &Complaints) -> Result<(), Trouble> {
    let (seconds, skipped) = (began.elapsed().as_secs_f64(), complaints.count());
    match output.is_json() {
        true => output.object(&json!({ "replayed": lines, "skipped": skipped, "seconds": seconds, "to": to })),
        false => output.line(format_args!("replayed {} to {to} in {seconds:.1} s", Counted(lines, "event"))),
    }
}

/// The lines of a recording as entries whose payloads are the lines.
struct Tape {
    input: Input,
    failures: Sender<Trouble>,
}

impl Iterator for Tape {
    type Item = Result<Entry, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.input.next()? {
            Ok(record) => record,
            Err(trouble) => {
                // The other end waits until the replay is over.
                let _ = self.failures.send(trouble);
                return None;
            }
        };
        // The next pause may be long.
        self.input.tell_progress();
        let line = Arc::new([self.input.line(), b"\n"].concat());
        Some(Ok(Entry::new(record.sequence(), record.topic().clone(), line, record.id(), record.stamp())))
    }
}

/// Where lines are sent, until it takes no more.
struct Line<'o> {
    out: RefCell<BufWriter<Box<dyn Write + 'o>>>,
    /// Whether each line is to be seen at once.
    at_once: bool,
    broken: RefCell<Option<io::Error>>,
    control: ReplayControl,
}

impl<'o> Line<'o> {
    fn to(out: Box<dyn Write + 'o>, args: &Args, control: ReplayControl) -> Self {
        let at_once = args.speed != Speed::Instant;
        Self { out: RefCell::new(BufWriter::new(out)), at_once, broken: RefCell::new(None), control }
    }

    fn send(&self, line: &[u8]) -> io::Result<()> {
        let mut out = self.out.borrow_mut();
        out.write_all(line)?;
        if self.at_once { out.flush() } else { Ok(()) }
    }

    fn finish(self, to: &Goal) -> Result<(), Trouble> {
        let broken = self.broken.into_inner();
        let mut out = self.out.into_inner();
        let result = broken.map_or_else(|| out.flush(), Err);
        // What could not be written would be tried once more.
        let (_, _unwritten) = out.into_parts();
        result.map_err(|error| match to {
            Goal::Stdout => Trouble::of_output("standard output", &error),
            Goal::Tcp(address) => Trouble::Output(format!("{address} takes no more: {error}")),
        })
    }
}

impl Target for Line<'_> {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        let line = event.entry().payload::<Vec<u8>>().map_or(&[][..], Vec::as_slice);
        let sent = self.send(line);
        if let Err(error) = sent {
            self.control.stop();
            *self.broken.borrow_mut() = Some(error);
            return Landing::Refused;
        }
        Landing::Called
    }
}

/// Standard output, which sees whole lines.
struct Terminal<'o>(&'o mut Output);

impl Write for Terminal<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(self.0)
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.strip_prefix("tcp:").map(|address| address.trim_start_matches('/'));
        let is_whole = |address: &str| {
            address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        match (text, address) {
            ("stdout", _) => Ok(Self::Stdout),
            (_, Some(address)) if is_whole(address) => Ok(Self::Tcp(address.to_owned())),
            _ => Err(String::from("write stdout, or tcp:HOST:PORT, like tcp:localhost:7000")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_standard_output_or_an_address() {
        assert_eq!("stdout".parse(), Ok(Goal::Stdout));
        for text in ["tcp:localhost:7", "tcp://localhost:7"] {
            assert_eq!(text.parse(), Ok(Goal::Tcp(String::from("localhost:7"))));
        }
        assert!("udp:x:1".parse::<Goal>().is_err());
        for text in ["tcp:7", "tcp::7", "tcp:localhost:", "tcp:localhost:65536", "tcp:localhost:http"] {
            assert!(text.parse::<Goal>().is_err(), "{text}");
        }
    }
}
