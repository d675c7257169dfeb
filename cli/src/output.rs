//! [`Output`]: standard output, for people or for programs.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use sigtree::middleware::Record;

use crate::args::Color;
use crate::trouble::Trouble;
use crate::{attributes, escape, times};

/// Standard output, and how it is written to.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    json: bool,
    colors: bool,
    terminal: bool,
}

impl Output {
    pub(crate) fn new(json: bool, color: Color) -> Self {
        let stdout = io::stdout();
        let colors = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
        };
        Self { terminal: stdout.is_terminal(), out: BufWriter::with_capacity(64 << 10, stdout), json, colors }
    }

    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The style, if there are colors.
    pub(crate) fn style(&self, style: Style) -> Style {
        if self.colors { style } else { Style::new() }
    }

    pub(crate) fn color(&self, color: AnsiColor) -> Style {
        self.style(Style::new().fg_color(Some(color.into())))
    }

    /// A line for people; what comes from elsewhere in it is [escaped](escape::text) by then.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Trouble> {
        check(writeln!(self.out, "{line}"))
    }

    /// An object for programs.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Trouble> {
        let line = serde_json::to_vec(object).map_err(io::Error::from);
        self.as_it_is(&line.map_err(|error| Trouble::of_output("standard output", &error))?)
    }

    /// A line of JSON as it is; on a terminal, as JSON that means the same and does it no harm.
    pub(crate) fn as_it_is(&mut self, line: &[u8]) -> Result<(), Trouble> {
        let written = match self.terminal {
            true => self.out.write_all(escape::json(&String::from_utf8_lossy(line)).as_bytes()),
            false => self.out.write_all(line),
        };
        check(written.and_then(|()| self.out.write_all(b"\n")))
    }

    /// An event for people: time, or `-` without one, topic, payload, source.
    pub(crate) fn event(&mut self, record: &Record, line: &[u8]) -> Result<(), Trouble> {
        let (dim, topic) = (self.style(Style::new().dimmed()), self.color(AnsiColor::Cyan));
        let time = attributes::time(record, line).map_or_else(|| String::from("-"), times::show);
        let mut line = format!(
            "{dim}{time}{dim:#} {topic}{}{topic:#} {}",
            escape::text(record.topic().as_str()),
            escape::text(record.data())
        );
        if let Some(source) = record.source() {
            line += &format!(" {dim}from {}{dim:#}", escape::text(source.as_str()));
        }
        self.line(line)
    }

    /// Whether anybody reads it still. Where it cannot be known before something is written, it is taken to be so.
    pub(crate) fn is_heard(&self) -> bool {
        #[cfg(unix)]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            // What went wrong is told unasked.
            let mut out = [PollFd::new(self.out.get_ref(), PollFlags::empty())];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let gone = PollFlags::ERR | PollFlags::HUP;
            !(poll(&mut out, Some(&now)).is_ok() && out[0].revents().intersects(gone))
        }
        #[cfg(not(unix))]
        true
    }

    pub(crate) fn flush(&mut self) -> Result<(), Trouble> {
        check(self.out.flush())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn check(written: io::Result<()>) -> Result<(), Trouble> {
    written.map_err(|error| Trouble::of_output("standard output", &error))
}
