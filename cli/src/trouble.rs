//! [`Trouble`] and [`Verdict`]: how a command ends.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::escape;

/// What a command found, when nothing stood in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Recordings differ, a name is no pattern: the answer is no.
    Found,
}

/// What stood in its way.
#[derive(Debug)]
pub(crate) enum Trouble {
    Usage(String),
    Input(String),
    Output(String),
    /// Whoever read the output went away, which is their right.
    Unheard,
}

impl Verdict {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Fine => ExitCode::SUCCESS,
            Self::Found => ExitCode::from(1),
        }
    }

    pub(crate) fn found(any: bool) -> Self {
        if any { Self::Found } else { Self::Fine }
    }
}

impl Trouble {
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Input(_) => ExitCode::from(3),
            Self::Output(_) => ExitCode::from(4),
            Self::Unheard => ExitCode::SUCCESS,
        }
    }

    /// Tells it in one line.
    pub(crate) fn tell(&self) {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let text = self.to_string();
        if !text.is_empty() {
            // Nobody is left to hear that nobody hears.
            let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {}", escape::text(&text));
        }
    }

    pub(crate) fn of_output(what: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unheard,
            _ => Self::Output(format!("cannot write to {what}: {error}")),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Input(text) | Self::Output(text) => f.write_str(text),
            Self::Unheard => Ok(()),
        }
    }
}
