//! [`Args`]: what is the same for all commands.

use std::str::FromStr;
use std::{env, process};

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::commands::Command;
use crate::escape;

/// How it ends; told in the help of every command.
const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  the answer is no: recordings differ, a name is no pattern;
     with --strict: a line could not be read
  2  the command was not understood
  3  the input could not be read
  4  the output could not be written";

/// Above the arguments that all commands have.
const COMMON: &str = "Options of all commands";

/// Follow, filter, replay, count and compare recordings of sigtree, and check patterns
#[derive(Debug, Parser)]
#[command(name = "sigtree", version)]
pub(crate) struct Args {
    /// Print JSON: one object, or one a line
    #[arg(long, global = true, help_heading = COMMON)]
    pub(crate) json: bool,

    /// Use colors; `auto` is on a terminal that wants them, and NO_COLOR is heeded
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = COMMON)]
    pub(crate) color: Color,

    /// End with code 1 if a line could not be read
    #[arg(long, global = true, help_heading = COMMON)]
    pub(crate) strict: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When there are colors.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Args {
    /// Ends the program if they are not understood, or when they ask for help.
    pub(crate) fn from_command_line() -> Self {
        let matches = Self::grammar().try_get_matches().unwrap_or_else(|error| refuse(&error));
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn grammar() -> clap::Command {
        told(Self::command().arg_required_else_help(true))
    }
}

/// Clap quotes arguments as they are, and a terminal would obey them; so it is asked what it says of harmless ones.
fn refuse(error: &clap::Error) -> ! {
    let shown = env::args_os().map(|text| escape::text(&text.to_string_lossy()).into_owned());
    let Err(error) = Args::grammar().try_get_matches_from(shown) else {
        error.to_string().lines().for_each(|line| eprintln!("{}", escape::text(line)));
        process::exit(error.exit_code());
    };
    error.exit()
}

/// The codes are told in the help of each command, whatever it is a part of.
fn told(command: clap::Command) -> clap::Command {
    command.after_help(EXIT_CODES).mut_subcommands(told)
}

impl Color {
    /// Decides for everything that is written to standard error.
    pub(crate) fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Reads a number of things.
pub(crate) fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "write a whole number, like 20")
}

/// Reads what the library reads; its error without the text, which clap has quoted by then.
pub(crate) fn of_library<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| {
        let error = error.to_string();
        error.split_once("`: ").map_or(error.clone(), |(_, what)| what.to_owned())
    })
}
