//! `sigtree tail`: the end of a recording, and what comes.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sigtree::Pattern;
use sigtree::middleware::{LineError, Reader, Record};

use crate::args::{count, of_library};
use crate::complaints::Complaints;
use crate::input::{self, Input, bytes_of, is_stdin};
use crate::output::Output;
use crate::progress::Progress;
use crate::trouble::{Trouble, Verdict};

/// Show the last events of a recording, and those that come
///
/// It follows the recording over the rotation of its files, until it is interrupted; not a file that somebody else
/// truncates or replaces. With --json the lines are shown as they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording that is being written, or `-` for standard input, which is read to its end
    #[arg(value_parser = input::path())]
    file: PathBuf,

    /// Only events of topics that match
    #[arg(value_parser = of_library::<Pattern>)]
    pattern: Option<Pattern>,

    /// Begin with so many of the events that are there
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = count, allow_negative_numbers = true)]
    lines: usize,

    /// End with the recording
    #[arg(long)]
    no_follow: bool,

    /// Follow the recording, as it does anyway; for hands that are used to it
    #[arg(short, long, conflicts_with = "no_follow")]
    #[allow(dead_code, reason = "it is the default")]
    follow: bool,
}

/// The time between two looks at the file.
const PAUSE: Duration = Duration::from_millis(50);

/// The bytes of the end that are looked at first; if there are not enough events in them, more are.
const WINDOW: u64 = 64 << 10;

pub(crate) fn run(args: &Args, output: &mut Output, complaints: &Complaints) -> Result<Verdict, Trouble> {
    if is_stdin(&args.file) {
        show_end_of_stdin(args, output, complaints)?;
        return Ok(Verdict::Fine);
    }
    let mut end = End::find(args)?;
    end.tell(args, output, complaints)?;
    if !args.no_follow {
        follow(end.reader, args, output, complaints)?;
    }
    Ok(Verdict::Fine)
}

fn show_end_of_stdin(args: &Args, output: &mut Output, complaints: &Complaints) -> Result<(), Trouble> {
    let mut input = Input::open(&args.file, complaints)?;
    let mut last = Last::of(args.lines);
    while let Some(record) = input.next().transpose()? {
        if args.wants(&record) {
            last.push(input.line());
        }
    }
    last.lines.iter().try_for_each(|line| show_line(line, output))
}

/// The end of a recording, and the reader that came there.
struct End {
    reader: Reader,
    last: Last,
    errors: Vec<LineError>,
}

impl End {
    /// Looks at more and more of the end until there are enough events in it.
    fn find(args: &Args) -> Result<Self, Trouble> {
        let all = bytes_of(&args.file).unwrap_or(0);
        let mut window = if args.lines == 0 { 0 } else { WINDOW };
        loop {
            let end = Self::within(window, all, args)?;
            if end.last.is_full() || window >= all {
                return Ok(end);
            }
            window = window.saturating_mul(8);
        }
    }

    fn within(window: u64, all: u64, args: &Args) -> Result<Self, Trouble> {
        let reader = open(&args.file, window, !args.no_follow)?;
        let progress = Progress::of_bytes(Some(window.min(all)));
        let mut end = Self { reader, last: Last::of(args.lines), errors: Vec::new() };
        while let Some(record) = end.reader.next() {
            if end.reader.stats().records.is_multiple_of(input::STEP) {
                progress.set(end.reader.stats().bytes);
            }
            match record {
                Ok(record) if args.wants(&record) => end.last.push(end.reader.line()),
                Ok(_) => {}
                Err(error) if error.is_io() => return Err(Trouble::Input(error.to_string())),
                Err(error) if end.errors.len() < ERRORS => end.errors.push(error),
                Err(_) => {}
            }
        }
        Ok(end)
    }

    fn tell(&mut self, args: &Args, output: &mut Output, complaints: &Complaints) -> Result<(), Trouble> {
        let stats = self.reader.stats();
        self.errors.iter().for_each(|error| complaints.add(&error.to_string()));
        complaints.add_untold(stats.skipped() - self.errors.len() as u64);
        if stats.records == 0 && stats.skipped() > 0 {
            complaints.note(&input::no_recording(&args.file.display().to_string()));
        }
        self.last.lines.iter().try_for_each(|line| show_line(line, output))?;
        output.flush()
    }
}

/// So many errors are kept until it is known where the end begins; the others are counted.
const ERRORS: usize = 100;

fn open(path: &Path, window: u64, following: bool) -> Result<Reader, Trouble> {
    let reader = input::open_file(path, |path| Reader::open_near_end(path, window))?;
    Ok(if following { reader.following() } else { reader })
}

fn follow(mut reader: Reader, args: &Args, output: &mut Output, complaints: &Complaints) -> Result<(), Trouble> {
    loop {
        match reader.next() {
            Some(Ok(record)) if args.wants(&record) => show(&record, reader.line(), output)?,
            Some(Ok(_)) => {}
            Some(Err(error)) if error.is_io() => return Err(Trouble::Input(error.to_string())),
            Some(Err(error)) => complaints.add(&error.to_string()),
            None => {
                output.flush()?;
                if !output.is_heard() {
                    return Err(Trouble::Unheard);
                }
                thread::sleep(PAUSE);
            }
        }
    }
}

impl Args {
    fn wants(&self, record: &Record) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(record.topic()))
    }
}

/// The last so many lines.
struct Last {
    lines: VecDeque<Vec<u8>>,
    most: usize,
}

impl Last {
    fn of(most: usize) -> Self {
        Self { lines: VecDeque::new(), most }
    }

    fn push(&mut self, line: &[u8]) {
        self.lines.push_back(line.to_vec());
        if self.lines.len() > self.most {
            self.lines.pop_front();
        }
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= self.most
    }
}

fn show_line(line: &[u8], output: &mut Output) -> Result<(), Trouble> {
    let record = str::from_utf8(line).ok().and_then(|text| Record::from_line(text).ok());
    record.map_or(Ok(()), |record| show(&record, line, output))
}

fn show(record: &Record, line: &[u8], output: &mut Output) -> Result<(), Trouble> {
    match output.is_json() {
        true => output.as_it_is(line),
        false => output.event(record, line),
    }
}
